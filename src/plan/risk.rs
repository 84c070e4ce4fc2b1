//! What an edit of a playbook raises: what it may do that the version in force may not, and what protects less.

use std::fmt;

use super::{Exclusions, Input, Mode, Plan, Selector};
use crate::action::{Approval, Impact, Step};
use crate::expr::Condition;
use crate::guard::{self, Canary, GuardLimits, OnExceed};
use crate::model::duration_text;

/// One thing that a new version raises. Shown as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Risk {
    /// A disruptive action that nothing in force takes.
    Action {
        /// The step.
        step: String,
        /// What it does.
        action: &'static str,
    },
    /// A disruptive action does another thing, or to another target.
    Parameters {
        /// The step.
        step: String,
    },
    /// A disruptive action needs less leave.
    Leave {
        /// The step, or the guards.
        of: String,
        /// What was asked, and what is.
        change: String,
    },
    /// An action is taken back later, or not at all.
    Standing {
        /// The step.
        step: String,
        /// When it was taken back, and when it is.
        change: String,
    },
    /// A guard lets more pass.
    Guard {
        /// Its name.
        guard: &'static str,
        /// What it said, and what it says.
        change: String,
    },
    /// Something is protected no more.
    Unprotected(String),
    /// More tenants.
    Tenants(String),
    /// What chooses the targets is gone, or is another.
    Chooses {
        /// What.
        what: String,
        /// Whether it is gone.
        gone: bool,
    },
    /// It goes on for longer, or begins by itself.
    Runs(&'static str),
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action { step, action } => write!(f, "`{step}` takes a new disruptive action, {action}"),
            Self::Parameters { step } => write!(f, "`{step}` has other parameters"),
            Self::Leave { of, change } => write!(f, "{of} needs less leave: {change}"),
            Self::Standing { step, change } => write!(f, "what `{step}` does stands for longer: {change}"),
            Self::Guard { guard, change } => write!(f, "the guard `{guard}` lets more pass: {change}"),
            Self::Unprotected(what) => write!(f, "{what} is protected no more"),
            Self::Tenants(which) => write!(f, "it acts in more tenants: {which}"),
            Self::Chooses { what, gone: true } => write!(f, "`{what}` is gone, so more may match"),
            Self::Chooses { what, gone: false } => {
                write!(f, "`{what}` is another, and there are disruptive actions that need nobody's leave")
            }
            Self::Runs(how) => f.write_str(how),
        }
    }
}

/// What `new` raises over the version in force, or over nothing. Only playbooks that take disruptive actions by
/// themselves raise anything.
#[must_use]
pub fn risks(old: Option<&Plan>, new: &Plan) -> Vec<Risk> {
    if !acts(new) {
        return Vec::new();
    }
    let Some(old) = old.filter(|old| acts(old)) else {
        return disruptive(new).map(action).collect();
    };
    let mut found = Vec::new();
    for step in disruptive(new) {
        match disruptive(old).find(|was| was.id == step.id && was.params.kind() == step.params.kind()) {
            None => found.push(action(step)),
            Some(was) => of_step(was, step, &mut found),
        }
    }
    of_choice(old, new, &mut found);
    of_guards(old, new, &mut found);
    of_reach(old, new, &mut found);
    found
}

/// Whether it takes disruptive actions.
fn acts(plan: &Plan) -> bool {
    plan.mode == Mode::Enforce && plan.enabled && disruptive(plan).next().is_some()
}

fn disruptive(plan: &Plan) -> impl Iterator<Item = &Step> {
    plan.steps.iter().filter(|step| step.params.kind().impact() == Impact::Disruptive)
}

fn action(step: &Step) -> Risk {
    Risk::Action { step: step.id.clone(), action: step.params.kind().as_str() }
}

fn of_step(was: &Step, step: &Step, found: &mut Vec<Risk>) {
    if was.params != step.params {
        found.push(Risk::Parameters { step: step.id.clone() });
    }
    let leave = less_leave(was.approval.as_ref(), step.approval.as_ref());
    found.extend(leave.map(|change| Risk::Leave { of: format!("`{}`", step.id), change }));
    let other = if step.approval.is_some() { Other::IsSeen } else { Other::Counts };
    found.extend(chooses(&format!("{}.if", step.id), (&was.condition, &step.condition), other));
    let standing = match (&was.revert, &step.revert) {
        (None, _) => None,
        (Some(was), None) => Some(format!("after {} it was taken back, now never", duration_text(was.after))),
        (Some(was), Some(now)) => (was.after < now.after)
            .then(|| format!("{} instead of {}", duration_text(now.after), duration_text(was.after))),
    };
    found.extend(standing.map(|change| Risk::Standing { step: step.id.clone(), change }));
}

