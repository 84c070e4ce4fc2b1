//! Devices, their response actions, and indicators, in Defender for Endpoint.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::pages::{End, More};
use super::users::DONE;
use super::{Asked, Call, Change, Client, Kind, asked, with_json};
use crate::diag::Chain;
use crate::http::{Address, Request};
use crate::model::{DeviceId, MachineActionId, Secret, Sha1, Term};
use crate::tenant::{
    ActionKind, ActionStatus, Audience, DeviceValue, IsolationType, LiveCommand, Machine, MachineAction,
    Operation, Receipt, Refused, RemoteState, ScanType, TenantError, permission,
};
use crate::text::encode::odata;

const MACHINE: Asked = Asked { operation: "machine", permission: permission::DEVICES, kind: Kind::Plain };
const ACTION: Asked =
    Asked { operation: "machineAction", permission: permission::DEVICES, kind: Kind::Plain };
const ACTIONS: Asked =
    Asked { operation: "machineActions", permission: permission::DEVICES, kind: Kind::Plain };

pub(super) const PACKAGE: Asked =
    Asked { operation: "package", permission: permission::DEVICES, kind: Kind::Plain };

pub(super) const LIVE_RESULT: Asked =
    Asked { operation: "liveResult", permission: permission::DEVICES, kind: Kind::Plain };

/// Most pages of actions. A page holds up to 10,000; a device has a handful a day, and a tenant fewer than this in a week.
const ACTION_PAGES_MAX: usize = 20;

