//! What may be done at most, and how a playbook's limits and the settings' join.

use jiff::{SignedDuration, Timestamp};

use super::share::{Percent, RunShare, TENANT_SHARE};
use super::{Exclusions, Feature, TargetKind};
use crate::cadence::Windows;
use crate::store::{ActionLimits, Breaker};

/// Distinct targets of disruptive actions one run may have, when the settings say nothing: what a person
/// can still put right by hand.
pub const TARGETS_PER_RUN: u32 = 5;

/// The same for one playbook in one tenant, in 24 hours.
pub const TARGETS_PER_DAY: u32 = 20;

/// The same for all playbooks in one tenant, in 24 hours.
pub const TENANT_TARGETS_PER_DAY: u32 = 50;

/// The same for all playbooks in all tenants, in 24 hours: two tenants that need as much as one may have.
pub const ALL_TARGETS_PER_DAY: u32 = 100;

/// Disruptive actions of all playbooks in one tenant in a minute, when the settings say nothing: what one run may do
/// to its five targets with a few steps. Twice as many would be a second run before anybody has looked at the first.
pub const PER_MINUTE: u32 = 20;

/// The same in an hour. People read of the first ones within it.
pub const PER_HOUR: u32 = 100;

/// How long the first targets of a run have, when nobody says: twice what a device that is on-line takes.
pub const CANARY_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// Actions of any kind one run may take, when the settings say nothing: more than a sound playbook needs,
/// and few enough that scans, tags or indicators by mistake can be taken back in an afternoon.
pub const ACTIONS_PER_RUN: u32 = 200;

/// The same for all playbooks in one tenant, in 24 hours.
pub const TENANT_ACTIONS_PER_DAY: u32 = 1000;

/// How long a device or a user is left alone by a disruptive action that it has had, when the settings say
/// nothing. A day: whoever gave it back meanwhile knows more than the playbook does.
pub const COOL_DOWN: SignedDuration = SignedDuration::from_hours(24);

/// How many times the usual number of matches a run may have, when the settings say nothing. Ten: a real outbreak
/// doubles or triples what a query finds, a slip in a condition finds everything.
pub const TIMES_USUAL: u32 = 10;

/// So many matches are never too many, whatever is usual: a playbook that mostly finds nothing may find something.
pub const MATCHES_ALWAYS: u64 = 20;

/// When a playbook is stopped because its disruptive actions come to nothing, when the settings say nothing: after
/// three in a row, or when more than a fifth are in doubt. Then something is wrong with it or the way to the tenant.
pub const BREAKER: Breaker = Breaker { in_a_row: 3, in_doubt_percent: 20 };

/// How often the process may die in ten minutes while a playbook runs, when the settings say nothing. Once is a power
/// cut, twice bad luck.
pub const CRASHES: u32 = 3;
/// How old an incident, an alert or a row may be before disruptive actions on it wait for people. A process that was down
/// for a weekend finds what analysts have dealt with since.
pub const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);
/// The tag that protects a device from disruptive actions, whatever settings and playbooks say.
pub const PROTECTING_TAG: &str = "hb-protect";
/// The value to the business that protects a device, unless the settings name values of their own.
pub const PROTECTED_VALUE: &str = "High";

/// Numbers of a run and of a day; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps {
    /// In one run.
    pub per_run: Option<u32>,
    /// In 24 hours, sliding.
    pub per_day: Option<u32>,
}

/// What happens when a limit would be passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExceed {
    /// None of the run's actions is taken.
    #[default]
    Halt,
    /// All of the run's actions wait for people's leave.
    Approve,
}

/// How many disruptive actions all playbooks may take in a tenant in a short time. `None` is what the settings' or the
/// built-in number says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    /// In a minute.
    pub per_minute: Option<u32>,
    /// In an hour.
    pub per_hour: Option<u32>,
}

/// The first targets of a run, which show whether it goes well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canary {
    /// How many.
    pub first: u32,
    /// How long their actions may take to end well.
    pub wait: SignedDuration,
}

impl Canary {
    /// Of two the stricter: fewer at first, and no longer a wait.
    fn stricter(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => {
                Some(Self { first: one.first.min(other.first), wait: one.wait.min(other.wait) })
            }
            (one, other) => one.or(other),
        }
    }
}

