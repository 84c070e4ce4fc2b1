//! The parameters of actions, with their texts compiled.

use std::str::FromStr;

use jiff::SignedDuration;

use super::names::{Lowering, Text};
use super::{account, approval, case};
use crate::action::{
    ADDED_MAX, ActionKind, COMMANDS_MAX, DeviceAction, DeviceParams, IndicatorParams, LiveParams, Params,
    REMOVED_MAX, REMOVED_PERCENT_MAX, Remote, RevertRule, ScriptParams, SetParams, SetValues, Step, Undo,
};
use crate::diag::Code;
use crate::expr::Place;
use crate::model::{DeviceId, IdError, Sha1};
use crate::playbook::{
    self, ActionBody, DeviceWorth, IndicatorEffect, IndicatorKind, IsolationKind, ScanKind, WaitFor,
    WantedEnd,
};
use crate::tenant::{DeviceValue, IndicatorAction, IndicatorType, IndicatorValue, IsolationType, ScanType};
use crate::text::Template;

/// Understands the actions of a playbook.
pub(super) fn steps(lowering: &mut Lowering<'_>) -> Vec<Step> {
    let actions = &lowering.document.playbook.actions;
    let mut steps: Vec<Step> = Vec::new();
    for (index, action) in actions.iter().enumerate() {
        let at = format!("/actions/{index}");
        let id = action.id.clone().unwrap_or_else(|| action.body.key().to_owned());
        if steps.iter().any(|step| step.id == id) {
            let pointer = if action.id.is_some() { format!("{at}/id") } else { at.clone() };
            let message = format!("two actions are called `{id}`");
            lowering.error(Code::Action, &pointer, message, "give each an `id` of its own");
        }
        let condition = action
            .condition
            .as_ref()
            .map(|source| lowering.condition(&format!("{at}/if"), source, Place::Action));
        let params = params(lowering, &format!("{at}/{}", action.body.key()), &action.body);
        let approval = match &action.approval {
            Some(written) => approval::approval(lowering, &format!("{at}/approval"), written).map(Some),
            None => Some(None),
        };
        let (Some(params), Some(approval)) = (params, approval) else { continue };
        if params.kind().needs_approval() && approval.is_none() {
            let message = format!("`{}` cannot be taken back: people approve each call", params.kind());
            let help = "add `approval: {channel: soc-approvals}` beside it";
            lowering.error(Code::Guard, &at, message, help);
        }
        let wait_for = wait(lowering, (&at, action.wait_for.as_ref()), params.kind());
        let revert = revert(lowering, &at, (action, params.kind()));
        let Some(condition) = condition.map_or(Some(None), |condition| condition.map(Some)) else { continue };
        steps.push(Step { id, condition, on_error: action.on_error, approval, wait_for, revert, params });
    }
    steps
}

/// Longest time after which an action is taken back by itself: as long as the journal keeps what was done.
const REVERT_MAX: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Shortest: sooner the two could arrive in the wrong order.
const REVERT_MIN: SignedDuration = SignedDuration::from_mins(15);

/// Understands a `revertAfter`.
fn revert(
    lowering: &mut Lowering<'_>,
    at: &str,
    (action, kind): (&playbook::Action, ActionKind),
) -> Option<RevertRule> {
    let approval = action.revert_approval.as_ref().and_then(|written| {
        let at = format!("{at}/revertApproval");
        if action.revert_after.is_none() {
            let message = "nothing is taken back without `revertAfter`";
            lowering.error(Code::KeyCombination, &at, message, "add it, or leave this out");
        }
        approval::approval(lowering, &at, written)
    });
    let text = action.revert_after.as_ref()?;
    let at = format!("{at}/revertAfter");
    if !Undo::is_there_for(kind) {
        let message = format!("nothing takes `{kind}` back by itself");
        let kinds = ActionKind::ALL.iter().filter(|kind| Undo::is_there_for(**kind));
        let kinds = kinds.map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
        lowering.error(Code::Action, &at, message, &format!("it is for {kinds}"));
    }
    let after = lowering.duration(&at, text)?;
    if !(REVERT_MIN..=REVERT_MAX).contains(&after) {
        let message = "an action is taken back after a quarter of an hour to 90 days";
        lowering.error(Code::WrongValue, &at, message, "write `4h`, for instance");
    }
    Some(RevertRule { after, approval })
}

