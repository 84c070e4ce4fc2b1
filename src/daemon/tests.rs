//! What only the inside of the daemon can stage: a reload between a slot and its start.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt as _;
use jiff::SignedDuration;

use super::left::Tried;
use super::run::Runs;
use super::{Daemon, DaemonOptions, Generation, Terms};
use crate::clock::{Clock as _, ManualClock, SharedClock, SystemClock};
use crate::engine::{Engine, EngineError, Undoing};
use crate::expr::Language;
use crate::guard::Ceilings;
use crate::http::{Http, HttpOptions};
use crate::kql::Schema;
use crate::model::{Lists, PlaybookId, Secret};
use crate::notify::Channels;
use crate::plan::{Exclusions, Queries, World};
use crate::schedule::Key;
use crate::settings::{RiskRaising, Watching};
use crate::store::{ContentHash, Effects, LivePlaybook, NewRun, RunMode, Store, StoreError, Trigger};
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
            alerts: Some("watch".to_owned()),
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

#[tokio::test]
async fn what_is_left_while_its_playbook_runs_is_taken_up_after_that_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("playbooks")).unwrap();
    std::fs::write(folder.path().join("playbooks/test.yaml"), playbook("")).unwrap();
    let clock = ManualClock::new("2026-03-01T12:10:00Z".parse().unwrap());
    let daemon = daemon(folder.path(), &clock).await;
    clock.advance(HOUR);
    let start = daemon.0.scheduler.next().await;
    let live = daemon.0.live.load_full();
    let plan = &live.playbooks[&start.due.key.playbook].plan;
    let store = &daemon.0.engine.store;
    let cut_off = NewRun {
        id: store.new_run(clock.now()).unwrap(),
        playbook: plan.about.id,
        playbook_name: plan.about.name.clone(),
        version: plan.version,
        tenant: "contoso".to_owned(),
        trigger: Trigger::Manual,
        by: None,
        scheduled_for: None,
        mode: RunMode::Observe,
        effects: Effects::Apply,
        started: clock.now(),
    };
    store.begin_run(&cut_off).await.unwrap();
    assert!(daemon.claim_left().await.unwrap().is_empty(), "another run of it goes on");
    // Which ends at once: nobody wants it any more.
    std::fs::write(folder.path().join("playbooks/test.yaml"), playbook("enabled: false\n")).unwrap();
    daemon.reload().await.unwrap();
    daemon.take_turn(start).await.unwrap();
    assert!(daemon.0.left.notified().now_or_never().is_some(), "it is looked for again");
    assert_eq!(daemon.claim_left().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_fails_all_the_time_puts_off_neither_the_next_look_nor_what_people_decide() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new("2026-03-01T12:10:00Z".parse().unwrap());
    let daemon = daemon(folder.path(), &clock).await;
    let mut runs = Runs::default();
    let refused = || EngineError::Store(StoreError::Unreadable { what: "a run", text: "?".to_owned() });
    daemon.failed(&mut runs, refused()).unwrap();
    let again = runs.try_again.unwrap();
    clock.advance(SignedDuration::from_secs(9));
    daemon.failed(&mut runs, refused()).unwrap();
    assert_eq!((runs.try_again, runs.rests), (Some(again), false));
    daemon.failed(&mut runs, StoreError::Spent.into()).unwrap();
    assert_eq!((runs.try_again, runs.rests), (Some(again), true), "a journal that failed rests");
}

#[tokio::test]
async fn people_are_told_that_what_is_due_is_not_taken_back_because_that_crashes() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new("2026-03-01T12:10:00Z".parse().unwrap());
    let daemon = daemon(folder.path(), &clock).await;
    let key = Key { playbook: PlaybookId(uuid::Uuid::from_u128(7)), tenant: "contoso".into() };
    for _crash in 0..3 {
        assert!(!daemon.is_given_up(&Tried::Revert(key.clone())));
        daemon.is_tried_too_often(&Tried::Revert(key.clone()));
    }
    let beside = daemon.beside(Tried::Revert(key.clone())).unwrap();
    daemon.revert((key, beside)).await.unwrap();
    let told = daemon.0.engine.store.due(clock.now(), 10).await.unwrap();
    let title = "huntbook does not take back what is due";
    assert_eq!(told.iter().filter(|one| one.body["message"]["title"] == title).count(), 1, "{told:?}");
}
