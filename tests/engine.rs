//! One run after another against the simulated tenant: what is matched, left alone, done and told, over
//! restarts, edits and failures. The tenant's own log says what was really done.

#![expect(clippy::panic, reason = "test helpers")]

#[path = "engine/alerts.rs"]
mod alerts;
#[path = "engine/asked.rs"]
mod asked;
#[path = "engine/bounded.rs"]
mod bounded;
#[path = "engine/breaker.rs"]
mod breaker;
#[path = "engine/cool_down.rs"]
mod cool_down;
#[path = "engine/crashes.rs"]
mod crashes;
#[path = "engine/cut_off.rs"]
mod cut_off;
#[path = "engine/doubt.rs"]
mod doubt;
#[path = "engine/feeds.rs"]
mod feeds;
#[path = "engine/identity.rs"]
mod identity;
#[path = "engine/indicators.rs"]
mod indicators;
#[path = "engine/lag.rs"]
mod lag;
#[path = "engine/late.rs"]
mod late;
#[path = "engine/polling.rs"]
mod polling;
#[path = "engine/protected.rs"]
mod protected;
#[path = "engine/read_back.rs"]
mod read_back;
#[path = "engine/restored.rs"]
mod restored;
#[path = "engine/reverted.rs"]
mod reverted;
#[path = "engine/shares.rs"]
mod shares;
#[path = "engine/stopped.rs"]
mod stopped;
#[path = "engine/taken_back.rs"]
mod taken_back;
#[path = "engine/theirs.rs"]
mod theirs;
#[path = "engine/under_way.rs"]
mod under_way;
#[path = "engine/undone.rs"]
mod undone;
#[path = "engine/unwritten.rs"]
mod unwritten;
#[path = "engine/usual.rs"]
mod usual;

#[path = "history/held.rs"]
mod held;
#[path = "history/mod.rs"]
mod history;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use held::Held;
use huntbook::action::Approvers;
use huntbook::clock::{ManualClock, SharedClock};
use huntbook::diag::Sink;
use huntbook::engine::ItemOutcome::{Acted, Skipped, Suppressed};
use huntbook::engine::{Engine, ItemOutcome, Order, Ran, Report, RunState, StepState, ToldState, Undoing};
use huntbook::expr::Language;
use huntbook::guard::Ceilings;
use huntbook::http::{Http, HttpOptions};
use huntbook::kql::Schema;
use huntbook::model::{List, Lists, Secret};
use huntbook::plan::{Exclusions, Plan, Queries, World, compile};
use huntbook::sim::{CannedHunter, Fault, HuntColumn, HuntFault, HuntTable, Reach, Sim, SimApp, SimOptions};
use huntbook::store::{Effects, RunFilter, Store, Trigger, Waiting};
use huntbook::tenant::{Client, ClientOptions, EndpointOverrides, Tenant};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

const NOW: &str = "2026-03-01T12:00:00Z";
const QUERY: &str = "DeviceEvents | where Timestamp > ago(1h) \
    | project DeviceId, DeviceName, Note = dynamic(null), User = AccountName, Files = FileSize";

/// A tenant, a journal and a clock. When it goes, its journal is held against what the tenant says was done.
struct House {
    history: Held,
    sim: Arc<Sim>,
    clock: ManualClock,
    dir: tempfile::TempDir,
    engine: Engine,
    lists: Arc<Lists>,
    ceilings: Ceilings,
    approvers: Approvers,
    devices: Vec<String>,
}

impl House {
    /// A tenant whose hunt returns one row for each of its first three machines.
    async fn build() -> Self {
        Self::with_rows(3).await
    }

    /// The same with a row for each of its first machines, and for others when it has no more.
    async fn with_rows(count: usize) -> Self {
        Self::with(count, |_options| {}).await
    }

    /// The same where every device is there, fails or is away.
    async fn with_reach(count: usize, reach: Reach) -> Self {
        let change = |options: &mut SimOptions| {
            options.data.machines.iter_mut().for_each(|machine| machine.reach = reach);
        };
        Self::with(count, change).await
    }

