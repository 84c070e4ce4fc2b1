//! What chats are told of an item.
//!
//! A row can hold a password on a command line, a token in an address, the subject of somebody's mail. A chat has many
//! readers and forgets nothing, so it is told the columns that are harmless wherever they come from, what cannot hold a
//! text, and what the settings of the channel add by name.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::Input;
use super::names::{ITEM, Lowering, part};
use crate::diag::{Code, Problem};
use crate::text::{Reference, Template, Use};

/// Stands for every column in a channel's `columns`.
pub const EVERY_COLUMN: &str = "*";

/// Columns of the service's tables that chats are told: ids, names of devices, users, files and applications,
/// addresses of devices, hashes, severities, titles, the words of ATT&CK, and what the service itself chose among a few
/// words. In the order of their letters.
const HARMLESS: [&str; 131] = [
    "AadDeviceId",
    "AccountDisplayName",
    "AccountDomain",
    "AccountEmail",
    "AccountId",
    "AccountName",
    "AccountObjectId",
    "AccountSid",
    "AccountStatus",
    "AccountType",
    "AccountUpn",
    "ActionType",
    "ActivityType",
    "AlertId",
    "AppName",
    "AppVersion",
    "Application",
    "ApplicationId",
    "AttackTechniques",
    "BehaviorId",
    "Category",
    "City",
    "ClientAppUsed",
    "CloudPlatform",
    "ConfidenceLevel",
    "CorrelationId",
    "Country",
    "CountryCode",
    "CveId",
    "DeliveryAction",
    "DeliveryLocation",
    "Department",
    "DestinationDeviceName",
    "DestinationIPAddress",
    "DetectionMethods",
    "DetectionSource",
    "DeviceCategory",
    "DeviceId",
    "DeviceName",
    "DeviceSubtype",
    "DeviceType",
    "DistinguishedName",
    "DomainName",
    "EmailDirection",
    "EntityRole",
    "EntityType",
    "EntraIdDeviceId",
    "EvidenceRole",
    "ExposureLevel",
    "FileName",
    "FileOriginIP",
    "FileType",
    "GroupName",
    "HostName",
    "IPAddress",
    "ISP",
    "IncidentId",
    "InitiatingProcessAccountDomain",
    "InitiatingProcessAccountName",
    "InitiatingProcessAccountObjectId",
    "InitiatingProcessAccountSid",
    "InitiatingProcessAccountUpn",
    "InitiatingProcessFileName",
    "InitiatingProcessIntegrityLevel",
    "InitiatingProcessMD5",
    "InitiatingProcessParentFileName",
    "InitiatingProcessSHA1",
    "InitiatingProcessSHA256",
    "InternetMessageId",
    "IpAddress",
    "Isp",
    "JobTitle",
    "LatestDeliveryAction",
    "LatestDeliveryLocation",
    "LocalIP",
    "Location",
    "LogonType",
    "MD5",
    "MacAddress",
    "MachineGroup",
    "NetworkMessageId",
    "OAuthAppId",
    "OSPlatform",
    "OSVersion",
    "ObjectId",
    "OnboardingStatus",
    "Operation",
    "OperationName",
    "PreviousFileName",
    "ProcessIntegrityLevel",
    "ProcessVersionInfoOriginalFileName",
    "Protocol",
    "PublicIP",
    "RecipientEmailAddress",
    "RecipientObjectId",
    "RemoteDeviceName",
    "RemoteIP",
    "RemoteIPType",
    "ReportId",
    "RequestId",
    "ResourceId",
    "RiskLevel",
    "RiskStatus",
    "SHA1",
    "SHA256",
    "SenderDisplayName",
    "SenderFromAddress",
    "SenderFromDomain",
    "SenderIPv4",
    "SenderIPv6",
    "SenderMailFromAddress",
    "SenderMailFromDomain",
    "SensorHealthState",
    "ServicePrincipalId",
    "ServicePrincipalName",
    "ServiceSource",
    "Severity",
    "SoftwareName",
    "SoftwareVendor",
    "SoftwareVersion",
    "TargetAccountDisplayName",
    "TargetAccountUpn",
    "TargetDeviceName",
    "TenantId",
    "ThreatFamily",
    "ThreatNames",
    "ThreatTypes",
    "Timestamp",
    "Title",
    "UrlDomain",
    "UserPrincipalName",
];

/// Types of columns that hold no text: counts, times, truth values, ids.
const WITHOUT_TEXT: [&str; 9] =
    ["bool", "datetime", "decimal", "double", "guid", "int", "long", "real", "timespan"];

/// Fields of incidents and alerts that chats are told, with all that is in them. Comments, descriptions and evidence
/// are not among them: they quote command lines.
const HARMLESS_FIELDS: [&str; 22] = [
    "alertWebUrl",
    "assignedTo",
    "category",
    "classification",
    "createdDateTime",
    "customTags",
    "detectionSource",
    "determination",
    "devices",
    "displayName",
    "id",
    "incidentId",
    "incidentWebUrl",
    "lastUpdateDateTime",
    "mitreTechniques",
    "redirectIncidentId",
    "serviceSource",
    "severity",
    "status",
    "systemTags",
    "title",
    "users",
];

