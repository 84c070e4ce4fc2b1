//! Incidents and alerts in Graph.

use serde_json::{Map, Value, json};

use super::users::{DONE, not_begun};
use super::{Asked, Call, Change, Client, Kind, asked, with_json, with_new_members};
use crate::http::{Answer, Request};
use crate::model::{Alert, AlertId, Classification, Determination, Incident, IncidentId, MergeReason};
use crate::tenant::envelope::shown;
use crate::tenant::{
    AlertPatch, Audience, Commented, Comments, IncidentPatch, Receipt, RemoteState, Seen, TenantError, case,
    permission, words,
};

const INCIDENT: Asked = Asked { operation: "incident", permission: permission::INCIDENTS, kind: Kind::Plain };
const ALERT: Asked = Asked { operation: "alert", permission: permission::ALERTS, kind: Kind::Plain };

/// How often tags are merged and written before another writer wins.
const MERGES_MAX: usize = 3;

/// How often an incident that was merged into another is followed. Merges of merges are rare; a circle is a
/// mistake of the service.
const REDIRECTS_MAX: usize = 5;

/// What came of merging tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Merge {
    /// They are as wanted, and nothing else was to be written.
    Needless,
    /// They were written and are as wanted.
    Kept,
    /// They were written, and the service shows others.
    Overwritten,
}

impl Client {
    pub(super) async fn get_incident(
        &self,
        id: &IncidentId,
        expand: Option<&str>,
    ) -> Result<Incident, TenantError> {
        let address = self.at(Audience::Graph, INCIDENT, "v1.0/security/incidents/{id}", &[id.as_str()])?;
        let address = expand.into_iter().fold(address, |address, what| address.query("$expand", what));
        let request = with_new_members(INCIDENT, Request::get(address))?;
        let answer = self.send(&Call::read(Audience::Graph, INCIDENT, request)).await?;
        read_incident(INCIDENT, &answer)
    }

    pub(super) async fn list_comments(&self, on: &Commented) -> Result<Comments, TenantError> {
        let (asked, route, id) = match on {
            Commented::Incident(id) => (INCIDENT, "v1.0/security/incidents/{id}", id.as_str()),
            Commented::Alert(id) => (ALERT, "v1.0/security/alerts_v2/{id}", id.as_str()),
        };
        let request = with_new_members(asked, Request::get(self.at(Audience::Graph, asked, route, &[id])?))?;
        let answer = self.send(&Call::read(Audience::Graph, asked, request)).await?;
        let shape = |source| TenantError::Shape { operation: asked.operation, source };
        let mut comments = case::comments(&answer.body).map_err(shape)?;
        if let Commented::Incident(id) = on
            && !comments.are_all
        {
            let there = self.follow_merges(id, None).await?.comments;
            comments.texts.extend(there.into_iter().map(|comment| comment.comment));
        }
        Ok(comments)
    }

    pub(super) async fn get_alert(&self, id: &AlertId) -> Result<Alert, TenantError> {
        let address = self.at(Audience::Graph, ALERT, "v1.0/security/alerts_v2/{id}", &[id.as_str()])?;
        let request = with_new_members(ALERT, Request::get(address))?;
        let answer = self.send(&Call::read(Audience::Graph, ALERT, request)).await?;
        case::alert(&answer.body).map_err(|source| TenantError::Shape { operation: ALERT.operation, source })
    }

    /// The incident that an id leads to: one that was merged into another leads there. What is written to the
    /// old one the service is not said to keep.
    pub(super) async fn end_of_merges(
        &self,
        change: &Change<'_>,
        id: &IncidentId,
    ) -> Result<Incident, TenantError> {
        self.follow_merges(id, None).await.map_err(|error| not_begun(change, error))
    }

    /// The incident that an id leads to, with what is to come with it.
    pub(super) async fn follow_merges(
        &self,
        id: &IncidentId,
        expand: Option<&str>,
    ) -> Result<Incident, TenantError> {
        let mut next = id.clone();
        for _merge in 0..REDIRECTS_MAX {
            let found = self.get_incident(&next, expand).await?;
            match found.redirect_incident_id.clone().filter(|target| *target != found.id) {
                Some(target) => next = target,
                None => return Ok(found),
            }
        }
        let reason = "it was merged too often";
        Err(TenantError::Paging { operation: INCIDENT.operation, reason })
    }

