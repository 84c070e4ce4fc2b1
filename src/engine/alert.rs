//! What the operators are told of runs, whatever the playbook tells its own people: each thing once.
//!
//! The messages go into the outbox in the transaction that ends the run, so that none is lost; what they are
//! about is their identity, so that none is told twice.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Engine;
use super::context::Context;
use super::report::{ItemOutcome, ItemReport, Report, StepState};
use super::undone::Known;
use crate::channel::Message;
use crate::model::{AlertSeverity, RunId};
use crate::notify::{notice, standing_message};
use crate::store::{Effect, EffectState, ListLag, OutboxMessage, Run, Stop};
use crate::text::counted;

/// Most actions or items named in one message; the rest is counted.
const NAMES_MAX: usize = 50;

impl Engine {
    /// What the operators are told of the end of a run.
    pub(super) fn alerts_at_end(
        &self,
        context: &Context<'_>,
        report: &Report,
        (known, told): (&Known, &BTreeSet<u32>),
    ) -> Vec<OutboxMessage> {
        let Some(channel) = self.alerts.as_deref().filter(|_channel| context.acts()) else {
            return Vec::new();
        };
        let now = self.clock.now();
        let mut messages = Vec::new();
        if let Some(situation) = known.news.filter(|_news| report.counts.halted) {
            let day = now.strftime("%F");
            let about = format!("halted/{}/{}/{situation}/{day}", report.tenant, report.playbook);
            messages.push(standing_message(channel, halted(report, now), about));
        }
        if report.counts.quarantined > 0 {
            let about = format!("unreadable/{}/{}/{}", report.tenant, report.playbook, now.strftime("%F"));
            messages.push(standing_message(channel, unreadable(report, now), about));
        }
        let news = report.items.iter().filter(|item| !told.contains(&item.seq));
        messages.extend(self.parked_alert(&Ended::of(report), &parked_steps(news), ""));
        messages
    }

    /// What the operators are told of a run that was cut off and does not go on.
    pub(super) fn stopped_alert(&self, run: &Ended, (what, reason): (&str, &str)) -> Option<OutboxMessage> {
        let channel = self.alerts.as_deref()?;
        let id = run.id;
        let text = format!(
            "{reason}\n\nWhat it did before stands. `huntbook show {id}` tells what that was and what was left."
        );
        let title = format!("{}: a run was cut off and {what}", run.playbook);
        Some(standing_message(channel, run.message(title, text, self.clock.now()), format!("run/{id}")))
    }

    /// What the operators are told of a run's actions that may or may not be in force. `chapter` sets the messages
    /// about one run apart.
    pub(super) fn parked_alert(
        &self,
        run: &Ended,
        parked: &[String],
        chapter: &str,
    ) -> Option<OutboxMessage> {
        let channel = self.alerts.as_deref().filter(|_channel| !parked.is_empty())?;
        let count = parked.len();
        let (s, are) = if count == 1 { ("", "is") } else { ("s", "are") };
        let title = format!("{}: {count} action{s} {are} in doubt", run.playbook);
        let text = format!(
            "Nobody knows whether they were taken, and they are not repeated. `huntbook serve` looks for those on \
             devices ten minutes later and tells what it found; for the rest look at the tenant, then tell \
             huntbook with `huntbook resolve`. `huntbook status` lists them.\n\n{}",
            names(parked)
        );
        let message = run.message(title, text, self.clock.now());
        let message = Message { severity: AlertSeverity::High, ..message };
        Some(standing_message(channel, message, format!("parked/{}{chapter}", run.id)))
    }

    /// What the operators are told of an action that was in doubt, once the tenant has shown what became of it.
    pub(super) fn settled_alert(&self, effect: &Effect, what: &str) -> Option<OutboxMessage> {
        let channel = self.alerts.as_deref()?;
        let Effect { action, target, run, .. } = effect;
        let title = format!("{action} is in doubt no more: {what}");
        let text = format!("{action} on {target}\n\n`huntbook show {run}` tells why it was wanted.");
        let message = Message {
            run: run.to_string(),
            tenant: effect.tenant.clone(),
            ..notice(title, text, self.clock.now())
        };
        Some(standing_message(channel, message, format!("settled/{}/{}", effect.key, effect.attempt)))
    }

    /// What the operators are told of a tenant that shows what the journal does not know: nothing is done there any more.
    pub(super) fn forgotten_alert(&self, tenant: &str, stop: &Stop) -> Option<OutboxMessage> {
        let channel = self.alerts.as_deref()?;
        let text = format!(
            "{stop}\n\nNothing is done in {tenant} any more. Look at the action centre, then say `huntbook resume \
             --tenant {tenant}`."
        );
        let message =
            notice(format!("{tenant}: the journal does not know what was done"), text, self.clock.now());
        let message = Message { severity: AlertSeverity::High, tenant: tenant.to_owned(), ..message };
        Some(standing_message(channel, message, format!("forgotten/{tenant}/{}", stop.at)))
    }

    /// What the operators are told of an action that the tenant knows as another device's than was asked for.
    pub(super) fn other_device_alert(&self, effect: &Effect, device: &str) -> Option<OutboxMessage> {
        let channel = self.alerts.as_deref()?;
        let Effect { action, target, run, key, .. } = effect;
        let text = format!(
            "{action} was asked for on {target}, and the tenant shows it on device:{device}. The playbook is stopped in \
             {tenant} until `huntbook resume`; look at both devices, then tell huntbook with `huntbook resolve {key}`. \
             `huntbook show {run}` tells why it was wanted.",
            tenant = effect.tenant
        );
        let message = Message {
            severity: AlertSeverity::High,
            run: run.to_string(),
            tenant: effect.tenant.clone(),
            ..notice(format!("{action} went to another device"), text, self.clock.now())
        };
        Some(standing_message(channel, message, format!("otherDevice/{key}")))
    }

