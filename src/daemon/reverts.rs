//! What is to be taken back while the daemon runs: looked for once a second, and done beside the schedule, whether its
//! playbook is still there or not, and whatever that is at.

use super::left::{Beside, TRIES_MAX, Tried};
use super::run::Daemon;
use super::start::say;
use crate::channel::Message;
use crate::engine::EngineError;
use crate::model::AlertSeverity;
use crate::notify::notice;
use crate::schedule::Key;
use crate::store::{StoreError, Suspect};

impl Daemon {
    /// Takes all playbooks and tenants of which something is due, and nobody is at it yet.
    pub(super) async fn claim_reverts(&self) -> Result<Vec<(Key, Beside)>, StoreError> {
        let due = self.0.engine.to_revert().await?.into_iter().map(Key::from);
        let claim = |key: Key| {
            let what = Tried::Revert(key.clone());
            let may = !self.is_quarantined(key.playbook) && !self.is_given_up(&what);
            let beside = if may { self.beside(what) } else { None }?;
            Some((key, beside))
        };
        Ok(due.filter_map(claim).collect())
    }

    /// Takes back what is due of one playbook in one tenant.
    pub(super) async fn revert(&self, (key, _beside): (Key, Beside)) -> Result<(), EngineError> {
        let tried = Tried::Revert(key.clone());
        if self.is_tried_too_often(&tried) {
            return self.tell_not_reverted(&key).await.inspect_err(|_untold| self.tell_again(&tried));
        }
        // It waits for no turn: runs that are taken up may hold theirs for an hour, each waiting for its device.
        let revert = self.0.engine.revert((key.playbook, &key.tenant), &*self.0);
        let reverted = self.alone_at_first(Suspect::Revert(key.playbook), Box::pin(revert)).await;
        self.known().tries.remove(&tried);
        self.0.outbox.notify_one();
        reverted.inspect_err(|error| say(error, &key.playbook.to_string()))
    }

    /// Tells the operators that what was done stays as it is, because taking it back crashes.
    async fn tell_not_reverted(&self, key: &Key) -> Result<(), EngineError> {
        let Key { playbook, tenant } = key;
        tracing::error!(%playbook, %tenant, "what is to be taken back is left until the next start: it crashed each time");
        let text = format!(
            "Taking back what {playbook} did in {tenant} crashed {TRIES_MAX} times and once more. It stays as it is until \
             huntbook is started again or a person takes it back; `huntbook in-force` lists it."
        );
        let now = self.0.engine.clock.now();
        let title = "huntbook does not take back what is due".to_owned();
        let message =
            Message { severity: AlertSeverity::High, tenant: tenant.to_string(), ..notice(title, text, now) };
        Ok(self.tell(message, format!("crashed/revert/{playbook}/{tenant}/{:.10}", now.to_string())).await?)
    }
}