    /// Reads, compares with what the change was decided on, merges tags, writes, and compares with what comes
    /// back; again if somebody else wrote in between.
    pub(super) async fn update_incident(
        &self,
        change: &Change<'_>,
        id: &IncidentId,
        patch: &IncidentPatch,
    ) -> Result<Receipt, TenantError> {
        let mut body = members(patch.classification, patch.determination, patch.assigned_to.as_deref());
        if let Some(status) = patch.status {
            body.insert("status".to_owned(), status.as_str().into());
        }
        let (mut wrote, mut conflict) = (false, None);
        for _merge in 0..MERGES_MAX {
            match self.write_incident(change, id, (patch, &body)).await {
                Ok(Merge::Kept) => return Ok(DONE),
                Ok(Merge::Needless) => {
                    let state = if wrote { RemoteState::Done } else { RemoteState::AlreadyInForce };
                    return Ok(Receipt { remote_id: None, state });
                }
                Ok(Merge::Overwritten) => {
                    wrote = true;
                    // The rest has been written; only the tags are still to do.
                    body.clear();
                }
                // The service noticed the other writer itself.
                Err(error) if error.refused().is_some_and(|refused| matches!(refused.status, 409 | 412)) => {
                    conflict = Some(error);
                }
                Err(error) if wrote => {
                    let source = Box::new(error);
                    return Err(TenantError::Unfinished { operation: change.kind().as_str(), source });
                }
                Err(error) => return Err(error),
            }
        }
        match conflict {
            // Each was refused: nothing was written.
            Some(refusal) if !wrote => Err(refusal),
            _ => Err(TenantError::Overwritten { operation: change.kind().as_str() }),
        }
    }

    /// Reads, compares, writes what is not so yet, and looks at what came of it.
    async fn write_incident(
        &self,
        change: &Change<'_>,
        id: &IncidentId,
        (patch, body): (&IncidentPatch, &Map<String, Value>),
    ) -> Result<Merge, TenantError> {
        let current = self.end_of_merges(change, id).await?;
        let now = seen(&current);
        let merged = merge(&current.custom_tags, patch);
        let is_so = body.iter().all(|(key, value)| now.get(key).unwrap_or(&Value::Null) == value);
        if merged == current.custom_tags && is_so {
            return Ok(Merge::Needless);
        }
        if let Some(decided_on) = &patch.seen {
            unchanged(decided_on, &now, body).map_err(|error| not_begun(change, error))?;
        }
        let mut body = body.clone();
        if merged != current.custom_tags {
            body.insert("customTags".to_owned(), json!(merged));
        }
        let route = ("v1.0/security/incidents/{id}", current.id.as_str());
        let answer = self.patch(change, route, &body).await?;
        let written = read_incident(asked(change), &answer)?;
        let kept = merge(&written.custom_tags, patch) == written.custom_tags;
        Ok(if kept { Merge::Kept } else { Merge::Overwritten })
    }

    pub(super) async fn update_alert(
        &self,
        change: &Change<'_>,
        id: &AlertId,
        patch: &AlertPatch,
    ) -> Result<Receipt, TenantError> {
        let mut body = members(patch.classification, patch.determination, patch.assigned_to.as_deref());
        if let Some(status) = patch.status {
            body.insert("status".to_owned(), status.as_str().into());
        }
        if body.is_empty() {
            return Ok(Receipt { remote_id: None, state: RemoteState::AlreadyInForce });
        }
        self.patch(change, ("v1.0/security/alerts_v2/{id}", id.as_str()), &body).await?;
        Ok(DONE)
    }

    pub(super) async fn comment_incident(
        &self,
        change: &Change<'_>,
        id: &IncidentId,
        comment: &str,
    ) -> Result<Receipt, TenantError> {
        let id = self.end_of_merges(change, id).await?.id;
        let address = self.address(change, "v1.0/security/incidents/{id}/comments", &[id.as_str()])?;
        let body = json!({"@odata.type": "microsoft.graph.security.alertComment", "comment": comment});
        let request = with_json(asked(change), Request::post(address), &body)?;
        self.send(&Call::write(change, request)).await?;
        Ok(DONE)
    }

    pub(super) async fn comment_alert(
        &self,
        change: &Change<'_>,
        id: &AlertId,
        comment: &str,
    ) -> Result<Receipt, TenantError> {
        let address = self.address(change, "v1.0/security/alerts_v2/{id}/comments", &[id.as_str()])?;
        let body = json!({"@odata.type": "microsoft.graph.security.alertComment", "comment": comment});
        let request = with_json(asked(change), Request::post(address), &body)?;
        self.send(&Call::write(change, request)).await?;
        Ok(DONE)
    }

    /// Makes one incident of several. What was merged already counts as where it went.
    pub(super) async fn merge_incidents(
        &self,
        change: &Change<'_>,
        incidents: &[IncidentId],
        (comment, reasons): (&str, &[MergeReason]),
    ) -> Result<Receipt, TenantError> {
        let mut apart: Vec<IncidentId> = Vec::new();
        for id in incidents {
            let found = self.end_of_merges(change, id).await?.id;
            if !apart.contains(&found) {
                apart.push(found);
            }
        }
        if apart.len() < 2 {
            return Ok(Receipt { remote_id: None, state: RemoteState::AlreadyInForce });
        }
        let route = "v1.0/security/incidents/microsoft.graph.security.mergeIncidents";
        let reasons: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
        let body = json!({
            "incidentIds": apart, "incidentComment": comment, "mergeReasons": reasons.join(", "),
        });
        let request = with_json(asked(change), Request::post(self.address(change, route, &[])?), &body)?;
        self.send(&Call::write(change, request)).await?;
        Ok(DONE)
    }