/// What the settings allow any playbook.
#[derive(Debug, Clone, PartialEq)]
pub struct Ceilings {
    /// Actions of any kind: of one run, and of all playbooks in one tenant in a day.
    pub actions: Caps,
    /// Distinct targets of disruptive actions of one playbook.
    pub targets: Caps,
    /// Distinct targets of disruptive actions of all playbooks in one tenant in a day; when left out,
    /// [`TENANT_TARGETS_PER_DAY`], and no more devices and users than [`TENANT_SHARE`].
    pub tenant_targets_per_day: Option<u32>,
    /// Share of the devices that these devices and users are, where no number is said; `None` is not looked at.
    pub tenant_share: Option<Percent>,
    /// The same in all tenants.
    pub all_targets_per_day: Option<u32>,
    /// Share of the devices that one run's disruptive actions reach.
    pub run_share: RunShare,
    /// Disruptive actions in a short time.
    pub rate: Rate,
    /// When disruptive actions may be taken.
    pub windows: Option<Windows>,
    /// The first targets of each run.
    pub canary: Option<Canary>,
    /// How many runs of a new version of a playbook only observe.
    pub observe_first: u32,
    /// Share of the devices one playbook touches in a day.
    pub percent_of_devices: Option<Percent>,
    /// How long a target is left alone by the same action, at least.
    pub cool_down: Option<SignedDuration>,
    /// How many times the usual number of matches a run may have.
    pub times_usual: Option<u32>,
    /// When a playbook is stopped because its disruptive actions come to nothing.
    pub breaker: Breaker,
    /// How often the process may die in ten minutes while a playbook runs, before that does not run any more.
    pub crashes: u32,
    /// How old what is acted on may be before disruptive actions wait for people.
    pub max_age: SignedDuration,
    /// What the tenant shows of a device, right before a disruptive action, that keeps it from being taken.
    pub shown: Exclusions,
    /// What this machine is called, without its domain: nothing disruptive is done to it.
    pub own_host: Option<String>,
    /// What nobody touches.
    pub exclude: Exclusions,
}

impl Default for Ceilings {
    fn default() -> Self {
        let targets = Caps { per_run: Some(TARGETS_PER_RUN), per_day: Some(TARGETS_PER_DAY) };
        Self {
            actions: Caps::default(),
            targets,
            tenant_targets_per_day: None,
            tenant_share: Some(TENANT_SHARE),
            all_targets_per_day: None,
            run_share: RunShare::default(),
            rate: Rate::default(),
            windows: None,
            canary: None,
            observe_first: 0,
            percent_of_devices: None,
            cool_down: None,
            times_usual: None,
            breaker: BREAKER,
            crashes: CRASHES,
            max_age: MAX_AGE,
            shown: Self::protected_by_tag().having(Feature::Value, [PROTECTED_VALUE]),
            own_host: None,
            exclude: Exclusions::default(),
        }
    }
}

/// What a playbook writes about its own limits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// Its actions of any kind.
    pub actions: Caps,
    /// Disruptive actions in a short time.
    pub rate: Rate,
    /// When it may take disruptive actions.
    pub windows: Option<Windows>,
    /// Its first targets.
    pub canary: Option<Canary>,
    /// How many runs of a new version of it only observe.
    pub observe_first: Option<u32>,
    /// Share of the devices it touches in a day.
    pub percent_of_devices: Option<Percent>,
    /// How long it leaves a target alone by the same action.
    pub cool_down: Option<SignedDuration>,
    /// How many times the usual number of matches a run may have.
    pub times_usual: Option<u32>,
    /// What it does not touch.
    pub exclude: Exclusions,
    /// What happens when one of them would be passed.
    pub on_exceed: OnExceed,
}

/// The limits in force for a playbook. Made by [`tighten`].
#[derive(Debug, Clone, PartialEq)]
pub struct GuardLimits {
    /// The numbers that hold for what people have not said yes to.
    pub numbers: Numbers,
    /// When disruptive actions may be taken: in all of these.
    pub windows: Vec<Windows>,
    /// The first targets of a run.
    pub canary: Option<Canary>,
    /// How many runs of a new version only observe.
    pub observe_first: u32,
    /// What is not touched.
    pub exclude: Exclusions,
    /// What happens when a limit would be passed.
    pub on_exceed: OnExceed,
    /// When the settings let disruptive actions be taken, also if people say yes.
    pub ceiling_windows: Vec<Windows>,
    /// What the settings allow. People's leave takes an action past the playbook's own limits, never past
    /// these.
    pub ceilings: Numbers,
}

