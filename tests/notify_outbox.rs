//! The outbox worked off through real channels and a real journal, by a clock the test moves.

#![expect(clippy::expect_used, reason = "test helpers; a failure fails the test")]

#[path = "channel/sink.rs"]
mod sink;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use huntbook::channel::{Channel, ChannelOptions};
use huntbook::clock::{Clock as _, ManualClock, SharedClock};
use huntbook::http::{Http, HttpOptions};
use huntbook::model::{AlertSeverity, RunId, Secret};
use huntbook::notify::{Channels, DeliveryReport, Draft, Origin, deliver_due, outbox_message};
use huntbook::store::{OutboxMessage, Store};
use jiff::SignedDuration;
use sink::{Answer, Sink};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};

/// How long an answer is waited for that never comes.
const SILENCE: Duration = Duration::from_secs(10);

/// A journal, a clock and channels.
struct Office {
    clock: ManualClock,
    shared: SharedClock,
    store: Store,
    channels: Channels,
    run: RunId,
    _folder: tempfile::TempDir,
}

impl Office {
    async fn open() -> Self {
        let clock = ManualClock::new("2026-01-10T12:00:00Z".parse().expect("a time"));
        let shared: SharedClock = Arc::new(clock.clone());
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.db");
        let store = Store::open(&path, Arc::clone(&shared)).await.expect("a journal");
        let run = RunId::at(clock.now());
        Self { clock, shared, store, channels: Channels::new(), run, _folder: folder }
    }

    /// Adds a channel that posts to the sink.
    fn add(&mut self, name: &str, sink: &Sink) {
        let channel = self.channel(name, sink);
        self.channels.insert(name.to_owned(), channel);
    }

    fn channel(&self, name: &str, sink: &Sink) -> Channel {
        let http = Http::open(HttpOptions::default(), Arc::clone(&self.shared)).expect("a door");
        let url = Arc::new(Secret::new(sink.url(&format!("/{name}"))));
        let options = ChannelOptions::Webhook { url, secrets: Vec::new() };
        Channel::open(name, &options, http, Arc::clone(&self.shared)).expect("a channel")
    }

    /// Enqueues messages about the items `0..count`.
    async fn enqueue(&self, channel: &str, count: usize) {
        for item in 0..count {
            self.store.enqueue(&self.entry(channel, item)).await.expect("it is written");
        }
    }

    fn entry(&self, channel: &str, item: usize) -> OutboxMessage {
        let origin = Origin { run: self.run, playbook: "p", tenant: "contoso", severity: AlertSeverity::Low };
        let draft = Draft {
            channel: channel.to_owned(),
            group: format!("{channel}-{item}"),
            title: format!("item {item}"),
            ..Draft::default()
        };
        // The journal here has no run; a message may be about none.
        OutboxMessage { run: None, ..outbox_message(&origin, draft, self.clock.now()) }
    }

    async fn pass(&self) -> DeliveryReport {
        deliver_due(&self.store, &self.channels, 100).await.expect("the journal works")
    }

    async fn pending(&self) -> u32 {
        self.store.pending().await.expect("the journal works")
    }
}

/// What a report says, short.
fn counts(report: &DeliveryReport) -> (usize, usize, usize) {
    (report.delivered.len(), report.undelivered.len(), report.held)
}

fn ids(sink: &Sink) -> Vec<String> {
    sink.take().iter().map(|received| received.header("webhook-id").to_owned()).collect()
}

#[tokio::test]
async fn a_message_goes_out_once() {
    let mut office = Office::open().await;
    let sink = Sink::start(Answer::new(200, "")).await;
    office.add("soc", &sink);
    office.enqueue("soc", 3).await;
    // The same run, repeated after a crash, enqueues the same messages.
    office.enqueue("soc", 3).await;
    assert_eq!(counts(&office.pass().await), (3, 0, 0));
    assert_eq!(counts(&office.pass().await), (0, 0, 0));
    let received = sink.take();
    assert!(received.iter().all(|received| received.uri == "/soc"), "{received:?}");
    let titles: BTreeSet<_> =
        received.iter().map(|received| received.json()["data"]["title"].to_string()).collect();
    assert_eq!(Vec::from_iter(titles), ["\"item 0\"", "\"item 1\"", "\"item 2\""]);
    assert_eq!(received.len(), 3);
    assert_eq!(office.pending().await, 0);
}

#[tokio::test]
async fn row_41_a_message_that_cannot_be_noted_as_sent_goes_out_once_and_again_when_it_can() {
    let mut office = Office::open().await;
    let sink = Sink::start(Answer::new(200, "")).await;
    office.add("soc", &sink);
    office.enqueue("soc", 1).await;
    let journal = SqliteConnectOptions::new().filename(office.store.path());
    let mut somebody = journal.connect().await.expect("the journal is a file");
    somebody.execute("BEGIN IMMEDIATE").await.expect("nobody else writes");
    for pass in 1..=2 {
        let failed = deliver_due(&office.store, &office.channels, 100).await;
        assert!(failed.is_err(), "pass {pass}");
        assert_eq!(sink.take().len(), usize::from(pass == 1), "pass {pass}");
    }
    somebody.execute("ROLLBACK").await.expect("it is ours");
    assert_eq!(counts(&office.pass().await), (1, 0, 0));
    assert_eq!((sink.take().len(), office.pending().await), (1, 0));
}

