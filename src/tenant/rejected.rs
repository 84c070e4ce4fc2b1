//! An API that accepts none of our tokens is left alone for a while: asking it again for each device would use up
//! calls, and every playbook would end at the same wall.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// How many calls in a row, with a new token each, show that it is not the one call's fault.
const IN_A_ROW: u32 = 2;

/// How long an API is left alone. Five minutes: what the authority mends is noticed soon, and an outage of a day costs
/// fewer than three hundred calls.
const ALONE: SignedDuration = SignedDuration::from_mins(5);

/// What is known of an API that accepts none of our tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// What the API says, escaped.
    pub why: String,
    /// Until when it is not asked.
    pub until: Timestamp,
}

impl Rejected {
    /// Whether it is left alone at `now`. A clock that is set back does not make that longer.
    #[must_use]
    pub fn is_left_alone(&self, now: Timestamp) -> bool {
        now < self.until && now.duration_until(self.until) <= ALONE
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is asked again at {:.0} ({})", self.until, self.why)
    }
}

/// How an API has taken our tokens lately.
#[derive(Debug, Default)]
pub(super) struct Rejections(Mutex<Row>);

#[derive(Debug, Default)]
struct Row {
    length: u32,
    rejected: Option<Rejected>,
}

impl Rejections {
    /// Notes that the API took a token.
    pub(super) fn accepted(&self) {
        *self.row() = Row::default();
    }

    /// Notes that it took none, not a new one either.
    pub(super) fn rejected(&self, why: String, now: Timestamp) {
        let mut row = self.row();
        row.length = row.length.saturating_add(1);
        if IN_A_ROW <= row.length {
            let until = now.checked_add(ALONE).unwrap_or(Timestamp::MAX);
            row.rejected = Some(Rejected { why, until });
        }
    }

    /// That it accepts none, as far as the last calls show, also when it may be asked again.
    pub(super) fn known(&self) -> Option<Rejected> {
        self.row().rejected.clone()
    }

    /// The same as long as it is left alone.
    pub(super) fn in_force(&self, now: Timestamp) -> Option<Rejected> {
        self.known().filter(|rejected| rejected.is_left_alone(now))
    }

    fn row(&self) -> MutexGuard<'_, Row> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_left_alone_after_two_in_a_row_and_for_five_minutes() {
        let now = Timestamp::UNIX_EPOCH;
        let after = |minutes| now + SignedDuration::from_mins(minutes);
        let rejections = Rejections::default();
        rejections.rejected("old".to_owned(), now);
        assert_eq!(rejections.in_force(now), None, "one call says nothing of the others");
        rejections.accepted();
        rejections.rejected("old".to_owned(), now);
        assert_eq!(rejections.in_force(now), None, "a token was taken in between");
        rejections.rejected("too old".to_owned(), now);
        let rejected = Rejected { why: "too old".to_owned(), until: after(5) };
        assert_eq!(rejections.in_force(after(4)), Some(rejected.clone()));
        assert_eq!(rejections.in_force(after(5)), None, "it may be asked again");
        assert_eq!(rejections.in_force(after(-60)), None, "whoever sets the clock back does not wait longer");
        assert_eq!(rejections.known(), Some(rejected), "and nothing says that it takes one");
        rejections.rejected("too old".to_owned(), after(6));
        assert!(rejections.in_force(after(7)).is_some(), "one more call is enough");
        rejections.accepted();
        assert_eq!(rejections.known(), None);
    }
}
