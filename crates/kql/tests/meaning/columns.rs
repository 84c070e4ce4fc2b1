//! Queries and the columns of their results.

use kql::bind::check;
use kql::schema::Database;
use kql::types::{Column, ScalarType, Schema};

/// A small database: `T`, `U`, a stored function and a watchlist.
pub(crate) fn database() -> Database {
    let mut database = Database::defender().clone();
    let column = |name: &str, ty| Column::new(name, ty);
    database.add_table(
        "T",
        Schema::new(vec![
            column("Timestamp", ScalarType::Datetime),
            column("Name", ScalarType::String),
            column("Count", ScalarType::Long),
            column("Small", ScalarType::Int),
            column("Share", ScalarType::Real),
            column("Span", ScalarType::Timespan),
            column("Flag", ScalarType::Bool),
            column("Bag", ScalarType::Dynamic),
        ]),
    );
    database.add_table(
        "U",
        Schema::new(vec![
            column("Name", ScalarType::String),
            column("Count", ScalarType::Long),
            column("Place", ScalarType::String),
        ]),
    );
    database.add_function("Named", "(wanted: string) { T | where Name == wanted | project Name, Count }");
    database.add_watchlist("vip", Schema::new(vec![column("User", ScalarType::String)]));
    database
}

/// Each case is a query and its columns as `Name:type`; a `+` at the end means there may be more.
#[track_caller]
fn check_columns(cases: &[(&str, &str)]) {
    let database = database();
    for (query, expected) in cases {
        let checked = check(query, &database);
        assert_eq!(checked.diagnostics, [], "{query}");
        let columns = &checked.bound.columns;
        let mut found: Vec<String> = columns.columns.iter().map(ToString::to_string).collect();
        if columns.open {
            found.push("+".to_owned());
        }
        assert_eq!(found.join(" "), *expected, "{query}");
    }
}

#[test]
fn projections() {
    check_columns(&[
        ("T | project Name", "Name:string"),
        ("T | project Name, n = Count, Count", "Name:string n:long Count:long"),
        ("T | project Count + 1", "Column1:long"),
        ("T | project Count + 1, Count * 2.0", "Column1:long Column2:real"),
        ("T | project tolower(Name), tostring(Count)", "Column1:string Count:string"),
        (
            "T | project Bag.a, Bag.a.b, Bag[\"c\"], Bag[0]",
            "Bag_a:dynamic Bag_a_b:dynamic Bag_c:dynamic Bag_0:dynamic",
        ),
        ("T | project Name | extend Name = strlen(Name)", "Name:long"),
        ("T | project Name, Count | extend strlen(Name)", "Name:string Count:long strlen_Name:long"),
        ("T | project Name, Count, Flag | project-away C*", "Name:string Flag:bool"),
        ("T | project-keep *a*e, Count", "Name:string Count:long Share:real"),
        ("T | project Name, Count | project-rename n = Name", "n:string Count:long"),
        ("T | project Name, Count, Flag | project-reorder Flag, *", "Flag:bool Name:string Count:long"),
        ("T | project Flag, Name, Count | project-reorder * asc", "Count:long Flag:bool Name:string"),
        ("T | project x = Count, y = Name | distinct *", "x:long y:string"),
        ("print 1, x = \"a\", 2.5", "print_0:long x:string print_2:real"),
        ("range x from 1 to 5 step 1", "x:long"),
        ("range t from ago(1d) to now() step 1h", "t:datetime"),
        ("T | count", "Count:long"),
        ("T | project Name | as Kept | union (Kept)", "Name:string"),
    ]);
}

