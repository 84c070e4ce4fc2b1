//! What can be read of a settings file that may be bad otherwise: where things are.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Settings;
use super::load::CHECKER;
use crate::diag::{Diagnostic, Sink, SourceText, Span};
use crate::yaml::{self, Tree};

/// The tree of a settings file, however bad its settings are; what may be a secret is hidden in it.
fn tree(path: &Path) -> Option<Tree> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(yaml::BYTES_MAX as u64).read_to_end(&mut bytes).ok()?;
    let tree = yaml::parse_private(&path.display().to_string(), &bytes, &mut Sink::new())?;
    Some(CHECKER.shield(&tree))
}

/// A place in a settings file, by JSON pointer, for problems that show outside of it only.
#[must_use]
pub fn place(path: &Path, pointer: &str) -> Span {
    let nowhere = || {
        let source = SourceText { name: path.display().to_string(), text: String::new() };
        Span { source: source.into(), range: 0..0 }
    };
    tree(path).map_or_else(nowhere, |tree| tree.span(pointer))
}

/// Settings that say nothing but where playbooks, lists and tables are, of a file that may be bad otherwise; and
/// what is wrong with the files of the tables.
#[must_use]
pub fn folders(path: &Path) -> (Settings, Vec<Diagnostic>) {
    let mut settings = paths(path, tree(path).as_ref());
    let problems = settings.read_tables(path);
    (settings, problems)
}

/// Settings that say nothing but where things are.
fn paths(path: &Path, tree: Option<&Tree>) -> Settings {
    let mut settings = Settings::default();
    if let Some(tree) = tree {
        let place = |at: &str| tree.value().pointer(at)?.as_str().map(PathBuf::from);
        settings.playbooks = place("/playbooks").unwrap_or(settings.playbooks);
        settings.lists = place("/lists").unwrap_or(settings.lists);
        settings.schema = place("/schema");
        settings.store.path = place("/store/path").unwrap_or(settings.store.path);
    }
    settings.anchor(path.parent().unwrap_or_else(|| Path::new("")));
    settings
}

/// What a word in an emergency needs of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// The journal.
    pub journal: PathBuf,
    /// Folder of the playbooks.
    pub playbooks: PathBuf,
    /// Folder of the lists.
    pub lists: PathBuf,
    /// What the tenants are called.
    pub tenants: BTreeSet<String>,
}

impl From<&Settings> for Places {
    fn from(settings: &Settings) -> Self {
        Self {
            journal: settings.store.path.clone(),
            playbooks: settings.playbooks.clone(),
            lists: settings.lists.clone(),
            tenants: settings.tenants.keys().cloned().collect(),
        }
    }
}

/// The same of a file that may be bad otherwise; `None` if nothing can be read of it, or not where it says that the
/// journal is.
#[must_use]
pub fn places(path: &Path) -> Option<Places> {
    let tree = tree(path)?;
    if !says_where_the_journal_is(tree.value()) {
        return None;
    }
    let tenants = tree.value().get("tenants").and_then(Value::as_object);
    let tenants = tenants.map(|all| all.keys().cloned().collect()).unwrap_or_default();
    Some(Places { tenants, ..Places::from(&paths(path, Some(&tree))) })
}

/// Whether the place of the journal can be read, or is the usual one because nothing is said of it.
fn says_where_the_journal_is(settings: &Value) -> bool {
    match settings.get("store") {
        None => true,
        Some(store) => store.as_object().is_some_and(|store| match store.get("path") {
            Some(path) => path.is_string(),
            None => store.is_empty(),
        }),
    }
}
