//! Whether a device is still the one that was matched: set up anew, an id can go to another, and a row can be old.
//!
//! What people and rows call a device by is its name. So right before a disruptive action the tenant is asked what the
//! device of that id is called, and if the row called it otherwise nothing is done. What protects a device by its name, its
//! tags, its group or its value is looked at again with that answer: a run can be hours old.

use serde_json::Value;

use super::answer::not_sent;
use super::context::Context;
use super::leave::Turn;
use super::lookup::{as_shown, bare, candidate};
use super::own::takes;
use super::report::{StepReport, StepState};
use crate::action::Impact;
use crate::diag::Chain;
use crate::guard::{Candidate, Exclusions, Target, TargetKind, excluded};
use crate::model::DeviceId;

/// Under which of its keys an object has the id of a device, in rows, evidence and machines.
const IDS: [&str; 3] = ["DeviceId", "MachineId", "mdeDeviceId"];
/// And under which the name of that device.
const NAMES: [&str; 3] = ["DeviceName", "deviceDnsName", "computerDnsName"];

/// What the tenant shows of a call's device at this moment, where that matters; or why the call is not made: its device
/// is another one by now, or nobody knows.
pub(super) async fn as_it_is(
    context: &Context<'_>,
    turn: Turn<'_>,
    exclude: &Exclusions,
) -> Result<Option<Target>, StepReport> {
    let Turn { step, call, data, target, .. } = turn;
    let Some(device) = call.device().filter(|_device| call.kind.impact() == Impact::Disruptive) else {
        return Ok(None);
    };
    let said = said_name(data, device);
    let takes = takes(call);
    let asks = exclude.needs_features(TargetKind::Device) || exclude.needs_names(TargetKind::Device);
    if said.is_none() && !asks && !takes {
        return Ok(None);
    }
    let machine = context.tenant.machine(device).await.map_err(|error| {
        let why = format!(
            "the device could not be looked up, so nobody knows whether it is still the one that was matched: {}",
            Chain(&error)
        );
        not_sent(step, call, StepState::Failed, &why)
    })?;
    let name = machine.computer_dns_name.as_deref().filter(|name| !name.is_empty());
    if let (Some(name), Some(said)) = (name, said)
        && !is_same_name(name, said)
    {
        let (name, said) = (shown(name), shown(said));
        let why = format!("the device of this id is called `{name}` now, and was matched as `{said}`");
        tracing::error!(run = %context.run, action = %call.kind, target = %call.target, why, "an action is held: its device may be another one");
        return Err(not_sent(step, call, StepState::Halted, &why));
    }
    let own = context.plan().guards.ceilings.own_host.as_deref().filter(|_own| takes);
    if let (Some(name), Some(own)) = (name.or(said), own)
        && is_same_name(name, own)
    {
        let why = format!("the device `{}` is the one that huntbook runs on, and is left alone", shown(name));
        return Err(not_sent(step, call, StepState::Skipped, &why));
    }
    let now = as_shown(&machine, bare(call));
    // What is not shown of it does not protect it.
    let candidate = Candidate { destructive: false, ..candidate((turn.seq, call), now.clone()) };
    if let Some(why) = excluded(&context.plan().guards.ceilings.shown, &candidate).filter(|_why| takes) {
        return Err(not_sent(step, call, StepState::Skipped, &why.to_string()));
    }
    Ok(Some(match target.merged() {
        Some(merged) => now.merged_with(merged.iter().cloned()),
        None => now,
    }))
}

/// What is matched calls the device of this id, if it calls it anything.
fn said_name<'d>(data: &'d Value, device: &DeviceId) -> Option<&'d str> {
    match data {
        Value::Object(object) => {
            let under = |keys: &[&str]| {
                let mut found = object
                    .iter()
                    .filter(|(key, _value)| keys.iter().any(|one| one.eq_ignore_ascii_case(key)));
                found.find_map(|(_key, value)| value.as_str().filter(|text| !text.is_empty()))
            };
            let is_it = under(&IDS).is_some_and(|id| id.eq_ignore_ascii_case(device.as_str()));
            let own = if is_it { under(&NAMES) } else { None };
            own.or_else(|| object.values().find_map(|value| said_name(value, device)))
        }
        Value::Array(values) => values.iter().find_map(|value| said_name(value, device)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Whether two names are of one device: whole if both name a domain, otherwise without it.
fn is_same_name(one: &str, other: &str) -> bool {
    let whole = |name: &str| name.trim().trim_end_matches('.').to_lowercase();
    let (one, other) = (whole(one), whole(other));
    let label = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    if one.contains('.') && other.contains('.') { one == other } else { label(&one) == label(&other) }
}

/// A name for people: what is matched is text from outside.
fn shown(name: &str) -> String {
    crate::text::clean(name, 120)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_compared_without_case_and_without_a_domain_that_only_one_has() {
        for (one, other) in [
            ("WS-1", "ws-1"),
            ("ws-1.contoso.example", "WS-1"),
            ("ws-1", "ws-1.contoso.example."),
            ("ws-1.contoso.example", "WS-1.Contoso.Example"),
        ] {
            assert!(is_same_name(one, other), "{one} {other}");
        }
        for (one, other) in
            [("ws-1", "ws-10"), ("ws-1.a.example", "ws-1.b.example"), ("ws-1.a.example", "ws-2")]
        {
            assert!(!is_same_name(one, other), "{one} {other}");
        }
    }

    #[test]
    fn the_name_is_the_one_beside_the_id() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let name = |data: &Value| said_name(data, &a.parse().unwrap()).map(str::to_owned);
        assert_eq!(name(&json!({"DeviceId": a, "DeviceName": "ws-1"})).as_deref(), Some("ws-1"));
        assert_eq!(
            name(&json!({"deviceid": a.to_uppercase(), "devicename": "ws-1"})).as_deref(),
            Some("ws-1")
        );
        assert_eq!(name(&json!({"DeviceId": b, "DeviceName": "ws-2", "TargetDeviceId": a})), None);
        assert_eq!(name(&json!({"DeviceId": a, "DeviceName": null})), None);
        assert_eq!(name(&json!({"DeviceId": a})), None);
        let evidence =
            json!([{"mdeDeviceId": b, "deviceDnsName": "ws-2"}, {"mdeDeviceId": a, "deviceDnsName": "ws-1"}]);
        assert_eq!(name(&json!({"alerts": [{"evidence": evidence}]})).as_deref(), Some("ws-1"));
    }
}
