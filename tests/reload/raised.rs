//! What an edit raises, one thing at a time: a version of a playbook beside another.

use std::collections::{BTreeMap, BTreeSet};

use huntbook::action::Approvers;
use huntbook::diag::Sink;
use huntbook::expr::Language;
use huntbook::guard::Ceilings;
use huntbook::kql::Schema;
use huntbook::model::Lists;
use huntbook::plan::{Exclusions, Plan, Queries, World, compile, risks};

const PLAYBOOK: &str = "\
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: Test
severity: Low
mode: enforce
enabled: true
tenants: [contoso]
expires: 2027-01-01T00:00:00Z
hunt:
  query: DeviceEvents | project DeviceId, DeviceName, Timestamp
  queryPeriod: 1h
  identity: [DeviceId, Timestamp]
when: rows.len() < 9
where: row.DeviceName != \"a\"
suppress: {by: [DeviceId], for: 12h}
guards:
  maxActions: {perRun: 3, perDay: 9}
  maxPercentOfDevices: 1
  coolDown: 48h
  maxTimesUsual: 5
  maxDisruptive: {perMinute: 2, perHour: 4}
  windows: {never: [{days: [saturday], from: '00:00', to: '06:00'}]}
  canary: {first: 1, wait: 5m}
  observeFirst: 2
  exclude: {devices: [dc01, dc02], deviceTags: [vip]}
actions:
  - id: tag
    tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}
  - id: cut
    if: row.DeviceName != \"b\"
    approval: {channel: soc, minimum: 2, timeout: 10m}
    revertAfter: 4h
    isolateDevice: {device: \"{{row.DeviceId}}\", comment: why}
schedule: {every: 1h}
";

fn plan(text: &str) -> Plan {
    let approvers = ["alice", "bob"].map(|name| (name.to_owned(), name.to_owned()));
    let world = World {
        language: Language::new(),
        lists: Lists::default(),
        channels: BTreeSet::from(["soc".to_owned()]),
        chats: BTreeMap::new(),
        alerts: None,
        tenants: BTreeMap::from(["contoso", "fabrikam"].map(|name| (name.to_owned(), BTreeSet::new()))),
        ceilings: Ceilings::default(),
        exclusions: Exclusions::default(),
        queries: Queries::Checked(Schema::defender()),
        approvers: Approvers::new(approvers),
    };
    let mut sink = Sink::new();
    let plan = compile("test.yaml", text.as_bytes(), &world, &mut sink);
    plan.unwrap_or_else(|| panic!("{:?}", sink.into_sorted()))
}

/// The playbook with texts in place of others.
fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(PLAYBOOK.to_owned(), |text, (was, now)| {
        assert!(text.contains(was), "{was}");
        text.replace(was, now)
    })
}

#[track_caller]
fn check(was: &str, now: &str, expect: &[&str]) {
    raises(&[], &[(was, now)], expect);
    // The way back raises nothing, but where nobody can say which of two is wider.
    let back: Vec<String> = said(&edited(&[(was, now)]), PLAYBOOK);
    assert!(back.iter().all(|risk| risk.contains("other") || risk.contains("others")), "{now}: {back:?}");
}

#[track_caller]
fn raises(old: &[(&str, &str)], new: &[(&str, &str)], expect: &[&str]) {
    assert_eq!(said(&edited(old), &edited(new)), expect, "{new:?}");
}

fn said(old: &str, new: &str) -> Vec<String> {
    risks(Some(&plan(old)), &plan(new)).iter().map(ToString::to_string).collect()
}

