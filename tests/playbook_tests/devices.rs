//! Tests of playbooks with each of the actions on devices.

use std::fmt::Write as _;
use std::fs;

use crate::{HEAD, MACHINES, PLAYBOOK, ends, huntbook, project};

/// Plays tests of the playbook with these actions in place of its own; they must end with `code`.
#[track_caller]
fn plays(actions: &str, tests: &str, code: i32) -> String {
    let dir = project("");
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let (head, rest) = PLAYBOOK.split_once("actions:").unwrap();
    let (_own, tail) = rest.split_once("notify:").unwrap();
    let away = MACHINES.replacen("\"}", "\", \"reach\": \"offline\"}", 1);
    put(
        "playbooks/fixtures/away.json",
        &away.replacen("wks-2.contoso.example\"}", "wks-2.contoso.example\", \"reach\": \"failing\"}", 1),
    );
    let head = head.replace("maxActions: {perRun: 2}, ", "");
    put("playbooks/writes.yaml", &format!("{head}actions:\n{actions}notify:{tail}"));
    put("playbooks/writes.test.yaml", &format!("{HEAD}{tests}"));
    ends(&huntbook(dir.path(), &["test"]), code)
}

const DEVICE: &str = "device: \"{{row.DeviceId}}\", comment: \"{{row.Files}} files\"";

#[test]
fn each_action_on_a_device_is_taken_with_its_own_request() {
    let kinds = [
        ("restrictAppExecution", "restrictCodeExecution"),
        ("collectInvestigationPackage", "collectInvestigationPackage"),
        ("initiateInvestigation", "startInvestigation"),
        ("releaseDevice", "unisolate"),
    ];
    let mut actions: String = kinds.map(|(kind, _)| format!("  - {kind}: {{{DEVICE}}}\n")).concat();
    actions.push_str("  - setDeviceValue: {device: \"{{row.DeviceId}}\", value: high}\n");
    let mut expect = "    expect:\n      acted:\n".to_owned();
    let mut requests = "      requests:\n".to_owned();
    let paths = kinds.into_iter().chain([("setDeviceValue", "setDeviceValue")]);
    for (kind, path) in paths {
        for device in ["wks-1", "wks-2"] {
            writeln!(expect, "        - {{id: {kind}, device: {device}.contoso.example}}").unwrap();
        }
        writeln!(requests, "        - {{method: POST, path: /api/machines/*/{path}, count: 2}}").unwrap();
    }
    plays(&actions, &format!("  - name: takes all of them\n{expect}{requests}"), 0);
    plays(
        &format!("  - removeAppRestriction: {{{DEVICE}}}\n"),
        "  - name: takes it\n    expect: {acted: [{id: removeAppRestriction}, {id: removeAppRestriction}]}\n",
        0,
    );
}

#[test]
fn two_files_on_one_device_are_two_matters_and_the_same_file_is_one() {
    let quarantine = |id: &str, digit: &str| {
        let sha1 = digit.repeat(40);
        format!("  - {{id: {id}, stopAndQuarantineFile: {{sha1: \"{sha1}\", {DEVICE}}}}}\n")
    };
    plays(
        &[quarantine("one", "a"), quarantine("other", "b"), quarantine("again", "A")].concat(),
        "  - name: each file once\n    expect:\n      acted: 4\n      \
         skipped: [{id: again, reason: already}, {id: again, reason: already}, {device: dc-3.contoso.example, id: one}, {device: dc-3.contoso.example, id: other}, {device: dc-3.contoso.example, id: again}]\n",
        0,
    );
}

