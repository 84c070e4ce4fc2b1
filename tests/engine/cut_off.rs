//! Runs that are cut off in the middle of a call, and what becomes of them after a restart.

use huntbook::clock::{Clock as _, SystemClock};
use huntbook::daemon::plan_of;
use huntbook::engine::ItemOutcome::{Acted, Failed, Parked};
use huntbook::engine::{Report, Resumed, StepState};
use huntbook::sim::Fault;
use huntbook::store::Effects;
use jiff::SignedDuration;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};

use crate::{House, ISOLATE, outcomes, playbook, states};

/// Longer than any test takes.
const FOREVER_MS: u64 = 600_000;

/// A call the tenant does not answer; those before it, so many, it does.
pub(crate) fn hangs(on: &str, after: u32) -> Fault {
    Fault { delay_ms: FOREVER_MS, after, ..Fault::on(on) }
}

impl House {
    /// Lets a run die when the tenant has done so many things in all, and begins a new process.
    pub(crate) async fn cut_off(self, text: &str, done: usize) -> Self {
        let order = self.order(text, Effects::Apply).await;
        let in_flight = async {
            while self.sim.effects().len() < done {
                SystemClock.sleep(SignedDuration::from_millis(5)).await;
            }
        };
        tokio::select! {
            ran = self.engine.run(&order) => panic!("it was to be cut off: {ran:?}"),
            () = in_flight => {}
        }
        let house = self.restart().await;
        house.sim.set_faults(Vec::new()).expect("no faults are sound");
        house
    }

    /// Takes up what was cut off.
    pub(crate) async fn resume(&self) -> Resumed {
        let world = self.world();
        let compile = |name: &str, bytes: &[u8]| plan_of(name, bytes, &world);
        self.engine.resume(&self.lists, &compile).await.expect("the journal is fine")
    }

    /// Takes up the one run that was cut off.
    pub(crate) async fn resume_one(&self) -> Report {
        let mut resumed = self.resume().await;
        assert_eq!((resumed.reports.len(), resumed.abandoned.len()), (1, 0), "{resumed:?}");
        resumed.reports.remove(0)
    }

    /// Opens the journal as somebody would who tampers with it.
    pub(crate) async fn raw(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.journal());
        SqliteConnection::connect_with(&options).await.expect("the file opens")
    }
}

const INDICATOR: &str = "actions:\n  - tagDevice: {device: \"{{row.DeviceId}}\", tag: \"{{run.startedAt}}\"}\n    onError: continue\n  - addIndicator:\n      indicatorValue: \"{{row.DeviceId}}\"\n      \
                         indicatorType: fileSha1\n      action: audit\n      generateAlert: true\n      expiresIn: 30d\n      title: seen\n      \
                         description: \"seen at {{run.startedAt}}\"\n";

#[tokio::test]
async fn a_run_that_is_taken_up_says_what_it_said_before() {
    let house = House::build().await;
    // No clock strikes whole milliseconds.
    house.clock.advance(SignedDuration::from_nanos(123_456_789));
    let refused = Fault { status: Some(403), times: Some(1), ..Fault::on("POST /mde/api/machines/*/tags") };
    house.sim.set_faults(vec![refused, hangs("POST /mde/api/indicators", 0)]).unwrap();
    let house = house.cut_off(&playbook(INDICATOR), 1).await;
    let report = house.resume_one().await;
    assert_eq!(outcomes(&report), [Parked, Acted, Acted]);
    assert_eq!(states(&report)[..2], [StepState::Done, StepState::Parked], "tried again in the same words");
    assert_eq!(house.applied().iter().filter(|effect| effect.starts_with("putIndicator")).count(), 3);
    assert_eq!(house.run(&playbook(INDICATOR)).await.counts.matched, 0);
}

#[tokio::test]
async fn a_run_that_cannot_be_read_keeps_no_other_from_its_end() {
    let house = House::build().await;
    house.sim.set_faults(vec![hangs("POST /mde/api/machines/*/isolate", 1)]).unwrap();
    let bad = playbook(&format!("where: row.Files < 20\n{ISOLATE}"));
    let good = playbook(&format!("where: row.Files == 20\n{ISOLATE}")).replace("8e77", "8e78");
    let house = house.cut_off(&bad, 2).await;
    house.sim.set_faults(vec![hangs("POST /mde/api/machines/*/isolate", 0)]).unwrap();
    let house = house.cut_off(&good, 3).await;
    let tamper = "DROP TRIGGER effects_fixed; UPDATE effects SET playbook = 'nonsense' WHERE state = 'done' OR state = 'pending'";
    house.raw().await.execute(tamper).await.unwrap();
    let resumed = house.resume().await;
    assert_eq!(resumed.reports.iter().map(outcomes).collect::<Vec<_>>(), [[Parked]]);
    let (run, why) = &resumed.abandoned[0];
    assert!(why.contains("nonsense"), "{why}");
    let left = house.engine.store.unfinished().await.unwrap();
    assert_eq!(left, [], "{:?} is ended, too", run.run.id);
}

#[tokio::test]
async fn a_call_is_not_repeated_in_other_words_and_the_rest_goes_on() {
    let house = House::build().await;
    let refused = Fault { status: Some(403), times: Some(1), ..Fault::on("POST /mde/api/machines/*/tags") };
    let faults = vec![refused, hangs("POST /mde/api/machines/*/isolate", 0)];
    house.sim.set_faults(faults).unwrap();
    let text = playbook(
        "actions:\n  - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}\n    onError: continue\n  \
         - isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}\n",
    );
    let house = house.cut_off(&text, 1).await;
    let tamper = "DROP TRIGGER effects_fixed; UPDATE effects SET params_digest = zeroblob(32)";
    house.raw().await.execute(tamper).await.unwrap();
    let report = house.resume_one().await;
    assert_eq!(outcomes(&report), [Parked, Acted, Acted]);
    assert_eq!(states(&report)[..2], [StepState::Failed, StepState::Parked]);
    assert!(!outcomes(&report).contains(&Failed));
    assert_eq!(house.applied(), ["isolate 0", "addTag 1", "isolate 1", "addTag 2", "isolate 2"]);
}
