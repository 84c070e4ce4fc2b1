//! What only the inside of the daemon can stage: a reload between a slot and its start.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use jiff::SignedDuration;

use super::{Daemon, DaemonOptions, Generation, Terms};
use crate::clock::{Clock as _, ManualClock, SharedClock, SystemClock};
use crate::engine::{Engine, Undoing};
use crate::expr::Language;
use crate::guard::Ceilings;
use crate::http::{Http, HttpOptions};
use crate::kql::Schema;
use crate::model::{Lists, PlaybookId, Secret};
use crate::notify::Channels;
use crate::plan::{Exclusions, Queries, World};
use crate::settings::{RiskRaising, Watching};
use crate::store::{ContentHash, LivePlaybook, Store};
use crate::tenant::{Client, ClientOptions, EndpointOverrides, Tenant};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn world() -> World {
    let known = ["contoso", "fabrikam"].map(|name| (name.to_owned(), BTreeSet::new()));
    World {
        language: Language::new(),
        lists: Lists::default(),
        channels: BTreeSet::new(),
        chats: BTreeMap::new(),
        alerts: None,
        tenants: BTreeMap::from(known),
        ceilings: Ceilings::default().on_a_stage(),
        exclusions: Exclusions::default(),
        approvers: crate::action::Approvers::default(),
        queries: Queries::Checked(Schema::defender()),
    }
}

/// A daemon over a folder, in front of a tenant that nobody plays.
async fn daemon(folder: &Path, clock: &ManualClock) -> Daemon {
    let shared: SharedClock = Arc::new(clock.clone());
    let http = Http::open(HttpOptions::default(), Arc::clone(&shared)).unwrap();
    let id = "00000000-0000-4000-8000-000000000001".parse().unwrap();
    let options = ClientOptions {
        endpoints: EndpointOverrides::under("http://127.0.0.1:1"),
        ..ClientOptions::with_secret("contoso", id, "app", Secret::new("secret".to_owned()))
    };
    let client: Arc<dyn Tenant> = Arc::new(Client::open(options, http, Arc::clone(&shared)).unwrap());
    let store = Store::scratch(Arc::clone(&shared)).await.unwrap();
    let tenants = BTreeMap::from([("contoso".to_owned(), client)]);
    let options = DaemonOptions {
        playbooks: folder.join("playbooks"),
        lists: folder.join("lists"),
        terms: Terms::default(),
        risk_raising: RiskRaising::Apply,
        watching: Watching::Auto,
        poll_every: SignedDuration::from_secs(5),
        world: world(),
        channels: Channels::new(),
        running_max: NonZeroUsize::MIN,
        drain: HOUR,
    };
    Daemon::open(
        Engine {
            store,
            clock: shared,
            tenants,
            feeds: Arc::new(crate::feed::Shelf::default()),
            alerts: None,
            page: None,
            undoing: Undoing::default(),
        },
        options,
    )
    .await
    .unwrap()
}

fn playbook(rest: &str) -> String {
    format!(
        "schema: 1\nid: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77\nname: Test\nseverity: Low\n\
         hunt:\n  query: DeviceEvents | take 1\n  columns: {{DeviceId: string}}\nschedule: {{every: 1h}}\n{rest}"
    )
}

/// Whether what was due begins when the playbook is edited before it does.
async fn begins(rest: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("playbooks/test.yaml");
    std::fs::create_dir(folder.path().join("playbooks")).unwrap();
    std::fs::write(&file, playbook("")).unwrap();
    let clock = ManualClock::new("2026-03-01T12:10:00Z".parse().unwrap());
    let daemon = daemon(folder.path(), &clock).await;
    clock.advance(HOUR);
    let start = daemon.0.scheduler.next().await;
    std::fs::write(&file, playbook(rest)).unwrap();
    daemon.reload().await.unwrap();
    let begun = async {
        while daemon.0.engine.store.unfinished_keys().await.unwrap().is_empty() {
            SystemClock.sleep(SignedDuration::from_millis(5)).await;
        }
    };
    tokio::select! {
        biased;
        () = begun => true,
        ended = daemon.start(start) => {
            ended.unwrap();
            false
        }
    }
}

#[tokio::test]
async fn what_lost_its_schedule_or_its_tenant_before_it_began_does_not_run() {
    assert!(begins("description: edited\n").await);
    assert!(!begins("enabled: false\n").await);
    assert!(!begins("tenants: [fabrikam]\n").await);
}

#[test]
fn what_is_in_force_is_not_refused_for_what_is_asked_of_playbooks_since() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.yaml");
    let every = |more: &str| playbook("").replace("every: 1h", &format!("every: 1h, {more}"));
    for text in [
        every("jitter: 1h"),
        every("maxLateness: 0s"),
        playbook("suppress: {by: [DeviceId], for: 0s}\n"),
        playbook("").replace("schedule", "  queryPeriod: 0s\nschedule"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let next = |before: Generation| {
            let scan = super::scan(folder.path(), &folder.path().join("lists")).unwrap();
            before.next_reviewed(scan, &world(), &super::edit::Review::default())
        };
        let new = next(Generation::default());
        assert_eq!((new.playbooks.len(), new.refused.len()), (0, 1), "{text}");
        let live = LivePlaybook {
            playbook: PlaybookId("2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77".parse().unwrap()),
            file: file.display().to_string(),
            hash: ContentHash::of(text.as_bytes()),
            bytes: text.clone().into_bytes(),
            at: "2026-03-01T12:10:00Z".parse().unwrap(),
        };
        let kept = next(Generation::restore(&[live], Vec::new(), &world()));
        assert_eq!((kept.playbooks.len(), kept.refused.len()), (1, 0), "{text}: {:?}", kept.refused);
    }
}

#[tokio::test]
async fn a_file_that_went_a_moment_ago_is_in_force_for_five_seconds_unless_a_person_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let files = [("playbooks/test.yaml", playbook("")), ("lists/hosts.txt", "one\n".to_owned())];
    let put = || {
        for (name, text) in &files {
            std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(name), text).unwrap();
        }
    };
    let remove =
        || files.iter().for_each(|(name, _)| std::fs::remove_file(folder.path().join(name)).unwrap());
    put();
    let clock = ManualClock::new("2026-03-01T12:10:00Z".parse().unwrap());
    let daemon = daemon(folder.path(), &clock).await;
    let after = async |seconds: i64| {
        clock.advance(SignedDuration::from_secs(seconds));
        daemon.reload().await.unwrap();
        let live = daemon.generation();
        (live.playbooks.len(), live.lists.get("hosts").is_some())
    };
    remove();
    assert_eq!((after(0).await, after(4).await), ((1, true), (1, true)));
    put();
    assert_eq!((after(0).await, after(10).await), ((1, true), (1, true)), "it was written anew");
    remove();
    assert_eq!((after(0).await, after(5).await), ((1, true), (0, false)));
    put();
    assert_eq!(after(0).await, (1, true));
    remove();
    daemon.release().await.unwrap();
    assert_eq!(after(0).await, (0, false), "at once");
}