/// Columns by which a run calls a row, best first; then it is one of its identity. None that can hold anything.
const CALLED_BY: [&str; 11] = [
    "DeviceName",
    "AccountUpn",
    "UserPrincipalName",
    "AccountDisplayName",
    "RecipientEmailAddress",
    "AccountName",
    "SenderFromAddress",
    "SHA256",
    "SHA1",
    "AccountObjectId",
    "DeviceId",
];

impl Input {
    /// The columns by which a run calls its rows, best first. One of the identity that can hold anything is among them
    /// only where no harmless one can stand for it.
    #[must_use]
    pub fn called_by(&self) -> Vec<&str> {
        match self {
            Self::Hunt(input) => called_by(&input.hunt.identity, &input.hunt.named),
            Self::Feed(input) => called_by(&input.identity, &BTreeSet::new()),
            Self::Incidents(_) | Self::Alerts(_) | Self::Given => Vec::new(),
        }
    }
}

fn called_by<'a>(identity: &'a [String], read: &BTreeSet<String>) -> Vec<&'a str> {
    let is_known = |name: &str| HARMLESS.binary_search(&name).is_ok();
    let has_name = CALLED_BY.iter().any(|name| read.contains(*name));
    let has_name = has_name || identity.iter().any(|name| is_known(name));
    let of_identity = identity.iter().map(String::as_str);
    CALLED_BY.into_iter().chain(of_identity.filter(|name| !has_name || is_known(name))).collect()
}

/// What a chat may be told beyond what all are, if the channel is a chat and what is read is new.
fn allowed<'a>(lowering: &Lowering<'a>, channel: &str) -> Option<&'a BTreeSet<String>> {
    let allowed = lowering.world.chats.get(channel)?;
    (!lowering.world.is_trusting() && !allowed.contains(EVERY_COLUMN)).then_some(allowed)
}

/// Reports what a title or text tells a chat and should not.
pub(super) fn check(lowering: &mut Lowering<'_>, channel: &str, pointer: &str, template: &Template) {
    let Some(allowed) = allowed(lowering, channel) else { return };
    let subject = lowering.item_name();
    let told = |reference: &Reference| {
        let untold = untold(lowering, subject, reference).break_value()?;
        let name = untold.unwrap_or_else(|| EVERY_COLUMN.to_owned());
        (!covers(allowed, &name)).then(|| problem((template.source(), reference), channel, subject, &name))
    };
    let problems = template.references().iter().filter_map(told).collect();
    lowering.problems(pointer, problems);
}

/// Whether a name or what it is part of is among those allowed.
fn covers(allowed: &BTreeSet<String>, name: &str) -> bool {
    let ends = name.match_indices('.').map(|(at, _dot)| at).chain([name.len()]);
    ends.filter_map(|end| name.get(..end)).any(|part| allowed.contains(part))
}

/// What a chat is not told of what a text reads: a column or field by its name, or the whole without one.
fn untold(lowering: &Lowering<'_>, subject: &str, reference: &Reference) -> ControlFlow<Option<String>> {
    if reference.used == Use::Asked {
        return ControlFlow::Continue(());
    }
    let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
    let is_opened = reference.used == Use::Opened;
    let rest = match path.as_slice() {
        ["items", _, name, rest @ ..] | ["item", name, rest @ ..] if *name == subject => rest,
        [name, rest @ ..] if *name == subject => rest,
        ["playbook" | "run" | "outcome", ..] => return ControlFlow::Continue(()),
        ["items", _, name, ..] | ["item", name, ..] if ITEM.contains(name) => {
            return ControlFlow::Continue(());
        }
        // What is opened is told by what stands inside.
        _ if is_opened => return ControlFlow::Continue(()),
        _ => return ControlFlow::Break(None),
    };
    let steps: Vec<&str> =
        rest.iter().copied().filter(|step| *step != "[]" && step.parse::<usize>().is_err()).collect();
    match (steps.as_slice(), subject) {
        (_, "feed") => ControlFlow::Continue(()),
        ([], _) if is_opened => ControlFlow::Continue(()),
        ([], _) => ControlFlow::Break(None),
        ([column, ..], "row") if is_harmless(lowering, column) => ControlFlow::Continue(()),
        ([column, ..], "row") => ControlFlow::Break(Some((*column).to_owned())),
        (fields, _) => field(fields, reference.used),
    }
}

/// Whether every chat is told a column.
fn is_harmless(lowering: &Lowering<'_>, column: &str) -> bool {
    let holds_no_text = lowering.types.get(column).is_some_and(|ty| WITHOUT_TEXT.contains(ty));
    holds_no_text || HARMLESS.binary_search(&column).is_ok()
}

