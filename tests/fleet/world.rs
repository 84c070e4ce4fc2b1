//! Fifty tenants behind one address, one application in all of them, and the engine before them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use huntbook::action::Approvers;
use huntbook::channel::{Channel, ChannelOptions};
use huntbook::clock::{LeapClock, ManualClock, SharedClock};
use huntbook::diag::Sink;
use huntbook::engine::{Engine, Order, Ran, Report, Undoing};
use huntbook::expr::Language;
use huntbook::guard::Ceilings;
use huntbook::http::{Http, HttpOptions};
use huntbook::kql::Schema;
use huntbook::model::{Lists, Secret};
use huntbook::notify::{Channels, deliver_due};
use huntbook::plan::{Exclusions, Plan, Queries, World, compile};
use huntbook::sim::{
    Apply, CannedHunter, Consent, Fault, HuntColumn, HuntTable, LogEntry, Sim, SimApp, SimData, SimIdentity,
    SimOptions,
};
use huntbook::store::{Effect, Effects, History, Store, Trigger};
use huntbook::tenant::{Client, ClientOptions, EndpointOverrides, Tenant};
use serde_json::{Value, json};
use tokio::task::JoinSet;

pub(crate) const TENANTS: usize = 50;
const NOW: &str = "2026-03-01T12:00:00Z";
/// Runs under way at the same time.
const RUNNING: usize = 32;

