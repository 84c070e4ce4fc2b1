//! A clock of this machine that is wrong.
//!
//! Windows of change, the age of what is acted on, and how long leave and an undo have are counted by it: whoever cannot
//! tell the time does nothing disruptive.

use jiff::{SignedDuration, Timestamp};

use crate::tenant::{CLOCKS_APART_MAX, Tenant};

/// Why nothing disruptive is done in a tenant, if the clock is too far from its services'.
pub(super) fn wrong_clock(tenant: &dyn Tenant) -> Option<String> {
    let ahead = tenant.clock_ahead()?;
    // In whole minutes: it is the same reason as long as it is about the same.
    let apart = SignedDuration::from_mins(ahead.abs().as_mins());
    let way = if ahead.is_positive() { "ahead of" } else { "behind" };
    (CLOCKS_APART_MAX < ahead.abs()).then(|| {
        format!(
            "this machine's clock is {apart:#} {way} the tenant's: set it, nothing disruptive is done before"
        )
    })
}

/// What `now` is by the clock of a tenant's services, as far as that is known.
pub(super) fn by_theirs(now: Timestamp, tenant: &dyn Tenant) -> Timestamp {
    now.checked_sub(tenant.clock_ahead().unwrap_or_default()).unwrap_or(Timestamp::MIN)
}
