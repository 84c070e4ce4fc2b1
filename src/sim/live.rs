//! Live response sessions: their commands, and the links to what they leave.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::call::{Call, Caller, Refusal};
use super::machine_action::{Action, Kind, Status};
use super::mde::{READERS, no_action};
use super::reply::Reply;
use super::seed::stamp;
use super::serve::Service;
use super::state::State;

/// Most sessions of a tenant at a time. Source: the live response page.
const SESSIONS_MAX: usize = 25;

/// Most commands of a session. Source: the live response page.
const COMMANDS_MAX: usize = 10;

/// Types of commands in the order that the service wants, and the parameter each must have.
const TYPES: [(&str, &str); 3] = [("PutFile", "FileName"), ("RunScript", "ScriptName"), ("GetFile", "Path")];

/// Reads the commands of a session.
pub(super) fn commands(body: &Map<String, Value>) -> Result<Vec<Value>, Refusal> {
    let wrong = |text: &str| Refusal::bad("InvalidInput", text);
    let commands = body.get("Commands").and_then(Value::as_array).filter(|commands| !commands.is_empty());
    let commands = commands.ok_or_else(|| {
        Refusal::bad("MissingRequiredParameter", "The required parameter 'Commands' is missing.")
    })?;
    if COMMANDS_MAX < commands.len() {
        return Err(wrong("A session has at most 10 commands."));
    }
    let mut last = 0;
    for command in commands {
        let kind = command.get("type").and_then(Value::as_str);
        let place = TYPES.iter().position(|(name, _)| Some(*name) == kind);
        let place = place.ok_or_else(|| wrong("A command is of the type PutFile, RunScript or GetFile."))?;
        if place < last {
            return Err(wrong("The order of commands is PutFile, RunScript, GetFile."));
        }
        last = place;
        let params = command.get("params").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let has = |wanted: &str| {
            params.iter().any(|param| {
                let text = |name: &str| param.get(name).and_then(Value::as_str);
                text("key") == Some(wanted) && text("value").is_some_and(|value| !value.is_empty())
            })
        };
        if !TYPES.get(place).is_some_and(|(_, param)| has(param)) {
            return Err(wrong("A parameter of a command is missing."));
        }
    }
    Ok(commands.clone())
}

/// Refuses one session too many.
pub(super) fn has_room(state: &State) -> Result<(), Refusal> {
    let is_session = |action: &&Action| action.kind == Kind::LiveResponse && action.status.is_open();
    if state.actions.iter().filter(is_session).count() < SESSIONS_MAX {
        return Ok(());
    }
    let text = "Too many requests: 25 live response sessions are running.";
    Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", text))
}

/// The commands as a machine action shows them. The first of a session that failed is the one that failed; those
/// after it were never begun.
pub(super) fn views(action: &Action) -> Value {
    let view = |(index, command): (usize, &Value)| {
        let status = match action.status {
            Status::Succeeded => "Completed",
            Status::Failed if index == 0 => "Failed",
            _ => "Created",
        };
        let ran = status != "Created";
        let at = ran.then(|| stamp(action.updated));
        let errors =
            if status == "Failed" { json!(["The command failed on the device."]) } else { json!([]) };
        json!({
            "index": index, "startTime": at, "endTime": at, "commandStatus": status,
            "errors": errors, "command": command,
        })
    };
    action.commands.iter().enumerate().map(view).collect()
}

/// `GET /machineactions/{id}/GetLiveResponseResultDownloadLink(index=N)`: nothing for a file that was put.
pub(super) fn result_link(
    service: &Service,
    call: &Call,
    caller: &Caller,
    (id, rest): (&str, &str),
) -> Result<Reply, Refusal> {
    caller.may(READERS)?;
    let state = service.state(call.now);
    let index = rest.strip_prefix("(index=").and_then(|rest| rest.strip_suffix(')'));
    let index: usize = index
        .and_then(|index| index.parse().ok())
        .ok_or_else(|| Refusal::bad("InvalidInput", "index is a number."))?;
    let done = |action: &&Action| action.id == id && action.status == Status::Succeeded;
    let action = state.actions.iter().find(done).ok_or_else(|| no_action(id))?;
    let has_result =
        |command: &&Value| command.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "PutFile");
    action.commands.get(index).filter(has_result).ok_or_else(|| no_action(id))?;
    let context = format!("{}/$metadata#Edm.String", call.base);
    let link = format!("{}/_sim/results/{id}/{index}?sig=simulated{}%3D&sp=r", call.base, call.seq);
    Ok(Reply::json(StatusCode::OK, &json!({"@odata.context": context, "value": link})))
}