/// The numbers among the limits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Numbers {
    /// Actions of any kind.
    pub actions: Caps,
    /// Actions of any kind of all playbooks in the tenant, in 24 hours.
    pub tenant_actions_per_day: Option<u32>,
    /// Distinct targets of disruptive actions.
    pub targets: Caps,
    /// Distinct targets of disruptive actions of all playbooks in the tenant, in 24 hours.
    pub tenant_targets_per_day: Option<u32>,
    /// The same of devices and users, as a share of the tenant's devices.
    pub tenant_share: Option<Percent>,
    /// The same in all tenants.
    pub all_targets_per_day: Option<u32>,
    /// Disruptive actions of all playbooks in the tenant in a short time. People may say yes to more.
    pub rate: Rate,
    /// Share of the devices touched in a day.
    pub percent_of_devices: Option<Percent>,
    /// Share of the devices that one run's disruptive actions reach without [`super::PEOPLE_FOR_A_SHARE`].
    pub run_share_freely: Option<Percent>,
    /// The same with their leave.
    pub run_share_approved: Option<Percent>,
    /// How long a target is left alone by the same action. People may say yes to it earlier.
    pub cool_down: Option<SignedDuration>,
    /// How many times the usual number of matches a run may have. People may say yes to more.
    pub times_usual: Option<u32>,
    /// When the playbook is stopped because its disruptive actions come to nothing.
    pub breaker: Option<Breaker>,
}

impl Numbers {
    /// Of ceilings and a playbook's own limits the stricter.
    fn of(ceilings: &Ceilings, written: &Written) -> Self {
        let (caps, share) = (written.actions, written.percent_of_devices);
        let stricter = |ceiling: Option<u32>, default: u32, own: Option<u32>| {
            let ceiling = ceiling.unwrap_or(default);
            Some(own.map_or(ceiling, |own| own.min(ceiling)))
        };
        let targets = Caps {
            per_run: stricter(ceilings.targets.per_run, TARGETS_PER_RUN, caps.per_run),
            per_day: stricter(ceilings.targets.per_day, TARGETS_PER_DAY, caps.per_day),
        };
        // A playbook that is allowed more in a day than the tenant's usual cap was allowed it on purpose.
        let on_purpose = targets.per_day.filter(|own| TENANT_TARGETS_PER_DAY < *own);
        let said = ceilings.tenant_targets_per_day.or(on_purpose);
        let tenant = said.unwrap_or(TENANT_TARGETS_PER_DAY);
        let (freely, approved) = ceilings.run_share.in_force();
        let percent_of_devices = match (ceilings.percent_of_devices, share) {
            (Some(ceiling), Some(own)) => Some(if own < ceiling { own } else { ceiling }),
            (one, other) => one.or(other),
        };
        let (run_actions, tenant_actions) = ceilings.any_kind();
        let per_run = Some(caps.per_run.map_or(run_actions, |own| own.min(run_actions)));
        Self {
            actions: Caps { per_run, ..caps },
            tenant_actions_per_day: Some(tenant_actions),
            targets,
            tenant_targets_per_day: Some(tenant),
            tenant_share: ceilings.tenant_share.filter(|_share| said.is_none()),
            // As for the tenant.
            all_targets_per_day: Some(
                ceilings.all_targets_per_day.unwrap_or(tenant.max(ALL_TARGETS_PER_DAY)),
            ),
            rate: ceilings.rate(written.rate),
            percent_of_devices,
            run_share_freely: freely,
            run_share_approved: approved,
            cool_down: Some(ceilings.cool_down().max(written.cool_down.unwrap_or_default())),
            times_usual: Some(ceilings.times_usual().min(written.times_usual.unwrap_or(u32::MAX))),
            breaker: Some(ceilings.breaker),
        }
    }

    /// What the settings allow when people say yes: they decide about the single case.
    fn with_leave(ceilings: &Ceilings) -> Self {
        Self {
            cool_down: None,
            times_usual: None,
            rate: Rate::default(),
            ..Self::of(ceilings, &Written::default())
        }
    }

