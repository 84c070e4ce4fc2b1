//! One working playbook for each action, as `huntbook actions NAME` shows it.

use crate::tenant::ActionKind;

/// Devices on which a tool of attackers ran.
const ATTACKED: &str = r#"hunt:
  query: |
    DeviceProcessEvents
    | where FileName =~ "mimikatz.exe"
    | project Timestamp, DeviceId, DeviceName, ReportId, FolderPath, SHA1, SHA256
  queryPeriod: 1h
  identity: [DeviceId]
"#;

/// Devices that people have marked as clean.
const CLEANED: &str = r#"hunt:
  query: |
    DeviceInfo
    | where DeviceManualTags has "cleaned"
    | summarize arg_max(Timestamp, DeviceName) by DeviceId
  queryPeriod: 1d
  identity: [DeviceId]
"#;

/// People whose sign-ins are risky.
const RISKY: &str = r"hunt:
  query: |
    EntraIdSignInEvents
    | where RiskLevelAggregated == 100 and ErrorCode == 0
    | summarize arg_max(Timestamp, AccountUpn) by AccountObjectId
  queryPeriod: 1h
  identity: [AccountObjectId]
";

/// People whose accounts were looked at.
const REVIEWED: &str = r#"hunt:
  query: |
    IdentityInfo
    | where Tags has "reviewed"
    | summarize arg_max(Timestamp, AccountUpn) by AccountObjectId
  queryPeriod: 1d
  identity: [AccountObjectId]
"#;

/// Accounts of a domain whose passwords are known to others.
const LEAKED: &str = r#"hunt:
  query: |
    IdentityAccountInfo
    | where SourceProvider == "ActiveDirectory" and Tags has "password leaked"
    | summarize arg_max(Timestamp, AccountUpn) by IdentityId, AccountId
  queryPeriod: 1d
  identity: [AccountId]
"#;

/// Phishing that was delivered.
const PHISHING: &str = r#"hunt:
  query: |
    EmailEvents
    | where ThreatTypes has "Phish" and LatestDeliveryLocation == "Inbox/folder"
    | project Timestamp, NetworkMessageId, RecipientEmailAddress, Subject
  queryPeriod: 1d
  identity: [NetworkMessageId, RecipientEmailAddress]
"#;

/// Mails of a partner that were taken for junk.
const MISJUDGED: &str = r#"hunt:
  query: |
    EmailEvents
    | where SenderFromDomain == "partner.example" and LatestDeliveryLocation == "Junk folder"
    | project Timestamp, NetworkMessageId, RecipientEmailAddress, Subject
  queryPeriod: 1d
  identity: [NetworkMessageId, RecipientEmailAddress]
"#;

/// Alerts of the same title.
const ALIKE: &str = r"hunt:
  query: |
    AlertInfo
    | summarize AlertIds = make_set(AlertId, 100) by Title
    | where array_length(AlertIds) > 1
  queryPeriod: 1d
  identity: [Title]
";

/// Incidents nobody has looked at.
const INCIDENTS: &str = "incidents:\n  filter: {status: [active], severity: [high]}\n";

/// Alerts nobody has looked at.
const ALERTS: &str = "alerts:\n  filter: {status: [new], severity: [high]}\n";

impl ActionKind {
    /// A playbook that uses it, ready for a file.
    #[must_use]
    pub fn example(self) -> String {
        let (input, action) = self.parts();
        let number = 1 + Self::ALL.iter().take_while(|kind| **kind != self).count();
        let (author, approval) = if self.needs_approval() {
            (
                "author: soc   # an approver's name, if one wrote it: nobody approves their own\n",
                "    approval: {channel: soc-approvals}   # the settings name the channel, and the approvers\n",
            )
        } else {
            ("", "")
        };
        let action = action.lines().fold(String::new(), |text, line| format!("{text}      {line}\n"));
        format!(
            "# yaml-language-server: $schema=../schemas/playbook.schema.json\nschema: 1\n\
             id: 00000000-0000-4000-8000-{number:012}\nname: Example of {self}\n{author}severity: Medium\n\
             mode: observe   # `enforce`, when it has shown what it would do\n{input}actions:\n  - id: example\n\
             {approval}    {self}:\n{action}"
        )
    }