/// The scope of an isolation or a scan that leaves nothing out.
const FULL: &str = "Full";

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
    pub(super) async fn respond(&self, change: &Change<'_>) -> Result<Receipt, TenantError> {
        let (device, response) = Response::of(change).expect("`apply` sends response actions this way");
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
                let is_ours = response.is_of_the_same_call(&theirs);
                let state = if is_ours { state_of_ours(&theirs) } else { state_of_anothers(&theirs) };
                return Ok(Receipt { remote_id: Some(theirs.id), state });
            }
            Err(error) => return Err(error),
        };
        let action: MachineAction = decode(asked(change), &answer.body)?;
        same_device(device, &action.machine_id)?;
        let is_another = response.is_another(&action);
        if is_another && !response.stands_as(&action) {
            let (operation, found) = (asked(change).operation, action.id.to_string());
            return Err(TenantError::OtherAction { operation, found });
        }
        let state = if is_another { state_of_anothers(&action) } else { state_of_ours(&action) };
        Ok(Receipt { remote_id: Some(action.id), state })
    }

    /// Starts an automated investigation. It goes on by itself, and has its own kind of id.
    pub(super) async fn investigate(
        &self,
        change: &Change<'_>,
        device: &DeviceId,
        comment: &str,
    ) -> Result<Receipt, TenantError> {
        let address = self.address(change, "api/machines/{id}/startInvestigation", &[device.as_str()])?;
        let request = with_json(asked(change), Request::post(address), &json!({"Comment": comment}))?;
        let answer = self.send(&Call::write(change, request)).await?;
        let started: Investigation = decode(asked(change), &answer.body)?;
        same_device(device, &started.machine_id)?;
        Ok(DONE)
    }

    /// Says how much a device matters.
    pub(super) async fn set_device_value(
        &self,
        change: &Change<'_>,
        device: &DeviceId,
        value: DeviceValue,
    ) -> Result<Receipt, TenantError> {
        let address = self.address(change, "api/machines/{id}/setDeviceValue", &[device.as_str()])?;
        self.set_on_device((change, device), address, &json!({"DeviceValue": value})).await
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
        self.set_on_device((change, device), address, &json!({"Value": tag, "Action": action})).await
    }

    /// Changes what is noted of a device. The answer, if there is one, must be that device.
    async fn set_on_device(
        &self,
        (change, device): (&Change<'_>, &DeviceId),
        address: Address,
        body: &Value,
    ) -> Result<Receipt, TenantError> {
        let request = with_json(asked(change), Request::post(address), body)?;
        let answer = self.send(&Call::write(change, request)).await?;
        if answer.body.is_empty() {
            return Ok(DONE);
        }
        let machine: Machine = decode(asked(change), &answer.body)?;
        same_device(device, &machine.id)?;
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
        response: &Response<'_>,
    ) -> Result<Option<MachineAction>, TenantError> {
        let since = self.clock.now().saturating_sub(IN_FORCE_WITHIN).unwrap_or(Timestamp::MIN);
        let actions = self.list_machine_actions(device, since).await?;
        let related = |action: &MachineAction| {
            response.kinds.contains(&Some(action.kind.as_str()))
                && same_device(device, &action.machine_id).is_ok()
                && response.is_about(action)
        };
        // What came to nothing has changed nothing.
        let counts = |action: &MachineAction| {
            matches!(
                action.status,
                Term::Known(ActionStatus::Pending | ActionStatus::InProgress | ActionStatus::Succeeded)
            )
        };
        let counting = actions.into_iter().filter(|action| related(action) && counts(action));
        let newest = counting.max_by_key(|action| action.creation_date_time_utc);
        Ok(newest.filter(|action| response.stands_as(action)))
    }

    pub(super) async fn get_machine_action(
        &self,
        id: &MachineActionId,
    ) -> Result<MachineAction, TenantError> {
        let address = self.at(Audience::Mde, ACTION, "api/machineactions/{id}", &[id.as_str()])?;
        let answer = self.send(&Call::read(Audience::Mde, ACTION, Request::get(address))).await?;
        decode(ACTION, &answer.body)
    }

    /// A link that a finished action has left. The service puts it into one more pair of quotes at times.
    pub(super) async fn get_link(
        &self,
        asked: Asked,
        route: &str,
        ids: &[&str],
    ) -> Result<Option<Secret>, TenantError> {
        #[derive(serde::Deserialize)]
        struct Link {
            value: Secret,
        }
        let address = self.at(Audience::Mde, asked, route, ids)?;
        match self.send(&Call::read(Audience::Mde, asked, Request::get(address))).await {
            Ok(answer) => {
                let Link { value } = decode(asked, &answer.body)?;
                Ok(Some(Secret::new(value.expose().trim_matches('"').to_owned())))
            }
            Err(error) if error.refused().is_some_and(|refused| refused.status == 404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One action that cannot be read fails the list: "none is under way" must be true.
    pub(super) async fn list_machine_actions(
        &self,
        device: &DeviceId,
        since: Timestamp,
    ) -> Result<Vec<MachineAction>, TenantError> {
        let filter = format!("machineId eq {} and creationDateTimeUtc ge {since}", odata(device.as_str()));
        let mut actions = Vec::new();
        self.each_action(&filter, &mut |item| {
            actions.push(decode(ACTIONS, item)?);
            Ok(())
        })
        .await?;
        Ok(actions)
    }

    /// Of the actions of all devices those whose comment begins with `mark`; others need not even be readable.
    pub(super) async fn list_marked_actions(
        &self,
        mark: &str,
        since: Timestamp,
    ) -> Result<Vec<MachineAction>, TenantError> {
        let mut actions = Vec::new();
        self.each_action(&format!("creationDateTimeUtc ge {since}"), &mut |item| {
            let Commented { requestor_comment } = decode(ACTIONS, item)?;
            if requestor_comment.is_some_and(|comment| comment.starts_with(mark)) {
                actions.push(decode(ACTIONS, item)?);
            }
            Ok(())
        })
        .await?;
        Ok(actions)
    }

    /// Reads a list of response actions to its end.
    async fn each_action(
        &self,
        filter: &str,
        on_action: &mut (dyn FnMut(&[u8]) -> Result<(), TenantError> + Send),
    ) -> Result<(), TenantError> {
        let address = self.at(Audience::Mde, ACTIONS, "api/machineactions", &[])?.query("$filter", filter);
        let call = Call::read(Audience::Mde, ACTIONS, Request::get(address));
        let end = self
            .each_item(call, ACTION_PAGES_MAX, &mut |item| {
                on_action(item)?;
                Ok(More::Wanted)
            })
            .await?;
        match end {
            End::Reached => Ok(()),
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

/// Of a response action what was said of it.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commented {
    #[serde(default)]
    requestor_comment: Option<String>,
}

/// What the start of an investigation is answered with.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Investigation {
    machine_id: DeviceId,
}

/// Route and body of a response action, in the exact case of the pages: the API's keys are
/// case-sensitive.
pub(super) struct Response<'o> {
    route: &'static str,
    body: Value,
    /// The type that stands for it in the service's list, then the one that undoes it.
    kinds: [Option<&'static str>; 2],
    /// The file it is about.
    file: Option<&'o Sha1>,
    /// Whether it goes all the way: what goes half of it does not stand for it.
    full: bool,
}

impl<'o> Response<'o> {
    /// The device and the response action of an operation, if it is one.
    pub(super) fn of(operation: &'o Operation) -> Option<(&'o DeviceId, Self)> {
        let kind = operation.kind().listed_as();
        let (device, route, undone_by, body): (_, _, Option<ActionKind>, _) = match operation {
            Operation::IsolateDevice { device, isolation_type, comment } => {
                let body = json!({"Comment": comment, "IsolationType": isolation_type});
                (device, "api/machines/{id}/isolate", Some(ActionKind::ReleaseDevice), body)
            }
            Operation::ReleaseDevice { device, comment } => {
                (device, "api/machines/{id}/unisolate", Some(ActionKind::IsolateDevice), only(comment))
            }
            Operation::RunAntivirusScan { device, scan_type, comment } => {
                let body = json!({"Comment": comment, "ScanType": scan_type});
                (device, "api/machines/{id}/runAntiVirusScan", None, body)
            }
            Operation::RestrictAppExecution { device, comment } => {
                let undone_by = Some(ActionKind::RemoveAppRestriction);
                (device, "api/machines/{id}/restrictCodeExecution", undone_by, only(comment))
            }
            Operation::RemoveAppRestriction { device, comment } => {
                let undone_by = Some(ActionKind::RestrictAppExecution);
                (device, "api/machines/{id}/unrestrictCodeExecution", undone_by, only(comment))
            }
            Operation::CollectInvestigationPackage { device, comment } => {
                let route = "api/machines/{id}/collectInvestigationPackage";
                (device, route, None, only(comment))
            }
            Operation::StopAndQuarantineFile { device, sha1, comment } => {
                let body = json!({"Comment": comment, "Sha1": sha1});
                (device, "api/machines/{id}/StopAndQuarantineFile", None, body)
            }
            Operation::RunLiveResponse { device, commands, comment } => {
                let commands: Vec<Value> = commands.iter().map(live_command).collect();
                let body = json!({"Commands": commands, "Comment": comment});
                (device, "api/machines/{id}/runliveresponse", None, body)
            }
            Operation::OffboardDevice { device, comment } => {
                (device, "api/machines/{id}/offboard", None, only(comment))
            }
            _ => return None,
        };
        let file = match operation {
            Operation::StopAndQuarantineFile { sha1, .. } => Some(sha1),
            _ => None,
        };
        // What is under way on the device is somebody else's session, whatever it does: none stands for ours.
        let kind = kind.filter(|_kind| !matches!(operation, Operation::RunLiveResponse { .. }));
        let kinds = [kind, undone_by.and_then(ActionKind::listed_as)];
        let full = matches!(
            operation,
            Operation::IsolateDevice { isolation_type: IsolationType::Full, .. }
                | Operation::RunAntivirusScan { scan_type: ScanType::Full, .. }
        );
        Some((device, Self { route, body, kinds, file, full }))
    }

    /// Whether an action does what this is to do.
    fn stands_as(&self, action: &MachineAction) -> bool {
        let goes_half = action.scope.as_deref().is_some_and(|scope| !scope.eq_ignore_ascii_case(FULL));
        self.kinds.first() == Some(&Some(action.kind.as_str()))
            && self.is_about(action)
            && !(self.full && goes_half)
    }

    /// Whether an action's comment does not begin as the one that was sent: it was there before.
    fn is_another(&self, action: &MachineAction) -> bool {
        let begun = self.beginnings(action);
        begun.is_some_and(|(sent, theirs)| sent != theirs) && !self.is_of_the_same_call(action)
    }

    /// Whether an action carries the mark of the same call, of whichever attempt.
    fn is_of_the_same_call(&self, action: &MachineAction) -> bool {
        let begun = self.beginnings(action);
        begun.is_some_and(|(sent, theirs)| call_of(sent).is_some() && call_of(sent) == call_of(theirs))
    }

    /// What the comment that was sent begins with, and that of an action.
    fn beginnings<'a>(&'a self, action: &'a MachineAction) -> Option<(&'a str, &'a str)> {
        let begins = |comment: &'a str| comment.split_whitespace().next();
        let sent = self.body.get("Comment").and_then(Value::as_str).and_then(begins);
        sent.zip(action.requestor_comment.as_deref().and_then(begins))
    }

    /// Whether an action is about the same file, if this is about a file.
    fn is_about(&self, action: &MachineAction) -> bool {
        let Some(file) = self.file else { return true };
        let hash = action.related_file_info.as_ref().and_then(|info| info.file_identifier.as_deref());
        hash.is_some_and(|hash| hash.eq_ignore_ascii_case(file.as_str()))
    }
}

/// How an action of ours stands that is the answer, or in the way by an attempt before.
fn state_of_ours(action: &MachineAction) -> RemoteState {
    if action.is_done() { RemoteState::Done } else { RemoteState::Pending }
}

/// The same of another's. What the device has not picked up yet may come to nothing: it is followed like our own.
fn state_of_anothers(action: &MachineAction) -> RemoteState {
    if action.is_done() { RemoteState::AlreadyInForce } else { RemoteState::UnderWay }
}

/// Of the mark of a call what all its attempts begin with; `None` of what is no mark.
fn call_of(mark: &str) -> Option<&str> {
    let (end, _colon) = mark.match_indices(':').nth(2).filter(|_colon| mark.starts_with('['))?;
    mark.get(..end)
}

/// A command as the API spells it: its keys are in lower case, unlike those around it.
fn live_command(command: &LiveCommand) -> Value {
    let param = |key: &str, value: &str| json!({"key": key, "value": value});
    let (kind, params) = match command {
        LiveCommand::PutFile { name } => ("PutFile", vec![param("FileName", name)]),
        LiveCommand::RunScript { name, args } => {
            let args = args.iter().map(|args| param("Args", args));
            ("RunScript", [param("ScriptName", name)].into_iter().chain(args).collect())
        }
        LiveCommand::GetFile { path } => ("GetFile", vec![param("Path", path)]),
    };
    json!({"type": kind, "params": params})
}

/// The body of an action that has nothing to say but why.
fn only(comment: &str) -> Value {
    json!({"Comment": comment})
}

/// Whether the API refuses because the same is under way. The code is documented for live response,
/// the sentence for the others.
fn is_under_way(refused: &Refused) -> bool {
    let says = |text: &str, part: &str| text.to_ascii_lowercase().contains(part);
    matches!(refused.status, 400 | 409)
        && (refused.detail.code.eq_ignore_ascii_case("ActiveRequestAlreadyExists")
            || says(&refused.detail.message, "already in progress"))
}
