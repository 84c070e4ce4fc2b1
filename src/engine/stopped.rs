//! Runs that were cut off and do not go on: what is left of them is settled, and people are told.

use std::collections::BTreeSet;

use super::alert::{Ended, parked_effects, parked_steps};
use super::context::Context;
use super::report::{ItemOutcome, ItemReport, Report, RunState, Told, ToldState};
use super::resume::{counts_of, dealt_with, step_report};
use super::tell::origin;
use super::undone::Known;
use super::{Engine, EngineError};
use crate::notify::{Draft, outbox_message};
use crate::store::{Effect, Item, NextTime, OutboxMessage, RunDetail, RunEnd, Settlement, Unfinished};
use crate::text::counted;

/// Most items named in the message about a run that was stopped; the rest is counted.
const NAMES_MAX: usize = 50;

impl Engine {
    /// Ends a run that must not act any more. What it did stands and is told as ever; the rest is left alone
    /// and is news to the next run, if there is one. Every channel of the playbook is told, whatever its
    /// `if` says: this is not what its author thought of.
    pub(super) async fn stop(
        &self,
        context: &Context<'_>,
        unfinished: &Unfinished,
        detail: Option<RunDetail>,
        reason: &str,
    ) -> Result<Report, EngineError> {
        tracing::error!(run = %context.run, playbook = %context.plan().about.name, reason, "a run that was cut off is stopped");
        let effects: Vec<Effect> = match &detail {
            Some(detail) => detail.effects.iter().map(|(effect, _history)| effect.clone()).collect(),
            None => Vec::new(),
        };
        let left: Vec<ItemReport> =
            unfinished.items.iter().map(|item| left_alone(item, &effects, reason)).collect();
        let settlements: Vec<Settlement> = left.iter().map(settlement).collect();
        self.store.settle_all(context.run, &settlements).await?;
        let names: Vec<&str> = left.iter().map(|item| item.key.as_str()).collect();
        let notice = self.notice(context, &names, reason);
        let mut reports = detail.map(dealt_with).unwrap_or_default();
        reports.extend(left.iter().cloned());
        reports.sort_by_key(|report| report.seq);
        let mut report = context.report(counts_of(unfinished), reports, self.clock.now());
        (report.state, report.reason) = (RunState::Halted, Some(reason.to_owned()));
        let mut messages = self.tell(context, &mut report, &Known::default());
        for (told, message) in notice.into_iter().filter(|_notice| context.remembers()) {
            report.told.push(told);
            messages.push(message);
        }
        if context.remembers() {
            let ended = Ended::of(&report);
            messages.extend(self.stopped_alert(&ended, ("is stopped", reason)));
            messages.extend(self.parked_alert(&ended, &parked_steps(&report.items), ""));
        }
        self.finish(context, report, (messages, None)).await
    }

    /// What people are told of a run that was stopped: one message for each channel of its playbook.
    fn notice(&self, context: &Context<'_>, names: &[&str], reason: &str) -> Vec<(Told, OutboxMessage)> {
        let about = &context.plan().about;
        let title = format!("{}: stopped with {} unfinished", about.name, counted(names.len(), "item"));
        let more = names.len().saturating_sub(NAMES_MAX);
        let named = names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join("\n");
        let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
        let text = format!(
            "A run was cut off and does not go on: {reason}. What it did before stands. These are unfinished; \
             what nothing was done about is news to the playbook if it comes back:\n\n{named}{more}"
        );
        let channels: BTreeSet<&str> =
            context.plan().tellings.iter().map(|telling| telling.channel.as_str()).collect();
        let message = |channel: &str| {
            let draft = Draft {
                channel: channel.to_owned(),
                group: format!("stopped/{channel}"),
                title: title.clone(),
                text: text.clone(),
                ..Draft::default()
            };
            let message = outbox_message(&origin(context), draft, self.clock.now());
            let told = Told {
                channel: channel.to_owned(),
                title: title.clone(),
                state: ToldState::Queued,
                reason: None,
            };
            (told, message)
        };
        channels.into_iter().map(message).collect()
    }

    /// Ends a run that cannot be taken up; its items stay visible, settled as failed, and are news to the
    /// next run.
    pub(super) async fn abandon(&self, unfinished: &Unfinished, reason: &str) -> Result<(), EngineError> {
        let run = unfinished.run.id;
        tracing::error!(%run, reason, "a run that was cut off cannot be taken up again");
        // Some of its items may have been dealt with before it failed again.
        let settlement = |item: Item| Settlement {
            seq: item.seq,
            outcome: ItemOutcome::Failed.in_journal().to_owned(),
            reason: Some(reason.to_owned()),
            next_time: NextTime::New,
            ..Settlement::default()
        };
        let mut left: Vec<Settlement> =
            self.store.unsettled(run).await?.into_iter().map(settlement).collect();
        // Nobody goes on with what was asked. If it cannot be read, that is found when people have decided.
        if let Ok(Some(detail)) = self.store.run(run).await {
            left.extend(self.void_all(&detail, reason));
        }
        self.store.settle_all(run, &left).await?;
        let end = RunEnd {
            state: crate::store::RunState::Failed,
            error: Some(reason.to_owned()),
            counts: unfinished.run.counts.clone(),
            report: unfinished.run.report.clone(),
            undone: None,
        };
        let ended = Ended::left(&unfinished.run);
        // If they cannot be read, that may be why it is given up.
        let parked = parked_effects(&self.store.effects_of(run).await.unwrap_or_default());
        let messages = [
            self.stopped_alert(&ended, ("cannot be taken up", reason)),
            self.parked_alert(&ended, &parked, ""),
        ];
        let messages: Vec<OutboxMessage> = messages.into_iter().flatten().collect();
        Ok(self.store.finish_run(run, &end, &messages).await?)
    }
}

/// The report of an item that a stopped run leaves alone, with what was done about it before.
fn left_alone(item: &Item, effects: &[Effect], reason: &str) -> ItemReport {
    let steps: Vec<_> = effects.iter().filter(|effect| effect.seq == item.seq).map(step_report).collect();
    let outcome = if steps.is_empty() { ItemOutcome::Skipped } else { ItemOutcome::of(&steps) };
    ItemReport {
        seq: item.seq,
        key: item.key.clone(),
        outcome,
        reason: Some(reason.to_owned()),
        steps,
        data: item.data.clone(),
    }
}

/// How that is settled: the journal itself keeps an item with an effect from coming up again.
fn settlement(report: &ItemReport) -> Settlement {
    Settlement {
        seq: report.seq,
        outcome: report.outcome.in_journal().to_owned(),
        reason: report.reason.clone(),
        next_time: NextTime::New,
        ..Settlement::default()
    }
}
