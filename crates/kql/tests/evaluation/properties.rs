//! Whatever is asked, evaluation ends without a panic.

use kql::bind::check;
use kql::catalogue::{aggregate_names, function_names, plugin_names};
use kql::eval::{Env, EvalError, Limits, NoTables, run};
use kql::schema::Database;
use kql::value::Datetime;
use proptest::prelude::*;
use proptest::sample::select;

/// Values at the edges of what the types can hold.
const VALUES: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "7",
    "30",
    "64",
    "1000",
    "9223372036854775807",
    "long(-9223372036854775808)",
    "int(2147483647)",
    "long(null)",
    "int(null)",
    "0.0",
    "-0.0",
    "1.5",
    "-2.5",
    "1e308",
    "1e-320",
    "real(nan)",
    "real(+inf)",
    "real(-inf)",
    "real(null)",
    "decimal(1.5)",
    "decimal(-99999999999999999999999999999999)",
    "decimal(0)",
    "decimal(null)",
    "true",
    "false",
    "bool(null)",
    "''",
    "'a'",
    "'Hello World'",
    "'1.2.3.4/24'",
    "'::1'",
    "'2020-01-01'",
    "'1.02:03:04'",
    "'é€𝓗'",
    "'[1,2'",
    "'{\"a\":1}'",
    "'https://u:p@h:8/p?q=1#f'",
    "'C:\\\\a\\\\b.txt'",
    "'$.a[0]'",
    "'(a)(b)?'",
    "'month'",
    "'week'",
    "'yyyy-MM-dd HH:mm:ss.fffffff tt'",
    "'ddd.hh'",
    "'regex'",
    "'U3RyaW5n'",
    "'xn--Ge-mia'",
    "'<a b=\"c\">d<e/></a>'",
    "'dr5ru'",
    "'89c259'",
    "'862a1072fffffff'",
    "datetime(2020-02-29 12:34:56.7)",
    "datetime(0001-01-01)",
    "datetime(9999-12-31 23:59:59.9999999)",
    "datetime(null)",
    "1d",
    "-1h",
    "1tick",
    "timespan(null)",
    "time(10675199.02:48:05.4775807)",
    "guid(01234567-89ab-cdef-0123-456789abcdef)",
    "guid(null)",
    "dynamic(null)",
    "dynamic([])",
    "dynamic({})",
    "dynamic([1,null,\"a\",2.5,[3]])",
    "dynamic([1,2,3,4,5])",
    "dynamic([0.5,-1,1e300])",
    "dynamic([\"a\",\"b\"])",
    "dynamic({\"a\":1,\"b\":{\"c\":[1,2]}})",
    "dynamic(5)",
    "dynamic(\"x\")",
    "dynamic({\"type\":\"LineString\",\"coordinates\":[[0,0],[10,10],[20,0]]})",
    "dynamic({\"type\":\"Polygon\",\"coordinates\":[[[0,0],[10,0],[10,10],[0,0]]]})",
    "dynamic({\"type\":\"MultiPolygon\",\"coordinates\":[[[[0,0],[10,0],[10,10],[0,0]]],[[[5,2],[15,2],[15,12],[5,2]]]]})",
    "typeof(long)",
    "typeof(string)",
];

const OPERATORS: &[&str] = &[
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "=~",
    "!~",
    "has",
    "!has",
    "has_cs",
    "contains",
    "!contains",
    "contains_cs",
    "startswith",
    "endswith",
    "hasprefix",
    "hassuffix",
    "matches regex",
    "and",
    "or",
];

