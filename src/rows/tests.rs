use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{Cell, Projection, Row, Wanted};

fn only(names: &[&str]) -> Wanted {
    Wanted::Only(Arc::new(Projection::new(names.iter().copied())))
}

/// Decodes in chunks of the given sizes, repeated.
fn decode_in(
    body: &[u8],
    wanted: Wanted,
    limits: Limits,
    sizes: &[usize],
) -> Result<(Vec<Row>, Answer), DecodeError> {
    let mut decoder = Decoder::new(wanted, limits);
    let mut rows = Vec::new();
    let mut rest = body;
    for size in sizes.iter().cycle() {
        let (chunk, after) = rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
        decoder.feed(chunk, &mut |view| {
            assert_eq!(view.projection.len(), view.cells.len());
            rows.push(view.to_row());
            Flow::Continue
        })?;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    Ok((rows, decoder.finish()?))
}

/// Decodes whole and in single bytes, and checks that both agree.
#[track_caller]
fn decode(body: &str, wanted: &Wanted) -> Result<(Vec<Row>, Answer), DecodeError> {
    let whole = decode_in(body.as_bytes(), wanted.clone(), Limits::default(), &[usize::MAX]);
    let single = decode_in(body.as_bytes(), wanted.clone(), Limits::default(), &[1]);
    assert_eq!(whole, single, "chunk sizes must not matter");
    whole
}

#[track_caller]
fn check_rows(body: &str, wanted: &[&str], expected: &Value) {
    let (rows, answer) = decode(body, &only(wanted)).unwrap();
    assert_eq!(serde_json::to_value(&rows).unwrap(), *expected);
    assert_eq!(answer.quarantined, 0);
}

#[test]
fn both_dialects_are_understood() {
    check_rows(
        r#"{"@odata.context":"x","schema":[{"name":"A","type":"String"}],"results":[{"A":"1","@odata.type":"x"},{"A":null}]}"#,
        &["A"],
        &json!([{"A": "1"}, {"A": null}]),
    );
    check_rows(
        "{\"Stats\":{\"ExecutionTime\":4.1e-2,\"x\":[{}]},\r\n\t\"Schema\":[{\"Name\":\"A\",\"Type\":\"Int32\"}],\"Results\":[ {\"A\" : 1 } , { \"A\":2}\n] } \n",
        &["A"],
        &json!([{"A": 1}, {"A": 2}]),
    );
    check_rows(r#"{"Results":[]}"#, &["A"], &json!([]));
}

#[test]
fn columns_keep_the_order_of_the_schema() {
    let body =
        r#"{"results":[],"schema":[{"Name":"B","Type":"SByte"},{"name":"A","type":"System.DateTime"},{}]}"#;
    let (_, answer) = decode(body, &Wanted::All).unwrap();
    let column = |name: &str, kind| Column { name: name.into(), kind };
    assert_eq!(answer.columns, [column("B", ColumnKind::Bool), column("A", ColumnKind::DateTime)]);
}

#[test]
fn a_truth_column_of_zeros_and_ones_is_a_truth() {
    let schema = r#""schema":[{"name":"A","type":"SByte"},{"name":"B","type":"Int32"}]"#;
    let rows = r#""results":[{"A":1,"B":1},{"A":0,"B":0},{"A":2},{"A":null},{"A":true}]"#;
    let both = &["A", "B"];
    let expected = json!([{"A": true, "B": 1}, {"A": false, "B": 0}, {"A": 2, "B": null}, {"A": null, "B": null}, {"A": true, "B": null}]);
    check_rows(&format!("{{{schema},{rows}}}"), both, &expected);
    // Without the schema ahead of the rows nothing is known.
    check_rows(
        &format!("{{{rows},{schema}}}"),
        &["A"],
        &json!([{"A": 1}, {"A": 0}, {"A": 2}, {"A": null}, {"A": true}]),
    );
}

#[test]
fn all_columns_come_in_the_order_of_the_answer() {
    let (rows, _) = decode(r#"{"results":[{"B":1,"A":2},{"A":3,"C":4,"B":5}]}"#, &Wanted::All).unwrap();
    assert_eq!(serde_json::to_string(&rows).unwrap(), r#"[{"B":1,"A":2},{"B":5,"A":3,"C":4}]"#);
    let (rows, _) = decode(
        r#"{"schema":[{"name":"A","type":"Long"},{"name":"B","type":"Long"}],"results":[{"B":1}]}"#,
        &Wanted::All,
    )
    .unwrap();
    assert_eq!(serde_json::to_string(&rows).unwrap(), r#"[{"A":null,"B":1}]"#);
}

#[test]
fn case_helps_only_where_it_is_unambiguous() {
    check_rows(
        r#"{"results":[{"deviceid":"x"},{"DEVICEID":"y","Deviceid":null,"DeviceId":"z"}]}"#,
        &["DeviceId"],
        &json!([{"DeviceId": "x"}, {"DeviceId": "z"}]),
    );
    let (rows, answer) = decode(
        r#"{"results":[{"deviceid":"x","DEVICEID":"y"},{"DeviceId":"a","DeviceId":"b"},{"DeviceId":"ok"}]}"#,
        &only(&["DeviceId"]),
    )
    .unwrap();
    assert_eq!(serde_json::to_value(rows).unwrap(), json!([{"DeviceId": "ok"}]));
    assert_eq!(answer.quarantined, 2);
    assert!(answer.samples.iter().all(|sample| sample.reason == RowError::DuplicateColumn));
}

#[test]
fn escaped_keys_are_the_keys_they_mean() {
    check_rows(
        r#"{"\u0072esults":[{"\u0041":1},{"A":2},{"\u0041":3}]}"#,
        &["A"],
        &json!([{"A": 1}, {"A": 2}, {"A": 3}]),
    );
}

#[test]
fn one_bad_row_does_not_blind_the_hunt() {
    for (bad, reason) in [
        (r#"{"A":1e400}"#, RowError::NumberRange),
        (r#"{"A":NaN}"#, RowError::Syntax),
        (r#"{"Other":NaN,"A":1}"#, RowError::Syntax),
        (r#"{"A" 1}"#, RowError::Syntax),
        (r#"{"A":1,}"#, RowError::Syntax),
        (r#"{"A":"\x"}"#, RowError::Syntax),
        ("{\"A\":\"a\nb\"}", RowError::Syntax),
        (r#"{"A":{"x":[1,]}}"#, RowError::Syntax),
        (r#"[{"A":1}]"#, RowError::NotAnObject),
        ("17", RowError::NotAnObject),
        (r#""},{""#, RowError::NotAnObject),
        ("null", RowError::NotAnObject),
    ] {
        let body = format!(r#"{{"results":[{{"A":1}},{bad} ,{{"A":2}}]}}"#);
        let (rows, answer) = decode(&body, &only(&["A"])).unwrap();
        assert_eq!(serde_json::to_value(&rows).unwrap(), json!([{"A": 1}, {"A": 2}]), "{bad}");
        assert_eq!(answer.rows, 2);
        assert_eq!(answer.quarantined, 1, "{bad}");
        let sample = answer.samples.first().unwrap();
        assert_eq!((sample.reason, sample.offset), (reason, 20), "{bad}");
        assert_eq!(sample.sample, bad.as_bytes().escape_ascii().to_string());
    }
}

#[test]
fn the_text_of_a_row_cannot_forge_rows() {
    let forged = r#"x\"},{\"A\":\"forged"#;
    let body = format!(r#"{{"results":[{{"A":"\x","B":"{forged}"}},{{"A":"{forged}"}},{{"A":"ok"}}]}}"#);
    let (rows, answer) = decode(&body, &only(&["A"])).unwrap();
    assert_eq!(serde_json::to_value(rows).unwrap(), json!([{"A": "x\"},{\"A\":\"forged"}, {"A": "ok"}]));
    assert_eq!(answer.quarantined, 1);
}

#[test]
fn an_answer_cut_anywhere_is_an_error() {
    let body =
        r#"{"schema":[{"name":"A","type":"String"}],"results":[{"A":"x","B":[1,{"c":"\\"}]},{"A":"y"}]}"#;
    for end in 0..body.len() {
        let cut = body.get(..end).unwrap();
        let error = decode(cut, &only(&["A"])).unwrap_err();
        assert!(matches!(error, DecodeError::Truncated { .. }), "{cut}: {error}");
    }
    assert!(decode(body, &only(&["A"])).is_ok());
}

#[test]
fn what_is_no_answer_is_an_error() {
    for body in [
        "[]",
        "null",
        "<html>",
        r#"{"results":[{}{}]}"#,
        r#"{"results":[{},]}"#,
        r#"{"results":[,{}]}"#,
        r#"{"results":[]}x"#,
        r#"{"results":[]}{"results":[]}"#,
        r#"{"results":[],"Results":[]}"#,
        r#"{"results":null}"#,
        r#"{"results":{}}"#,
        r#"{"a":}"#,
        r#"{"a" 1}"#,
        "{,}",
        r#"{"a":1,}"#,
        r#"{"schema":[NaN],"results":[]}"#,
    ] {
        let error = decode(body, &only(&["A"])).unwrap_err();
        assert!(matches!(error, DecodeError::Syntax { .. }), "{body}: {error}");
    }
    assert_eq!(decode("{}", &Wanted::All).unwrap_err(), DecodeError::NoResults);
    assert_eq!(decode(r#"{"value":[{}]}"#, &Wanted::All).unwrap_err(), DecodeError::NoResults);
}

#[test]
fn an_error_inside_a_success_is_an_error() {
    let body = r#"{"error":{"code":"BadRequest","message":"no\u001b[31m table","innerError":{}}}"#;
    let expected = DecodeError::Service { code: "BadRequest".into(), message: r"no\x1b[31m table".into() };
    assert_eq!(decode(body, &Wanted::All).unwrap_err(), expected);
    check_rows(r#"{"error":null,"results":[{"A":1}]}"#, &["A"], &json!([{"A": 1}]));
}

#[test]
fn each_limit_is_named() {
    let body =
        br#"{"results":[{"A":1},{"A":[[[2]]]},{"A":"0123456789012345678901234567890123456789"},{"A":3}]}"#;
    let limits = Limits { row_bytes_max: 20, depth_max: 3, ..Limits::default() };
    for sizes in [&[1][..], &[7], &[1000]] {
        let (rows, answer) = decode_in(body, only(&["A"]), limits, sizes).unwrap();
        assert_eq!(serde_json::to_value(&rows).unwrap(), json!([{"A": 1}, {"A": 3}]));
        let reasons: Vec<_> = answer.samples.iter().map(|sample| sample.reason).collect();
        assert_eq!(reasons, [RowError::TooDeep, RowError::TooLong]);
        assert!(!answer.truncated);
    }
    let limits = Limits { bytes_max: 50, ..Limits::default() };
    assert_eq!(
        decode_in(body, only(&["A"]), limits, &[8]).unwrap_err(),
        DecodeError::BytesMax { bytes_max: 50 }
    );
    let long = format!(r#"{{"schema":"{}","results":[]}}"#, "x".repeat(2 << 20));
    assert!(matches!(
        decode_in(long.as_bytes(), Wanted::All, Limits::default(), &[4096]),
        Err(DecodeError::HeadMax { .. })
    ));
}

#[test]
fn exactly_the_most_rows_means_there_may_be_more() {
    let body = br#"{"results":[{"A":1},{"A":2},{"A":3}]}"#;
    for (rows_max, delivered, truncated) in [(4, 3, false), (3, 3, true), (2, 2, true)] {
        let limits = Limits { rows_max, ..Limits::default() };
        let (rows, answer) = decode_in(body, only(&["A"]), limits, &[1000]).unwrap();
        assert_eq!((rows.len(), answer.rows, answer.truncated), (delivered, delivered as u64, truncated));
    }
}

#[test]
fn a_receiver_that_stops_gets_no_more() {
    let mut decoder = Decoder::new(only(&["A"]), Limits::default());
    let mut count = 0;
    let body = br#"{"results":[{"A":1},{"A":2},{"A":3}"#;
    let flow = decoder.feed(body, &mut |_| {
        count += 1;
        if count == 2 { Flow::Stop } else { Flow::Continue }
    });
    assert_eq!(flow, Ok(Flow::Stop));
    assert_eq!(decoder.feed(b"garbage", &mut |_| Flow::Continue), Ok(Flow::Stop));
    let answer = decoder.finish().unwrap();
    assert_eq!((answer.rows, answer.stopped, count), (2, true, 2));
}

#[test]
fn samples_are_few_short_and_escaped() {
    let bad = format!("{{\"A\":\"\\x{}\u{1b}\u{202e}\"}}", "x".repeat(5000));
    let body = format!("{{\"results\":[{}]}}", vec![bad; 20].join(","));
    for size in [1, 100, 6000, usize::MAX] {
        let (_, answer) = decode_in(body.as_bytes(), only(&["A"]), Limits::default(), &[size]).unwrap();
        assert_eq!((answer.quarantined, answer.samples.len()), (20, SAMPLES_MAX));
        assert!(
            answer
                .samples
                .iter()
                .all(|sample| sample.sample.len() <= 4 * SAMPLE_BYTES_MAX && sample.sample.is_ascii())
        );
    }
}

/// Any JSON value a cell may hold.
fn cell() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[ -~]{0,12}", any::<String>(), r#"[\\"{}\[\],:]{0,8}"#];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-c]{1,2}", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// A table of rows, some of which lack columns or have them in another order.
fn table() -> impl Strategy<Value = Vec<Vec<(String, Value)>>> {
    let key = prop::sample::select(vec!["A", "B", "Col3", "Spalte Ä", "q\"", "long_column_name"]);
    let row = prop::collection::btree_map(key.prop_map(str::to_owned), cell(), 0..6)
        .prop_map(|row| row.into_iter().collect::<Vec<_>>())
        .prop_shuffle();
    prop::collection::vec(row, 0..8)
}

/// Compares a cell with the tree it came from; reals by value, everything else exactly.
fn same(got: &Cell, expected: &Value) -> bool {
    match (got, expected) {
        (Cell::Real(got), Value::Number(number)) => {
            number.as_f64().is_some_and(|number| (number - got).abs() <= number.abs() * 1e-15)
        }
        (Cell::Json(text), Value::Array(_) | Value::Object(_)) => {
            // Reals may differ in their last digit from what was written, so both are read once more.
            let reread: Value = serde_json::from_str(&expected.to_string()).unwrap();
            serde_json::from_str::<Value>(text).unwrap() == reread
        }
        _ => *got == Cell::from_json(expected),
    }
}

proptest! {
    #[test]
    fn any_chunks_give_what_a_whole_parse_gives(
        table in table(),
        pretty in any::<bool>(),
        sizes in prop::collection::vec(1usize..40, 1..10),
        wanted in prop::sample::subsequence(vec!["A", "B", "Col3", "Spalte Ä", "q\"", "none"], 0..6),
    ) {
        let rows: Vec<Value> = table.iter().map(|row| Value::Object(row.iter().cloned().collect())).collect();
        let body = json!({"Stats": {"x": [1, "}"]}, "Results": rows, "Schema": []});
        let body = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) }.unwrap();
        let (got, answer) = decode_in(body.as_bytes(), only(&wanted), Limits::default(), &sizes).unwrap();
        prop_assert_eq!(answer.quarantined, 0, "{:?}", answer.samples);
        prop_assert_eq!(got.len(), table.len());
        let reference: Value = serde_json::from_str(&body).unwrap();
        for (got, expected) in got.iter().zip(reference["Results"].as_array().unwrap()) {
            for (name, cell) in got.projection.names().zip(&got.cells) {
                prop_assert!(same(cell, &expected[name]), "{}: {:?} {:?}", name, cell, expected[name]);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_depend_on_chunks(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            r#"\{"results":\[[{}\[\],:"\\A1 \-.e]{0,40}(\]\})?"#.prop_map(String::into_bytes),
        ],
        sizes in prop::collection::vec(1usize..5, 1..6),
    ) {
        let whole = decode_in(&bytes, only(&["A"]), Limits::default(), &[usize::MAX]);
        let parts = decode_in(&bytes, only(&["A"]), Limits::default(), &sizes);
        match (whole, parts) {
            (Ok(whole), Ok(parts)) => prop_assert_eq!(whole, parts),
            (Err(_), Err(_)) => {}
            (whole, parts) => prop_assert!(false, "{:?} {:?}", whole, parts),
        }
    }
}
