//! Conditions: Rhai expressions, compiled once, checked against what is known, run under limits.
//!
//! `where: row.FileSize > 250000 && row.FileName in ["cmd.exe", "pwsh.exe"]`
//!
//! # What may be named
//!
//! | name | where | is |
//! |---|---|---|
//! | `row` | `where`, `if` of actions of a hunt | one row: `row.Column`, `row["Column"]` |
//! | `rows` | `when` of a hunt | all rows: `rows.len()`, `rows.any(\|r\| r.Column > 3)` |
//! | `incident` | `where`, `if` of actions of an incident playbook | one incident, as the model names its fields |
//! | `incidents` | `when` of an incident playbook | all of them |
//! | `outcome` | `if` of a notification | `acted`, `planned`, `skipped`, `suppressed`, `duplicates`, `failed`, `matched`, `halted` |
//! | `lists.NAME` | everywhere | a named list: `row.DeviceName in lists.servers`, whatever the case |
//! | `run` | everywhere | the run; a field it lacks is an error |
//! | `now` | everywhere | the instant the run started |
//!
//! # Operators and functions
//!
//! `&&` `||` `!` `==` `!=` `<` `<=` `>` `>=` `in` `!in` `??` `?.` `+` `-` `*` `/` `%`, `if a {b} else {c}`,
//! and these functions, each also as a method:
//!
//! | function | gives |
//! |---|---|
//! | `contains(x, y)`, `y in x` | whether a text has a part, an array an item, an object a key, a list an entry |
//! | `icontains(x, y)` | the same for texts, whatever the case |
//! | `starts_with(x, y)`, `ends_with(x, y)` | whether a text begins or ends so |
//! | `to_lower(x)`, `to_upper(x)`, `trim(x)` | the text changed |
//! | `len(x)` | characters of a text, items of an array, entries of a list |
//! | `any(x, \|i\| ..)` (`some`), `all(x, \|i\| ..)`, `filter(x, \|i\| ..)` | items tested |
//! | `min(x, y)`, `max(x, y)`, `abs(x)` | numbers |
//! | `to_number(x)`, `to_string(x)` | the value as a number (`()` if it is none) or a text |
//! | `time(x)`, `ago("1h")` | instants; they compare with each other and with date-time texts such as `row.Timestamp` |
//!
//! # Types, and nothing
//!
//! Comparing values of different types is an error: when the expression is compiled, if the types are
//! known then, and otherwise when it meets such a row. It is never silently false. Whole and real
//! numbers are one type and compare exactly; texts compare by their characters, case included; arrays
//! and objects do not compare.
//!
//! A JSON null, and a column a row lacks, is `()`, called nothing:
//!
//! | expression | is |
//! |---|---|
//! | `() == ()` | true |
//! | `() == x`, `x == ()` | false |
//! | `() != x` | true |
//! | `()` with `<` `<=` `>` `>=` | false |
//! | `() in [..]`, `() in lists.x`, `x in ()` | false (`() in [()]` is true) |
//! | `contains` and its kin on `()` | false |
//! | `to_lower(())`, `trim(())`, `() + 1`, `-()`, `abs(())`, `time(())` | `()` |
//! | `len(())` | 0 |
//! | `min((), 3)`, `max((), 3)` | 3 |
//! | `any` over `()` | false |
//! | `all` over `()` or over no items | true |
//! | `().field` | an error; `x?.field` is `()` |
//! | `!()`, `() && x`, a condition that is `()` | an error: write `x == true` |
//!
//! Note that `!(x > 3)` is true for nothing, and `x <= 3` is not.
//!
//! # How it runs
//!
//! Rhai parses; `lower` resolves every name and checks every type it can; `native` evaluates on the
//! borrowed cells of a streaming row. Only `switch` goes through the script engine (`script`), which
//! has nothing in it but the above: no I/O, no `eval`, no clock. A property test holds both ways to the
//! same answers. One evaluation is cut off after a second, one by the engine after five million steps.

mod chain;
mod check;
mod closure;
mod columns;
mod condition;
mod fold;
mod function;
mod lower;
mod meaning;
mod names;
mod native;
mod node;
mod place;
mod script;
mod shape;
mod value;

use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

pub use columns::{Columns, Holds, Others};
pub use condition::{Answers, Bound, Condition};
pub use names::{Names, Place, Reads, RowsUse, Subject};
pub use value::Reason;

pub use crate::diag::Problem;

/// The language of conditions: one engine for the process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Language(Arc<rhai::Engine>);

impl Language {
    /// Builds the engine.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(condition::engine()))
    }

    const fn engine(&self) -> &Arc<rhai::Engine> {
        &self.0
    }
}

impl Default for Language {
    fn default() -> Self {
        Self::new()
    }
}

/// What every condition of a run may look at besides its subject.
#[derive(Debug, Clone, Copy)]
pub struct Env<'a> {
    /// `now`.
    pub now: Timestamp,
    /// `run`: an object.
    pub run: &'a serde_json::Value,
    /// `outcome`: an object; only notifications have one.
    pub outcome: Option<&'a serde_json::Value>,
}

/// A condition that has no value: the run fails, the row is neither kept nor dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the condition has no value here")]
pub struct EvalError {
    /// Why.
    #[source]
    pub reason: Reason,
    /// Where in the expression, in bytes; empty if that is not known.
    pub range: Range<usize>,
}

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod tests;
