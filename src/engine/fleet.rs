//! How many devices a tenant has, where a guard looks at a share of them.

use std::sync::Arc;

use super::Engine;
use super::context::Context;
use crate::diag::Chain;
use crate::guard::GuardLimits;
use crate::model::{CellRef, Projection, RowView, Wanted};
use crate::rows::Flow;
use crate::store::StoreError;
use crate::tenant::{HuntLimits, HuntQuery};

/// Counts the devices that have reported within a week.
const FLEET_QUERY: &str = "DeviceInfo | where Timestamp > ago(7d) | summarize Devices = dcount(DeviceId)";

impl Engine {
    /// How many devices the tenant has, if a guard needs to know; `None` if nobody can say. Asked once a day.
    pub(super) async fn fleet(
        &self,
        context: &Context<'_>,
        limits: &GuardLimits,
    ) -> Result<Option<u64>, StoreError> {
        if limits.numbers.percent_of_devices.is_none() {
            return Ok(None);
        }
        let tenant = &context.order.tenant;
        if let Some(known) = self.store.fleet(tenant).await? {
            return Ok(Some(known));
        }
        let counted = count_devices(context).await;
        if let Some(devices) = counted.filter(|devices| 0 < *devices) {
            self.store.put_fleet(tenant, devices).await?;
        }
        Ok(counted)
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
