//! Feeds: rows of documents that somebody else keeps, over real HTTP and from files.

use std::sync::Arc;

use huntbook::clock::SharedClock;
use huntbook::engine::{Report, RunState, StepState};
use huntbook::feed::Door;
use huntbook::http::{Http, HttpOptions, Reach};
use huntbook::sim::Fault;
use huntbook::store::Effects;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{House, states};

const CSV: &str =
    "Domain,Score,Seen\nbad.example,90,2026-02-28T00:00:00Z\nworse.example,95,\nmild.example,10,\n";

/// A playbook over the feed; `feed` is added to the input, `rest` at the end.
fn playbook(feed: &str, rest: &str) -> String {
    format!(
        "schema: 1\nid: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e79\nname: Feed\nmode: enforce\nseverity: High\n\
         feed:\n  format: csv\n  columns: {{Domain: string, Score: long, Seen: datetime}}\n{feed}\
         where: row.Score > 50\n{rest}"
    )
}

const ADD: &str = "actions:\n  - addIndicator: {indicatorValue: \"{{row.Domain}}\", indicatorType: domainName, \
                   action: block, title: bad, description: \"score {{row.Score}}\"}\n";
const SET: &str = "actions:\n  - reconcileIndicators: {column: Domain, set: c2, indicatorType: domainName, \
                   action: block, title: c2, description: \"of the feed\"}\n";

impl House {
    /// A tenant whose server also has documents, behind a door that opens to some hosts.
    async fn with_feeds(reach: Reach) -> Self {
        let mut house = Self::with(0, |_options| {}).await;
        let clock: SharedClock = Arc::new(house.clock.clone());
        let http = Http::open(HttpOptions { reach, ..HttpOptions::default() }, clock).expect("a client");
        let folder = house.dir.path().join("feeds");
        std::fs::create_dir(&folder).expect("a folder");
        house.engine.feeds = Arc::new(Door { http, folder });
        house
    }

    fn url(&self, name: &str) -> String {
        format!("  url: {}/feeds/{name}\n", self.sim.url())
    }

    /// Puts documents up; nothing else is there.
    fn serves(&self, documents: &[(&str, u16, Value)]) {
        let faults = documents.iter().map(|(name, status, body)| {
            json!({"match": format!("GET /feeds/{name}"), "status": status, "body": body})
        });
        let script = Fault::script(faults.collect()).expect("a script");
        self.sim.set_faults(script).expect("it fits");
    }

    /// What was done about indicators, as `effect value`, sorted.
    fn indicators(&self) -> Vec<String> {
        let state = self.sim.state();
        let all = state.get("indicators").and_then(Value::as_array).expect("a list").iter();
        let mut all: Vec<String> = all
            .map(|one| one.get("indicatorValue").and_then(Value::as_str).unwrap_or_default().to_owned())
            .collect();
        all.sort();
        all
    }
}

#[track_caller]
fn failed(report: &Report, why: &str) {
    let reason = report.reason.as_deref().unwrap_or_default();
    assert_eq!((report.state, report.counts.matched), (RunState::Failed, 0), "{report:?}");
    assert!(reason.contains(why), "{reason}");
}

#[tokio::test]
async fn rows_of_a_feed_are_acted_on_once_and_again_when_they_change() {
    let house = House::with_feeds(Reach::Anywhere).await;
    house.serves(&[("c2.csv", 200, json!(CSV))]);
    let text = playbook(&house.url("c2.csv"), ADD);
    let first = house.run(&text).await;
    assert_eq!((first.counts.hunted, first.counts.matched, first.counts.acted), (3, 2, 2), "{first:?}");
    assert_eq!(house.indicators(), ["bad.example", "worse.example"]);
    let again = house.run(&text).await;
    assert_eq!((again.counts.duplicates, again.counts.matched), (2, 0), "nothing has changed");
    house.serves(&[("c2.csv", 200, json!(CSV.replace("mild.example,10", "mild.example,60")))]);
    assert_eq!(house.run(&text).await.counts.acted, 1);
    // By its domain alone a row is the same, whatever else changes.
    let by_domain = playbook(&format!("{}  identity: [Domain]\n", house.url("c2.csv")), ADD);
    house.run(&by_domain).await;
    house.serves(&[("c2.csv", 200, json!(CSV.replace("90", "91")))]);
    assert_eq!(house.run(&by_domain).await.counts.matched, 0);
}

