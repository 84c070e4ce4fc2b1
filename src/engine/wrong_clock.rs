//! A clock of this machine that is wrong.
//!
//! Windows of change, the age of what is acted on, and how long leave and an undo have are counted by it: whoever cannot
//! tell the time does nothing disruptive.

use jiff::SignedDuration;

use crate::tenant::Tenant;

/// How far the clocks may be apart. The authority that checks what an app proves itself with allows as much.
const APART_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Why nothing disruptive is done in a tenant, if the clock is too far from its services'.
pub(super) fn wrong_clock(tenant: &dyn Tenant) -> Option<String> {
    let ahead = tenant.clock_ahead()?;
    let apart = SignedDuration::from_secs(ahead.abs().as_secs());
    let way = if ahead.is_positive() { "ahead of" } else { "behind" };
    (APART_MAX < apart).then(|| {
        format!(
            "this machine's clock is {apart:#} {way} the tenant's: set it, nothing disruptive is done before"
        )
    })
}
