//! A simulated world: tenants, a machine whose process dies and starts again, and people.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use huntbook::channel::{Channel, ChannelOptions};
use huntbook::clock::{Clock as _, SharedClock};
use huntbook::daemon::plan_of;
use huntbook::diag::Sink;
use huntbook::engine::{Doubts, Engine, InForce, Order, Present, Ran, Standing, TakenUp, Undoing, Which};
use huntbook::fault;
use huntbook::http::{Http, HttpOptions};
use huntbook::model::{Lists, PlaybookId, Secret};
use huntbook::notify::{Channels, deliver_due};
use huntbook::plan::{Plan, World as Settings, compile};
use huntbook::schedule::{Due, Entry, Key, Overlap, Timetable};
use huntbook::sim::{LogEntry, Sim, SimApp, SimData, SimIdentity, SimIncident, SimOptions};
use huntbook::store::{
    ApprovalState, Consent, Effect, EffectState, Effects, NewSkip, NewVoice, StopWord, Store, Trigger, Way,
    Word,
};
use huntbook::tenant::{Budgets, Client, ClientOptions, EndpointOverrides, Tenant};
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::playbooks::{
    Finds, PLAYBOOKS, Rows, TENANTS, data, id, is_at_half_past_two, playbook, tenant, world,
};
use crate::time::Time;
use crate::wire::{Fate, Line, Reached};

/// How often the process looks around while something is under way, and while nothing is.
const LOOK: SignedDuration = SignedDuration::from_mins(10);
const IDLE: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// In how many of a thousand steps a crash point is armed, usually.
const DEATHS: u64 = 50;

/// What is in force: it changes with edits, under runs too.
#[derive(Debug, Clone)]
pub(crate) struct InForceNow {
    plans: Arc<Mutex<BTreeMap<PlaybookId, Arc<Plan>>>>,
    lists: Arc<Lists>,
}

#[async_trait]
impl InForce for InForceNow {
    fn lists(&self) -> Arc<Lists> {
        Arc::clone(&self.lists)
    }

    fn standing(&self, run: Which) -> Standing {
        let plans = self.plans.lock().unwrap();
        plans.get(&run.playbook).map_or(Standing::Gone, |plan| Standing::InForce(Arc::clone(plan)))
    }
}

/// What a death takes along.
struct Process {
    engine: Engine,
    /// Of each tenant.
    doubts: Arc<tokio::sync::Mutex<BTreeMap<String, Doubts>>>,
    table: Timetable,
}

/// All of it.
pub(crate) struct World {
    pub(crate) sims: Vec<Sim>,
    pub(crate) line: Line,
    time: Time,
    dice: Dice,
    dir: tempfile::TempDir,
    settings: Arc<Settings>,
    in_force: InForceNow,
    http: Http,
    channels: Arc<Channels>,
    process: Option<Process>,
    /// What people were asked and have thought about.
    thought: BTreeSet<String>,
    course: Course,
    started: Timestamp,
    incidents: u64,
    /// In how many of a thousand steps a crash point is armed.
    deaths: u64,
    /// Where a process has died lately, in its own words.
    pub(crate) deaths_of_today: Vec<String>,
    /// How many of the tenants it works in.
    places: usize,
    /// Whether everybody who is asked says yes.
    agrees: bool,
    /// Whether no version of a playbook can be read any more.
    is_unreadable: bool,
}

/// The moment at which summer time begins in Europe.
const SUMMER: &str = "2026-03-29T01:00:00Z";

/// When a simulation begins, and what happens to the machine and around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    start: &'static str,
    /// From when until when nobody is there, in hours.
    outage: (i64, i64),
    /// By day and hour.
    events: &'static [(i64, i64, Event)],
}

/// From a Tuesday before summer time begins on, with an outage over a weekend: from Friday evening to Monday morning.
pub(crate) const MONTH: Course =
    Course { start: "2026-03-10T00:00:00Z", outage: (3 * 24 + 20, 6 * 24 + 6), events: EVENTS };

