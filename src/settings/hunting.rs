//! What the tenants' tables are beyond what is built in: the files of the schema folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::diag::{Chain, Code, Diagnostic, SourceText, Span};
use crate::kql::{Schema, SchemaError};

/// The folder if the settings name none.
pub(super) const FOLDER: &str = "hunting-schema";

/// Largest file: a tenant with a workspace of a thousand tables of its own has a few megabytes.
const BYTES_MAX: u64 = 16 << 20;

/// Adds the files of a folder to what is built in, by name; what is wrong with one is reported, and the others
/// still count. Several files may describe one table (there may be several tenants): it then has the
/// columns of all.
pub(super) fn read(folder: &Path, insist: Insist) -> (Schema, Vec<Diagnostic>) {
    let mut schema = Schema::defender();
    let mut problems = Vec::new();
    let files = match files(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound && insist == Insist::No => Vec::new(),
        Err(error) => {
            problems.push(problem(Code::Unreadable, folder, format!("it cannot be read: {}", Chain(&error))));
            Vec::new()
        }
    };
    let mut texts = Vec::new();
    for path in files {
        match text(&path) {
            Ok(text) => texts.push((path, text)),
            Err(error) => {
                problems.push(problem(
                    Code::Unreadable,
                    &path,
                    format!("it cannot be read: {}", Chain(&error)),
                ));
            }
        }
    }
    for (path, error) in schema.add_together(&texts) {
        problems.push(refusal(&path, &texts, &error));
    }
    (schema, problems)
}

/// Whether the folder must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Insist {
    /// The settings name it.
    Yes,
    /// It is where it is by default.
    No,
}

/// The files of a folder, by name.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn text(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {BYTES_MAX} bytes")));
    }
    fs::read_to_string(path)
}

/// A file that is none of these.
fn refusal(path: &Path, texts: &[(PathBuf, String)], error: &SchemaError) -> Diagnostic {
    let text = texts.iter().find(|(known, _)| known == path).map(|(_, text)| text.clone());
    let text = text.unwrap_or_default();
    let at = error.place().map_or(0, |(line, column)| offset(&text, line, column));
    let source = SourceText { name: path.display().to_string(), text };
    let span = Span { source: source.into(), range: at..at };
    Diagnostic::error(Code::Schema, span, Chain(error).to_string())
        .help("`huntbook schema pull` writes such files; `huntbook explain HB0503` shows one")
}

/// The byte at a line and column, both from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    text.floor_char_boundary((start + column.saturating_sub(1)).min(text.len()))
}

fn problem(code: Code, path: &Path, message: String) -> Diagnostic {
    let source = SourceText { name: path.display().to_string(), text: String::new() };
    Diagnostic::error(code, Span { source: source.into(), range: 0..0 }, message)
}
