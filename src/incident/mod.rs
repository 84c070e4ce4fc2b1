//! Fetches incidents, or alerts, and keeps those a playbook's filter admits.
//!
//! What the API can filter is pushed to it; the whole filter is evaluated again here, so that the
//! outcome does not depend on which part went where. `expandAlerts` and `serviceSource` ask the API for
//! the alerts too.

mod alert;
mod known;
mod poll;

pub use alert::{AlertFilter, collect_alerts};
pub use known::{Name, OwnTags, identity};
pub use poll::{Reading, Start, Window};

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::{AlertSeverity, Incident, IncidentId, IncidentStatus};
use crate::tenant::{IncidentQuery, Quarantined, Reach, Tenant, TenantError};

/// Whose incidents are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Nobody's.
    Nobody,
    /// Somebody's.
    Anybody,
    /// This person's, compared without case.
    Person(String),
}

/// A playbook's `incidents.filter`, understood. An empty list admits everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Admitted statuses.
    pub status: Vec<IncidentStatus>,
    /// Admitted severities.
    pub severity: Vec<AlertSeverity>,
    /// Which changes.
    pub window: Window,
    /// Products of which at least one alert must come, in Graph's spelling.
    pub service_source: Vec<String>,
    /// Whose.
    pub assigned_to: Option<Owner>,
    /// At least one of these tags.
    pub tags_any: Vec<String>,
    /// None of these tags.
    pub tags_none: Vec<String>,
    /// The tags that the playbook itself sets.
    pub own_tags: OwnTags,
    /// Whether alerts are fetched with the incidents.
    pub alerts: Alerts,
}

/// Whether alerts come with their incidents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Alerts {
    /// They do not.
    #[default]
    Left,
    /// They do.
    Expanded,
}

impl Filter {
    /// What is asked of the API: what changed since `from`. Incidents that were merged are asked for whatever is
    /// wanted, because they lead to one that may be.
    #[must_use]
    pub fn query(&self, from: Timestamp) -> IncidentQuery {
        let mut status = self.status.clone();
        if !status.is_empty() && !status.contains(&IncidentStatus::Redirected) {
            status.push(IncidentStatus::Redirected);
        }
        IncidentQuery {
            status,
            severity: self.severity.clone(),
            updated_after: Some(from),
            assigned_to: match &self.assigned_to {
                Some(Owner::Person(name)) => Some(name.clone()),
                Some(Owner::Nobody | Owner::Anybody) | None => None,
            },
            expand_alerts: self.needs_alerts(),
            ..IncidentQuery::default()
        }
    }

    /// Whether alerts must come with their incidents.
    fn needs_alerts(&self) -> bool {
        self.alerts == Alerts::Expanded || !self.service_source.is_empty()
    }

    /// Whether an incident is wanted at `now`.
    #[must_use]
    pub fn admits(&self, incident: &Incident, now: Timestamp) -> bool {
        let any = |list: &[String], text: &str| list.iter().any(|entry| entry.eq_ignore_ascii_case(text));
        let status = self.status.is_empty() || self.status.iter().any(|status| incident.status == *status);
        let severity =
            self.severity.is_empty() || self.severity.iter().any(|severity| incident.severity == *severity);
        let fresh = self.window.admits(incident.last_update_date_time, now);
        let source = self.service_source.is_empty()
            || incident
                .alerts
                .iter()
                .filter_map(|alert| alert.service_source.as_deref())
                .any(|source| any(&self.service_source, source));
        let tagged = |wanted: &[String]| incident.custom_tags.iter().any(|tag| any(wanted, tag));
        let tags = (self.tags_any.is_empty() || tagged(&self.tags_any)) && !tagged(&self.tags_none);
        status
            && severity
            && fresh
            && source
            && tags
            && owner_fits(self.assigned_to.as_ref(), incident.assigned_to.as_deref())
    }
}

/// Whether an owner is one that is wanted.
fn owner_fits(wanted: Option<&Owner>, owner: Option<&str>) -> bool {
    match (wanted, owner.filter(|owner| !owner.is_empty())) {
        (None, _) | (Some(Owner::Nobody), None) | (Some(Owner::Anybody), Some(_)) => true,
        (Some(Owner::Person(wanted)), Some(owner)) => wanted.eq_ignore_ascii_case(owner),
        (Some(Owner::Nobody), Some(_)) | (Some(Owner::Anybody | Owner::Person(_)), None) => false,
    }
}

/// An incident that is wanted, with what was merged into it as far as the list showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The incident.
    pub incident: Incident,
    /// The ids of those that became part of it.
    pub merged: BTreeSet<IncidentId>,
}

/// The incidents that are wanted, and what the list was like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Each once.
    pub wanted: Vec<Wanted>,
    /// Those that could not be read.
    pub quarantined: Vec<Quarantined>,
    /// Whether a limit cut the list.
    pub truncated: bool,
    /// How far it reaches.
    pub reach: Reach,
}

