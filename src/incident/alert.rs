//! Alerts, likewise.

use jiff::Timestamp;

use super::{Owner, Window, owner_fits};
use crate::model::{Alert, AlertSeverity, AlertStatus};
use crate::tenant::{AlertPage, AlertQuery, Tenant, TenantError};

/// A playbook's `alerts.filter`, understood. An empty list admits everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Admitted statuses.
    pub status: Vec<AlertStatus>,
    /// Admitted severities.
    pub severity: Vec<AlertSeverity>,
    /// Which changes.
    pub window: Window,
    /// Admitted products, in Graph's spelling.
    pub service_source: Vec<String>,
    /// Admitted technologies, in Graph's spelling. The API does not filter by them.
    pub detection_source: Vec<String>,
    /// Admitted categories. The API does not filter by them.
    pub category: Vec<String>,
    /// Whose.
    pub assigned_to: Option<Owner>,
}

impl AlertFilter {
    /// What is asked of the API: what changed since `from`.
    #[must_use]
    pub fn query(&self, from: Timestamp) -> AlertQuery {
        AlertQuery {
            status: self.status.clone(),
            severity: self.severity.clone(),
            service_source: self.service_source.clone(),
            updated_after: Some(from),
            assigned_to: match &self.assigned_to {
                Some(Owner::Person(name)) => Some(name.clone()),
                Some(Owner::Nobody | Owner::Anybody) | None => None,
            },
            ..AlertQuery::default()
        }
    }

    /// Whether an alert is wanted at `now`.
    #[must_use]
    pub fn admits(&self, alert: &Alert, now: Timestamp) -> bool {
        let among = |list: &[String], text: Option<&str>| {
            list.is_empty() || text.is_some_and(|text| list.iter().any(|one| one.eq_ignore_ascii_case(text)))
        };
        let fresh = self.window.admits(alert.last_update_date_time, now);
        (self.status.is_empty() || self.status.iter().any(|status| alert.status == *status))
            && (self.severity.is_empty() || self.severity.iter().any(|severity| alert.severity == *severity))
            && fresh
            && among(&self.service_source, alert.service_source.as_deref())
            && among(&self.detection_source, alert.detection_source.as_deref())
            && among(&self.category, alert.category.as_deref())
            && owner_fits(self.assigned_to.as_ref(), alert.assigned_to.as_deref())
    }
}

/// Fetches the alerts that changed since `from` and that the filter admits at `now`.
///
/// # Errors
///
/// Those of the tenant door; nothing is kept of a listing that did not complete.
pub async fn collect_alerts(
    tenant: &dyn Tenant,
    filter: &AlertFilter,
    (from, now): (Timestamp, Timestamp),
) -> Result<AlertPage, TenantError> {
    let mut page = tenant.alerts(&filter.query(from)).await?;
    page.alerts.retain(|alert| filter.admits(alert, now));
    Ok(page)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn each_part_of_a_filter_can_refuse_an_alert() {
        let alert: Alert = serde_json::from_value(serde_json::json!({
            "id": "da1", "title": "x", "severity": "high", "status": "new", "category": "Execution",
            "serviceSource": "microsoftDefenderForEndpoint", "detectionSource": "customTi",
            "lastUpdateDateTime": "2026-03-01T11:00:00Z", "mitreTechniques": [], "devices": [], "users": [],
            "evidence": [],
        }))
        .unwrap();
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let list = |text: &str| vec![text.to_owned()];
        let all = |word: &str, status, severity, minutes, owner| {
            let one = AlertFilter::default;
            [
                AlertFilter { status: vec![status], ..one() },
                AlertFilter { severity: vec![severity], ..one() },
                AlertFilter {
                    window: Window { within: Some(SignedDuration::from_mins(minutes)), ..Window::default() },
                    ..one()
                },
                AlertFilter { service_source: list(&format!("{word}microsoftDefenderForEndpoint")), ..one() },
                AlertFilter { detection_source: list(&format!("{word}CUSTOMTI")), ..one() },
                AlertFilter { category: list(&format!("{word}execution")), ..one() },
                AlertFilter { assigned_to: Some(owner), ..one() },
            ]
        };
        for filter in all("", AlertStatus::New, AlertSeverity::High, 60, Owner::Nobody) {
            assert!(filter.admits(&alert, now), "{filter:?}");
        }
        for filter in all("x", AlertStatus::Resolved, AlertSeverity::Low, 59, Owner::Anybody) {
            assert!(!filter.admits(&alert, now), "{filter:?}");
        }
    }
}