    /// The same in a tenant of which something else is changed as well.
    async fn with(count: usize, change: impl FnOnce(&mut SimOptions)) -> Self {
        let clock = ManualClock::new(NOW.parse().expect("an instant"));
        let mut options = SimOptions::sample().expect("the sample tenant");
        for user in &mut options.data.users {
            user.privileged = false;
        }
        for (n, machine) in options.data.machines.iter_mut().take(count).enumerate() {
            machine.computer_dns_name = format!("host{n}.contoso.example");
        }
        change(&mut options);
        let known = options.data.machines.iter().map(|machine| machine.id.clone());
        let devices: Vec<String> = known.chain((0..).map(|n| format!("{n:040x}"))).take(count).collect();
        let rows: Vec<_> = devices
            .iter()
            .enumerate()
            .map(|(n, id)| {
                let name = if n.is_multiple_of(2) { "maja.berg" } else { "admin.t0" };
                let user = format!("{name}@contoso.example");
                json!({"DeviceId": id, "DeviceName": format!("host{n}"), "Files": n * 10, "Note": null, "User": user})
            })
            .collect();
        let merged = merged(&options);
        let columns = ["DeviceId", "DeviceName", "Note", "User"].map(|name| HuntColumn::new(name, "String"));
        let columns = columns.into_iter().chain([HuntColumn::new("Files", "Int64")]).collect();
        let rows = rows.iter().filter_map(|row| row.as_object().cloned()).collect();
        options.hunter = Arc::new(
            CannedHunter::new().when("DeviceEvents", Ok(HuntTable::new(columns, rows))).when(MERGED, merged),
        );
        let shared: SharedClock = Arc::new(clock.clone());
        let sim =
            Arc::new(Sim::start(options, Arc::clone(&shared)).await.expect("the simulated tenant starts"));
        let dir = tempfile::tempdir().expect("a folder");
        let history = Held::new(dir.path().join("journal.db"));
        history.tenant("contoso", &sim);
        let engine = open(&sim, &clock, dir.path().join("journal.db")).await;
        let lists = Arc::new([List::new("packagers", ["host2"])].into_iter().collect());
        Self {
            history,
            sim,
            clock,
            dir,
            engine,
            lists,
            ceilings: Ceilings::default().on_a_stage(),
            approvers: Approvers::new([("duty".to_owned(), "1000".to_owned())]),
            devices,
        }
    }

    /// Ends the process's part and opens the journal again, as after a restart.
    async fn restart(mut self) -> Self {
        self.engine.store.close().await;
        let path = self.journal();
        drop(self.engine);
        self.engine = open(&self.sim, &self.clock, path).await;
        self
    }

    /// Says by how much the engine's clock is ahead of the tenant's, because the test sets it, or was and the journal has seen it.
    fn goes_ahead(&self, by: SignedDuration) {
        self.history.rules.lock().expect("nothing panics with it").skew = by;
    }

    /// Says that the test changes the journal or the tenant behind huntbook's back.
    fn forge(&self) {
        self.history.is_forged.store(true, Ordering::Relaxed);
    }

    fn journal(&self) -> PathBuf {
        self.dir.path().join("journal.db")
    }

    fn world(&self) -> World {
        World {
            language: Language::new(),
            lists: (*self.lists).clone(),
            channels: BTreeSet::from(["soc".to_owned()]),
            chats: BTreeMap::new(),
            alerts: None,
            tenants: BTreeMap::from([("contoso".to_owned(), BTreeSet::new())]),
            ceilings: self.ceilings.clone(),
            exclusions: Exclusions::default(),
            queries: Queries::Checked(Schema::defender()),
            approvers: self.approvers.clone(),
        }
    }

