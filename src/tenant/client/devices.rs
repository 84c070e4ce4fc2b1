//! Devices, their response actions, and indicators, in Defender for Endpoint.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::pages::{End, More};
use super::users::DONE;
use super::{Asked, Call, Change, Client, Kind, asked, with_json};
use crate::diag::Chain;
use crate::http::Request;
use crate::model::{AlertSeverity, DeviceId, MachineActionId, Term};
use crate::tenant::{
    ActionStatus, Audience, Indicator, IsolationType, Machine, MachineAction, Operation, Receipt, Refused,
    RemoteState, ScanType, TenantError, permission,
};
use crate::text::encode::odata;

const MACHINE: Asked = Asked { operation: "machine", roles: permission::DEVICES.roles, kind: Kind::Plain };
const ACTION: Asked =
    Asked { operation: "machineAction", roles: permission::DEVICES.roles, kind: Kind::Plain };
const ACTIONS: Asked =
    Asked { operation: "machineActions", roles: permission::DEVICES.roles, kind: Kind::Plain };

/// Most pages of a device's actions. A page holds up to 10,000, a device has a handful a day.
const ACTION_PAGES_MAX: usize = 20;

/// How far back an action is looked for that stands in the way of another: the service takes actions of
/// devices that are away for days, so this is generous.
const IN_FORCE_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Whether a tag comes or goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum TagChange {
    Add,
    Remove,
}

impl Client {
    /// Asks for a response action. The answer must name the device meant.
    pub(super) async fn respond(
        &self,
        change: &Change<'_>,
        device: &DeviceId,
        response: Response,
    ) -> Result<Receipt, TenantError> {
        let address = self.address(change, response.route, &[device.as_str()])?;
        let request = with_json(asked(change), Request::post(address), &response.body)?;
        let answer = match self.send(&Call::write(change, request)).await {
            Ok(answer) => answer,
            Err(error) if error.refused().is_some_and(is_under_way) => {
                let theirs = match self.find_in_force(device, &response).await {
                    Ok(theirs) => theirs.ok_or(error)?,
                    // Whatever stands in the way: ours was refused, and that is all that is known.
                    Err(unread) => {
                        tracing::debug!(device = %device, error = %Chain(&unread), "the tenant does not say what stands in the way");
                        return Err(error);
                    }
                };
                // What the device has not picked up yet may come to nothing: it is followed like our own.
                let state = match theirs.status {
                    Term::Known(ActionStatus::Succeeded) => RemoteState::AlreadyInForce,
                    _ => RemoteState::Pending,
                };
                return Ok(Receipt { remote_id: Some(theirs.id), state });
            }
            Err(error) => return Err(error),
        };
        let action: MachineAction = decode(asked(change), &answer.body)?;
        same_device(device, &action.machine_id)?;
        let state = match action.status {
            Term::Known(ActionStatus::Succeeded) => RemoteState::Done,
            _ => RemoteState::Pending,
        };
        Ok(Receipt { remote_id: Some(action.id), state })
    }

    /// Adds or removes one tag; the service merges.
    pub(super) async fn set_tag(
        &self,
        change: &Change<'_>,
        device: &DeviceId,
        tag: &str,
        which: TagChange,
    ) -> Result<Receipt, TenantError> {
        let address = self.address(change, "api/machines/{id}/tags", &[device.as_str()])?;
        let action = match which {
            TagChange::Add => "Add",
            TagChange::Remove => "Remove",
        };
        let body = json!({"Value": tag, "Action": action});
        let request = with_json(asked(change), Request::post(address), &body)?;
        let answer = self.send(&Call::write(change, request)).await?;
        if answer.body.is_empty() {
            return Ok(DONE);
        }
        let machine: Machine = decode(asked(change), &answer.body)?;
        same_device(device, &machine.id)?;
        Ok(DONE)
    }

    pub(super) async fn add_indicator(
        &self,
        change: &Change<'_>,
        indicator: &Indicator,
    ) -> Result<Receipt, TenantError> {
        let address = self.address(change, "api/indicators", &[])?;
        let request = with_json(asked(change), Request::post(address), &indicator_body(indicator))?;
        self.send(&Call::write(change, request)).await?;
        Ok(DONE)
    }

    pub(super) async fn get_machine(&self, id: &DeviceId) -> Result<Machine, TenantError> {
        let address = self.at(Audience::Mde, MACHINE, "api/machines/{id}", &[id.as_str()])?;
        let answer = self.send(&Call::read(Audience::Mde, MACHINE, Request::get(address))).await?;
        let machine: Machine = decode(MACHINE, &answer.body)?;
        same_device(id, &machine.id)?;
        Ok(machine)
    }

    /// The device's action that does the same as `response`, if it is under way or done and nothing has
    /// undone it since. The refusal itself says neither whose action stands in the way nor which.
    pub(super) async fn find_in_force(
        &self,
        device: &DeviceId,
        response: &Response,
    ) -> Result<Option<MachineAction>, TenantError> {
        let since = self.clock.now().saturating_sub(IN_FORCE_WITHIN).unwrap_or(Timestamp::MIN);
        let actions = self.list_machine_actions(device, since).await?;
        let related = |action: &MachineAction| {
            response.kinds.contains(&action.kind.as_str()) && same_device(device, &action.machine_id).is_ok()
        };
        let newest = actions.into_iter().filter(related).max_by_key(|action| action.creation_date_time_utc);
        let stands = |action: &MachineAction| {
            response.kinds.first().is_some_and(|kind| *kind == action.kind)
                && matches!(
                    action.status,
                    Term::Known(ActionStatus::Pending | ActionStatus::InProgress | ActionStatus::Succeeded)
                )
        };
        Ok(newest.filter(stands))
    }

