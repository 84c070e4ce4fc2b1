//! Hunting queries: what is wrong with one, how it is laid out, and what it gives over rows at hand.
//!
//! The door to the query library (`crates/kql`), which knows the language and nothing of huntbook. Its
//! diagnostics come out as [`Problem`]s, whose ranges count in the query; whoever knows where the query
//! stands in a file moves them there. Queries in Markdown are found by [`blocks`].

mod block;
mod library;
mod relation;
mod run;

use std::sync::{Arc, LazyLock};

use kql::diagnostic::{self, Severity};
use kql::lint::Use;
use kql::schema::Database;

pub use block::{Block, blocks};
pub use library::{Library, LibraryError, PLACES_OF_ADDRESSES};
pub use run::{Cause, Column, Failed, Rows, World, run};

use crate::diag::{Code, Level, Problem};

/// The tables, columns and functions that queries can name.
#[derive(Debug, Clone)]
pub struct Schema(Arc<Database>);

/// A file of tables that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the file of tables cannot be used")]
pub struct SchemaError(#[source] kql::schema::SchemaError);

impl Schema {
    /// What Microsoft Defender XDR offers.
    #[must_use]
    pub fn defender() -> Self {
        static DEFENDER: LazyLock<Arc<Database>> = LazyLock::new(|| Arc::new(Database::defender().clone()));
        Self(Arc::clone(&DEFENDER))
    }

    /// Adds tables, or replaces those of the same name. The text is JSON:
    /// `{"format": 1, "tables": [{"name": "Mine_CL", "columns": [["Timestamp", "datetime"]]}]}`.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] if the text is of another form or names a type that does not exist.
    pub fn add(&mut self, json: &str) -> Result<(), SchemaError> {
        let more = Database::from_json(json).map_err(SchemaError)?;
        for table in more.tables() {
            Arc::make_mut(&mut self.0).add_table(table.name, table.schema.as_ref().clone());
        }
        Ok(())
    }
}

/// Says what is wrong with a query and what its author may not want, in the order of its text.
#[must_use]
pub fn check(query: &str, schema: &Schema) -> Vec<Problem> {
    let checked = kql::bind::check(query, &schema.0);
    let mut found = checked.diagnostics.clone();
    // What is missing from text that was not understood nobody can say.
    if !checked.parsed.diagnostics.iter().any(|told| told.severity == Severity::Error) {
        found.append(&mut kql::lint::lint(query, &checked, &schema.0, &Use::default()));
    }
    found.sort_by_key(|diagnostic| diagnostic.span.start);
    found.iter().map(problem).collect()
}

/// Why a query is not laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It has errors, and stays as it is.
    #[error("the query has errors")]
    Refused(Vec<Problem>),
    /// It would not have been the same query; a fault of ours.
    #[error("the query cannot be laid out without a change of its meaning")]
    Changed,
}

/// Lays out a query; comments stay.
///
/// # Errors
///
/// [`FormatError`]; the query is better left alone then.
pub fn format(query: &str) -> Result<String, FormatError> {
    kql::format::format(query).map_err(|error| match error {
        kql::format::FormatError::Syntax(errors) => {
            FormatError::Refused(errors.iter().map(problem).collect())
        }
        kql::format::FormatError::Changed => FormatError::Changed,
    })
}

/// What a code of the query library is called; nothing for a number it does not have.
#[must_use]
pub fn title(number: u16) -> Option<&'static str> {
    let codes = [kql::lex::CODES, kql::parse::CODES, kql::bind::ALL, kql::lint::ALL, kql::eval::CODES];
    codes.iter().copied().flatten().find(|code| code.number == number).map(|code| code.title)
}

fn problem(diagnostic: &diagnostic::Diagnostic) -> Problem {
    let range = |span: kql::text::Span| span.start as usize..span.end as usize;
    let mut problem =
        Problem::new(Code::Kql(diagnostic.code.number), range(diagnostic.span), diagnostic.message.clone());
    problem.level = match diagnostic.severity {
        Severity::Error => Level::Error,
        Severity::Warning | Severity::Note => Level::Warning,
    };
    let Some(fix) = &diagnostic.fix else {
        problem.help.extend(diagnostic.help.clone());
        return problem;
    };
    let message = diagnostic.help.clone().unwrap_or_else(|| match fix.replacement.trim() {
        "" => "leave this out".to_owned(),
        text => format!("write `{text}`"),
    });
    problem.suggest(range(fix.span), fix.replacement.clone(), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_its_place_its_level_and_its_mend() {
        let problems = check("DeviceInfo | wher a | where b = true", &Schema::defender());
        let found: Vec<_> = problems
            .iter()
            .map(|problem| (problem.code.to_string(), problem.level, problem.range.clone()))
            .collect();
        assert_eq!(
            found,
            [("KQL013".to_owned(), Level::Error, 13..17), ("KQL018".to_owned(), Level::Warning, 28..36)]
        );
        assert_eq!(problems[0].suggestion.as_ref().map(|mend| mend.replacement.as_str()), Some("where"));
    }

    #[test]
    fn tables_of_ones_own_are_known_when_they_are_added() {
        let mut schema = Schema::defender();
        let query = "Mine_CL | where Size > 1";
        assert_eq!(check(query, &schema).len(), 1);
        let json = r#"{"format": 1, "tables": [{"name": "Mine_CL", "columns": [["Size", "long"]]}]}"#;
        schema.add(json).expect("a table");
        assert_eq!(check(query, &schema).iter().filter(|found| found.level == Level::Error).count(), 0);
        assert!(schema.add("{}").is_err());
    }

    #[test]
    fn every_code_has_a_title() {
        assert_eq!(title(13), Some("unknown operator"));
        assert_eq!(title(999), None);
    }

    #[test]
    fn a_query_with_errors_is_not_laid_out() {
        assert_eq!(format("T|take 5").as_deref(), Ok("T\n| take 5\n"));
        assert!(matches!(format("T|take"), Err(FormatError::Refused(problems)) if problems.len() == 1));
    }
}
