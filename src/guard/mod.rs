//! Limits that stop a run before it acts.
//!
//! [`admit`] decides about all actions of a run at once, before the first is intended. It is a pure
//! function: the caller brings what was done lately, how many devices there are, and what is known of each
//! target. Every verdict carries a code for machines and a sentence for people.
//!
//! - **Exclusions** refuse single actions. What cannot be compared with an exclusion (the name of the
//!   device is not known, say) is refused, too.
//! - **Conflicts** refuse single actions: isolating and releasing one device in one run or within ten
//!   minutes, or the same disruptive action on one target twice.
//! - **Cool-down**: the journal refuses the same disruptive action on a device or a user that had it a short while
//!   ago, unless people approve it ([`cools_down`]). Who has given it back knows why.
//! - **Limits** halt the run: if what is left passes one, none of it is done. Half of a mistaken query is
//!   still a mistake. A playbook may say that all of it waits for people's leave instead ([`OnExceed`]);
//!   what people said yes to is then held against the settings' limits alone.
//! - **Shares of the devices**: a run that reaches many of them waits for two people's leave, and one that reaches
//!   too many is halted. Where nobody knows how many there are, everything that is measured by it waits for leave.
//! - **Windows** halt the run likewise while disruptive actions may not be taken.
//!
//! The journal counts once more, in the transaction of each intent ([`Numbers::action_limits`]), and looks
//! there for the opposite once more, so that two runs at once cannot pass a limit between them or get into each
//! other's way.
//!
//! To add a limit: a field of [`GuardLimits`], a variant of [`Exceeded`], a line in `exceeded`.

mod exclude;
mod limit;
mod looser;
mod share;
mod target;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::store::{GIVES_BACK, Rates, Recent, Used};

pub use exclude::Exclusions;
pub use limit::{
    ACTIONS_PER_RUN, ALL_TARGETS_PER_DAY, BREAKER, CANARY_WAIT, COOL_DOWN, CRASHES, Canary, Caps, Ceilings,
    GuardLimits, Leave, MATCHES_ALWAYS, MAX_AGE, Numbers, OnExceed, PER_HOUR, PER_MINUTE, PROTECTED_VALUE,
    PROTECTING_TAG, Rate, TARGETS_PER_DAY, TARGETS_PER_RUN, TENANT_ACTIONS_PER_DAY, TENANT_TARGETS_PER_DAY,
    TIMES_USUAL, Written, tighten,
};
pub use looser::{Looser, looser};
pub use share::{PEOPLE_FOR_A_SHARE, Percent, RUN_SHARE_APPROVED, RUN_SHARE_FREELY, RunShare, TENANT_SHARE};
pub use target::{Feature, Target, TargetKind};
pub use verdict::{Exceeded, Reason, Verdict, Verdicts};

/// How long the opposite of an action on the same target is refused: the first may still be on its way to
/// the device, and the two can arrive in the wrong order.
pub const OPPOSITE_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// How long a target is left alone by an action that people have taken back.
pub const REVERSED_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Actions that undo each other: what takes something away, and what gives it back.
const OPPOSITES: [(&str, &str); 4] = [
    ("isolateDevice", "releaseDevice"),
    ("restrictAppExecution", "removeAppRestriction"),
    ("addIndicator", "removeIndicator"),
    ("disableUser", "enableUser"),
];

/// An action a run would like to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The item it is for.
    pub seq: u32,
    /// The action, as playbooks write it.
    pub action: String,
    /// What it acts on.
    pub target: Target,
    /// What it acts on beside, as one: the values of a set.
    pub others: Vec<Target>,
    /// What tells it apart from others of its kind on the target, where there can be several: the file.
    pub detail: String,
    /// Whether it takes something away from somebody.
    pub destructive: bool,
    /// How many people had to give leave for it, and did; 0 where nobody has.
    pub approved: u32,
}

/// What a decision has to know.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// What the run, the playbook and the tenant have had already.
    pub used: Used,
    /// How many devices the tenant has; `None` if nobody could say.
    pub fleet: Option<u64>,
    /// How many items the run has, and how many are usual, if that is known.
    pub matched: (u64, Option<u64>),
    /// What the candidates' targets had done to them lately.
    pub recent: Vec<Recent>,
    /// Disruptive actions the run took before a restart, and on which target.
    pub taken: BTreeSet<(String, String)>,
}

