//! A journal that is older than what was done with it does nothing again, however much of it is gone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use huntbook::engine::ItemOutcome::{Acted, Halted, PendingApproval};
use huntbook::engine::StepState::{self, Accepted, AlreadyInForce};
use huntbook::engine::{Report, TakenUp};
use huntbook::http::Open;
use huntbook::sim::{Apply, Duplicates, Fault, Reach};
use huntbook::store::{EffectState, Rebuilt, Store, Word};
use huntbook::tenant::{Operation, ScanType};
use jiff::SignedDuration;

use crate::late::why;
use crate::stopped::word;
use crate::{House, ISOLATE, TAG, open, outcomes, playbook, states};

const LIST: &str = "GET /mde/api/machineactions";

impl House {
    /// A tenant in which what is done twice shows, and a journal whose key is an earlier opening's.
    async fn kept(rows: usize) -> Self {
        let house = Self::with(rows, |options| options.duplicates = Duplicates::Queued).await;
        house.restart().await
    }

    /// Puts a file in the journal's place while nobody has it open.
    async fn put_back(self, backup: &Path) -> Self {
        self.engine.store.close().await;
        for end in ["-wal", "-shm"] {
            // There is none where all was written back.
            drop(std::fs::remove_file(format!("{}{end}", self.journal().display())));
        }
        std::fs::copy(backup, self.journal()).expect("both are ours");
        self.restart().await
    }

    /// Begins a new journal in place of this one, which is damaged.
    async fn begun_anew(mut self) -> (Self, Rebuilt) {
        let journal = self.journal();
        drop(self.engine);
        let begun = Store::rebuild(&journal, Arc::new(self.clock.clone()), &word(None)).await;
        self.engine = open(&self.sim, &self.clock, journal).await;
        (self, begun.expect("nothing stands in the way").expect("it was damaged"))
    }

    /// How often the actions of all devices were listed.
    fn sweeps(&self) -> usize {
        let all = self.sim.requests().into_iter();
        all.filter(|one| one.path.ends_with("/machineactions") && !one.query.contains("machineId")).count()
    }

    async fn stops(&self) -> Vec<String> {
        let stops = self.engine.store.stops().await.expect("it can be read");
        stops.iter().map(ToString::to_string).collect()
    }

    async fn look_and_resume(&self) {
        let lifted = self.engine.store.lift(&word(Some("contoso"))).await.expect("it is written");
        assert_eq!(lifted.len(), 1);
    }
}

#[tokio::test]
async fn row_44_a_journal_from_a_backup_does_nothing_until_a_person_has_looked_and_nothing_again_then() {
    let house = House::kept(1).await;
    let backup = house.dir.path().join("backup.db");
    house.engine.store.copy_to(&backup).await.expect("it is written");
    assert_eq!(states(&house.run(&playbook(ISOLATE)).await), [Accepted]);
    assert_eq!((house.stops().await, house.sweeps()), (Vec::new(), 1), "what it knows is no news");
    house.clock.advance(SignedDuration::from_mins(1));
    // The journal that is held against the tenant at the end is another one.
    house.forge();
    let mut house = house.put_back(&backup).await;
    for _run in 0..2 {
        let held = house.run(&playbook(ISOLATE)).await;
        assert_eq!(outcomes(&held), [Halted]);
        let expect = format!("the tenant has isolateDevice of device:{} at", house.devices[0]);
        assert!(why(&held).contains("the journal is older than what was done with it"), "{}", why(&held));
        assert!(why(&held).contains(&expect), "{}", why(&held));
    }
    assert_eq!(house.sweeps(), 2, "once in the life of a process");
    house = house.restart().await;
    assert_eq!(outcomes(&house.run(&playbook(ISOLATE)).await), [Halted], "over restarts");
    let stops = house.stops().await;
    assert!(stops.len() == 1 && stops[0].starts_with("actions in `contoso` are stopped since"), "{stops:?}");
    assert_eq!(states(&house.run(&playbook(TAG).replace("8e77", "8e78")).await).len(), 1);

    house.look_and_resume().await;
    let found = house.engine.store.effects_in(EffectState::Done).await.expect("it can be read");
    assert_eq!(found.iter().map(|effect| effect.action.as_str()).collect::<Vec<_>>(), ["isolateDevice"]);
    assert_eq!(states(&house.run(&playbook(ISOLATE)).await), [AlreadyInForce]);
    assert_eq!((house.applied(), house.stops().await), (vec!["isolate 0".to_owned()], Vec::new()));
    let chain = house.engine.store.verify(huntbook::store::History::Effects, u32::MAX).await;
    assert!(matches!(chain.expect("it can be read"), huntbook::store::Chain::Intact { .. }));
}

