//! A playbook as written: its keys, their types, their places.
//!
//! [`parse`] accepts what has the right shape; what it means (times, expressions, templates, names of
//! lists and channels) is for `plan`. The same types make the JSON schema that editors complete from,
//! and that every file is checked against, so that all shape errors are found in one pass.

mod account;
mod action;
mod case;
mod device;
mod document;
mod email;
mod expect;
mod indicator;
mod input;
pub mod list;
mod parameter;
mod policy;
pub mod test;

pub use crate::model::{DurationText, InstantText};
pub use account::{
    DisableUser, DismissUserRisk, EnableUser, ForceUserPasswordReset, IdentityAccount, MarkUserAsCompromised,
    ProviderKind, RevokeSessions,
};
pub use action::{Action, ActionBody, OnError};
pub use case::{
    CommentAlert, CommentIncident, CreateAlert, CreatedSeverity, MergeIncidents, TagChange, UpdateAlert,
    UpdateAlerts, UpdateIncident,
};
pub use device::{
    CollectInvestigationPackage, DeviceWorth, InitiateInvestigation, IsolateDevice, IsolationKind,
    LiveScript, OffboardDevice, OnDevice, ReleaseDevice, RemoveAppRestriction, RestrictAppExecution,
    RunAntivirusScan, RunLiveResponse, ScanKind, SetDeviceValue, StopAndQuarantineFile, TagDevice,
    UntagDevice,
};
pub use document::{Mode, Playbook, Severity, Status, Tactic, TenantTags, Tenants};
pub use email::{
    HardDeleteEmail, MoveEmailToDeletedItems, MoveEmailToInbox, MoveEmailToJunk, RemediateEmail,
    SoftDeleteEmail,
};
pub use expect::{Amount, Expect, ExpectItem, ExpectMessage, ExpectRequest, ExpectStep, RunEnds};
pub use indicator::{AddIndicator, IndicatorEffect, IndicatorKind, ReconcileIndicators, RemoveIndicator};
pub use input::{
    AlertFilter, Alerts, ColumnType, EntityMapping, EntityType, Feed, FeedFormat, FieldMapping, Hunt,
    IncidentFilter, Incidents, TagFilter, TriggerOperator,
};
pub use parameter::{ParameterItem, ParameterValue, TypedParameter};
pub use policy::{
    Approval, Canary, CatchUp, Entries, Exclude, Group, Guards, MaxActions, MaxDisruptive, Notify, OnExceed,
    OnTimeout, Overlap, Schedule, Suppress, WaitFor, WantedEnd,
};

use std::sync::LazyLock;

use serde_json::Value;

use crate::diag::{Code, Diagnostic, Sink, SourceText, Span};
use crate::yaml::{self, Tree};

/// A playbook and where each of its parts stands in the file.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file, node by node.
    pub tree: Tree,
    /// What it says.
    pub playbook: Playbook,
}

/// Reads a playbook. Reports every problem of shape it finds; returns the document only if there was none.
pub fn parse(name: &str, bytes: &[u8], sink: &mut Sink) -> Option<Document> {
    static CHECKER: LazyLock<yaml::Checker> = LazyLock::new(|| yaml::Checker::new(schema()));
    let before = sink.errors();
    let tree = yaml::parse(name, bytes, sink)?;
    if is_settings(tree.value()) {
        // Of its lines none is shown: there may be secrets in them.
        let source = SourceText { name: name.to_owned(), text: String::new() };
        let span = Span { source: source.into(), range: 0..0 };
        let problem = Diagnostic::error(Code::UnknownKey, span, "these are settings and no playbook");
        sink.push(problem.help("name them with `--config`, and keep playbooks in a folder without them"));
        return None;
    }
    let playbook = CHECKER.decode(&tree, sink)?;
    (sink.errors() == before).then_some(Document { tree, playbook })
}

