//! What an answer means, for the journal and for people: the tenant's to a call, the journal's to an intent.

use super::own::is_shut;
use super::report::{StepReport, StepState};
use crate::action::{Call, Remote, Step};
use crate::diag::Chain;
use crate::http::Applied;
use crate::store::{Budget, EffectState, Intended, Recorded};
use crate::tenant::{Receipt, RemoteState, TenantError};

/// Whether the tenant refused a call for what it asks, not for who asks (every call would be) nor for being too much at
/// the time.
pub(super) fn is_refused<T>(answer: &Result<T, TenantError>) -> bool {
    let refused = answer.as_ref().err().and_then(TenantError::refused);
    refused.is_some_and(|refused| {
        refused.applied == Applied::No
            && (400..500).contains(&refused.status)
            && ![401, 429].contains(&refused.status)
    })
}

/// What is noted of an action whose answer was lost and that the tenant shows in force all the same.
const READ_BACK: &str = "no answer came, and the tenant shows it in force";

/// What an error says of an action.
pub(super) const fn after_error(applied: Applied) -> EffectState {
    match applied {
        Applied::No => EffectState::NotApplied,
        Applied::Unknown => EffectState::Unknown,
    }
}

/// What a success says of an action whose end the tenant tells when it answers, or later.
pub(super) const fn after_success(
    state: RemoteState,
    remote: Remote,
) -> (EffectState, StepState, Option<&'static str>) {
    match (state, remote) {
        (RemoteState::Pending, Remote::Later) => (EffectState::Pending, StepState::Accepted, None),
        (RemoteState::Pending | RemoteState::Done, _) => (EffectState::Done, StepState::Done, None),
        (RemoteState::UnderWay, _) => {
            let why = "it was asked for before, and the device has still to do it";
            (EffectState::Pending, StepState::Accepted, Some(why))
        }
        (RemoteState::AlreadyInForce, _) => {
            (EffectState::Done, StepState::AlreadyInForce, Some("it was in force already"))
        }
    }
}

/// What the answer to a call means, for the journal and for people.
pub(super) fn judge(
    step: &Step,
    call: &Call,
    answer: &Result<Receipt, TenantError>,
) -> (Recorded, StepReport) {
    let (states, remote_id, detail) = match answer {
        Ok(receipt) => {
            let remote_id = receipt.remote_id.as_ref().map(ToString::to_string);
            let (effect, state, why) = after_success(receipt.state, call.kind.spec().remote);
            ((effect, state), remote_id, why.map(str::to_owned))
        }
        Err(error) => {
            let why = error.withheld().map_or_else(|| Chain(error).to_string(), str::to_owned);
            let states = match error.applied() {
                // It was too late, or no turn came: nobody refused it.
                Applied::No if error.withheld().is_some() || is_shut(error) => {
                    (EffectState::NotApplied, StepState::Halted)
                }
                applied @ Applied::No => (after_error(applied), StepState::Failed),
                applied @ Applied::Unknown => (after_error(applied), StepState::Parked),
            };
            (states, None, Some(why))
        }
    };
    judged(step, call, states, (remote_id, detail))
}

/// What is noted of a call whose answer was lost, and that the tenant shows in force.
pub(super) fn read_back(step: &Step, call: &Call) -> (Recorded, StepReport) {
    judged(step, call, (EffectState::Done, StepState::Done), (None, Some(READ_BACK.to_owned())))
}

/// What came of a call that was sent.
fn judged(
    step: &Step,
    call: &Call,
    (effect, state): (EffectState, StepState),
    (remote_id, detail): (Option<String>, Option<String>),
) -> (Recorded, StepReport) {
    let recorded = Recorded { state: effect, remote_id: remote_id.clone(), detail: detail.clone() };
    let report = StepReport { reason: detail, remote_id, ..not_sent(step, call, state, "") };
    (recorded, report)
}

/// What is reported when the journal does not let a call go.
pub(super) fn refused(step: &Step, call: &Call, intended: &Intended) -> StepReport {
    match intended {
        Intended::Go { .. } => not_sent(step, call, StepState::Planned, "not sent"),
        Intended::AlreadySettled { state, remote_id } => {
            let shown = match state {
                EffectState::Pending => StepState::Accepted,
                EffectState::Done => StepState::Done,
                EffectState::Failed
                | EffectState::NotApplied
                | EffectState::Intended
                | EffectState::Unknown
                | EffectState::Parked => StepState::Failed,
            };
            let report = not_sent(step, call, shown, "sent before a restart");
            StepReport { remote_id: remote_id.clone(), ..report }
        }
        Intended::InDoubt { since, .. } => {
            let why = format!("it may have been sent at {since:.0}, before a restart: a person must look");
            not_sent(step, call, StepState::Parked, &why)
        }
        Intended::Elsewhere { run, state, .. } => {
            // Not handled: if that one comes to nothing, this one is still to be done.
            let why = format!("run {run} has the same action on the same target under way ({state})");
            not_sent(step, call, StepState::Halted, &why)
        }
        Intended::Opposite { run, state, action, at, .. } if state.is_settled() => {
            // Nor is this: the time passes.
            let why = format!("run {run} had {action} on the same target at {at:.0}: too short a while ago");
            not_sent(step, call, StepState::Halted, &why)
        }
        Intended::Opposite { run, state, action, .. } => {
            let why = format!("run {run} has {action} on the same target under way or in doubt ({state})");
            not_sent(step, call, StepState::Halted, &why)
        }
        Intended::CoolingDown { run, at, until } => {
            let why = format!("run {run} had it at {at:.0}: the target is left alone until {until:.0}");
            not_sent(step, call, StepState::Halted, &why)
        }
        Intended::Before { run, at } => {
            let why = format!(
                "it was done before, by a journal that this one does not know the end of (run {run}, found at {at:.0}): \
                 it is not repeated"
            );
            not_sent(step, call, StepState::Halted, &why)
        }
        Intended::InVain { tries, until } => {
            let why =
                format!("it came to nothing {tries} times within a day: it is tried again at {until:.0}");
            not_sent(step, call, StepState::Halted, &why)
        }
        Intended::NoLeave => {
            not_sent(step, call, StepState::Void, "there is no leave for exactly this any more")
        }
        Intended::Stopped(stop) => not_sent(step, call, StepState::Halted, &stop.to_string()),
        Intended::OverBudget { budget, limit, used } => {
            let why = format!("{}: {used} of {limit} used", budget_name(*budget));
            not_sent(step, call, StepState::Halted, &why)
        }
    }
}