#[tokio::test]
async fn row_42_a_journal_that_was_begun_anew_does_nothing_again() {
    let house = House::kept(1).await;
    assert_eq!(states(&house.run(&playbook(ISOLATE)).await), [Accepted]);
    house.clock.advance(SignedDuration::from_mins(1));
    house.forge();
    house.engine.store.close().await;
    // All pages but those of the form, of the key and in between.
    let journal = house.journal();
    let mut bytes = std::fs::read(&journal).expect("it is there");
    let has = |page: &[u8], word: &[u8]| page.windows(word.len()).any(|part| part == word);
    let kept = |page: &[u8]| has(page, b"CREATE ") || has(page, b"markKey") || matches!(page[0], 2 | 5);
    let damaged = bytes.chunks_mut(4096).skip(1).filter(|page| !kept(page));
    let count = damaged.map(|page| page[..12].fill(0xff)).count();
    assert!(count > 20, "{count}");
    std::fs::write(&journal, bytes).expect("it is ours");
    let (house, begun) = house.begun_anew().await;
    assert!(begun.left.knows_marks());
    let held = house.run(&playbook(ISOLATE)).await;
    assert!(why(&held).starts_with("all actions are stopped since"), "{}", why(&held));
    house.engine.store.lift(&word(None)).await.expect("it is written");
    let held = house.run(&playbook(ISOLATE)).await;
    assert!(why(&held).contains("the journal is older than what was done with it"), "{}", why(&held));
    house.look_and_resume().await;
    assert_eq!(states(&house.run(&playbook(ISOLATE)).await), [AlreadyInForce]);
    assert_eq!(house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn row_44_nothing_is_done_while_nobody_knows_what_was_forgotten() {
    let house = House::kept(2).await;
    let fault = Fault { status: Some(403), times: Some(2), ..Fault::on(LIST) };
    house.sim.set_faults(vec![fault]).expect("a sound fault");
    let held = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&held), [Halted, Halted]);
    assert!(
        why(&held).starts_with("nobody knows whether the journal has forgotten an action"),
        "{}",
        why(&held)
    );
    assert_eq!((house.applied(), house.stops().await), (Vec::new(), Vec::new()));
    assert_eq!(outcomes(&house.run(&playbook(ISOLATE)).await), [Acted, Acted], "asked again");
    assert_eq!(house.sweeps(), 3);
    // A journal that this process has made has forgotten nothing, and what takes nothing away waits for nobody.
    let new = House::with_rows(1).await;
    new.run(&playbook(ISOLATE)).await;
    let new = new.restart().await;
    new.run(&playbook(TAG)).await;
    assert_eq!(new.sweeps(), 0);
}

#[tokio::test]
async fn row_44_marks_of_another_journal_and_made_up_ones_say_nothing() {
    let house = House::kept(1).await;
    house.forge();
    let device = house.devices[0].parse().expect("an id");
    let other = House::with_rows(1).await;
    let key = "k".parse().expect("a key");
    let of_another = other.engine.store.mark("contoso", &key, 1).expect("it has a key");
    let own = house.engine.store.mark("fabrikam", &key, 1).expect("it has a key");
    for comment in [of_another, own, "[hb:1:k:1:0123456789] no".to_owned(), "[hb:1:".to_owned()] {
        let operation = Operation::RunAntivirusScan {
            device: Clone::clone(&device),
            scan_type: ScanType::Quick,
            comment,
        };
        house.engine.tenants["contoso"].apply(&operation, &Open).await.expect("it is taken");
    }
    assert_eq!(outcomes(&house.run(&playbook(ISOLATE)).await), [Acted]);
    assert_eq!((house.sweeps(), house.stops().await), (1, Vec::new()));
}

/// Where each transaction in SQLite's log ends. Source: <https://www.sqlite.org/fileformat2.html#walformat>.
fn ends_of_transactions(log: &[u8]) -> Vec<usize> {
    let bytes = |at: usize, count: usize| log.get(at..at + count);
    let number =
        |at: usize| u32::from_be_bytes(bytes(at, 4).expect("they are there").try_into().expect("four bytes"));
    let frame = 24 + usize::try_from(number(8)).expect("a page");
    let salt = bytes(16, 8);
    let frames = (32..log.len()).step_by(frame).take_while(|at| bytes(at + 8, 8) == salt);
    let ends = frames.filter(|at| number(at + 4) != 0).map(|at| at + frame);
    std::iter::once(32).chain(ends).collect()
}

