//! Rows and columns.

use std::sync::Arc;

use super::value::{Kind, Value};

/// A column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
}

impl Column {
    pub(crate) fn new(name: impl Into<Arc<str>>, kind: Kind) -> Self {
        Self { name: name.into(), kind }
    }
}

/// A row: one value for each column.
pub(crate) type Row = Arc<[Value]>;

/// Columns and the rows under them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Relation {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
}

impl Relation {
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.as_ref() == name)
    }
}

/// Makes `name` different from all `taken` by a number at its end.
pub(crate) fn unique(name: &str, taken: &[Column]) -> Arc<str> {
    let is_taken = |candidate: &str| taken.iter().any(|column| column.name.as_ref() == candidate);
    if !is_taken(name) {
        return name.into();
    }
    // One of `n + 1` candidates is not among `n` names.
    let mut candidates = (1..=taken.len() + 1).map(|number| format!("{name}{number}"));
    candidates.find(|candidate| !is_taken(candidate)).unwrap_or_default().into()
}