#[test]
fn each_thing_that_raises_risk_is_said_and_its_opposite_is_not() {
    let guard = |guard: &str, change: &str| format!("the guard `{guard}` lets more pass: {change}");
    check("name: Test", "name: Other", &[]);
    check("tag: seen", "tag: other", &[]);
    check("every: 1h", "every: 2h", &[]);
    check("perRun: 3", "perRun: 4", &[&guard("maxActions.perRun", "4 instead of 3")]);
    check("perDay: 9", "perDay: 15", &[&guard("maxActions.perDay", "15 instead of 9")]);
    check(
        "maxPercentOfDevices: 1",
        "maxPercentOfDevices: 2",
        &[&guard("maxPercentOfDevices", "2 % instead of 1 %")],
    );
    check("  coolDown: 48h\n", "", &[&guard("coolDown", "1d instead of 2d")]);
    check("maxTimesUsual: 5", "maxTimesUsual: 6", &[&guard("maxTimesUsual", "6 instead of 5")]);
    check("perMinute: 2", "perMinute: 3", &[&guard("maxDisruptive.perMinute", "3 instead of 2")]);
    check(", perHour: 4", "", &[&guard("maxDisruptive.perHour", "100 instead of 4")]);
    check("'06:00'", "'05:00'", &[&guard("windows", "they are gone, or others")]);
    check(
        "first: 1",
        "first: 2",
        &[&guard("canary", "2 at first, within 5m instead of 1 at first, within 5m")],
    );
    check("observeFirst: 2", "observeFirst: 1", &[&guard("observeFirst", "1 instead of 2")]);
    check("for: 12h", "for: 6h", &[&guard("suppress", "by DeviceId for 6h")]);
    check("[dc01, dc02]", "[dc01]", &["the device `dc02` is protected no more"]);
    check(", deviceTags: [vip]", "", &["the device tag `vip` is protected no more"]);
    check("[contoso]", "[contoso, fabrikam]", &["it acts in more tenants: fabrikam"]);
    check("expires: 2027-01-01T00:00:00Z\n", "", &["it ends later, or never"]);
    raises(&[], &[("schedule: {every: 1h}\n", "")], &[]);
    raises(&[("schedule: {every: 1h}\n", "")], &[], &["it runs by itself"]);
    check("minimum: 2", "minimum: 1", &["`cut` needs less leave: 1 must say yes instead of 2"]);
    check("timeout: 10m", "timeout: 20m", &["`cut` needs less leave: it holds for 20m instead of 10m"]);
    check("revertAfter: 4h", "revertAfter: 8h", &["what `cut` does stands for longer: 8h instead of 4h"]);
    check("comment: why", "comment: other", &["`cut` has other parameters"]);
    let other = ("isolateDevice: {", "restrictAppExecution: {");
    raises(&[], &[other], &["`cut` takes a new disruptive action, restrictAppExecution"]);
}

#[test]
fn what_chooses_the_targets_matters_where_nobody_looks_at_each() {
    const LEAVE: (&str, &str) = ("    approval: {channel: soc, minimum: 2, timeout: 10m}\n", "");
    const NAMED: (&str, &str) = ("DeviceEvents |", "DeviceEvents | where DeviceName in (@names) |");
    let other = "is another, and there are disruptive actions that need nobody's leave";
    raises(&[], &[("!= \"a\"", "!= \"c\"")], &[]);
    raises(&[], &[("queryPeriod: 1h", "queryPeriod: 2h")], &[]);
    raises(&[], &[("where: row.DeviceName != \"a\"\n", "")], &["`where` is gone, so more may match"]);
    raises(&[LEAVE], &[LEAVE, ("!= \"a\"", "!= \"c\"")], &[&format!("`where` {other}")]);
    raises(&[LEAVE], &[LEAVE, ("< 9", "< 8")], &[&format!("`when` {other}")]);
    raises(
        &[LEAVE],
        &[LEAVE, ("queryPeriod: 1h", "queryPeriod: 2h")],
        &[&format!("`what it looks at` {other}")],
    );
    let names = |names| ("  queryPeriod: 1h", names);
    let (one, two) = (names("  parameters: {names: [a]}"), names("  parameters: {names: [a, b]}"));
    raises(&[LEAVE, NAMED, one], &[LEAVE, NAMED, two], &[&format!("`what it looks at` {other}")]);
    raises(&[LEAVE, NAMED, one], &[LEAVE, NAMED, one], &[]);
    raises(&[], &[("    if: row.DeviceName != \"b\"\n", "")], &["`cut.if` is gone, so more may match"]);
    raises(&[], &[LEAVE], &["`cut` needs less leave: nobody's"]);
}

#[test]
fn what_did_not_act_raises_all_that_it_does() {
    let all = ["`cut` takes a new disruptive action, isolateDevice"];
    raises(&[("mode: enforce", "mode: observe")], &[], &all);
    raises(&[("enabled: true", "enabled: false")], &[], &all);
    raises(&[], &[("mode: enforce", "mode: observe"), ("perRun: 3", "perRun: 4")], &[]);
    let new: Vec<String> = risks(None, &plan(PLAYBOOK)).iter().map(ToString::to_string).collect();
    assert_eq!(new, all);
}
