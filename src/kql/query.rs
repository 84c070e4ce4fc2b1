//! A query as it is understood: what is wrong with it, and the columns of its rows.

use jiff::SignedDuration;
use kql::bind::Checked;
use kql::diagnostic::{Diagnostic, Severity};
use kql::lint::{self, Use};
use kql::types::ScalarType;

use super::{Parameters, Schema, problem};
use crate::diag::{Level, Problem};

/// Most characters of a query that Microsoft Sentinel takes into a rule. The limit of the hunting endpoints
/// is not documented.
const LENGTH_MAX: usize = 10_000;

/// A query text with all that was found out about it.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    text: &'a str,
    schema: &'a Schema,
    checked: Checked,
}

/// What is known about the use of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purpose {
    /// Columns that something behind the query reads, and what reads them: "action `isolate`".
    pub needs: Vec<(String, String)>,
    /// How far back whoever runs it looks.
    pub period: Option<SignedDuration>,
    /// When it runs.
    pub pace: Pace,
}

/// When a query runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    /// By a timetable, or on demand.
    #[default]
    Timetable,
    /// On each event, which the service does under restrictions.
    NearRealTime,
}

/// The columns of a query's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// Their names and types, in order.
    pub known: Vec<TypedColumn>,
    /// Whether the rows may have further ones, which nobody can tell beforehand.
    pub open: bool,
}

/// A column and what its values are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedColumn {
    /// Its name.
    pub name: String,
    /// Its type, as the query language calls it; `unknown` where only the rows can tell.
    pub ty: &'static str,
}

impl<'a> Query<'a> {
    /// Reads a query that has no parameters. What is wrong with it, [`Self::problems`] says.
    #[must_use]
    pub fn read(text: &'a str, schema: &'a Schema) -> Self {
        Self::read_with(text, schema, &Parameters::default())
    }

    /// Reads a query whose parameters stand for literals.
    #[must_use]
    pub fn read_with(text: &'a str, schema: &'a Schema, parameters: &Parameters) -> Self {
        Self { text, schema, checked: kql::bind::check_with(text, &schema.0, &parameters.0) }
    }

    /// The columns of its rows; nothing if it could not be read. If it has other errors, columns of an unknown
    /// type may be called otherwise.
    #[must_use]
    pub fn columns(&self) -> Option<Columns> {
        let schema = &self.checked.bound.columns;
        let known = schema
            .columns
            .iter()
            .map(|column| TypedColumn { name: column.name.to_string(), ty: column.ty.name() });
        self.is_understood().then(|| Columns { known: known.collect(), open: schema.open })
    }

    /// The tables it reads, under their present names.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.checked.bound.reads.tables.iter().map(String::as_str)
    }

    /// Whether the service would refuse it.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.checked.diagnostics.iter().any(|found| found.severity == Severity::Error)
    }

    /// Whether its text is a query at all.
    fn is_understood(&self) -> bool {
        !self.checked.parsed.diagnostics.iter().any(|told| told.severity == Severity::Error)
    }

    /// Says what is wrong with it and what its author may not want, in the order of its text.
    #[must_use]
    pub fn problems(&self, purpose: &Purpose) -> Vec<Problem> {
        let mut found = self.checked.diagnostics.clone();
        // What is missing from text that was not understood nobody can say.
        if self.is_understood() {
            let purpose = self.purpose(purpose);
            found.append(&mut lint::lint(self.text, &self.checked, &self.schema.0, &purpose));
        }
        found.sort_by_key(|diagnostic| diagnostic.span.start);
        found
            .iter()
            .map(|found| if found.code == lint::TOO_LONG { long(found) } else { problem(found) })
            .collect()
    }

    fn purpose(&self, purpose: &Purpose) -> Use {
        let needs = purpose.needs.iter().filter(|_| !self.has_errors());
        // A tick is 100 ns.
        let ticks = |length: SignedDuration| i64::try_from(length.as_nanos() / 100).unwrap_or(i64::MAX);
        Use {
            needs: needs.map(|(name, by)| lint::Need::column(name.as_str(), by.as_str())).collect(),
            period: purpose.period.map(ticks),
            near_real_time: match purpose.pace {
                Pace::Timetable => lint::NearRealTime::No,
                Pace::NearRealTime => lint::NearRealTime::Yes,
            },
            length_max: Some(LENGTH_MAX),
        }
    }
}

/// A long query is refused elsewhere than where huntbook sends it.
fn long(found: &Diagnostic) -> Problem {
    let mut problem = problem(found);
    problem.level = Level::Warning;
    problem
        .help("a rule of Microsoft Sentinel takes no more; what the hunting endpoint takes is not documented")
}

/// Whether two names of types mean the same type; `None` if one of them is no type.
#[must_use]
pub fn is_same_type(one: &str, other: &str) -> Option<bool> {
    Some(ScalarType::find(one)? == ScalarType::find(other)?)
}