#[tokio::test]
async fn row_61_however_many_of_the_last_transactions_are_gone_nothing_is_done_twice() {
    let mut house = House::kept(2).await;
    let first = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&first), [Acted, Acted]);
    house.clock.advance(SignedDuration::from_mins(1));
    house.engine.follow_up().await.expect("the tenant answers");
    let read = |end: &str| std::fs::read(format!("{}{end}", house.journal().display())).expect("it is there");
    let (base, log) = (read(""), read("-wal"));
    let ends = ends_of_transactions(&log);
    assert!(10 < ends.len(), "{ends:?}");
    let mut came = BTreeMap::<&str, u32>::new();
    for (place, end) in ends.iter().enumerate() {
        let path = house.dir.path().join(format!("lost-{place}.db"));
        std::fs::write(&path, &base).expect("it is ours");
        std::fs::write(format!("{}-wal", path.display()), &log[..*end]).expect("it is ours");
        house.engine = open(&house.sim, &house.clock, path).await;
        let taken = house.resume(&playbook(ISOLATE)).await;
        house.run(&playbook(ISOLATE)).await;
        if house.stops().await.is_empty() {
            *came.entry("nothing is missing").or_default() += 1;
        } else {
            *came.entry("it is older").or_default() += 1;
            // What was matched is still known, and so is under which name it was done.
            let is_told = |one: &TakenUp| matches!(one, TakenUp::Finished(report) if 0 < report.counts.acted);
            *came.entry("and what was done is told as done").or_default() +=
                u32::from(taken.runs.iter().any(is_told));
            house.look_and_resume().await;
        }
        for _run in 0..2 {
            house.resume(&playbook(ISOLATE)).await;
            house.run(&playbook(ISOLATE)).await;
        }
        assert_eq!(house.applied(), ["isolate 0", "isolate 1"], "without all after transaction {place}");
        house.engine.store.close().await;
    }
    assert!(came.len() == 3 && came.values().all(|count| 0 < *count), "{came:?}");
}

/// Puts back a journal that is older than what was done, and lets a person look.
async fn forgotten(text: &str) -> House {
    let house = House::kept(1).await;
    let backup = house.dir.path().join("backup.db");
    house.engine.store.copy_to(&backup).await.expect("it is written");
    assert_eq!(outcomes(&house.run(text).await), [Acted]);
    house.clock.advance(SignedDuration::from_mins(1));
    house.engine.follow_up().await.expect("the tenant answers");
    house.forge();
    let house = house.put_back(&backup).await;
    assert_eq!(outcomes(&house.run(text).await), [Halted]);
    house.look_and_resume().await;
    house
}

#[tokio::test]
async fn row_44_what_may_stand_beside_itself_is_not_repeated_either() {
    let sha1 = "e".repeat(40);
    let text = playbook(&format!(
        "actions:\n  - {{stopAndQuarantineFile: {{device: \"{{{{row.DeviceId}}}}\", sha1: {sha1}, comment: test}}}}\n"
    ));
    let house = forgotten(&text).await;
    for _run in 0..2 {
        let held = house.run(&text).await;
        assert_eq!(outcomes(&held), [Halted]);
        assert!(why(&held).starts_with("it was done before, by a journal that this one"), "{}", why(&held));
    }
    assert_eq!(house.sim.effects().len(), 1);
    // Nor with leave, or where nothing cools down.
    let text = text.replace("comment: test}", "comment: test}, approval: {channel: soc}");
    assert_eq!(outcomes(&house.run(&text).await), [PendingApproval]);
    house.say_yes().await;
    house.go_on(&text).await;
    assert_eq!(house.sim.effects().len(), 1);
}

#[tokio::test]
async fn row_44_what_was_done_with_leave_is_done_and_not_void() {
    let house = House::kept(1).await;
    let text = playbook(
        "actions:\n  - {isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}, approval: {channel: soc}}\n",
    );
    let asked = house.run(&text).await;
    assert_eq!(outcomes(&asked), [PendingApproval]);
    house.say_yes().await;
    let backup = house.dir.path().join("backup.db");
    house.engine.store.copy_to(&backup).await.expect("it is written");
    house.go_on(&text).await;
    assert_eq!(house.applied(), ["isolate 0"]);
    house.clock.advance(SignedDuration::from_mins(1));
    house.forge();
    let house = house.put_back(&backup).await;
    house.go_on(&text).await;
    let detail = house.engine.store.run(asked.run).await.expect("it can be read").expect("it is kept");
    let report: Report = serde_json::from_value(detail.run.report).expect("a report");
    assert_eq!(states(&report), [StepState::Done], "{report:?}");
    house.look_and_resume().await;
    assert_eq!(house.run(&text).await.counts.matched, 0, "it is dealt with");
    assert_eq!(house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn row_44_what_a_person_said_was_not_done_and_the_tenant_shows_as_failed_is_known() {
    for (reach, stops) in [(Reach::Failing, 0), (Reach::Offline, 1)] {
        let house = House::with_reach(1, reach).await.restart().await;
        house.forge();
        let lost = Fault { reset: true, times: Some(1), ..Fault::on("POST /mde/api/machines/*/isolate") };
        house.sim.set_faults(vec![Fault { apply: Apply::Before, ..lost }]).expect("a sound fault");
        assert_eq!(states(&house.run(&playbook(ISOLATE)).await), [StepState::Parked]);
        house.clock.advance(SignedDuration::from_secs(5));
        let key = house.engine.store.parked().await.expect("it can be read").remove(0).key;
        let said = (Word::NotApplied, "duty".to_owned());
        Store::resolve(&house.journal(), house.shared_clock(), &key, said).await.expect("it is heard");
        let house = house.restart().await;
        house.run(&playbook(ISOLATE)).await;
        let found = house.stops().await;
        assert_eq!(found.len(), stops, "{found:?}");
        assert!(
            found.iter().all(|stop| stop.contains("the tenant shows what the journal says was not done"))
        );
    }
}
