//! Which names exist where an expression stands.

use std::collections::BTreeSet;

use super::Columns;

/// What an expression is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Rows of a hunting query.
    Rows {
        /// The columns the query gives; `None` if they are not known, and then any name is accepted.
        columns: Option<Columns>,
    },
    /// Incidents.
    Incidents,
    /// Alerts.
    Alerts,
}

/// Where in a playbook an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `when`: once per run, over all `rows`, `incidents` or `alerts`.
    When,
    /// `where`: once per `row`, `incident` or `alert`.
    Where,
    /// `if` of an action: once per `row`, `incident` or `alert`.
    Action,
    /// `if` of a notification: once per run, over the `outcome`.
    Notify,
}

/// The names an expression may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// What it is about.
    pub subject: Subject,
    /// Names of the lists that exist.
    pub lists: BTreeSet<String>,
    /// Where it stands.
    pub place: Place,
}

/// The columns of a row that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// All of them: a row is used as a whole.
    All,
    /// These.
    Only(BTreeSet<String>),
}

impl Reads {
    /// Reads nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// What is read by either.
    #[must_use]
    pub fn union(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(mut columns), Self::Only(others)) => {
                columns.extend(others.iter().cloned());
                Self::Only(columns)
            }
            _ => Self::All,
        }
    }
}

/// What a `when` needs of `rows`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowsUse {
    /// Nothing: it does not mention them.
    None,
    /// Their number: rows need not be kept for it.
    Count,
    /// The rows, with these columns.
    Columns(Reads),
}

impl RowsUse {
    /// The same, or the number if it was nothing.
    pub(super) fn at_least_count(self) -> Self {
        match self {
            Self::None | Self::Count => Self::Count,
            Self::Columns(reads) => Self::Columns(reads),
        }
    }
}
