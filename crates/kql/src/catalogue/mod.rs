//! What the language offers to call: scalar functions, aggregates and plugins, with their
//! parameters, result types and the names their results get.
//!
//! The facts are the tables in `data/`; this room reads them and answers questions. It does not
//! know columns or tables (see `bind`), nor how anything is computed (see `eval`).
//!
//! To add a function: a line in `data/functions.tsv` (or `aggregates.tsv`, `plugins.tsv`), and a
//! kernel in `eval`.

mod read;
mod resolve;
mod result;
mod signature;

pub use resolve::{Argument, Form, Match, Misfit, Strictness, resolve};
pub use result::ResultRule;
pub use signature::{ArgumentRule, CommonOf, Expected, Parameter, Signature};

use std::collections::BTreeMap;
use std::sync::LazyLock;

static FUNCTIONS: LazyLock<Table> = LazyLock::new(|| read::table(include_str!("../../data/functions.tsv")));
static AGGREGATES: LazyLock<Table> = LazyLock::new(|| read::table(include_str!("../../data/aggregates.tsv")));
static OPERATORS: LazyLock<Table> = LazyLock::new(|| read::table(include_str!("../../data/operators.tsv")));
static PLUGINS: LazyLock<Table> = LazyLock::new(|| read::table(include_str!("../../data/plugins.tsv")));

type Table = BTreeMap<&'static str, Entry>;

/// Something that can be called.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Name as written in queries.
    pub name: &'static str,
    /// Name under which it is computed; the same for all synonyms.
    pub canonical: &'static str,
    /// What should be written instead, if the name is out of date.
    pub replaced_by: Option<&'static str>,
    /// Whether equal arguments always give equal results.
    pub steady: bool,
    /// How the result column is named.
    pub naming: Naming,
    /// The ways to call it; at least one.
    pub signatures: Vec<Signature>,
}

/// How a column that a call gives is named when the query does not name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// It has no name of its own: `Column1`.
    None,
    /// As the first argument would be.
    First,
    /// As the first argument would be, if there is just one.
    Only,
    /// Prefix, underscore, name of the first argument.
    Prefix(&'static str),
    /// Prefix and the names of the first two arguments.
    PrefixBoth(&'static str),
    /// The prefix alone.
    PrefixOnly(&'static str),
    /// As the column that the first argument, a constant, names; if there is one.
    NamedColumn,
    /// Nothing for the call itself; the prefix goes before each of several results.
    EachPrefixed(&'static str),
}

/// Finds a scalar function by its exact name.
pub fn function(name: &str) -> Option<&'static Entry> {
    FUNCTIONS.get(name)
}

/// Finds an aggregate by its exact name.
pub fn aggregate(name: &str) -> Option<&'static Entry> {
    AGGREGATES.get(name)
}

/// Finds a scalar operator as it is written, without negation; the sign is `negate`.
pub fn operator(text: &str) -> Option<&'static Entry> {
    OPERATORS.get(text)
}

/// Finds a plugin by its exact name.
pub fn plugin(name: &str) -> Option<&'static Entry> {
    PLUGINS.get(name)
}

/// Returns the names of all scalar functions, sorted.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.keys().copied()
}

/// Returns the names of all aggregates, sorted.
pub fn aggregate_names() -> impl Iterator<Item = &'static str> {
    AGGREGATES.keys().copied()
}

/// Returns the names of all plugins, sorted.
pub fn plugin_names() -> impl Iterator<Item = &'static str> {
    PLUGINS.keys().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_tables_is_read() {
        for (text, table) in [
            (include_str!("../../data/functions.tsv"), &*FUNCTIONS),
            (include_str!("../../data/aggregates.tsv"), &*AGGREGATES),
            (include_str!("../../data/operators.tsv"), &*OPERATORS),
            (include_str!("../../data/plugins.tsv"), &*PLUGINS),
        ] {
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
            let unread: Vec<&&str> = lines
                .iter()
                .filter(|line| line.split('\t').next().is_none_or(|name| !table.contains_key(name)))
                .collect();
            assert_eq!(unread, Vec::<&&str>::new());
        }
    }

    #[test]
    fn every_canonical_name_is_an_entry() {
        for table in [&*FUNCTIONS, &*AGGREGATES, &*OPERATORS, &*PLUGINS] {
            for entry in table.values() {
                assert!(table.contains_key(entry.canonical), "{} -> {}", entry.name, entry.canonical);
            }
        }
    }

    #[test]
    fn synonyms_share_a_canonical_name() {
        let canonical = |name| function(name).map(|entry| entry.canonical);
        assert_eq!(canonical("todynamic"), Some("parse_json"));
        assert_eq!(canonical("iif"), Some("iff"));
        assert_eq!(canonical("IIF"), None);
        assert_eq!(aggregate("makeset").map(|entry| entry.canonical), Some("make_set"));
    }
}
