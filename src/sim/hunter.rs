//! What answers hunting queries: the door behind which an interpreter of KQL, canned answers or a
//! generator of rows stand.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::kql::Schema;

/// The time a query looks at: what the request's `Timespan` came to, thirty days by default.
///
/// As in the service, a filter on time inside the query narrows it and never widens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HuntWindow {
    /// First instant looked at.
    pub from: Timestamp,
    /// Last instant looked at.
    pub to: Timestamp,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HuntColumn {
    /// Name, in the query's own spelling.
    pub name: String,
    /// Type in the API's words: `String`, `DateTime`, `Int64`, `Int32`, `SByte` (a boolean), `Double`,
    /// `TimeSpan`, `Guid`, `Object`.
    pub kind: String,
}

impl HuntColumn {
    /// Names a column and its type.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { name: name.into(), kind: kind.into() }
    }
}

/// The rows of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum HuntRows {
    /// Objects, one for each row.
    Objects(Vec<Map<String, Value>>),
    /// The text of a JSON array of objects, sent as it is: one big answer is built once, not copied.
    Json(Bytes),
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq)]
pub struct HuntTable {
    /// The columns, in order.
    pub columns: Vec<HuntColumn>,
    /// The rows, in order.
    pub rows: HuntRows,
}

impl HuntTable {
    /// Makes an answer of objects.
    #[must_use]
    pub fn new(columns: Vec<HuntColumn>, rows: Vec<Map<String, Value>>) -> Self {
        Self { columns, rows: HuntRows::Objects(rows) }
    }

    /// The rows as objects.
    ///
    /// # Errors
    ///
    /// The rows are a text that is not an array of objects.
    pub fn objects(&self) -> Result<Vec<Map<String, Value>>, serde_json::Error> {
        match &self.rows {
            HuntRows::Objects(rows) => Ok(rows.clone()),
            HuntRows::Json(text) => serde_json::from_slice(text),
        }
    }
}

/// Why a query has no answer. The server turns each into the status and words the service uses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HuntFault {
    /// The text is not KQL. Answered with 400.
    #[error("{0}")]
    Syntax(String),
    /// The text is KQL and names what does not exist, or mixes types. Answered with 400.
    #[error("{0}")]
    Semantic(String),
    /// The text may be right; this server does not know the operator or function. Answered with 501,
    /// which the service never does: nobody takes it for a fault of the query.
    #[error("the simulated tenant cannot run this: {0}")]
    Unsupported(String),
    /// More rows or bytes than an answer may have. Answered with 400.
    #[error("the answer exceeds the allowed result size")]
    TooLarge,
    /// The query costs too much. Answered with 504 and an empty message.
    #[error("the query ran out of time")]
    TooSlow,
}

/// Answers hunting queries. Called off the server's own threads, so it may compute for long.
pub trait Hunter: std::fmt::Debug + Send + Sync {
    /// Runs `query` over the time of `window`; `now` is what the query's `now()` and `ago()` start from.
    ///
    /// # Errors
    ///
    /// A [`HuntFault`] that says whose fault it is.
    fn answer(&self, query: &str, window: HuntWindow, now: Timestamp) -> Result<HuntTable, HuntFault>;

    /// The tables it knows.
    fn schema(&self) -> Schema {
        Schema::defender()
    }
}

/// A hunter of fixed answers: the first whose needle is in the query.
#[derive(Debug, Clone, Default)]
pub struct CannedHunter {
    answers: Vec<(String, Result<HuntTable, HuntFault>)>,
}

impl CannedHunter {
    /// Makes a hunter that answers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the answer to queries that contain `needle`. An empty needle is in every query.
    #[must_use]
    pub fn when(mut self, needle: impl Into<String>, answer: Result<HuntTable, HuntFault>) -> Self {
        self.answers.push((needle.into(), answer));
        self
    }
}

impl Hunter for CannedHunter {
    fn answer(&self, query: &str, _window: HuntWindow, _now: Timestamp) -> Result<HuntTable, HuntFault> {
        self.answers.iter().find(|(needle, _)| query.contains(needle.as_str())).map_or_else(
            || {
                let table = query.split_whitespace().next().unwrap_or_default();
                Err(HuntFault::Semantic(format!(
                    "'where' operator: Failed to resolve table or column expression named '{table}'"
                )))
            },
            |(_, answer)| answer.clone(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_needle_found_answers() {
        let table = HuntTable::new(vec![HuntColumn::new("A", "String")], Vec::new());
        let hunter =
            CannedHunter::new().when("DeviceEvents", Ok(table.clone())).when("", Err(HuntFault::TooSlow));
        let window = HuntWindow { from: Timestamp::UNIX_EPOCH, to: Timestamp::UNIX_EPOCH };
        let answer = |query: &str| hunter.answer(query, window, Timestamp::UNIX_EPOCH);
        assert_eq!(answer("DeviceEvents | take 1"), Ok(table));
        assert_eq!(answer("EmailEvents"), Err(HuntFault::TooSlow));
    }

    #[test]
    fn an_unknown_table_is_the_querys_fault() {
        let window = HuntWindow { from: Timestamp::UNIX_EPOCH, to: Timestamp::UNIX_EPOCH };
        let answer = CannedHunter::new().answer("Nope | take 1", window, Timestamp::UNIX_EPOCH);
        assert!(matches!(answer, Err(HuntFault::Semantic(text)) if text.contains("'Nope'")));
    }
}
