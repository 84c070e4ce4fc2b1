//! Hunting queries: what is wrong with one, how it is laid out, and what it gives over rows at hand.
//!
//! The door to the query library (`crates/kql`), which knows the language and nothing of huntbook. Its
//! diagnostics come out as [`Problem`]s, whose ranges count in the query; whoever knows where the query
//! stands in a file moves them there. Queries in Markdown are found by [`blocks`].

mod block;
mod library;
mod misfit;
mod parameter;
mod product;
mod query;
mod relation;
mod run;
mod word;

use std::sync::{Arc, LazyLock};

use kql::bind;
use kql::diagnostic::{self, Severity};
use kql::schema::Database;

pub use block::{Block, blocks};
pub use library::{Library, LibraryError, PLACES_OF_ADDRESSES};
pub use misfit::Misfits;
pub use parameter::{Parameters, QUERY_BYTES_MAX, fill, heeding_case, parameters};
pub use product::product;
pub use query::{Columns, Pace, Purpose, Query, TypedColumn, is_same_type};
pub use run::{Cause, Column, Failed, Rows, World, run};
pub use word::{Words, words};

use crate::diag::{Code, Level, Problem};

/// What to do if the tenant knows better.
const DECLARE: &str = "if your tenant has it, say so in a schema file: `huntbook schema pull` writes one";

/// The tables, columns and functions that queries can name. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema(Arc<Database>);

impl Default for Schema {
    fn default() -> Self {
        Self::defender()
    }
}

/// A schema file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the file of tables cannot be used")]
pub struct SchemaError(#[source] kql::schema::SchemaError);

impl SchemaError {
    /// Line and column, from 1, where the text cannot be read on.
    #[must_use]
    pub fn place(&self) -> Option<(usize, usize)> {
        match &self.0 {
            kql::schema::SchemaError::Json(error) if error.line() > 0 => Some((error.line(), error.column())),
            _ => None,
        }
    }
}

impl Schema {
    /// What Microsoft Defender XDR offers.
    #[must_use]
    pub fn defender() -> Self {
        static DEFENDER: LazyLock<Arc<Database>> = LazyLock::new(|| Arc::new(Database::defender().clone()));
        Self(Arc::clone(&DEFENDER))
    }

    /// Adds the tables, functions and watchlists of a file. The text is JSON:
    /// `{"format": 1, "tables": [{"name": "Mine_CL", "columns": [["Timestamp", "datetime"]]}]}`. A table takes
    /// the place of the one of that name, or with `"extends": true` adds its columns to it; functions are
    /// `"stored": {"NAME": "(PARAMETERS) {BODY}"}`, watchlists `"watchlists": {"NAME": [["COLUMN", "TYPE"]]}`.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] if the text is of another form or names a type that does not exist.
    pub fn add(&mut self, json: &str) -> Result<(), SchemaError> {
        Arc::make_mut(&mut self.0).add_json(json).map_err(SchemaError)
    }

    /// The names of the tables, former names left out.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.0.tables().map(|table| table.name)
    }

    /// The names of the watchlists.
    pub fn watchlists(&self) -> impl Iterator<Item = &str> {
        self.0.watchlists()
    }

    /// The columns of a table: names and types, in order.
    #[must_use]
    pub fn columns(&self, table: &str) -> Vec<(String, &'static str)> {
        let columns = self.0.table(table).map(|table| table.schema.columns.clone()).unwrap_or_default();
        columns.iter().map(|column| (column.name.to_string(), column.ty.name())).collect()
    }

    /// Adds several files that describe the same thing from different sides, such as several tenants: a table
    /// takes the place of one that was known before, and has the columns of all these files. Gives the files
    /// that cannot be used, of which nothing is added.
    pub fn add_together<Name: Clone>(&mut self, files: &[(Name, String)]) -> Vec<(Name, SchemaError)> {
        let mut seen = Database::default();
        let mut refused = Vec::new();
        for (name, text) in files {
            match Database::from_json(text) {
                Ok(facts) => self.add_facts(&facts, text, &mut seen),
                Err(error) => refused.push((name.clone(), SchemaError(error))),
            }
        }
        refused
    }

    fn add_facts(&mut self, facts: &Database, text: &str, seen: &mut Database) {
        let database = Arc::make_mut(&mut self.0);
        let earlier: Vec<_> = facts
            .tables()
            .filter_map(|table| Some((table.name.to_owned(), seen.table(table.name)?.schema.columns.clone())))
            .collect();
        // It has been read once already.
        let added = database.add_json(text).is_ok();
        for (name, columns) in earlier.into_iter().filter(|_| added) {
            database.extend_table(&name, columns);
        }
        for table in facts.tables() {
            seen.extend_table(table.name, table.schema.columns.clone());
        }
    }
}

/// Says what is wrong with a query and what its author may not want, in the order of its text.
#[must_use]
pub fn check(query: &str, schema: &Schema, purpose: &Purpose) -> Vec<Problem> {
    Query::read(query, schema).problems(purpose)
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
    let codes = [kql::lex::CODES, kql::parse::CODES, bind::ALL, kql::lint::ALL, kql::eval::CODES];
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
        let is_unknown =
            [bind::UNKNOWN_NAME, bind::UNKNOWN_TABLE, bind::UNKNOWN_FUNCTION].contains(&diagnostic.code);
        let has_likely = diagnostic.help.as_ref().is_some_and(|help| help.starts_with("did you mean"));
        if is_unknown && !has_likely {
            problem.help.push(DECLARE.to_owned());
        }
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
        let problems =
            check("DeviceInfo | wher true | where b = true", &Schema::defender(), &Purpose::default());
        let found: Vec<_> = problems
            .iter()
            .map(|problem| (problem.code.to_string(), problem.level, problem.range.clone()))
            .collect();
        assert_eq!(
            found,
            [("KQL013".to_owned(), Level::Error, 13..17), ("KQL018".to_owned(), Level::Warning, 31..39)]
        );
        assert_eq!(problems[0].suggestion.as_ref().map(|mend| mend.replacement.as_str()), Some("where"));
    }

    #[test]
    fn tables_of_ones_own_are_known_when_they_are_added() {
        let mut schema = Schema::defender();
        let query = "Mine_CL | where Size > 1";
        assert_eq!(check(query, &schema, &Purpose::default()).len(), 1);
        let json = r#"{"format": 1, "tables": [{"name": "Mine_CL", "columns": [["Size", "long"]]}]}"#;
        schema.add(json).expect("a table");
        assert!(!Query::read(query, &schema).has_errors());
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
