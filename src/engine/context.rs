//! What stays the same throughout a run, and what texts and conditions see of it.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::in_force::Bounds;
use super::report::{Counts, ItemReport, REPORT_VERSION, Report, RunState};
use super::{Order, in_journal};
use crate::hunt::Identity;
use crate::model::{Row, RunId};
use crate::plan::{Input, Items, Mode, Plan};
use crate::store::Effects;
use crate::tenant::Tenant;

/// What stays the same throughout a run.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// What was ordered.
    pub(super) order: &'a Order,
    /// The tenant.
    pub(super) tenant: Arc<dyn Tenant>,
    /// The run.
    pub(super) run: RunId,
    /// When it began; `now` in conditions.
    pub(super) started: Timestamp,
    /// `run` in conditions and texts.
    pub(super) run_json: Value,
    /// What sets its messages apart from those of the run's end, if it goes on after that.
    pub(super) chapter: String,
    /// Within what it acts.
    pub(super) bounds: Bounds<'a>,
    /// How many devices the tenant has, as its actions were decided about.
    pub(super) fleet: OnceLock<u64>,
    /// `playbook` in texts.
    playbook_json: Value,
}

/// An item on its way through a run.
#[derive(Debug, Clone)]
pub(super) struct Work {
    /// Its number in the run.
    pub(super) seq: u32,
    /// What people call it.
    pub(super) key: String,
    /// The row's columns or the incident.
    pub(super) data: Value,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        order: &'a Order,
        tenant: &dyn Tenant,
        (run, started): (RunId, Timestamp),
        bounds: Bounds<'a>,
    ) -> Self {
        let run_json = json!({
            "id": run.to_string(),
            "tenant": order.tenant,
            "trigger": order.trigger.as_str(),
            "startedAt": started.to_string(),
            "scheduledFor": order.slot.map(|slot| in_journal(slot).to_string()),
            "mode": order.plan.mode.as_str(),
            "effects": order.effects.as_str(),
        });
        let tenant = tenant.on_behalf_of(order.plan.about.id);
        let playbook_json = serde_json::to_value(&order.plan.about).unwrap_or_default();
        let (chapter, fleet) = (String::new(), OnceLock::new());
        Self { order, tenant, run, started, run_json, chapter, bounds, fleet, playbook_json }
    }

    pub(super) fn plan(&self) -> &'a Plan {
        &self.order.plan
    }

    /// Whether actions are sent.
    pub(super) fn acts(&self) -> bool {
        self.order.effects == Effects::Apply && self.plan().mode == Mode::Enforce
    }

    /// Whether anything is remembered or told.
    pub(super) fn remembers(&self) -> bool {
        self.order.effects == Effects::Apply
    }

    /// The identity under which the journal knows an item. What was only observed has not been handled: a
    /// playbook that comes to enforce meets it again, so the two modes remember apart.
    pub(super) fn remembered(&self, identity: Identity) -> Identity {
        match self.plan().mode {
            Mode::Enforce => identity,
            Mode::Observe => identity.map(|byte| !byte),
        }
    }

    /// The key under which the journal keeps an item quiet, likewise.
    pub(super) fn quiet_key(&self, key: String) -> String {
        match self.plan().mode {
            Mode::Enforce => key,
            Mode::Observe => format!("observed {key}"),
        }
    }

    /// The name of an item in texts and conditions: `row`, `incident` or `alert`.
    pub(super) fn subject(&self) -> &'static str {
        match &self.plan().input {
            Input::Hunt(_) => "row",
            Input::Feed(input) => match input.items {
                Items::Rows => "row",
                Items::Whole => "feed",
            },
            Input::Incidents(_) => "incident",
            Input::Alerts(_) => "alert",
            Input::Given => "action",
        }
    }

    /// What texts see, without an item.
    pub(super) fn texts(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("playbook".to_owned(), self.playbook_json.clone());
        map.insert("run".to_owned(), self.run_json.clone());
        map
    }

    /// What texts about one item see.
    pub(super) fn item_texts(&self, data: &Value) -> Value {
        let mut map = self.texts();
        map.insert(self.subject().to_owned(), data.clone());
        Value::Object(map)
    }

    /// The row an item is, for conditions.
    pub(super) fn row(data: &Value) -> Row {
        data.as_object().map_or_else(|| Row::from_object(&Map::new()), Row::from_object)
    }

    /// A report that is complete but for the messages.
    pub(super) fn report(&self, mut counts: Counts, items: Vec<ItemReport>, finished: Timestamp) -> Report {
        let plan = self.plan();
        counts.tally(&items);
        Report {
            version: REPORT_VERSION,
            run: self.run,
            playbook: plan.about.id,
            name: plan.about.name.clone(),
            playbook_version: plan.version.to_string(),
            tenant: self.order.tenant.clone(),
            mode: plan.mode.as_str().to_owned(),
            effects: self.order.effects.as_str().to_owned(),
            trigger: self.order.trigger.as_str().to_owned(),
            started_by: self.order.by.clone(),
            started: self.started,
            finished,
            state: RunState::of(&counts),
            reason: None,
            subject: self.subject().to_owned(),
            counts,
            items,
            told: Vec::new(),
        }
    }
}
