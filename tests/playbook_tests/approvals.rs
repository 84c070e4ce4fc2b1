//! Tests of playbooks whose actions wait for people.

use std::fs;

use crate::{HEAD, PLAYBOOK, ends, huntbook, project, text};

/// Plays tests of the playbook changed in one place; they must end with `code`.
#[track_caller]
fn plays(from: &str, to: &str, tests: &str, code: i32) -> String {
    let dir = project("");
    assert!(PLAYBOOK.contains(from));
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    put("playbooks/writes.yaml", &PLAYBOOK.replace(from, to));
    put("playbooks/writes.test.yaml", &format!("{HEAD}{tests}"));
    ends(&huntbook(dir.path(), &["test"]), code)
}

/// The action asks first.
#[track_caller]
fn asks(tests: &str, code: i32) -> String {
    let to = "    approval: {channel: approvals, timeout: 30m}\n    isolateDevice:";
    plays("    isolateDevice:", to, tests, code)
}

#[test]
fn what_is_approved_is_done_and_told_of_by_the_playbook() {
    let out = asks(
        r"
  - name: asks first, and does it when the lead says yes
    given:
      approvals: {isolate: {decision: approve, by: soc-lead}}
    expect:
      run: succeeded
      acted: [{id: isolate, device: wks-1.contoso.example, reason: approved by soc-lead}]
      skipped: 2
      notified: [{channel: soc, titleContains: 1 isolated}]
      requests: [{method: POST, path: /api/machines/*/isolate, count: 1}]
  - name: waits while nobody says anything
    expect:
      run: waiting
      pendingApproval: [{id: isolate, device: wks-1.contoso.example, reason: waits for an approval}]
      acted: 0
      notified: 0
      requests: [{method: POST, path: /api/machines/*/isolate, count: 0}]
  - name: a no is a no
    given:
      approvals: {isolate: {decision: deny, by: soc-lead, reason: exercise, after: 5m}}
    steps:
      - {at: 0h, expect: {run: waiting, pendingApproval: 1, denied: 0}}
      - {at: 1h, expect: {denied: [{id: isolate, reason: 'denied by soc-lead: exercise'}], pendingApproval: 0, duplicates: 3}}
      - {at: 2h, expect: {denied: 0}}
  - name: what is said between two runs is done between them, and belongs to the second
    given:
      approvals: {isolate: {decision: approve, by: soc-lead, after: 10m}}
    steps:
      - {at: 0m, expect: {run: waiting, pendingApproval: 1, acted: 0, notified: 0}}
      - {at: 5m, expect: {acted: 0, duplicates: 3}}
      - {at: 20m, expect: {acted: [{id: isolate, device: wks-1.contoso.example}], notified: 1}}
      - {at: 30m, expect: {acted: 0}}
",
        0,
    );
    assert!(out.contains("4 passed"), "{out}");
}

#[test]
fn what_nobody_approves_in_time_expires_and_stays_handled() {
    asks(
        r"
  - name: expires
    steps:
      - {at: 0h, expect: {pendingApproval: 1}}
      - {at: 20m, expect: {pendingApproval: 0, expired: 0, duplicates: 3}}
      - {at: 31m, expect: {expired: [{id: isolate, device: wks-1.contoso.example, reason: in time}], acted: 0}}
      - {at: 70m, expect: {expired: 0, pendingApproval: 0, duplicates: 3}}
  - name: a yes that comes too late is none
    given:
      approvals: {isolate: {decision: approve, by: soc-lead, after: 45m}}
    expect: {expired: 1, acted: 0}
",
        0,
    );
}

