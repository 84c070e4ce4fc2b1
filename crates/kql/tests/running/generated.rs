//! Queries that bring their own rows and use everything the catalogue has.

use crate::mutation::Dice;
use kql::catalogue::{aggregate_names, function_names, plugin_names};

/// Rows with the values that go wrong: nulls, empty texts, ends of ranges, odd letters.
const ROWS: &str = r#"let T = datatable(b: bool, i: int, l: long, r: real, d: datetime, t: timespan, s: string, g: guid, m: decimal, j: dynamic) [
    true, 1, 1, 1.5, datetime(2026-01-01 10:00), 1d, "alpha beta=1, gamma=2", guid(74be27de-1e4e-49d9-b579-fe0b331d3642), decimal(1.25), dynamic([1, 2, {"a": 1}]),
    false, int(-2147483648), long(-9223372036854775808), real(-inf), datetime(0001-01-01), time(-1d), "", guid(null), decimal(-1e20), dynamic({"a": {"b": [null, "x"]}}),
    bool(null), int(2147483647), 9223372036854775807, real(nan), datetime(9999-12-31 23:59:59.9999999), 10675199d, "é日😀'\"\\", guid(null), decimal(null), dynamic("10.0.0.1/8"),
    true, int(null), long(null), real(null), datetime(null), time(null), "10.0.0.1", guid(00000000-0000-0000-0000-000000000000), decimal(0), dynamic(null),
    false, 0, 0, 0.0, datetime(2024-02-29), 1tick, "https://user:p@h.example:8080/a/b?x=1#f", guid(null), decimal(0.1), dynamic([])
];
"#;

const ATOMS: &[&str] = &[
    "b",
    "i",
    "l",
    "r",
    "d",
    "t",
    "s",
    "g",
    "m",
    "j",
    "j.a",
    "j[0]",
    "j.a.b[-1]",
    "0",
    "1",
    "-1",
    "3",
    "64",
    "1000000",
    "9223372036854775807",
    "0.5",
    "-1e308",
    "real(nan)",
    "\"\"",
    "\"a\"",
    "\"(a|b)+\"",
    "\"[\"",
    "\"%Y\"",
    "\"yyyy-MM-dd\"",
    "\"day\"",
    "\"$.a.b[0]\"",
    "\"10.0.0.0/8\"",
    "1d",
    "-1tick",
    "1000d",
    "datetime(2026-01-01)",
    "now()",
    "true",
    "dynamic(null)",
    "dynamic([])",
    "dynamic([3, 1, 2])",
    "dynamic([1.5, null, \"x\"])",
    "dynamic({\"a\": 1})",
    "dynamic([[0, 0], [0, 10], [10, 10], [0, 0]])",
    "typeof(long)",
    "int(null)",
    "guid(null)",
    "decimal(7)",
];

const SIGNS: &[&str] = &[
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
    "!contains_cs",
    "startswith",
    "!endswith",
    "hasprefix",
    "hassuffix_cs",
    "matches regex",
    "and",
    "or",
];

/// Operators with places for expressions (`#`), aggregates (`@`) and columns (`%`).
const STAGES: &[&str] = &[
    "extend x = #, y = #",
    "extend x = #",
    "where #",
    "project %, x = #",
    "project-away %",
    "project-rename z = %",
    "project-reorder %",
    "summarize x = @ by %",
    "summarize @, @ by bin(l, 3)",
    "summarize @",
    "sort by % asc, # desc nulls first",
    "top 2 by #",
    "top-nested 2 of % by x = @, top-nested 1 of % by y = @",
    "distinct %, %",
    "take 2",
    "count",
    "mv-expand x = j",
    "mv-expand j to typeof(long) limit 2",
    "mv-expand bagexpansion=array j, s",
    "mv-apply x = j on (summarize y = @)",
    "mv-apply x = j to typeof(long) on (where x > 1 | extend y = #)",
    "join (T | where #) on %",
    "join kind=leftouter (T | project %, x = #) on %",
    "join kind=fullouter T on %, %",
    "join kind=rightanti (T | where #) on %",
    "lookup (T | project %, x = s) on %",
    "union (T | extend x = #), T",
    "union kind=inner withsource=w (T | project %)",
    "make-series x = @ default=0 on l from 0 to 10 step 3 by %",
    "make-series x = @ on d from datetime(2026-01-01) to datetime(2026-01-03) step 12h",
    "parse s with * \"=\" x:long \",\" y",
    "parse-where kind=regex s with \"(a|h)\" x \"[=:]\" y",
    "parse-kv s as (beta: long, gamma: string) with (pair_delimiter=\",\", kv_delimiter=\"=\")",
    "serialize x = row_number(), y = prev(%), z = next(%, 2, %)",
    "serialize x = row_cumsum(l), y = row_rank_dense(l)",
    "partition hint.strategy=native by % (summarize x = @ | extend y = #)",
    "partition by b (top 1 by %)",
    "scan declare (n: long = 0) with (step a: true => n = a.n + l; step c: b == true => n = 1;)",
    "sample-distinct 2 of %",
    "getschema",
    "as U | union U",
    "search \"a\"",
    "where s in (\"\", \"a\", s) or l !in (1, 2) or s has_any (\"alpha\", \"h\") or s in~ ((T | project s))",
    "where l between (# .. #)",
    "extend x = toscalar(T | summarize @)",
    "evaluate !",
    "make-graph i --> l with_node_id=n | graph-match (a)-[e]->(c) where # project a.n, e.s",
];

const COLUMNS: &[&str] = &["b", "i", "l", "r", "d", "t", "s", "g", "m"];

/// Makes a query.
pub(crate) fn generated(dice: &mut Dice) -> String {
    let mut text = format!("{ROWS}T");
    for _ in 0..=dice.below(3) {
        text.push_str("\n| ");
        for c in pick(dice, STAGES).chars() {
            match c {
                '#' => text.push_str(&expression(dice, 2)),
                '@' => text.push_str(&call(dice, &aggregate_names().collect::<Vec<_>>(), 1)),
                '!' => text.push_str(&call(dice, &plugin_names().collect::<Vec<_>>(), 1)),
                '%' => text.push_str(pick(dice, COLUMNS)),
                c => text.push(c),
            }
        }
    }
    text
}

fn pick<'a>(dice: &mut Dice, from: &[&'a str]) -> &'a str {
    from.get(dice.below(from.len().max(1))).copied().unwrap_or_default()
}

fn expression(dice: &mut Dice, depth: usize) -> String {
    match dice.below(if depth == 0 { 1 } else { 6 }) {
        0 | 1 => pick(dice, ATOMS).to_owned(),
        2 => {
            let sign = pick(dice, SIGNS);
            format!("({} {sign} {})", expression(dice, depth - 1), expression(dice, depth - 1))
        }
        _ => call(dice, &function_names().collect::<Vec<_>>(), depth - 1),
    }
}

fn call(dice: &mut Dice, names: &[&str], depth: usize) -> String {
    let name = pick(dice, names);
    let count = dice.below(5);
    let arguments: Vec<String> = (0..count).map(|_| expression(dice, depth)).collect();
    format!("{name}({})", arguments.join(", "))
}
