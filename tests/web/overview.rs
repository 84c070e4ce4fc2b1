//! What the overview says of playbooks, guards and budgets, held against what the commands say.

use serde_json::Value;

use huntbook::sim::SimApp;

use crate::site::{LEAD, Site};

/// A playbook that waits a day between its runs.
fn playbook(number: u8, name: &str, more: &str) -> String {
    format!(
        "schema: 1\nid: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e{number:02}\nname: {name}\nseverity: Low\n{more}\
         schedule: {{every: 1d}}\n"
    )
}

const HUNT: &str = "hunt:\n  query: DeviceInfo | project DeviceId\n  identity: [DeviceId]\n";

/// What stands in a cell of a playbook's row.
fn cell<'p>(page: &'p str, name: &str, label: &str) -> Option<&'p str> {
    let (_, row) = page.split_once(&format!("<tr><td><strong>{name}</strong>"))?;
    let (_, cell) = row.split_once("</tr>")?.0.split_once(&format!("data-label=\"{label}\">"))?;
    Some(cell.split_once("</td>")?.0)
}

/// A part of the page from its heading to the next one.
fn part<'p>(page: &'p str, heading: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("<h2 id=\"{heading}\">")).unwrap();
    rest.split("<h2").next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_playbook_is_listed_with_its_state() {
    let app = SimApp::sample().without("SecurityAlert.Read.All").without("SecurityAlert.ReadWrite.All");
    let site = Site::open_as(app, (1, ""), "").await;
    let lead = site.visitor(LEAD).await;
    let alerts = "alerts:\n  filter: {severity: [high]}\n";
    site.put("watch.yaml", Some(&playbook(1, "Watches", &format!("mode: observe\n{HUNT}"))));
    site.put("alerts.yaml", Some(&playbook(2, "Lacks", &format!("mode: enforce\n{alerts}"))));
    site.put("off.yaml", Some(&playbook(3, "Off", &format!("enabled: false\n{HUNT}"))));
    site.put("broken.yaml", Some(&playbook(4, "Broken", HUNT)));
    for (number, name) in [(5, "gone-1"), (6, "gone-2"), (7, "gone-3"), (8, "gone-4"), (9, "gone-5")] {
        site.put(&format!("{name}.yaml"), Some(&playbook(number, name, HUNT)));
    }
    let state = |page: &str, name: &str| cell(page, name, "State").map(str::to_owned);
    site.until_shown(&lead, |page| {
        state(page, "gone-5").is_some()
            && state(page, "Broken").is_some()
            && state(page, "Lacks").is_some_and(|state| state.contains("unarmed"))
    })
    .await;
    for name in ["gone-1", "gone-2", "gone-3", "gone-4", "gone-5"] {
        site.put(&format!("{name}.yaml"), None);
    }
    site.put("broken.yaml", Some("schema: 1\nname: [Broken\n"));
    let stopped = ["stop", "--playbook", "Cut servers off", "--tenant", "contoso", "--reason", "drill"];
    assert!(site.say(LEAD, &stopped).await.status.success());
    let page = site
        .until_shown(&lead, |page| {
            state(page, "gone-5").is_some_and(|state| state.contains("held"))
                && state(page, "Broken").is_some_and(|state| state.contains("refused"))
                && state(page, "Cut servers off").is_some_and(|state| state.contains("stopped"))
        })
        .await;
    let names = ["Broken", "Cut servers off", "Lacks", "Off", "Watches", "gone-1"];
    let states = names.map(|name| format!("{name}: {}", state(&page, name).unwrap_or_default()));
    insta::assert_snapshot!(states.join("\n"), @r"
    Broken: only observes, its new version is refused
    Cut servers off: live, stopped in contoso
    Lacks: live, unarmed in contoso
    Off: switched off
    Watches: only observes
    gone-1: only observes, held: its file is gone
    ");
    // With what is wrong, and since when, below the table.
    for said in [
        "Refused: </span>playbooks/broken.yaml since",
        "Held: </span>playbooks/gone-1.yaml since",
        "Unarmed: </span>Lacks in contoso since",
    ] {
        assert!(part(&page, "playbooks").contains(said), "{said}: {page}");
    }
    assert_eq!(cell(&page, "Lacks", "Next due"), Some("not armed"));
    assert_eq!(cell(&page, "Watches", "Mode"), Some("observe"));
    assert!(part(&page, "stops").contains("drill"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn guards_in_force_and_what_is_left_of_budgets_are_shown() {
    let settings = "guards: {maxActions: {perRun: 4, perDay: 9}, coolDown: 36h}\n";
    let site = Site::open_under(1, "", settings).await;
    let lead = site.visitor(LEAD).await;
    let text = std::fs::read_to_string(site.dir.path().join("playbooks/cut.yaml")).unwrap();
    let before = site.json(&["status"]).await;
    let page = site.until_shown(&lead, |page| page.contains("id=\"taken\"")).await;
    assert!(part(&page, "taken").contains("<dt>contoso</dt><dd>0 of 50 targets"), "{page}");
    assert!(!part(&page, "taken").contains("Cut servers off"), "{page}");
    // Each guard that the command names, in the same words.
    for guard in before["guards"].as_array().unwrap() {
        let encoded = |key: &str| {
            guard[key].as_str().unwrap().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
        };
        let line = format!("<dt>{}</dt><dd>{}</dd>", encoded("guard"), encoded("limit"));
        assert!(part(&page, "guards").contains(&line), "{line}: {page}");
    }
    assert!(part(&page, "guards").contains("4 in a run, 9 in a day, 50 in a day in a tenant"), "{page}");
    let path = format!("/approvals/{}", site.asked_id().await);
    assert_eq!(site.post(&path, &lead, &[("word", "approve")]).await.status(), 303);
    site.until_isolated().await;
    let used = "<dt>Cut servers off in contoso</dt><dd>1 of 9 targets of disruptive actions in 24 hours</dd>";
    site.until_shown(&lead, |page| part(page, "taken").contains(used)).await;
    // What the tenant's interfaces let through, and what is used of it.
    let page = site
        .until_shown(&lead, |page| page.contains("<li>contoso: Defender for Endpoint, isolateDevice: "))
        .await;
    let taken = part(&page, "taken");
    assert!(
        taken.contains(
            "<dt>contoso</dt><dd class=\"bad\">1 of 50 targets of disruptive actions in 24 hours, "
        ),
        "{taken}"
    );
    assert!(taken.contains("<dt>all tenants</dt><dd>1 of 100 targets"), "{taken}");
    let status = site.json(&["status"]).await;
    let budgets = status["guardBudgets"].as_array().unwrap();
    let of = |at: usize, name: &str| {
        let all = budgets[at]["budgets"].as_array().unwrap();
        all.iter().find(|one| one["budget"] == name).map(|one| (one["used"].clone(), one["of"].clone()))
    };
    let pair = |used: u32, of: u32| Some((Value::from(used), Value::from(of)));
    assert_eq!(
        (&budgets[0]["tenant"], of(0, "tenantTargets"), of(0, "hour")),
        (&"contoso".into(), pair(1, 50), pair(1, 100))
    );
    assert_eq!((&budgets[1]["playbookName"], of(1, "dayTargets")), (&"Cut servers off".into(), pair(1, 9)));
    assert_eq!((&budgets[2]["tenant"], of(2, "allTargets")), (&Value::Null, pair(1, 100)));
    let said = String::from_utf8(site.say(LEAD, &["status"]).await.stdout).unwrap();
    assert!(
        said.contains(
            "taken    Cut servers off in contoso: 1 of 9 targets of disruptive actions in 24 hours\n"
        ),
        "{said}"
    );
    // What a playbook allows itself is beside what it is allowed.
    site.put(
        "cut.yaml",
        Some(&text.replace("actions:\n", "guards: {maxActions: {perRun: 1, perDay: 2}}\nactions:\n")),
    );
    let own =
        "<strong>Cut servers off</strong>: targets of disruptive actions, at most: 1 in a run, 2 in a day";
    let page = site.until_shown(&lead, |page| part(page, "guards").contains(own)).await;
    assert!(part(&page, "taken").contains("<dd>1 of 2 targets of disruptive actions in 24 hours"), "{page}");
}
