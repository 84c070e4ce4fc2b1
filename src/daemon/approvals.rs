//! What people decide while the daemon runs: looked for once a second, and done beside the schedule with the
//! turn of its playbook in its tenant, as runs that were cut off are.

use jiff::SignedDuration;

use super::left::{Claim, TRIES_MAX, Tried};
use super::run::{Daemon, plan_of};
use super::start::say;
use crate::engine::{EngineError, Present};
use crate::notify::{notice, standing_message};
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
        let keys = decided.into_iter().map(Key::from);
        let wanted = keys.filter(|key| !self.is_given_up(&Tried::Decided(key.clone())));
        Ok(wanted.filter_map(|key| self.claim(key)).collect())
    }

    /// Does what was decided for one playbook in one tenant.
    pub(super) async fn go_on(&self, claim: Claim) -> Result<(), EngineError> {
        // Nobody closes it; without a turn it would only be one more at once.
        let _turn = self.0.turns.acquire().await;
        let live = self.0.live.load_full();
        let world = World { lists: (*live.lists).clone(), ..self.0.options.world.clone() };
        let present = Present { in_force: &*self.0, plan_of: &|name, bytes| plan_of(name, bytes, &world) };
        let key = claim.key();
        let tried = Tried::Decided(key.clone());
        if self.is_tried_too_often(&tried) {
            return self.tell_given_up(key).await;
        }
        let went_on = self.0.engine.go_on((key.playbook, &key.tenant), &present).await;
        self.known().tries.remove(&tried);
        self.0.outbox.notify_one();
        match went_on {
            Ok(_runs) => Ok(()),
            Err(error) => {
                say(&error, &key.playbook.to_string());
                Err(error)
            }
        }
    }

    /// Tells the operators that what was decided is not done, because doing it crashes.
    async fn tell_given_up(&self, key: &Key) -> Result<(), EngineError> {
        let Key { playbook, tenant } = key;
        tracing::error!(%playbook, %tenant, "what people decided is left until the next start: it crashed each time");
        if let Some(channel) = &self.0.engine.alerts {
            let text = format!(
                "Going on with what people decided about actions of {playbook} in {tenant} crashed {TRIES_MAX} times \
                 and once more. Nothing more is done about it until huntbook is started again; `huntbook approvals` lists it."
            );
            let now = self.0.engine.clock.now();
            let notice = notice("huntbook does not go on with what was decided".to_owned(), text, now);
            let about = format!("crashed/{playbook}/{tenant}/{:.10}", now.to_string());
            self.0.engine.store.enqueue(&standing_message(channel, notice, about)).await?;
            self.0.outbox.notify_one();
        }
        Ok(())
    }
}