/// Devices, a user, one indicator that is everywhere the same, and incidents that have the same ids everywhere.
pub(crate) const PLAYBOOKS: [&str; 4] = [
    "\
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e71
name: Devices
mode: enforce
severity: High
hunt:
  query: DeviceEvents | project Key = ReportId, DeviceId, DeviceName, User = AccountName
  identity: [Key]
guards: {maxActions: {perRun: 4, perDay: 4}}
actions:
  - isolateDevice: {device: \"{{row.DeviceId}}\", comment: \"{{row.DeviceName}}\"}
  - tagDevice: {device: \"{{row.DeviceId}}\", tag: \"{{row.DeviceName}}\"}
notify:
  - {channel: soc, group: item, title: \"{{row.DeviceName}}\"}
",
    "\
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e72
name: Users
mode: enforce
severity: High
hunt:
  query: DeviceLogonEvents | project Key = ReportId, DeviceName, User = AccountName
  identity: [Key]
actions:
  - disableUser: {user: \"{{row.User}}\"}
notify:
  - {channel: soc, group: item, title: \"{{row.DeviceName}}\"}
",
    "\
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e73
name: Indicators
mode: enforce
severity: High
hunt:
  query: DeviceNetworkEvents | project Key = ReportId, DeviceName, RemoteIP
  identity: [Key]
actions:
  - addIndicator: {indicatorValue: \"{{row.RemoteIP}}\", indicatorType: ipAddress, action: block, title: \"{{row.DeviceName}}\", description: \"{{row.DeviceName}}\", expiresIn: 30d}
",
    "\
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e74
name: Incidents
mode: enforce
severity: High
incidents: {filter: {severity: [high]}}
actions:
  - commentIncident: {incident: \"{{incident.id}}\", comment: \"{{incident.displayName}}\"}
",
];

/// What a tenant has to go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lot {
    /// Nothing.
    Well,
    /// 429 here and there.
    Throttled,
    /// Answers take their time.
    Slow,
    /// Hunting and the authority fail again and again.
    Stumbling,
    /// The authority hands out the token of another tenant.
    Strayed,
    /// The answer to an isolation is lost.
    Cut,
    /// No consent, of one kind or another.
    Barred,
    /// Consent, and no roles.
    Unprivileged,
}

/// Whether what is scripted goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    On,
    Off,
}

impl Lot {
    pub(crate) const ALL: [Self; 8] = [
        Self::Well,
        Self::Throttled,
        Self::Slow,
        Self::Stumbling,
        Self::Strayed,
        Self::Cut,
        Self::Barred,
        Self::Unprivileged,
    ];
}

/// Numbers that look random and are the same for the same seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

fn tenant_id(place: usize) -> String {
    format!("7e4a47{place:02}-0000-4000-8000-0000000000ff")
}

/// The id of a device; it says whose it is.
pub(crate) fn device(place: usize, number: usize) -> String {
    format!("de71ce{place:02}{number:032x}")
}

/// The id of the user; it says whose it is.
pub(crate) fn user(place: usize) -> String {
    format!("05e4ee{place:02}-0000-4000-8000-000000000001")
}

/// The tenants a text speaks of, by their devices, users, ids and words.
pub(crate) fn markers(text: &str) -> Vec<usize> {
    let text = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for word in ["7e4a47", "de71ce", "05e4ee", "word-of-t"] {
        for (at, _) in text.match_indices(word) {
            found.extend(
                text.get(at + word.len()..at + word.len() + 2)
                    .and_then(|digits| digits.parse::<usize>().ok()),
            );
        }
    }
    found
}

fn word(place: usize) -> String {
    format!("word-of-t{place:02}")
}

fn options(place: usize, (lot, nth): (Lot, usize)) -> SimOptions {
    let word = word(place);
    let machines: Vec<Value> = (0..2)
        .map(|number| {
            json!({"id": device(place, number), "computerDnsName": format!("{word}.n{number}.example"),
                "firstSeen": "-90d", "lastSeen": "-1m", "osPlatform": "Windows11", "healthStatus": "Active",
                "onboardingStatus": "Onboarded"})
        })
        .collect();
    let data = json!({
        "machines": machines,
        "users": [{"id": user(place), "userPrincipalName": format!("one@{word}.example"), "displayName": word}],
        "incidents": [{"id": "4101", "displayName": word, "severity": "high", "createdDateTime": "-50m",
            "lastUpdateDateTime": "-35m"}],
    });
    let table = |columns: &[&str], rows: Vec<Value>| {
        let columns = columns.iter().map(|name| HuntColumn::new(*name, "String")).collect();
        Ok(HuntTable::new(columns, rows.iter().map(|row| row.as_object().unwrap().clone()).collect()))
    };
    // The keys by which a row is known again are the same in all tenants.
    let devices = (0..2).map(|number| {
        json!({"Key": format!("row-{number}"), "DeviceId": device(place, number), "DeviceName": word, "User": "x"})
    });
    let users = json!({"Key": "row-0", "DeviceName": word, "User": user(place)});
    let addresses = json!({"Key": "row-0", "DeviceName": word, "RemoteIP": "203.0.113.7"});
    let hunter = CannedHunter::new()
        .when("DeviceEvents", table(&["Key", "DeviceId", "DeviceName", "User"], devices.collect()))
        .when("DeviceLogonEvents", table(&["Key", "DeviceName", "User"], vec![users]))
        .when("DeviceNetworkEvents", table(&["Key", "DeviceName", "RemoteIP"], vec![addresses]));
    let consents = [Consent::Missing, Consent::Disabled, Consent::NoApi, Consent::NotSubscribed];
    let apps = match (lot, consents.get(nth % 5)) {
        (Lot::Barred, Some(consent)) => vec![SimApp { consent: *consent, ..SimApp::sample() }],
        // They never heard of it.
        (Lot::Barred, None) => Vec::new(),
        (Lot::Unprivileged, _) => vec![SimApp { roles: Vec::new(), ..SimApp::sample() }],
        _ => vec![SimApp::sample()],
    };
    SimOptions {
        identity: SimIdentity {
            tenant_id: tenant_id(place).parse().unwrap(),
            domain: format!("{word}.example"),
        },
        apps,
        data: serde_json::from_value::<SimData>(data).unwrap(),
        hunter: Arc::new(hunter),
        ..SimOptions::sample().unwrap()
    }
}

/// Tenants, journal and engine.
pub(crate) struct Fleet {
    pub(crate) sims: Vec<Sim>,
    pub(crate) lots: Vec<Lot>,
    dice: Dice,
    clock: SharedClock,
    dir: tempfile::TempDir,
    /// None between the end of one process and the start of the next.
    engine: Option<Arc<Engine>>,
    channels: Channels,
    plans: Vec<Arc<Plan>>,
    /// For each tenant, what the authority would have issued to it.
    tokens: Vec<Value>,
}

impl Fleet {
    pub(crate) async fn build(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut lots: Vec<(Lot, usize)> =
            (0..TENANTS).map(|place| (Lot::ALL[place % Lot::ALL.len()], place / Lot::ALL.len())).collect();
        dice.shuffle(&mut lots);
        let clock: SharedClock = Arc::new(ManualClock::new(NOW.parse().unwrap()));
        let first = Sim::start(options(0, lots[0]), Arc::clone(&clock)).await.unwrap();
        let mut sims = vec![first];
        for (place, lot) in lots.iter().enumerate().skip(1) {
            let next = sims[0].beside(options(place, *lot)).unwrap();
            sims.push(next);
        }
        let dir = tempfile::tempdir().unwrap();
        let engine = engine(&sims[0], &dir, &clock).await;
        let plans = plans();
        let http = Http::open(HttpOptions::default(), Arc::clone(&clock)).unwrap();
        let url = Arc::new(Secret::new(format!("{}/webhook/soc", sims[0].endpoints().hooks)));
        let hook = ChannelOptions::Webhook { url, secrets: Vec::new() };
        let soc = Channel::open("soc", &hook, http, Arc::clone(&clock)).unwrap();
        let mut tokens = Vec::new();
        for place in 0..TENANTS {
            tokens.push(token(&sims[0], place).await);
        }
        let lots = lots.into_iter().map(|(lot, _)| lot).collect();
        let channels = Channels::from([("soc".to_owned(), soc)]);
        Self { sims, lots, dice, clock, dir, engine: Some(engine), channels, plans, tokens }
    }

    /// Scripts what each tenant has to go through, or ends it.
    pub(crate) fn trouble(&mut self, script: Script) {
        let usable: Vec<usize> =
            (0..TENANTS).filter(|place| self.tokens[*place]["access_token"].is_string()).collect();
        for (place, lot) in self.lots.iter().enumerate() {
            let dice = &mut self.dice;
            let mut times = |most: usize| Some(u32::try_from(1 + dice.below(most)).unwrap());
            let throttled =
                |on: &str, times| Fault { status: Some(429), retry_after: Some(7), times, ..Fault::on(on) };
            let faults = match lot {
                Lot::Throttled => vec![
                    throttled("POST /**/token", times(2)),
                    throttled("POST /**/runHuntingQuery", times(3)),
                    throttled("POST /**/isolate", times(2)),
                    throttled("GET /**/incidents", times(2)),
                ],
                Lot::Slow => vec![Fault { delay_ms: 20, times: times(40), ..Fault::on("* /**") }],
                Lot::Stumbling => vec![
                    Fault { status: Some(503), times: times(3), ..Fault::on("POST /**/token") },
                    Fault { status: Some(500), ..Fault::on("POST /**/runHuntingQuery") },
                    Fault { reset: true, ..Fault::on("GET /**/incidents") },
                ],
                Lot::Strayed => {
                    let others: Vec<&usize> = usable.iter().filter(|other| **other != place).collect();
                    let body = self.tokens[*others[dice.below(others.len())]].clone();
                    vec![Fault { status: Some(200), body: Some(body), ..Fault::on("POST /**/token") }]
                }
                Lot::Cut => {
                    vec![Fault {
                        reset: true,
                        apply: Apply::Before,
                        times: Some(1),
                        ..Fault::on("POST /**/isolate")
                    }]
                }
                Lot::Well | Lot::Barred | Lot::Unprivileged => Vec::new(),
            };
            self.sims[place].set_faults(if script == Script::On { faults } else { Vec::new() }).unwrap();
        }
    }

    /// Each playbook in each tenant, in an order of its own, many at a time, while others ask how actions ended.
    pub(crate) async fn round(&mut self) -> Vec<Report> {
        let mut orders: Vec<Order> = Vec::new();
        for place in 0..TENANTS {
            orders.extend(self.plans.iter().map(|plan| Order {
                plan: Arc::clone(plan),
                lists: Arc::new(Lists::default()),
                tenant: format!("t{place:02}"),
                trigger: Trigger::Manual,
                by: None,
                slot: None,
                effects: Effects::Apply,
            }));
        }
        self.dice.shuffle(&mut orders);
        let mut reports = Vec::new();
        let mut running: JoinSet<Option<Report>> = JoinSet::new();
        for (n, order) in orders.into_iter().enumerate() {
            while RUNNING <= running.len() {
                reports.extend(running.join_next().await.unwrap().unwrap());
            }
            let engine = Arc::clone(self.engine());
            running.spawn(async move {
                let Ran::Report(report) = engine.run(&order).await.unwrap() else {
                    panic!("there is no slot")
                };
                if n.is_multiple_of(40) {
                    engine.follow_up().await.unwrap();
                }
                Some(*report)
            });
        }
        while let Some(ended) = running.join_next().await {
            reports.extend(ended.unwrap());
        }
        deliver_due(&self.engine().store, &self.channels, 10_000).await.unwrap();
        reports
    }

    /// Ends the process's part and opens everything again.
    pub(crate) async fn restart(&mut self) {
        self.engine().store.close().await;
        self.engine = None;
        self.engine = Some(engine(&self.sims[0], &self.dir, &self.clock).await);
    }

    fn engine(&self) -> &Arc<Engine> {
        self.engine.as_ref().unwrap()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.engine().store
    }

    /// What the tenants say was done in them.
    pub(crate) fn truths(&self) -> Vec<(String, Vec<LogEntry>)> {
        let log = |(place, sim): (usize, &Sim)| (format!("t{place:02}"), sim.log());
        self.sims.iter().enumerate().map(log).collect()
    }

    pub(crate) async fn events(&self) -> Vec<(i64, Value)> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = self.engine().store.events(History::Effects, after).await.unwrap();
            let Some((last, _)) = page.last() else { return all };
            after = *last;
            all.extend(page);
        }
    }

    pub(crate) async fn parked(&self) -> Vec<Effect> {
        self.engine().store.parked().await.unwrap()
    }
}

/// A token that the authority really issues to the application in a tenant.
async fn token(sim: &Sim, place: usize) -> Value {
    let url = format!("{}/{}/oauth2/v2.0/token", sim.url(), tenant_id(place));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", SimApp::CLIENT_ID),
        ("client_secret", SimApp::SECRET),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    reqwest::Client::new().post(url).form(&form).send().await.unwrap().json().await.unwrap()
}

async fn engine(sim: &Sim, dir: &tempfile::TempDir, clock: &SharedClock) -> Arc<Engine> {
    let mut tenants: BTreeMap<String, Arc<dyn Tenant>> = BTreeMap::new();
    for place in 0..TENANTS {
        // A tenant that makes its callers wait keeps only them waiting.
        let own: SharedClock = Arc::new(LeapClock::new(NOW.parse().unwrap()));
        let http = Http::open(HttpOptions::default(), Arc::clone(&own)).unwrap();
        let (name, id) = (format!("t{place:02}"), tenant_id(place).parse().unwrap());
        let secret = Secret::new(SimApp::SECRET.to_owned());
        let options = ClientOptions {
            endpoints: EndpointOverrides::under(sim.url()),
            ..ClientOptions::with_secret(&name, id, SimApp::CLIENT_ID, secret)
        };
        tenants.insert(name, Arc::new(Client::open(options, http, own).unwrap()));
    }
    let store = Store::open(&dir.path().join("journal.db"), Arc::clone(clock)).await.unwrap();
    for text in PLAYBOOKS {
        store.keep_version(text.as_bytes()).await.unwrap();
    }
    Arc::new(Engine {
        store,
        clock: Arc::clone(clock),
        tenants,
        alerts: None,
        page: None,
        undoing: Undoing::default(),
        feeds: Arc::new(huntbook::feed::Shelf::default()),
    })
}

fn plans() -> Vec<Arc<Plan>> {
    let world = World {
        language: Language::new(),
        lists: Lists::default(),
        channels: BTreeSet::from(["soc".to_owned()]),
        chats: BTreeMap::new(),
        alerts: None,
        tenants: (0..TENANTS).map(|place| (format!("t{place:02}"), BTreeSet::new())).collect(),
        // Fifty tenants at once are more than anybody would allow who has one team to look.
        ceilings: Ceilings { all_targets_per_day: Some(1000), ..Ceilings::default().on_a_stage() },
        exclusions: Exclusions::default(),
        queries: Queries::Checked(Schema::defender()),
        approvers: Approvers::default(),
    };
    let compile = |text: &&str| {
        let mut sink = Sink::new();
        let plan = compile("test.yaml", text.as_bytes(), &world, &mut sink);
        Arc::new(plan.unwrap_or_else(|| panic!("{:#?}", sink.into_sorted())))
    };
    PLAYBOOKS.iter().map(compile).collect()
}