    fn plan(&self, text: &str) -> Arc<Plan> {
        let mut sink = Sink::new();
        let plan = compile("test.yaml", text.as_bytes(), &self.world(), &mut sink);
        Arc::new(plan.unwrap_or_else(|| panic!("{:#?}", sink.into_sorted())))
    }

    async fn run(&self, text: &str) -> Report {
        self.run_with(text, Effects::Apply).await
    }

    /// Runs a playbook that was accepted when less was known of its query.
    async fn run_in_force(&self, text: &str) -> Report {
        let plan = compile("test.yaml", text.as_bytes(), &self.world().trusting(), &mut Sink::new());
        let plan = Arc::new(plan.expect("nothing else is wrong"));
        let order = Order { plan, ..self.order(&playbook(TAG), Effects::Apply).await };
        match self.engine.run(&order).await.expect("the run is recorded") {
            Ran::Report(report) => *report,
            Ran::SlotTaken => panic!("there is no slot"),
        }
    }

    async fn run_with(&self, text: &str, effects: Effects) -> Report {
        let order = self.order(text, effects).await;
        match self.engine.run(&order).await.expect("the run is recorded") {
            Ran::Report(report) => *report,
            Ran::SlotTaken => panic!("there is no slot"),
        }
    }

    /// The report of the latest run, as the journal has it.
    async fn run_of_the_past(&self) -> Report {
        let runs = self.engine.store.runs(&RunFilter { limit: 1, ..RunFilter::default() }).await;
        let run = runs.expect("it can be read").remove(0).run;
        serde_json::from_value(run.report).expect("a report")
    }

    async fn order(&self, text: &str, effects: Effects) -> Order {
        let plan = self.plan(text);
        self.engine.store.keep_version(text.as_bytes()).await.expect("the version is kept");
        Order {
            plan,
            lists: Arc::clone(&self.lists),
            tenant: "contoso".to_owned(),
            trigger: Trigger::Manual,
            by: None,
            slot: None,
            effects,
        }
    }

    /// What the tenant says was done, as `effect target-number`, in order.
    fn applied(&self) -> Vec<String> {
        let number = |target: &str| self.devices.iter().position(|device| device == target);
        let effects = self.sim.effects().into_iter();
        effects
            .map(|effect| match number(&effect.target) {
                Some(number) => format!("{} {number}", effect.effect),
                None => format!("{} {}", effect.effect, effect.target),
            })
            .collect()
    }
}

/// What asks which devices were merged.
const MERGED: &str = "MergedToDeviceId";

/// The answer to it: a tenant whose devices became `refused` gives none.
fn merged(options: &SimOptions) -> Result<HuntTable, HuntFault> {
    let pairs =
        options.data.machines.iter().filter_map(|machine| Some((&machine.id, machine.merged_to.as_ref()?)));
    let pairs: Vec<_> = pairs.collect();
    if pairs.iter().any(|(_, into)| *into == "refused") {
        return Err(HuntFault::Semantic("nobody says".to_owned()));
    }
    let rows = pairs.iter().map(|(id, into)| json!({"DeviceId": id, "MergedToDeviceId": into}));
    let columns = ["DeviceId", MERGED].map(|name| HuntColumn::new(name, "String")).to_vec();
    Ok(HuntTable::new(columns, rows.filter_map(|row| row.as_object().cloned()).collect()))
}

async fn open(sim: &Sim, clock: &ManualClock, path: PathBuf) -> Engine {
    let clock: SharedClock = Arc::new(clock.clone());
    let client = client(sim, Arc::clone(&clock), HttpOptions::default());
    let store = Store::open(&path, Arc::clone(&clock)).await.expect("the journal");
    let tenants = BTreeMap::from([("contoso".to_owned(), client)]);
    Engine {
        store,
        clock,
        tenants,
        feeds: Arc::new(huntbook::feed::Shelf::default()),
        alerts: None,
        page: None,
        undoing: Undoing::default(),
    }
}