#[tokio::test]
async fn a_feed_that_cannot_be_read_or_trusted_changes_nothing_and_says_why() {
    let house = House::with_feeds(Reach::Anywhere).await;
    let right = "2f4c1d1d6d5b9b0d6c2f6d4b8f7d9c3a1e5b7a9c0d2e4f6a8b1c3d5e7f90a1b2";
    house.serves(&[
        ("gone.csv", 404, json!("")),
        ("moved.csv", 302, json!("")),
        ("c2.csv", 200, json!(CSV)),
        ("short.csv", 200, json!("Domain,Score,Seen\nbad.example,many,\n")),
        ("other.csv", 200, json!("Name,Score,Seen\nbad.example,90,\n")),
        ("page.html", 200, json!("<html>sign in</html>")),
        ("c2.csv.sha256", 200, json!(format!("{right}  c2.csv\n"))),
        ("empty.sha256", 200, json!("\n")),
    ]);
    let url = |name: &str, more: &str| format!("{}{more}", house.url(name));
    let sum = |name: &str| format!("  sha256: {}/feeds/{name}\n", house.sim.url());
    for (feed, why) in [
        (url("gone.csv", ""), "404"),
        (url("moved.csv", ""), "302"),
        (url("short.csv", ""), "line 2 of the feed cannot be read: `Score` is `many`, which is no long"),
        (url("other.csv", ""), "the feed has no column `Domain`"),
        (url("page.html", ""), "the feed has no column"),
        (url("c2.csv", "  maxBytes: 20\n"), "20 bytes"),
        (url("c2.csv", "  maxRows: 2\n"), "more than 2 rows"),
        (url("c2.csv", &format!("  sha256: {right}\n")), "not what was promised"),
        (url("c2.csv", &sum("c2.csv.sha256")), right),
        (url("c2.csv", &sum("empty.sha256")), "does not begin with a SHA-256"),
        ("  file: none.csv\n".to_owned(), "`none.csv` could not be read"),
    ] {
        house.clock.advance(SignedDuration::from_secs(1));
        for actions in [ADD, SET] {
            failed(&house.run(&playbook(&feed, actions)).await, why);
        }
    }
    assert_eq!(house.indicators(), Vec::<String>::new());
}

#[tokio::test]
async fn a_feed_of_a_file_is_read_with_its_digest_and_only_from_its_folder() {
    let house = House::with_feeds(Reach::Public).await;
    let folder = house.dir.path().join("feeds");
    let digest = huntbook::store::ContentHash::of(CSV.as_bytes()).to_string();
    std::fs::write(folder.join("c2.csv"), CSV).expect("a file");
    std::fs::write(folder.join("c2.sum"), format!("{}  c2.csv\n", digest.to_uppercase())).expect("a file");
    for sum in [&digest, "c2.sum"] {
        let text = playbook(&format!("  file: c2.csv\n  sha256: {sum}\n"), ADD);
        assert_eq!(house.run_with(&text, Effects::DryRun).await.counts.planned, 2);
    }
    std::fs::write(house.dir.path().join("outside.csv"), CSV).expect("a file");
    std::os::unix::fs::symlink("../outside.csv", folder.join("link.csv")).expect("a link");
    failed(&house.run(&playbook("  file: link.csv\n", ADD)).await, "not in the folder of feeds");
}

#[tokio::test]
async fn a_feed_does_not_lead_to_what_only_this_machine_reaches() {
    let house = House::with_feeds(Reach::Public).await;
    house.serves(&[("c2.csv", 200, json!(CSV))]);
    let loopback = house.url("c2.csv");
    let by_name = loopback.replace("127.0.0.1", "localhost");
    for feed in
        [&loopback, &by_name, "  url: https://169.254.169.254/metadata\n", "  url: https://10.0.0.7/c2.csv\n"]
    {
        failed(&house.run(&playbook(feed, ADD)).await, "not public");
    }
    assert!(!house.sim.requests().iter().any(|request| request.path.starts_with("/feeds")));
}

#[tokio::test]
async fn a_set_of_indicators_follows_a_feed_and_not_a_broken_one() {
    let house = House::with_feeds(Reach::Anywhere).await;
    let feed = |lines: &str| house.serves(&[("c2.csv", 200, json!(format!("Domain,Score,Seen\n{lines}")))]);
    let text = playbook(&house.url("c2.csv"), SET);
    feed("a.example,90,\nb.example,90,\nc.example,90,\nd.example,90,\nmild.example,1,\n");
    let first = house.run(&text).await;
    assert_eq!((first.items.len(), states(&first)), (1, vec![StepState::Done]), "{first:?}");
    assert_eq!(house.indicators(), ["a.example", "b.example", "c.example", "d.example"]);
    house.clock.advance(SignedDuration::from_hours(1));
    feed("a.example,90,\nb.example,90,\nc.example,90,\ne.example,90,\n");
    assert_eq!(states(&house.run(&text).await), [StepState::Done]);
    assert_eq!(house.indicators(), ["a.example", "b.example", "c.example", "e.example"]);
    // An empty feed is more likely a broken one; one that lost most of its rows too; and one bad value spoils all.
    feed("mild.example,1,\n");
    let empty = house.run(&text).await;
    assert_eq!(empty.reason.as_deref(), Some("no row of the feed matches, so nothing is changed"));
    for lines in ["a.example,90,\n", "a.example,90,\nnot a domain,90,\n"] {
        house.clock.advance(SignedDuration::from_hours(1));
        feed(lines);
        assert_eq!(states(&house.run(&text).await), [StepState::Failed], "{lines}");
    }
    assert_eq!(house.indicators(), ["a.example", "b.example", "c.example", "e.example"]);
}
