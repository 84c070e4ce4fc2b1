//! What the daemon tells people about itself: a refused edit, what cannot be read, files that are gone.

use jiff::Timestamp;

use super::edit::Waiting;
use super::generation::{Generation, Instead, Refused};
use super::run::Daemon;
use crate::channel::Message;
use crate::diag::{self, Format};
use crate::model::AlertSeverity;
use crate::notify::{notice, standing_message};
use crate::store::{ContentHash, OutboxMessage, Refusal, Stop, StoreError};
use crate::text::counted;

impl Daemon {
    /// Tells the operators something, if somebody is to be told; what it is about is told once.
    pub(super) async fn tell(&self, message: Message, about: String) -> Result<(), StoreError> {
        let Some(channel) = &self.0.engine.alerts else { return Ok(()) };
        self.0.engine.store.enqueue(&standing_message(channel, message, about)).await?;
        self.0.outbox.notify_one();
        Ok(())
    }
}

/// The refusals of `next` that `before` did not have.
fn news<'a>(before: &'a Generation, next: &'a Generation) -> impl Iterator<Item = &'a Refused> {
    next.refused.iter().filter(|refused| {
        !before.refused.iter().any(|old| (&old.file, old.hash) == (&refused.file, refused.hash))
    })
}

/// The problems of a refused file as people read them.
fn problems(refused: &Refused) -> String {
    diag::render(&refused.diagnostics, Format::Text)
}

/// What people are told when `next` follows `before`, and its refusals stand like this.
pub(super) fn messages(
    channel: &str,
    (before, next): (&Generation, &Generation),
    refusals: &[Refusal],
    now: Timestamp,
) -> Vec<OutboxMessage> {
    let since = |refused: &Refused| {
        let known = refusals.iter().find(|known| (&known.file, known.hash) == (&refused.file, refused.hash));
        known.map_or(now, |known| known.at)
    };
    let mut messages: Vec<OutboxMessage> =
        news(before, next).map(|refused| about_refused(channel, refused, (since(refused), now))).collect();
    let mut gone: Vec<String> = next
        .held
        .difference(&before.held)
        .filter_map(|id| next.playbooks.get(id))
        .map(|live| live.file.clone())
        .collect();
    for name in next.held_lists.difference(&before.held_lists) {
        match next.loss(name) {
            Some(loss) => messages.push(about_loss(channel, (name, loss), now)),
            None => gone.push(format!("list `{name}`")),
        }
    }
    let edits = next.edits.iter().filter(|(digest, _)| !before.edits.contains_key(*digest));
    messages.extend(edits.map(|(digest, edit)| about_edit(channel, (digest, edit), now)));
    if !gone.is_empty() {
        messages.push(about_gone(channel, &gone, now));
    }
    messages
}

/// Tells the log what a reload did.
pub(super) fn say(before: &Generation, next: &Generation) {
    let (generation, playbooks) = (next.number, next.playbooks.len());
    tracing::info!(generation, playbooks, "a generation is in force");
    for (id, live) in &next.playbooks {
        let version = live.plan.version;
        if before.playbooks.get(id).is_none_or(|old| old.plan.version != version) {
            let name = &live.plan.about.name;
            tracing::info!(playbook = %id, name, file = %live.file, %version, "a version is in force");
        }
    }
    for (id, gone) in before.playbooks.iter().filter(|(id, _gone)| !next.playbooks.contains_key(id)) {
        tracing::info!(playbook = %id, file = %gone.file, "a playbook is retired");
    }
    for held in next.held.difference(&before.held) {
        tracing::error!(playbook = %held, "its file is gone together with most others: it is held in force");
    }
    for list in next.held_lists.difference(&before.held_lists) {
        if let Some((lost, of)) = next.loss(list) {
            let why = "much of it is gone at once and it may be needed: it is held in force";
            tracing::error!(list, lost, of, "{why}");
        } else {
            tracing::error!(list, "its file is gone and it may be needed: it is held in force");
        }
    }
    for (digest, edit) in next.edits.iter().filter(|(digest, _)| !before.edits.contains_key(*digest)) {
        let (id, risks) = (digest.short(), edit.risks());
        tracing::error!(
            file = edit.file(),
            id,
            risks,
            "an edit raises risk: it waits for `huntbook confirm`"
        );
    }
    for refused in news(before, next) {
        let (problems, last_good) = (problems(refused), refused.instead == Instead::LastGood);
        tracing::error!(file = %refused.file, version = %refused.hash, last_good, "a file is refused\n{problems}");
    }
    for mended in before.refused.iter().filter(|old| !next.refused.iter().any(|new| new.file == old.file)) {
        tracing::info!(file = %mended.file, "a refused file is good again, or gone");
    }
}