/// The tenant over HTTP.
fn client(sim: &Sim, clock: SharedClock, options: HttpOptions) -> Arc<dyn Tenant> {
    let http = Http::open(options, Arc::clone(&clock)).expect("the HTTP client");
    let tenant_id = SimOptions::TENANT_ID.parse().expect("a tenant id");
    let secret = Secret::new(SimApp::SECRET.to_owned());
    let options = ClientOptions {
        endpoints: EndpointOverrides::under(sim.url()),
        ..ClientOptions::with_secret("contoso", tenant_id, SimApp::CLIENT_ID, secret)
    };
    Arc::new(Client::open(options, http, clock).expect("the client"))
}

/// A playbook over the canned query; `rest` is added at its end.
fn playbook(rest: &str) -> String {
    format!(
        "schema: 1\nid: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77\nname: Test\nmode: enforce\nseverity: High\n\
         hunt:\n  query: {QUERY}\n  identity: [DeviceId]\n{rest}"
    )
}

const TAG: &str = "actions:\n  - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}\n";
const ISOLATE: &str = "actions:\n  - isolateDevice: {device: \"{{row.DeviceId}}\", comment: test}\n";

fn outcomes(report: &Report) -> Vec<ItemOutcome> {
    report.items.iter().map(|item| item.outcome).collect()
}

fn states(report: &Report) -> Vec<StepState> {
    report.items.iter().flat_map(|item| item.steps.iter().map(|step| step.state)).collect()
}

#[tokio::test]
async fn a_row_is_acted_on_once_over_runs_restarts_and_edits() {
    let house = House::build().await;
    let first = house.run(&playbook(TAG)).await;
    assert_eq!((first.counts.hunted, first.counts.matched, first.counts.acted), (3, 3, 3));
    let second = house.run(&playbook(TAG)).await;
    assert_eq!((second.counts.hunted, second.counts.duplicates, second.counts.matched), (3, 3, 0));
    let house = house.restart().await;
    let third = house.run(&playbook(&format!("description: edited\n{TAG}"))).await;
    assert_eq!((third.counts.duplicates, third.counts.matched), (3, 0));
    assert_eq!(house.applied(), ["addTag 0", "addTag 1", "addTag 2"]);
}

#[tokio::test]
async fn conditions_decide_what_goes_on_and_what_each_step_does() {
    let house = House::build().await;
    let text = playbook(
        "where: row.Files >= 10\nactions:\n  - if: \"!(row.DeviceName in lists.packagers)\"\n    \
         tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}\n",
    );
    let report = house.run(&text).await;
    assert_eq!(outcomes(&report), [Acted, Skipped]);
    assert_eq!(house.applied(), ["addTag 1"]);
}

#[tokio::test]
async fn when_counts_new_rows_only() {
    let house = House::build().await;
    let text = playbook(&format!("where: row.Files == 0\nwhen: rows.len() == 3\n{TAG}"));
    assert_eq!(house.run(&text).await.counts.matched, 1);
    let again = house.run(&text).await;
    assert_eq!(
        (again.state, again.reason.as_deref()),
        (RunState::Idle, Some("`when` does not hold: 2 new rows"))
    );
}

#[tokio::test]
async fn a_condition_without_a_value_fails_the_run_and_touches_nothing() {
    let house = House::build().await;
    let report = house.run_in_force(&playbook(&format!("where: row.DeviceName > 3\n{TAG}"))).await;
    assert_eq!(report.state, RunState::Failed);
    assert!(
        report.reason.as_deref().is_some_and(|reason| reason.contains("`where` failed on row 1")),
        "{report:?}"
    );
    assert_eq!(house.applied(), Vec::<String>::new());
}