/// How long a device may take, when the playbook says nothing: most that are on-line take a few minutes.
const WAIT: SignedDuration = SignedDuration::from_mins(20);
/// Longest wait: what was decided is not right for ever, and the run's turn is taken as long.
const WAIT_MAX: SignedDuration = SignedDuration::from_mins(60);
/// Shortest wait: a device takes some time to hear of it.
const WAIT_MIN: SignedDuration = SignedDuration::from_mins(1);

/// Understands a `waitFor`.
fn wait(
    lowering: &mut Lowering<'_>,
    (at, written): (&str, Option<&WaitFor>),
    kind: ActionKind,
) -> Option<SignedDuration> {
    let WaitFor { status: WantedEnd::Succeeded, timeout } = written?;
    let at = format!("{at}/waitFor");
    if kind.spec().remote == Remote::AtOnce {
        let message = format!("`{kind}` is over with the tenant's answer: there is nothing to wait for");
        lowering.error(Code::Action, &at, message, "leave it out");
    }
    let Some(text) = timeout else { return Some(WAIT) };
    let length = lowering.duration(&format!("{at}/timeout"), text)?;
    if !(WAIT_MIN..=WAIT_MAX).contains(&length) {
        let message = "a device has between a minute and an hour";
        lowering.error(Code::WrongValue, &format!("{at}/timeout"), message, "write `20m`, for instance");
    }
    Some(length)
}

/// A text has problems; they are in the sink.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused;

/// Compiles the texts of one action.
pub(super) struct Texts<'l, 'd> {
    pub(super) lowering: &'l mut Lowering<'d>,
    pub(super) at: String,
}

impl Texts<'_, '_> {
    pub(super) fn text(&mut self, name: &str, source: &str) -> Option<Template> {
        self.lowering.template(&format!("{}/{name}", self.at), source, Text::Action)
    }

    /// A text that gives an id. What is written out must be one; what is filled in is known in a run only.
    pub(super) fn id<Id: FromStr<Err = IdError>>(&mut self, name: &str, source: &str) -> Option<Template> {
        let template = self.text(name, source)?;
        match source.trim().parse::<Id>() {
            Err(error) if !source.contains("{{") => {
                let help =
                    "write it out, or take it from what was found: `{{row.COLUMN}}`, `{{incident.id}}`";
                self.lowering.error(Code::Action, &format!("{}/{name}", self.at), error.to_string(), help);
                None
            }
            _ => self.can_be(name, &template).then_some(template),
        }
    }

    /// Whether a column that alone gives an id can hold one. Where only the rows can tell, it can.
    fn can_be(&mut self, name: &str, template: &Template) -> bool {
        let [reference] = template.references() else { return true };
        let source = template.source().trim();
        let [root, column] = reference.path.as_slice() else { return true };
        if root != "row" || !source.starts_with("{{") || source.find("}}") != Some(source.len() - 2) {
            return true;
        }
        let Some(ty) = self.lowering.types.get(column).copied() else { return true };
        let is_number = matches!(ty, "int" | "long");
        if matches!(ty, "string" | "guid" | "dynamic" | "unknown") || (is_number && name == "incident") {
            return true;
        }
        let message = format!("`{column}` is of type {ty} and cannot be the id of a {name}");
        let help =
            "take a column that holds ids, such as `DeviceId`, `AccountObjectId`, `AlertId`, `IncidentId`";
        self.lowering.error(Code::Action, &format!("{}/{name}", self.at), message, help);
        false
    }

    /// A text that may be left out.
    pub(super) fn optional(
        &mut self,
        name: &str,
        source: Option<&String>,
    ) -> Result<Option<Template>, Refused> {
        source.map(|source| self.text(name, source).ok_or(Refused)).transpose()
    }

    /// The value of an indicator. What is written out can be checked now; what is filled in is known in a run only.
    fn value(&mut self, kind: IndicatorKind, source: &str) -> Option<Template> {
        let value = self.text("indicatorValue", source);
        if !source.contains("{{")
            && let Err(error) = IndicatorValue::parse(self::kind(kind), source)
        {
            let help = if kind == IndicatorKind::IpAddress && source.contains('/') {
                "the service takes no networks: name each address"
            } else {
                "write one of the kind that `indicatorType` names"
            };
            self.lowering.error(
                Code::Action,
                &format!("{}/indicatorValue", self.at),
                error.to_string(),
                help,
            );
        }
        value
    }