    /// Whether a decision needs to know how many devices there are; `acts` says what each of its actions is aimed at,
    /// and whether it takes something away.
    #[must_use]
    pub fn needs_fleet(&self, acts: impl IntoIterator<Item = (TargetKind, bool)>) -> bool {
        self.share_looked_at(acts).is_some()
    }

    /// The first share of the devices that is looked at for such actions.
    pub(super) fn share_looked_at(
        &self,
        acts: impl IntoIterator<Item = (TargetKind, bool)>,
    ) -> Option<Percent> {
        let of = |(kind, takes): (TargetKind, bool)| {
            let is_device = kind == TargetKind::Device;
            let touched = self.percent_of_devices.filter(|_| is_device);
            let tenant = self.tenant_share.filter(|_| takes && (is_device || kind == TargetKind::User));
            let run = self.run_share_freely.or(self.run_share_approved).filter(|_| takes && is_device);
            touched.or(tenant).or(run)
        };
        acts.into_iter().find_map(of)
    }

    /// How many devices and users [`Self::tenant_share`] is among so many devices.
    pub(super) fn tenant_share_of(&self, fleet: Option<u64>) -> Option<u32> {
        let most = self.tenant_share?.of(fleet?);
        Some(u32::try_from(most).unwrap_or(u32::MAX))
    }

    /// The limits the journal counts in the transaction of each intent, in a tenant of so many devices.
    #[must_use]
    pub fn action_limits(&self, fleet: Option<u64>) -> ActionLimits {
        ActionLimits {
            per_run: self.actions.per_run,
            per_day: self.actions.per_day,
            tenant_actions_per_day: self.tenant_actions_per_day,
            targets_per_run: self.targets.per_run,
            targets_per_day: self.targets.per_day,
            tenant_targets_per_day: self.tenant_targets_per_day,
            tenant_share_per_day: self.tenant_share_of(fleet),
            devices_per_day: self
                .percent_of_devices
                .zip(fleet)
                .map(|(percent, fleet)| u32::try_from(percent.of(fleet)).unwrap_or(u32::MAX)),
            all_targets_per_day: self.all_targets_per_day,
            per_minute: self.rate.per_minute,
            per_hour: self.rate.per_hour,
            cool_down: self.cool_down,
            breaker: self.breaker,
        }
    }
}

impl Ceilings {
    /// The same for a stage whose few devices stand for a fleet: what the settings leave to the built-in shares of the
    /// devices is not looked at.
    #[must_use]
    pub fn on_a_stage(mut self) -> Self {
        let all = Percent(100.0);
        self.tenant_share = None;
        (self.max_age, self.shown) = (SignedDuration::MAX, Self::protected_by_tag());
        self.own_host = None;
        self.run_share.freely.get_or_insert(all);
        self.run_share.approved.get_or_insert(all);
        self
    }

    /// Devices that anybody with rights in the portal protects, by giving them a tag.
    #[must_use]
    pub fn protected_by_tag() -> Exclusions {
        Exclusions::default().device_tags([PROTECTING_TAG])
    }

    pub(super) fn cool_down(&self) -> SignedDuration {
        self.cool_down.unwrap_or(COOL_DOWN)
    }

    /// The numbers of a short time: of the settings' and the playbook's the stricter. Who allows a run more targets
    /// allows as many actions in a minute.
    pub(super) fn rate(&self, own: Rate) -> Rate {
        let run = self.targets.per_run.unwrap_or(TARGETS_PER_RUN);
        let ceiling = Rate {
            per_minute: Some(self.rate.per_minute.unwrap_or(run.max(PER_MINUTE))),
            per_hour: Some(self.rate.per_hour.unwrap_or(run.max(PER_HOUR))),
        };
        let stricter = |ceiling: Option<u32>, own: Option<u32>| ceiling.into_iter().chain(own).min();
        Rate {
            per_minute: stricter(ceiling.per_minute, own.per_minute),
            per_hour: stricter(ceiling.per_hour, own.per_hour),
        }
    }

    pub(super) fn times_usual(&self) -> u32 {
        self.times_usual.unwrap_or(TIMES_USUAL)
    }