#[tokio::test]
async fn a_column_the_answer_lacks_fails_the_run_and_names_the_one_meant() {
    let house = House::build().await;
    let report = house.run_in_force(&playbook(&format!("where: row.Flies > 3\n{TAG}"))).await;
    assert_eq!(report.state, RunState::Failed);
    assert_eq!(report.reason.as_deref(), Some("the answer has no column `Flies`; did you mean `Files`?"));
    // A name in another case is another name, wherever it is written.
    let base = playbook(TAG);
    for (text, written) in [
        (playbook(&format!("where: row.files > 3\n{TAG}")), "files"),
        (base.replace("identity: [DeviceId]", "identity: [deviceid]"), "deviceid"),
        (playbook(&format!("suppress: {{by: [deviceid], for: 24h}}\n{TAG}")), "deviceid"),
        (base.replace("{{row.DeviceId}}", "{{row.deviceId}}"), "deviceId"),
    ] {
        let report = house.run_in_force(&text).await;
        assert_eq!(report.state, RunState::Failed, "{written}");
        let right = if written == "files" { "Files" } else { "DeviceId" };
        let expect = format!("the answer has no column `{written}`; did you mean `{right}`?");
        assert_eq!(report.reason.as_deref(), Some(&*expect));
    }
    assert_eq!(house.applied(), Vec::<String>::new());
}

#[tokio::test]
async fn suppression_outlives_a_restart_and_ends() {
    let house = House::build().await;
    let text = playbook(&format!("suppress: {{by: [Note], for: 24h}}\n{TAG}"))
        .replace("  identity: [DeviceId]\n", "");
    let first = house.run(&text).await;
    assert_eq!(outcomes(&first), [Acted, Suppressed, Suppressed]);
    let house = house.restart().await;
    house.clock.advance(SignedDuration::from_hours(23));
    assert_eq!(outcomes(&house.run(&text).await), [Suppressed, Suppressed, Suppressed]);
    house.clock.advance(SignedDuration::from_hours(2));
    assert_eq!(outcomes(&house.run(&text).await), [Acted, Suppressed, Suppressed]);
}

#[tokio::test]
async fn a_guard_halts_the_whole_run() {
    let house = House::build().await;
    let report = house.run(&playbook(&format!("guards: {{maxActions: {{perRun: 2}}}}\n{ISOLATE}"))).await;
    assert_eq!(report.state, RunState::Halted);
    assert_eq!(states(&report), [StepState::Halted; 3]);
    assert_eq!(house.applied(), Vec::<String>::new());
}

#[tokio::test]
async fn the_daily_limit_counts_over_restarts_and_a_clock_turned_back() {
    let house = House::build().await;
    let text = |id: u32| {
        let one =
            format!("where: row.Files == {}\nguards: {{maxActions: {{perDay: 2}}}}\n{ISOLATE}", id * 10);
        playbook(&one)
    };
    assert_eq!(house.run(&text(0)).await.counts.acted, 1);
    let house = house.restart().await;
    assert_eq!(house.run(&text(1)).await.counts.acted, 1);
    house.clock.advance(SignedDuration::from_hours(-30));
    let report = house.run(&text(2)).await;
    assert_eq!(states(&report), [StepState::Halted], "{report:?}");
    assert_eq!(house.applied(), ["isolate 0", "isolate 1"]);
}

#[tokio::test]
async fn observing_and_dry_runs_change_nothing_and_a_dry_run_remembers_nothing() {
    let house = House::build().await;
    let told = "notify:\n  - channel: soc\n";
    let dry = house.run_with(&playbook(&format!("{ISOLATE}{told}")), Effects::DryRun).await;
    assert_eq!(states(&dry), [StepState::Planned; 3]);
    assert_eq!(dry.told[0].state, ToldState::Planned);
    let observed = house.run(&playbook(&format!("{ISOLATE}{told}")).replace("enforce", "observe")).await;
    assert_eq!(observed.counts.planned, 3, "the dry run remembered something");
    assert_eq!(observed.told[0].state, ToldState::Queued);
    assert_eq!(house.applied(), Vec::<String>::new());
    assert_eq!(house.engine.store.pending().await.unwrap(), 1);
}

