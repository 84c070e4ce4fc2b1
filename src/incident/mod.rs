//! Fetches incidents, or alerts, and keeps those a playbook's filter admits.
//!
//! What the API can filter is pushed to it; the whole filter is evaluated again here, so that the
//! outcome does not depend on which part went where. `expandAlerts` and `serviceSource` ask the API for
//! the alerts too.

mod alert;

pub use alert::{AlertFilter, collect_alerts};

use jiff::{SignedDuration, Timestamp};

use crate::model::{AlertSeverity, Incident, IncidentStatus};
use crate::tenant::{IncidentPage, IncidentQuery, Tenant, TenantError};

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
    /// Only incidents that changed within this time.
    pub updated_within: Option<SignedDuration>,
    /// Products of which at least one alert must come, in Graph's spelling.
    pub service_source: Vec<String>,
    /// Whose.
    pub assigned_to: Option<Owner>,
    /// At least one of these tags.
    pub tags_any: Vec<String>,
    /// None of these tags.
    pub tags_none: Vec<String>,
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
    /// What is asked of the API at `now`.
    #[must_use]
    pub fn query(&self, now: Timestamp) -> IncidentQuery {
        let needs_alerts = self.alerts == Alerts::Expanded || !self.service_source.is_empty();
        IncidentQuery {
            status: self.status.clone(),
            severity: self.severity.clone(),
            updated_after: self.updated_within.and_then(|within| now.checked_sub(within).ok()),
            assigned_to: match &self.assigned_to {
                Some(Owner::Person(name)) => Some(name.clone()),
                Some(Owner::Nobody | Owner::Anybody) | None => None,
            },
            expand_alerts: needs_alerts,
            ..IncidentQuery::default()
        }
    }

    /// Whether an incident is wanted at `now`.
    #[must_use]
    pub fn admits(&self, incident: &Incident, now: Timestamp) -> bool {
        let any = |list: &[String], text: &str| list.iter().any(|entry| entry.eq_ignore_ascii_case(text));
        let status = self.status.is_empty() || self.status.iter().any(|status| incident.status == *status);
        let severity =
            self.severity.is_empty() || self.severity.iter().any(|severity| incident.severity == *severity);
        let fresh = self.updated_within.is_none_or(|within| {
            incident.last_update_date_time.is_some_and(|at| at.duration_until(now) <= within)
        });
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

/// Fetches the incidents the filter admits. Incidents merged into others are left out: the one they
/// were merged into comes by itself.
///
/// # Errors
///
/// Those of the tenant door; nothing is kept of a listing that did not complete.
pub async fn collect(
    tenant: &dyn Tenant,
    filter: &Filter,
    now: Timestamp,
) -> Result<IncidentPage, TenantError> {
    let mut page = tenant.incidents(&filter.query(now)).await?;
    page.incidents.retain(|incident| incident.redirect_incident_id.is_none() && filter.admits(incident, now));
    Ok(page)
}

#[cfg(test)]
mod tests {
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
            updated_within: Some(SignedDuration::from_mins(minutes)),
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
