//! The page of every action: complete, and its playbook loads, and does on the simulated tenant what the page says.

use std::fs;

use serde_json::Value;

use crate::{ends, huntbook};

const SETTINGS: &str = "\
tenants:
  contoso:
    tenantId: 9d4f1c2a-0000-4b7e-8a55-1c2d3e4f5a6b
    auth: {clientSecret: {clientId: 7a1f0c52-8e10-4be3-9a55-0d5c2f6b8e10, secret: {env: EXAMPLE_SECRET}}}
channels:
  soc-approvals: {webhook: {url: 'https://hooks.contoso.example/a'}}
approvers: {soc-lead: {account: alice}}
playbooks: playbooks
lists: playbooks/lists
store: {path: huntbook.db}
";

/// What every example finds something in.
const GIVEN: &str = "given:
  tables:
    DeviceProcessEvents:
      - {Timestamp: -5m, DeviceId: 1a5c0e7b94d2f3861a5c0e7b94d2f3861a5c0e7b, DeviceName: wks-014, ReportId: 20776, FileName: mimikatz.exe, FolderPath: 'C:/Users/mimikatz.exe', SHA1: 2dd0b2c5a1e0f6b7c8d9e0f1a2b3c4d5e6f70812, SHA256: 2dd0b2c5a1e0f6b7c8d9e0f1a2b3c4d5e6f708122dd0b2c5a1e0f6b7c8d9e0f1}
    DeviceInfo:
      - {Timestamp: -5m, DeviceId: 1a5c0e7b94d2f3861a5c0e7b94d2f3861a5c0e7b, DeviceName: wks-014, DeviceManualTags: '[\"cleaned\"]'}
    EntraIdSignInEvents:
      - {Timestamp: -5m, AccountObjectId: 0f3a6c1e-1111-4d2b-9a40-6f1c0de10001, AccountUpn: maja.berg@contoso.example, RiskLevelAggregated: 100, ErrorCode: 0}
    IdentityInfo:
      - {Timestamp: -5m, AccountObjectId: 0f3a6c1e-4444-4d2b-9a40-6f1c0de10004, AccountUpn: old.hand@contoso.example, Tags: [reviewed]}
    IdentityAccountInfo:
      - {Timestamp: -5m, IdentityId: 6d0f1c52-0000-4be3-8d0f-9a550d5c2f01, AccountId: 256db173-930a-4991-9061-0d51a9a93ba5, AccountUpn: jon.holm@contoso.example, SourceProvider: ActiveDirectory, Tags: [password leaked]}
    EmailEvents:
      - {Timestamp: -5m, NetworkMessageId: 73ca4154-58d8-43d0-a890-08dc18c52e6d, RecipientEmailAddress: maja.berg@contoso.example, Subject: x, ThreatTypes: Phish, LatestDeliveryLocation: Inbox/folder, SenderFromDomain: phish.example}
      - {Timestamp: -5m, NetworkMessageId: 84ca4154-58d8-43d0-a890-08dc18c52e6d, RecipientEmailAddress: maja.berg@contoso.example, Subject: y, LatestDeliveryLocation: Junk folder, SenderFromDomain: partner.example}
    AlertInfo:
      - {Timestamp: -5m, AlertId: da4101a001_1, Title: Known}
      - {Timestamp: -5m, AlertId: da4101a002_1, Title: Known}
  machines: fixtures/machines.json
  users: fixtures/users.json
  incidents: fixtures/incidents.json
  alerts: fixtures/alerts.json
";

const APPROVED: &str = "  approvals: {example: {decision: approve, by: soc-lead}}\n";

/// The page of an action.
fn page(dir: &std::path::Path, name: &str) -> Value {
    let out = ends(&huntbook(dir, &["actions", name, "--format", "json"]), 0);
    serde_json::from_str(&out).unwrap()
}

/// The request that the page names, as a test expects it.
fn request(page: &Value) -> String {
    let endpoint = page["endpoint"].as_str().unwrap();
    let (method, path) = endpoint.split(',').next().unwrap().split_once(' ').unwrap();
    let path = path.replace("{id}", "*");
    // There is no indicator to be removed: it is looked for.
    let (method, path) =
        if method == "DELETE" { ("GET", "/api/indicators") } else { (method, path.as_str()) };
    format!("{{method: {method}, path: {path}, count: 1}}")
}