#[tokio::test]
async fn what_was_only_observed_is_met_again_by_a_playbook_that_enforces() {
    let house = House::build().await;
    let enforcing = playbook(&format!("suppress: {{by: [DeviceId], for: 24h}}\n{TAG}"));
    let observing = enforcing.replace("enforce", "observe");
    assert_eq!(house.run(&observing).await.counts.planned, 3);
    let again = house.run(&observing).await.counts;
    assert_eq!((again.duplicates, again.matched), (3, 0), "what was told is not told again");
    assert_eq!(outcomes(&house.run(&enforcing).await), [Acted; 3]);
    assert_eq!(house.run(&enforcing).await.counts.duplicates, 3);
    // And back: what was handled was not observed.
    assert_eq!(house.run(&observing).await.counts.duplicates, 3);
}

#[tokio::test]
async fn a_lost_answer_parks_the_action_and_never_repeats_it() {
    let house = House::build().await;
    let fault =
        json!([{"match": "POST /mde/api/machines/*/isolate", "reset": true, "apply": "before", "times": 1}]);
    house.sim.set_faults(Fault::script(fault).unwrap()).unwrap();
    let text = playbook(&format!("where: row.Files == 0\n{ISOLATE}"));
    let report = house.run(&text).await;
    assert_eq!((report.state, states(&report)), (RunState::Partial, vec![StepState::Parked]));
    assert_eq!(house.engine.store.parked().await.unwrap().len(), 1);
    house.run(&text).await;
    assert_eq!(house.applied(), ["isolate 0"]);
}

#[tokio::test]
async fn a_refusal_fails_the_item_and_stops_its_later_steps() {
    let house = House::build().await;
    let fault = json!([{"match": "POST /mde/api/machines/*/isolate", "status": 403}]);
    house.sim.set_faults(Fault::script(fault).unwrap()).unwrap();
    let later = "  - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}\n";
    let stop = playbook(&format!("where: row.Files == 0\n{ISOLATE}{later}"));
    let report = house.run(&stop).await;
    assert_eq!(states(&report), [StepState::Failed, StepState::Skipped]);
    let reason = report.items[0].steps[0].reason.clone().unwrap_or_default();
    assert!(reason.contains("Machine.Isolate"), "{reason}");
    let kept = house.engine.store.run(report.run).await.unwrap().expect("it is kept");
    assert_eq!(kept.items[0].reason, Some(reason), "an item has the reason of its step");
    let on = playbook(&format!("where: row.Files == 10\n{ISOLATE}    onError: continue\n{later}"));
    assert_eq!(states(&house.run(&on).await), [StepState::Failed, StepState::Done]);
    assert_eq!(house.applied(), ["addTag 1"]);
}

#[tokio::test]
async fn excluded_devices_are_known_by_the_tenants_own_name_for_them() {
    let house = House::build().await;
    let name = {
        let id: huntbook::model::DeviceId = house.devices[1].parse().unwrap();
        let machine = house.engine.tenants["contoso"].machine(&id).await.unwrap();
        machine.computer_dns_name.expect("a name")
    };
    let text = playbook(&format!("guards: {{exclude: {{devices: [{name}]}}}}\n{ISOLATE}"));
    let report = house.run(&text).await;
    assert_eq!(states(&report), [StepState::Accepted, StepState::Skipped, StepState::Accepted]);
    assert_eq!(house.applied(), ["isolate 0", "isolate 2"]);
}

#[tokio::test]
async fn a_target_that_is_no_id_never_reaches_the_tenant() {
    let house = House::build().await;
    let report = house
        .run(&playbook("actions:\n  - isolateDevice: {device: \"../{{row.DeviceId}}\", comment: x}\n"))
        .await;
    assert_eq!(states(&report), [StepState::Failed; 3]);
    assert_eq!(house.applied(), Vec::<String>::new());
}