    /// A response action on a device.
    fn on_device(&mut self, (device, comment): (&str, &str), what: DeviceAction) -> Option<Params> {
        let (device, comment) = (self.id::<DeviceId>("device", device), self.text("comment", comment));
        Some(Params::OnDevice(Box::new(DeviceParams { device: device?, what, comment: comment? })))
    }

    /// The same, if nothing but the device and the comment is to be said.
    fn simply(&mut self, body: &playbook::OnDevice, what: DeviceAction) -> Option<Params> {
        self.on_device((&body.device, &body.comment), what)
    }

    pub(super) fn all(&mut self, name: &str, sources: &[String]) -> Option<Vec<Template>> {
        let compiled: Vec<Option<Template>> = sources
            .iter()
            .enumerate()
            .map(|(index, source)| self.text(&format!("{name}/{index}"), source))
            .collect();
        compiled.into_iter().collect()
    }
}

fn params(lowering: &mut Lowering<'_>, at: &str, body: &ActionBody) -> Option<Params> {
    let mut texts = Texts { lowering, at: at.to_owned() };
    match body {
        ActionBody::IsolateDevice(body) => {
            let what = DeviceAction::Isolate(isolation(body.isolation_type));
            texts.on_device((&body.device, &body.comment), what)
        }
        ActionBody::ReleaseDevice(body) => texts.simply(body, DeviceAction::Release),
        ActionBody::RunAntivirusScan(body) => {
            texts.on_device((&body.device, &body.comment), DeviceAction::Scan(depth(body.scan_type)))
        }
        ActionBody::RestrictAppExecution(body) => texts.simply(body, DeviceAction::Restrict),
        ActionBody::RemoveAppRestriction(body) => texts.simply(body, DeviceAction::RemoveRestriction),
        ActionBody::CollectInvestigationPackage(body) => texts.simply(body, DeviceAction::Collect),
        ActionBody::InitiateInvestigation(body) => texts.simply(body, DeviceAction::Investigate),
        ActionBody::StopAndQuarantineFile(body) => {
            let sha1 = texts.id::<Sha1>("sha1", &body.sha1);
            texts.on_device((&body.device, &body.comment), DeviceAction::Quarantine(sha1?))
        }
        ActionBody::RunLiveResponse(body) => live_response(&mut texts, body),
        ActionBody::OffboardDevice(body) => texts.simply(body, DeviceAction::Offboard),
        ActionBody::SetDeviceValue(body) => {
            let device = texts.id::<DeviceId>("device", &body.device)?;
            Some(Params::SetDeviceValue { device, value: worth(body.value) })
        }
        ActionBody::TagDevice(body) => {
            let (device, tag) = (texts.id::<DeviceId>("device", &body.device), texts.text("tag", &body.tag));
            Some(Params::TagDevice { device: device?, tag: tag? })
        }
        ActionBody::UntagDevice(body) => {
            let (device, tag) = (texts.id::<DeviceId>("device", &body.device), texts.text("tag", &body.tag));
            Some(Params::UntagDevice { device: device?, tag: tag? })
        }
        ActionBody::AddIndicator(body) => {
            indicator(&mut texts, body).map(|params| Params::AddIndicator(Box::new(params)))
        }
        ActionBody::RemoveIndicator(body) => {
            let value = texts.value(body.indicator_type, &body.indicator_value)?;
            Some(Params::RemoveIndicator { kind: kind(body.indicator_type), value })
        }
        ActionBody::ReconcileIndicators(body) => set(&mut texts, body),
        ActionBody::DisableUser(_)
        | ActionBody::EnableUser(_)
        | ActionBody::RevokeSessions(_)
        | ActionBody::MarkUserAsCompromised(_)
        | ActionBody::DismissUserRisk(_)
        | ActionBody::ForceUserPasswordReset(_) => account::account(&mut texts, body),
        ActionBody::SoftDeleteEmail(_)
        | ActionBody::HardDeleteEmail(_)
        | ActionBody::MoveEmailToJunk(_)
        | ActionBody::MoveEmailToInbox(_)
        | ActionBody::MoveEmailToDeletedItems(_) => account::email(&mut texts, body),
        ActionBody::UpdateIncident(_)
        | ActionBody::CommentIncident(_)
        | ActionBody::MergeIncidents(_)
        | ActionBody::UpdateAlert(_)
        | ActionBody::UpdateAlerts(_)
        | ActionBody::CommentAlert(_)
        | ActionBody::CreateAlert(_) => case::case(&mut texts, body),
    }
}

