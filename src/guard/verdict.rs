//! Verdicts, with a code for machines and a sentence for people.

use std::fmt;

use jiff::Timestamp;

use super::{Feature, Percent};
use crate::text::counted;

/// What was decided about a run's actions.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdicts {
    /// One for each candidate, in their order.
    pub each: Vec<Verdict>,
    /// The limit that halted the run, if one did; then nothing is admitted that people gave no leave for.
    pub halted: Option<Exceeded>,
    /// The limit that would be passed without people's leave, whether any was given or not.
    pub passed: Option<Exceeded>,
}

impl Verdicts {
    /// Whether the run is held because it has far more matches than usual.
    #[must_use]
    pub fn is_unusual(&self) -> bool {
        self.each.iter().any(|verdict| {
            matches!(
                verdict,
                Verdict::Refused(Reason::Halted(Exceeded::Unusual { .. }))
                    | Verdict::Waits(Exceeded::Unusual { .. }, _)
            )
        })
    }
}

/// What was decided about one action.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It may be taken.
    Admitted,
    /// It may not.
    Refused(Reason),
    /// It may be taken if so many people give leave, at least: the run would pass a limit.
    Waits(Exceeded, u32),
}

/// Why an action may not be taken. Shown as a sentence.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// The device is excluded by id or name.
    ExcludedDevice {
        /// The device, as people know it.
        target: String,
        /// The entry that excludes it.
        entry: String,
        /// The list the entry stands in.
        list: Option<String>,
    },
    /// It has what is excluded: a tag, a device group, a value, a role.
    ExcludedFeature {
        /// The target.
        target: String,
        /// What it has.
        feature: Feature,
        /// Which one.
        value: String,
    },
    /// The user is excluded.
    ExcludedUser {
        /// The user.
        target: String,
        /// The entry that excludes it.
        entry: String,
        /// The list the entry stands in.
        list: Option<String>,
    },
    /// The indicator is excluded, or would hit what is.
    ExcludedIndicator {
        /// The indicator.
        target: String,
        /// The entry that excludes it.
        entry: String,
        /// The list the entry stands in.
        list: Option<String>,
    },
    /// A feature is excluded, and the target's is not known.
    FeatureUnknown {
        /// The target.
        target: String,
        /// Which feature.
        feature: Feature,
    },
    /// An entry goes by id or by name, and the target's is not known.
    IdentityUnknown {
        /// The target.
        target: String,
        /// The first entry that cannot be compared.
        entry: String,
    },
    /// The run would do the opposite, too.
    Conflict {
        /// The target.
        target: String,
        /// The action.
        action: String,
        /// Its opposite.
        opposite: String,
    },
    /// The opposite was done a moment ago.
    RecentOpposite {
        /// The target.
        target: String,
        /// What was done.
        opposite: String,
        /// When.
        at: Timestamp,
    },
    /// The run does it already.
    Repeated {
        /// The target.
        target: String,
        /// The action.
        action: String,
    },
    /// A limit halted the whole run.
    Halted(Exceeded),
}