/// The same of a field of an incident or alert.
fn field(fields: &[&str], used: Use) -> ControlFlow<Option<String>> {
    let inner = match fields {
        ["alerts"] if used == Use::Opened => return ControlFlow::Continue(()),
        ["alerts", inner, ..] | [inner, ..] => inner,
        [] => return ControlFlow::Break(None),
    };
    if HARMLESS_FIELDS.contains(inner) {
        return ControlFlow::Continue(());
    }
    ControlFlow::Break(Some(fields.join(".")))
}

fn problem((source, reference): (&str, &Reference), channel: &str, subject: &str, name: &str) -> Problem {
    let (range, what) = if name == EVERY_COLUMN {
        (reference.range.clone(), format!("a whole {subject}"))
    } else {
        let last = name.rsplit('.').next().unwrap_or(name);
        (part(source, reference, last), format!("`{name}`"))
    };
    let message = format!("`{channel}` is a chat, and chats are not told {what}");
    Problem::new(Code::ChatColumn, range, message)
        .help("leave it out, or say it to a channel with fewer readers: mail, a webhook of your own")
        .help(allowing(channel, name))
}

/// How the settings allow it.
fn allowing(channel: &str, name: &str) -> String {
    format!(
        "to allow it: `columns: [\"{name}\"]` beside the `url` of the channel `{channel}` in the settings"
    )
}

/// Reports what rows can be called by and a chat should not be told: every message can hold it, those that ask for leave
/// and those about huntbook itself too.
pub(super) fn check_key(lowering: &mut Lowering<'_>, input: &Input) {
    let place = if matches!(input, Input::Feed(_)) { "feed" } else { "hunt" };
    let playbook = &lowering.document.playbook;
    let written = match (&playbook.hunt, &playbook.feed) {
        (Some(hunt), _) => hunt.identity.as_slice(),
        (None, Some(feed)) => feed.identity.as_slice(),
        (None, None) => return,
    };
    for column in input.called_by() {
        if is_harmless(lowering, column) {
            continue;
        }
        // A feed without an identity is called by all its columns.
        let index = written.iter().position(|name| name == column);
        let columns = || format!("/{place}/columns/{column}");
        let at = index.map_or_else(columns, |index| format!("/{place}/identity/{index}"));
        for channel in hearers(lowering) {
            let Some(allowed) = allowed(lowering, &channel) else { continue };
            if !allowed.contains(column) {
                let message = format!(
                    "rows are called by their `{column}`, which chats are not told, and `{channel}` is a chat"
                );
                let help = format!(
                    "put a `DeviceName`, `AccountUpn` or `DeviceId` into the identity; {}",
                    allowing(&channel, column)
                );
                lowering.error(Code::ChatColumn, &at, message, &help);
            }
        }
    }
}

/// The channels that can hear what an item is called.
fn hearers(lowering: &Lowering<'_>) -> BTreeSet<String> {
    let (playbook, world) = (&lowering.document.playbook, lowering.world);
    let told = playbook.notify.iter().map(|notify| &notify.channel);
    let steps = playbook.actions.iter().flat_map(|action| [&action.approval, &action.revert_approval]);
    let asked = steps.chain([&playbook.guards.approval]).flatten().map(|approval| &approval.channel);
    let of_settings =
        world.approvers.asked().map(|approval| &approval.channel).into_iter().chain(&world.alerts);
    told.chain(asked).chain(of_settings).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_harmless_is_found() {
        assert!(HARMLESS.is_sorted() && HARMLESS_FIELDS.is_sorted() && WITHOUT_TEXT.is_sorted());
        for column in ["ProcessCommandLine", "RemoteUrl", "Subject", "AdditionalFields", "RegistryValueData"]
        {
            assert!(!HARMLESS.contains(&column), "{column}");
        }
    }

    #[test]
    fn a_row_is_called_by_what_can_hold_anything_only_where_nothing_else_can() {
        let check = |identity: &[&str], read: &[&str], expect: &[&str]| {
            let identity: Vec<String> = identity.iter().map(ToString::to_string).collect();
            let read = read.iter().map(ToString::to_string).collect();
            let found = called_by(&identity, &read);
            assert!(found.starts_with(&CALLED_BY), "{found:?}");
            assert_eq!(found[CALLED_BY.len()..], *expect, "{identity:?} {read:?}");
        };
        check(&[], &[], &[]);
        check(&["ProcessCommandLine", "RemoteUrl"], &["Timestamp"], &["ProcessCommandLine", "RemoteUrl"]);
        check(&["ProcessCommandLine"], &["DeviceName"], &[]);
        check(&["ProcessCommandLine", "FileName"], &[], &["FileName"]);
        assert!(CALLED_BY.iter().all(|name| HARMLESS.contains(name)));
    }

    #[test]
    fn a_name_covers_what_is_in_it() {
        let allowed = BTreeSet::from(["alerts.evidence".to_owned()]);
        assert!(covers(&allowed, "alerts.evidence") && covers(&allowed, "alerts.evidence.commandLine"));
        assert!(!covers(&allowed, "alerts") && !covers(&allowed, "alerts.evidences"));
    }
}
