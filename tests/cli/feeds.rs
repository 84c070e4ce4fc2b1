//! A feed through the binary: over HTTP and from a file, with its digest.

use std::process::Output;

use huntbook::sim::Fault;
use huntbook::store::ContentHash;
use serde_json::{Value, json};

use crate::{ask, ends, json, project, tenant};

const CSV: &str = "Domain,Score\nbad.example,90\nworse.example,95\nmild.example,10\n";

/// A playbook that makes a set of what the feed says.
fn playbook(feed: &str) -> String {
    format!(
        "schema: 1\nid: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e79\nname: Block the feed\nmode: enforce\nseverity: High\n\
         feed: {{{feed}, format: csv, columns: {{Domain: string, Score: long}}}}\nwhere: row.Score > 50\nactions:\n  \
         - reconcileIndicators: {{column: Domain, set: c2, indicatorType: domainName, action: block, title: c2, description: d}}\n"
    )
}

/// The report of the one run there was.
fn report(output: &Output) -> Value {
    json(output)[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_read_and_followed_and_one_that_is_not_what_was_promised_changes_nothing() {
    let sim = tenant().await;
    let digest = ContentHash::of(CSV.as_bytes()).to_string();
    let serves = |sum: &str| {
        let documents = [("c2.csv", CSV.to_owned()), ("c2.csv.sha256", format!("{sum}  c2.csv\n"))];
        let faults = documents
            .map(|(name, body)| json!({"match": format!("GET /feeds/{name}"), "status": 200, "body": body}));
        sim.set_faults(Fault::script(faults.to_vec().into()).expect("a script")).expect("it fits");
    };
    let indicators = || {
        let state = sim.state();
        let all = state.get("indicators").and_then(Value::as_array).expect("a list").clone();
        let mut all: Vec<String> =
            all.iter().filter_map(|one| Some(one.get("indicatorValue")?.as_str()?.to_owned())).collect();
        all.sort();
        all
    };
    let url = format!("{}/feeds/c2.csv", sim.url());
    let text = playbook(&format!("url: \"{url}\", sha256: \"{url}.sha256\""));
    let dir = project(&sim, &text);
    let run = ["run", "Block the feed", "--format", "json"];
    // This machine is no public host, unless the settings say so.
    serves(&digest);
    let refused = report(&ask(&dir, &run).await);
    assert!(refused["reason"].as_str().is_some_and(|why| why.contains("not public")), "{refused}");
    let settings = dir.path().join("huntbook.yaml");
    let open = format!("{}feeds: {{privateAddresses: true}}\n", std::fs::read_to_string(&settings).unwrap());
    std::fs::write(&settings, open).unwrap();
    serves(&"0".repeat(64));
    let wrong = report(&ask(&dir, &run).await);
    assert!(wrong["reason"].as_str().unwrap().contains("not what was promised"), "{wrong}");
    assert_eq!((&wrong["state"], indicators()), (&"failed".into(), Vec::new()));
    serves(&digest);
    let followed = ask(&dir, &run).await;
    ends(&followed, 0);
    assert_eq!(report(&followed)["counts"]["acted"], 1);
    assert_eq!(indicators(), ["bad.example", "worse.example"]);
    // The same from a file beside the settings.
    std::fs::create_dir(dir.path().join("feeds")).unwrap();
    std::fs::write(dir.path().join("feeds/c2.csv"), CSV.replace("mild.example,10", "mild.example,60"))
        .unwrap();
    let of_file = |digest: &str| playbook(&format!("file: c2.csv, sha256: \"{digest}\""));
    let path = dir.path().join("playbooks/tag.yaml");
    std::fs::write(&path, of_file(&digest)).unwrap();
    let wrong = report(&ask(&dir, &run).await);
    assert!(wrong["reason"].as_str().unwrap().contains("not what was promised"), "{wrong}");
    let digest = ContentHash::of(&std::fs::read(dir.path().join("feeds/c2.csv")).unwrap()).to_string();
    std::fs::write(&path, of_file(&digest)).unwrap();
    ends(&ask(&dir, &run).await, 0);
    assert_eq!(indicators(), ["bad.example", "mild.example", "worse.example"]);
}
