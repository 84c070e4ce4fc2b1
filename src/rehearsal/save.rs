//! A recording as files, and as a test that holds it to what happens today.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Scene;
use super::record::{Objects, Recording};

/// A file of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The key of `given` it stands under: `hunt`, `machines`, …
    pub key: &'static str,
    /// The table, for one under `tables`.
    pub table: Option<String>,
    /// Name of the file.
    pub name: String,
    /// Its text.
    pub text: String,
    /// How many objects are in it.
    pub count: usize,
}

impl Recording {
    /// The playbook's lists, as far as they matter for what was recorded.
    #[must_use]
    pub const fn used_lists(&self) -> &BTreeMap<String, Vec<String>> {
        &self.lists
    }

    /// The files of the recording; their names begin with `stem`. What is empty has none, but for the answer
    /// and the tables: that there was nothing is an answer too.
    #[must_use]
    pub fn files(&self, stem: &str) -> Vec<Saved> {
        let mut files = Vec::new();
        if let Some((columns, rows)) = &self.answer {
            files.push(Saved {
                key: "hunt",
                table: None,
                name: format!("{stem}.answer.json"),
                text: answer(columns, rows),
                count: rows.len(),
            });
        }
        for (table, rows) in &self.tables {
            files.push(Saved {
                key: "tables",
                table: Some(table.clone()),
                name: format!("{stem}.{table}.ndjson"),
                text: lines(rows),
                count: rows.len(),
            });
        }
        let items = [
            ("machines", &self.machines),
            ("users", &self.users),
            ("incidents", &self.incidents),
            ("alerts", &self.alerts),
        ];
        for (key, objects) in items.into_iter().filter(|(_, objects)| !objects.is_empty()) {
            files.push(Saved {
                key,
                table: None,
                name: format!("{stem}.{key}.json"),
                text: list("", objects),
                count: objects.len(),
            });
        }
        files
    }
}

/// An answer as the API gives it, one row on a line.
fn answer(columns: &[Value], rows: &Objects) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("    {column}")).collect();
    format!("{{\n  \"schema\": [\n{}\n  ],\n  \"results\": {}}}\n", columns.join(",\n"), list("  ", rows))
}

/// NDJSON.
fn lines(objects: &[Map<String, Value>]) -> String {
    objects.iter().flat_map(|object| [json!(object).to_string(), "\n".to_owned()]).collect()
}

/// A JSON array, one object on a line.
fn list(indent: &str, objects: &[Map<String, Value>]) -> String {
    let lines: Vec<String> = objects.iter().map(|object| format!("{indent}  {}", json!(object))).collect();
    if lines.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n{indent}]\n", lines.join(",\n")) }
}

/// What a file of tests over a recording is made of.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The playbook, as the tests name it.
    pub playbook: &'a str,
    /// The folder of the files, as the tests name it.
    pub folder: &'a str,
    /// The files.
    pub files: &'a [Saved],
    /// Lists in place of those of the house.
    pub lists: &'a BTreeMap<String, Vec<String>>,
    /// When it was recorded.
    pub now: Timestamp,
}

/// A file of tests over a recording. With a run that was played, the test expects what happened in it.
#[must_use]
pub fn skeleton(draft: &Draft<'_>, played: Option<&Scene>) -> String {
    let Draft { playbook, folder, files, lists, now } = draft;
    let mut out = String::from("# yaml-language-server: $schema=../schemas/test.schema.json\n");
    let quoted = |text: &str| Value::from(text).to_string();
    // Writing to a string cannot fail, here and below.
    let _infallible = write!(
        out,
        "playbook: {}\n\ntests:\n  - name: as recorded on {}\n    clock: {now:.0}\n    given:\n",
        quoted(playbook),
        now.strftime("%F"),
    );
    let mut in_tables = false;
    for file in *files {
        let path = quoted(&format!("{folder}/{}", file.name));
        let _infallible = match &file.table {
            Some(table) => {
                if !in_tables {
                    out.push_str("      tables:\n");
                    in_tables = true;
                }
                writeln!(out, "        {table}: {path}")
            }
            None => writeln!(out, "      {}: {path}", file.key),
        };
    }
    if !lists.is_empty() {
        let _infallible = writeln!(out, "      lists: {}", json!(lists));
    }
    out.push_str("    expect:\n");
    match played {
        Some(scene) => {
            let _infallible = writeln!(out, "      run: {}", scene.ended);
            // What did not happen need not be said, but for the one thing that matters most.
            for (heading, count) in
                scene.counts.iter().filter(|(heading, count)| *count > 0 || *heading == "acted")
            {
                let _infallible = writeln!(out, "      {heading}: {count}");
            }
        }
        None => out.push_str("      run: succeeded\n"),
    }
    out
}