/// Fetches the incidents that changed since `from` and that the filter admits at `now`. One that was merged into
/// another stands for that one, which is fetched if it is not on the list itself: it need not have changed.
///
/// # Errors
///
/// Those of the tenant door; nothing is kept of a listing that did not complete.
pub async fn collect(
    tenant: &dyn Tenant,
    filter: &Filter,
    (from, now): (Timestamp, Timestamp),
) -> Result<Collected, TenantError> {
    let page = tenant.incidents(&filter.query(from)).await?;
    let (merged, mut whole): (Vec<Incident>, Vec<Incident>) =
        page.incidents.into_iter().partition(|incident| incident.redirect_incident_id.is_some());
    let mut ends: BTreeMap<IncidentId, BTreeSet<IncidentId>> = BTreeMap::new();
    for (target, sources) in targets(&merged) {
        let mut end = target;
        if !whole.iter().any(|incident| incident.id == end) {
            let Some(found) = end_of(tenant, filter, &end).await? else { continue };
            end = found.id.clone();
            // It changed when something became part of it.
            let changed = merged.iter().filter(|one| sources.contains(&one.id));
            let changed = changed.filter_map(|one| one.last_update_date_time).max();
            let changed = found.last_update_date_time.max(changed);
            if !whole.iter().any(|incident| incident.id == end) {
                whole.push(Incident { last_update_date_time: changed, ..found });
            }
        }
        ends.entry(end).or_default().extend(sources);
    }
    let wanted = whole.into_iter().filter(|incident| filter.admits(incident, now));
    let wanted = wanted.map(|incident| {
        let merged = ends.remove(&incident.id).unwrap_or_default();
        Wanted { incident, merged }
    });
    Ok(Collected {
        wanted: wanted.collect(),
        quarantined: page.quarantined,
        truncated: page.truncated,
        reach: page.reach,
    })
}

/// Where merged incidents lead, as far as they tell themselves, and which of them lead there.
fn targets(merged: &[Incident]) -> BTreeMap<IncidentId, BTreeSet<IncidentId>> {
    let next: BTreeMap<&IncidentId, &IncidentId> =
        merged.iter().filter_map(|one| Some((&one.id, one.redirect_incident_id.as_ref()?))).collect();
    let mut targets: BTreeMap<IncidentId, BTreeSet<IncidentId>> = BTreeMap::new();
    for incident in merged {
        let mut end = &incident.id;
        // A circle ends where it began, and the service is asked.
        for _merge in 0..=next.len() {
            let Some(further) = next.get(end).filter(|further| ***further != incident.id) else { break };
            end = further;
        }
        targets.entry(end.clone()).or_default().insert(incident.id.clone());
    }
    targets
}

/// The incident that merges lead to; nothing if it is not there any more.
async fn end_of(
    tenant: &dyn Tenant,
    filter: &Filter,
    target: &IncidentId,
) -> Result<Option<Incident>, TenantError> {
    match tenant.final_incident(target).await {
        Ok(found) => {
            let alerts = if filter.needs_alerts() { found.alerts } else { Vec::new() };
            Ok(Some(Incident { alerts, ..found }))
        }
        Err(error) if error.refused().is_some_and(|refused| refused.status == 404) => {
            tracing::warn!(incident = %target, "an incident was merged into one that is not there");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::model::Term;

    const NOW: &str = "2026-03-01T12:00:00Z";

    fn incident() -> Incident {
        serde_json::from_value(serde_json::json!({
            "id": "42", "redirectIncidentId": null, "displayName": "x", "description": null,
            "severity": "high", "status": "active", "classification": null, "determination": null,
            "assignedTo": null, "customTags": ["Red"], "systemTags": [], "createdDateTime": null,
            "lastUpdateDateTime": "2026-03-01T11:00:00Z", "incidentWebUrl": null, "comments": [], "alerts": []
        }))
        .unwrap()
    }

    #[track_caller]
    fn admits(filter: &Filter, incident: &Incident) {
        assert!(filter.admits(incident, NOW.parse().unwrap()), "{filter:?}");
    }

    #[track_caller]
    fn refuses(filter: &Filter, incident: &Incident) {
        assert!(!filter.admits(incident, NOW.parse().unwrap()), "{filter:?}");
    }

    #[test]
    fn an_empty_filter_admits_everything() {
        admits(&Filter::default(), &incident());
    }

    #[test]
    fn each_part_of_a_filter_can_refuse() {
        let status = |status| Filter { status: vec![status], ..Filter::default() };
        admits(&status(IncidentStatus::Active), &incident());
        refuses(&status(IncidentStatus::Resolved), &incident());
        let severity = |severity| Filter { severity: vec![severity], ..Filter::default() };
        admits(&severity(AlertSeverity::High), &incident());
        refuses(&severity(AlertSeverity::Low), &incident());
        let tags = |any: &[&str], none: &[&str]| Filter {
            tags_any: any.iter().map(|tag| (*tag).to_owned()).collect(),
            tags_none: none.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Filter::default()
        };
        admits(&tags(&["red"], &[]), &incident());
        refuses(&tags(&["blue"], &[]), &incident());
        refuses(&tags(&[], &["RED"]), &incident());
        let source =
            Filter { service_source: vec!["microsoftDefenderForEndpoint".into()], ..Filter::default() };
        refuses(&source, &incident());
    }

    #[test]
    fn the_age_limit_counts_its_last_instant() {
        let within = |minutes| Filter {
            window: Window { within: Some(SignedDuration::from_mins(minutes)), ..Window::default() },
            ..Filter::default()
        };
        admits(&within(60), &incident());
        refuses(&within(59), &incident());
        refuses(&within(60), &Incident { last_update_date_time: None, ..incident() });
    }

    #[test]
    fn an_owner_is_nobody_anybody_or_one_person() {
        let owner = |owner| Filter { assigned_to: Some(owner), ..Filter::default() };
        let owned = Incident { assigned_to: Some("Dana@contoso.example".into()), ..incident() };
        admits(&owner(Owner::Nobody), &incident());
        refuses(&owner(Owner::Nobody), &owned);
        admits(&owner(Owner::Anybody), &owned);
        refuses(&owner(Owner::Anybody), &incident());
        admits(&owner(Owner::Person("dana@contoso.example".into())), &owned);
    }

    #[test]
    fn an_unknown_status_is_no_status() {
        let odd = Incident { status: Term::Other("odd".into()), ..incident() };
        refuses(&Filter { status: IncidentStatus::ALL.to_vec(), ..Filter::default() }, &odd);
    }
}
