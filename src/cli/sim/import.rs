//! `huntbook sim import`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::super::args::Output;
use super::super::exit::Exit;
use super::super::output::{clean, show};
use super::super::tables::table;
use super::args::Import;
use super::folder;
use crate::sim::story::TABLE_EXTENSION;
use crate::sim::{Census, Sysmon};
use crate::text::counted;

/// Longest name of a field in the report.
const NAME_WIDTH: usize = 80;

/// Turns events into tables.
pub(super) fn run(order: &Import, format: Output) -> anyhow::Result<Exit> {
    folder(&order.out)?;
    let mut sysmon = Sysmon::new();
    let mut files: BTreeMap<&'static str, BufWriter<File>> = BTreeMap::new();
    for path in &order.sysmon {
        let reading = || format!("reading `{}`", path.display());
        let lines = BufReader::new(File::open(path).with_context(reading)?);
        for line in lines.split(b'\n') {
            let line = line.with_context(reading)?;
            let Some((name, row)) = sysmon.line(&String::from_utf8_lossy(&line)) else { continue };
            let target = order.out.join(format!("{name}.{TABLE_EXTENSION}"));
            let writing = || format!("writing `{}`", target.display());
            if !files.contains_key(name) {
                files.insert(name, BufWriter::new(File::create(&target).with_context(writing)?));
            }
            if let Some(file) = files.get_mut(name) {
                serde_json::to_writer(&mut *file, &row).with_context(writing)?;
                file.write_all(b"\n").with_context(writing)?;
            }
        }
    }
    for (name, mut file) in files {
        file.flush().with_context(|| format!("writing `{name}.{TABLE_EXTENSION}`"))?;
    }
    let census = sysmon.census();
    show(format, &as_json(census), |_| as_text(census))?;
    Ok(if census.broken > 0 { Exit::Findings } else { Exit::Fine })
}

fn as_json(census: &Census) -> Value {
    let fields = census.fields.iter();
    let fields = fields.map(|((event, name), count)| json!({"event": event, "field": name, "count": count}));
    json!({
        "tables": census.rows,
        "unmappedEvents": census.events,
        "unmappedFields": fields.collect::<Vec<_>>(),
        "otherSources": census.foreign,
        "brokenLines": census.broken,
        "firstBrokenLine": census.first_broken,
    })
}

fn as_text(census: &Census) -> String {
    let mut shown = table(&["table", "rows"]);
    for (name, rows) in &census.rows {
        shown.add_row([(*name).to_owned(), rows.to_string()]);
    }
    let mut parts = vec![shown.to_string()];
    if !census.events.is_empty() || !census.fields.is_empty() {
        let mut left = table(&["event", "without a place", "times"]);
        for (event, count) in &census.events {
            left.add_row([event.to_string(), "the whole event".to_owned(), count.to_string()]);
        }
        for ((event, name), count) in &census.fields {
            left.add_row([event.to_string(), clean(name, NAME_WIDTH), count.to_string()]);
        }
        parts.push(left.to_string());
    }
    if census.foreign > 0 {
        parts.push(format!("not Sysmon's: {}", counted(census.foreign, "event")));
    }
    if let Some(line) = census.first_broken {
        parts.push(format!("no events: {}, the first is line {line}", counted(census.broken, "line")));
    }
    parts.join("\n")
}
