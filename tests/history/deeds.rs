//! What was done to what, in the one spelling that lets a journal and a tenant's log be held against each other.

use std::collections::BTreeMap;

use huntbook::sim::{EffectEntry, LogEntry};
use huntbook::tenant::ActionKind;
use jiff::Timestamp;
use serde_json::Value;

use super::About;

/// One effect on one thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deed {
    /// What the tenant's log calls it.
    pub(super) effect: String,
    /// What it was done to.
    pub(super) target: String,
}

impl Deed {
    fn new(effect: &str, target: &str) -> Self {
        Self { effect: effect.to_owned(), target: target.to_lowercase() }
    }
}

/// What the service's log calls an action.
pub(super) const fn effects_of(kind: ActionKind) -> &'static [&'static str] {
    match kind {
        ActionKind::IsolateDevice => &["isolate"],
        ActionKind::ReleaseDevice => &["unisolate"],
        ActionKind::RunAntivirusScan => &["runAntiVirusScan"],
        ActionKind::RestrictAppExecution => &["restrictCodeExecution"],
        ActionKind::RemoveAppRestriction => &["unrestrictCodeExecution"],
        ActionKind::CollectInvestigationPackage => &["collectInvestigationPackage"],
        ActionKind::StopAndQuarantineFile => &["stopAndQuarantineFile"],
        ActionKind::RunLiveResponse => &["liveResponse"],
        ActionKind::OffboardDevice => &["offboard"],
        ActionKind::InitiateInvestigation => &["startInvestigation"],
        ActionKind::SetDeviceValue => &["setDeviceValue"],
        ActionKind::TagDevice => &["addTag"],
        ActionKind::UntagDevice => &["removeTag"],
        ActionKind::AddIndicator => &["putIndicator"],
        ActionKind::RemoveIndicator => &["deleteIndicator"],
        ActionKind::ReconcileIndicators => &["putIndicator", "deleteIndicator"],
        ActionKind::DisableUser => &["disableUser"],
        ActionKind::EnableUser => &["enableUser"],
        ActionKind::RevokeSessions => &["revokeSessions"],
        ActionKind::MarkUserAsCompromised => &["confirmCompromised"],
        ActionKind::DismissUserRisk => &["dismissRisk"],
        ActionKind::ForceUserPasswordReset => &["forcePasswordReset"],
        ActionKind::SoftDeleteEmail => &["softDelete"],
        ActionKind::HardDeleteEmail => &["hardDelete"],
        ActionKind::MoveEmailToJunk => &["moveToJunk"],
        ActionKind::MoveEmailToInbox => &["moveToInbox"],
        ActionKind::MoveEmailToDeletedItems => &["moveToDeletedItems"],
        ActionKind::UpdateIncident => &["updateIncident"],
        ActionKind::CommentIncident => &["commentIncident"],
        ActionKind::MergeIncidents => &["mergeIncidents"],
        ActionKind::UpdateAlert | ActionKind::UpdateAlerts => &["updateAlert"],
        ActionKind::CommentAlert => &["commentAlert"],
        ActionKind::CreateAlert => &["createAlert"],
    }
}

/// Whether it is an effect of an action of the catalogue.
pub(super) fn is_known(effect: &str) -> bool {
    ActionKind::ALL.iter().any(|kind| effects_of(*kind).contains(&effect))
}

/// Whether a call of this kind carries a mark that the tenant's log shows.
pub(super) const fn is_marked(kind: ActionKind) -> bool {
    kind.listed_as().is_some() || matches!(kind, ActionKind::CommentIncident | ActionKind::CommentAlert)
}

/// The names that one thing goes by in a tenant.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// An incident that was merged into another goes by that one's.
    merged: BTreeMap<String, String>,
    /// A user that was called by name goes by the id.
    users: BTreeMap<String, String>,
}

impl Names {
    /// Reads them off the log of a tenant, whoever did what is in it.
    pub(super) fn of(log: &[LogEntry]) -> Self {
        let mut names = Self::default();
        let mut called: BTreeMap<u64, String> = BTreeMap::new();
        for entry in log {
            if let LogEntry::Request(request) = entry
                && let Some(user) = request.path.split_once("/users/").map(|(_, rest)| rest)
            {
                let user = user.split('/').next().unwrap_or_default().replace("%40", "@");
                called.insert(request.seq, user.to_lowercase());
            }
        }
        for entry in log {
            let LogEntry::Effect(effect) = entry else { continue };
            if let Some(name) = called.get(&effect.seq) {
                names.users.insert(name.clone(), effect.target.to_lowercase());
            }
            for incident in merged(effect).into_iter().filter(|incident| *incident != effect.target) {
                names.merged.insert(incident, effect.target.clone());
            }
        }
        names
    }

    /// What an intent was to do. A set of indicators is not told by its intent: it does to as many as it needs.
    pub(super) fn intended(&self, about: &About) -> Vec<Deed> {
        let id = about.target.split_once(':').map_or("", |(_kind, id)| id);
        let all = |targets: &[&str]| {
            let effects = effects_of(about.action).iter();
            effects
                .flat_map(|effect| targets.iter().map(|target| Deed::new(effect, target)))
                .collect::<Vec<_>>()
        };
        match about.action {
            ActionKind::ReconcileIndicators => Vec::new(),
            ActionKind::UpdateAlerts => all(&id.split('+').collect::<Vec<_>>()),
            ActionKind::MergeIncidents => all(&[self.incident(id.split('+').next().unwrap_or_default())]),
            ActionKind::UpdateIncident | ActionKind::CommentIncident => all(&[self.incident(id)]),
            _ => all(&[self.users.get(&id.to_lowercase()).map_or(id, String::as_str)]),
        }
    }

    /// What an effect has done.
    pub(super) fn done(&self, effect: &EffectEntry) -> Deed {
        let target = match effect.effect.as_str() {
            "createAlert" => event(&effect.detail),
            "updateIncident" | "commentIncident" | "mergeIncidents" => {
                self.incident(&effect.target).to_owned()
            }
            _ => effect.target.clone(),
        };
        Deed::new(&effect.effect, &target)
    }

    fn incident<'a>(&'a self, id: &'a str) -> &'a str {
        let next = |id: &&'a str| self.merged.get(*id).map(String::as_str);
        // What is merged is redirected once: there is no circle.
        std::iter::successors(Some(id), next).last().unwrap_or(id)
    }
}

/// The incidents that an effect has made one.
pub(super) fn merged(effect: &EffectEntry) -> Vec<String> {
    let ids = effect.detail.get("incidents").and_then(Value::as_array).into_iter().flatten();
    ids.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The event that an alert is about, as its intent calls it.
fn event(detail: &Value) -> String {
    let text = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default();
    let at: Timestamp = text("eventTime").parse().expect("the time of an event");
    format!("{}/{at}/{}", text("machineId"), text("reportId"))
}
