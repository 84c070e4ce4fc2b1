//! What a playbook means: a [`Plan`] is a document with every name resolved, every expression and
//! template compiled and every default filled in. It is valid by construction; nothing above checks again.
//!
//! [`compile`] does no I/O. It reports every problem it finds, with its place in the file, and gives a
//! plan only if there was no error.

mod account;
mod approval;
mod cadence;
mod case;
mod chat;
mod feed;
mod lower;
mod names;
mod needs;
mod parameter;
mod params;
mod query;
mod queue;
mod risk;
mod salvage;
mod set;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::action::{Approval, Approvers, Impact, Step};
use crate::diag::Sink;
use crate::expr::{Condition, Language};
use crate::feed::Feed;
use crate::guard::{self, Ceilings, Feature, GuardLimits, Written};
use crate::hunt::{Hunt, Keep};
use crate::incident::{AlertFilter, Filter};
use crate::kql::Schema;
use crate::model::{Lists, PlaybookId, Wanted};
use crate::playbook::{Group, Severity};
use crate::store::ContentHash;
use crate::text::Template;

pub use cadence::Rule;
pub use chat::EVERY_COLUMN;
pub use needs::{Granted, Need, Weight, lacking, least_roles};
pub use risk::{Risk, risks};
pub use set::{Compiled, SourceFile, compile_changed, compile_set, parse_lists};

/// Whether a playbook acts or only says what it would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It only says.
    Observe,
    /// It acts.
    Enforce,
}

impl Mode {
    /// The word in playbooks and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// Where the items come from.
#[derive(Debug, Clone)]
pub enum Input {
    /// A hunting query.
    Hunt(Box<HuntInput>),
    /// The incident queue.
    Incidents(Filter),
    /// Alerts.
    Alerts(AlertFilter),
    /// Nowhere: what is to be done is given, because an earlier action is taken back.
    Given,
    /// A document that somebody else keeps.
    Feed(Box<FeedInput>),
}

/// A hunt and what is kept of it.
#[derive(Debug, Clone)]
pub struct HuntInput {
    /// The query and its columns.
    pub hunt: Hunt,
    /// What is kept besides matches, for `when`.
    pub keep: Keep,
}

/// A feed and what is kept of it.
#[derive(Debug, Clone)]
pub struct FeedInput {
    /// The feed.
    pub feed: Feed,
    /// Columns that make a row the same row next time.
    pub identity: Vec<String>,
    /// What is kept besides matches, for `when`.
    pub keep: Keep,
    /// What is an item.
    pub items: Items,
}

/// What is an item of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Items {
    /// Each row.
    Rows,
    /// The whole: a set is made of it.
    Whole,
}

/// When an item is left alone because one like it was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppress {
    /// Columns of a row, or fields of an incident, that make two items alike.
    pub by: Vec<String>,
    /// How long.
    pub length: SignedDuration,
}

/// Whom to tell, when, and what.
#[derive(Debug, Clone)]
pub struct Telling {
    /// The channel, by its name in the settings.
    pub channel: String,
    /// When.
    pub condition: Option<Condition>,
    /// One message for the run, or one for each item.
    pub group: Group,
    /// The title.
    pub title: Template,
    /// The body; facts alone without it.
    pub text: Option<Template>,
}

/// Which of the settings' tenants a playbook is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// All of them.
    All,
    /// These.
    Names(BTreeSet<String>),
}

/// What people are told about a playbook.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Identity.
    pub id: PlaybookId,
    /// Name.
    pub name: String,
    /// Description.
    pub description: Option<String>,
    /// Severity.
    pub severity: Severity,
    /// Tactics of MITRE ATT&CK.
    pub tactics: Vec<String>,
    /// Techniques of MITRE ATT&CK.
    pub relevant_techniques: Vec<String>,
    /// Who wrote it.
    pub author: Option<String>,
}

/// A playbook as understood.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What people are told.
    pub about: About,
    /// Name of its file, as it was given.
    pub file: String,
    /// Which version of the text this is.
    pub version: ContentHash,
    /// Whether it acts.
    pub mode: Mode,
    /// For which tenants.
    pub tenants: Selector,
    /// After this instant it no longer runs.
    pub expires: Option<Timestamp>,
    /// Where its items come from.
    pub input: Input,
    /// Whether it may run by itself.
    pub enabled: bool,
    /// When it runs by itself; only on demand without it.
    pub rule: Option<Rule>,
    /// Whether a run goes on.
    pub when: Option<Condition>,
    /// Which items matter.
    pub condition: Option<Condition>,
    /// Which are left alone.
    pub suppress: Option<Suppress>,
    /// How far its actions may go.
    pub guards: Guards,
    /// Its actions, in order.
    pub steps: Vec<Step>,
    /// Who may give leave for them.
    pub approvers: Approvers,
    /// Whom it tells.
    pub tellings: Vec<Telling>,
    /// If it would act and only observes because it is new: how many runs do.
    pub observes_first: Option<u32>,
}

