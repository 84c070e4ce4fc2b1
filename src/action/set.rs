//! Sets of indicators as a step has them.

use jiff::Timestamp;
use serde_json::Value;

use super::{ActionError, IndicatorParams};
use crate::model::Lists;
use crate::tenant::{Indicator, IndicatorSet, IndicatorValue};

/// Most that are removed at a time, when the playbook says nothing: what a person can check in the portal.
pub const REMOVED_MAX: u32 = 50;
/// The same in percent of the set. A feed that loses more has more likely broken than changed its mind.
pub const REMOVED_PERCENT_MAX: u8 = 25;

/// Most that come into force anew at a time, when the playbook says nothing: a day's news of a feed, and few enough to be
/// taken back in an afternoon. Who fills a large set for the first time says so.
pub const ADDED_MAX: u32 = 500;

/// Parameters of `reconcileIndicators`.
#[derive(Debug, Clone, PartialEq)]
pub struct SetParams {
    /// The name of the set.
    pub name: String,
    /// Where what there is to be is said.
    pub values: SetValues,
    /// What is the same for each; its value is left aside.
    pub each: IndicatorParams,
    /// Most that are removed at a time.
    pub removed_max: u32,
    /// The same in percent of the set.
    pub removed_percent_max: u8,
    /// Most that come into force anew at a time.
    pub added_max: u32,
}

/// Where it is said what a set is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetValues {
    /// In the list of its name.
    OfList,
    /// In a column of the feed.
    OfColumn(String),
}

impl SetParams {
    pub(super) fn render(
        &self,
        texts: &Value,
        (now, lists): (Timestamp, &Lists),
    ) -> Result<IndicatorSet, ActionError> {
        let missing = || ActionError::List { list: self.name.clone() };
        let entries: Vec<&str> = match &self.values {
            SetValues::OfList => lists.get(&self.name).ok_or_else(missing)?.iter().collect(),
            SetValues::OfColumn(column) => {
                let values = texts.get("feed").and_then(|feed| feed.get("values")?.get(column)?.as_array());
                values.ok_or_else(missing)?.iter().filter_map(Value::as_str).collect()
            }
        };
        let parse = |entry| {
            IndicatorValue::parse(self.each.kind, entry)
                .map_err(|error| ActionError::Entry { list: self.name.clone(), wanted: error.wanted() })
        };
        let mut values = entries.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        // Two spellings of one value are one.
        values.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        values.dedup();
        let mark = IndicatorSet::mark(&self.name);
        let one = |value| {
            let one = self.each.with(value, texts, now)?;
            Ok::<_, ActionError>(Indicator { title: format!("{mark}{}", one.title), ..one })
        };
        let wanted = values.into_iter().map(one).collect::<Result<Vec<_>, _>>()?;
        Ok(IndicatorSet {
            name: self.name.clone(),
            wanted,
            removed_max: self.removed_max,
            removed_percent_max: self.removed_percent_max,
            added_max: self.added_max,
        })
    }
}
