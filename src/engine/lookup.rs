//! What guards need to know of the targets of a run: names and tags, asked of the tenant once for each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::context::Context;
use super::leave::Leave;
use crate::action::{self, Call, Impact};
use crate::diag::Chain;
use crate::guard::{Candidate, Exclusions, Feature, Target, TargetKind};
use crate::model::{CellRef, DeviceId, Projection, RowView, UserId, Wanted};
use crate::rows::Flow;
use crate::store::{Store, StoreError};
use crate::tenant::{HuntLimits, HuntQuery, Machine, TenantError, permission};

/// What the tenant says of targets, asked once in a run, by the key of the target.
#[derive(Debug)]
pub(super) struct Lookup {
    store: Store,
    known: BTreeMap<String, Result<Target, String>>,
    /// The ids that devices were merged from and into, once they were asked for.
    merged: Option<Result<Merged, String>>,
}

impl Lookup {
    /// Nothing is known yet.
    pub(super) const fn new(store: Store) -> Self {
        Self { store, known: BTreeMap::new(), merged: None }
    }

    /// Asks for what exclusions need to know of a call's target.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; what the tenant does not say is no error, but a [`problem`](Self::problem).
    pub(super) async fn look_up(
        &mut self,
        context: &Context<'_>,
        call: &Call,
        exclude: &Exclusions,
    ) -> Result<(), StoreError> {
        let bare = bare(call);
        let key = bare.key();
        if self.known.contains_key(&key) {
            return Ok(());
        }
        let found = match (call.device(), call.user()) {
            (Some(device), _) => {
                let asks =
                    exclude.needs_features(TargetKind::Device) || exclude.needs_names(TargetKind::Device);
                let machine = if asks { machine(context, device, bare).await } else { Ok(bare) };
                match machine {
                    Ok(target) if exclude.needs_merged() => Ok(self.with_merged(context, target).await?),
                    other => other,
                }
            }
            (_, Some(id)) => {
                let names = exclude.needs_names(TargetKind::User) || goes_by_name(call, id);
                let target = if names { user(context, id, bare).await } else { Ok(bare) };
                match target {
                    Ok(target) if exclude.needs_features(TargetKind::User) => {
                        let roles = context.tenant.directory_roles(id).await;
                        roles
                            .map(|roles| target.having(Feature::Role, roles))
                            .map_err(|error| unknown("directory roles of the user", &error))
                    }
                    other => other,
                }
            }
            _ => Ok(bare),
        };
        self.known.insert(key, found);
        Ok(())
    }

    /// Adds the ids that a device was merged from or into, if somebody can say.
    async fn with_merged(&mut self, context: &Context<'_>, target: Target) -> Result<Target, StoreError> {
        if self.merged.is_none() {
            self.merged = Some(merged(&self.store, context).await?);
        }
        Ok(match &self.merged {
            Some(Ok(merged)) => {
                let ids = closure(merged, target.id());
                target.merged_with(ids)
            }
            Some(Err(_)) | None => target,
        })
    }

    /// Why a target could not be looked up. Where nobody can say what a device was merged from, nothing is taken from
    /// it.
    pub(super) fn problem(&self, call: &Call) -> Option<String> {
        let own = self.known.get(&bare(call).key()).and_then(|found| found.as_ref().err());
        let disrupts = call.device().is_some() && call.kind.impact() == Impact::Disruptive;
        let merged = self.merged.as_ref().and_then(|merged| merged.as_ref().err());
        own.or_else(|| merged.filter(|_why| disrupts)).cloned()
    }

    pub(super) fn candidate(&self, (seq, call): (u32, &Call), leave: &Leave) -> Candidate {
        let bare = bare(call);
        let target = self.known.get(&bare.key()).and_then(|found| found.clone().ok()).unwrap_or(bare);
        Candidate { approved: leave.given(), ..candidate((seq, call), target) }
    }
}

/// Ids of devices, each with those it was merged into or that were merged into it.
type Merged = BTreeMap<String, BTreeSet<String>>;

/// Which devices were merged into which. Takes nothing from anybody's text.
pub const MERGED_QUERY: &str = "DeviceInfo | where Timestamp > ago(30d) and isnotempty(MergedToDeviceId) \
                            | distinct DeviceId, MergedToDeviceId";

/// Asks for them and keeps them; or says why nobody knows.
async fn merged(store: &Store, context: &Context<'_>) -> Result<Result<Merged, String>, StoreError> {
    let wanted = Wanted::Only(Arc::new(Projection::new(["DeviceId", "MergedToDeviceId"])));
    let query = HuntQuery { query: MERGED_QUERY.to_owned(), timespan: None };
    let mut pairs = Vec::new();
    let mut on_row = |row: &RowView<'_>| {
        if let [CellRef::Text(one), CellRef::Text(other)] = row.cells {
            pairs.push((one.to_lowercase(), other.to_lowercase()));
        }
        Flow::Continue
    };
    let what = "ids that devices were merged from";
    let answer = context.tenant.hunt(&query, &wanted, &HuntLimits::default(), &mut on_row).await;
    match answer {
        Ok(answer) if !answer.truncated => {}
        Ok(_truncated) => {
            return Ok(Err(format!("the {what} are too many, so nobody knows whether it is protected")));
        }
        Err(error) => return Ok(Err(unknown(what, &error))),
    }
    let pairs = store.keep_merged(&context.order.tenant, &pairs).await?;
    let mut merged = Merged::new();
    for (one, other) in pairs {
        merged.entry(one.clone()).or_default().insert(other.clone());
        merged.entry(other).or_default().insert(one);
    }
    Ok(Ok(merged))
}

/// The ids that an id leads to, itself left out.
fn closure(merged: &Merged, id: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([id.to_lowercase()]);
    let mut next = vec![id.to_lowercase()];
    while let Some(one) = next.pop() {
        for other in merged.get(&one).into_iter().flatten() {
            if found.insert(other.clone()) {
                next.push(other.clone());
            }
        }
    }
    found.remove(&id.to_lowercase());
    found
}

/// What is known of a device.
async fn machine(context: &Context<'_>, device: &DeviceId, bare: Target) -> Result<Target, String> {
    let machine = context.tenant.machine(device).await.map_err(|error| unknown("device", &error))?;
    Ok(as_shown(&machine, bare))
}

/// What a tenant shows of a device.
pub(super) fn as_shown(machine: &Machine, bare: Target) -> Target {
    let name = machine.computer_dns_name.as_deref().unwrap_or_default();
    let target =
        bare.named(name).tagged(&machine.machine_tags).having(Feature::Group, machine.rbac_group_name.iter());
    // Every device is in a group or in none; every device has a value.
    match &machine.device_value {
        Some(value) => target.having(Feature::Value, [value]),
        None => target,
    }
}

/// What is known of a user.
async fn user(context: &Context<'_>, id: &UserId, bare: Target) -> Result<Target, String> {
    let user = context.tenant.user(id).await.map_err(|error| unknown("user", &error))?;
    let name = |name: Option<String>| name.unwrap_or_default();
    Ok(bare
        .known_as(&user.id)
        .named(&name(user.user_principal_name))
        .named(&user.id)
        .named(&name(user.mail))
        .named(&name(user.on_premises_sam_account_name)))
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
