//! Response actions of custom detections, as actions of playbooks.

use serde_json::{Value, json};

use super::Fate;
use super::detection::kind_of;
use super::fields::{Draft, capital};
use crate::kql::{Query, Schema};

/// Why a mail is kept: the portal's Action center shows it.
const COMMENT: &str = "{{playbook.name}}";

/// The column that an action is aimed at: the first of those written whose name ends in a way that the action
/// takes, or one about the same thing that the query gives. `AccountSid` is not taken, `AccountObjectId` is.
fn target(written: &str, endings: &[&str], given: &[String]) -> Option<String> {
    let written: Vec<String> = written.split(',').map(|name| capital(name.trim())).collect();
    if endings.is_empty() {
        return written.into_iter().next();
    }
    let fits = |name: &&String| endings.iter().any(|ending| name.ends_with(ending));
    if let Some(name) = written.iter().find(fits) {
        return Some(name.clone());
    }
    let alike = |name: &String| {
        let about = ["Sid", "Name"].iter().find_map(|ending| name.strip_suffix(ending))?;
        let about = about.strip_suffix("Device").unwrap_or(about);
        endings.iter().map(|ending| format!("{about}{ending}")).find(|other| given.contains(other))
    };
    written.iter().find_map(alike)
}

/// One of the columns that are written, in the spelling the query gives it in.
fn written_column(written: &str, wanted: &[&str], given: &[String]) -> Option<String> {
    let written = written.split(',').map(str::trim);
    let fits = |name: &&str| wanted.iter().any(|one| name.to_lowercase().ends_with(&one.to_lowercase()));
    let name = written.into_iter().find(fits)?;
    let same = given.iter().find(|column| column.eq_ignore_ascii_case(name));
    Some(same.cloned().unwrap_or_else(|| capital(name)))
}

/// A text that is filled with a column.
fn filled(column: &str) -> String {
    format!("{{{{row.{column}}}}}")
}

