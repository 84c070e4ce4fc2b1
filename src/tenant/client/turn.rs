//! Where each call stands in the line for the tenant's budget.

use super::{Asked, Call, Client};
use crate::http::{HttpError, Open};
use crate::tenant::TenantError;
use crate::tenant::budget::{Group, Lane, Queue};

impl Client {
    /// Where a call takes its turns.
    pub(super) fn queue<'a>(&'a self, call: &'a Call<'_>) -> Queue<'a> {
        let Asked { operation, permission, .. } = call.asked;
        let group = Group::of(call.audience, operation, permission.least());
        let lane = if call.gate.is_some() { Lane::Response } else { lane(operation) };
        Queue::open(&self.budget, group, (lane, self.party), call.gate.unwrap_or(&Open))
    }
}

/// Names a failure; a call that no turn came for has a word of its own.
pub(super) fn failed(call: &Call<'_>, queue: &Queue<'_>, error: HttpError) -> TenantError {
    match (queue.busy(), &error) {
        (Some(busy), HttpError::Withheld { .. }) => {
            TenantError::Busy { operation: call.asked.operation, busy: Box::new(busy) }
        }
        _ => call.asked.failed(error),
    }
}

/// How urgent it is to read something.
fn lane(operation: &str) -> Lane {
    match operation {
        "runHuntingQuery" | "getHuntingSchema" => Lane::Hunting,
        "incidents" | "alerts" | "indicators" => Lane::Triage,
        "machineAction" => Lane::Reconcile,
        // What is read for one target is read for an action on it.
        _ => Lane::Response,
    }
}
