//! Runs a hunting query and keeps the rows that match.
//!
//! Rows are judged while they stream past: the condition reads borrowed values, and only rows that
//! match are copied out. What a row's identity is, which columns are decoded and how many rows may
//! match is decided when the playbook is lowered.

mod parameter;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::diag::nearest;
use crate::expr::{Bound, Condition, Env, EvalError};
use crate::model::{Cell, CellRef, Lists, Projection, Row, RowView, Wanted};
use crate::playbook::TriggerOperator;
use crate::rows::Flow;
use crate::tenant::{HuntAnswer, HuntLimits, HuntQuery, Tenant, TenantError};

pub use parameter::{LITERAL_BYTES_MAX, Parameter, Unfilled, VALUES_MAX};

/// Most rows of one run that may match. More means the query is too wide to act on: a person has to
/// look. Ten thousand is far above what anybody responds to and keeps a run within tens of megabytes.
pub const MATCHES_MAX: usize = 10_000;

/// Most time `where` may take over all rows of a hunt. An ordinary condition needs a tenth of a second for
/// a hundred thousand rows; what needs more keeps the runtime's threads from everything else.
pub const JUDGING_MAX: Duration = Duration::from_secs(10);

/// One row in this many is timed, and counts for as many: reading the clock costs as much as a condition.
const ROWS_PER_LOOK: u32 = 8;

/// Sixteen bytes of a digest over a row's identity columns: what makes it the same row next time.
pub type Identity = [u8; 16];

/// How many rows the hunt must return for the run to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// How the number is compared.
    pub operator: TriggerOperator,
    /// With what.
    pub value: u64,
}

impl Threshold {
    /// Whether a number of rows reaches the threshold.
    #[must_use]
    pub const fn reached(self, rows: u64) -> bool {
        self.operator.holds(rows, self.value)
    }
}

/// A playbook's `hunt`, understood.
#[derive(Debug, Clone)]
pub struct Hunt {
    /// The query, as written: [`Self::filled`] gives what is sent.
    pub query: String,
    /// What its parameters stand for, by their names.
    pub parameters: BTreeMap<String, Parameter>,
    /// How far the query looks back; the service's own default without it.
    pub period: Option<SignedDuration>,
    /// How many rows it must return.
    pub threshold: Threshold,
    /// Columns that make a row the same row next time; empty: every run's rows are new.
    pub identity: Vec<String>,
    /// Columns decoded.
    pub wanted: Wanted,
    /// Columns the playbook names: an answer without one of them fails the run, because a condition on
    /// what is not there would never hold and nobody would know.
    pub named: BTreeSet<String>,
}

/// What is kept besides the rows that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Only matching rows.
    Matches,
    /// Also the identity of every row, because `when` counts the new ones.
    Identities,
    /// Every row, because `when` reads them.
    Everything,
}

/// A row that was kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The columns the playbook reads.
    pub row: Row,
    /// Its identity, if the playbook declares one and the row has it.
    pub identity: Option<Identity>,
    /// Whether `where` holds (always, unless everything is kept).
    pub matches: Matches,
}

/// Whether a row fulfils `where`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matches {
    /// It does.
    Yes,
    /// It does not; it is here for `when`.
    No,
}

/// What a hunt brought in.
#[derive(Debug)]
pub struct Catch {
    /// What the tenant says of the answer.
    pub answer: HuntAnswer,
    /// Rows kept, in the order of the answer.
    pub kept: Vec<Kept>,
    /// Identity of every row, in order, when asked for.
    pub identities: Vec<Option<Identity>>,
}

