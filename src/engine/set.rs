//! Calls on whole sets of indicators: what they would change, and what came of each member.

use serde_json::{Value, json};

use super::context::Context;
use super::passage::Passage;
use super::report::{StepReport, StepState};
use crate::action::Call;
use crate::diag::Chain;
use crate::store::{ContentHash, Recorded};
use crate::tenant::{Difference, Operation, Receipt, Reconciled, RemoteState, TenantError};
use crate::text::counted;

/// Why a call is only planned; for a set, with what would change.
pub(super) async fn preview(context: &Context<'_>, call: &Call) -> String {
    let why = match context.plan().observes_first {
        _ if !context.remembers() => "dry run".to_owned(),
        Some(first) => format!("the first {} of a new version only observe", counted(first, "run")),
        None => "the playbook only observes".to_owned(),
    };
    let Operation::ReconcileIndicators(set) = &call.operation else { return why };
    match context.tenant.difference(set).await {
        Ok(difference) => match difference.forbidden(set) {
            Some(forbidden) => format!("{why}: {difference}; it would be left as it is: {forbidden}"),
            None => format!("{why}: {difference}"),
        },
        Err(error) => format!("{why}; what would change is not known: {}", Chain(&error)),
    }
}

/// For a set, what has to change about it. It is read before anything is decided: a tenant's indicators are many pages.
pub(super) async fn change(context: &Context<'_>, call: &Call) -> Result<Option<Difference>, TenantError> {
    let Operation::ReconcileIndicators(set) = &call.operation else { return Ok(None) };
    context.tenant.difference(set).await?.allowed(set).map(Some)
}

/// What people are shown of what a call sends. A set can have thousands of values: they see how many, what each is to
/// be, and what would change; two digests stand for all of it.
pub(super) fn shown(call: &Call, change: Option<&Difference>) -> Value {
    let whole = serde_json::to_value(&call.operation).unwrap_or_default();
    let (Operation::ReconcileIndicators(set), Some(change)) = (&call.operation, change) else { return whole };
    let digest = |text: &str| ContentHash::of(text.as_bytes()).to_string();
    let mut each = set.wanted.first().map(serde_json::to_value).and_then(Result::ok).unwrap_or_default();
    if let Some(each) = each.as_object_mut() {
        each.remove("indicatorValue");
    }
    let written = change.add.iter().map(|one| one.indicator_value.as_str());
    let removed = change.remove.iter().map(|one| one.id.as_str());
    json!({call.kind.as_str(): {
        "name": set.name,
        "each": each,
        "wanted": set.wanted.len(),
        "wantedDigest": digest(&whole.to_string()),
        "change": change.to_string(),
        "changeDigest": digest(&json!([written.collect::<Vec<_>>(), removed.collect::<Vec<_>>()]).to_string()),
    }})
}

/// Sends a call; for a set, what has to change about it, and says what came of each member.
pub(super) async fn apply(
    context: &Context<'_>,
    (operation, change): (&Operation, Option<&Difference>),
    passage: &Passage,
) -> (Result<Receipt, TenantError>, Option<Reconciled>) {
    let Some(change) = change else { return (context.tenant.apply(operation, passage).await, None) };
    match context.tenant.reconcile(change, passage).await {
        Ok(done) => (Ok(Receipt { remote_id: None, state: RemoteState::Done }), Some(done)),
        Err(error) => (Err(error), None),
    }
}

/// Says what came of a set. What the tenant did not take makes it fail for people, and stays to be done; the journal
/// knows that the call was taken.
pub(super) fn noted(
    (recorded, report): (Recorded, StepReport),
    note: Option<Reconciled>,
) -> (Recorded, StepReport) {
    let Some(done) = note else { return (recorded, report) };
    let reason = Some(done.to_string());
    let state = if done.refused.is_empty() { report.state } else { StepState::Failed };
    (Recorded { detail: reason.clone(), ..recorded }, StepReport { state, reason, ..report })
}
