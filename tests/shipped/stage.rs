//! The shipped playbooks as plans, a simulated tenant in the middle of its story, and the engine between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use huntbook::action::Approvers;
use huntbook::clock::{ManualClock, SharedClock};
use huntbook::diag::Sink;
use huntbook::engine::{Engine, Order, Ran, Report, ToldState, Undoing};
use huntbook::expr::Language;
use huntbook::guard::Ceilings;
use huntbook::http::{Http, HttpOptions};
use huntbook::kql::Schema;
use huntbook::model::{Lists, Secret};
use huntbook::plan::{Exclusions, Plan, Queries, World, compile};
use huntbook::sim::{Sim, SimApp, SimOptions};
use huntbook::store::{Effects, Store, Trigger};
use huntbook::tenant::{Client, ClientOptions, EndpointOverrides, Tenant};
use jiff::SignedDuration;

use crate::held::Held;
use crate::{files, folder, lists, now, stem};

const TENANT: &str = "contoso";

/// Everything a run needs. When it goes, its journal is held against what the tenant says was done.
pub(crate) struct Stage {
    _history: Held,
    pub(crate) sim: Arc<Sim>,
    clock: ManualClock,
    engine: Engine,
    lists: Arc<Lists>,
    _dir: tempfile::TempDir,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let clock = ManualClock::new(now());
        let shared: SharedClock = Arc::new(clock.clone());
        let options = SimOptions::story(now()).unwrap();
        let tenant_id = options.identity.tenant_id.clone();
        let sim = Arc::new(Sim::start(options, Arc::clone(&shared)).await.unwrap());
        let http = Http::open(HttpOptions::default(), Arc::clone(&shared)).unwrap();
        let secret = Secret::new(SimApp::SECRET.to_owned());
        let options = ClientOptions {
            endpoints: EndpointOverrides::under(sim.url()),
            ..ClientOptions::with_secret(TENANT, tenant_id, SimApp::CLIENT_ID, secret)
        };
        let client: Arc<dyn Tenant> = Arc::new(Client::open(options, http, Arc::clone(&shared)).unwrap());
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal.db");
        let store = Store::open(&journal, Arc::clone(&shared)).await.unwrap();
        let history = Held::new(journal);
        history.tenant(TENANT, &sim);
        let engine = Engine {
            store,
            clock: shared,
            tenants: BTreeMap::from([(TENANT.to_owned(), client)]),
            feeds: Arc::new(huntbook::feed::Shelf::default()),
            alerts: None,
            page: None,
            undoing: Undoing::default(),
        };
        Self {
            _history: history,
            sim,
            clock,
            engine,
            lists: Arc::new(lists().into_iter().collect()),
            _dir: dir,
        }
    }

    /// What playbooks may refer to: the four channels of the demonstration, and the shipped lists.
    fn world(&self) -> World {
        let channels = ["soc-teams", "soc-slack", "soc-mail", "siem-webhook"];
        World {
            language: Language::new(),
            lists: (*self.lists).clone(),
            channels: channels.map(str::to_owned).into(),
            chats: ["soc-teams", "soc-slack"].map(|name| (name.to_owned(), BTreeSet::new())).into(),
            alerts: None,
            tenants: BTreeMap::from([(TENANT.to_owned(), BTreeSet::new())]),
            ceilings: Ceilings::default().on_a_stage(),
            exclusions: Exclusions::default(),
            queries: Queries::Checked(Schema::defender()),
            approvers: Approvers::default(),
        }
    }

    /// Runs all shipped playbooks in the order of their files; reports by the names of the files.
    pub(crate) async fn play(&self, effects: Effects) -> BTreeMap<String, Played> {
        let mut played = BTreeMap::new();
        for path in files(&folder()) {
            let text = std::fs::read(&path).unwrap();
            let name = path.to_string_lossy();
            let mut sink = Sink::new();
            let plan = compile(&name, &text, &self.world(), &mut sink);
            assert_eq!(sink.as_slice(), [], "{name}");
            let before = self.sim.effects().len();
            let report = self.run(plan.unwrap(), text, effects).await;
            let effects = self.sim.effects().split_off(before);
            let effects =
                effects.into_iter().map(|effect| format!("{} {}", effect.effect, self.name(&effect.target)));
            played.insert(stem(&path), Played { effects: effects.collect(), report });
        }
        played
    }

    async fn run(&self, plan: Plan, bytes: Vec<u8>, effects: Effects) -> Report {
        self.engine.store.keep_version(&bytes).await.unwrap();
        let order = Order {
            plan: Arc::new(plan),
            lists: Arc::clone(&self.lists),
            tenant: TENANT.to_owned(),
            trigger: Trigger::Manual,
            by: None,
            slot: None,
            effects,
        };
        match self.engine.run(&order).await.unwrap() {
            Ran::Report(report) => *report,
            Ran::SlotTaken => panic!("there is no slot"),
        }
    }

    /// Lets time pass.
    pub(crate) fn wait(&self, length: SignedDuration) {
        self.clock.advance(length);
    }

    /// A short name of what the tenant knows by an id.
    fn name(&self, id: &str) -> String {
        let state = self.sim.state();
        let field = |kind: &str, field: &str| state.pointer(&format!("/{kind}/{id}/{field}"))?.as_str();
        let long = field("machines", "computerDnsName")
            .or_else(|| field("users", "userPrincipalName"))
            .unwrap_or(id);
        let short = long.strip_suffix(".contoso.example").or_else(|| long.strip_suffix("@contoso.example"));
        short.unwrap_or(long).chars().take(16).collect()
    }
}

/// A run, and what the tenant's own log says it changed.
pub(crate) struct Played {
    pub(crate) report: Report,
    pub(crate) effects: Vec<String>,
}

impl Played {
    /// The run in a few lines: how many of what, what the tenant did, who was told.
    pub(crate) fn transcript(&self) -> String {
        let counts = self.report.counts;
        let told: Vec<&str> = self
            .report
            .told
            .iter()
            .filter(|told| matches!(told.state, ToldState::Queued | ToldState::Planned))
            .map(|told| told.channel.as_str())
            .collect();
        format!(
            "{}: hunted {}, known {}, matched {}, suppressed {}, acted {}, planned {}, skipped {}, halted {}, failed {}; {}; told {}",
            self.report.state.as_str(),
            counts.hunted,
            counts.duplicates,
            counts.matched,
            counts.suppressed,
            counts.acted,
            counts.planned,
            counts.skipped,
            counts.halted_items,
            counts.failed + counts.parked + counts.quarantined,
            if self.effects.is_empty() { "nothing".to_owned() } else { self.effects.join(", ") },
            if told.is_empty() { "nobody".to_owned() } else { told.join(", ") },
        )
    }
}