fn live_response(texts: &mut Texts<'_, '_>, body: &playbook::RunLiveResponse) -> Option<Params> {
    let commands = body.put_files.len() + body.scripts.len() + body.get_files.len();
    if COMMANDS_MAX < commands {
        let message = format!("{commands} commands; a session has at most {COMMANDS_MAX}");
        texts.lowering.error(Code::Action, &texts.at.clone(), message, "make two actions of it");
    }
    let mut scripts = Vec::new();
    for (index, script) in body.scripts.iter().enumerate() {
        let args = texts.all(&format!("scripts/{index}/args"), &script.args)?;
        scripts.push(ScriptParams { name: script.name.clone(), args });
    }
    let get_files = texts.all("getFiles", &body.get_files)?;
    let params = LiveParams { put_files: body.put_files.clone(), scripts, get_files };
    texts.on_device((&body.device, &body.comment), DeviceAction::LiveResponse(params))
}

fn indicator(texts: &mut Texts<'_, '_>, body: &playbook::AddIndicator) -> Option<IndicatorParams> {
    if body.action == IndicatorEffect::Audit && !body.generate_alert {
        let at = format!("{}/action", texts.at);
        texts.lowering.error(Code::Action, &at, "`audit` needs an alert", "add `generateAlert: true`");
    }
    let file = matches!(
        body.indicator_type,
        IndicatorKind::FileSha1 | IndicatorKind::FileSha256 | IndicatorKind::FileMd5
    );
    if body.action == IndicatorEffect::BlockAndRemediate && !file {
        let at = format!("{}/action", texts.at);
        texts.lowering.error(Code::Action, &at, "`blockAndRemediate` is for files only", "use `block`");
    }
    if body.action == IndicatorEffect::Warn
        && (file || body.indicator_type == IndicatorKind::CertificateThumbprint)
    {
        let at = format!("{}/action", texts.at);
        let message = "`warn` is described for Defender for Cloud Apps only, and is not for every type";
        texts.lowering.warn(Code::Action, &at, message, "use `block`, or `audit` with an alert");
    }
    let value = texts.value(body.indicator_type, &body.indicator_value);
    let title = texts.text("title", &body.title);
    let description = texts.text("description", &body.description);
    let recommended_actions = texts.optional("recommendedActions", body.recommended_actions.as_ref());
    let at = format!("{}/expiresIn", texts.at);
    let expires_in = match &body.expires_in {
        Some(length) => Some(texts.lowering.duration(&at, length)?),
        None => None,
    };
    Some(IndicatorParams {
        value: value?,
        kind: kind(body.indicator_type),
        action: effect(body.action),
        title: title?,
        description: description?,
        severity: body.severity,
        expires_in,
        recommended_actions: recommended_actions.ok()?,
        rbac_group_names: body.rbac_group_names.clone(),
        generate_alert: body.generate_alert,
    })
}

/// A set is checked like an indicator with a value that fits.
fn set(texts: &mut Texts<'_, '_>, body: &playbook::ReconcileIndicators) -> Option<Params> {
    let (name, values) = set_values(texts, body)?;
    let each = playbook::AddIndicator {
        // Left aside: each has its own.
        indicator_value: "{{run.id}}".to_owned(),
        indicator_type: body.indicator_type,
        action: body.action,
        title: body.title.clone(),
        description: body.description.clone(),
        severity: body.severity,
        expires_in: body.expires_in.clone(),
        recommended_actions: None,
        rbac_group_names: Vec::new(),
        generate_alert: body.generate_alert,
    };
    let each = indicator(texts, &each)?;
    Some(Params::ReconcileIndicators(Box::new(SetParams {
        name,
        values,
        each,
        removed_max: body.max_removed.unwrap_or(REMOVED_MAX),
        removed_percent_max: body.max_removed_percent.unwrap_or(REMOVED_PERCENT_MAX),
        added_max: body.max_added.unwrap_or(ADDED_MAX),
    })))
}