/// How less leave is needed than was, if it is.
fn less_leave(was: Option<&Approval>, now: Option<&Approval>) -> Option<String> {
    let was = was?;
    let Some(now) = now else { return Some("nobody's".to_owned()) };
    if now.minimum < was.minimum {
        return Some(format!("{} must say yes instead of {}", now.minimum, was.minimum));
    }
    (was.timeout < now.timeout).then(|| {
        format!("it holds for {} instead of {}", duration_text(now.timeout), duration_text(was.timeout))
    })
}

/// Whether another condition in place of one counts, or only its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Other {
    Counts,
    IsSeen,
}

fn chooses(what: &str, (was, now): (&Option<Condition>, &Option<Condition>), other: Other) -> Option<Risk> {
    let was = was.as_ref()?;
    let gone = now.is_none();
    let raises = gone || (other == Other::Counts && now.as_ref() != Some(was));
    raises.then(|| Risk::Chooses { what: what.to_owned(), gone })
}

/// What chooses the targets. Where people look at each target before it is acted on, another choice is seen by them.
fn of_choice(old: &Plan, new: &Plan, found: &mut Vec<Risk>) {
    let seen = disruptive(new).all(|step| step.approval.is_some());
    let other = if seen { Other::IsSeen } else { Other::Counts };
    found.extend(chooses("when", (&old.when, &new.when), other));
    found.extend(chooses("where", (&old.condition, &new.condition), other));
    let is_other = other == Other::Counts && !same_input(&old.input, &new.input);
    found.extend(is_other.then(|| Risk::Chooses { what: "what it looks at".to_owned(), gone: false }));
    let shorter = match (&old.suppress, &new.suppress) {
        (None, _) => None,
        (Some(_), None) => Some("it is gone".to_owned()),
        (Some(was), Some(now)) => (now.length < was.length || now.by != was.by)
            .then(|| format!("by {} for {}", now.by.join(", "), duration_text(now.length))),
    };
    found.extend(shorter.map(|change| Risk::Guard { guard: "suppress", change }));
}

fn same_input(was: &Input, now: &Input) -> bool {
    match (was, now) {
        (Input::Hunt(was), Input::Hunt(now)) => {
            let (was, now) = (&was.hunt, &now.hunt);
            (&was.query, &was.parameters, was.period, was.threshold, &was.identity)
                == (&now.query, &now.parameters, now.period, now.threshold, &now.identity)
        }
        (Input::Incidents(was), Input::Incidents(now)) => was == now,
        (Input::Alerts(was), Input::Alerts(now)) => was == now,
        (Input::Given, Input::Given) => true,
        (Input::Feed(was), Input::Feed(now)) => {
            (&was.feed, &was.identity, was.items) == (&now.feed, &now.identity, now.items)
        }
        (Input::Hunt(_) | Input::Incidents(_) | Input::Alerts(_) | Input::Given | Input::Feed(_), _) => false,
    }
}

