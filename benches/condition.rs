//! A `where` on every row of 100,000, decoded while it streams; and on one row in memory.
//!
//! `cargo bench --bench condition`.

mod data;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use huntbook::expr::{Bound, Condition, Env, Language, Names, Place, Subject};
use huntbook::model::{CellRef, Lists, Projection, RowView, Wanted};
use huntbook::rows::{Decoder, Flow, Limits};
use jiff::Timestamp;
use serde_json::Value;

/// Finds the rows of interest: one in a hundred.
const CONDITION: &str = r#"row.FileSize > 250000
    && row.FileName in ["powershell.exe", "pwsh.exe", "cmd.exe", "mshta.exe", "wscript.exe", "rundll32.exe"]
    && row.ProcessCommandLine.to_lower().contains("-enc")"#;

static BODY: LazyLock<String> = LazyLock::new(|| data::answer(100_000));

fn main() {
    divan::main();
}

fn bound(source: &str, projection: &Projection) -> Bound {
    let names =
        Names { subject: Subject::Rows { columns: None }, lists: BTreeSet::new(), place: Place::Where };
    let condition = Condition::compile(&Language::new(), source, &names).expect("the condition compiles");
    condition.bind(projection, &Lists::default())
}

fn stream(bencher: Bencher<'_, '_>, source: &str) {
    let projection = Arc::new(Projection::new(data::WANTED));
    let mut condition = bound(source, &projection);
    let run = Value::Null;
    let env = Env { now: Timestamp::UNIX_EPOCH, run: &run, outcome: None };
    bencher.counter(BytesCount::of_str(&**BODY)).bench_local(|| {
        let mut decoder = Decoder::new(Wanted::Only(Arc::clone(&projection)), Limits::default());
        let mut kept = Vec::new();
        for chunk in BODY.as_bytes().chunks(64 << 10) {
            let flow = decoder.feed(chunk, &mut |row| {
                if condition.test_row(row, &env).expect("the row has its columns") {
                    kept.push(row.to_row(&projection));
                }
                Flow::Continue
            });
            assert_eq!(flow, Ok(Flow::Continue));
        }
        decoder.finish().expect("the answer is sound");
        assert_eq!(kept.len(), 1_000);
        kept
    });
}

#[divan::bench]
fn streaming(bencher: Bencher<'_, '_>) {
    stream(bencher, CONDITION);
}

/// `switch` sends the whole condition through the script engine.
#[divan::bench(sample_count = 10)]
fn streaming_by_script(bencher: Bencher<'_, '_>) {
    stream(bencher, &format!("switch 1 {{ _ => {CONDITION} }}"));
}

/// The row passes every clause but the last.
#[divan::bench]
fn one_row(bencher: Bencher<'_, '_>) {
    let projection = Projection::new(["FileSize", "FileName", "ProcessCommandLine"]);
    let mut condition = bound(CONDITION, &projection);
    let command =
        "\"C:\\Windows\\System32\\cmd.exe\" /q /c \"C:\\Program Files\\Contoso\\collect.cmd\" --out x.log";
    let cells = [CellRef::Int(300_000), CellRef::Text("cmd.exe".into()), CellRef::Text(command.into())];
    let row = RowView { projection: &projection, cells: &cells };
    let run = Value::Null;
    let env = Env { now: Timestamp::UNIX_EPOCH, run: &run, outcome: None };
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| condition.test_row(divan::black_box(&row), &env));
}

#[divan::bench]
fn compile(bencher: Bencher<'_, '_>) {
    let language = Language::new();
    let names =
        Names { subject: Subject::Rows { columns: None }, lists: BTreeSet::new(), place: Place::Where };
    bencher.bench_local(|| Condition::compile(&language, CONDITION, &names).map(|_condition| ()));
}
