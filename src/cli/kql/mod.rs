//! `huntbook kql`: checks, runs and lays out hunting queries.

pub(super) mod args;
mod files;
mod query;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;

use super::Misuse;
use super::args::{Form, Output};
use super::exit::Exit;
use super::output::{counted, say, say_json, tell};
use super::{diff, mend, sarif};
use crate::clock::SharedClock;
use crate::diag::{Chain, Diagnostic, Format, Level, Problem, Span, render};
use crate::kql::{self, Block, FormatError, Pace, Purpose, Schema};
use crate::{model, settings};

use args::{Kql, KqlCheck, KqlFmt};
use files::Source;

/// Runs one of the commands.
pub(super) fn run(command: &Kql, config: &Path, form: Form, clock: &SharedClock) -> anyhow::Result<Exit> {
    let format = if form == Form::Json { Output::Json } else { Output::Text };
    match command {
        Kql::Run(arguments) => query::run(arguments, &schema(&arguments.tables, config)?, format, clock),
        Kql::Check(arguments) => check(arguments, &schema(&arguments.tables, config)?, form),
        Kql::Fmt(arguments) => fmt(arguments, format),
    }
}

fn check(arguments: &KqlCheck, schema: &Schema, form: Form) -> anyhow::Result<Exit> {
    let purpose = arguments.purpose()?;
    let Some((mut queries, mut problems)) = found(arguments, schema, &purpose)? else {
        return Ok(Exit::Usage);
    };
    if arguments.fix.fix
        && mend::apply(&problems, &arguments.fix)?
        && let Some(again) = found(arguments, schema, &purpose)?
    {
        (queries, problems) = again;
    }
    let errors = problems.iter().filter(|problem| problem.level == Level::Error).count();
    match form {
        Form::Sarif => say_json(&sarif::document(&problems, &std::env::current_dir().unwrap_or_default()))?,
        Form::Json => {
            let problems = as_json(&problems)?;
            say_json(&json!({"queries": queries, "errors": errors, "problems": problems}))?;
        }
        Form::Text | Form::Csv | Form::Junit => {
            if !problems.is_empty() {
                say(&render(&problems, Format::Text))?;
            }
            let [errors, warnings] = [(errors, "error"), (problems.len() - errors, "warning")].map(counted);
            let queries = if queries == 1 { "1 query".to_owned() } else { format!("{queries} queries") };
            tell(&format!("{queries}: {errors}, {warnings}"));
        }
    }
    Ok(if errors == 0 { Exit::Fine } else { Exit::Findings })
}

/// How many queries there are, and what is wrong with them.
fn found(
    arguments: &KqlCheck,
    schema: &Schema,
    purpose: &Purpose,
) -> anyhow::Result<Option<(usize, Vec<Diagnostic>)>> {
    let Some(sources) = files::read(&arguments.files.paths)? else { return Ok(None) };
    let (mut queries, mut problems) = (0, Vec::new());
    for source in &sources {
        for block in source.blocks() {
            queries += 1;
            let found = kql::check(&block.text, schema, purpose);
            problems.extend(found.into_iter().map(|problem| in_file(problem, &block, source)));
        }
    }
    Ok(Some((queries, problems)))
}

/// Knows the service's tables, those of the schema folder beside the settings and those of the files. A file in
/// the folder that cannot be read is told of, and the others count.
fn schema(files: &[PathBuf], config: &Path) -> anyhow::Result<Schema> {
    let (settings, problems) = settings::folders(config);
    if !problems.is_empty() {
        tell(render(&problems, Format::Text).trim_end());
    }
    let mut schema = settings.tables;
    for path in files {
        let reading = || format!("reading `{}`", path.display());
        let text = fs::read_to_string(path).with_context(reading)?;
        schema.add(&text).with_context(reading)?;
    }
    Ok(schema)
}

impl KqlCheck {
    /// What the queries are for.
    fn purpose(&self) -> anyhow::Result<Purpose> {
        let period = self.period.as_deref().map(model::duration).transpose();
        let period = period.map_err(|error| Misuse(format!("`--period`: {}", Chain(&error))))?;
        let needs = self.needs.iter().map(|column| (column.clone(), "`--needs`".to_owned()));
        let pace = if self.near_real_time { Pace::NearRealTime } else { Pace::Timetable };
        Ok(Purpose { needs: needs.collect(), period, pace })
    }
}

