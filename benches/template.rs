//! One notification that shows 1,000 rows, seven columns each.
//!
//! `cargo bench --bench template`.

mod data;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use huntbook::text::{Template, encode};
use serde_json::{Value, json};

const NOTE: &str = "[{{playbook.severity}}] {{len items}} rows\n{{#each items}}- {{row.Timestamp}} {{row.DeviceName}} \
    {{row.AccountName}} {{row.FileName}} pid={{row.ProcessId}}: {{row.ProcessCommandLine}}\n{{/each}}";

fn main() {
    divan::main();
}

/// The rows of interest, as the engine gives them to a template.
fn note_data() -> Value {
    let answer: Value = serde_json::from_str(&data::answer(100_000)).expect("the answer is JSON");
    let rows = answer.get("Results").and_then(Value::as_array).expect("it has rows");
    let wanted =
        |row: &Value| -> Value { data::WANTED.iter().map(|name| (*name, row.get(name).cloned())).collect() };
    let items: Vec<Value> = rows.iter().skip(7).step_by(100).map(|row| json!({"row": wanted(row)})).collect();
    json!({"items": items, "playbook": {"severity": "high"}})
}

#[divan::bench]
fn render(bencher: Bencher<'_, '_>) {
    let data = note_data();
    let template = Template::compile(NOTE).expect("the template compiles");
    let length = template.render(&data).expect("the data has what it names").len();
    let counters = bencher.counter(ItemsCount::new(1_000_u32)).counter(BytesCount::new(length));
    counters.bench(|| template.render(&data));
}

#[divan::bench(args = ["html", "slack", "card", "log"])]
fn encode_note(bencher: Bencher<'_, '_>, sink: &str) {
    let template = Template::compile(NOTE).expect("the template compiles");
    let text = template.render(&note_data()).expect("the data has what it names");
    let encoder = match sink {
        "html" => encode::html,
        "slack" => encode::slack,
        "card" => encode::card,
        _ => encode::log,
    };
    bencher.counter(BytesCount::of_str(&text)).bench(|| encoder(&text));
}

#[divan::bench]
fn compile(bencher: Bencher<'_, '_>) {
    bencher.bench(|| Template::compile(NOTE));
}
