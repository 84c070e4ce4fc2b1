//! What `serve` would have in force, for a run by hand: what meets the terms of the settings, and of the rest what the
//! journal has.

use std::path::Path;
use std::sync::Arc;

use super::setup;
use crate::clock::SharedClock;
use crate::daemon::{Generation, Scan};
use crate::engine::{InForce, Standing, Which};
use crate::model::Lists;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::store::{Store, StoreError, Trigger};

/// What is in force for a run by hand, and for runs that were cut off: what `serve` would hold in force, and the file
/// that is given by hand again.
#[derive(Debug)]
pub(super) struct Served {
    generation: Generation,
    chosen: Arc<Plan>,
}

impl Served {
    pub(super) fn new(generation: Generation, chosen: &Arc<Plan>) -> Self {
        Self { generation, chosen: Arc::clone(chosen) }
    }
}

impl InForce for Served {
    fn lists(&self) -> Arc<Lists> {
        Arc::clone(&self.generation.lists)
    }

    /// What a person gives by hand says nothing about what the schedule began, or about another version.
    fn standing(&self, run: Which) -> Standing {
        if run.trigger == Trigger::Manual && run.version == self.chosen.version {
            return Standing::InForce(Arc::clone(&self.chosen));
        }
        self.generation.standing(run.playbook)
    }
}

/// What `serve` would have in force of a look at the disk, over what the journal has.
pub(super) async fn read(
    settings: &Settings,
    found: Scan,
    clock: &SharedClock,
) -> anyhow::Result<Generation> {
    let base = setup::world(settings, Lists::default());
    let reload = settings.reload.risk_raising;
    let Some(store) = journal(&settings.store.path, clock).await? else {
        return Ok(Generation::default().next_served(found, &base, (reload, &[])));
    };
    let before = Generation::restore(&store.live_versions().await?, store.live_lists().await?, &base);
    Ok(before.next_served(found, &base, (reload, &store.held_edits().await?)))
}

/// The journal, if there is one. What is to act brings an older one up to date anyway.
async fn journal(path: &Path, clock: &SharedClock) -> Result<Option<Store>, StoreError> {
    match Store::open_reader(path).await {
        Ok(store) => Ok(Some(store)),
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(StoreError::Older) => Store::open(path, Arc::clone(clock)).await.map(Some),
        Err(error) => Err(error),
    }
}