#[tokio::test]
async fn a_tenant_that_cannot_hunt_fails_the_run_and_the_next_one_makes_up_for_it() {
    let house = House::build().await;
    let fault = json!([{"match": "POST /graph/*/security/runHuntingQuery", "status": 400}]);
    house.sim.set_faults(Fault::script(fault).unwrap()).unwrap();
    assert_eq!(house.run(&playbook(TAG)).await.state, RunState::Failed);
    house.sim.set_faults(Vec::new()).unwrap();
    assert_eq!(house.run(&playbook(TAG)).await.counts.acted, 3);
}

#[tokio::test]
async fn messages_name_what_happened_and_wait_in_the_outbox() {
    let house = House::build().await;
    let text = playbook(&format!(
        "{TAG}notify:\n  - channel: soc\n    if: outcome.acted == 3\n    title: \"{{{{outcome.acted}}}} of {{{{outcome.hunted}}}}\"\n    \
         text: \"{{{{#each items}}}}{{{{row.DeviceName}}}} {{{{/each}}}}\"\n  - channel: soc\n    if: outcome.halted\n"
    ));
    let report = house.run(&text).await;
    let told: Vec<(ToldState, &str)> =
        report.told.iter().map(|told| (told.state, told.title.as_str())).collect();
    assert_eq!(told, [(ToldState::Queued, "3 of 3"), (ToldState::Skipped, "")]);
    let due = house.engine.store.due(Timestamp::MAX, 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].body.pointer("/message/text"), Some(&json!("host0 host1 host2 ")));
}

/// Titles of what waits in the outbox, sorted.
async fn queued(house: &House) -> Vec<String> {
    let due = house.engine.store.due(Timestamp::MAX, 100).await.expect("the outbox is read");
    let title = |message: &Waiting| Some(message.body.pointer("/message/title")?.as_str()?.to_owned());
    let mut titles: Vec<String> = due.iter().filter_map(title).collect();
    titles.sort();
    titles
}

#[tokio::test]
async fn beyond_fifty_messages_the_rest_is_told_in_one() {
    let text = playbook(
        "where: row.Files < 600\nnotify:\n  - {channel: soc, group: item, title: \"on {{row.DeviceName}}\", text: x}\n",
    );
    let house = House::with_rows(50).await;
    assert_eq!(house.run(&text).await.told.len(), 50);

    let house = House::with_rows(63).await;
    let report = house.run(&text).await;
    let title = "[High] Test: 10 more rows";
    assert_eq!(report.told.len(), 51);
    assert_eq!(report.told[50].title, title);
    let mut expected: Vec<String> = (0..50).map(|n| format!("on host{n}")).collect();
    expected.push(title.to_owned());
    expected.sort();
    assert_eq!(queued(&house).await, expected);
    let due = house.engine.store.due(Timestamp::MAX, 100).await.unwrap();
    let rest = due.iter().find(|message| message.body["message"]["title"] == title).unwrap();
    let told = format!(
        "50 rows of this run were told one by one; 10 more rows are not. `huntbook show {}` shows all.",
        report.run
    );
    assert_eq!(rest.body["message"]["text"], told);
    let facts = rest.body["message"]["facts"].as_array().unwrap();
    assert_eq!(facts.len(), 2 + 10, "{facts:?}");
    assert_eq!(facts[1], json!(["Matched", "60"]));
    assert_eq!(facts[11], json!([report.items[59].key, "matched"]));
}

#[tokio::test]
async fn incidents_are_triaged_once() {
    let house = House::build().await;
    let text = "schema: 1\nid: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e78\nname: Triage\nmode: enforce\nseverity: Low\n\
                incidents:\n  filter: {status: [active], updatedWithin: 30d}\n  expandAlerts: true\n\
                where: incident.alerts.len() > 0\nactions:\n  - updateIncident: {incident: \"{{incident.id}}\", \
                tags: {add: [triaged]}, comment: seen}\n";
    let report = house.run(text).await;
    assert!(report.counts.matched > 0, "{report:?}");
    assert_eq!(report.counts.acted, report.counts.matched);
    assert_eq!(house.run(text).await.counts.matched, 0);
}