/// Why a hunt brought nothing in.
#[derive(Debug, thiserror::Error)]
pub enum HuntError {
    /// The tenant did not answer, or not completely.
    #[error("the hunting query failed")]
    Tenant(#[from] TenantError),
    /// There is nothing to put in the place of a parameter.
    #[error(transparent)]
    Unfilled(#[from] Unfilled),
    /// `where` could not be decided for a row.
    #[error("`where` failed on row {row}")]
    Condition {
        /// Number of the row, from 1.
        row: u64,
        /// Why.
        #[source]
        source: EvalError,
    },
    /// The playbook names a column the answer does not have.
    #[error("the answer has no column `{name}`{}", near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Column {
        /// The column.
        name: String,
        /// A column with a similar name.
        near: Option<String>,
    },
    /// `where` is too slow for that many rows.
    #[error("`where` took more than {} s of computing for the first {rows} rows: simplify it, or narrow the query", JUDGING_MAX.as_secs())]
    Slow {
        /// Rows judged.
        rows: u64,
    },
    /// More rows match than anybody could respond to.
    #[error("more than {MATCHES_MAX} rows match: narrow the query or `where`")]
    TooMany,
}

/// Runs the query and judges every row.
///
/// # Errors
///
/// Nothing is kept of a hunt that did not complete: see [`HuntError`].
pub async fn collect(
    tenant: &dyn Tenant,
    hunt: &Hunt,
    condition: Option<&Condition>,
    keep: Keep,
    around: Around<'_>,
) -> Result<Catch, HuntError> {
    let mut sieve = Sieve::new(&hunt.identity, condition, keep, around);
    let query = HuntQuery { query: hunt.filled(around.lists)?, timespan: hunt.period };
    let mut on_row = |view: &RowView<'_>| sieve.take(view);
    let answer = tenant.hunt(&query, &hunt.wanted, &HuntLimits::default(), &mut on_row).await;
    if let Some(error) = sieve.error.take() {
        return Err(error);
    }
    let answer = answer?;
    check_columns(hunt, &answer)?;
    Ok(Catch { answer, kept: sieve.kept, identities: sieve.identities })
}

/// Judges rows that are at hand.
///
/// # Errors
///
/// Nothing is kept if a row could not be judged, or too many match: see [`HuntError`].
pub fn sift(
    rows: &[Row],
    identity: &[String],
    condition: Option<&Condition>,
    (keep, around): (Keep, Around<'_>),
) -> Result<Catch, HuntError> {
    let mut sieve = Sieve::new(identity, condition, keep, around);
    for row in rows {
        let cells: Vec<CellRef<'_>> = row.cells.iter().map(Cell::as_ref).collect();
        if sieve.take(&RowView { projection: &row.projection, cells: &cells }) == Flow::Stop {
            break;
        }
    }
    if let Some(error) = sieve.error.take() {
        return Err(error);
    }
    let answer = HuntAnswer { rows: sieve.seen, ..HuntAnswer::default() };
    Ok(Catch { answer, kept: sieve.kept, identities: sieve.identities })
}

/// Checks that every column the playbook names is there, in the same case: a table may have two columns that
/// differ in nothing else. An answer that declares no columns cannot be
/// checked.
fn check_columns(hunt: &Hunt, answer: &HuntAnswer) -> Result<(), HuntError> {
    let declared: Vec<&str> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    let missing = hunt.named.iter().find(|name| !declared.contains(&name.as_str()));
    match missing {
        Some(name) if !declared.is_empty() => {
            let near = nearest(name, declared).map(str::to_owned);
            Err(HuntError::Column { name: name.clone(), near })
        }
        Some(_) | None => Ok(()),
    }
}

/// What conditions see besides the row.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The lists in force.
    pub lists: &'a Lists,
    /// Time and run.
    pub env: &'a Env<'a>,
}

/// A condition bound to the columns of an answer.
struct BoundTo {
    projection: Arc<Projection>,
    condition: Option<Bound>,
    identity: Vec<Option<usize>>,
}

struct Sieve<'a> {
    identity: &'a [String],
    condition: Option<&'a Condition>,
    keep: Keep,
    around: Around<'a>,
    bound: Option<BoundTo>,
    seen: u64,
    left: Duration,
    kept: Vec<Kept>,
    identities: Vec<Option<Identity>>,
    error: Option<HuntError>,
}

impl<'a> Sieve<'a> {
    fn new(identity: &'a [String], condition: Option<&'a Condition>, keep: Keep, around: Around<'a>) -> Self {
        let (kept, identities) = (Vec::new(), Vec::new());
        let left = JUDGING_MAX;
        Self { identity, condition, keep, around, bound: None, seen: 0, left, kept, identities, error: None }
    }

    fn take(&mut self, view: &RowView<'_>) -> Flow {
        self.seen += 1;
        match self.judge(view) {
            Ok(()) => Flow::Continue,
            Err(error) => {
                self.error = Some(error);
                Flow::Stop
            }
        }
    }

    fn judge(&mut self, view: &RowView<'_>) -> Result<(), HuntError> {
        let bound = match self.bound.take() {
            // Two handles of one allocation are equal without a look at the names.
            Some(bound) if bound.projection == *view.projection => bound,
            Some(_) | None => self.bind(view.projection),
        };
        let bound = self.bound.insert(bound);
        let matches = match &mut bound.condition {
            None => true,
            Some(condition) => {
                let started = self.seen.is_multiple_of(ROWS_PER_LOOK.into()).then(Instant::now);
                let matches = condition
                    .test_row(view, self.around.env)
                    .map_err(|source| HuntError::Condition { row: self.seen, source })?;
                if let Some(started) = started {
                    let spent = started.elapsed() * ROWS_PER_LOOK;
                    let slow = HuntError::Slow { rows: self.seen };
                    self.left = self.left.checked_sub(spent).ok_or(slow)?;
                }
                matches
            }
        };
        let identity =
            if matches || self.keep != Keep::Matches { identity(&bound.identity, view) } else { None };
        if self.keep == Keep::Identities {
            self.identities.push(identity);
        }
        if !matches && self.keep != Keep::Everything {
            return Ok(());
        }
        if self.kept.len() == MATCHES_MAX {
            return Err(HuntError::TooMany);
        }
        let matches = if matches { Matches::Yes } else { Matches::No };
        self.kept.push(Kept { row: view.to_row(), identity, matches });
        Ok(())
    }