    pub(super) async fn get_machine_action(
        &self,
        id: &MachineActionId,
    ) -> Result<MachineAction, TenantError> {
        let address = self.at(Audience::Mde, ACTION, "api/machineactions/{id}", &[id.as_str()])?;
        let answer = self.send(&Call::read(Audience::Mde, ACTION, Request::get(address))).await?;
        decode(ACTION, &answer.body)
    }

    /// One action that cannot be read fails the list: "none is under way" must be true.
    pub(super) async fn list_machine_actions(
        &self,
        device: &DeviceId,
        since: Timestamp,
    ) -> Result<Vec<MachineAction>, TenantError> {
        let filter = format!("machineId eq {} and creationDateTimeUtc ge {since}", odata(device.as_str()));
        let address = self.at(Audience::Mde, ACTIONS, "api/machineactions", &[])?.query("$filter", &filter);
        let call = Call::read(Audience::Mde, ACTIONS, Request::get(address));
        let mut actions = Vec::new();
        let end = self
            .each_item(call, ACTION_PAGES_MAX, &mut |item| {
                actions.push(decode(ACTIONS, item.get().as_bytes())?);
                Ok(More::Wanted)
            })
            .await?;
        match end {
            End::Reached => Ok(actions),
            End::Cut => {
                Err(TenantError::Paging { operation: ACTIONS.operation, reason: "it has too many pages" })
            }
        }
    }
}

/// An answer about another device must not pass for one about this.
fn same_device(wanted: &DeviceId, found: &DeviceId) -> Result<(), TenantError> {
    if found == wanted {
        return Ok(());
    }
    Err(TenantError::OtherTarget { wanted: wanted.to_string(), found: found.to_string() })
}

pub(super) fn decode<T: serde::de::DeserializeOwned>(asked: Asked, body: &[u8]) -> Result<T, TenantError> {
    serde_json::from_slice(body).map_err(|source| TenantError::Shape { operation: asked.operation, source })
}

/// Route and body of a response action, in the exact case of the pages: the API's keys are
/// case-sensitive.
pub(super) struct Response {
    route: &'static str,
    body: Value,
    /// Its own kind of action as the API spells it, then the kind that undoes it.
    kinds: &'static [&'static str],
}

impl Response {
    /// The device and the response action of an operation, if it is one.
    pub(super) fn of(operation: &Operation) -> Option<(&DeviceId, Self)> {
        match operation {
            Operation::IsolateDevice { device, isolation_type, comment } => {
                Some((device, Self::isolate(*isolation_type, comment)))
            }
            Operation::ReleaseDevice { device, comment } => Some((device, Self::release(comment))),
            Operation::RunAntivirusScan { device, scan_type, comment } => {
                Some((device, Self::scan(*scan_type, comment)))
            }
            _ => None,
        }
    }

    pub(super) fn isolate(isolation_type: IsolationType, comment: &str) -> Self {
        let body = json!({"Comment": comment, "IsolationType": isolation_type});
        Self { route: "api/machines/{id}/isolate", body, kinds: &["Isolate", "Unisolate"] }
    }

    pub(super) fn release(comment: &str) -> Self {
        let body = json!({"Comment": comment});
        Self { route: "api/machines/{id}/unisolate", body, kinds: &["Unisolate", "Isolate"] }
    }

    pub(super) fn scan(scan_type: ScanType, comment: &str) -> Self {
        let body = json!({"Comment": comment, "ScanType": scan_type});
        Self { route: "api/machines/{id}/runAntiVirusScan", body, kinds: &["RunAntiVirusScan"] }
    }
}

/// Whether the API refuses because the same is under way. The code is documented for live response,
/// the sentence for the others.
fn is_under_way(refused: &Refused) -> bool {
    let says = |text: &str, part: &str| text.to_ascii_lowercase().contains(part);
    matches!(refused.status, 400 | 409)
        && (refused.detail.code.eq_ignore_ascii_case("ActiveRequestAlreadyExists")
            || says(&refused.detail.message, "already in progress"))
}

fn indicator_body(indicator: &Indicator) -> Value {
    let mut body = json!({
        "indicatorValue": indicator.indicator_value,
        "indicatorType": indicator.indicator_type,
        "action": indicator.action,
        "title": indicator.title,
        "description": indicator.description,
        "generateAlert": indicator.generate_alert,
    });
    if let Some(body) = body.as_object_mut() {
        let severity = indicator.severity.and_then(indicator_severity).map(Value::from);
        let optional = [
            ("severity", severity),
            ("recommendedActions", indicator.recommended_actions.clone().map(Value::from)),
            ("expirationTime", indicator.expiration_time.map(|time| time.to_string().into())),
            ("rbacGroupNames", Some(&indicator.rbac_group_names).filter(|g| !g.is_empty()).map(|g| json!(g))),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        }
    }
    body
}

/// The API's spelling; it has no word for "not graded".
const fn indicator_severity(severity: AlertSeverity) -> Option<&'static str> {
    match severity {
        AlertSeverity::Unknown => None,
        AlertSeverity::Informational => Some("Informational"),
        AlertSeverity::Low => Some("Low"),
        AlertSeverity::Medium => Some("Medium"),
        AlertSeverity::High => Some("High"),
    }
}
