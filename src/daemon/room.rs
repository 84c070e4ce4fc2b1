//! Whether the journal is written, and whether its disk has room: looked at all the time, and told before and when it is
//! not.

use jiff::{SignedDuration, Timestamp};

use super::loops::unless_over;
use super::run::{Daemon, DaemonError};
use crate::channel::Message;
use crate::diag::Chain;
use crate::model::AlertSeverity;
use crate::notify::notice;
use crate::store::{Remedy, Room, Unwritten};

/// How often it is looked at. Where nothing could be written, that is also how soon it is tried again.
const LOOK: SignedDuration = SignedDuration::from_secs(5);
/// How long nothing was written before people are told: what passes by itself in less is no news.
const TELL_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// What people were told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// When it was first seen that nothing is written, by the clock that nobody sets.
    seen: Option<SignedDuration>,
    /// That nothing is written, since then.
    unwritten: Option<Timestamp>,
    /// That there is little room.
    short: bool,
    /// That no room can be kept.
    unreserved: bool,
}

impl Daemon {
    /// Looks all the time.
    pub(super) async fn watch_disk(&self) -> Result<(), DaemonError> {
        let mut told = Told::default();
        loop {
            self.look_at_disk(&mut told).await?;
            self.0.engine.clock.sleep(LOOK).await;
        }
    }

    async fn look_at_disk(&self, told: &mut Told) -> Result<(), DaemonError> {
        let store = &self.0.engine.store;
        if store.unwritten().is_some()
            && let Err(error) = store.try_write().await
            && error.remedy() == Remedy::Stop
        {
            return Err(error.into());
        }
        if let Err(error) = store.keep_reserve() {
            if !told.unreserved {
                tracing::warn!(error = %Chain(&error), "no room can be kept for what is under way when the disk is full");
            }
            told.unreserved = true;
        }
        match store.unwritten() {
            Some(unwritten) => {
                self.tell_unwritten(told, &unwritten).await;
                Ok(())
            }
            None => self.tell_of_room(told).await,
        }
    }

    /// Tells people that nothing is written, right away: the outbox is in the journal.
    async fn tell_unwritten(&self, told: &mut Told, unwritten: &Unwritten) {
        let (now, uptime) = (self.0.engine.clock.now(), self.0.engine.clock.uptime());
        let since = unwritten.since.unwrap_or(now);
        let seen = *told.seen.get_or_insert(uptime);
        if told.unwritten.is_none() && TELL_AFTER <= uptime.saturating_sub(seen) {
            told.unwritten = Some(since);
            self.tell_directly(&about_unwritten(unwritten, since, now)).await;
        }
    }

    /// Tells people that the journal can be written again if they heard that it could not, and that there is little room
    /// as long as the journal takes messages.
    async fn tell_of_room(&self, told: &mut Told) -> Result<(), DaemonError> {
        let engine = &self.0.engine;
        let now = engine.clock.now();
        let mut news = Vec::new();
        told.seen = None;
        if let Some(since) = told.unwritten.take() {
            let text = format!("It could not be since {since:.0}. What was due meanwhile begins now.");
            let about = format!("written/{since}");
            news.push((notice("huntbook's journal can be written again".to_owned(), text, now), about));
        }
        let room = engine.store.room();
        match room.filter(|room| told.short || room.is_short()) {
            Some(room) if !told.short => {
                tracing::warn!(free = room.free_bytes, "the disk of the journal is nearly full");
                told.short = true;
                news.push((about_room(room, now), format!("room/{:.10}", now.to_string())));
            }
            Some(room) if room.is_plenty() => told.short = false,
            Some(_) | None => {}
        }
        for (message, about) in news {
            if let Err(error) = self.tell(message, about).await {
                unless_over(error, "people could not be told about the disk of the journal")?;
            }
        }
        Ok(())
    }

    /// Sends a message past the journal: once, and if that fails, only the log says it.
    pub(super) async fn tell_directly(&self, message: &Message) {
        let engine = &self.0.engine;
        let channel = engine.alerts.as_ref().and_then(|name| self.0.options.channels.get(name));
        if let Some(channel) = channel
            && let Err(error) = channel.send(message).await
        {
            tracing::error!(error = %Chain(&error), title = message.title, "people could not be told");
        }
    }
}

fn about_unwritten(unwritten: &Unwritten, since: Timestamp, now: Timestamp) -> Message {
    let text = format!(
        "{}. Nothing is lost: what is due waits, and begins by itself when the journal can be written.",
        unwritten.why
    );
    let title = "huntbook cannot write its journal and takes no action".to_owned();
    let id = format!("unwritten-{}", since.as_second());
    Message { id, severity: AlertSeverity::High, ..notice(title, text, now) }
}

fn about_room(room: Room, now: Timestamp) -> Message {
    let title = "the disk of huntbook's journal is nearly full".to_owned();
    Message { severity: AlertSeverity::Medium, ..notice(title, format!("{room}."), now) }
}