/// A limit that would be passed. Shown as a sentence.
#[derive(Debug, Clone, PartialEq)]
pub enum Exceeded {
    /// Actions of the run.
    RunActions {
        /// What is allowed.
        limit: u32,
        /// What it would come to.
        wanted: u32,
    },
    /// Actions of the playbook in 24 hours.
    DayActions {
        /// What is allowed.
        limit: u32,
        /// What it would come to.
        wanted: u32,
    },
    /// Actions of all playbooks in 24 hours.
    TenantActions {
        /// What is allowed.
        limit: u32,
        /// What it would come to.
        wanted: u32,
    },
    /// Targets of disruptive actions of the run.
    RunTargets {
        /// What is allowed.
        limit: u32,
        /// What it would come to.
        wanted: u32,
    },
    /// Targets of disruptive actions of the playbook in 24 hours.
    DayTargets {
        /// What is allowed.
        limit: u32,
        /// What it would come to.
        wanted: u32,
    },
    /// Targets of disruptive actions of all playbooks in 24 hours.
    TenantTargets {
        /// What is allowed.
        limit: u32,
        /// What it would come to.
        wanted: u32,
    },
    /// Devices and users among these, where a share of the devices is the limit.
    TenantShare {
        /// The share that is allowed.
        percent: Percent,
        /// How many devices there are.
        fleet: u64,
        /// How many targets that is.
        limit: u32,
        /// What it would come to.
        wanted: u32,
    },
    /// Targets of disruptive actions of all playbooks in all tenants in 24 hours.
    AllTargets {
        /// What is allowed.
        limit: u32,
        /// What it would come to.
        wanted: u32,
    },
    /// Disruptive actions of all playbooks in a minute.
    Minute {
        /// What is allowed.
        limit: u32,
        /// What it would come to.
        wanted: u32,
    },
    /// Disruptive actions of all playbooks in an hour.
    Hour {
        /// What is allowed.
        limit: u32,
        /// What it would come to.
        wanted: u32,
    },
    /// Disruptive actions are not taken at this time.
    Window {
        /// Why.
        why: String,
    },
    /// The share of devices touched in 24 hours.
    Share {
        /// The share that is allowed.
        percent: Percent,
        /// How many devices there are.
        fleet: u64,
        /// How many of them that is.
        limit: u64,
        /// What it would come to.
        wanted: u64,
    },
    /// The share of devices that the run disrupts, with people's leave.
    RunShare {
        /// The share that is allowed.
        percent: Percent,
        /// How many devices there are.
        fleet: u64,
        /// How many of them that is.
        limit: u64,
        /// What it would come to.
        wanted: u64,
    },
    /// The same without being asked about.
    RunShareAsked {
        /// The share that is allowed.
        percent: Percent,
        /// How many devices there are.
        fleet: u64,
        /// How many of them that is.
        limit: u64,
        /// What it would come to.
        wanted: u64,
    },
    /// The run has far more matches than usual.
    Unusual {
        /// What it has.
        matched: u64,
        /// The median of the runs before.
        usual: u64,
        /// How many times as much is allowed.
        times: u32,
    },
    /// A share is limited, and nobody knows how many devices there are.
    FleetUnknown {
        /// The share that is allowed.
        percent: Percent,
    },
}

impl Reason {
    /// The code for machines. Never changes its meaning.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ExcludedDevice { .. } => "excludedDevice",
            Self::ExcludedFeature { feature, .. } => match feature {
                Feature::Tag => "excludedTag",
                Feature::Group => "excludedGroup",
                Feature::Value => "excludedValue",
                Feature::Role => "excludedRole",
            },
            Self::ExcludedUser { .. } => "excludedUser",
            Self::ExcludedIndicator { .. } => "excludedIndicator",
            Self::FeatureUnknown { feature, .. } => match feature {
                Feature::Tag => "tagsUnknown",
                Feature::Group => "groupUnknown",
                Feature::Value => "valueUnknown",
                Feature::Role => "rolesUnknown",
            },
            Self::IdentityUnknown { .. } => "identityUnknown",
            Self::Conflict { .. } => "conflict",
            Self::RecentOpposite { .. } => "recentOpposite",
            Self::Repeated { .. } => "repeated",
            Self::Halted(exceeded) => exceeded.code(),
        }
    }
}

impl Exceeded {
    /// Whether it comes and goes with the time or with what others find: how much in a minute or an hour, when, and what is
    /// usual.
    #[must_use]
    pub const fn is_of_the_moment(&self) -> bool {
        matches!(self, Self::Minute { .. } | Self::Hour { .. } | Self::Window { .. } | Self::Unusual { .. })
    }

    /// The code for machines. Never changes its meaning.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RunActions { .. } => "haltedRunActions",
            Self::DayActions { .. } => "haltedDayActions",
            Self::TenantActions { .. } => "haltedTenantActions",
            Self::RunTargets { .. } => "haltedRunTargets",
            Self::DayTargets { .. } => "haltedDayTargets",
            Self::TenantTargets { .. } => "haltedTenantTargets",
            Self::TenantShare { .. } => "haltedTenantShare",
            Self::AllTargets { .. } => "haltedAllTargets",
            Self::Minute { .. } => "haltedMinute",
            Self::Hour { .. } => "haltedHour",
            Self::Window { .. } => "haltedWindow",
            Self::Share { .. } => "haltedShare",
            Self::RunShare { .. } => "haltedRunShare",
            Self::RunShareAsked { .. } => "haltedRunShareAsked",
            Self::Unusual { .. } => "haltedUnusual",
            Self::FleetUnknown { .. } => "haltedFleetUnknown",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExcludedDevice { target, entry, list }
            | Self::ExcludedUser { target, entry, list }
            | Self::ExcludedIndicator { target, entry, list } => match list {
                Some(list) => write!(f, "{target} is excluded by the list `{list}` (`{entry}`)"),
                None => write!(f, "{target} is excluded (`{entry}`)"),
            },
            Self::ExcludedFeature { target, feature, value } => {
                write!(f, "{target} has the excluded {} `{value}`", feature.as_str())
            }
            Self::FeatureUnknown { target, feature } => {
                write!(f, "{}s are excluded, and those of {target} are not known", feature.as_str())
            }
            Self::IdentityUnknown { target, entry } => {
                write!(f, "`{entry}` is excluded, and too little is known of {target} to tell them apart")
            }
            Self::Conflict { target, action, opposite } => {
                write!(f, "the run would both {action} and {opposite} {target}")
            }
            Self::RecentOpposite { target, opposite, at } => {
                write!(f, "{target} had {opposite} at {at}, less than ten minutes ago")
            }
            Self::Repeated { target, action } => write!(f, "the run has {action} for {target} already"),
            Self::Halted(exceeded) => write!(f, "the run was halted: {exceeded}"),
        }
    }
}

