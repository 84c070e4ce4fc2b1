//! Finds and reads the files that queries stand in.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::super::output::tell;
use crate::diag::SourceText;
use crate::kql::{Block, blocks};

/// Most files of one call: more than any collection of queries, fewer than a disk.
const FILES_MAX: usize = 50_000;
/// Deepest folder below a given one.
const DEPTH_MAX: usize = 16;
/// Most bytes of one file. The longest query has fewer; a Markdown page may have several.
const BYTES_MAX: u64 = 16 << 20;

/// A file, or standard input.
pub(super) struct Source {
    /// Where to write it; nothing for standard input.
    pub(super) path: Option<PathBuf>,
    /// Name and text.
    pub(super) text: Arc<SourceText>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Query,
    Markdown,
}

impl Source {
    /// Gives the queries in it.
    pub(super) fn blocks(&self) -> Vec<Block> {
        match self.kind {
            Kind::Query => vec![Block::whole(&self.text.text)],
            Kind::Markdown => blocks(&self.text.text),
        }
    }

    pub(super) const fn is_input(&self) -> bool {
        self.path.is_none()
    }
}

/// Reads files and directories; standard input if there are none, or for `-`. Nothing when a path
/// cannot be meant, which it says.
pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Option<Vec<Source>>> {
    if paths.is_empty() {
        return Ok(Some(vec![input()?]));
    }
    let mut sources = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            sources.push(input()?);
        } else if path.is_dir() {
            let mut found = Vec::new();
            walk(path, DEPTH_MAX, &mut found)?;
            for path in found {
                sources.extend(file(&path)?);
            }
        } else if !path.exists() {
            tell(&format!("error: there is no `{}`", path.display()));
            return Ok(None);
        } else if let Some(source) = file(path)? {
            sources.push(source);
        } else {
            tell(&format!("error: `{}` is no `.kql`, `.csl` or Markdown file", path.display()));
            return Ok(None);
        }
    }
    Ok(Some(sources))
}

fn input() -> anyhow::Result<Source> {
    let mut text = String::new();
    std::io::stdin().take(BYTES_MAX).read_to_string(&mut text).context("reading standard input")?;
    let text = Arc::new(SourceText { name: "<stdin>".to_owned(), text });
    Ok(Source { path: None, text, kind: Kind::Query })
}

/// Reads a file; nothing if its name says that there are no queries in it.
fn file(path: &Path) -> anyhow::Result<Option<Source>> {
    let Some(kind) = kind(path) else { return Ok(None) };
    let reading = || format!("reading `{}`", path.display());
    let size = fs::metadata(path).with_context(reading)?.len();
    anyhow::ensure!(size <= BYTES_MAX, "`{}` has more than {BYTES_MAX} bytes", path.display());
    let text = fs::read_to_string(path).with_context(reading)?;
    let text = Arc::new(SourceText { name: path.display().to_string(), text });
    Ok(Some(Source { path: Some(path.to_owned()), text, kind }))
}

fn kind(path: &Path) -> Option<Kind> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "kql" | "csl" | "kusto" => Some(Kind::Query),
        "md" | "markdown" => Some(Kind::Markdown),
        _ => None,
    }
}

/// Finds files with queries below a folder, by name; hidden ones are passed over.
fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let reading = || format!("reading `{}`", folder.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        entries.push(entry.with_context(reading)?.path());
    }
    entries.sort();
    for path in entries {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            anyhow::ensure!(depth > 0, "`{}` lies deeper than {DEPTH_MAX} folders", path.display());
            walk(&path, depth - 1, found)?;
        } else if kind(&path).is_some() {
            anyhow::ensure!(found.len() < FILES_MAX, "more than {FILES_MAX} files with queries");
            found.push(path);
        }
    }
    Ok(())
}
