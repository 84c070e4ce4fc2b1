//! `huntbook import`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::args::Output;
use super::exit::Exit;
use super::output::{clean, show, tell};
use super::{Refusal, setup};
use crate::diag::{Chain, Level, Sink};
use crate::import::{self, Fate, Imported, Kind, Note, SigmaError};
use crate::model::Lists;
use crate::plan::{World, compile};
use crate::settings::Settings;

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// Files or folders
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<PathBuf>,
    /// Folder the playbooks are written to; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "imported")]
    to: PathBuf,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
}

/// Most files looked at in the folders named.
const FILES_MAX: usize = 20_000;

/// Deepest folder below one that is named.
const DEPTH_MAX: usize = 16;

/// Endings of files that may be sources.
const ENDINGS: [&str; 7] = ["yaml", "yml", "json", "kql", "csl", "md", "markdown"];

/// What became of one source.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// What is not as it was.
    notes: Vec<Note>,
    /// What `validate` says of the playbook, an error a line.
    problems: Vec<String>,
    /// Why there is no playbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Reads sources, writes playbooks, and says what became of every field.
pub(super) fn run(arguments: &Import, format: Output) -> anyhow::Result<Exit> {
    let mut files = Vec::new();
    for source in &arguments.sources {
        find(source, 0, &mut files)?;
    }
    let world = setup::world(&Settings::default(), Lists::default());
    let mut writer =
        Writer { to: &arguments.to, force: arguments.force, taken: BTreeSet::new(), ids: BTreeMap::new() };
    fs::create_dir_all(writer.to).with_context(|| format!("making the folder `{}`", writer.to.display()))?;
    let mut lines = Vec::new();
    for file in files {
        lines.extend(import_file(&file, &world, &mut writer)?);
    }
    if lines.is_empty() {
        return Err(
            Refusal("there is nothing to import: no YAML, JSON, KQL or Markdown file".to_owned()).into()
        );
    }
    show(format, &lines, |lines| text(lines, arguments.to.as_path()))?;
    let bad = lines.iter().any(|line| line.error.is_some() || !line.problems.is_empty());
    Ok(if bad { Exit::Findings } else { Exit::Fine })
}

/// Finds files: those named, and those with a fitting ending in folders named.
fn find(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let about = fs::metadata(path).with_context(|| format!("reading `{}`", path.display()))?;
    if !about.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut paths: Vec<PathBuf> = entries
        .with_context(|| format!("reading `{}`", path.display()))?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')))
        .collect();
    paths.sort();
    for path in paths {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        let fits = ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()));
        if path.is_dir() && depth < DEPTH_MAX {
            find(&path, depth + 1, files)?;
        } else if path.is_file() && fits {
            files.push(path);
        }
        if FILES_MAX < files.len() {
            return Err(Refusal(format!("more than {FILES_MAX} files: name a smaller folder")).into());
        }
    }
    Ok(())
}

fn import_file(file: &Path, world: &World, writer: &mut Writer<'_>) -> anyhow::Result<Vec<Line>> {
    let name = file.display().to_string();
    let mut bytes = Vec::new();
    let limit = import::BYTES_MAX as u64 + 1;
    let read = fs::File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Ok(vec![failed(name, &error)]);
    }
    let parts = match import::read(&name, &bytes, &convert) {
        Ok(parts) => parts,
        Err(import::ImportError::Yaml(problems)) => {
            let mut line = failed(name, &import::ImportError::Yaml(Vec::new()));
            line.problems =
                problems.iter().map(|problem| format!("{}: {}", problem.span, problem.message)).collect();
            return Ok(vec![line]);
        }
        Err(error) => return Ok(vec![failed(name, &error)]),
    };
    let mut lines = Vec::new();
    for part in parts {
        lines.push(match part {
            Ok(imported) => writer.write(imported, world)?,
            Err((source, error)) => failed(source, &error),
        });
    }
    Ok(lines)
}