/// The same in three days around the beginning of summer time.
pub(crate) const WEEKEND: Course = Course {
    start: "2026-03-27T12:00:00Z",
    outage: (20, 30),
    events: &[
        (0, 2, Event::Stop(Some(1))),
        (0, 5, Event::Resume),
        (0, 8, Event::Wrong(3600)),
        (0, 12, Event::Wrong(0)),
        (1, 7, Event::Edit(0)),
        (1, 8, Event::Wrong(-3600)),
        (1, 10, Event::Wrong(0)),
        (1, 17, Event::Wrong(10_800)),
        (1, 20, Event::Wrong(0)),
        (1, 21, Event::Sleep(8)),
        (2, 6, Event::Stop(None)),
        (2, 8, Event::Resume),
        (2, 9, Event::Remove(1)),
        (2, 10, Event::Wrong(-7200)),
        (2, 12, Event::Wrong(0)),
        (2, 13, Event::Edit(1)),
        (2, 15, Event::Sleep(6)),
    ],
};

/// What happens in a month, by day of the simulation.
const EVENTS: &[(i64, i64, Event)] = &[
    (1, 10, Event::Stop(Some(1))),
    (1, 13, Event::Resume),
    (2, 4, Event::Wrong(3600)),
    (2, 9, Event::Wrong(0)),
    (3, 22, Event::Sleep(9)),
    (4, 3, Event::Wrong(-3600)),
    (4, 6, Event::Wrong(0)),
    (6, 12, Event::Edit(0)),
    (9, 1, Event::Stop(None)),
    (9, 5, Event::Resume),
    (10, 2, Event::Remove(1)),
    (12, 2, Event::Edit(1)),
    (14, 20, Event::Wrong(10_800)),
    (15, 8, Event::Wrong(0)),
    (17, 23, Event::Sleep(8)),
    (21, 5, Event::Edit(2)),
    (25, 7, Event::Wrong(-7200)),
    (25, 9, Event::Wrong(0)),
];

#[derive(Debug, Clone, Copy)]
enum Event {
    /// Somebody stops actions, in one tenant or in all.
    Stop(Option<usize>),
    Resume,
    /// The machine sleeps for so many hours.
    Sleep(i64),
    /// The machine's clock is wrong by so many seconds from now on.
    Wrong(i64),
    Edit(usize),
    Remove(usize),
}