#[tokio::test]
async fn a_dead_channel_keeps_no_other_waiting() {
    let mut office = Office::open().await;
    let silent = Sink::start(Answer { delay: Duration::from_mins(1), ..Answer::new(200, "") }).await;
    let good = Sink::start(Answer::new(200, "")).await;
    let dead = office.channel("a-silent", &silent).with_time_max(SILENCE);
    office.channels.insert("a-silent".to_owned(), dead);
    for n in 0..12 {
        office.add(&format!("good-{n}"), &good);
        office.enqueue(&format!("good-{n}"), 1).await;
    }
    office.enqueue("a-silent", 50).await;
    let mut pass = pin!(office.pass());
    let mut arrived = 0;
    let all_good = async {
        while arrived < 12 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            arrived += good.take().len();
        }
    };
    tokio::select! {
        report = &mut pass => panic!("the others waited for the dead one: {report:?}"),
        () = all_good => {}
    }
    assert_eq!(counts(&pass.await), (12, 1, 49));
    assert_eq!((arrived, good.take().len()), (12, 0));
    // At the same instant nothing is due: the dead channel does not keep anybody busy.
    assert_eq!(counts(&office.pass().await), (0, 0, 0));
    assert_eq!(silent.take().len(), 1);
}

#[tokio::test]
async fn row_53_a_poison_message_is_a_dead_letter_and_the_next_one_goes_out() {
    let mut office = Office::open().await;
    let sink = Sink::start(Answer::new(400, "bad card")).await;
    office.add("soc", &sink);
    office.enqueue("soc", 1).await;
    let report = office.pass().await;
    let dead = report.undelivered.first().expect("one");
    assert_eq!(dead.next_at, None);
    assert_eq!(dead.reason, "the receiver refused the message: 400 bad card");
    sink.answer(Answer::new(200, ""));
    let unreadable = OutboxMessage { body: serde_json::json!({"version": 9}), ..office.entry("soc", 7) };
    office.store.enqueue(&unreadable).await.expect("it is written");
    office.store.enqueue(&office.entry("soc", 8)).await.expect("it is written");
    let report = office.pass().await;
    assert_eq!(counts(&report), (1, 1, 0));
    let dead = report.undelivered.first().expect("one");
    assert_eq!(dead.reason, "the message has form 9, this version reads 1");
    assert_eq!(office.pending().await, 0);
}

#[tokio::test]
async fn row_52_a_channel_down_for_six_hours_loses_nothing() {
    let mut office = Office::open().await;
    let sink = Sink::start(Answer::new(503, "")).await;
    office.add("soc", &sink);
    office.enqueue("soc", 30).await;
    for _minute in 0..360 {
        office.pass().await;
        office.clock.advance(SignedDuration::from_mins(1));
    }
    let tried = ids(&sink);
    assert!(tried.len() < 120, "{} attempts in six hours", tried.len());
    assert_eq!(office.pending().await, 30);
    sink.answer(Answer::new(200, ""));
    for _minute in 0..(24 * 60) {
        office.pass().await;
        office.clock.advance(SignedDuration::from_mins(1));
        if office.pending().await == 0 {
            break;
        }
    }
    let arrived = ids(&sink);
    assert_eq!(arrived.len(), 30, "each once");
    assert_eq!(arrived.iter().collect::<BTreeSet<_>>().len(), 30);
    assert!(tried.iter().all(|id| arrived.contains(id)), "an id stays over attempts");
}

#[tokio::test]
async fn a_message_is_given_up_when_its_schedule_ends() {
    let mut office = Office::open().await;
    let sink = Sink::start(Answer::new(503, "")).await;
    office.add("soc", &sink);
    office.enqueue("soc", 1).await;
    let mut waits = Vec::new();
    loop {
        let report = office.pass().await;
        let failed = report.undelivered.first().expect("one").clone();
        let Some(next_at) = failed.next_at else {
            assert_eq!(failed.reason, "the receiver failed: 503 (given up after 10 attempts in 75 h)");
            break;
        };
        let wait = office.clock.now().duration_until(next_at);
        waits.push(format!("{wait:#}"));
        office.clock.set(next_at - SignedDuration::from_millis(1));
        assert_eq!(counts(&office.pass().await), (0, 0, 0), "not sooner");
        office.clock.set(next_at);
    }
    assert_eq!(waits, ["5s", "5m", "30m", "2h", "5h", "10h", "14h", "20h", "24h"]);
    assert_eq!(sink.take().len(), 10);
    assert_eq!(office.pending().await, 0);
}

#[tokio::test]
async fn a_channel_that_is_not_in_the_settings_may_come_back() {
    let mut office = Office::open().await;
    office.enqueue("soc", 2).await;
    let report = office.pass().await;
    assert_eq!(counts(&report), (0, 1, 1));
    assert_eq!(report.undelivered.first().expect("one").reason, "no channel `soc` in the settings");
    let sink = Sink::start(Answer::new(200, "")).await;
    office.add("soc", &sink);
    office.clock.advance(SignedDuration::from_mins(5));
    assert_eq!(counts(&office.pass().await), (2, 0, 0));
}

#[tokio::test]
async fn a_channel_that_throttles_is_left_alone_as_long_as_it_asks() {
    let mut office = Office::open().await;
    let throttled = Answer { headers: vec![("retry-after", "90".to_owned())], ..Answer::new(429, "") };
    let sink = Sink::start(throttled).await;
    office.add("soc", &sink);
    office.enqueue("soc", 20).await;
    assert_eq!(counts(&office.pass().await), (0, 1, 19));
    sink.answer(Answer::new(200, ""));
    office.clock.advance(SignedDuration::from_secs(89));
    assert_eq!(counts(&office.pass().await), (0, 0, 0));
    office.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(counts(&office.pass().await), (20, 0, 0));
    assert_eq!(sink.take().len(), 21);
}
