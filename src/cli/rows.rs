//! Tables and documents in files, for queries to run over.

use std::path::Path;
use std::{fs, io};

use anyhow::{Context as _, bail};

use super::output::tell;
use crate::kql::Library;

/// Reads the tables of a folder: files of one JSON object a line, named after the tables.
pub(super) fn fill(library: &mut Library, folder: &Path) -> anyhow::Result<()> {
    let reading = || format!("reading `{}`", folder.display());
    for entry in fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        let Some(name) = table_name(&path) else { continue };
        let reading = || format!("reading `{}`", path.display());
        let mut lines = io::BufReader::new(fs::File::open(&path).with_context(reading)?);
        let other = library.add_table(&name, &mut lines).with_context(reading)?;
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