impl Plan {
    /// Whether its time is over at `now`: then it does not run any more.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// The same while it is so new that its first runs only observe.
    #[must_use]
    pub fn observing(&self, first: u32) -> Self {
        Self { mode: Mode::Observe, observes_first: Some(first), ..self.clone() }
    }

    /// The same as if its first runs were over, for a stage whose few devices stand for a fleet.
    #[must_use]
    pub fn on_a_stage(mut self) -> Self {
        (self.guards.ceilings.observe_first, self.guards.written.observe_first) = (0, None);
        self.guards.ceilings = self.guards.ceilings.on_a_stage();
        self
    }

    /// The columns a run decodes; all of an incident or alert are there anyway.
    #[must_use]
    pub fn wanted(&self) -> Option<&Wanted> {
        match &self.input {
            Input::Hunt(input) => Some(&input.hunt.wanted),
            Input::Incidents(_) | Input::Alerts(_) | Input::Given | Input::Feed(_) => None,
        }
    }

    /// The channels it tells, and those of whom it asks.
    #[must_use]
    pub fn channels(&self) -> BTreeSet<&str> {
        let told = self.tellings.iter().map(|telling| telling.channel.as_str());
        let asked = self.steps.iter().filter_map(|step| step.approval.as_ref()).chain(&self.guards.approval);
        let disrupts = self.steps.iter().any(|step| step.params.kind().impact() == Impact::Disruptive);
        let asked = asked.chain(self.approvers.asked().filter(|_asked| disrupts));
        told.chain(asked.map(|approval| approval.channel.as_str())).collect()
    }

    /// Whether the playbook is for a tenant.
    #[must_use]
    pub fn is_for(&self, tenant: &str) -> bool {
        match &self.tenants {
            Selector::All => true,
            Selector::Names(names) => names.contains(tenant),
        }
    }
}

/// Everything outside a playbook's file that its meaning depends on.
#[derive(Debug, Clone)]
pub struct World {
    /// The language of conditions.
    pub language: Language,
    /// Lists in force.
    pub lists: Lists,
    /// Channels of the settings.
    pub channels: BTreeSet<String>,
    /// Those of them that are chats, and the columns that each may be told beyond what all are.
    pub chats: BTreeMap<String, BTreeSet<String>>,
    /// The channel that hears of huntbook itself.
    pub alerts: Option<String>,
    /// Tenants of the settings with their tags.
    pub tenants: BTreeMap<String, BTreeSet<String>>,
    /// Ceilings of the settings.
    pub ceilings: Ceilings,
    /// Exclusions of the settings; they hold for every playbook.
    pub exclusions: Exclusions,
    /// How far hunting queries are checked.
    pub queries: Queries,
    /// Who may give leave for actions, by the settings.
    pub approvers: Approvers,
}

/// How far hunting queries are checked.
#[derive(Debug, Clone)]
pub enum Queries {
    /// Against what the tenants have, as far as it is known here.
    Checked(Schema),
    /// The same, where these tenants are asked by an API that takes no `queryPeriod`: a query has to limit the
    /// time itself.
    CheckedWithoutPeriod(Schema, BTreeSet<String>),
    /// Not at all. What is in force was checked when it was accepted, and knowledge that has changed since
    /// must not take it out of force: the service, which knows its tables better, is the judge.
    Trusted,
}

impl Queries {
    /// The tables there are, as far as that is known.
    #[must_use]
    pub fn schema(&self) -> Schema {
        match self {
            Self::Checked(schema) | Self::CheckedWithoutPeriod(schema, _) => schema.clone(),
            Self::Trusted => Schema::default(),
        }
    }
}

impl World {
    /// The same, for playbooks that are in force or were when a run of theirs began.
    #[must_use]
    pub fn trusting(&self) -> Self {
        Self { queries: Queries::Trusted, ..self.clone() }
    }

