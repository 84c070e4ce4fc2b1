//! Dealing with the items of a run, one after the other. While some wait for their devices, people are asked and heard
//! about the others.
//!
//! The parts of a run are on the heap: held by one another they would be too large for the stack of a thread.

use std::collections::{BTreeMap, BTreeSet};

use super::alert::{Ended, parked_steps};
use super::approval::{Whose, chapter};
use super::canary::Canary;
use super::context::{Context, Work};
use super::decide::Fate;
use super::in_hand::{InHand, Waiting};
use super::join::{Member, is_worth_it};
use super::report::{Counts, ItemOutcome, ItemReport, Report, StepReport, Told};
use super::undone::Known;
use super::{Engine, EngineError};
use crate::fault::crash_point;
use crate::store::{Approval, NextTime, Settlement, Trigger};

/// What has been settled of a run.
#[derive(Default)]
struct Settled {
    reports: Vec<ItemReport>,
    /// Items nothing was sent for are settled together: one sync instead of thousands.
    unsent: Vec<Settlement>,
    /// Items that nothing was done about.
    undone: BTreeSet<u32>,
    /// Items of which people know before the run has ended.
    told: BTreeSet<u32>,
    /// How people were asked by then.
    asked: Vec<Told>,
}

impl Engine {
    /// Deals with every item of a run, and ends the run. `earlier` tells of the items that were dealt with
    /// before a crash.
    pub(super) async fn settle(
        &self,
        context: &Context<'_>,
        counts: Counts,
        earlier: Vec<ItemReport>,
        items: Vec<Work>,
    ) -> Result<Report, EngineError> {
        let fates = Box::pin(self.decide(context, &items)).await?;
        crash_point("c07_plan_built");
        let mut settled = Settled { reports: earlier, ..Settled::default() };
        let (mut waiting, mut joining, mut behind) = (Waiting::default(), Vec::new(), Vec::new());
        let mut canary = Canary::of(context);
        let joins = context.acts() && is_worth_it(&fates);
        for (item, fate) in items.into_iter().zip(fates) {
            match fate {
                Fate::Suppressed { reason, behind: first } => behind.push((item, reason, first)),
                Fate::Steps { mut decisions, suppress } => {
                    // Who is asked for leave is told before the first targets are waited for: its time runs.
                    if canary.is_watching() {
                        self.tell_meanwhile(context, &mut settled).await?;
                    }
                    self.behind_canary(context, &mut canary, &mut decisions).await?;
                    let mut in_hand = InHand::new(item, (decisions, suppress), &[]);
                    in_hand.joins = joins && canary.is_free();
                    Box::pin(self.carry_on(context, &mut in_hand)).await?;
                    if in_hand.joining.is_some() {
                        joining.push(in_hand);
                    } else {
                        self.note_or_wait(context, &mut settled, (in_hand, &mut waiting)).await?;
                    }
                }
            }
        }
        while !joining.is_empty() {
            for in_hand in Box::pin(self.join_up(context, &mut joining)).await? {
                self.note_or_wait(context, &mut settled, (in_hand, &mut waiting)).await?;
            }
        }
        while !waiting.is_empty() {
            self.tell_meanwhile(context, &mut settled).await?;
            let mut over = self.ask_about(context, &mut waiting).await?;
            over.extend(self.heed(context, &settled.reports, &mut waiting).await?);
            for over in over {
                self.note(context, &mut settled, over).await?;
            }
        }
        // Whether the first of its kind came to something is known by now.
        for (item, reason, first) in behind {
            let left = first.is_some_and(|first| settled.undone.contains(&first));
            let (report, settlement) = if left { not_repeated(item) } else { suppressed(item, reason) };
            settled.unsent.push(settlement);
            settled.reports.push(report);
        }
        self.store.settle_all(context.run, &settled.unsent).await?;
        settled.reports.sort_by_key(|report| report.seq);
        self.say_and_finish(context, counts, settled).await
    }

    /// Tells at once what cannot wait until the last device is done: who is asked for leave, and what is in doubt.
    async fn tell_meanwhile(&self, context: &Context<'_>, settled: &mut Settled) -> Result<(), EngineError> {
        let news = settled.reports.iter().filter(|report| !settled.told.contains(&report.seq));
        let news: Vec<&ItemReport> = news.collect();
        let Some(first) = news.first().map(|report| report.seq) else { return Ok(()) };
        let parked = parked_steps(news.iter().copied());
        let alert = self.parked_alert(&Ended::begun(context), &parked, &format!("/{first}"));
        if let Some(alert) = alert {
            self.store.enqueue(&alert).await?;
        }
        let about: BTreeSet<u32> = news.iter().map(|report| report.seq).collect();
        let name = &context.plan().about.name;
        for (told, message) in self.asking((context.run, name), |seq| about.contains(&seq)).await? {
            self.store.enqueue(&message).await?;
            settled.asked.push(told);
        }
        settled.told.extend(about);
        Ok(())
    }

