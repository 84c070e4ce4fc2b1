//! `in-force`: what stands because huntbook did it, through the binary.

use crate::{PLAYBOOK, ask, ends, json, project, tenant, text};

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_is_listed_and_asked_for_also_when_its_playbook_is_gone() {
    let sim = tenant().await;
    let tag = "  - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}\n";
    let isolate =
        "  - isolateDevice: {device: \"{{row.DeviceId}}\", comment: contain}\n    revertAfter: 4h\n";
    let dir = project(&sim, &PLAYBOOK.replace(tag, isolate).replace("'dc01'", "'wks-014'"));
    let nothing = ask(&dir, &["in-force"]).await;
    ends(&nothing, 0);
    assert!(text(&nothing.stdout).contains("nothing of what huntbook did is in force"));
    ends(&ask(&dir, &["run", "Tag servers"]).await, 0);
    std::fs::remove_file(dir.path().join("playbooks/tag.yaml")).unwrap();
    let all = json(&ask(&dir, &["in-force", "--format", "json"]).await);
    let [one] = all.as_array().unwrap().as_slice() else { panic!("{all}") };
    assert_eq!(
        (&one["action"], &one["undoAction"]),
        (&"isolateDevice".into(), &"releaseDevice".into()),
        "{one}"
    );
    assert!(one["due"].is_string() && one["leave"].is_null(), "{one}");
    let id: String = one["effect"].as_str().unwrap().chars().take(8).collect();
    let shown = text(&ask(&dir, &["in-force"]).await.stdout);
    for part in [id.as_str(), "isolateDevice", "contoso", "Tag servers", "the playbook"] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    ends(&ask(&dir, &["in-force", "revert", "nothing"]).await, 2);
    let asked = ask(&dir, &["in-force", "revert", &id, "--reason", "it is clean"]).await;
    ends(&asked, 0);
    assert!(text(&asked.stderr).contains("nobody serves"), "{}", text(&asked.stderr));
    let said = text(&ask(&dir, &["journal", "export"]).await.stdout);
    assert!(said.contains("\"word\":\"revert\"") && said.contains("it is clean"), "{said}");
    ends(&ask(&dir, &["audit", "verify"]).await, 0);
}
