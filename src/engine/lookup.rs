//! What guards need to know of the targets of a run: names and tags, asked of the tenant once for each.

use std::collections::BTreeMap;

use super::context::Context;
use super::leave::Leave;
use crate::action::{self, Call, Impact};
use crate::diag::Chain;
use crate::guard::{Candidate, Exclusions, Target, TargetKind};
use crate::model::UserId;
use crate::tenant::{TenantError, permission};

/// What the tenant says of targets, asked once in a run, by the key of the target.
#[derive(Debug, Default)]
pub(super) struct Lookup(BTreeMap<String, Result<Target, String>>);

impl Lookup {
    /// Asks for what exclusions need to know of a call's target.
    pub(super) async fn look_up(&mut self, context: &Context<'_>, call: &Call, exclude: &Exclusions) {
        let bare = bare(call);
        let key = bare.key();
        if self.0.contains_key(&key) {
            return;
        }
        let found = match (call.device(), call.user()) {
            (Some(device), _) if exclude.needs_tags() || exclude.needs_names(TargetKind::Device) => {
                let machine = context.tenant.machine(device).await.map_err(|error| unknown("device", &error));
                machine.map(|machine| {
                    let name = machine.computer_dns_name.unwrap_or_default();
                    bare.named(&name).tagged(&machine.machine_tags)
                })
            }
            (_, Some(user)) if exclude.needs_names(TargetKind::User) || goes_by_name(call, user) => {
                let user = context.tenant.user(user).await.map_err(|error| unknown("user", &error));
                user.map(|user| {
                    let name = |name: Option<String>| name.unwrap_or_default();
                    bare.known_as(&user.id)
                        .named(&name(user.user_principal_name))
                        .named(&user.id)
                        .named(&name(user.mail))
                        .named(&name(user.on_premises_sam_account_name))
                })
            }
            _ => Ok(bare),
        };
        self.0.insert(key, found);
    }

    /// Why a target could not be looked up.
    pub(super) fn problem(&self, call: &Call) -> Option<String> {
        self.0.get(&bare(call).key())?.as_ref().err().cloned()
    }

    pub(super) fn candidate(&self, (seq, call): (u32, &Call), leave: &Leave) -> Candidate {
        let bare = bare(call);
        let target = self.0.get(&bare.key()).and_then(|found| found.clone().ok()).unwrap_or(bare);
        Candidate { approved: leave.given(), ..candidate((seq, call), target) }
    }
}

/// Whether a user is asked for only to know whom the call means: one user under two names is one target. Where nothing
/// else needs the permission to read users, a name stays a name.
fn goes_by_name(call: &Call, user: &UserId) -> bool {
    !user.is_object_id() && call.kind.spec().beside.contains(&permission::USERS)
}

/// A call as guards see it, without leave.
pub(super) fn candidate((seq, call): (u32, &Call), target: Target) -> Candidate {
    let destructive = call.kind.impact() == Impact::Disruptive;
    let (action, detail) = (call.kind.as_str().to_owned(), call.detail());
    let others = call.values().map(|value| Target::of(TargetKind::Indicator, value)).collect();
    Candidate { seq, action, target, others, detail, destructive, approved: 0 }
}

/// A call's target, as far as the call itself tells.
pub(super) fn bare(call: &Call) -> Target {
    match (call.device(), call.user()) {
        (Some(device), _) => Target::device(device),
        (_, Some(user)) => Target::user(user),
        _ => {
            let target = Target::of(target_kind(call.kind.spec().target), &call.target);
            // A mailbox is protected by its owner's name.
            call.mailbox().map_or(target.clone(), |owner| target.named(owner.as_str()))
        }
    }
}

const fn target_kind(kind: action::TargetKind) -> TargetKind {
    match kind {
        action::TargetKind::Device => TargetKind::Device,
        action::TargetKind::User => TargetKind::User,
        action::TargetKind::Indicator => TargetKind::Indicator,
        action::TargetKind::Email => TargetKind::Email,
        action::TargetKind::Incident => TargetKind::Incident,
        action::TargetKind::Alert => TargetKind::Alert,
    }
}

fn unknown(what: &str, error: &TenantError) -> String {
    format!("the {what} could not be looked up, so nobody knows whether it is protected: {}", Chain(error))
}