    /// Tells people of a run whose items are settled, and ends it.
    async fn say_and_finish(
        &self,
        context: &Context<'_>,
        counts: Counts,
        settled: Settled,
    ) -> Result<Report, EngineError> {
        let Settled { reports, told: told_of, asked, .. } = settled;
        let mut report = context.report(counts, reports, self.clock.now());
        // Of what is not taken back the operators are told in their own way.
        let known = match context.order.trigger {
            Trigger::Revert => Known::default(),
            _ => self.known_to_people(context, &report.items).await?,
        };
        let mut messages = self.tell(context, &mut report, &known);
        messages.extend(self.alerts_at_end(context, &report, (&known, &told_of)));
        let undone = known.news.filter(|_situation| !messages.is_empty());
        report.told.extend(asked);
        if 0 < report.counts.pending_approval {
            let news = |seq| !told_of.contains(&seq);
            for (told, message) in self.asking((context.run, &report.name), news).await? {
                report.told.push(told);
                messages.push(message);
            }
        }
        self.finish(context, report, (messages, undone)).await
    }

    /// Writes down what became of an item, if it does not wait for its device.
    async fn note_or_wait<'a>(
        &self,
        context: &Context<'_>,
        settled: &mut Settled,
        (in_hand, waiting): (InHand<'a>, &mut Waiting<'a>),
    ) -> Result<(), EngineError> {
        if in_hand.is_waiting() {
            waiting.push(in_hand);
            return Ok(());
        }
        self.note(context, settled, in_hand).await
    }

    /// Writes down what became of an item.
    async fn note(
        &self,
        context: &Context<'_>,
        settled: &mut Settled,
        in_hand: InHand<'_>,
    ) -> Result<(), EngineError> {
        let asked = in_hand.known.clone();
        let sends = in_hand.sends && context.acts();
        let (report, mut settlement) = in_hand.end(context);
        if settlement.next_time == NextTime::New {
            settled.undone.insert(report.seq);
        }
        if !asked.is_empty() {
            self.tell_decided(context, settled, (&asked, &report, &mut settlement));
            settled.reports.retain(|known| known.seq != report.seq);
            self.store.settle(context.run, &settlement).await?;
        } else if sends {
            self.store.settle(context.run, &settlement).await?;
        } else {
            settled.unsent.push(settlement);
        }
        settled.reports.push(report);
        Ok(())
    }

    /// Tells at once what came of what people decided, with the end of its item.
    fn tell_decided(
        &self,
        context: &Context<'_>,
        settled: &mut Settled,
        (asked, report, settlement): (&[Approval], &ItemReport, &mut Settlement),
    ) {
        let about = &context.plan().about;
        let whose = Whose { run: context.run, playbook: &about.name, tenant: &context.order.tenant, asked };
        let told = self.say(whose, [(report, &*settlement)]);
        let parked = parked_steps([report]);
        let chapter = format!("/{}", chapter(asked, &BTreeSet::from([report.seq])));
        settlement.messages.extend(self.parked_alert(&Ended::begun(context), &parked, &chapter));
        for (told, message) in told {
            settlement.messages.push(message);
            settled.asked.push(told);
        }
    }

    /// Makes calls of several items together, and carries these items on; returns those that join no more.
    async fn join_up<'a>(
        &self,
        context: &Context<'a>,
        joining: &mut Vec<InHand<'a>>,
    ) -> Result<Vec<InHand<'a>>, EngineError> {
        let members = joining.iter().filter_map(|one| {
            let joining = one.joining.as_ref()?;
            Some(Member { seq: one.item.seq, key: &one.item.key, joining })
        });
        let members: Vec<Member<'_, '_>> = members.collect();
        let mut reports: BTreeMap<usize, StepReport> =
            self.call_together(context, &members).await?.into_iter().collect();
        let mut over = Vec::new();
        for (nth, mut one) in std::mem::take(joining).into_iter().enumerate() {
            if let Some(report) = reports.remove(&nth) {
                if let Some(joined) = one.joining.take() {
                    one.course.note(joined.step, report);
                }
                Box::pin(self.carry_on(context, &mut one)).await?;
            }
            if one.joining.is_some() { joining.push(one) } else { over.push(one) }
        }
        Ok(over)
    }
}

/// What becomes of an item that is like one before it.
fn suppressed(item: Work, reason: String) -> (ItemReport, Settlement) {
    let report = item_report(item, ItemOutcome::Suppressed, Some(reason), Vec::new());
    let settlement = settlement(&report);
    (report, settlement)
}

/// The same if nothing was done about that one: it is no repetition.
fn not_repeated(item: Work) -> (ItemReport, Settlement) {
    let why = "the same comes earlier in this run, and nothing was done about it";
    let (report, settlement) = suppressed(item, why.to_owned());
    (report, Settlement { next_time: NextTime::New, ..settlement })
}

pub(super) fn item_report(
    item: Work,
    outcome: ItemOutcome,
    reason: Option<String>,
    steps: Vec<StepReport>,
) -> ItemReport {
    ItemReport { seq: item.seq, key: item.key, outcome, reason, steps, data: item.data }
}

pub(super) fn settlement(report: &ItemReport) -> Settlement {
    let step_reason = || report.steps.iter().find_map(|step| step.reason.clone());
    Settlement {
        seq: report.seq,
        outcome: report.outcome.in_journal().to_owned(),
        reason: report.reason.clone().or_else(step_reason),
        ..Settlement::default()
    }
}