/// What a set is called, and where its values are.
fn set_values(
    texts: &mut Texts<'_, '_>,
    body: &playbook::ReconcileIndicators,
) -> Option<(String, SetValues)> {
    let at = texts.at.clone();
    if let Some(list) = &body.list {
        if body.set.is_some() {
            let message = "the set is called as the list is";
            texts.lowering.error(Code::KeyCombination, &format!("{at}/set"), message, "leave `set` out");
        }
        let known = texts.lowering.list(&format!("{at}/list"), list);
        warn_of_entries(texts, (list, body.indicator_type));
        return known.then(|| (list.clone(), SetValues::OfList));
    }
    let column = body.column.as_ref()?;
    if texts.lowering.document.playbook.feed.is_none() {
        let help = "name a `list`, or make the input a `feed`";
        texts.lowering.error(Code::KeyCombination, &format!("{at}/column"), "there is no feed here", help);
        return None;
    }
    texts.lowering.column(&format!("{at}/column"), column);
    for (key, text) in [("title", &body.title), ("description", &body.description)] {
        if text.contains("{{row") {
            let message = "there is no `row` here: the whole feed is the item of the run";
            let help = "`{{feed.rows}}` says how many rows match";
            texts.lowering.error(Code::ForbiddenTemplate, &format!("{at}/{key}"), message, help);
        }
    }
    let Some(set) = &body.set else {
        let help = "give the set a name that stays: `set: c2Domains`";
        texts.lowering.error(Code::KeyCombination, &format!("{at}/column"), "`column` needs `set`", help);
        return None;
    };
    Some((set.clone(), SetValues::OfColumn(column.clone())))
}

/// Warns of a list with an entry that is no indicator: a set is written as a whole or not at all.
fn warn_of_entries(texts: &mut Texts<'_, '_>, (list, wanted): (&str, IndicatorKind)) {
    let Some(entries) = texts.lowering.world.lists.get(list) else { return };
    let wrong = entries.iter().filter_map(|entry| IndicatorValue::parse(kind(wanted), entry).err());
    let wrong: Vec<String> = wrong.map(|error| error.to_string()).collect();
    if let Some(first) = wrong.first() {
        let others = wrong.len() - 1;
        let more = if others == 0 { String::new() } else { format!(", nor are {others} more") };
        let message = format!("{first}{more}: the set would be left as it is");
        texts.lowering.warn(Code::List, &format!("{}/list", texts.at), message, "take them off the list");
    }
}

const fn isolation(kind: IsolationKind) -> IsolationType {
    match kind {
        IsolationKind::Full => IsolationType::Full,
        IsolationKind::Selective => IsolationType::Selective,
    }
}

const fn depth(kind: ScanKind) -> ScanType {
    match kind {
        ScanKind::Quick => ScanType::Quick,
        ScanKind::Full => ScanType::Full,
    }
}

const fn worth(worth: DeviceWorth) -> DeviceValue {
    match worth {
        DeviceWorth::Low => DeviceValue::Low,
        DeviceWorth::Normal => DeviceValue::Normal,
        DeviceWorth::High => DeviceValue::High,
    }
}

const fn kind(kind: IndicatorKind) -> IndicatorType {
    match kind {
        IndicatorKind::FileSha1 => IndicatorType::FileSha1,
        IndicatorKind::FileSha256 => IndicatorType::FileSha256,
        IndicatorKind::FileMd5 => IndicatorType::FileMd5,
        IndicatorKind::CertificateThumbprint => IndicatorType::CertificateThumbprint,
        IndicatorKind::IpAddress => IndicatorType::IpAddress,
        IndicatorKind::DomainName => IndicatorType::DomainName,
        IndicatorKind::Url => IndicatorType::Url,
    }
}

const fn effect(effect: IndicatorEffect) -> IndicatorAction {
    match effect {
        IndicatorEffect::Allowed => IndicatorAction::Allowed,
        IndicatorEffect::Audit => IndicatorAction::Audit,
        IndicatorEffect::Warn => IndicatorAction::Warn,
        IndicatorEffect::Block => IndicatorAction::Block,
        IndicatorEffect::BlockAndRemediate => IndicatorAction::BlockAndRemediate,
    }
}
