//! The limits in force, in words.

use jiff::SignedDuration;

use super::{InForce, NAME_MAX};
use crate::guard::{self, Caps, GuardLimits, Written};
use crate::model::duration_text;
use crate::plan::World;
use crate::text::clean;

/// A limit in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The key under the settings' `guards` that changes it; empty where none does.
    pub key: &'static str,
    /// What is limited.
    pub what: &'static str,
    /// How.
    pub said: String,
}

/// What the settings allow any playbook.
#[must_use]
pub fn lines(world: &World) -> Vec<Line> {
    let limits = guard::tighten(&world.ceilings, &Written::default());
    let mut lines = parts(&limits);
    let opposite = duration_text(guard::OPPOSITE_WITHIN);
    let died = format!("the process dies {} times in ten minutes while it runs", world.ceilings.crashes);
    lines.push(line("maxCrashes", "a playbook does not run any more when", died));
    lines.push(line("", "the opposite of an action waits on the same target for", opposite));
    lines.push(line("exclude", "what is never touched", exclusions(world)));
    let by_value = world.ceilings.shown.needs(guard::Feature::Value);
    let value = if by_value { format!(", or are worth `{}`", guard::PROTECTED_VALUE) } else { String::new() };
    let said = format!("devices that have the tag `{}`{value}", guard::PROTECTING_TAG);
    lines.push(line("exclude.deviceValues", "what nothing disruptive is done to", said));
    let host =
        world.ceilings.own_host.as_deref().map(|host| format!("this machine, `{}`; ", clean(host, NAME_MAX)));
    let said = format!("{}whoever huntbook is signed in as (`auth: user`)", host.unwrap_or_default());
    lines.push(line("", "what is huntbook's own, and left alone likewise", said));
    if world.ceilings.max_age < SignedDuration::MAX {
        let age = duration_text(world.ceilings.max_age);
        lines.push(line(
            "maxAge",
            "disruptive actions wait for approval where what they are about is older than",
            age,
        ));
    }
    if let Some(asked) = world.approvers.asked() {
        let people = match asked.minimum {
            1 => "one approver".to_owned(),
            more => format!("{more} approvers"),
        };
        let said = format!("{people}, by `{}`, for {}", asked.channel, duration_text(asked.timeout));
        lines.push(line("approval", "asked where a guard wants leave and the playbook names nobody", said));
    }
    lines
}

/// The same in pairs: what is limited, and how.
#[must_use]
pub fn ceilings(world: &World) -> Vec<(&'static str, String)> {
    lines(world).into_iter().map(|line| (line.what, line.said)).collect()
}

/// What is stricter for a playbook than for all; `None` if nothing is.
#[must_use]
pub fn own(one: &InForce, world: &World) -> Option<String> {
    let all = parts(&guard::tighten(&world.ceilings, &Written::default()));
    let own: Vec<String> = parts(one.guards.as_ref()?)
        .into_iter()
        .filter(|part| !all.contains(part))
        .map(|Line { what, said, .. }| format!("{what}: {said}"))
        .collect();
    (!own.is_empty()).then(|| own.join("; "))
}

fn line(key: &'static str, what: &'static str, said: String) -> Line {
    Line { key, what, said }
}

