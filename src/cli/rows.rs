//! Tables and documents in files, for queries to run over.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context as _, bail};

use super::output::tell;
use crate::kql::Library;

/// The files of tables in a folder, by table: of one JSON object a line, named after the tables.
pub(super) fn files(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let reading = || format!("reading `{}`", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        files.extend(table_name(&path).map(|name| (name, path)));
    }
    files.sort();
    Ok(files)
}

/// Reads tables.
pub(super) fn fill(library: &mut Library, files: &[(String, PathBuf)]) -> anyhow::Result<()> {
    for (name, path) in files {
        let reading = || format!("reading `{}`", path.display());
        let mut lines = io::BufReader::new(fs::File::open(path).with_context(reading)?);
        let other = library.add_table(name, &mut lines).with_context(reading)?;
        if !other.is_empty() {
            let names: Vec<&str> = other.iter().map(String::as_str).collect();
            let names = names.join(", ");
            tell(&format!("`{}` is read without {names}: `{name}` has no such columns", path.display()));
        }
    }
    Ok(())
}

/// Reads documents: `ADDRESS=FILE`.
pub(super) fn documents(library: &mut Library, documents: &[String]) -> anyhow::Result<()> {
    for document in documents {
        // An address may have a sign of equality of its own; a file rather not.
        let Some((uri, path)) = document.rsplit_once('=') else {
            bail!("`--document {document}` is not of the form ADDRESS=FILE");
        };
        let text = fs::read_to_string(path).with_context(|| format!("reading `{path}`"))?;
        library.add_document(uri, text);
    }
    Ok(())
}

/// The table whose rows a file has; nothing for files of other kinds.
fn table_name(path: &Path) -> Option<String> {
    let lines = path.extension().is_some_and(|extension| extension == "ndjson" || extension == "jsonl");
    let name = path.file_stem()?.to_str()?;
    (lines && path.is_file()).then(|| name.to_owned())
}
