//! What reaches a run that goes on: edits, the end of the process, and the end of its time.

use std::fs;

use huntbook::engine::ItemOutcome::{self, Acted, Halted, Skipped};
use huntbook::engine::{RUN_MAX, Report, RunState};
use huntbook::sim::RequestEntry;
use huntbook::store::{self, EffectState};

use super::*;

const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// How long the tenant wants to be left alone: nobody else waits as long.
const BUSY: SignedDuration = SignedDuration::from_secs(13);
/// A little longer than who is asked to wait waits.
const BUSY_MAX: SignedDuration = SignedDuration::from_secs(15);
const ISOLATE: &str = "POST /mde/api/machines/*/isolate";

/// A playbook that isolates what its hunt finds, but for what is on a list.
const ISOLATES: &str = "schema: 1\nid: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77\nname: Test\nmode: enforce\nseverity: Low\n\
    hunt:\n  query: DeviceEvents | take 9\n  columns: {DeviceId: string}\n  identity: [DeviceId]\n\
    guards: {exclude: {devices: spared}}\n\
    actions:\n  - isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}\n\
    schedule: {every: 6h}\n";

impl Place {
    fn write(&self, playbook: &str) {
        fs::write(self.playbooks().join("test.yaml"), playbook).unwrap();
    }

    fn spare(&self, device: &str) {
        let lists = self.dir.path().join("lists");
        fs::create_dir_all(&lists).unwrap();
        fs::write(lists.join("spared.txt"), format!("{device}\n")).unwrap();
    }

    /// What was isolated, by number.
    fn isolated(&self) -> Vec<usize> {
        let number = |id: &str| self.gate.devices.iter().position(|device| device == id).unwrap();
        self.sim.effects().iter().map(|effect| number(&effect.target)).collect()
    }

    /// A daemon whose run has isolated the first device and waits for the tenant to take the second.
    async fn in_flight() -> (Self, Served) {
        let place = Self::at("2026-03-01T12:10:00Z").await;
        place.write(ISOLATES);
        place.spare("nobody");
        let busy = Fault {
            status: Some(429),
            retry_after: Some(BUSY.as_secs().try_into().unwrap()),
            after: 1,
            times: Some(1),
            ..Fault::on(ISOLATE)
        };
        place.sim.set_faults(vec![busy]).unwrap();
        let trap = Trap::new(&place.clock, BUSY..=BUSY_MAX);
        let served = place.serve_by(Arc::clone(&trap) as SharedClock).await;
        place.clock.set(served.next());
        // Time stands still until it waits: what is on the wire when hours pass is lost.
        until("it waits for the tenant", || trap.waits.load(Ordering::SeqCst) == 1).await;
        (place, served)
    }

    /// Lets the wait for the tenant be over, and time stand still until it has taken the second: what was decided half a
    /// minute before is not sent.
    async fn let_through(&self, served: &Served) {
        let over = served.runs().await[0].started.checked_add(BUSY_MAX).unwrap();
        self.clock.set(over.max(self.clock.now()));
        let is_taken =
            |request: &RequestEntry| request.path.ends_with("/isolate") && request.status == Some(201);
        until("the second device is isolated", || {
            self.sim.requests().into_iter().filter(is_taken).count() == 2
        })
        .await;
    }

