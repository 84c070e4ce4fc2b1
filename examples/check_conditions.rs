//! Checks what people write, and tests a condition over rows, without a tenant.
//!
//! First a playbook with mistakes: every problem is found in one pass, each with its place and, where one
//! is near, a mend. Then a condition, compiled once and tested on the rows of a hunting answer while they
//! stream; only the columns it reads are decoded.
//!
//! Run it with `cargo run --example check_conditions`.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::anyhow;
use huntbook::action::Approvers;
use huntbook::diag::{Chain, Format, Sink, render};
use huntbook::expr::{Condition, Env, Language, Names, Place, Reads, Subject};
use huntbook::guard::Ceilings;
use huntbook::kql::Schema;
use huntbook::model::{Lists, Projection, Wanted};
use huntbook::plan::{Exclusions, Queries, World, compile};
use huntbook::rows::{Decoder, Flow, Limits};

/// A playbook with three mistakes.
const PLAYBOOK: &str = r#"
schema: 1
id: 3a0f6a52-3f0b-4d8e-9a55-5d2f6f1f9c10
name: A playbook with mistakes
severity: High
hunt:
  query: DeviceProcessEvents | summarize Files = count() by DeviceId, DeviceName
  queryPeriod: 1h
  identity: [DeviceId]
where: row.Filse > 4
actions:
  - id: isolate
    isolateDevice: {device: "{{row.DeviceID}}", isolationType: full, comment: "see run"}
notify:
  - channel: soc-taems
    title: "{{playbook.name}}"
"#;

/// A hunting answer as Microsoft Graph gives it.
const ANSWER: &str = r#"{
  "schema": [{"name": "DeviceName", "type": "String"}, {"name": "Files", "type": "Long"}],
  "results": [
    {"DeviceName": "ws-017.contoso.example", "Files": 42},
    {"DeviceName": "build-1.contoso.example", "Files": 900},
    {"DeviceName": "ws-018.contoso.example", "Files": 3},
    {"DeviceName": "ws-019.contoso.example", "Files": "many"}
  ]
}"#;

fn main() -> anyhow::Result<()> {
    let language = Language::new();
    check_a_playbook(&language);
    test_a_condition(&language)
}

/// Prints every problem of the playbook.
fn check_a_playbook(language: &Language) {
    let world = World {
        language: language.clone(),
        lists: Lists::default(),
        channels: BTreeSet::from(["soc-teams".to_owned()]),
        chats: BTreeMap::new(),
        alerts: None,
        tenants: BTreeMap::new(),
        ceilings: Ceilings::default(),
        exclusions: Exclusions::default(),
        queries: Queries::Checked(Schema::defender()),
        approvers: Approvers::default(),
    };
    let mut problems = Sink::new();
    let plan = compile("mistakes.yaml", PLAYBOOK.as_bytes(), &world, &mut problems);
    println!("{}", render(&problems.into_sorted(), Format::Text));
    println!("a plan: {}\n", if plan.is_some() { "yes" } else { "no, as long as there are errors" });
}

/// Prints which rows of the answer the condition keeps.
fn test_a_condition(language: &Language) -> anyhow::Result<()> {
    let source = r#"row.Files > 4 && !row.DeviceName.starts_with("build-")"#;
    let names = Names {
        // The columns are not declared, so their types are known only when a row comes.
        subject: Subject::Rows { columns: None },
        lists: BTreeSet::new(),
        place: Place::Where,
    };
    let condition = Condition::compile(language, source, &names)
        .map_err(|problems| anyhow!("{} problems in the condition", problems.len()))?;
    println!("{source}");

    // What the condition reads is what is decoded.
    let (wanted, projection) = match condition.columns() {
        Reads::All => (Wanted::All, Projection::default()),
        Reads::Only(columns) => {
            let projection = Projection::new(columns.iter().map(String::as_str));
            (Wanted::Only(Arc::new(projection.clone())), projection)
        }
    };
    let mut bound = condition.bind(&projection, &Lists::default());
    let env = Env { now: "2026-01-10T12:00:00Z".parse()?, run: &serde_json::Value::Null, outcome: None };
    let mut decoder = Decoder::new(wanted, Limits::default());
    let mut on_row = |row: &huntbook::model::RowView<'_>| {
        let verdict = match bound.test_row(row, &env) {
            Ok(true) => "kept".to_owned(),
            Ok(false) => "dropped".to_owned(),
            // A condition without a value is never "no".
            Err(error) => Chain(&error).to_string(),
        };
        println!("  {:?}: {verdict}", row.cells);
        Flow::Continue
    };
    for chunk in ANSWER.as_bytes().chunks(64) {
        decoder.feed(chunk, &mut on_row)?;
    }
    let answer = decoder.finish()?;
    println!("{} rows, {} unreadable", answer.rows, answer.quarantined);
    Ok(())
}
