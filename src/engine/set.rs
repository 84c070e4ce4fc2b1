//! Calls on whole sets of indicators: what they would change, and what came of each member.

use super::context::Context;
use super::passage::Passage;
use super::report::{StepReport, StepState};
use crate::action::Call;
use crate::diag::Chain;
use crate::store::Recorded;
use crate::tenant::{Operation, Receipt, Reconciled, RemoteState, TenantError};
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

/// Sends a call; for a set, with what came of each member.
pub(super) async fn apply(
    context: &Context<'_>,
    operation: &Operation,
    passage: &Passage,
) -> (Result<Receipt, TenantError>, Option<Reconciled>) {
    let Operation::ReconcileIndicators(set) = operation else {
        return (context.tenant.apply(operation, passage).await, None);
    };
    match context.tenant.reconcile(set, passage).await {
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