    /// Whether what is read was accepted once, and is taken as it is.
    pub(crate) fn is_trusting(&self) -> bool {
        matches!(self.queries, Queries::Trusted)
    }
}

/// What no action touches: lists by name, or entries written out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclusions {
    /// Lists of devices, by id or name.
    pub device_lists: Vec<String>,
    /// Devices, by id or name.
    pub devices: Vec<String>,
    /// Tags of devices.
    pub device_tags: Vec<String>,
    /// Groups of devices.
    pub device_groups: Vec<String>,
    /// Values of devices to the business.
    pub device_values: Vec<String>,
    /// Lists of users, by id or sign-in name.
    pub user_lists: Vec<String>,
    /// Users, by id or sign-in name.
    pub users: Vec<String>,
    /// Directory roles of users.
    pub user_roles: Vec<String>,
    /// Lists of indicators.
    pub indicator_lists: Vec<String>,
    /// Indicators: hashes, addresses, domains, URLs.
    pub indicators: Vec<String>,
}

/// A list that protects something is not there: nothing may be acted on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the list `{0}`, which protects targets, is not there: nothing is acted on without it")]
pub struct UnknownList(pub String);

impl Exclusions {
    /// The names of the lists.
    pub fn lists(&self) -> impl Iterator<Item = &str> {
        let lists = self.device_lists.iter().chain(&self.user_lists).chain(&self.indicator_lists);
        lists.map(String::as_str)
    }

    /// What is excluded here and there.
    #[must_use]
    pub fn join(mut self, other: &Self) -> Self {
        self.device_lists.extend(other.device_lists.iter().cloned());
        self.devices.extend(other.devices.iter().cloned());
        self.device_tags.extend(other.device_tags.iter().cloned());
        self.device_groups.extend(other.device_groups.iter().cloned());
        self.device_values.extend(other.device_values.iter().cloned());
        self.user_roles.extend(other.user_roles.iter().cloned());
        self.user_lists.extend(other.user_lists.iter().cloned());
        self.users.extend(other.users.iter().cloned());
        self.indicator_lists.extend(other.indicator_lists.iter().cloned());
        self.indicators.extend(other.indicators.iter().cloned());
        self
    }

    /// Looks the lists up. The lists in force when a run starts count, not those when the playbook was read.
    fn resolve(&self, lists: &Lists) -> Result<guard::Exclusions, UnknownList> {
        let mut found = guard::Exclusions::default()
            .devices(&self.devices)
            .device_tags(&self.device_tags)
            .having(Feature::Group, &self.device_groups)
            .having(Feature::Value, &self.device_values)
            .having(Feature::Role, &self.user_roles)
            .users(&self.users)
            .indicators(&self.indicators);
        let list = |name: &String| lists.get(name).ok_or_else(|| UnknownList(name.clone()));
        for name in &self.device_lists {
            found = found.listed_devices(name, list(name)?.iter());
        }
        for name in &self.user_lists {
            found = found.listed_users(name, list(name)?.iter());
        }
        for name in &self.indicator_lists {
            found = found.listed_indicators(name, list(name)?.iter());
        }
        Ok(found)
    }
}

/// How far a playbook's actions may go: its own limits, and the settings' above them.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    /// The settings' ceilings.
    pub ceilings: Ceilings,
    /// The playbook's limits.
    pub written: Written,
    /// What neither lets anybody touch.
    pub exclusions: Exclusions,
    /// Who is asked when the playbook's limits would be passed and it says that they may be.
    pub approval: Option<Approval>,
}

impl Guards {
    /// The limits of a run that starts with these lists.
    ///
    /// # Errors
    ///
    /// [`UnknownList`] if a list that protects something is missing: then nothing may be acted on.
    pub fn limits(&self, lists: &Lists) -> Result<GuardLimits, UnknownList> {
        let written = Written { exclude: self.exclusions.resolve(lists)?, ..self.written.clone() };
        Ok(guard::tighten(&self.ceilings, &written))
    }
}

/// Gives a playbook's text its meaning.
///
/// Reports every problem, and returns a plan only if none of them is an error.
#[must_use]
pub fn compile(name: &str, bytes: &[u8], world: &World, sink: &mut Sink) -> Option<Plan> {
    let Some(document) = crate::playbook::parse(name, bytes, sink) else {
        salvage::salvage(name, bytes, world, sink);
        return None;
    };
    lower::lower(&document, ContentHash::of(bytes), world, sink)
}