/// Operators over a table with the columns `a`, `b` and `c`.
const STAGES: &[&str] = &[
    "where a > 1",
    "where b has 'x' or isnull(a)",
    "extend d = a * 2, e = strlen(b)",
    "project a, b, c",
    "summarize count(), sum(a) by b",
    "summarize arg_max(a, *) by b",
    "summarize make_list(c), make_set(a), dcount(b)",
    "sort by a asc, b",
    "top 2 by a",
    "take 2",
    "distinct b",
    "mv-expand c",
    "mv-expand kind=array c to typeof(string)",
    "mv-expand with_itemindex=i c limit 1",
    "mv-apply c on (summarize make_list(c))",
    "join kind=fullouter (T) on a",
    "join (T) on b",
    "join kind=leftanti (T) on $left.a == $right.a",
    "lookup (T) on b",
    "union T",
    "union withsource=s (print a = 'x')",
    "parse b with * 'x' rest:long",
    "parse kind=regex b with 'x(.)' y",
    "parse-where b with x:string 'y' *",
    "parse-kv b as (k:long, x:string) with (pair_delimiter=' ', kv_delimiter='=')",
    "make-series sum(a) on a from 0 to 5 step 1",
    "make-series count() default=-1 on a step 2 by b",
    "partition by b (top 1 by a)",
    "top-nested 2 of b by sum(a), top-nested 1 of a by count()",
    "top-hitters 1 of b by a",
    "sort by a asc | scan declare (s: long = 0) with (step x: true => s = x.s + a;)",
    "sort by a asc | extend r = row_number(), p = prev(a), n = next(b, 2, 'z')",
    "serialize s = row_cumsum(a), k = row_rank_dense(b)",
    "getschema",
    "count",
    "sample 1",
    "sample-distinct 1 of b",
    "evaluate bag_unpack(c)",
    "evaluate pivot(b)",
    "evaluate pivot(b, sum(a))",
    "evaluate narrow()",
    "search 'x'",
    "as X | union X",
    "reduce by b",
    "project-away a",
    "project-rename q = a",
    "project-reorder b, *",
    "where * has 'x'",
    "extend p = pack_all()",
    "render timechart",
    "evaluate rolling_percentile(a, 50, a, 2, 3)",
];

const TABLE: &str = "let T = datatable(a: long, b: string, c: dynamic)[1, 'x', dynamic([1, {\"k\": 2}]), long(null), '', dynamic(null), \
                     3, 'k=1 x=y', dynamic({\"p\": 1, \"q\": [2]}), -9223372036854775808, 'xyx', dynamic([])];";

/// Runs a query if it can be bound, with small limits.
fn evaluate(query: &str) {
    let checked = check(query, Database::defender());
    if checked.bound.has_errors() {
        return;
    }
    let limits = Limits { rows: 100_000, steps: 20_000_000, memory: 64 << 20, ..Limits::default() };
    let env = Env { limits, ..Env::at(Datetime::UNIX_EPOCH) };
    let result: Result<_, EvalError> = run(&checked.bound.plan, &NoTables, &env);
    if let Ok(answers) = result {
        for answer in answers {
            assert_eq!(answer.table.batch.width(), answer.table.schema.len(), "{query}");
            for row in 0..answer.table.batch.rows().min(10) {
                for (value, column) in answer.table.batch.row(row).iter().zip(&answer.table.schema.columns) {
                    assert_eq!(value.ty(), column.ty, "{query}: {}", column.name);
                }
            }
        }
    }
}

fn values(count: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(select(VALUES), 0..=count).prop_map(|values| values.join(", "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn functions_take_any_value(function in select(function_names().collect::<Vec<_>>()), args in values(5)) {
        evaluate(&format!("print x = {function}({args})"));
    }

    #[test]
    fn functions_take_any_column(function in select(function_names().collect::<Vec<_>>()), args in values(3)) {
        let comma = if args.is_empty() { "" } else { ", " };
        for column in ["a", "b", "c"] {
            evaluate(&format!("{TABLE} T | sort by a asc | extend x = {function}({column}{comma}{args})"));
        }
    }

    #[test]
    fn operators_take_any_value(op in select(OPERATORS), a in select(VALUES), b in select(VALUES)) {
        evaluate(&format!("print x = {a} {op} {b}"));
        evaluate(&format!("print x = ({a} {op} {b}), y = -({a}), z = {a} between ({b} .. {b}), w = {a} in ({b}, {a})"));
        evaluate(&format!("range x from {a} to {b} step {a} | take 5"));
    }

    #[test]
    fn aggregates_take_any_value(aggregate in select(aggregate_names().collect::<Vec<_>>()), args in values(3)) {
        for column in ["a", "b", "c", "real(null)", "a > 1", "todatetime(b)"] {
            let comma = if args.is_empty() { "" } else { ", " };
            evaluate(&format!("{TABLE} T | summarize x = {aggregate}({column}{comma}{args}) by b"));
            evaluate(&format!("{TABLE} T | where a > 100 | summarize {aggregate}({column}{comma}{args})"));
        }
    }

    #[test]
    fn plugins_take_any_value(plugin in select(plugin_names().collect::<Vec<_>>()), args in values(4)) {
        let comma = if args.is_empty() { "" } else { ", " };
        for columns in ["a", "b", "c", "a, a", "T, b, b", "T, c, a, a"] {
            evaluate(&format!("{TABLE} T | evaluate {plugin}({columns}{comma}{args})"));
        }
    }

    #[test]
    fn stages_come_in_any_order(stages in proptest::collection::vec(select(STAGES), 1..6)) {
        evaluate(&format!("{TABLE} T | {}", stages.join(" | ")));
    }
}
