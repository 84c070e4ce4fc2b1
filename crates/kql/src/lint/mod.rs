//! What the service accepts, but its author may not want: slow, ambiguous, or of no use to what
//! is to be done with the result.
//!
//! Every rule has a code of its own, says why it speaks, and offers a change only where the result
//! of the query cannot become another one. Errors are not its business (see `bind`); a query with
//! errors gets the lints that can be given all the same.
//!
//! To add a rule: a code in `codes.rs`, a function in the file of its kind, a case in the tests.

mod codes;
mod comparison;
mod reach;
mod result;
mod rule;
mod source;
mod time;
mod walk;

pub use codes::*;

use crate::bind::Checked;
use crate::diagnostic::Diagnostic;
use crate::schema::Database;

/// What is known about the use of a query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Use {
    /// Columns that something behind the query reads.
    pub needs: Vec<Need>,
    /// How far back the rule that runs the query looks, in ticks of 100 ns.
    pub period: Option<i64>,
    /// Whether the query runs near real time, on each event.
    pub near_real_time: NearRealTime,
    /// Most characters the text may have.
    pub length_max: Option<usize>,
}

/// Whether a query runs near real time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NearRealTime {
    /// It runs by a timetable.
    #[default]
    No,
    /// It runs on each event, with the restrictions of that.
    Yes,
}

/// Columns that something behind the query reads. One of them is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Names, the usual one first.
    pub columns: Vec<String>,
    /// What reads them, for the message: "action `isolateDevice`".
    pub by: String,
}

impl Need {
    /// Makes a need of a single column.
    pub fn column(name: impl Into<String>, by: impl Into<String>) -> Self {
        Self { columns: vec![name.into()], by: by.into() }
    }
}

/// Looks for what its author may not want in a query. The diagnostics are in the order of the
/// text.
#[must_use]
pub fn lint(text: &str, checked: &Checked, database: &Database, purpose: &Use) -> Vec<Diagnostic> {
    let context = Context { text, checked, database, purpose };
    let mut found = Vec::new();
    time::unbounded_scans(&context, &mut found);
    reach::look_back(&context, &mut found);
    comparison::comparisons(&context, &mut found);
    source::sources(&context, &mut found);
    result::needs(&context, &mut found);
    rule::near_real_time(&context, &mut found);
    rule::length(&context, &mut found);
    found.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.code));
    found.dedup();
    found
}

/// What every rule may look at.
struct Context<'a> {
    text: &'a str,
    checked: &'a Checked,
    database: &'a Database,
    purpose: &'a Use,
}