/// Decides about every action of a run, at `now`. The verdicts are in the order of the candidates.
#[must_use]
pub fn admit(limits: &GuardLimits, counts: &Counts, candidates: &[Candidate], now: Timestamp) -> Verdicts {
    let mut taken = counts.taken.clone();
    let planned = planned(candidates);
    let mut each: Vec<Verdict> = candidates
        .iter()
        .map(|candidate| {
            let refused = limits
                .exclude
                .refuses(candidate)
                .or_else(|| conflict(&planned, candidate))
                .or_else(|| recently_undone(&counts.recent, candidate, now))
                .or_else(|| repeated(&mut taken, candidate));
            refused.map_or(Verdict::Admitted, Verdict::Refused)
        })
        .collect();

    let admitted: Vec<&Candidate> = candidates
        .iter()
        .zip(&each)
        .filter(|(_candidate, verdict)| **verdict == Verdict::Admitted)
        .map(|(candidate, _verdict)| candidate)
        .collect();
    let disrupts = admitted.iter().any(|one| one.destructive);
    let shut = |leave| limits.shut(leave, now).filter(|_why| disrupts).map(|why| Exceeded::Window { why });
    let beyond = exceeded(&limits.numbers, counts, &admitted);
    let passed = shut(Leave::None).or_else(|| beyond.clone());
    let asks = asks(&limits.numbers, counts, &admitted);
    if passed.is_none() && asks.is_none() {
        return Verdicts { each, halted: None, passed: None };
    }
    // Whatever people say yes to, the settings' limits hold.
    let hard = shut(Leave::Given).or_else(|| exceeded(&limits.ceilings, counts, &admitted));
    let people = asks.as_ref().map_or(1, |(_why, people)| *people);
    let halt = |why: &Exceeded| Verdict::Refused(Reason::Halted(why.clone()));
    let rest = match (&hard, &passed, &asks) {
        (Some(hard), _, _) if limits.on_exceed == OnExceed::Approve => halt(hard),
        (None, Some(passed), _) if limits.on_exceed == OnExceed::Approve => {
            Verdict::Waits(passed.clone(), people)
        }
        (_, Some(passed), _) => halt(passed),
        (_, None, Some((why, _people))) => Verdict::Waits(why.clone(), people),
        (_, None, None) => Verdict::Admitted,
    };
    for (verdict, candidate) in each.iter_mut().zip(candidates) {
        if *verdict != Verdict::Admitted {
            continue;
        }
        match (&hard, &asks) {
            _ if candidate.approved == 0 => *verdict = rest.clone(),
            (Some(hard), _) => *verdict = halt(hard),
            (None, Some((why, _people))) if candidate.approved < people => *verdict = halt(why),
            (None, _) => {}
        }
    }
    let halted = each.iter().find_map(|verdict| match verdict {
        Verdict::Refused(Reason::Halted(exceeded)) => Some(exceeded.clone()),
        Verdict::Refused(_) | Verdict::Admitted | Verdict::Waits(..) => None,
    });
    // A window that is shut hides no limit.
    Verdicts { each, halted, passed: beyond.or(asks.map(|(why, _people)| why)) }
}

/// Why an action may not touch its target, if its target is excluded.
#[must_use]
pub fn excluded(exclude: &Exclusions, candidate: &Candidate) -> Option<Reason> {
    exclude.refuses(candidate)
}

/// The actions the run has in mind for each target.
fn planned(candidates: &[Candidate]) -> BTreeMap<String, BTreeSet<&str>> {
    let mut planned: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for candidate in candidates {
        planned.entry(candidate.target.key()).or_default().insert(&candidate.action);
    }
    planned
}

/// The action that undoes `action`.
#[must_use]
pub fn opposite(action: &str) -> Option<&'static str> {
    OPPOSITES.iter().find_map(|(one, other)| {
        if *one == action {
            Some(*other)
        } else if *other == action {
            Some(*one)
        } else {
            None
        }
    })
}

/// Whether an action gives something back that another took.
#[must_use]
pub fn gives_back(action: &str) -> bool {
    GIVES_BACK.contains(&action)
}

/// Whether a target is left alone for a while by an action it has had. What gives something back need not wait;
/// an indicator or a message is no target that anybody fights over.
#[must_use]
pub fn cools_down(action: &str, kind: TargetKind) -> bool {
    !gives_back(action) && matches!(kind, TargetKind::Device | TargetKind::User)
}