fn parts(limits: &GuardLimits) -> Vec<Line> {
    let numbers = &limits.numbers;
    let listed = |words: &[(Option<u32>, &str)]| {
        let said = words.iter().filter_map(|(most, of)| most.map(|most| format!("{most} {of}")));
        said.collect::<Vec<_>>().join(", ")
    };
    let caps = |Caps { per_run, per_day }: Caps| [(per_run, "in a run"), (per_day, "in a day")];
    let [run, day] = caps(numbers.targets);
    let tenant = (numbers.tenant_targets_per_day, "in a day in a tenant");
    let all = (numbers.all_targets_per_day, "in a day in all tenants");
    let mut parts =
        vec![line("maxActions", "targets of disruptive actions, at most", listed(&[run, day, tenant, all]))];
    parts.extend(shares(limits));
    let rate = [(numbers.rate.per_minute, "in a minute"), (numbers.rate.per_hour, "in an hour")];
    parts.push(line("maxDisruptive", "disruptive actions in a tenant, at most", listed(&rate)));
    let [run, day] = caps(numbers.actions);
    let tenant = (numbers.tenant_actions_per_day, "in a day in a tenant");
    let any_kind = listed(&[run, day, tenant]);
    parts.push(line("maxActionsOfAnyKind", "actions of any kind, at most", any_kind));
    parts.extend(numbers.cool_down.map(|length| {
        line("coolDown", "a target is left alone by the same action for", duration_text(length))
    }));
    parts.extend(
        numbers
            .times_usual
            .map(|times| line("maxTimesUsual", "matches, at most", format!("{times} times the usual"))),
    );
    parts.extend(moments(limits));
    parts
}

/// Shares of the devices.
fn shares(limits: &GuardLimits) -> Vec<Line> {
    let numbers = &limits.numbers;
    let mut shares = Vec::new();
    shares.extend(numbers.tenant_share.map(|share| {
        let said = format!(
            "{share} of its devices, and one; approved by people where nobody knows how many there are"
        );
        line("maxTargetsOfTenant", "devices and users among these in a day in a tenant, at most", said)
    }));
    let freely = numbers.run_share_freely.map(|share| format!("{share} of all"));
    let approved = numbers.run_share_approved.map(|share| format!("{share} with two people's leave"));
    let said: Vec<String> = freely.into_iter().chain(approved).collect();
    if !said.is_empty() {
        let what = "devices under disruptive actions of a run, at most";
        shares.push(line("maxPercentOfDevicesInRun", what, said.join(", ")));
    }
    shares.extend(
        numbers
            .percent_of_devices
            .map(|share| line("maxPercentOfDevices", "devices touched in a day, at most", share.to_string())),
    );
    shares
}

/// When, in which order, and until when.
fn moments(limits: &GuardLimits) -> Vec<Line> {
    let mut moments = Vec::new();
    let windows = limits
        .windows
        .iter()
        .map(|windows| line("windows", "disruptive actions are taken", windows.to_string()));
    moments.extend(windows);
    moments.extend(limits.canary.map(|canary| {
        let said = format!("{}, which must end well within {}", canary.first, duration_text(canary.wait));
        line("canary", "targets of a run that come before the others", said)
    }));
    let first = Some(limits.observe_first).filter(|first| 0 < *first);
    moments.extend(
        first.map(|first| {
            line("observeFirst", "runs of each new version that only observe", first.to_string())
        }),
    );
    moments.extend(limits.numbers.breaker.map(|breaker| {
        let said = format!(
            "{} disruptive actions in a row come to nothing or are in doubt, or more than {} % of the latest are in doubt",
            breaker.in_a_row, breaker.in_doubt_percent
        );
        line("maxFailuresInARow", "a playbook is stopped when", said)
    }));
    moments
}

fn exclusions(world: &World) -> String {
    let exclude = &world.exclusions;
    let count = |lists: &[String], named: &[String]| match (lists, named.len()) {
        ([], 0) => None,
        ([], named) => Some(named.to_string()),
        (lists, _) => Some(format!("list {}", lists.join(", "))),
    };
    let said: Vec<String> = [
        ("devices", count(&exclude.device_lists, &exclude.devices)),
        ("devices with a tag", count(&[], &exclude.device_tags)),
        ("device groups", count(&[], &exclude.device_groups)),
        ("device values", count(&[], &exclude.device_values)),
        ("directory roles of users", count(&[], &exclude.user_roles)),
        ("users", count(&exclude.user_lists, &exclude.users)),
        ("indicators", count(&exclude.indicator_lists, &exclude.indicators)),
    ]
    .into_iter()
    .filter_map(|(what, said)| Some(format!("{what}: {}", said?)))
    .collect();
    if said.is_empty() { "nothing is named in the settings".to_owned() } else { said.join("; ") }
}