/// What came of laying out one file.
struct Laid<'a> {
    source: &'a Source,
    text: String,
    problems: Vec<Diagnostic>,
}

fn fmt(arguments: &KqlFmt, format: Output) -> anyhow::Result<Exit> {
    let Some(sources) = files::read(&arguments.files.paths)? else { return Ok(Exit::Usage) };
    let laid: Vec<Laid<'_>> = sources.iter().map(lay_out).collect();
    let problems: Vec<Diagnostic> = laid.iter().flat_map(|laid| laid.problems.clone()).collect();
    let changed: Vec<&Laid<'_>> = laid.iter().filter(|laid| laid.text != laid.source.text.text).collect();
    let only_look = arguments.check || arguments.diff;
    match format {
        Output::Json => {
            let names: Vec<&str> = changed.iter().map(|laid| laid.source.text.name.as_str()).collect();
            say_json(&json!({"files": laid.len(), "changed": names, "problems": as_json(&problems)?}))?;
        }
        Output::Text => {
            if !problems.is_empty() {
                tell(render(&problems, Format::Text).trim_end());
            }
            show(&laid, &changed, arguments)?;
        }
    }
    if !only_look {
        write(&changed)?;
    }
    let found = only_look && !changed.is_empty();
    let errors = problems.iter().any(|problem| problem.level == Level::Error);
    Ok(if found || errors { Exit::Findings } else { Exit::Fine })
}

/// Prints what a person wants to see of it.
fn show(laid: &[Laid<'_>], changed: &[&Laid<'_>], arguments: &KqlFmt) -> anyhow::Result<()> {
    if arguments.diff {
        for laid in changed {
            say(&diff::unified(&laid.source.text.name, &laid.source.text.text, &laid.text))?;
        }
        return Ok(());
    }
    if arguments.check {
        for laid in changed {
            say(&laid.source.text.name)?;
        }
    }
    for laid in laid.iter().filter(|laid| laid.source.is_input() && !arguments.check) {
        say(&laid.text)?;
    }
    if arguments.files.paths.is_empty() {
        return Ok(());
    }
    let word = if arguments.check { "to lay out" } else { "laid out" };
    tell(&format!("{}: {} {word}", counted((laid.len(), "file")), changed.len()));
    Ok(())
}

/// Writes changed files.
fn write(changed: &[&Laid<'_>]) -> anyhow::Result<()> {
    for laid in changed {
        let Some(path) = &laid.source.path else { continue };
        mend::replace(path, &laid.text)?;
    }
    Ok(())
}

/// Lays out every query of a file; the rest of it stays.
fn lay_out(source: &Source) -> Laid<'_> {
    let file = source.text.text.as_str();
    let mut laid = Laid { source, text: String::new(), problems: Vec::new() };
    let mut end = 0;
    for block in source.blocks() {
        laid.text.push_str(file.get(end..block.range.start).unwrap_or_default());
        end = block.range.end;
        match kql::format(&block.text) {
            Ok(query) => laid.text.push_str(&with_ends_of(&block.text, block.indented(&query))),
            Err(error) => {
                laid.text.push_str(file.get(block.range.clone()).unwrap_or_default());
                laid.problems.extend(refusal(error, &block, source));
            }
        }
    }
    laid.text.push_str(file.get(end..).unwrap_or_default());
    laid
}

/// Gives a query the line ends that the file has.
fn with_ends_of(before: &str, query: String) -> String {
    if before.contains("\r\n") { query.replace("\r\n", "\n").replace('\n', "\r\n") } else { query }
}

fn refusal(error: FormatError, block: &Block, source: &Source) -> Vec<Diagnostic> {
    let FormatError::Refused(problems) = error else {
        tell(&format!("error: {}: {error}; it stays as it is", source.text.name));
        return Vec::new();
    };
    problems.into_iter().map(|problem| in_file(problem, block, source)).collect()
}

fn in_file(problem: Problem, block: &Block, source: &Source) -> Diagnostic {
    let place = |range: Range<usize>| Span { source: Arc::clone(&source.text), range: block.place(range) };
    problem.at(place)
}

fn as_json(problems: &[Diagnostic]) -> anyhow::Result<serde_json::Value> {
    Ok(serde_json::from_str(&render(problems, Format::Json))?)
}
