//! What people decide while the daemon runs: looked for once a second, and done beside the schedule, whatever else its
//! playbook is at: nobody's word waits for a run that waits for a device.

use jiff::SignedDuration;

use super::left::{Beside, TRIES_MAX, Tried};
use super::run::{Daemon, plan_of};
use super::start::say;
use crate::engine::{Decided, EngineError, Present};
use crate::notify::notice;
use crate::plan::World;
use crate::store::{StoreError, Suspect};

/// How often somebody's word is looked for. One look at an index that is empty most of the time; who said yes
/// waits no longer than that.
pub(super) const LOOK: SignedDuration = SignedDuration::from_secs(1);

impl Daemon {
    /// Takes all runs of which something was decided, and nobody goes on with yet.
    pub(super) async fn claim_decided(&self) -> Result<Vec<(Decided, Beside)>, StoreError> {
        let engine = &self.0.engine;
        let mut claimed = Vec::new();
        for one in engine.decided().await? {
            let what = Tried::Decided(one.run);
            if self.is_quarantined(one.playbook) || self.is_given_up(&what) {
                continue;
            }
            let Some(beside) = self.beside(what) else { continue };
            if !engine.is_held(one.run, &*self.0).await? {
                claimed.push((one, beside));
            }
        }
        Ok(claimed)
    }

    /// Does what was decided about one run.
    pub(super) async fn go_on(&self, (decided, _beside): (Decided, Beside)) -> Result<(), EngineError> {
        // It takes nobody's turn: there are as many as people have decided about, and no word waits for a device.
        let live = self.0.live.load_full();
        let world = World { lists: (*live.lists).clone(), ..self.0.options.world.clone() };
        let present = Present { in_force: &*self.0, plan_of: &|name, bytes| plan_of(name, bytes, &world) };
        let tried = Tried::Decided(decided.run);
        if self.is_tried_too_often(&tried) {
            return self.tell_given_up(&decided).await.inspect_err(|_untold| self.tell_again(&tried));
        }
        let store = &self.0.engine.store;
        let went_on = async {
            store.go_on_with(decided.run).await?;
            let went_on = self.0.engine.go_on(decided.run, &present).await;
            store.gone_on_with(decided.run).await?;
            went_on
        };
        let went_on =
            self.alone_at_first(Suspect::Run(decided.playbook, decided.run), Box::pin(went_on)).await;
        self.known().tries.remove(&tried);
        self.0.outbox.notify_one();
        match went_on {
            Ok(_run) => Ok(()),
            Err(error) => {
                say(&error, &decided.playbook.to_string());
                Err(error)
            }
        }
    }

    /// Tells the operators that what was decided is not done, because doing it crashes.
    async fn tell_given_up(&self, decided: &Decided) -> Result<(), EngineError> {
        let Decided { playbook, tenant, run } = decided;
        tracing::error!(%run, %playbook, %tenant, "what people decided is left until the next start: it crashed each time");
        let text = format!(
            "Going on with what people decided about run {run} of {playbook} in {tenant} crashed {TRIES_MAX} times \
             and once more. Nothing more is done about it until huntbook is started again; `huntbook approvals` lists it."
        );
        let now = self.0.engine.clock.now();
        let notice = notice("huntbook does not go on with what was decided".to_owned(), text, now);
        Ok(self.tell(notice, format!("crashed/{run}/{:.10}", now.to_string())).await?)
    }
}