#[test]
fn a_device_is_offboarded_only_if_people_approve() {
    let offboard = format!("    offboardDevice: {{{DEVICE}}}\n");
    let out = plays(&format!("  - id: off\n{offboard}"), "  - name: x\n    expect: {acted: 0}\n", 78);
    assert!(out.contains("cannot be taken back: people approve each call"), "{out}");
    plays(
        &format!(
            "  - id: off\n    if: row.DeviceName.starts_with(\"wks-1\")\n    approval: {{channel: approvals}}\n{offboard}"
        ),
        "  - name: when the lead says yes\n    given: {approvals: {off: {decision: approve, by: soc-lead}}}\n    \
         expect: {acted: [{id: off, device: wks-1.contoso.example}]}\n  \
         - name: not before\n    expect: {run: waiting, pendingApproval: 1, acted: 0, requests: [{path: /api/machines/*/offboard, count: 0}]}\n",
        0,
    );
}

#[test]
fn later_steps_wait_until_a_device_has_done_the_first_and_devices_wait_together() {
    let actions = format!(
        "  - {{id: package, collectInvestigationPackage: {{{DEVICE}}}, waitFor: {{timeout: 20m}}}}\n  \
         - {{id: isolate, isolateDevice: {{{DEVICE}}}}}\n"
    );
    plays(
        &actions,
        "  - name: both are done\n    expect: {run: succeeded, acted: [{id: package, reason: the package is there}, {id: package}, {id: isolate}, {id: isolate}]}\n",
        0,
    );
    // One device is away, the other fails: neither goes on, and the run says so.
    let away = "  - name: neither goes on\n    given: {machines: fixtures/away.json}\n    \
                expect:\n      run: partial\n      failed: [{id: package, device: wks-1.contoso.example, reason: it had not ended after 20m}, {id: package, reason: it did not work on the device}]\n      \
                skipped: [{id: isolate, reason: an earlier step failed}, {id: isolate, reason: an earlier step failed}, {id: package, device: dc-3.contoso.example}, {id: isolate, device: dc-3.contoso.example}]\n      \
                acted: 0\n      requests: [{path: /api/machines/*/isolate, count: 0}]\n";
    plays(&actions, away, 0);
    let out = plays(
        &format!(
            "  - {{tagDevice: {{device: \"{{{{row.DeviceId}}}}\", tag: x}}, waitFor: {{}}}}\n  - {{isolateDevice: {{{DEVICE}}}, waitFor: {{timeout: 5s}}}}\n"
        ),
        away,
        78,
    );
    assert!(
        out.contains("there is nothing to wait for") && out.contains("between a minute and an hour"),
        "{out}"
    );
}

#[test]
fn a_session_takes_plain_words_from_rows_and_needs_leave() {
    let session = |args: &str| {
        format!(
            "  - id: collect\n    if: row.DeviceName.starts_with(\"wks-1\")\n    approval: {{channel: approvals}}\n    waitFor: {{timeout: 30m}}\n    \
             runLiveResponse: {{{DEVICE}, putFiles: [tool.exe], scripts: [{{name: collect.ps1, args: [{args}]}}], getFiles: ['C:\\Temp\\out.zip']}}\n"
        )
    };
    let yes = "    given: {approvals: {collect: {decision: approve, by: soc-lead}}}\n";
    let expect = "acted: [{id: collect, device: wks-1.contoso.example}], requests: [{method: POST, path: /api/machines/*/runliveresponse, count: 1}]";
    plays(
        &session("-Host, '{{row.DeviceName}}'"),
        &format!("  - name: runs it\n{yes}    expect: {{{expect}}}\n"),
        0,
    );
    let refused = "failed: [{id: collect, reason: not one plain word}], acted: 0, requests: [{path: /api/machines/*/runliveresponse, count: 0}]";
    plays(
        &session("'$({{row.DeviceName}})'"),
        &format!("  - name: sends nothing\n{yes}    expect: {{{refused}}}\n"),
        0,
    );
    let many = session("x")
        .replace("[tool.exe]", "[a, b, c, d, e, f, g, h, i]")
        .replace("    approval: {channel: approvals}\n", "");
    let out = plays(&many, "  - name: x\n    expect: {acted: 0}\n", 78);
    assert!(
        out.contains("11 commands; a session has at most 10") && out.contains("people approve each call"),
        "{out}"
    );
}