impl Exceeded {
    /// A limit that is a share of the devices: what it would come to, what is allowed, and what to do about it.
    fn of_a_share(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, (percent, fleet, limit), end) = match self {
            Self::TenantShare { percent, fleet, limit, wanted } => (
                format!("disruptive actions on {wanted} devices and users in this tenant in 24 hours"),
                (percent, fleet, u64::from(*limit)),
                " (`guards.maxTargetsOfTenant` in the settings says otherwise)",
            ),
            Self::Share { percent, fleet, limit, wanted } => {
                (format!("{} in 24 hours", counted(wanted, "device")), (percent, fleet, *limit), "")
            }
            Self::RunShare { percent, fleet, limit, wanted } => (
                format!("disruptive actions on {} in this run", counted(wanted, "device")),
                (percent, fleet, *limit),
                " (`guards.maxPercentOfDevicesInRun.approved` in the settings says otherwise)",
            ),
            Self::RunShareAsked { percent, fleet, limit, wanted } => (
                format!("disruptive actions on {} in this run", counted(wanted, "device")),
                (percent, fleet, *limit),
                " without two people's leave",
            ),
            _no_share => return Ok(()),
        };
        write!(f, "{what}; {percent} of {}, {limit}, are allowed{end}", counted(fleet, "device"))
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunActions { limit, wanted } => {
                write!(f, "{} in this run; {limit} are allowed", counted(wanted, "action"))
            }
            Self::DayActions { limit, wanted } => {
                write!(f, "{} of this playbook in 24 hours; {limit} are allowed", counted(wanted, "action"))
            }
            Self::TenantActions { limit, wanted } => {
                write!(
                    f,
                    "{} of all playbooks in this tenant in 24 hours; {limit} are allowed",
                    counted(wanted, "action")
                )
            }
            Self::RunTargets { limit, wanted } => {
                write!(
                    f,
                    "disruptive actions on {} in this run; {limit} are allowed",
                    counted(wanted, "target")
                )
            }
            Self::DayTargets { limit, wanted } => {
                write!(
                    f,
                    "disruptive actions on {} of this playbook in 24 hours; {limit} are allowed",
                    counted(wanted, "target")
                )
            }
            Self::TenantTargets { limit, wanted } => {
                write!(
                    f,
                    "disruptive actions on {} in this tenant in 24 hours; {limit} are allowed",
                    counted(wanted, "target")
                )
            }
            Self::AllTargets { limit, wanted } => {
                write!(f, "{} in all tenants in 24 hours; {limit} are allowed", counted(wanted, "target"))
            }
            Self::Minute { limit, wanted } => {
                let wanted = counted(wanted, "disruptive action");
                write!(f, "{wanted} in the tenant in a minute; {limit} are allowed")
            }
            Self::Hour { limit, wanted } => {
                let wanted = counted(wanted, "disruptive action");
                write!(f, "{wanted} in the tenant in an hour; {limit} are allowed")
            }
            Self::Window { why } => f.write_str(why),
            Self::TenantShare { .. }
            | Self::Share { .. }
            | Self::RunShare { .. }
            | Self::RunShareAsked { .. } => self.of_a_share(f),
            Self::Unusual { matched, usual, times } => {
                write!(
                    f,
                    "{}; {usual} are usual, and {times} times as many are allowed",
                    counted(matched, "item")
                )
            }
            Self::FleetUnknown { percent } => {
                write!(f, "{percent} of the devices are allowed, and how many there are is not known")
            }
        }
    }
}
