//! `huntbook kql run`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::args::Output;
use super::super::exit::Exit;
use super::super::output::{clean, counted, say, say_json, tell};
use super::super::rows;
use super::super::tables::table;
use super::args::KqlRun;
use super::files::{self, Source};
use super::{as_json, in_file};
use crate::clock::SharedClock;
use crate::diag::{Diagnostic, Format, render};
use crate::kql::{self, Block, Library, Rows, Schema, World};

/// Widest value in a cell, in characters.
const CELL_WIDTH: usize = 80;
/// Most rows of a result shown as a table: about what a person looks through. JSON has all of them.
const SHOWN_MAX: usize = 1_000;

/// Runs each query of a file and prints its results.
pub(super) fn run(
    arguments: &KqlRun,
    schema: &Schema,
    format: Output,
    clock: &SharedClock,
) -> anyhow::Result<Exit> {
    let paths: Vec<_> = arguments.query.iter().cloned().collect();
    let Some(sources) = files::read(&paths)? else { return Ok(Exit::Usage) };
    let library = library(arguments, &sources, schema)?;
    let now = arguments.now.unwrap_or_else(|| clock.now());
    let mut results = Vec::new();
    let mut problems = Vec::new();
    for source in &sources {
        for block in source.blocks() {
            match kql::run(&block.text, &library, World::at(now)) {
                Ok(mut rows) => results.append(&mut rows),
                Err(failed) => {
                    problems
                        .extend(failed.problems.into_iter().map(|problem| in_file(problem, &block, source)));
                }
            }
        }
    }
    print(&results, &problems, &sources, format)?;
    Ok(if problems.is_empty() { Exit::Fine } else { Exit::Findings })
}

/// Reads the tables that the queries ask for, and documents. Tables of the service without a file are empty, as a
/// tenant has them, and named.
fn library(arguments: &KqlRun, sources: &[Source], schema: &Schema) -> anyhow::Result<Library> {
    let mut library = Library::new(schema);
    if let Some(folder) = &arguments.data {
        library = Library::of_tenant(schema);
        let mut files = rows::files(folder)?;
        let names = schema.tables().chain(files.iter().map(|(name, _)| name.as_str()));
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        let blocks: Vec<Block> = sources.iter().flat_map(Source::blocks).collect();
        let asked: BTreeSet<&str> = blocks
            .iter()
            .flat_map(|block| library.asked(&block.text, names.iter().map(String::as_str)))
            .collect();
        let is_there = |name: &str| files.iter().any(|(known, _)| known == name);
        let empty: Vec<&str> = asked.iter().copied().filter(|name| !is_there(name)).collect();
        if !empty.is_empty() {
            let shown = clean(&empty.join(", "), CELL_WIDTH);
            tell(&format!("`{}` has no file of these, which are empty: {shown}", folder.display()));
        }
        let is_watchlist = |name: &str| schema.watchlists().any(|known| known == name);
        files.retain(|(name, _)| asked.contains(name.as_str()) || is_watchlist(name));
        rows::fill(&mut library, &files)?;
    }
    rows::documents(&mut library, &arguments.document)?;
    Ok(library)
}

fn print(
    results: &[Rows],
    problems: &[Diagnostic],
    sources: &[Source],
    format: Output,
) -> anyhow::Result<()> {
    match format {
        Output::Json => {
            let results: Vec<Value> = results.iter().map(result_json).collect();
            say_json(&json!({"results": results, "problems": as_json(problems)?}))?;
        }
        Output::Text => {
            for rows in results {
                say(&result_table(rows))?;
            }
            if !problems.is_empty() {
                tell(render(problems, Format::Text).trim_end());
            }
            if results.is_empty() && problems.is_empty() {
                let names: Vec<&str> = sources.iter().map(|source| source.text.name.as_str()).collect();
                tell(&format!("no query in {}", names.join(", ")));
            }
        }
    }
    Ok(())
}

fn result_json(rows: &Rows) -> Value {
    let columns: Vec<Value> =
        rows.columns.iter().map(|column| json!({"name": column.name, "type": column.ty})).collect();
    let names = || rows.columns.iter().map(|column| column.name.clone());
    let objects: Vec<Map<String, Value>> = rows.rows().map(|row| names().zip(row).collect()).collect();
    json!({"columns": columns, "rows": objects})
}

fn result_table(rows: &Rows) -> String {
    let names: Vec<&str> = rows.columns.iter().map(|column| column.name.as_str()).collect();
    let mut shown = table(&names);
    for row in rows.rows().take(SHOWN_MAX) {
        shown.add_row(row.iter().map(|value| clean(&cell(value), CELL_WIDTH)));
    }
    let count = rows.len();
    let more = match count.checked_sub(SHOWN_MAX) {
        Some(more) if more > 0 => format!(", {more} of them not shown; `--format json` has all"),
        _ => String::new(),
    };
    format!("{shown}\n{}{more}\n", counted((count, "row")))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