fn failed(source: String, error: &(dyn std::error::Error + 'static)) -> Line {
    let error = Some(Chain(error).to_string());
    Line { source, kind: None, file: None, notes: Vec::new(), problems: Vec::new(), error }
}

/// Runs the Sigma converter of this machine.
fn convert(rule: &str) -> Result<String, SigmaError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("sigma")).find(|file| file.is_file());
    import::convert(&found.ok_or(SigmaError::NotInstalled)?, rule)
}

/// Writes playbooks into a folder, each under a name of its own.
struct Writer<'a> {
    to: &'a Path,
    force: bool,
    taken: BTreeSet<PathBuf>,
    /// The ids of the playbooks of this import, and what they were made of.
    ids: BTreeMap<String, String>,
}

impl Writer<'_> {
    fn write(&mut self, mut imported: Imported, world: &World) -> anyhow::Result<Line> {
        if let Some(other) = self.ids.get(imported.id()) {
            imported.part_from(other);
        }
        self.ids.entry(imported.id().to_owned()).or_insert_with(|| imported.source.clone());
        let path = self.free(&imported.file_stem());
        let text = imported.text();
        let mut sink = Sink::new();
        let _plan = compile(&path.display().to_string(), text.as_bytes(), world, &mut sink);
        let problems = sink
            .into_sorted()
            .into_iter()
            .filter(|problem| problem.level == Level::Error)
            .map(|problem| format!("{}: {}: {}", problem.span, problem.code, problem.message))
            .collect();
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(self.force).create_new(!self.force);
        let opened = options.open(&path);
        if opened.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists) {
            let error = Some(format!("`{}` is there already; `--force` writes over it", path.display()));
            let Imported { source, kind, notes, .. } = imported;
            return Ok(Line { source, kind: Some(kind), file: None, notes, problems, error });
        }
        opened
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("writing `{}`", path.display()))?;
        let Imported { source, kind, notes, .. } = imported;
        Ok(Line { source, kind: Some(kind), file: Some(path), notes, problems, error: None })
    }

    /// A path no other playbook of this import has.
    fn free(&mut self, stem: &str) -> PathBuf {
        let candidates = (1_u32..).map(|number| match number {
            1 => self.to.join(format!("{stem}.yaml")),
            number => self.to.join(format!("{stem}-{number}.yaml")),
        });
        let path = candidates.into_iter().find(|path| !self.taken.contains(path)).unwrap_or_default();
        self.taken.insert(path.clone());
        path
    }
}

/// The report: a line a source, and below it what is not as it was.
fn text(lines: &[Line], to: &Path) -> String {
    let mut text = String::new();
    for line in lines {
        let kind = line.kind.map(|kind| format!(" ({})", word(kind))).unwrap_or_default();
        let head = match (&line.file, &line.error) {
            (Some(file), _) => format!("{}{kind} -> {}", clean(&line.source, 200), file.display()),
            (None, Some(error)) => {
                format!("{}{kind}: not imported: {}", clean(&line.source, 200), clean(error, 400))
            }
            (None, None) => clean(&line.source, 200),
        };
        text.push_str(&head);
        text.push('\n');
        for problem in &line.problems {
            text.push_str(&format_line("problem", problem));
        }
        for note in &line.notes {
            let fate = match note.fate {
                Fate::LeftOut => "left out",
                Fate::Changed => "changed",
                Fate::FilledIn => "filled in",
            };
            text.push_str(&format_line(fate, &format!("{} – {}", note.field, note.why)));
        }
    }
    let made = lines.iter().filter(|line| line.file.is_some()).count();
    let failed = lines.len() - made;
    tell(&format!(
        "{made} imported into `{}`, {failed} not; they are switched off and observe only until you change that",
        to.display()
    ));
    text
}

fn format_line(word: &str, what: &str) -> String {
    format!("  {word:<9} {}\n", clean(what, 300))
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Sentinel => "Sentinel rule",
        Kind::CustomDetection => "custom detection",
        Kind::Kql => "query",
        Kind::Markdown => "Markdown",
        Kind::Sigma => "Sigma rule",
    }
}
