//! The world of one test or replay: a simulated tenant, a journal, channels, the engine, and a clock that leaps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::answers::{Due, Until};
use super::facts::{Seen, Told};
use super::fixture::Changes;
use super::hunter::Answers;
use super::suite::{Setting, Sink};
use crate::channel::{Channel, ChannelOptions};
use crate::clock::{LeapClock, SharedClock};
use crate::diag::Chain;
use crate::engine::{APPROVAL_MESSAGE, Engine, Order, Ran, Undoing};
use crate::http::{Http, HttpOptions};
use crate::model::{RunId, Secret};
use crate::notify::{Channels, deliver_due};
use crate::sim::{Sim, SimApp, SimOptions};
use crate::store::{Effects, Store, Trigger};
use crate::tenant::{
    Budgets, Client, ClientOptions, Cloud, Credential, EndpointOverrides, HuntingApi, Tenant, Tighter,
};

/// Most messages sent after a run: one for each item, and some for the run.
const DELIVERIES_MAX: u32 = 1000;

/// The seed of every jitter, so that a test waits the same each time.
const SEED: u64 = 7;

/// Where a test is played.
pub(super) struct Stage {
    sim: Sim,
    pub(super) clock: LeapClock,
    pub(super) engine: Engine,
    channels: Channels,
    answers: Arc<Answers>,
    /// Requests of earlier runs.
    requests: usize,
    /// Channel, title and text of messages that were made, by id.
    messages: BTreeMap<String, Told>,
    start: Timestamp,
    /// Answers that have not been given yet, the soonest first.
    pub(super) due: Vec<Due>,
}

/// Where a run stands among those of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Another comes after it.
    Among,
    /// It is the last.
    Last,
}

/// Says an error with its reasons.
pub(super) fn said(error: impl std::error::Error + 'static) -> String {
    Chain(&error).to_string()
}

impl Stage {
    /// Sets the stage as the test says.
    pub(super) async fn set(setting: &Setting) -> Result<Self, String> {
        let clock = LeapClock::new(setting.start);
        let shared: SharedClock = Arc::new(clock.clone());
        let answers = Arc::new(Answers::new(&setting.given));
        let sample = SimOptions::sample().map_err(said)?;
        let tenant_id = sample.identity.tenant_id.clone();
        let options = SimOptions {
            data: setting.given.data.clone(),
            hunter: Arc::clone(&answers) as _,
            faults: setting.given.faults.clone(),
            ..sample
        };
        let sim = Sim::in_memory(options, Arc::clone(&shared)).map_err(said)?;
        let options =
            HttpOptions { seed: Some(SEED), wire: Some(Arc::new(sim.wire())), ..HttpOptions::default() };
        let http = Http::open(options, Arc::clone(&shared)).map_err(said)?;
        let at = sim.endpoints();
        let options = ClientOptions {
            name: setting.tenant.clone(),
            tenant_id,
            cloud: Cloud::Commercial,
            endpoints: EndpointOverrides {
                login: Some(at.login),
                graph: Some(at.graph),
                mde: Some(at.mde),
                xdr: Some(at.xdr),
            },
            credential: Credential::ClientSecret {
                client_id: SimApp::CLIENT_ID.to_owned(),
                secret: Arc::new(Secret::new(SimApp::SECRET.to_owned())),
            },
            hunting: HuntingApi::Graph,
            budgets: Budgets::default(),
            tighter: Tighter::default(),
        };
        let client: Arc<dyn Tenant> =
            Arc::new(Client::open(options, http.clone(), Arc::clone(&shared)).map_err(said)?);
        let channels = open_channels(&setting.sinks, &at.hooks, (&http, &shared))?;
        let store = Store::scratch(Arc::clone(&shared)).await.map_err(said)?;
        store.keep_version(&setting.bytes).await.map_err(said)?;
        let tenants = BTreeMap::from([(setting.tenant.clone(), client)]);
        let feeds = Arc::new(setting.given.documents.clone());
        let engine = Engine {
            store,
            clock: shared,
            tenants,
            feeds,
            alerts: None,
            page: None,
            undoing: Undoing::default(),
        };
        let (requests, messages) = (0, BTreeMap::new());
        Ok(Self {
            sim,
            clock,
            engine,
            channels,
            answers,
            requests,
            messages,
            start: setting.start,
            due: Vec::new(),
        })
    }