    /// Sends a PATCH; when the service refuses a determination's spelling (400), once more with the
    /// other one.
    async fn patch(
        &self,
        change: &Change<'_>,
        (route, id): (&str, &str),
        body: &Map<String, Value>,
    ) -> Result<Answer, TenantError> {
        match self.patch_once(change, (route, id), body).await {
            Err(error) if error.refused().is_some_and(|refused| refused.status == 400) => {
                let Some(other) = with_other_spelling(body) else { return Err(error) };
                match self.patch_once(change, (route, id), &other).await {
                    // Both spellings are refused: the first refusal is about the documented one.
                    Err(second) if second.refused().is_some_and(|refused| refused.status == 400) => {
                        Err(error)
                    }
                    done => done,
                }
            }
            done => done,
        }
    }

    async fn patch_once(
        &self,
        change: &Change<'_>,
        (route, id): (&str, &str),
        body: &Map<String, Value>,
    ) -> Result<Answer, TenantError> {
        let address = self.address(change, route, &[id])?;
        let request = with_json(asked(change), Request::patch(address), &Value::Object(body.clone()))?;
        let request = with_new_members(asked(change), request)?;
        self.send(&Call::write(change, request)).await
    }
}

/// An incident's members that people set, as they are written. What is not set is null.
fn seen(incident: &Incident) -> Map<String, Value> {
    let mut now = Map::new();
    now.insert("status".to_owned(), json!(incident.status));
    now.insert("classification".to_owned(), json!(incident.classification));
    now.insert("determination".to_owned(), json!(incident.determination));
    now.insert("assignedTo".to_owned(), json!(incident.assigned_to));
    now
}

/// Checks that nobody has set what is to be set, to something else, since it was decided.
fn unchanged(
    decided_on: &Seen,
    now: &Map<String, Value>,
    wanted: &Map<String, Value>,
) -> Result<(), TenantError> {
    let members = [
        ("status", &decided_on.status),
        ("classification", &decided_on.classification),
        ("determination", &decided_on.determination),
        ("assignedTo", &decided_on.assigned_to),
    ];
    for (member, then) in members {
        let Some(wanted) = wanted.get(member) else { continue };
        let current = now.get(member).unwrap_or(&Value::Null);
        if current.as_str() != then.as_deref() && current != wanted {
            let now = shown(current.as_str().unwrap_or("nothing"), 64);
            return Err(TenantError::ChangedMeanwhile { member, now });
        }
    }
    Ok(())
}

fn read_incident(asked: Asked, answer: &Answer) -> Result<Incident, TenantError> {
    case::incident(&answer.body).map_err(|source| TenantError::Shape { operation: asked.operation, source })
}

/// The members incidents and alerts share.
fn members(
    classification: Option<Classification>,
    determination: Option<Determination>,
    assigned_to: Option<&str>,
) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(classification) = classification {
        body.insert("classification".to_owned(), classification.as_str().into());
    }
    if let Some(determination) = determination {
        body.insert("determination".to_owned(), determination.as_str().into());
    }
    match assigned_to {
        None => {}
        Some("") => {
            body.insert("assignedTo".to_owned(), Value::Null);
        }
        Some(owner) => {
            body.insert("assignedTo".to_owned(), owner.into());
        }
    }
    body
}

/// The same body with the determination's other spelling, if it has one.
fn with_other_spelling(body: &Map<String, Value>) -> Option<Map<String, Value>> {
    let determination = Determination::parse(body.get("determination")?.as_str()?)?;
    let mut other = body.clone();
    other.insert("determination".to_owned(), words::second_spelling(determination)?.into());
    Some(other)
}

/// The tags as they should be: those there, without the removed, with the added at the end. Tags are
/// compared without regard to case.
fn merge(current: &[String], patch: &IncidentPatch) -> Vec<String> {
    let is_in = |list: &[String], tag: &str| list.iter().any(|other| other.eq_ignore_ascii_case(tag));
    let mut merged: Vec<String> =
        current.iter().filter(|tag| !is_in(&patch.tags_remove, tag)).cloned().collect();
    for tag in &patch.tags_add {
        if !is_in(&merged, tag) {
            merged.push(tag.clone());
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_merged_without_regard_to_case() {
        let patch = IncidentPatch {
            tags_add: vec!["triaged".to_owned(), "Demo".to_owned()],
            tags_remove: vec!["OLD".to_owned()],
            ..IncidentPatch::default()
        };
        let current = ["demo".to_owned(), "old".to_owned(), "keep".to_owned()];
        let merged = merge(&current, &patch);
        assert_eq!(merged, ["demo", "keep", "triaged"]);
        assert_eq!(merge(&merged, &patch), merged);
    }

    #[test]
    fn an_owner_can_be_taken_off() {
        let body = members(None, Some(Determination::CompromisedAccount), Some(""));
        assert_eq!(
            Value::Object(body.clone()),
            json!({"assignedTo": null, "determination": "compromisedAccount"})
        );
        let other = with_other_spelling(&body).unwrap();
        assert_eq!(other.get("determination"), Some(&json!("compromisedUser")));
    }
}