    /// The actions of any kind that are allowed. Who allows more targets than the usual number of actions
    /// allows as many actions.
    pub(super) fn any_kind(&self) -> (u32, u32) {
        let usual = |usual: u32, targets: Option<u32>| targets.map_or(usual, |targets| targets.max(usual));
        (
            self.actions.per_run.unwrap_or_else(|| usual(ACTIONS_PER_RUN, self.targets.per_run)),
            self.actions.per_day.unwrap_or_else(|| usual(TENANT_ACTIONS_PER_DAY, self.targets.per_day)),
        )
    }
}

/// Joins the settings' ceilings and a playbook's limits: of each the stricter, of exclusions both. What the
/// settings leave open is limited by [`TARGETS_PER_RUN`], [`TARGETS_PER_DAY`], [`ACTIONS_PER_RUN`] and
/// [`TENANT_ACTIONS_PER_DAY`].
#[must_use]
pub fn tighten(ceilings: &Ceilings, written: &Written) -> GuardLimits {
    GuardLimits {
        numbers: Numbers::of(ceilings, written),
        windows: written.windows.iter().chain(&ceilings.windows).cloned().collect(),
        ceiling_windows: ceilings.windows.iter().cloned().collect(),
        canary: Canary::stricter(ceilings.canary, written.canary),
        observe_first: ceilings.observe_first.max(written.observe_first.unwrap_or(0)),
        exclude: ceilings.exclude.join(&written.exclude),
        on_exceed: written.on_exceed,
        ceilings: Numbers::with_leave(ceilings),
    }
}

impl GuardLimits {
    /// Why no disruptive action may be taken at `now`, if none may: with people's leave the settings' windows alone
    /// count.
    #[must_use]
    pub fn shut(&self, leave: Leave, now: Timestamp) -> Option<String> {
        let windows = match leave {
            Leave::Given => &self.ceiling_windows,
            Leave::None => &self.windows,
        };
        windows.iter().find_map(|windows| windows.shut(now))
    }
}

/// Whether people have given leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// They have.
    Given,
    /// They have not.
    None,
}

#[cfg(test)]
mod tests {
    use super::super::looser;
    use super::*;

    const fn caps(per_run: Option<u32>, per_day: Option<u32>) -> Caps {
        Caps { per_run, per_day }
    }

    #[track_caller]
    fn check(ceiling: Caps, own: Caps, expect: Caps, looser_at: &[&str]) {
        let ceilings = Ceilings { targets: ceiling, ..Ceilings::default() };
        let written = Written { actions: own, ..Written::default() };
        assert_eq!(tighten(&ceilings, &written).numbers.targets, expect);
        let found: Vec<&str> = looser(&ceilings, &written, 1).iter().map(|looser| looser.pointer).collect();
        assert_eq!(found, looser_at);
    }

    #[test]
    fn a_playbook_may_only_tighten() {
        let open = caps(None, None);
        check(open, open, caps(Some(5), Some(20)), &[]);
        check(open, caps(Some(3), Some(10)), caps(Some(3), Some(10)), &[]);
        let both = ["/guards/maxActions/perRun", "/guards/maxActions/perDay"];
        check(open, caps(Some(50), Some(500)), caps(Some(5), Some(20)), &both);
        check(caps(Some(50), None), caps(Some(50), None), caps(Some(50), Some(20)), &[]);
        check(caps(Some(2), Some(2)), open, caps(Some(2), Some(2)), &[]);
        check(caps(Some(0), Some(0)), caps(Some(1), None), caps(Some(0), Some(0)), &both[..1]);
    }

    #[test]
    fn actions_of_any_kind_have_a_ceiling_whatever_is_written() {
        let limits = |actions: Caps, targets: Caps, own: Caps| {
            let ceilings = Ceilings { actions, targets, ..Ceilings::default() };
            let written = Written { actions: own, ..Written::default() };
            let limits = tighten(&ceilings, &written).numbers.action_limits(None);
            let pointers: Vec<_> = looser(&ceilings, &written, 0).iter().map(|one| one.pointer).collect();
            ((limits.per_run, limits.per_day, limits.tenant_actions_per_day), pointers.len())
        };
        let open = caps(None, None);
        assert_eq!(limits(open, open, open), ((Some(200), None, Some(1000)), 0));
        let own = caps(Some(20), Some(100));
        assert_eq!(limits(open, open, own), ((Some(20), Some(100), Some(1000)), 0));
        let own = caps(Some(201), Some(1001));
        assert_eq!(limits(open, open, own), ((Some(200), Some(1001), Some(1000)), 2));
        assert_eq!(limits(caps(Some(500), Some(5000)), open, own), ((Some(201), Some(1001), Some(5000)), 0));
        // More targets than that are allowed on purpose.
        assert_eq!(limits(open, caps(Some(300), Some(9)), open), ((Some(300), None, Some(1000)), 0));
    }