impl World {
    pub(crate) async fn build(seed: u64, (course, finds): (Course, Finds)) -> Self {
        let started: Timestamp = course.start.parse().unwrap();
        let time = Time::new(started);
        let service: SharedClock = Arc::new(time.service());
        let first = Sim::in_memory(options(0, seed, finds), service).unwrap();
        let mut sims = vec![first];
        for place in 1..TENANTS {
            let next = sims[0].beside(options(place, seed, finds)).unwrap();
            sims.push(next);
        }
        let (from, until) = course.outage;
        let outage =
            (started + SignedDuration::from_hours(from), started + SignedDuration::from_hours(until));
        let line = Line::new(sims[0].wire(), time.clone(), seed, outage);
        let settings = Arc::new(world());
        let plans = (0..PLAYBOOKS).map(|number| compiled(number, 1, &settings)).collect();
        let lists = Arc::new(settings.lists.clone());
        let in_force = InForceNow { plans: Arc::new(Mutex::new(plans)), lists };
        let memory = PathBuf::from("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        // Both outlive a death: nothing of it stays in them.
        let options =
            HttpOptions { seed: Some(7), wire: Some(Arc::new(line.clone())), ..HttpOptions::default() };
        let host: SharedClock = Arc::new(time.host());
        let http = Http::open(options, Arc::clone(&host)).unwrap();
        let url = Arc::new(Secret::new(format!("{}/webhook/soc", sims[0].endpoints().hooks)));
        let hook = ChannelOptions::Webhook { url, secrets: Vec::new() };
        let soc = Channel::open("soc", &hook, http.clone(), host).unwrap();
        let mut world = Self {
            http,
            channels: Arc::new(Channels::from([("soc".to_owned(), soc)])),
            sims,
            line,
            time,
            dice: Dice::new(seed ^ 0x5eed),
            dir,
            settings,
            in_force,
            process: None,
            thought: BTreeSet::new(),
            course,
            started,
            incidents: 0,
            deaths: DEATHS,
            deaths_of_today: Vec::new(),
            places: TENANTS,
            agrees: false,
            is_unreadable: false,
        };
        world.make_journal(seed).await;
        world.start().await;
        world
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.path().join("journal.db")
    }

    /// Makes a journal whose key comes of the seed: ids and marks are then the same for the same seed.
    async fn make_journal(&self, seed: u64) {
        let store = Store::open(&self.journal(), self.host()).await.unwrap();
        for number in 0..PLAYBOOKS {
            store.keep_version(playbook(number, 1).as_bytes()).await.unwrap();
        }
        store.close().await;
        drop(store);
        let url = format!("sqlite://{}", self.journal().display());
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let key = "UPDATE facts SET value = $1 WHERE name LIKE 'markKey%'";
        sqlx::query(key).bind(i64::try_from(seed).unwrap()).execute(&pool).await.unwrap();
        pool.close().await;
    }

    fn host(&self) -> SharedClock {
        Arc::new(self.time.host())
    }

    pub(crate) fn store(&self) -> &Store {
        &self.process.as_ref().unwrap().engine.store
    }

    /// Starts the process: what a dead one left is parked and taken up.
    async fn start(&mut self) {
        loop {
            let Some(engine) = self.engine().await else { continue };
            let table = Timetable::new(NonZeroUsize::new(8).unwrap());
            self.process = Some(Process { engine, doubts: Arc::default(), table });
            if self.schedule().await.is_some() && self.take_up().await {
                return;
            }
        }
    }

    async fn engine(&mut self) -> Option<Engine> {
        let (journal, host) = (self.journal(), self.host());
        let store =
            self.attempt("opening", Box::pin(async move { Store::open(&journal, host).await })).await?;
        let http = self.http.clone();
        let budgets = Budgets::default();
        let mut tenants: BTreeMap<String, Arc<dyn Tenant>> = BTreeMap::new();
        for (place, sim) in self.sims.iter().enumerate().take(self.places) {
            let secret = Secret::new(SimApp::SECRET.to_owned());
            let id = tenant_id(place).parse().unwrap();
            let options = ClientOptions {
                endpoints: EndpointOverrides::under(sim.url()),
                budgets: budgets.clone(),
                ..ClientOptions::with_secret(&tenant(place), id, SimApp::CLIENT_ID, secret)
            };
            tenants
                .insert(tenant(place), Arc::new(Client::open(options, http.clone(), self.host()).unwrap()));
        }
        Some(Engine {
            store,
            clock: self.host(),
            tenants,
            alerts: Some("soc".to_owned()),
            page: None,
            undoing: Undoing::of(&self.settings, None),
            feeds: Arc::new(huntbook::feed::Shelf::default()),
        })
    }

    /// Gives the timetable what is in force; `None` if the process died of it.
    async fn schedule(&mut self) -> Option<()> {
        let plans = self.in_force.plans.lock().unwrap().clone();
        let mut entries = Vec::new();
        for (id, plan) in &plans {
            let rule = plan.rule.as_ref().unwrap();
            for place in 0..self.places {
                entries.push(Entry {
                    key: Key::from((*id, tenant(place))),
                    cadence: rule.cadence.clone(),
                    jitter: rule.jitter,
                    policy: rule.catch_up,
                    overlap: Overlap::Skip,
                });
            }
        }
        let keys: Vec<_> =
            entries.iter().map(|entry| (entry.key.playbook, entry.key.tenant.to_string())).collect();
        let now = self.time.host().now();
        let store = self.store().clone();
        let marks = Box::pin(async move { store.schedule_marks(&keys, now).await });
        let marks = self.attempt("the marks", marks).await?;
        let marks = marks.into_iter().map(|(key, at)| (Key::from(key), at)).collect();
        drop(self.process.as_mut().unwrap().table.set(entries, &marks, now));
        Some(())
    }

    /// Does one thing; `None` if the process died of it. Then another one has to be started.
    async fn step<T: Send + 'static, E: std::fmt::Debug + Send + 'static>(
        &mut self,
        what: &str,
        doing: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Option<T> {
        if self.dice.hits(self.deaths) {
            let place = usize::try_from(self.dice.below(fault::POINTS.len() as u64)).unwrap();
            let (point, _) = fault::POINTS[place];
            fault::arm_here(&format!("{point}:{}", 1 + self.dice.below(3))).unwrap();
            let done = self.attempt(what, Box::pin(doing)).await;
            fault::disarm_here().unwrap();
            return done;
        }
        self.attempt(what, Box::pin(doing)).await
    }

    /// Does one thing, at which the process may die where somebody has armed a point; `None` if it did.
    async fn attempt<T: Send + 'static, E: std::fmt::Debug + Send + 'static>(
        &mut self,
        what: &str,
        doing: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Option<T> {
        let mut task = JoinSet::new();
        task.spawn(doing);
        let ended = task.join_next().await.unwrap();
        match ended {
            Ok(Ok(done)) => Some(done),
            Ok(Err(error)) => panic!("{what}: {error:?}"),
            Err(died) => {
                let why = died.into_panic();
                let words = why.downcast_ref::<String>().cloned();
                let words = words.or_else(|| why.downcast_ref::<&str>().map(|words| (*words).to_owned()));
                let Some(words) = words.filter(|words| words.starts_with("crash point")) else {
                    std::panic::resume_unwind(why)
                };
                self.line.reach(&words);
                self.line.reach("a death");
                self.deaths_of_today.push(words);
                if let Some(process) = self.process.take() {
                    process.engine.store.close().await;
                }
                None
            }
        }
    }

    /// Deals with what a dead process left; says whether this one is still alive.
    async fn take_up(&mut self) -> bool {
        let engine = self.process.as_ref().unwrap().engine.clone();
        let parking = engine.clone();
        let Some(parked) = self.step("parking", async move { parking.park_in_doubt().await }).await else {
            return false;
        };
        if !parked.is_empty() {
            self.line.reach("parked after a death");
        }
        for unfinished in engine.store.unfinished().await.unwrap() {
            let (engine, in_force, settings) =
                (engine.clone(), self.in_force.clone(), Arc::clone(&self.settings));
            let is_unreadable = self.is_unreadable;
            let taking = async move {
                let compile = |name: &str, bytes: &[u8]| {
                    if is_unreadable { Err("no version".to_owned()) } else { plan_of(name, bytes, &settings) }
                };
                let present = Present { in_force: &in_force, plan_of: &compile };
                engine.take_up(unfinished, &present).await
            };
            let Some(taken) = self.step("taking up", taking).await else { return false };
            self.line.reach(match taken {
                TakenUp::Finished(_) => "a run is taken up",
                TakenUp::Stopped { .. } => "a run is taken up and stopped",
                TakenUp::Abandoned { .. } => "a run is abandoned",
                TakenUp::Waits { .. } => "a run waits",
            });
        }
        true
    }

    /// Lets so many days pass.
    pub(crate) async fn live(&mut self, days: i64) {
        let end = self.started + DAY * i32::try_from(days).unwrap();
        let mut events = self.course.events.iter().peekable();
        let mut day = 0;
        while self.time.truth() < end {
            let since = self.started.duration_until(self.time.truth());
            let is_due =
                |(day, hour, _): &&(i64, i64, Event)| SignedDuration::from_hours(day * 24 + hour) <= since;
            while let Some((_, _, event)) = events.next_if(is_due) {
                self.happen(*event).await;
            }
            if day <= since.as_secs() / DAY.as_secs() {
                day += 1;
                self.morning().await;
            }
            self.round().await;
        }
    }

    /// Runs a playbook a day later, with this happening to the n-th of its calls; says whether it came to that.
    pub(crate) async fn nth(&mut self, number: usize, (n, fate): (u64, Fate)) -> bool {
        self.deaths = 0;
        self.time.pass(DAY);
        self.line.script(None);
        self.morning().await;
        self.look_around().await;
        self.line.script(Some((n, fate)));
        self.comes_to(number).await;
        self.look_around().await;
        let came = !self.line.is_to_come();
        self.settle().await;
        came
    }

    /// Ends all trouble, and lets what is under way come to its end.
    pub(crate) async fn settle(&mut self) {
        self.line.script(None);
        self.deaths = 0;
        self.time.set_wrong_by(SignedDuration::ZERO);
        for _look in 0..12 {
            self.look_around().await;
            self.time.pass(LOOK);
        }
    }

    /// Everything that is due, and the wait until something is.
    async fn round(&mut self) {
        loop {
            let now = self.time.host().now();
            let table = &mut self.process.as_mut().unwrap().table;
            let (skipped, due) = (table.advance(now), table.take());
            for one in skipped {
                self.line.reach("a slot is skipped");
                let skip = NewSkip { slot: one.slot, behind: one.behind, why: one.why };
                self.store().skip_slot(one.key.playbook, &one.key.tenant, &skip).await.unwrap();
            }
            let Some(due) = due else { break };
            self.run(due).await;
        }
        let is_busy = self.look_around().await;
        let now = self.time.host().now();
        let wake = self.process.as_ref().unwrap().table.wake().unwrap_or(Timestamp::MAX);
        let look = now + if is_busy { LOOK } else { IDLE };
        self.time.pass(now.duration_until(wake.min(look)).max(SignedDuration::from_secs(1)));
    }

    async fn run(&mut self, due: Due) {
        if self.try_to_run(due).await.is_none() {
            self.start().await;
        }
    }

    /// The same, but for the new start after a death: then it is `None`.
    async fn try_to_run(&mut self, due: Due) -> Option<()> {
        let plan = self.in_force.plans.lock().unwrap().get(&due.key.playbook).cloned();
        if let Some(plan) = plan {
            let order = Order {
                plan,
                lists: Arc::clone(&self.in_force.lists),
                tenant: due.key.tenant.to_string(),
                trigger: due.trigger,
                by: None,
                slot: Some(due.slot),
                effects: Effects::Apply,
            };
            let (engine, in_force) = (self.process.as_ref().unwrap().engine.clone(), self.in_force.clone());
            let ran = self.step("a run", async move { engine.run_while(&order, &in_force).await }).await?;
            self.line.reach(&format!("trigger {}", due.trigger));
            if due.slot == summer() && is_at_half_past_two(&due.key.playbook.to_string()) {
                self.line.reach("a slot of the hour that summer time takes away");
            }
            if let Ran::Report(report) = ran {
                self.line.reach(&format!("run {}", report.state.as_str()));
                for item in &report.items {
                    self.line.reach(&format!("item {}", item.outcome.as_str()));
                }
            }
        }
        self.process.as_mut().unwrap().table.ended(&due.key);
        Some(())
    }

    /// What the daemon does beside the schedule; says whether something is under way. A death is a new start.
    pub(crate) async fn look_around(&mut self) -> bool {
        self.line.reach("a look around");
        let is_busy = self.look_around_once().await;
        if self.process.is_none() {
            self.start().await;
        }
        is_busy.unwrap_or(true)
    }

    async fn look_around_once(&mut self) -> Option<bool> {
        let engine = self.process.as_ref()?.engine.clone();
        self.answer(&engine).await?;
        for decided in engine.decided().await.unwrap() {
            let (engine, in_force, settings) =
                (engine.clone(), self.in_force.clone(), Arc::clone(&self.settings));
            let going_on = async move {
                let compile = |name: &str, bytes: &[u8]| plan_of(name, bytes, &settings);
                let present = Present { in_force: &in_force, plan_of: &compile };
                engine.go_on(decided.run, &present).await
            };
            self.step("going on", going_on).await?;
        }
        for (playbook, tenant) in engine.to_revert().await.unwrap() {
            let (engine, in_force) = (engine.clone(), self.in_force.clone());
            self.step("taking back", async move { engine.revert((playbook, &tenant), &in_force).await })
                .await?;
        }
        for tenant in engine.tenants.keys().cloned().collect::<Vec<String>>() {
            let (looking, doubts) = (engine.clone(), Arc::clone(&self.process.as_ref()?.doubts));
            let of = tenant.clone();
            let look = async move {
                let mut doubts = doubts.lock().await;
                looking.look_into(&of, doubts.entry(of.clone()).or_default()).await
            };
            for effect in self.step("looking", look).await? {
                self.line.reach(&format!("doubt ends {}", effect.state));
            }
            let following = engine.clone();
            self.step("following", async move { following.follow_up_in(&tenant).await }).await?;
        }
        let (store, channels) = (engine.store.clone(), Arc::clone(&self.channels));
        self.step("telling", async move { deliver_due(&store, &channels, 200).await }).await?;
        let store = &engine.store;
        let now = self.time.host().now();
        let is_young = |effect: &Effect| effect.intended.duration_until(now) < DAY;
        Some(
            !store.effects_in(EffectState::Pending).await.unwrap().is_empty()
                || store.parked_and_marked().await.unwrap().iter().any(is_young)
                || !store.open_approvals().await.unwrap().is_empty(),
        )
    }

    /// People are asked: most say yes, some no, some nothing.
    async fn answer(&mut self, engine: &Engine) -> Option<()> {
        for asked in engine.store.open_approvals().await.unwrap() {
            if asked.state != ApprovalState::Awaiting || !self.thought.insert(asked.id.clone()) {
                continue;
            }
            let word = match self.dice.below(10) {
                _ if self.agrees => Consent::Approve,
                0..6 => Consent::Approve,
                6..8 => Consent::Deny,
                _ => continue,
            };
            let voice = NewVoice {
                word,
                by: "duty".to_owned(),
                account: "duty".to_owned(),
                uid: Some(1000),
                way: Way::Command,
                note: None,
            };
            let store = engine.store.clone();
            self.attempt("a word", Box::pin(async move { store.hear(&asked.id, &voice).await })).await?;
        }
        Some(())
    }

    /// What people do once a day: an incident comes in, what was stopped by itself is let go on, and what nobody knows
    /// is looked up in the portal.
    pub(crate) async fn morning(&mut self) {
        for place in 0..TENANTS {
            self.incidents += 1;
            let incident = SimIncident {
                id: (5000 + self.incidents).to_string(),
                display_name: "new".to_owned(),
                severity: "high".to_owned(),
                created_date_time: "-5m".to_owned(),
                last_update_date_time: "-1m".to_owned(),
                ..SimIncident::default()
            };
            let data = SimData { incidents: vec![incident], ..SimData::default() };
            self.sims[place].add_cases(&data).unwrap();
        }
        let stops = self.store().stops().await.unwrap();
        for stop in stops.iter().filter(|stop| stop.playbook.is_some()) {
            self.line.reach("the breaker has stopped a playbook");
            let word = StopWord { tenant: stop.tenant.clone(), playbook: stop.playbook.clone(), ..word() };
            self.store().lift(&word).await.unwrap();
        }
        let now = self.time.host().now();
        for parked in self.store().parked().await.unwrap() {
            if parked.intended.duration_until(now) < DAY {
                continue;
            }
            self.line.reach("a person says what was done");
            let is_done = self.was_done(&parked);
            let said = (if is_done { Word::Done } else { Word::NotApplied }, "looked up".to_owned());
            Store::resolve(&self.journal(), self.host(), &parked.key, said).await.unwrap();
        }
    }

    /// What a person sees in the portal.
    fn was_done(&self, parked: &Effect) -> bool {
        let place: usize = parked.tenant.trim_start_matches('t').parse().unwrap();
        let mark = self.store().mark(&parked.tenant, &parked.key, parked.attempt).unwrap();
        self.sims[place].effects().iter().any(|effect| {
            let is_marked = effect.comment.as_deref().is_some_and(|comment| comment.starts_with(&mark));
            let is_like = parked.target.ends_with(&effect.target)
                && parked.intended - SignedDuration::from_hours(4) < effect.at
                && !effect.comment.as_deref().is_some_and(|comment| comment.starts_with("[hb:"));
            is_marked || is_like
        })
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Stop(place) => {
                let stop = StopWord { tenant: place.map(tenant), ..word() };
                self.store().halt(&stop).await.unwrap();
            }
            Event::Resume => drop(self.store().lift(&word()).await.unwrap()),
            Event::Sleep(hours) => self.time.pass(SignedDuration::from_hours(hours)),
            Event::Wrong(seconds) => self.time.set_wrong_by(SignedDuration::from_secs(seconds)),
            Event::Edit(number) => {
                self.store().keep_version(playbook(number, 2).as_bytes()).await.unwrap();
                let (id, plan) = compiled(number, 2, &self.settings);
                self.in_force.plans.lock().unwrap().insert(id, plan);
                self.schedule().await.unwrap();
            }
            Event::Remove(number) => {
                let (id, _) = compiled(number, 1, &self.settings);
                self.in_force.plans.lock().unwrap().remove(&id);
                self.schedule().await.unwrap();
            }
        }
        self.line.reach(&format!("{event:?}"));
    }

    /// Keeps these playbooks and the first tenant alone from the next start on, and lets nothing happen but what is asked
    /// for; people say yes.
    pub(crate) fn becomes_small(&mut self, numbers: &[usize]) {
        let kept = |playbook: &PlaybookId| numbers.iter().any(|number| id(*number) == playbook.to_string());
        self.in_force.plans.lock().unwrap().retain(|playbook, _plan| kept(playbook));
        (self.deaths, self.places, self.agrees) = (0, 1, true);
        self.line.script(None);
    }

    /// Lets time pass.
    pub(crate) fn passes(&self, length: SignedDuration) {
        self.time.pass(length);
    }

    /// Begins the process anew, also after a death.
    pub(crate) async fn restarts(&mut self) {
        if let Some(process) = self.process.take() {
            process.engine.store.close().await;
        }
        self.start().await;
    }

    /// The same while no version of a playbook can be read.
    pub(crate) async fn restarts_without_versions(&mut self) {
        self.is_unreadable = true;
        self.restarts().await;
        self.is_unreadable = false;
    }

    /// Runs a playbook in the first tenant.
    pub(crate) async fn comes_to(&mut self, number: usize) {
        self.run(self.due(number)).await;
    }

    /// A run of a playbook in the first tenant dies in the middle; no other process begins.
    pub(crate) async fn is_cut_off(&mut self, number: usize) {
        fault::arm_here("c07_plan_built").unwrap();
        assert!(self.try_to_run(self.due(number)).await.is_none());
        self.deaths_of_today.clear();
    }

    fn due(&self, number: usize) -> Due {
        let key = Key::from((PlaybookId(id(number).parse().unwrap()), tenant(0)));
        Due { key, slot: self.time.host().now(), trigger: Trigger::Schedule }
    }

    /// Somebody stops all actions, and lets them go on.
    pub(crate) async fn is_stopped_and_goes_on(&mut self) {
        let store = self.store().clone();
        if self.attempt("a stop", Box::pin(async move { store.halt(&word()).await })).await.is_none() {
            self.start().await;
        }
        let is_before = |death: &String| !death.ends_with("c33_stop_written");
        if self.deaths_of_today.last().is_some_and(is_before) {
            // It may not have been written: whoever says it says it again.
            self.store().halt(&word()).await.unwrap();
        }
        assert_eq!(self.store().stops().await.unwrap().len(), 1, "a stop is kept");
        let store = self.store().clone();
        if self.attempt("its end", Box::pin(async move { store.lift(&word()).await })).await.is_none() {
            self.start().await;
            self.store().lift(&word()).await.unwrap();
        }
    }

    /// Deletes what is old.
    pub(crate) async fn forgets(&mut self, keep: SignedDuration) {
        let (store, now) = (self.store().clone(), self.time.host().now());
        let forgetting = Box::pin(async move { store.retention(now, keep).await });
        if self.attempt("forgetting", forgetting).await.is_none() {
            self.start().await;
        }
    }

    /// Lets what is under way come to its end, and looks whether anything is left half done.
    pub(crate) async fn comes_to_its_end(&mut self) {
        for _look in 0..12 {
            if !self.look_around().await {
                break;
            }
            self.time.pass(LOOK);
        }
        let store = self.store();
        assert_eq!(store.effects_in(EffectState::Intended).await.unwrap(), []);
        assert_eq!(store.unfinished().await.unwrap(), []);
        assert_eq!(store.open_approvals().await.unwrap(), []);
        assert_eq!(store.pending().await.unwrap(), 0, "everybody is told");
    }

    /// What the tenants say was done in them.
    pub(crate) fn truths(&self) -> Vec<(String, Vec<LogEntry>)> {
        self.sims.iter().enumerate().map(|(place, sim)| (tenant(place), sim.log())).collect()
    }

    /// By how much the host's clock was ahead of the tenants', and from when on.
    pub(crate) fn was_set(&self) -> Vec<(Timestamp, SignedDuration)> {
        self.time.was_set()
    }

    /// What was reached.
    pub(crate) fn reached(&self) -> Reached {
        self.line.reached()
    }

    /// Ends it.
    pub(crate) async fn end(mut self) {
        if let Some(process) = self.process.take() {
            process.engine.store.close().await;
        }
    }
}

fn summer() -> Timestamp {
    SUMMER.parse().unwrap()
}

fn word() -> StopWord {
    StopWord {
        tenant: None,
        playbook: None,
        reason: None,
        account: "duty".to_owned(),
        uid: Some(1000),
        way: None,
    }
}

fn tenant_id(place: usize) -> String {
    format!("7e4a47{place:02}-0000-4000-8000-0000000000ff")
}

fn options(place: usize, seed: u64, finds: Finds) -> SimOptions {
    SimOptions {
        identity: SimIdentity {
            tenant_id: tenant_id(place).parse().unwrap(),
            domain: format!("t{place}.example"),
        },
        data: serde_json::from_value(data(place)).unwrap(),
        hunter: Arc::new(Rows { place, seed, finds }),
        // A signature costs as much as a run.
        token_life: SignedDuration::from_hours(6),
        ..SimOptions::sample().unwrap()
    }
}

fn compiled(number: usize, version: u32, settings: &Settings) -> (PlaybookId, Arc<Plan>) {
    let mut sink = Sink::new();
    let plan = compile("test.yaml", playbook(number, version).as_bytes(), settings, &mut sink);
    let plan = plan.unwrap_or_else(|| panic!("{:#?}", sink.into_sorted()));
    (plan.about.id, Arc::new(plan))
}
