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

/// Parameters of `reconcileIndicators`.
#[derive(Debug, Clone)]
pub struct SetParams {
    /// The list that says what there is to be; the set has its name.
    pub list: String,
    /// What is the same for each; its value is left aside.
    pub each: IndicatorParams,
    /// Most that are removed at a time.
    pub removed_max: u32,
    /// The same in percent of the set.
    pub removed_percent_max: u8,
}

impl SetParams {
    pub(super) fn render(
        &self,
        texts: &Value,
        (now, lists): (Timestamp, &Lists),
    ) -> Result<IndicatorSet, ActionError> {
        let missing = |source| ActionError::List { list: self.list.clone(), source };
        let list = lists.get(&self.list).ok_or_else(|| missing(None))?;
        let parse =
            |entry| IndicatorValue::parse(self.each.kind, entry).map_err(|error| missing(Some(error)));
        let mut values = list.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        // Two spellings of one value are one.
        values.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        values.dedup();
        let mark = IndicatorSet::mark(&self.list);
        let one = |value| {
            let one = self.each.with(value, texts, now)?;
            Ok::<_, ActionError>(Indicator { title: format!("{mark}{}", one.title), ..one })
        };
        let wanted = values.into_iter().map(one).collect::<Result<Vec<_>, _>>()?;
        let (removed_max, removed_percent_max) = (self.removed_max, self.removed_percent_max);
        Ok(IndicatorSet { name: self.list.clone(), wanted, removed_max, removed_percent_max })
    }
}