    #[test]
    fn a_playbook_may_only_wait_longer_and_bear_less() {
        let with = |ceilings: (Option<i64>, Option<u32>), own: (Option<i64>, Option<u32>)| {
            let hours = |hours: Option<i64>| hours.map(SignedDuration::from_hours);
            let (cool_down, times_usual) = (hours(ceilings.0), ceilings.1);
            let ceilings = Ceilings { cool_down, times_usual, ..Ceilings::default() };
            let (cool_down, times_usual) = (hours(own.0), own.1);
            let written = Written { cool_down, times_usual, ..Written::default() };
            let limits = tighten(&ceilings, &written);
            assert_eq!((limits.ceilings.cool_down, limits.ceilings.times_usual), (None, None), "with leave");
            let pointers: Vec<_> = looser(&ceilings, &written, 1).iter().map(|one| one.pointer).collect();
            let hours = limits.numbers.cool_down.unwrap().as_hours();
            ((hours, limits.numbers.times_usual.unwrap()), pointers)
        };
        let both = vec!["/guards/coolDown", "/guards/maxTimesUsual"];
        assert_eq!(with((None, None), (None, None)), ((24, 10), vec![]));
        assert_eq!(with((None, None), (Some(72), Some(5))), ((72, 5), vec![]));
        assert_eq!(with((None, None), (Some(1), Some(11))), ((24, 10), both.clone()));
        assert_eq!(with((Some(0), Some(100)), (Some(1), Some(50))), ((1, 50), vec![]));
        assert_eq!(with((Some(48), Some(2)), (Some(24), Some(3))), ((48, 2), both));
    }

    #[test]
    fn of_two_shares_the_smaller_counts() {
        let with = |ceiling: Option<f64>, own: Option<f64>| {
            let ceilings =
                Ceilings { percent_of_devices: ceiling.and_then(Percent::new), ..Ceilings::default() };
            let written = Written { percent_of_devices: own.and_then(Percent::new), ..Written::default() };
            (tighten(&ceilings, &written).numbers.percent_of_devices, looser(&ceilings, &written, 1).len())
        };
        assert_eq!(with(Some(2.0), Some(1.0)), (Percent::new(1.0), 0));
        assert_eq!(with(Some(2.0), Some(3.0)), (Percent::new(2.0), 1));
        assert_eq!(with(None, Some(3.0)), (Percent::new(3.0), 0));
        assert_eq!(with(Some(2.0), None), (Percent::new(2.0), 0));
    }

    #[test]
    fn a_share_is_rounded_down_to_one_at_least() {
        let one = Percent::new(1.0).unwrap();
        assert_eq!([1, 99, 100, 199, 200, 100_000].map(|fleet| one.of(fleet)), [1, 1, 1, 1, 2, 1000]);
        assert_eq!(Percent::new(0.1).unwrap().of(100_000), 100);
        assert_eq!(Percent::new(100.0).unwrap().of(u64::MAX), u64::MAX);
        for wrong in [0.0, -1.0, 100.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Percent::new(wrong), None);
        }
    }

    #[test]
    fn a_large_allowance_is_not_cut_by_the_usual_cap_of_the_tenant() {
        let ceilings = Ceilings { targets: caps(Some(100), Some(200)), ..Ceilings::default() };
        assert_eq!(tighten(&ceilings, &Written::default()).numbers.tenant_targets_per_day, Some(200));
        let limits = tighten(&Ceilings::default(), &Written::default());
        assert_eq!(limits.numbers.tenant_targets_per_day, Some(TENANT_TARGETS_PER_DAY));
        assert_eq!(limits.numbers.action_limits(None).targets_per_run, Some(TARGETS_PER_RUN));
    }
}