/// Refuses an action whose opposite is planned for the same target.
fn conflict(planned: &BTreeMap<String, BTreeSet<&str>>, candidate: &Candidate) -> Option<Reason> {
    let opposite = opposite(&candidate.action)?;
    let both = planned.get(&candidate.target.key()).is_some_and(|actions| actions.contains(opposite));
    both.then(|| Reason::Conflict {
        target: candidate.target.shown(),
        action: candidate.action.clone(),
        opposite: opposite.to_owned(),
    })
}

/// Refuses an action whose opposite the target had a moment ago.
fn recently_undone(recent: &[Recent], candidate: &Candidate, now: Timestamp) -> Option<Reason> {
    let (opposite, key) = (opposite(&candidate.action)?, candidate.target.key());
    let last = recent.iter().filter(|recent| recent.action == opposite && recent.target == key);
    let at = last.map(|recent| recent.at).max()?;
    (at.duration_until(now) < OPPOSITE_WITHIN).then(|| Reason::RecentOpposite {
        target: candidate.target.shown(),
        opposite: opposite.to_owned(),
        at,
    })
}

/// Refuses a disruptive action that the run already takes on the target.
fn repeated(taken: &mut BTreeSet<(String, String)>, candidate: &Candidate) -> Option<Reason> {
    let what = [candidate.action.as_str(), candidate.detail.as_str()].join(" ").trim_end().to_owned();
    let new = !candidate.destructive || taken.insert((what, candidate.target.key()));
    (!new).then(|| Reason::Repeated { target: candidate.target.shown(), action: candidate.action.clone() })
}

/// Finds the first limit that `admitted` would pass.
fn exceeded(limits: &Numbers, counts: &Counts, admitted: &[&Candidate]) -> Option<Exceeded> {
    if admitted.is_empty() {
        return None;
    }
    if let (Some(times), (matched, Some(usual))) = (limits.times_usual, counts.matched)
        && MATCHES_ALWAYS.max(usual.saturating_mul(u64::from(times))) < matched
    {
        return Some(Exceeded::Unusual { matched, usual, times });
    }
    let used = &counts.used;
    let count = |is: &dyn Fn(&Candidate) -> bool| {
        u32::try_from(admitted.iter().filter(|one| is(one)).count()).unwrap_or(u32::MAX)
    };
    let targets: BTreeSet<String> =
        admitted.iter().filter(|one| one.takes()).map(|one| one.target.key()).collect();
    let over = |limit: Option<u32>, wanted: u32| limit.filter(|limit| *limit < wanted);
    let with = |had: &BTreeSet<String>| u32::try_from(had.union(&targets).count()).unwrap_or(u32::MAX);

    let wanted = used.run_actions.saturating_add(count(&|_any| true));
    if let Some(limit) = over(limits.actions.per_run, wanted) {
        return Some(Exceeded::RunActions { limit, wanted });
    }
    let actions = count(&|one| !gives_back(&one.action));
    let wanted = used.day_actions.saturating_add(actions);
    if let Some(limit) = over(limits.actions.per_day.filter(|_limit| 0 < actions), wanted) {
        return Some(Exceeded::DayActions { limit, wanted });
    }
    let wanted = used.tenant_actions.saturating_add(actions);
    if let Some(limit) = over(limits.tenant_actions_per_day.filter(|_limit| 0 < actions), wanted) {
        return Some(Exceeded::TenantActions { limit, wanted });
    }
    if !targets.is_empty() {
        let sets = [
            (limits.targets.per_run, &used.run_targets, false),
            (limits.targets.per_day, &used.day_targets, true),
        ];
        for (limit, had, day) in sets {
            let wanted = with(had);
            if let Some(limit) = over(limit, wanted) {
                return Some(if day {
                    Exceeded::DayTargets { limit, wanted }
                } else {
                    Exceeded::RunTargets { limit, wanted }
                });
            }
        }
        let wanted = with(&used.tenant_targets);
        if let Some(limit) = over(limits.tenant_targets_per_day, wanted) {
            return Some(Exceeded::TenantTargets { limit, wanted });
        }
        let wanted = wanted.saturating_add(used.elsewhere);
        if let Some(limit) = over(limits.all_targets_per_day, wanted) {
            return Some(Exceeded::AllTargets { limit, wanted });
        }
    }
    let taken = (count(&Candidate::takes), used.taken);
    let given_back = (count(&|one| one.destructive && gives_back(&one.action)), used.given_back);
    [taken, given_back]
        .into_iter()
        .find_map(|(new, had)| too_fast(limits, new, had))
        .or_else(|| share(limits, counts, admitted))
}