#[test]
fn what_passes_the_playbooks_limit_waits_where_it_says_so() {
    // One device is a packager, one is excluded by its tag: without the list two are left.
    let limit = "guards: {maxActions: {perRun: 1}, onExceed: approve, approval: {channel: approvals, minimum: 2}, \
                 exclude: {deviceTags: [tier0]}}";
    plays(
        "guards: {maxActions: {perRun: 2}, exclude: {deviceTags: [tier0]}}",
        limit,
        r"
  - name: two devices are one too many, and both wait
    given: {lists: {packagers: [nobody]}}
    expect:
      run: waiting
      pendingApproval: [{device: wks-1.contoso.example}, {device: wks-2.contoso.example}]
      halted: 0
  - name: two people take it past the limit
    given:
      lists: {packagers: [nobody]}
      approvals: {isolate: {decision: approve, by: [lead, duty]}}
    expect:
      acted: [{device: wks-1.contoso.example}, {device: wks-2.contoso.example}]
      notified: [{titleContains: 1 isolated}, {titleContains: 1 isolated}]
  - name: one of two is not enough
    given:
      lists: {packagers: [nobody]}
      approvals: {isolate: {decision: approve, by: lead}}
    expect: {acted: 0, pendingApproval: 2}
",
        0,
    );
}

#[test]
fn later_steps_of_an_item_wait_for_the_one_that_waits() {
    let packager = "if: \"!(row.DeviceName in lists.packagers)\"";
    let steps = format!(
        "    approval: {{channel: approvals}}\n    isolateDevice: {{device: \"{{{{row.DeviceId}}}}\", comment: x}}\n  \
         - {packager}\n    tagDevice: {{device: \"{{{{row.DeviceId}}}}\", tag: isolated}}\n  - id: never\n    \
         if: row.Files > 999\n    isolateDevice:"
    );
    plays(
        "    isolateDevice:",
        &steps,
        r"
  - name: the tag waits for the isolation
    expect:
      pendingApproval: [{id: isolate}, {id: tagDevice, device: wks-1.contoso.example, reason: until `isolate` is decided}]
  - name: and follows it
    given:
      approvals: {isolate: {decision: approve, by: lead}}
    expect: {pendingApproval: 0, acted: [{id: isolate}, {id: tagDevice}]}
",
        0,
    );
}

#[test]
fn answers_that_can_never_be_given_are_refused() {
    let out = asks(
        r"
  - name: nobody is asked about that
    given: {approvals: {isolte: {decision: approve, by: lead}}}
    expect: {acted: 0}
",
        78,
    );
    assert!(out.contains("HB0501") && out.contains("a similar name exists: `isolate`"), "{out}");
    let out = plays(
        "severity: High",
        "severity: High\nauthor: lead",
        "  - name: it never asks\n    given: {approvals: {isolate: {decision: approve, by: lead}}}\n    expect: {acted: 0}\n",
        78,
    );
    assert!(out.contains("nobody is ever asked about `isolate`"), "{out}");
    assert!(out.contains("somebody else must approve"), "{out}");
}

#[test]
fn what_is_wrong_about_asking_is_said_at_its_place() {
    let check = |written: &str, expect: &str| {
        let dir = project("");
        let changed = PLAYBOOK.replace("guards: {", &format!("guards: {{{written}, "));
        fs::write(dir.path().join("playbooks/writes.yaml"), changed).unwrap();
        fs::write(
            dir.path().join("huntbook.yaml"),
            "tenants:\n  contoso:\n    tenantId: 72f988bf-86f1-41af-91ab-2d7cd011db47\n    auth: {clientSecret: {clientId: 11111111-2222-3333-4444-555555555555, secret: {env: X}}}\n\
             channels: {soc: {webhook: {url: 'https://hooks.contoso.example/a'}}}\nlists: playbooks/lists\napprovers: {lead: {account: alice}}\n",
        )
        .unwrap();
        let said = huntbook(dir.path(), &["validate"]);
        let said = text(&said.stdout);
        assert!(said.contains(expect), "{expect}\n{said}");
    };
    check("onExceed: approve", "`onExceed: approve` needs an `approval`");
    check("approval: {channel: soc}", "nobody is asked without `onExceed: approve`");
    check("onExceed: approve, approval: {channel: sok}", "there is no channel `sok`");
    check(
        "onExceed: approve, approval: {channel: soc, minimum: 2}",
        "2 people must approve, and the settings name 1",
    );
    check("onExceed: approve, approval: {channel: soc, timeout: 2h}", "between a minute and an hour");
}
