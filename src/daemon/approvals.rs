//! What people decide while the daemon runs: looked for once a second, and done beside the schedule with the
//! turn of its playbook in its tenant, as runs that were cut off are.

use jiff::SignedDuration;

use super::left::Claim;
use super::run::{Daemon, plan_of, say};
use crate::engine::{EngineError, Present};
use crate::plan::World;
use crate::schedule::Key;
use crate::store::StoreError;

/// How often somebody's word is looked for. One look at an index that is empty most of the time; who said yes
/// waits no longer than that.
pub(super) const LOOK: SignedDuration = SignedDuration::from_secs(1);

impl Daemon {
    /// Takes the turns of all for whom something was decided. While a run of theirs goes on, theirs is not
    /// free, and it is found again at the next look.
    pub(super) async fn claim_decided(&self) -> Result<Vec<Claim>, StoreError> {
        let decided = self.0.engine.decided().await?;
        Ok(decided.into_iter().filter_map(|key| self.claim(Key::from(key))).collect())
    }

    /// Does what was decided for one playbook in one tenant.
    pub(super) async fn go_on(&self, claim: Claim) -> Result<(), EngineError> {
        // Nobody closes it; without a turn it would only be one more at once.
        let _turn = self.0.turns.acquire().await;
        let live = self.0.live.load_full();
        let world = World { lists: (*live.lists).clone(), ..self.0.options.world.clone() };
        let present = Present { in_force: &*self.0, plan_of: &|name, bytes| plan_of(name, bytes, &world) };
        let key = claim.key();
        let went_on = self.0.engine.go_on((key.playbook, &key.tenant), &present).await;
        self.0.outbox.notify_one();
        match went_on {
            Ok(_runs) => Ok(()),
            Err(error) => {
                say(&error, &key.playbook.to_string());
                Err(error)
            }
        }
    }
}