#[test]
fn groups() {
    check_columns(&[
        ("T | summarize count() by Name", "Name:string count_:long"),
        (
            "T | summarize dcount(Name), make_set(Name), max(Share)",
            "dcount_Name:long set_Name:dynamic max_Share:real",
        ),
        ("T | summarize sum(Small), min(Small), avg(Small)", "sum_Small:long min_Small:int avg_Small:real"),
        ("T | summarize avg(Span), avg(Timestamp)", "avg_Span:timespan avg_Timestamp:datetime"),
        ("T | summarize n = count() by bin(Timestamp, 1h)", "Timestamp:datetime n:long"),
        (
            "T | summarize count() by strcat(Name, \"x\"), day = startofday(Timestamp)",
            "Column1:string day:datetime count_:long",
        ),
        ("T | summarize round(avg(Share), 2), count() + 1", "avg_Share:real Column1:long"),
        ("T | summarize percentiles(Count, 5, 95)", "percentile_Count_5:long percentile_Count_95:long"),
        ("T | summarize take_any(Name), take_any(Count)", "Name:string Count:long"),
        ("T | top 3 by Count | project Count", "Count:long"),
        ("T | top-hitters 2 of Name", "Name:string approximate_count_Name:long"),
        ("T | top-nested 2 of Name by sum(Count)", "Name:string aggregated_Name:long"),
        (
            "T | make-series n = count(), avg(Share) on Timestamp from ago(2d) to now() step 1d by Name",
            "Name:string n:dynamic avg_Share:dynamic Timestamp:dynamic",
        ),
    ]);
}

#[test]
fn extremes_carry_columns_along() {
    check_columns(&[
        ("U | summarize arg_max(Count, *) by Name", "Name:string Count:long Place:string"),
        ("U | summarize arg_max(Count, Place)", "Count:long Place:string"),
        ("U | summarize last = arg_max(Count, *) by Name", "Name:string last:long Place:string"),
        ("U | summarize (a, b) = arg_min(Count, Place)", "a:long b:string"),
        ("U | summarize argmax(Count, Place)", "max_Count:long max_Count_Place:string"),
        (
            "T | project Timestamp, Name | summarize arg_max(Timestamp, *) by bin(Timestamp, 1d)",
            "Timestamp:datetime Timestamp1:datetime Name:string",
        ),
        ("U | summarize any(*)", "any_Name:string any_Count:long any_Place:string"),
    ]);
}

#[test]
fn joins_and_unions() {
    check_columns(&[
        (
            "U | join kind=inner U on Name",
            "Name:string Count:long Place:string Name1:string Count1:long Place1:string",
        ),
        ("U | join kind=leftanti (T | project Name) on Name", "Name:string Count:long Place:string"),
        ("U | join kind=rightsemi (T | project Name, Flag) on Name", "Name:string Flag:bool"),
        (
            "U | join kind=inner (T | project N = Name) on $left.Name == $right.N",
            "Name:string Count:long Place:string N:string",
        ),
        ("U | lookup (T | project Name, Flag) on Name", "Name:string Count:long Place:string Flag:bool"),
        ("U | project Name | union (U | project Name, Place)", "Name:string Place:string"),
        ("(U | project Count) | union (U | project Count = Name)", "Count_long:long Count_string:string"),
        (
            "union withsource=From (U | project Name), (U | project Place)",
            "From:string Name:string Place:string",
        ),
        ("union kind=inner (U | project Name, Count), (U | project Name)", "Name:string"),
    ]);
}

#[test]
fn expansions_and_texts() {
    check_columns(&[
        ("T | project Name, Bag | mv-expand Bag", "Name:string Bag:dynamic"),
        ("T | project Name, Bag | mv-expand x = Bag to typeof(long)", "Name:string Bag:dynamic x:long"),
        ("T | project Bag | mv-expand with_itemindex=i Bag", "Bag:dynamic i:long"),
        (
            "T | project Name, Bag | mv-apply Bag on (where Bag.a == 1 | summarize n = count())",
            "Name:string n:long",
        ),
        ("T | project Name, Bag | mv-apply x = Bag on (take 1)", "Name:string Bag:dynamic x:dynamic"),
        ("T | project Name | parse Name with a \":\" b: long *", "Name:string a:string b:long"),
        ("T | project Name | parse-where Name with * \"x=\" x: int", "Name:string x:int"),
        (
            "T | project Name | parse-kv Name as (a: string, b: long) with (pair_delimiter=\",\", kv_delimiter=\"=\")",
            "Name:string a:string b:long",
        ),
        ("T | project p = parse_url(Name) | project p.Host, h = tostring(p.Host)", "p_Host:dynamic h:string"),
        ("T | project Name | extend split(Name, \",\")[0]", "Name:string Name_0:dynamic"),
    ]);
}