/// Whether a file has keys of settings at its top, and none that only a playbook has.
fn is_settings(file: &Value) -> bool {
    let has = |keys: &[&str]| keys.iter().any(|key| file.get(key).is_some());
    let tenants = file.get("tenants").and_then(Value::as_object);
    let has_tenants =
        tenants.is_some_and(|tenants| tenants.values().any(|tenant| tenant.get("tenantId").is_some()));
    let of_playbooks = ["id", "name", "hunt", "incidents", "alerts", "actions", "notify"];
    let of_settings = ["channels", "approvers", "store", "http", "playbooks", "lists"];
    !has(&of_playbooks) && (has_tenants || has(&of_settings))
}

/// The JSON schema of a playbook.
#[must_use]
pub fn schema() -> Value {
    let generator =
        schemars::generate::SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let schema = generator.into_generator().into_root_schema_for::<Playbook>();
    yaml::schema::tidy(schema.to_value(), "huntbook playbook")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUNT: &str = r#"# yaml-language-server: $schema=../schemas/playbook.schema.json
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: PsExec fan-out
status: test
mode: enforce
severity: High
tactics: [LateralMovement]
relevantTechniques: [T1021.002, T1570]
tenants: {tags: [production]}
expires: 2027-03-31T22:00:00Z
hunt:
  query: |
    DeviceFileEvents
    | take 5
  queryPeriod: 2h
  identity: [DeviceId]
  columns: {DeviceId: string, Files: long}
  entityMappings:
    - {entityType: Host, fieldMappings: [{identifier: DeviceId, columnName: DeviceId}]}
schedule: {cron: "15 */4 * * *", timezone: Europe/Stockholm, jitter: 3m, catchUp: latest, maxLateness: 45m, overlap: skip}
when: rows.len() <= 25
where: row.Files > 4
suppress: {by: [DeviceId], for: 24h}
guards:
  maxActions: {perRun: 3, perDay: 10}
  maxPercentOfDevices: 1
  onExceed: halt
  exclude: {deviceTags: [tier0], devices: crownJewels, users: [a, b]}
actions:
  - id: isolate
    if: row.Files > 10
    isolateDevice: {device: "{{row.DeviceId}}", isolationType: selective, comment: "{{row.Files}} files"}
    onError: continue
  - tagDevice: {device: "{{row.DeviceId}}", tag: seen}
notify:
  - {channel: soc-teams, if: outcome.acted > 0, group: run, title: "{{playbook.name}}"}
x-owner: {team: blue}
"#;

    #[test]
    fn the_whole_language_is_read() {
        let mut sink = Sink::new();
        let document = parse("p.yaml", HUNT.as_bytes(), &mut sink);
        assert_eq!(sink.as_slice(), []);
        let playbook = document.unwrap().playbook;
        assert_eq!(playbook.mode, Mode::Enforce);
        assert_eq!(playbook.actions.len(), 2);
        assert_eq!(playbook.actions[1].body.key(), "tagDevice");
        assert_eq!(playbook.guards.exclude.devices, Some(Entries::List("crownJewels".to_owned())));
        assert_eq!(playbook.hunt.unwrap().columns.get_index(1).unwrap().1, &ColumnType::Long);
    }

    #[test]
    fn whatever_the_schema_accepts_can_be_read() {
        let good = yaml::parse("p.yaml", HUNT.as_bytes(), &mut Sink::new()).unwrap();
        let input = (
            "incidents",
            serde_json::json!({"filter": {"status": ["active"], "updatedWithin": "1h", "tags": {"any": ["a"]}}}),
        );
        let mut other = good.value().clone();
        other.as_object_mut().unwrap().remove("hunt");
        other[input.0] = input.1;
        for (good, below) in [(good.value(), ""), (&other, "/incidents")] {
            yaml::odd::for_each_oddity(good, below, |text| {
                let mut sink = Sink::new();
                let document = parse("p.yaml", text.as_bytes(), &mut sink);
                let unread =
                    sink.as_slice().iter().find(|problem| problem.message.contains("cannot be read"));
                assert_eq!(unread, None, "{text}");
                assert_eq!(document.is_some(), sink.errors() == 0, "{text}");
            });
        }
    }
}