    /// Where its items come from, and its parameters.
    const fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::IsolateDevice => (ATTACKED, ISOLATE),
            Self::RunAntivirusScan
            | Self::RestrictAppExecution
            | Self::CollectInvestigationPackage
            | Self::InitiateInvestigation
            | Self::OffboardDevice => (ATTACKED, ON_DEVICE),
            Self::StopAndQuarantineFile => (ATTACKED, QUARANTINE),
            Self::RunLiveResponse => (ATTACKED, LIVE_RESPONSE),
            Self::TagDevice => (ATTACKED, TAG),
            Self::AddIndicator => (ATTACKED, ADD),
            Self::CreateAlert => (ATTACKED, CREATE_ALERT),
            Self::ReleaseDevice | Self::RemoveAppRestriction => (CLEANED, ON_DEVICE),
            Self::UntagDevice => (CLEANED, TAG),
            Self::SetDeviceValue => (CLEANED, VALUE),
            Self::RemoveIndicator => (ATTACKED, REMOVE),
            Self::ReconcileIndicators => (INCIDENTS, RECONCILE),
            Self::DisableUser | Self::RevokeSessions | Self::MarkUserAsCompromised => (RISKY, ON_USER),
            Self::EnableUser | Self::DismissUserRisk => (REVIEWED, ON_USER),
            Self::ForceUserPasswordReset => (LEAKED, RESET),
            Self::SoftDeleteEmail
            | Self::HardDeleteEmail
            | Self::MoveEmailToJunk
            | Self::MoveEmailToDeletedItems => (PHISHING, ON_MAIL),
            Self::MoveEmailToInbox => (MISJUDGED, ON_MAIL),
            Self::UpdateIncident => (INCIDENTS, UPDATE_INCIDENT),
            Self::CommentIncident => (INCIDENTS, COMMENT_INCIDENT),
            Self::MergeIncidents => (INCIDENTS, MERGE),
            Self::UpdateAlert => (ALERTS, UPDATE_ALERT),
            Self::CommentAlert => (ALERTS, COMMENT_ALERT),
            Self::UpdateAlerts => (ALIKE, UPDATE_ALERTS),
        }
    }
}

const ON_DEVICE: &str = r#"device: "{{row.DeviceId}}"
comment: "{{row.DeviceName}}: {{playbook.name}}, run {{run.id}}""#;

const ISOLATE: &str = r#"device: "{{row.DeviceId}}"
isolationType: full
comment: "{{row.FolderPath}} ran on {{row.DeviceName}}: {{playbook.name}}, run {{run.id}}""#;

const QUARANTINE: &str = r#"device: "{{row.DeviceId}}"
sha1: "{{row.SHA1}}"
comment: "{{playbook.name}}, run {{run.id}}""#;

const LIVE_RESPONSE: &str = r#"device: "{{row.DeviceId}}"
scripts:
  - {name: collect.ps1, args: ["-Path", "{{row.FolderPath}}"]}
getFiles: ['C:\Windows\Temp\collected.zip']
comment: "{{playbook.name}}, run {{run.id}}""#;

const ADD: &str = r#"indicatorType: fileSha256
indicatorValue: "{{row.SHA256}}"
action: blockAndRemediate
title: "{{playbook.name}}"
description: "Ran on {{row.DeviceName}}: {{playbook.name}}, run {{run.id}}"
severity: high
generateAlert: true
expiresIn: 30d"#;

const RECONCILE: &str = r#"list: badDomains   # a list of the lists folder: one domain a line
indicatorType: domainName
action: block
title: "{{playbook.name}}"
description: "{{playbook.name}}, run {{run.id}}"
expiresIn: 30d
maxRemoved: 20"#;

const ON_USER: &str = r#"user: "{{row.AccountObjectId}}""#;

const RESET: &str = r#"user: "{{row.AccountUpn}}"
identityAccount:
  id: "{{row.IdentityId}}"
  accountId: "{{row.AccountId}}"
  identityProvider: activeDirectory"#;

const ON_MAIL: &str = r#"networkMessageId: "{{row.NetworkMessageId}}"
recipient: "{{row.RecipientEmailAddress}}"
comment: "{{playbook.name}}, run {{run.id}}""#;

const UPDATE_INCIDENT: &str = r#"incident: "{{incident.id}}"
status: inProgress
assignedTo: soc-tier1@contoso.example
tags: {add: [triaged]}
comment: "{{playbook.name}}, run {{run.id}}""#;

const MERGE: &str = r#"incidents: ["{{incident.id}}", "4102"]
comment: "{{playbook.name}}, run {{run.id}}"
reasons: [sameActor]"#;

const UPDATE_ALERTS: &str = r#"alerts: ["{{row.AlertIds}}"]
status: inProgress
comment: "{{row.Title}}: {{playbook.name}}, run {{run.id}}""#;

const CREATE_ALERT: &str = r#"device: "{{row.DeviceId}}"
eventTime: "{{row.Timestamp}}"
reportId: "{{row.ReportId}}"
severity: high
title: "{{playbook.name}}"
description: "{{row.FolderPath}} ran on {{row.DeviceName}}"
recommendedAction: "Ask the owner of {{row.DeviceName}}"
category: CredentialAccess"#;

const TAG: &str = r#"device: "{{row.DeviceId}}"
tag: under-investigation"#;

const VALUE: &str = r#"device: "{{row.DeviceId}}"
value: normal"#;

const REMOVE: &str = r#"indicatorType: fileSha256
indicatorValue: "{{row.SHA256}}""#;

const COMMENT_INCIDENT: &str = r#"incident: "{{incident.id}}"
comment: "{{playbook.name}}, run {{run.id}}""#;

const UPDATE_ALERT: &str = r#"alert: "{{alert.id}}"
status: inProgress
assignedTo: soc-tier1@contoso.example"#;

const COMMENT_ALERT: &str = r#"alert: "{{alert.id}}"
comment: "{{playbook.name}}, run {{run.id}}""#;