    /// Lets time pass until the run has ended; nobody knows when it began to wait.
    pub(super) async fn pass_until_ended(&self, served: &Served, count: usize) -> Run {
        for _look in 0..LOOKS_MAX {
            let mut runs = served.runs().await;
            if served.is_at_rest(&runs, count) {
                return runs.pop().unwrap();
            }
            self.clock.advance(SECOND);
            SystemClock.sleep(LOOK_EVERY).await;
        }
        panic!("waited for {count} runs: {:#?}", served.runs().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tenant_that_does_not_answer_keeps_nobody_from_hearing_of_others() {
    let place = Place::at("2026-03-01T12:10:00Z").await;
    place.write(ISOLATES);
    place.spare("nobody");
    let mut options = SimOptions::sample().unwrap();
    options.hunter = Arc::clone(&place.gate) as Arc<dyn Hunter>;
    let slow = Arc::new(Sim::start(options, Arc::new(place.clock.clone())).await.unwrap());
    let served = place
        .serve_tenants(Arc::new(place.clock.clone()), &[("adatum", &slow), ("contoso", &place.sim)])
        .await;
    place.clock.set(served.next());
    served.until_ended(2).await;
    // It is asked first, and wants an hour: who waits for it waits as long as time stands still.
    let busy =
        Fault { status: Some(429), retry_after: Some(3600), ..Fault::on("GET /mde/api/machineactions/*") };
    slow.set_faults(vec![busy]).unwrap();
    place.clock.advance(MINUTE + SECOND);
    for _look in 0..LOOKS_MAX {
        let under_way = served.store.effects_in(EffectState::Pending).await.unwrap();
        if under_way.iter().all(|effect| effect.tenant == "adatum") {
            assert_eq!(under_way.len(), 3);
            return served.end().await.unwrap();
        }
        SystemClock.sleep(LOOK_EVERY).await;
    }
    panic!("{:#?}", served.store.effects_in(EffectState::Pending).await);
}

pub(super) fn report(run: &Run) -> Report {
    serde_json::from_value(run.report.clone()).unwrap()
}

fn outcomes(run: &Run) -> Vec<ItemOutcome> {
    report(run).items.iter().map(|item| item.outcome).collect()
}

/// Edits while a run waits for its second action: the third is not taken, for this reason.
async fn halts(edit: impl FnOnce(&Place), why: &str) -> (Place, Served) {
    let (place, served) = Place::in_flight().await;
    edit(&place);
    served.reload(&place).await;
    // A file that went counts as deleted after a while.
    place.clock.advance(SECOND.saturating_mul(5));
    served.reload(&place).await;
    place.let_through(&served).await;
    let run = place.pass_until_ended(&served, 1).await;
    assert_eq!((report(&run).state, outcomes(&run)), (RunState::Halted, vec![Acted, Acted, Halted]), "{why}");
    let reason = report(&run).items[2].steps[0].reason.clone().unwrap();
    assert!(reason.contains(why), "{reason}");
    assert_eq!(place.isolated(), [0, 1]);
    (place, served)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_edit_reaches_a_run_before_its_next_action() {
    let gone = |place: &Place| fs::remove_file(place.playbooks().join("test.yaml")).unwrap();
    halts(gone, "its playbook is not in force any more").await.1.end().await.unwrap();
    let off = |place: &Place| place.write(&format!("{ISOLATES}enabled: false\n"));
    halts(off, "its schedule is switched off").await.1.end().await.unwrap();
    let expired = |place: &Place| place.write(&format!("{ISOLATES}expires: 2026-03-01T13:00:00Z\n"));
    halts(expired, "its playbook has expired").await.1.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_new_list_protects_is_left_alone_by_a_run_in_flight() {
    let spare = |place: &Place| place.spare(&place.gate.devices[2]);
    let (place, served) = halts(spare, "is excluded by the list `spared`").await;
    place.clock.set(served.next());
    let next = served.until_ended(2).await.pop().unwrap();
    assert_eq!(outcomes(&next), [Skipped], "the next run meets it again");
    served.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_halted_is_news_when_the_playbook_acts_again() {
    let observe = |place: &Place| place.write(&ISOLATES.replace("enforce", "observe"));
    let (place, served) = halts(observe, "its playbook only observes by now").await;
    place.write(ISOLATES);
    served.reload(&place).await;
    place.clock.set(served.next());
    let next = served.until_ended(2).await.pop().unwrap();
    assert_eq!((outcomes(&next), place.isolated()), (vec![Acted], vec![0, 1, 2]));
    served.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_46_no_action_begins_once_the_process_ends_and_the_next_start_goes_on() {
    let (place, mut served) = Place::in_flight().await;
    served.stop.cancel();
    place.let_through(&served).await;
    let ended = loop {
        if let Some(ended) = served.task.try_join_next() {
            break ended.unwrap();
        }
        place.clock.advance(SECOND);
        SystemClock.sleep(LOOK_EVERY).await;
    };
    ended.unwrap();
    assert_eq!(place.isolated(), [0, 1], "what has begun is waited for");
    let left = served.runs().await.pop().unwrap();
    assert_eq!((left.state, left.finished), (store::RunState::Running, None));
    assert_eq!(served.store.effects_in(EffectState::Intended).await.unwrap(), []);
    served.store.close().await;
    drop(served);
    let served = place.serve().await;
    let run = served.until_ended(1).await.pop().unwrap();
    assert_eq!((run.id, outcomes(&run)), (left.id, vec![Acted; 3]));
    assert_eq!(place.isolated(), [0, 1, 2]);
    served.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_that_never_ends_is_ended() {
    let (place, served) = Place::in_flight().await;
    place.clock.advance(RUN_MAX);
    let run = place.pass_until_ended(&served, 1).await;
    assert_eq!(report(&run).state, RunState::Halted);
    assert_eq!(report(&run).items[2].steps[0].reason.as_deref(), Some("the run took longer than 4h"));
    place.gate.close();
    let asked = place.gate.asked();
    place.clock.set(served.next());
    until("the next run is in the middle of its query", || place.gate.asked() == asked + 1).await;
    place.clock.advance(RUN_MAX);
    let run = served.until_ended(2).await.pop().unwrap();
    assert_eq!(
        (report(&run).state, run.error.as_deref()),
        (RunState::Failed, Some("the run took longer than 4h"))
    );
    place.gate.open();
    served.end().await.unwrap();
}