/// The limits in force of both: a limit that the settings make anyway is no loss.
fn of_guards(old: &Plan, new: &Plan, found: &mut Vec<Risk>) {
    let limits = |plan: &Plan| guard::tighten(&plan.guards.ceilings, &plan.guards.written);
    let (was, now) = (limits(old), limits(new));
    let (a, b) = (&was.numbers, &now.numbers);
    let number = |guard, was: Option<u32>, now: Option<u32>| {
        let raised = was.is_some_and(|was| now.is_none_or(|now| was < now));
        raised.then(|| Risk::Guard { guard, change: change(was, now) })
    };
    let run = number("maxActions.perRun", a.targets.per_run, b.targets.per_run);
    found.extend(run.or_else(|| number("maxActions.perRun", a.actions.per_run, b.actions.per_run)));
    let day = number("maxActions.perDay", a.targets.per_day, b.targets.per_day);
    found.extend(day.or_else(|| number("maxActions.perDay", a.actions.per_day, b.actions.per_day)));
    found.extend(number("maxDisruptive.perMinute", a.rate.per_minute, b.rate.per_minute));
    found.extend(number("maxDisruptive.perHour", a.rate.per_hour, b.rate.per_hour));
    found.extend(number("maxTimesUsual", a.times_usual, b.times_usual));
    let share = (a.percent_of_devices, b.percent_of_devices);
    if share.0.is_some_and(|was| share.1.is_none_or(|now| was < now)) {
        found.push(Risk::Guard { guard: "maxPercentOfDevices", change: change(share.0, share.1) });
    }
    if b.cool_down < a.cool_down {
        let change = change(a.cool_down.map(duration_text), b.cool_down.map(duration_text));
        found.push(Risk::Guard { guard: "coolDown", change });
    }
    if now.observe_first < was.observe_first {
        let change = change(Some(was.observe_first), Some(now.observe_first));
        found.push(Risk::Guard { guard: "observeFirst", change });
    }
    of_moments(&was, &now, found);
    let leave = less_leave(old.guards.approval.as_ref(), new.guards.approval.as_ref());
    let asks = now.on_exceed == OnExceed::Approve && new.guards.approval.is_some();
    found.extend(
        leave.filter(|_less| asks).map(|change| Risk::Leave { of: "what passes a limit".to_owned(), change }),
    );
    of_exclusions(&old.guards.exclusions, &new.guards.exclusions, found);
}

fn change<T: ToString>(was: Option<T>, now: Option<T>) -> String {
    let said = |one: Option<T>| one.map_or_else(|| "no limit".to_owned(), |one| one.to_string());
    format!("{} instead of {}", said(now), said(was))
}

/// When, in which order, and what happens at a limit.
fn of_moments(was: &GuardLimits, now: &GuardLimits, found: &mut Vec<Risk>) {
    if was.windows.iter().any(|window| !now.windows.contains(window)) {
        found.push(Risk::Guard { guard: "windows", change: "they are gone, or others".to_owned() });
    }
    let canary = |one: Canary| format!("{} at first, within {}", one.first, duration_text(one.wait));
    let looser = |was: Canary| now.canary.is_none_or(|now| was.first < now.first || was.wait < now.wait);
    if was.canary.is_some_and(looser) {
        let none = || "none".to_owned();
        let [was, now] = [was.canary, now.canary].map(|one| one.map_or_else(none, canary));
        found.push(Risk::Guard { guard: "canary", change: format!("{now} instead of {was}") });
    }
    if (was.on_exceed, now.on_exceed) == (OnExceed::Halt, OnExceed::Approve) {
        found.push(Risk::Guard { guard: "onExceed", change: "people may let more pass".to_owned() });
    }
}

fn of_exclusions(was: &Exclusions, now: &Exclusions, found: &mut Vec<Risk>) {
    let kinds = [
        ("the list of devices", &was.device_lists, &now.device_lists),
        ("the device", &was.devices, &now.devices),
        ("the device tag", &was.device_tags, &now.device_tags),
        ("the device group", &was.device_groups, &now.device_groups),
        ("the device value", &was.device_values, &now.device_values),
        ("the directory role", &was.user_roles, &now.user_roles),
        ("the list of users", &was.user_lists, &now.user_lists),
        ("the user", &was.users, &now.users),
        ("the list of indicators", &was.indicator_lists, &now.indicator_lists),
        ("the indicator", &was.indicators, &now.indicators),
    ];
    for (kind, was, now) in kinds {
        let gone = was.iter().filter(|one| !now.contains(one));
        found.extend(gone.map(|one| Risk::Unprotected(format!("{kind} `{one}`"))));
    }
}

/// Where, and for how long.
fn of_reach(old: &Plan, new: &Plan, found: &mut Vec<Risk>) {
    match (&old.tenants, &new.tenants) {
        (Selector::Names(_), Selector::All) => found.push(Risk::Tenants("all of them".to_owned())),
        (Selector::Names(was), Selector::Names(now)) => {
            let more: Vec<&str> = now.difference(was).map(String::as_str).collect();
            found.extend((!more.is_empty()).then(|| Risk::Tenants(more.join(", "))));
        }
        (Selector::All, _) => {}
    }
    if old.expires.is_some_and(|was| new.expires.is_none_or(|now| was < now)) {
        found.push(Risk::Runs("it ends later, or never"));
    }
    if old.rule.is_none() && new.rule.is_some() {
        found.push(Risk::Runs("it runs by itself"));
    }
}
