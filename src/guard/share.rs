//! Shares of a tenant's devices.

use std::fmt;

/// The same of devices and users alone, as a share of the tenant's devices: what a day's mistakes are to a small fleet.
pub const TENANT_SHARE: Percent = Percent(2.0);
/// Share of the devices that the disruptive actions of one run reach without two people's leave.
pub const RUN_SHARE_FREELY: Percent = Percent(5.0);
/// The same with their leave.
pub const RUN_SHARE_APPROVED: Percent = Percent(10.0);
/// People who must say yes to a run that reaches more than [`RUN_SHARE_FREELY`].
pub const PEOPLE_FOR_A_SHARE: u32 = 2;

/// A share of the devices, above 0 and at most 100.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Percent(pub(super) f64);

impl Percent {
    /// Checks a share.
    #[must_use]
    pub fn new(percent: f64) -> Option<Self> {
        (0.0 < percent && percent <= 100.0).then_some(Self(percent))
    }

    /// All of them: no limit.
    fn is_all(self) -> bool {
        100.0 <= self.0
    }

    /// How many of `fleet` it is, rounded down, and at least one: a share of a small fleet would else
    /// forbid everything.
    #[must_use]
    pub fn of(self, fleet: u64) -> u64 {
        // In hundred-thousandths, so that nothing depends on the rounding of large numbers.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10,000,000")]
        let share = (self.0 * 100_000.0).round() as u128;
        u64::try_from(u128::from(fleet) * share / 10_000_000).unwrap_or(u64::MAX).max(1)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

/// Shares of the devices that the disruptive actions of one run reach. `None` is the built-in share.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RunShare {
    /// Without being asked about.
    pub freely: Option<Percent>,
    /// With the leave of [`PEOPLE_FOR_A_SHARE`]; never less than what goes freely.
    pub approved: Option<Percent>,
}

impl RunShare {
    /// Both as they hold; `None` is no limit.
    pub(super) fn in_force(self) -> (Option<Percent>, Option<Percent>) {
        let freely = self.freely.unwrap_or(RUN_SHARE_FREELY);
        let approved = self.approved.unwrap_or(RUN_SHARE_APPROVED);
        let approved = if approved < freely { freely } else { approved };
        let limit = |share: Percent| Some(share).filter(|share| !share.is_all());
        (limit(freely), limit(approved))
    }
}