    /// What the operators are told of a tenant whose list of actions is later than it should be.
    pub(super) fn late_list_alert(&self, effect: &Effect, lag: &ListLag) -> Option<OutboxMessage> {
        let channel = self.alerts.as_deref()?;
        let (Effect { action, target, tenant, .. }, now) = (effect, self.clock.now());
        let (word, then) = if lag.is_late() {
            let then = "For a week no action in doubt there counts as not taken because the list does not have it: look at the \
                        action centre, and say it with `huntbook resolve`.";
            ("late", then)
        } else {
            ("slow", "Later than three minutes, and nothing is concluded from what it does not have.")
        };
        let text = format!(
            "It shows an action that the tenant had accepted {}: {action} on {target}. {then}",
            lag.in_words()
        );
        let message = notice(format!("{tenant}: the list of actions is {word}"), text, now);
        let message = Message { run: effect.run.to_string(), tenant: tenant.clone(), ..message };
        Some(standing_message(channel, message, format!("list/{word}/{tenant}/{}", now.strftime("%F"))))
    }

    /// What the operators are told of an action that the tenant accepted and did not take to its end.
    pub(super) fn in_vain_alert(&self, effect: &Effect, detail: &str) -> Option<OutboxMessage> {
        let channel = self.alerts.as_deref()?;
        let Effect { action, target, run, .. } = effect;
        let title = format!("{action} came to nothing");
        let text = format!(
            "The tenant accepted it and did not take it to its end: {detail}. It is not repeated. \
             `huntbook show {run}` tells why it was wanted.\n\n{action} on {target}"
        );
        let message = Message {
            severity: AlertSeverity::High,
            run: run.to_string(),
            tenant: effect.tenant.clone(),
            ..notice(title, text, self.clock.now())
        };
        Some(standing_message(channel, message, format!("inVain/{}", effect.key)))
    }
}

/// A run of which the operators are told.
#[derive(Debug)]
pub(super) struct Ended {
    id: RunId,
    playbook: String,
    tenant: String,
}

impl Ended {
    pub(super) fn of(report: &Report) -> Self {
        Self { id: report.run, playbook: report.name.clone(), tenant: report.tenant.clone() }
    }

    pub(super) fn begun(context: &Context<'_>) -> Self {
        let (playbook, tenant) = (context.plan().about.name.clone(), context.order.tenant.clone());
        Self { id: context.run, playbook, tenant }
    }

    pub(super) fn left(run: &Run) -> Self {
        Self { id: run.id, playbook: run.playbook_name.clone(), tenant: run.tenant.clone() }
    }

    fn message(&self, title: String, text: String, now: Timestamp) -> Message {
        let (playbook, tenant) = (self.playbook.clone(), self.tenant.clone());
        Message { playbook, tenant, run: self.id.to_string(), ..notice(title, text, now) }
    }
}

/// The message about a run that could not read all that the tenant answered.
fn unreadable(report: &Report, now: Timestamp) -> Message {
    let count = report.counts.quarantined;
    let title = format!("{}: {count} of what the tenant answered could not be read", report.name);
    let text = format!(
        "Nothing was done about these rows or incidents, and they may be of somebody's making. `huntbook run \
         \"{}\" --dry-run` shows whether it is still so; the log has samples. Told once a day.",
        report.name
    );
    Ended::of(report).message(title, text, now)
}

/// The message about a run that a guard halted.
fn halted(report: &Report, now: Timestamp) -> Message {
    let is_halted = |item: &&ItemReport| item.outcome == ItemOutcome::Halted;
    let halted: Vec<&ItemReport> = report.items.iter().filter(is_halted).collect();
    let reasons = halted.iter().flat_map(|item| &item.steps);
    let mut reasons =
        reasons.filter(|step| step.state == StepState::Halted).filter_map(|step| step.reason.as_deref());
    let reason = reasons.next().unwrap_or("a guard stopped it");
    let keys: Vec<String> = halted.iter().map(|item| item.key.clone()).collect();
    let title = format!("{}: halted with {} undone", report.name, counted(halted.len(), "item"));
    let text = format!(
        "{reason}\n\nThe next runs meet these items again, and do what is to be done when nothing stands in the way. \
         `huntbook show {}` tells more.\n\n{}",
        report.run,
        names(&keys)
    );
    Ended::of(report).message(title, text, now)
}

/// The steps in doubt, for people.
pub(super) fn parked_steps<'a>(items: impl IntoIterator<Item = &'a ItemReport>) -> Vec<String> {
    let steps = items.into_iter().flat_map(|item| item.steps.iter().map(move |step| (item, step)));
    let parked = steps.filter(|(_item, step)| step.state == StepState::Parked);
    parked.map(|(item, step)| format!("{} on {} ({})", step.action, step.target, item.key)).collect()
}

/// The effects in doubt, for people.
pub(super) fn parked_effects(effects: &[Effect]) -> Vec<String> {
    let parked = effects.iter().filter(|effect| effect.state == EffectState::Parked);
    parked.map(|effect| format!("{} on {}", effect.action, effect.target)).collect()
}

/// One name a line, and how many there are beyond.
fn names(names: &[String]) -> String {
    let named = names.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join("\n");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => named,
        more => format!("{named}\nand {more} more"),
    }
}
