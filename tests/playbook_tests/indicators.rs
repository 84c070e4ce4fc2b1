//! Tests of playbooks whose actions write and remove indicators.

use std::fs;

use crate::{HEAD, PLAYBOOK, ends, huntbook, project};

/// Plays tests of the playbook with these actions in place of its own, beside a list of domains; they must end
/// with `code`.
#[track_caller]
fn plays((mode, actions): (&str, &str), tests: &str, code: i32) -> String {
    let dir = project("");
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let (head, rest) = PLAYBOOK.split_once("actions:").unwrap();
    let (_own, tail) = rest.split_once("notify:").unwrap();
    let head = head.replace("mode: enforce", mode).replace("maxActions: {perRun: 2}, ", "");
    put("playbooks/lists/bad.txt", "one.example\nTWO.example\n");
    put("playbooks/lists/junk.txt", "one.example\nno domain\n");
    put("playbooks/writes.yaml", &format!("{head}actions:\n{actions}notify:{tail}"));
    put("playbooks/writes.test.yaml", &format!("{HEAD}{tests}"));
    ends(&huntbook(dir.path(), &["test"]), code)
}

const BLOCK: &str = "indicatorType: domainName, action: block, title: t, description: d, expiresIn: 30d";

#[test]
fn a_list_is_what_there_is_to_be_and_is_written_once_in_a_run() {
    let actions = format!("  - reconcileIndicators: {{list: bad, {BLOCK}}}\n");
    plays(
        ("mode: enforce", &actions),
        "  - name: is written\n    expect:\n      acted: [{id: reconcileIndicators, indicator: set bad, reason: '2 written, 0 removed'}]\n      \
         skipped: 2\n      requests: [{method: POST, path: /api/indicators/import, count: 1}]\n",
        0,
    );
    plays(
        ("mode: observe", &actions),
        "  - name: is shown\n    expect:\n      planned: [{id: reconcileIndicators, reason: 'the playbook only observes: 2 to be written (one.example, two.example), 0 to be removed'}]\n      \
         skipped: 2\n      requests: [{method: POST, path: /api/indicators/import, count: 0}]\n",
        0,
    );
}

#[test]
fn a_set_with_what_is_no_indicator_is_left_as_it_is() {
    let guarded = format!("  - reconcileIndicators: {{list: bad, {BLOCK}}}\n");
    let dir_mode = "mode: enforce";
    let junk = format!("  - reconcileIndicators: {{list: junk, {BLOCK}}}\n");
    plays(
        (dir_mode, &junk),
        "  - name: says so\n    expect: {run: partial, acted: 0, failed: 3, requests: [{path: /api/indicators/import, count: 0}]}\n",
        0,
    );
    let out = plays(
        (dir_mode, &guarded.replace("list: bad", "list: bed")),
        "  - name: x\n    expect: {acted: 0}\n",
        78,
    );
    assert!(out.contains("bad"), "{out}");
}

#[test]
fn what_is_taken_away_twice_is_gone_already() {
    let remove = "  - removeIndicator: {indicatorType: domainName, indicatorValue: \"{{row.DeviceName}}\"}\n";
    plays(
        ("mode: enforce", remove),
        "  - name: nothing is there\n    expect: {acted: 3, requests: [{method: DELETE, path: /api/indicators/*, count: 0}]}\n",
        0,
    );
}