/// The message about a refused file. Told once for the same bytes, over restarts too, and again if they come
/// back after they were good.
fn about_refused(channel: &str, refused: &Refused, (since, now): (Timestamp, Timestamp)) -> OutboxMessage {
    let still = match refused.instead {
        Instead::LastGood => "Its last good version stays in force.",
        Instead::Nothing => "There is no earlier version of it: nothing of it is in force.",
    };
    let text = format!("{still}\n\n{}", problems(refused));
    let mut facts = vec![("File".to_owned(), refused.file.clone())];
    let title = if refused.is_unread() {
        format!("huntbook cannot read {}", refused.file)
    } else {
        facts.push(("Version".to_owned(), refused.hash.short()));
        format!("huntbook refused {}", refused.file)
    };
    let message = Message { facts, playbook: refused.file.clone(), ..notice(title, text, now) };
    let since = since.as_millisecond();
    standing_message(channel, message, format!("refused/{}/{}/{since}", refused.file, refused.hash))
}

/// The message about an edit that waits for a second person. Told once for the same edit a day.
fn about_edit(channel: &str, (digest, edit): (&ContentHash, &Waiting), now: Timestamp) -> OutboxMessage {
    let title = format!("huntbook holds an edit that raises risk: {}", edit.file());
    let text = format!(
        "What was in force stays, until somebody other than its author says `huntbook confirm {}`.\n\n{}",
        digest.short(),
        edit.risks()
    );
    let about = format!("edit/{:.10}/{digest}", now.to_string());
    standing_message(channel, notice(title, text, now), about)
}

/// The message about files that are gone. Told once a day for the same files.
fn about_gone(channel: &str, gone: &[String], now: Timestamp) -> OutboxMessage {
    let text = format!(
        "They stay in force as they were, because a mount is more likely gone than the work of everybody. \
         If they were removed on purpose, send the process SIGHUP.\n\n{}",
        gone.join("\n")
    );
    let about = format!("gone/{:.10}/{}", now.to_string(), gone.join("/"));
    standing_message(
        channel,
        notice(format!("huntbook misses {}", counted(gone.len(), "file")), text, now),
        about,
    )
}

/// The message about a list of which much is gone. Told once a day for the same loss.
fn about_loss(channel: &str, (name, (lost, of)): (&str, (usize, usize)), now: Timestamp) -> OutboxMessage {
    let title = format!("huntbook holds the list {name}: {lost} of {of} entries are gone at once");
    let text = "It may protect targets, so it stays in force as it was. If that is a copy that broke off, write the \
                file anew; if it is meant, send the process SIGHUP, and what is on disk takes its place.";
    let about = format!("loss/{:.10}/{name}/{lost}/{of}", now.to_string());
    standing_message(channel, notice(title, text.to_owned(), now), about)
}

/// The message about a playbook that does not run any more, because the process died at it again and again.
pub(super) fn about_quarantine(channel: &str, stop: &Stop) -> OutboxMessage {
    let playbook = stop.playbook.as_ref();
    let name = playbook.map(|playbook| playbook.name.clone()).unwrap_or_default();
    let text = format!(
        "{stop}\n\nIts runs wait, and what was done stands. All other playbooks go on. Look into the log for why the process \
         ended."
    );
    let about = format!(
        "quarantine/{}/{}",
        playbook.map(|playbook| playbook.id.to_string()).unwrap_or_default(),
        stop.at
    );
    let message =
        notice(format!("huntbook does not run {name} any more: the process dies at it"), text, stop.at);
    standing_message(channel, Message { severity: AlertSeverity::High, playbook: name, ..message }, about)
}