/// What is reported when the tenant shows the same in force.
pub(super) fn in_force(step: &Step, call: &Call, remote_id: Option<String>) -> StepReport {
    let report = not_sent(step, call, StepState::AlreadyInForce, "the tenant shows the same in force");
    StepReport { remote_id, ..report }
}

const fn budget_name(budget: Budget) -> &'static str {
    match budget {
        Budget::RunActions => "the limit of actions per run is reached",
        Budget::DayActions => "the limit of actions in 24 hours is reached",
        Budget::TenantActions => "the tenant's limit of actions of all playbooks in 24 hours is reached",
        Budget::RunTargets => "the limit of targets per run is reached",
        Budget::DayTargets => "the limit of targets in 24 hours is reached",
        Budget::TenantTargets => "the tenant's limit of targets in 24 hours is reached",
        Budget::TenantShare => "the tenant's share of devices and users in 24 hours is reached",
        Budget::DayDevices => "the limit of devices in percent of the tenant's in 24 hours is reached",
        Budget::AllTargets => "the limit of targets in all tenants in 24 hours is reached",
        Budget::Minute => "the tenant's limit of disruptive actions in a minute is reached",
        Budget::Hour => "the tenant's limit of disruptive actions in an hour is reached",
    }
}

/// A report about a call.
pub(super) fn not_sent(step: &Step, call: &Call, state: StepState, why: &str) -> StepReport {
    StepReport {
        id: step.id.clone(),
        action: call.kind.as_str().to_owned(),
        target: call.target.clone(),
        state,
        reason: Some(why.to_owned()).filter(|why| !why.is_empty()),
        remote_id: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::action::{Params, Undo};
    use crate::http::Retry;
    use crate::model::DeviceId;
    use crate::playbook::OnError;
    use crate::tenant::{ActionKind, Detail, Operation, Refused};

    /// Whether an answer of this status is a no to what was asked.
    fn is_no(status: u16, applied: Applied) -> bool {
        let (operation, detail, roles) = ("isolateDevice", Detail::default(), [].as_slice());
        let (of_person, fault, retry) = (false, None, Retry::Never);
        let refused = Refused { operation, status, detail, roles, of_person, fault, retry, applied };
        is_refused::<()>(&Err(TenantError::Refused(Box::new(refused))))
    }

    #[test]
    fn what_is_refused_for_what_it_asks_is_told_from_what_every_call_would_meet() {
        for status in [400, 403, 404, 409, 499] {
            assert!(is_no(status, Applied::No), "{status}");
            assert!(!is_no(status, Applied::Unknown), "{status}: it may have been done");
        }
        for status in [302, 399, 401, 429, 500, 503] {
            assert!(!is_no(status, Applied::No), "{status}");
        }
        assert!(!is_refused(&Ok(())));
    }

    #[test]
    fn what_was_settled_before_keeps_its_state_and_the_tenants_name_for_it() {
        let device: DeviceId = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07".parse().unwrap();
        let (undo, comment) = (Box::new(Undo::ReleaseDevice(device.clone())), String::new());
        let step = Step {
            id: "release".to_owned(),
            condition: None,
            on_error: OnError::Stop,
            approval: None,
            wait_for: None,
            revert: None,
            params: Params::Undo { undo, comment: comment.clone() },
        };
        let operation = Operation::ReleaseDevice { device, comment };
        let call = Call { kind: ActionKind::ReleaseDevice, target: "device".to_owned(), operation };
        for (state, shown) in [
            (EffectState::Pending, StepState::Accepted),
            (EffectState::Done, StepState::Done),
            (EffectState::NotApplied, StepState::Failed),
        ] {
            let remote_id = Some("5382f7ea".to_owned());
            let settled = Intended::AlreadySettled { state, remote_id: remote_id.clone() };
            let report = refused(&step, &call, &settled);
            assert_eq!((report.state, report.remote_id), (shown, remote_id), "{state}");
        }
    }

    #[test]
    fn each_budget_is_told_by_a_sentence_of_its_own() {
        let all = [
            Budget::RunActions,
            Budget::DayActions,
            Budget::TenantActions,
            Budget::RunTargets,
            Budget::DayTargets,
            Budget::TenantTargets,
            Budget::TenantShare,
            Budget::DayDevices,
            Budget::AllTargets,
            Budget::Minute,
            Budget::Hour,
        ];
        let told: BTreeSet<&str> = all.into_iter().map(budget_name).collect();
        assert_eq!(told.len(), all.len());
        assert!(told.iter().all(|told| told.ends_with("is reached")), "{told:?}");
    }
}