#[test]
fn every_action_has_a_page_whose_example_works() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let data: Value = serde_json::from_str(include_str!("../fixtures/sim.json")).unwrap();
    for kind in ["machines", "users", "incidents", "alerts"] {
        let mut items = data[kind].as_array().unwrap().clone();
        if kind == "alerts" {
            let mut second = items[0].clone();
            second["id"] = "da4101a002_1".into();
            second["severity"] = "low".into();
            items.push(second);
        }
        put(&format!("playbooks/fixtures/{kind}.json"), &Value::from(items).to_string());
    }
    put("huntbook.yaml", SETTINGS);
    put("playbooks/lists/badDomains.txt", "bad.example\nworse.example\n");
    let all: Value =
        serde_json::from_str(&ends(&huntbook(dir.path(), &["actions", "--format", "json"]), 0)).unwrap();
    let names: Vec<&str> = all.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 34);
    for name in &names {
        let page = page(dir.path(), name);
        for key in ["presupposes", "person", "risk", "readBack", "ends", "summary", "endpoint", "target"] {
            assert!(!page[key].as_str().unwrap().is_empty(), "{name}: {key}");
        }
        assert!(page["quota"]["limit"].as_str().unwrap().contains('/'), "{page}");
        assert!(page["trouble"].as_array().unwrap().len() >= 3, "{page}");
        assert!(!page["access"][0]["delegated"].as_array().unwrap().is_empty(), "{page}");
        let example = page["example"].as_str().unwrap();
        let parameters = page["parameters"].as_array().unwrap();
        assert!(parameters.iter().all(|one| one["description"].is_string()), "{page}");
        for one in parameters.iter().filter(|one| one["required"] == true) {
            let last = one["name"].as_str().unwrap().rsplit('.').next().unwrap();
            assert!(
                one["name"].as_str().unwrap().contains('.') || example.contains(&format!("{last}:")),
                "{name}: {last}"
            );
        }
        put(&format!("playbooks/{name}.yaml"), example);
        // As people do when it has shown what it would do.
        let enforcing = example.replacen("mode: observe", "mode: enforce", 1);
        put(&format!("enforcing/{name}.yaml"), &enforcing);
        let approved = if page["needsApproval"] == true { APPROVED } else { "" };
        let test = format!(
            "playbook: {name}.yaml\n{}{approved}tests:\n  - name: it is done\n    expect: {{run: succeeded, requests: [{}]}}\n",
            GIVEN.replace("fixtures/", "../playbooks/fixtures/"),
            request(&page)
        );
        put(&format!("enforcing/{name}.test.yaml"), &test);
    }
    ends(&huntbook(dir.path(), &["validate"]), 0);
    let out = ends(&huntbook(dir.path(), &["test", "enforcing"]), 0);
    assert!(out.contains("34 passed"), "{out}");
}

#[test]
fn a_page_is_read_by_people_too() {
    let dir = tempfile::tempdir().unwrap();
    let out = ends(&huntbook(dir.path(), &["actions", "runLiveResponse"]), 0);
    for part in [
        "application   Machine.LiveResponse of WindowsDefenderATP",
        "a person      Machine.LiveResponse of WindowsDefenderATP (delegated)",
        "quota         10/min (live response; Defender for Endpoint: run live response)",
        "people approve each call",
        "  putFiles (list of text, not empty, at most 10 entries, each at most 255 characters)",
        "  scripts[].name (text, required, not empty, at most 255 characters)",
        "  comment (text, required, not empty, cut after 1000 characters)",
        "    approval: {channel: soc-approvals}",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let out = ends(&huntbook(dir.path(), &["actions", "disableUser"]), 0);
    assert!(out.contains("taken back    by `enableUser`; sessions that were revoked are not"), "{out}");
    assert!(out.contains("      activeDirectory: Active Directory, through"), "{out}");
}

#[test]
fn the_example_of_a_list_in_a_query_passes_its_tests() {
    let example =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/playbooks/break-glass-sign-in.yaml");
    let dir = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(&example).unwrap();
    fs::write(dir.path().join("break-glass.yaml"), &text).unwrap();
    let out = ends(&huntbook(dir.path(), &["test", "break-glass.yaml"]), 0);
    assert!(out.contains("2 passed"), "{out}");
    // The second account is known by its id only.
    let other = text.replace(" or AccountObjectId in~ (@accounts)", "");
    fs::write(dir.path().join("break-glass.yaml"), other).unwrap();
    ends(&huntbook(dir.path(), &["test", "break-glass.yaml"]), 1);
}
