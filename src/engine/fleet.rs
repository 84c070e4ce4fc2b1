//! How many devices a tenant has, where a guard looks at a share of them.

use std::sync::Arc;

use super::Engine;
use super::context::Context;
use super::lookup::bare;
use crate::action::{ActionKind, Call, Impact};
use crate::diag::Chain;
use crate::guard::{self, GuardLimits};
use crate::model::{CellRef, Projection, RowView, Wanted};
use crate::rows::Flow;
use crate::store::StoreError;
use crate::tenant::{HuntLimits, HuntQuery};

/// Counts the onboarded devices that have reported within a week. Rows that were recorded for a test may not say
/// whether a device is onboarded.
const FLEET_QUERY: &str = "DeviceInfo | where Timestamp > ago(7d) \
                           | where isempty(OnboardingStatus) or OnboardingStatus == \"Onboarded\" \
                           | summarize Devices = dcount(DeviceId)";

impl Engine {
    /// How many devices the tenant has, if a guard needs to know for such calls; `None` if nobody has said within a week.
    /// Asked once a day; where the tenant does not say, it is as many as it said last.
    pub(super) async fn fleet(
        &self,
        context: &Context<'_>,
        (limits, calls): (&GuardLimits, impl Iterator<Item = &Call>),
    ) -> Result<Option<u64>, StoreError> {
        let takes =
            |kind: ActionKind| kind.impact() == Impact::Disruptive && !guard::gives_back(kind.as_str());
        let acts = calls.map(|call| (bare(call).kind(), takes(call.kind)));
        if !limits.numbers.needs_fleet(acts) {
            return Ok(None);
        }
        let tenant = &context.order.tenant;
        if let Some(known) = self.store.fleet(tenant).await? {
            return Ok(Some(known));
        }
        let counted = count_devices(context).await;
        if let Some(devices) = counted.filter(|devices| 0 < *devices) {
            self.store.put_fleet(tenant, devices).await?;
            return Ok(Some(devices));
        }
        // What was so last is a better measure than none.
        self.store.last_fleet(tenant, self.clock.now()).await
    }
}

/// Asks the tenant how many devices it has; `None` if it does not say.
async fn count_devices(context: &Context<'_>) -> Option<u64> {
    let wanted = Wanted::Only(Arc::new(Projection::new(["Devices"])));
    let query = HuntQuery { query: FLEET_QUERY.to_owned(), timespan: None };
    let mut devices = None;
    let mut on_row = |row: &RowView<'_>| {
        if let Some(CellRef::Int(count)) = row.cells.first() {
            devices = u64::try_from(*count).ok();
        }
        Flow::Continue
    };
    match context.tenant.hunt(&query, &wanted, &HuntLimits::default(), &mut on_row).await {
        Ok(_answer) => devices,
        Err(error) => {
            tracing::warn!(run = %context.run, error = %Chain(&error), "the number of devices is not known");
            None
        }
    }
}