#[test]
fn variables_and_functions() {
    check_columns(&[
        ("let n = 5; T | project Name | extend n", "Name:string n:long"),
        ("let since = ago(7d); T | where Timestamp > since | project Name", "Name:string"),
        ("let names = U | distinct Name; T | where Name in (names) | project Name", "Name:string"),
        (
            "let big = toscalar(U | summarize max(Count)); T | project Count | extend more = Count > big",
            "Count:long more:bool",
        ),
        ("let f = (a: long, b: long = 2) { a * b }; print f(3)", "print_0:long"),
        ("let f = (t: (Name: string)) { t | project Name }; f(U)", "Name:string"),
        ("let f = (t: (*)) { t | extend x = 1 }; U | project Count | invoke f()", "Count:long x:long"),
        ("let f = () { U | project Place }; f", "Place:string"),
        ("Named(\"a\")", "Name:string Count:long"),
        ("let kept = materialize(U | project Name); kept | union kept", "Name:string"),
        ("datatable(a: int, b: string)[1, \"x\", 2, \"y\"]", "a:int b:string"),
        ("externaldata(line: string)[@\"https://example.org/x.csv\"] with (format=\"csv\")", "line:string"),
        ("_GetWatchlist(\"vip\")", "User:string"),
    ]);
}

#[test]
fn rows_that_only_the_data_know() {
    check_columns(&[
        ("T | project Name, Bag | evaluate bag_unpack(Bag)", "Name:string +"),
        (
            "T | project Name, Bag | evaluate bag_unpack(Bag) | where Other == 1 | project Name, Other",
            "Name:string Other:unknown +",
        ),
        (
            "T | project Name, Bag | evaluate bag_unpack(Bag): (Name: string, Other: long)",
            "Name:string Other:long",
        ),
        ("U | evaluate pivot(Place, sum(Count))", "Name:string +"),
        ("U | evaluate narrow()", "Row:long Column:string Value:string"),
    ]);
}

#[test]
fn services_extend_rows() {
    check_columns(&[(
        "DeviceFileEvents | distinct SHA1 | invoke FileProfile() | project SHA1, GlobalPrevalence, IsExecutable",
        "SHA1:string GlobalPrevalence:long IsExecutable:bool",
    )]);
}

#[test]
fn searches() {
    check_columns(&[
        ("U | search \"x\"", "$table:string Name:string Count:long Place:string"),
        ("search in (U) Name:\"x\" or 5", "$table:string Name:string Count:long Place:string"),
        ("find in (U) where Name == \"x\" project Name, Count", "source_:string Name:string Count:long"),
    ]);
}

#[test]
fn graphs() {
    check_columns(&[(
        "datatable(a: string, b: string, w: long)[\"x\", \"y\", 1] | make-graph a --> b with_node_id=id
         | graph-match (s)-[e]->(t) where e.w > 0 project s.id, e.w, target = t.id",
        "s_id:string e_w:long target:string",
    )]);
}

#[test]
fn arithmetic_has_the_types_of_the_service() {
    check_columns(&[
        ("T | project a = Small + Small, b = Small + Count, c = Count + Share", "a:long b:long c:real"),
        (
            "T | project a = Timestamp - Timestamp, b = Timestamp + Span, c = Span / Span",
            "a:timespan b:datetime c:real",
        ),
        ("T | project a = Span * 2, b = Timestamp % 1h, c = -Small", "a:timespan b:timespan c:long"),
        ("T | project a = Bag.x + 1, b = Bag.x + Bag.y, c = Count - Bag.x", "a:long b:dynamic c:long"),
        (
            "T | project a = iff(Flag, 1, 2.0), b = case(Flag, \"x\", \"y\"), c = coalesce(Small, Count)",
            "a:real b:string c:long",
        ),
        (
            "T | project bin(Count, 5), bin(Share, 0.5), bin(Timestamp, 1d)",
            "Count:long Share:real Timestamp:datetime",
        ),
    ]);
}