    /// Plays one run, at its time, and delivers what it tells. What people said since the last run comes before
    /// it, what they say at once belongs to it; the last run waits for all that is still to be said.
    pub(super) async fn run(
        &mut self,
        setting: &Setting,
        (at, place): (SignedDuration, Place),
        changes: &Changes,
    ) -> Result<Seen, String> {
        let now = self.start.checked_add(at).unwrap_or(Timestamp::MAX);
        let mut changed = self.answer(setting, Until::Before(now)).await?;
        self.clock.leap(now);
        self.answers.change(changes);
        if let Some(faults) = &changes.faults {
            self.sim.set_faults(faults.clone()).map_err(said)?;
        }
        changed.extend(self.go_on(setting).await?);
        let order = Order {
            plan: Arc::clone(&setting.plan),
            lists: Arc::clone(&setting.lists),
            tenant: setting.tenant.clone(),
            trigger: Trigger::Manual,
            by: None,
            slot: None,
            effects: Effects::Apply,
        };
        let mut report = match self.engine.run(&order).await.map_err(said)? {
            Ran::Report(report) => *report,
            Ran::SlotTaken => return Err("the slot was taken".to_owned()),
        };
        self.expect_answers(setting, report.run).await?;
        let until = match place {
            Place::Among => Until::Now,
            Place::Last => Until::Before(Timestamp::MAX),
        };
        changed.extend(self.answer(setting, until).await?);
        if let Some(detail) = self.engine.store.run(report.run).await.map_err(said)? {
            report = serde_json::from_value(detail.run.report).map_err(said)?;
        }
        let own = report.run;
        let mut runs: BTreeSet<RunId> = changed.iter().map(|(run, _item)| *run).collect();
        runs.insert(own);
        let later = changed.into_iter().filter(|(run, _item)| *run != own).map(|(_run, item)| item).collect();
        let told = self.deliver(&runs).await?;
        let mut requests = self.sim.requests();
        let new = requests.split_off(self.requests.min(requests.len()));
        self.requests += new.len();
        Ok(Seen { report, later, told, requests: new })
    }

    /// Sends what is due; gives the messages that arrived, and those of these runs that did not.
    async fn deliver(&mut self, runs: &BTreeSet<RunId>) -> Result<Vec<Told>, String> {
        let mut messages = Vec::new();
        for run in runs {
            let detail = self.engine.store.run(*run).await.map_err(said)?;
            messages.extend(detail.map(|detail| detail.messages).unwrap_or_default());
        }
        messages.retain(|message| message.ended.is_none());
        let mut open = Vec::new();
        for message in messages {
            let text = |name: &str| {
                let at = format!("/message/{name}");
                message.body.pointer(&at).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
            };
            let (title, text) = (text("title"), text("text"));
            let asks = message.dedup.as_deref().is_some_and(|dedup| dedup.starts_with(APPROVAL_MESSAGE));
            let told = Told { channel: message.channel, title, text, undelivered: None, asks };
            open.push(message.id.clone());
            self.messages.insert(message.id, told);
        }
        let engine = &self.engine;
        let done = deliver_due(&engine.store, &self.channels, DELIVERIES_MAX).await.map_err(said)?;
        let arrived = done.delivered.iter().map(|(_, id)| id).filter_map(|id| self.messages.get(id).cloned());
        let mut told: Vec<Told> = arrived.collect();
        for id in open.iter().filter(|id| !done.delivered.iter().any(|(_, other)| other == *id)) {
            let failed = done.undelivered.iter().find(|one| one.id == *id);
            let why = failed.map_or("its channel is in trouble", |failed| failed.reason.as_str());
            told.extend(
                self.messages.get(id).map(|told| Told { undelivered: Some(why.to_owned()), ..told.clone() }),
            );
        }
        Ok(told)
    }
}

/// Opens the channels, each to a sink of the simulated tenant.
fn open_channels(
    sinks: &BTreeMap<String, Sink>,
    hooks: &str,
    (http, clock): (&Http, &SharedClock),
) -> Result<Channels, String> {
    let open = |(name, sink): (&String, &Sink)| {
        let url = |kind: &str| Arc::new(Secret::new(format!("{hooks}/{kind}/{name}")));
        let options = match sink {
            Sink::Teams => ChannelOptions::Teams { url: url("teams") },
            Sink::Slack => ChannelOptions::Slack { url: url("slack") },
            Sink::Webhook => ChannelOptions::Webhook { url: url("webhook"), secrets: Vec::new() },
        };
        let channel = Channel::open(name, &options, http.clone(), Arc::clone(clock)).map_err(said)?;
        Ok((name.clone(), channel))
    };
    sinks.iter().map(open).collect()
}
