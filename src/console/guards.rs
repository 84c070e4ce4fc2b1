//! The limits in force, in words.

use super::InForce;
use crate::guard::{self, Caps, Numbers, Written};
use crate::model::duration_text;
use crate::plan::World;

/// What the settings allow any playbook: what is limited, and how.
#[must_use]
pub fn ceilings(world: &World) -> Vec<(&'static str, String)> {
    let numbers = guard::tighten(&world.ceilings, &Written::default()).numbers;
    let mut said = parts(&numbers);
    said.push(("what is never touched", exclusions(world)));
    said
}

/// What is stricter for a playbook than for all; `None` if nothing is.
#[must_use]
pub fn own(one: &InForce, world: &World) -> Option<String> {
    let all = parts(&guard::tighten(&world.ceilings, &Written::default()).numbers);
    let own: Vec<String> = parts(one.guards.as_ref()?)
        .into_iter()
        .filter(|part| !all.contains(part))
        .map(|(what, said)| format!("{what}: {said}"))
        .collect();
    (!own.is_empty()).then(|| own.join("; "))
}

fn parts(numbers: &Numbers) -> Vec<(&'static str, String)> {
    let caps = |caps: Caps, tenant: Option<u32>| {
        let words =
            [(caps.per_run, "in a run"), (caps.per_day, "in a day"), (tenant, "in a day in a tenant")];
        let said = words.iter().filter_map(|(most, of)| most.map(|most| format!("{most} {of}")));
        said.collect::<Vec<_>>().join(", ")
    };
    let mut parts = vec![
        ("targets of disruptive actions, at most", caps(numbers.targets, numbers.tenant_targets_per_day)),
        ("actions of any kind, at most", caps(numbers.actions, numbers.tenant_actions_per_day)),
    ];
    parts.extend(
        numbers.percent_of_devices.map(|share| ("devices touched in a day, at most", share.to_string())),
    );
    parts.extend(numbers.cool_down.map(|length| ("a target is left alone for", duration_text(length))));
    parts.extend(numbers.times_usual.map(|times| ("matches, at most", format!("{times} times the usual"))));
    parts
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
        ("users", count(&exclude.user_lists, &exclude.users)),
        ("indicators", count(&exclude.indicator_lists, &exclude.indicators)),
    ]
    .into_iter()
    .filter_map(|(what, said)| Some(format!("{what}: {}", said?)))
    .collect();
    if said.is_empty() { "nothing is named in the settings".to_owned() } else { said.join("; ") }
}
