//! What people are shown when they are asked for leave, as it is hashed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::context::Context;
use super::leave::Turn;
use super::lookup::bare;
use super::said::Said;
use super::set;
use crate::model::{PlaybookId, RunId};
use crate::store::Starter;
use crate::tenant::Difference;

/// Version of what is shown; raised when a reader of the old form would misread the new one.
const SHOWN_VERSION: u32 = 1;

/// What people are shown, and what a request is bound to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    version: u32,
    tenant: String,
    playbook: PlaybookId,
    playbook_name: String,
    playbook_version: String,
    author: Option<String>,
    /// Who started the run by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_by: Option<Starter>,
    run: RunId,
    item: u32,
    item_key: String,
    pub(super) step: String,
    place: u32,
    pub(super) action: String,
    pub(super) target: String,
    parameters: Value,
    guards: String,
    /// Which limit that is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guards_code: Option<String>,
    pub(super) targets: u32,
    pub(super) minimum: u32,
    pub(super) channel: String,
    pub(super) expires: Timestamp,
}

/// What is not made from the call.
pub(super) struct Terms {
    pub(super) guards: Said,
    pub(super) targets: u32,
    pub(super) minimum: u32,
    pub(super) channel: String,
    pub(super) expires: Timestamp,
}

impl Shown {
    /// What is shown about a call.
    pub(super) fn of(
        context: &Context<'_>,
        (turn, change): (Turn<'_>, Option<&Difference>),
        terms: Terms,
    ) -> Self {
        let Turn { seq, key, step, place, call, .. } = turn;
        let about = &context.plan().about;
        let Terms { guards, targets, minimum, channel, expires } = terms;
        Self {
            version: SHOWN_VERSION,
            tenant: context.order.tenant.clone(),
            playbook: about.id,
            playbook_name: about.name.clone(),
            playbook_version: context.plan().version.to_string(),
            author: about.author.clone(),
            started_by: context.order.by.clone(),
            run: context.run,
            item: seq,
            item_key: key.to_owned(),
            step: step.id.clone(),
            place,
            action: call.kind.as_str().to_owned(),
            target: bare(call).key(),
            parameters: set::shown(call, change),
            guards: guards.text,
            guards_code: guards.code,
            targets,
            minimum,
            channel,
            expires,
        }
    }

    /// What people were told that the guards say.
    pub(super) fn said(&self) -> Said {
        Said { text: self.guards.clone(), code: self.guards_code.clone() }
    }

    /// As it is hashed: JSON with its members in order.
    pub(super) fn canonical(&self) -> String {
        sorted(serde_json::to_value(self).unwrap_or_default()).to_string()
    }
}

/// The same value with the members of every object in the order of their names.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut members: Vec<(String, Value)> = map.into_iter().collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        plain => plain,
    }
}
