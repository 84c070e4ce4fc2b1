//! Tests of a playbook whose items are alerts.

use std::fs;

use crate::{ends, huntbook, project};

const PLAYBOOK: &str = r#"schema: 1
id: 5b1d9c60-7d0e-4b53-9d5e-6f0a3c1b8e90
name: Known tool
severity: Medium
mode: enforce
alerts:
  filter: {status: [new], severity: [medium, high], serviceSource: [microsoftDefenderForEndpoint], category: [execution]}
when: alerts.len() < 10
where: alert.devices.any(|device| device.deviceDnsName == "wks-1.contoso.example")
suppress: {by: [title, incidentId], for: 1h}
actions:
  - id: close
    if: alert.title.starts_with("Known")
    updateAlert:
      alert: "{{alert.id}}"
      status: resolved
      classification: informationalExpectedActivity
      determination: lineOfBusinessApplication
      comment: "{{alert.title}} on {{#each alert.devices}}{{deviceDnsName}}{{/each}}"
tests:
  - name: an alert is closed once
    given:
      incidents: fixtures/incidents.json
      alerts: fixtures/alerts.json
    steps:
      - at: 0h
        expect:
          acted: [{id: close, alert: da1_1}, {id: close, alert: da1_1}]
          requests:
            - {method: GET, path: /security/alerts_v2, count: 1}
            - {method: PATCH, path: /security/alerts_v2/da1_1, count: 1}
            - {method: POST, path: /security/alerts_v2/da1_1/comments, count: 1}
      - {at: 10m, expect: {acted: 0}}
"#;

const ALERTS: &str = r##"[
{"id": "da1_1", "incidentId": "1", "title": "Known tool", "severity": "high", "category": "Execution",
 "serviceSource": "microsoftDefenderForEndpoint", "createdDateTime": "-1h", "lastUpdateDateTime": "-50m",
 "evidence": [{"@odata.type": "#microsoft.graph.security.deviceEvidence", "deviceDnsName": "wks-1.contoso.example"}]},
{"id": "da1_2", "incidentId": "1", "title": "Known tool elsewhere", "severity": "high", "category": "Execution",
 "serviceSource": "microsoftDefenderForEndpoint", "createdDateTime": "-1h", "lastUpdateDateTime": "-50m",
 "evidence": [{"@odata.type": "#microsoft.graph.security.deviceEvidence", "deviceDnsName": "wks-2.contoso.example"}]},
{"id": "da1_3", "incidentId": "1", "title": "Known of another kind", "severity": "high", "category": "Impact",
 "serviceSource": "microsoftDefenderForEndpoint", "createdDateTime": "-1h", "lastUpdateDateTime": "-50m",
 "evidence": [{"@odata.type": "#microsoft.graph.security.deviceEvidence", "deviceDnsName": "wks-1.contoso.example"}]},
{"id": "da1_4", "incidentId": "1", "title": "Known to another product", "severity": "high", "category": "Execution",
 "serviceSource": "microsoftDefenderForIdentity", "createdDateTime": "-1h", "lastUpdateDateTime": "-50m",
 "evidence": []}
]"##;

#[test]
fn alerts_are_items_of_their_own() {
    let dir = project("");
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    put("playbooks/known.yaml", PLAYBOOK);
    put("playbooks/fixtures/incidents.json", r#"[{"id": "1", "displayName": "Known tool"}]"#);
    put("playbooks/fixtures/alerts.json", ALERTS);
    let out = ends(&huntbook(dir.path(), &["test", "playbooks/known.yaml"]), 0);
    assert!(out.contains("1 passed"), "{out}");

    let misspelt = PLAYBOOK.replace("alert.title.starts_with", "alert.titel.starts_with");
    put("playbooks/known.yaml", &misspelt.replace("by: [title, ", "by: [tags, "));
    let out = ends(&huntbook(dir.path(), &["validate", "playbooks/known.yaml"]), 78);
    assert!(out.contains("`title`") && out.contains("an alert has no `tags`"), "{out}");
}