    fn bind(&self, projection: &Arc<Projection>) -> BoundTo {
        BoundTo {
            projection: Arc::clone(projection),
            condition: self.condition.map(|condition| condition.bind(projection, self.around.lists)),
            identity: self.identity.iter().map(|name| projection.index(name)).collect(),
        }
    }
}

/// Digests the identity columns of a row. A row in which all of them are null has no identity: it would
/// be the same as every other such row.
fn identity(columns: &[Option<usize>], view: &RowView<'_>) -> Option<Identity> {
    let cells = columns.iter().map(|index| index.and_then(|index| view.cells.get(index)));
    let mut digest = Sha256::new();
    let mut known = false;
    for cell in cells {
        known |= !matches!(cell, None | Some(CellRef::Null));
        feed(&mut digest, cell.unwrap_or(&CellRef::Null));
    }
    let digest = digest.finalize();
    known.then(|| digest.first_chunk().copied()).flatten()
}

/// Feeds one value with its kind and length, so that no two lists of values digest alike.
fn feed(digest: &mut Sha256, cell: &CellRef<'_>) {
    let mut put = |kind: u8, bytes: &[u8]| {
        digest.update([kind]);
        digest.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(bytes);
    };
    match cell {
        CellRef::Null => put(0, &[]),
        CellRef::Bool(value) => put(1, &[u8::from(*value)]),
        CellRef::Int(value) => put(2, &value.to_be_bytes()),
        CellRef::Real(value) => put(3, &value.to_bits().to_be_bytes()),
        CellRef::Text(value) => put(4, value.as_bytes()),
        CellRef::Json(value) => put(5, value.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::expr::{Language, Names, Place, Subject};

    #[test]
    fn a_where_that_uses_up_its_time_ends_the_hunt() {
        let names =
            Names { subject: Subject::Rows { columns: None }, lists: BTreeSet::new(), place: Place::Where };
        let condition = Condition::compile(&Language::new(), "row.A == 1", &names).unwrap();
        let (lists, run) = (Lists::default(), serde_json::Value::Null);
        let env = Env { now: Timestamp::UNIX_EPOCH, run: &run, outcome: None };
        let around = Around { lists: &lists, env: &env };
        let mut sieve = Sieve::new(&[], Some(&condition), Keep::Matches, around);
        sieve.left = Duration::ZERO;
        let projection = Arc::new(Projection::new(["A".to_owned()]));
        let view = RowView { projection: &projection, cells: &[CellRef::Int(1)] };
        let rows = std::iter::repeat_with(|| sieve.take(&view)).take_while(|flow| *flow == Flow::Continue);
        assert_eq!(rows.count(), 7, "the eighth row is timed");
        assert_eq!(
            sieve.error.unwrap().to_string(),
            "`where` took more than 10 s of computing for the first 8 rows: simplify it, or narrow the query"
        );
    }

    fn digest(cells: &[CellRef<'_>]) -> Option<Identity> {
        let projection = Arc::new(Projection::new((0..cells.len()).map(|index| index.to_string())));
        let columns: Vec<_> = (0..cells.len()).map(Some).collect();
        identity(&columns, &RowView { projection: &projection, cells })
    }

    #[test]
    fn identities_differ_where_the_values_differ() {
        let text = |text: &'static str| CellRef::Text(text.into());
        assert_ne!(digest(&[text("ab"), text("c")]), digest(&[text("a"), text("bc")]));
        assert_ne!(digest(&[text("1")]), digest(&[CellRef::Int(1)]));
        assert_ne!(digest(&[text("a"), CellRef::Null]), digest(&[text("a"), text("")]));
        assert_eq!(digest(&[text("a")]), digest(&[text("a")]));
    }

    #[test]
    fn a_row_whose_identity_is_all_null_has_none() {
        assert_eq!(digest(&[CellRef::Null, CellRef::Null]), None);
        assert!(digest(&[CellRef::Null, CellRef::Int(0)]).is_some());
    }
}
