//! Whether the journal is what it was: the ends of its histories, told to the log, and a look through the whole file.

use jiff::{SignedDuration, Timestamp};

use super::loops::unless_over;
use super::run::{Daemon, DaemonError};
use crate::channel::Message;
use crate::diag::Chain;
use crate::model::AlertSeverity;
use crate::notify::notice;
use crate::store::{History, Store, StoreError};

/// How often the whole file is looked through. The look reads all of it.
const INTEGRITY_EVERY: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Tells the log where the histories of a journal end: in a log that is kept elsewhere, that shows later if somebody has
/// cut events off. `huntbook audit verify --head` takes each.
///
/// # Errors
///
/// Any [`StoreError`].
pub async fn tell_heads(store: &Store) -> Result<(), StoreError> {
    let heads = store.heads().await?;
    let of = |history: History| {
        let head = heads.iter().find(|head| head.history == history);
        head.map_or_else(|| "none".to_owned(), |head| format!("{}:{}", head.event, head.hash))
    };
    tracing::info!(
        target: "huntbook::heads",
        effects = of(History::Effects),
        approvals = of(History::Approvals),
        stops = of(History::Stops),
        words = of(History::Words),
        "the journal's histories end here"
    );
    Ok(())
}

impl Daemon {
    /// Tells the log where the histories end, and looks through the file if it is time.
    pub(super) async fn look_after_journal(&self) -> Result<(), DaemonError> {
        let engine = &self.0.engine;
        if let Err(error) = tell_heads(&engine.store).await {
            unless_over(error, "the ends of the histories could not be read")?;
        }
        match engine.store.check_integrity(engine.clock.now(), INTEGRITY_EVERY).await {
            Ok(_looked) => Ok(()),
            Err(error @ StoreError::Corrupt { .. }) => {
                self.tell_of_damage(&error).await;
                Err(error.into())
            }
            Err(error) => unless_over(error, "the journal could not be looked through"),
        }
    }

    /// Tells people that the journal is damaged: right away, for what would be written into it may be lost.
    async fn tell_of_damage(&self, error: &StoreError) {
        tracing::error!(error = %Chain(error), "the journal is damaged: nothing is done any more");
        self.tell_directly(&about_damage(error, self.0.engine.clock.now())).await;
    }
}

/// What people are told.
fn about_damage(error: &StoreError, now: Timestamp) -> Message {
    let text = format!(
        "{}. `huntbook serve` has ended and takes no action. Keep the file for a look, put the last good copy in its \
         place or begin a new one with `huntbook journal rebuild`, and start it again: it then compares the journal with \
         what the tenants show before it acts.",
        Chain(error)
    );
    let message = notice("huntbook's journal is damaged".to_owned(), text, now);
    Message { id: format!("damage-{}", now.as_second()), severity: AlertSeverity::High, ..message }
}