/// What becomes of one action: the key, its parameters, and the columns it is aimed at.
type Step = (&'static str, Value, Vec<String>);

/// The action of a playbook for one of a rule, or why there is none.
fn step(action: &Value, given: &[String]) -> Result<Step, String> {
    let text = |key: &str| action.get(key).and_then(Value::as_str).unwrap_or_default();
    let written = text("identifier");
    let aimed = |takes: &str| format!("it is aimed at `{written}`, and the action takes {takes}");
    let device = || target(written, &["DeviceId"], given).ok_or_else(|| aimed("a device's id"));
    let user = || {
        let column = target(written, &["ObjectId", "Upn"], given);
        column.ok_or_else(|| aimed("a user's object id or sign-in name"))
    };
    let on_device = |key| {
        let column = device()?;
        Ok((key, json!({"device": filled(&column), "comment": COMMENT}), vec![column]))
    };
    let on_user = |key| {
        let column = user()?;
        Ok((key, json!({"user": filled(&column)}), vec![column]))
    };
    match kind_of(action) {
        "isolateDeviceResponseAction" => {
            let (column, how) = (device()?, text("isolationType"));
            let how = if how == "selective" { "selective" } else { "full" };
            let fields = json!({"device": filled(&column), "isolationType": how, "comment": COMMENT});
            Ok(("isolateDevice", fields, vec![column]))
        }
        "runAntivirusScanResponseAction" => on_device("runAntivirusScan"),
        "restrictAppExecutionResponseAction" => on_device("restrictAppExecution"),
        "collectInvestigationPackageResponseAction" => on_device("collectInvestigationPackage"),
        "initiateInvestigationResponseAction" => on_device("initiateInvestigation"),
        "disableUserResponseAction" => on_user("disableUser"),
        "markUserAsCompromisedResponseAction" => on_user("markUserAsCompromised"),
        "forceUserPasswordResetResponseAction" => {
            Err("the rule names the user only: add `forceUserPasswordReset` with its `identityAccount`"
                .to_owned())
        }
        "softDeleteResponseAction" => on_mail("softDeleteEmail", written, given),
        "moveToJunkResponseAction" => on_mail("moveEmailToJunk", written, given),
        "moveToInboxResponseAction" => on_mail("moveEmailToInbox", written, given),
        "moveToDeletedItemsResponseAction" => on_mail("moveEmailToDeletedItems", written, given),
        "hardDeleteResponseAction" => Err(
            "nothing brings the mail back: add `hardDeleteEmail` with an `approval`, or `softDeleteEmail`"
                .to_owned(),
        ),
        "stopAndQuarantineFileResponseAction" => {
            let hash = written_column(written, &["sha1"], given).ok_or_else(|| aimed("a SHA-1"))?;
            let device = device()?;
            let fields = json!({"device": filled(&device), "sha1": filled(&hash), "comment": COMMENT});
            Ok(("stopAndQuarantineFile", fields, vec![device, hash]))
        }
        "blockFileResponseAction" => on_file("block", written, given),
        "allowFileResponseAction" => on_file("allowed", written, given),
        _ => Err("playbooks have no such action".to_owned()),
    }
}

/// An action on a mail in a mailbox: both have to be known.
fn on_mail(key: &'static str, written: &str, given: &[String]) -> Result<Step, String> {
    let both = || format!("it is aimed at `{written}`, and the action takes the mail's id and the recipient");
    let mail = written_column(written, &["networkMessageId"], given).ok_or_else(both)?;
    let mailbox = written_column(written, &["recipientEmailAddress"], given).ok_or_else(both)?;
    let fields =
        json!({"networkMessageId": filled(&mail), "recipient": filled(&mailbox), "comment": COMMENT});
    Ok((key, fields, vec![mail, mailbox]))
}

/// An indicator for a file.
fn on_file(effect: &str, written: &str, given: &[String]) -> Result<Step, String> {
    let hash = written_column(written, &["sha256", "sha1"], given)
        .ok_or_else(|| format!("it is aimed at `{written}`, and the action takes a SHA-256 or SHA-1"))?;
    let kind = if hash.to_lowercase().ends_with("256") { "fileSha256" } else { "fileSha1" };
    let fields = json!({
        "indicatorType": kind, "indicatorValue": filled(&hash), "action": effect,
        "title": COMMENT, "description": "{{playbook.name}}, run {{run.id}}",
    });
    Ok(("addIndicator", fields, vec![hash]))
}

/// Takes the response actions that are actions of playbooks too; names the others.
pub(super) fn response_actions(actions: &Value, draft: &mut Draft) {
    let query = draft.hunt.get("query").and_then(Value::as_str).unwrap_or_default().to_owned();
    let columns = Query::read(&query, &Schema::defender()).columns();
    let columns: Vec<String> =
        columns.into_iter().flat_map(|columns| columns.known).map(|column| column.name).collect();
    let mut steps = Vec::new();
    for action in actions.as_array().into_iter().flatten() {
        let field = format!("detectionAction.responseActions.{}", kind_of(action));
        let (key, fields, aimed) = match step(action, &columns) {
            Ok(made) => made,
            Err(why) => {
                draft.left_out(&field, why);
                continue;
            }
        };
        let written = action.get("identifier").and_then(Value::as_str).unwrap_or_default();
        let is_written =
            |column: &String| written.split(',').any(|one| one.trim().eq_ignore_ascii_case(column));
        if let Some(other) = aimed.iter().find(|column| !is_written(column)) {
            draft.note(&field, Fate::Changed, format!("aimed at `{other}` in place of `{written}`"));
        }
        steps.push(json!({"id": format!("action{}", steps.len() + 1), key: fields}));
    }
    if !steps.is_empty() {
        draft.note(
            "detectionAction.responseActions",
            Fate::Changed,
            "they are planned only, as `mode: observe`",
        );
        draft.set("actions", Value::Array(steps));
    }
}
