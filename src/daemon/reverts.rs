//! What is to be taken back while the daemon runs: looked for once a second, and done with the turn of its playbook in
//! its tenant, whether the playbook is still there or not.

use super::left::{Claim, Tried};
use super::run::Daemon;
use super::start::say;
use crate::engine::EngineError;
use crate::schedule::Key;
use crate::store::StoreError;

impl Daemon {
    /// Takes the turns of all of whom something is due.
    pub(super) async fn claim_reverts(&self) -> Result<Vec<Claim>, StoreError> {
        let due = self.0.engine.to_revert().await?;
        let keys = due.into_iter().map(Key::from);
        let wanted = keys.filter(|key| !self.is_given_up(&Tried::Revert(key.clone())));
        Ok(wanted.filter_map(|key| self.claim(key)).collect())
    }

    /// Takes back what is due of one playbook in one tenant.
    pub(super) async fn revert(&self, claim: Claim) -> Result<(), EngineError> {
        // Nobody closes it; without a turn it would only be one more at once.
        let _turn = self.0.turns.acquire().await;
        let key = claim.key();
        let tried = Tried::Revert(key.clone());
        if self.is_tried_too_often(&tried) {
            tracing::error!(playbook = %key.playbook, tenant = %key.tenant, "what is to be taken back is left until the next start: it crashed each time");
            return Ok(());
        }
        let reverted = self.0.engine.revert((key.playbook, &key.tenant), &*self.0).await;
        self.known().tries.remove(&tried);
        self.0.outbox.notify_one();
        reverted.inspect_err(|error| say(error, &key.playbook.to_string()))
    }
}