/// Compares disruptive actions with how fast they may follow each other.
fn too_fast(limits: &Numbers, new: u32, had: Rates) -> Option<Exceeded> {
    let over = |limit: Option<u32>, wanted: u32| limit.filter(|limit| 0 < new && *limit < wanted);
    let wanted = had.minute.saturating_add(new);
    if let Some(limit) = over(limits.rate.per_minute, wanted) {
        return Some(Exceeded::Minute { limit, wanted });
    }
    let wanted = had.hour.saturating_add(new);
    over(limits.rate.per_hour, wanted).map(|limit| Exceeded::Hour { limit, wanted })
}

/// Compares what is done in a day, and by the run, with the number of devices there are.
fn share(limits: &Numbers, counts: &Counts, admitted: &[&Candidate]) -> Option<Exceeded> {
    let fleet = counts.known_fleet()?;
    if let (Some(percent), Some(limit)) = (limits.tenant_share, limits.tenant_share_of(Some(fleet))) {
        let wanted = with_new(&counts.used.tenant_targets, admitted, &[TargetKind::Device, TargetKind::User]);
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        if limit < wanted {
            return Some(Exceeded::TenantShare { percent, fleet, limit, wanted });
        }
    }
    let devices: BTreeSet<String> = admitted
        .iter()
        .filter(|one| one.target.kind() == TargetKind::Device && !gives_back(&one.action))
        .map(|one| one.target.key())
        .collect();
    if let Some(percent) = limits.percent_of_devices.filter(|_percent| !devices.is_empty()) {
        let wanted = u64::try_from(counts.used.day_devices.union(&devices).count()).unwrap_or(u64::MAX);
        let limit = percent.of(fleet);
        if limit < wanted {
            return Some(Exceeded::Share { percent, fleet, limit, wanted });
        }
    }
    let percent = limits.run_share_approved?;
    let (wanted, limit) = (counts.in_run(admitted), percent.of(fleet));
    (limit < wanted).then_some(Exceeded::RunShare { percent, fleet, limit, wanted })
}

/// Why what is admitted waits for people's leave whatever the playbook says of its limits, and for how many people's.
fn asks(limits: &Numbers, counts: &Counts, admitted: &[&Candidate]) -> Option<(Exceeded, u32)> {
    let Some(fleet) = counts.known_fleet() else {
        let acts = admitted.iter().map(|one| (one.target.kind(), one.takes()));
        let percent = limits.share_looked_at(acts)?;
        return Some((Exceeded::FleetUnknown { percent }, 1));
    };
    let percent = limits.run_share_freely?;
    let (wanted, limit) = (counts.in_run(admitted), percent.of(fleet));
    let asked = Exceeded::RunShareAsked { percent, fleet, limit, wanted };
    (limit < wanted).then_some((asked, PEOPLE_FOR_A_SHARE))
}

impl Counts {
    /// How many devices there are; none at all is as good as not knowing.
    fn known_fleet(&self) -> Option<u64> {
        self.fleet.filter(|fleet| 0 < *fleet)
    }

    /// How many devices the run takes something from, with these.
    fn in_run(&self, admitted: &[&Candidate]) -> u64 {
        with_new(&self.used.run_targets, admitted, &[TargetKind::Device])
    }
}

impl Candidate {
    /// Whether it takes something away that it does not give back.
    fn takes(&self) -> bool {
        self.destructive && !gives_back(&self.action)
    }
}

/// How many targets of these kinds have something taken from them, with those that had it before; none where none of
/// the admitted is such a one.
fn with_new(had: &BTreeSet<String>, admitted: &[&Candidate], kinds: &[TargetKind]) -> u64 {
    let new = admitted.iter().filter(|one| one.takes() && kinds.contains(&one.target.kind()));
    let new: BTreeSet<String> = new.map(|one| one.target.key()).collect();
    if new.is_empty() {
        return 0;
    }
    let is_one = |key: &&String| kinds.iter().any(|kind| key.starts_with(&format!("{}:", kind.as_str())));
    let before = had.iter().filter(is_one).filter(|key| !new.contains(*key)).count();
    u64::try_from(before.saturating_add(new.len())).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
