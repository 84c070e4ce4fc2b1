//! Going on with what people decided: items that waited are taken up when people said yes or no, or when
//! their time is over.
//!
//! A run that asked for leave has ended, or waits for devices; its items wait in the journal, not in memory. Each is
//! taken up with the version of the playbook that asked, if that is still in force, and its end replaces what the
//! run's report says of it. What was denied or was not answered in time counts as dealt with. What is void does
//! not: nobody decided about what would be done now, so the next run meets the item anew.
//!
//! Nobody's word waits for a device: while one item does, what is decided about the others is gone on with.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::context::{Context, Work};
use super::in_force::{Bounds, stop};
use super::in_hand::{InHand, Waiting};
use super::leave::{self, names, short};
use super::report::{Counts, ItemOutcome, ItemReport, Report, RunState, StepState, Told, ToldState};
use super::resume::{dealt_with, say_parked};
use super::undone::Known;
use super::{Engine, EngineError, InForce, Order, Present, Standing};
use crate::model::{AlertSeverity, PlaybookId, RunId};
use crate::notify::{Draft, Origin, outbox_message};
use crate::store::{
    Approval, ApprovalState, Closing, NextTime, OutboxMessage, Run, RunDetail, RunEnd, Settlement,
    StoreError, Trigger,
};

/// What the identity of a message about approvals begins with, in the outbox.
pub const APPROVAL_MESSAGE: &str = "approval/";

/// Most requests named in one message; the rest is counted.
const LINES_MAX: usize = 50;

/// A run with items that people have decided about, or time has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decided {
    /// The playbook.
    pub playbook: PlaybookId,
    /// The tenant, by its name.
    pub tenant: String,
    /// The run.
    pub run: RunId,
}

/// A run that went on.
#[derive(Debug)]
pub struct WentOn {
    /// The run.
    pub run: RunId,
    /// The playbook.
    pub playbook_name: String,
    /// Its items that changed, as they stand now.
    pub items: Vec<ItemReport>,
}

/// What becomes of items people decided about.
#[derive(Default)]
struct Changes {
    items: Vec<ItemReport>,
    settlements: Vec<Settlement>,
    told: Vec<(Told, OutboxMessage)>,
}

/// Whose requests people are told of.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) run: RunId,
    pub(super) playbook: &'a str,
    pub(super) tenant: &'a str,
    /// What was asked for, with what people said.
    pub(super) asked: &'a [Approval],
}

impl Engine {
    /// The runs with items that people have decided about, or time has.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn decided(&self) -> Result<BTreeSet<Decided>, StoreError> {
        let decided = self.store.decided().await?;
        let all = decided.into_iter().map(|(playbook, tenant, run)| Decided { playbook, tenant, run });
        Ok(all.collect())
    }

    /// Goes on with what people decided about a run. Nobody else may go on with it meanwhile; other runs of its
    /// playbook may.
    ///
    /// # Errors
    ///
    /// If the journal fails; what was not written down is found again the next time.
    pub async fn go_on(&self, run: RunId, present: &Present<'_>) -> Result<Option<WentOn>, EngineError> {
        self.go_on_with(run, present).await.map_err(|error| error.in_the_middle_of(run))
    }

    /// Whether what was decided about a run waits, because nobody knows whether its playbook was removed on purpose.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn is_held(&self, run: RunId, in_force: &dyn InForce) -> Result<bool, StoreError> {
        let detail = self.store.run(run).await?;
        Ok(detail.is_some_and(|detail| is_held(&detail.run, &in_force.standing((&detail.run).into()))))
    }

    async fn go_on_with(&self, run: RunId, present: &Present<'_>) -> Result<Option<WentOn>, EngineError> {
        // Nothing is asked of a tenant about what cannot be noted.
        self.store.insist_on_reserve()?;
        // What was sent for an approval and has no result was cut off.
        self.store.park_run(run).await?.iter().for_each(say_parked);
        let Some(detail) = self.store.run(run).await? else { return Ok(None) };
        let standing = present.in_force.standing((&detail.run).into());
        if is_held(&detail.run, &standing) {
            return Ok(None);
        }
        let Ok(mut report) = serde_json::from_value::<Report>(detail.run.report.clone()) else {
            let settlements = self.void_all(&detail, "what came of its run cannot be read");
            self.store.settle_all(run, &settlements).await?;
            return Ok(None);
        };
        let now = self.clock.now();
        let order = match self.tenants.get(&detail.run.tenant) {
            Some(_tenant) => self.order_of(&detail.run, present).await?,
            None => Err(format!("there is no tenant `{}` any more", detail.run.tenant)),
        };
        let order = order.and_then(|order| match not_any_more(&order, &standing, now) {
            Some(reason) => Err(reason),
            None => Ok(order),
        });
        let changed = match order {
            Ok(order) => self.act_on((&order, self.bounds(present.in_force)), &detail, &mut report).await?,
            Err(reason) => {
                let ready = ready(&detail.approvals, self.store.time().await?);
                let changes = give_up((&detail, &ready), &report.items, &reason);
                self.amend(&mut report, (&detail.approvals, changes)).await?
            }
        };
        // As each stands now.
        let items = report.items.into_iter().filter(|item| changed.contains(&item.seq)).collect::<Vec<_>>();
        let playbook_name = report.name;
        tracing::info!(%run, playbook = %playbook_name, items = items.len(), "a run went on with what people decided");
        Ok(Some(WentOn { run, playbook_name, items }))
    }

    /// Deals with the items in the light of what people said, and of what they say while some wait for devices; says
    /// which those were.
    async fn act_on<'a>(
        &self,
        (order, bounds): (&'a Order, Bounds<'a>),
        detail: &RunDetail,
        report: &mut Report,
    ) -> Result<BTreeSet<u32>, EngineError> {
        let tenant =
            self.tenants.get(&order.tenant).ok_or_else(|| EngineError::NoTenant(order.tenant.clone()))?;
        let began = (detail.run.id, detail.run.started);
        let mut context = Context::new(order, &**tenant, began, bounds);
        let (mut waiting, mut changed) = (Waiting::default(), BTreeSet::new());
        let mut asked = detail.approvals.clone();
        loop {
            let items = self.ready_now(&context, &asked, &waiting).await?;
            let known = detail.items.iter().filter(|item| items.contains(&item.seq));
            let work =
                known.map(|item| Work { seq: item.seq, key: item.key.clone(), data: item.data.clone() });
            let over = self.begin_decided(&context, (work.collect(), &asked), &mut waiting).await?;
            changed.extend(self.amend_with(&mut context, report, (&asked, over)).await?);
            if waiting.is_empty() {
                return Ok(changed);
            }
            let over = self.ask_about(&context, &mut waiting).await?;
            changed.extend(self.amend_with(&mut context, report, (&asked, over)).await?);
            asked = self.store.approvals_of(context.run).await?;
        }
    }

    /// The items that may be gone on with, of which none is in hand. What may not be done any more is voided when the
    /// run is over; nothing new is begun by one that has gone on for long: its own bounds would end it.
    async fn ready_now(
        &self,
        context: &Context<'_>,
        asked: &[Approval],
        waiting: &Waiting<'_>,
    ) -> Result<BTreeSet<u32>, EngineError> {
        let (now, standing) = (self.clock.now(), context.bounds.standing(context.order));
        if !context.bounds.is_early(now) || not_any_more(context.order, &standing, now).is_some() {
            return Ok(BTreeSet::new());
        }
        let mut items = ready(asked, self.store.time().await?);
        items.retain(|seq| !waiting.holds(*seq));
        Ok(items)
    }

    /// Carries on the items of a run that waits for devices, about which people have decided meanwhile; says what
    /// became of those that do not wait, too.
    pub(super) async fn heed<'a>(
        &self,
        context: &Context<'a>,
        reports: &[ItemReport],
        waiting: &mut Waiting<'a>,
    ) -> Result<Vec<InHand<'a>>, EngineError> {
        if !context.acts() {
            return Ok(Vec::new());
        }
        let asked = self.store.approvals_of(context.run).await?;
        let items = self.ready_now(context, &asked, waiting).await?;
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let work = reports.iter().filter(|report| items.contains(&report.seq)).map(|report| {
            let ItemReport { seq, key, data, .. } = report;
            Work { seq: *seq, key: key.clone(), data: data.clone() }
        });
        tracing::info!(run = %context.run, items = items.len(), "a run that waits for devices goes on with what people decided");
        self.begin_decided(context, (work.collect(), &asked), waiting).await
    }

    /// Writes down what became of items, and what everybody is told of it.
    async fn amend_with(
        &self,
        context: &mut Context<'_>,
        report: &mut Report,
        (asked, ended): (&[Approval], Vec<InHand<'_>>),
    ) -> Result<BTreeSet<u32>, EngineError> {
        if ended.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mut changes = Changes::default();
        (changes.items, changes.settlements) = ended.into_iter().map(|in_hand| in_hand.end(context)).unzip();
        context.chapter = chapter(asked, &changes.items.iter().map(|item| item.seq).collect());
        let over = changes.items.iter().filter(|item| item.outcome != ItemOutcome::PendingApproval);
        let over: Vec<ItemReport> = over.cloned().collect();
        if !over.is_empty() {
            let matched = u64::try_from(over.len()).unwrap_or(u64::MAX);
            let counts = Counts { matched, hunted: report.counts.hunted, ..Counts::default() };
            let mut news = context.report(counts, over, self.clock.now());
            let messages = self.tell(context, &mut news, &Known::default());
            let queued = news.told.into_iter().filter(|told| told.state == ToldState::Queued);
            changes.told.extend(queued.zip(messages));
        }
        self.amend(report, (asked, changes)).await
    }

    /// Tells those who were asked what came of it, and whom else is asked now.
    pub(super) fn say<'s>(
        &self,
        whose: Whose<'_>,
        ended: impl IntoIterator<Item = (&'s ItemReport, &'s Settlement)>,
    ) -> Vec<(Told, OutboxMessage)> {
        let Whose { run, playbook, tenant, asked: known } = whose;
        let now = self.clock.now();
        let mut over: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut asked: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut items = BTreeSet::new();
        for (item, settlement) in ended {
            items.insert(item.seq);
            for closing in &settlement.close {
                if let Some(known) = known.iter().find(|known| known.id == closing.id) {
                    over.entry(&known.channel).or_default().push(ended_line(known, closing, item));
                }
            }
            for new in &settlement.ask {
                let line = self.asks((&new.id(), &new.action, &new.target), new.minimum, new.expires);
                asked.entry(&new.channel).or_default().push(line);
            }
        }
        let chapter = chapter(known, &items);
        let origin = origin(run, playbook, tenant);
        let over = over.into_iter().map(|(channel, lines)| {
            let title =
                format!("{playbook}: {}", counted(lines.len(), "approval is over", "approvals are over"));
            message(&origin, (channel, &format!("over/{chapter}{channel}")), (title, text(&lines, "")), now)
        });
        let asked = asked.into_iter().map(|(channel, lines)| {
            let title = asking_title(playbook, lines.len());
            message(&origin, (channel, &format!("ask/{chapter}{channel}")), (title, text(&lines, HOW)), now)
        });
        over.chain(asked).collect()
    }

    /// Asks people about some items of a run: one message for each channel.
    pub(super) async fn asking(
        &self,
        (run, name): (RunId, &str),
        about: impl Fn(u32) -> bool,
    ) -> Result<Vec<(Told, OutboxMessage)>, EngineError> {
        let mut asked: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut approvals = self.store.approvals_of(run).await?;
        approvals.retain(|one| one.state == ApprovalState::Awaiting && about(one.seq));
        let Some(first) = approvals.first().map(|one| one.seq) else { return Ok(Vec::new()) };
        let tenant = approvals.first().map(|one| one.tenant.clone()).unwrap_or_default();
        for one in approvals {
            let line = self.asks((&one.id, &one.action, &one.target), one.minimum, one.expires);
            asked.entry(one.channel).or_default().push(line);
        }
        let (origin, now) = (origin(run, name, &tenant), self.clock.now());
        let message = |(channel, lines): (String, Vec<String>)| {
            let title = asking_title(name, lines.len());
            let about = format!("ask/{first}/{channel}");
            message(&origin, (&channel, &about), (title, text(&lines, HOW)), now)
        };
        Ok(asked.into_iter().map(message).collect())
    }

    /// A request in one line, and where it is on the page. The link says where to look; it gives no leave.
    fn asks(&self, (id, action, target): (&str, &str, &str), minimum: u32, expires: Timestamp) -> String {
        let people = if minimum > 1 { format!(", {minimum} people") } else { String::new() };
        let page = self.page.as_ref().map(|page| format!("\n  {page}/approvals/{id}")).unwrap_or_default();
        format!("{}  {action} of {target}, until {expires:.0}{people}{page}", short(id))
    }

    /// What becomes of everything that people were asked about a run which nobody goes on with: its items are news to the
    /// next one, and those who were asked hear of it.
    pub(super) fn void_all(&self, detail: &RunDetail, reason: &str) -> Vec<Settlement> {
        let open = detail.approvals.iter().filter(|asked| !asked.settled);
        let items: BTreeSet<u32> = open.map(|asked| asked.seq).collect();
        let Changes { items, mut settlements, .. } = give_up((detail, &items), &[], reason);
        let RunDetail { run, approvals: asked, .. } = detail;
        let whose = Whose { run: run.id, playbook: &run.playbook_name, tenant: &run.tenant, asked };
        let told = self.say(whose, items.iter().zip(&settlements));
        if let Some(first) = settlements.first_mut() {
            first.messages.extend(told.into_iter().map(|(_told, message)| message));
        }
        settlements
    }

    /// Writes down what became of the items, in one transaction, and says which they are.
    async fn amend(
        &self,
        report: &mut Report,
        (asked, mut changes): (&[Approval], Changes),
    ) -> Result<BTreeSet<u32>, EngineError> {
        let whose = Whose { run: report.run, playbook: &report.name, tenant: &report.tenant, asked };
        let told = self.say(whose, changes.items.iter().zip(&changes.settlements));
        changes.told.extend(told);
        let Changes { items, settlements, told } = changes;
        for item in &items {
            match report.items.iter_mut().find(|known| known.seq == item.seq) {
                Some(known) => known.clone_from(item),
                None => report.items.push(item.clone()),
            }
        }
        report.counts.tally(&report.items);
        if matches!(
            report.state,
            RunState::Succeeded | RunState::Waiting | RunState::Halted | RunState::Partial
        ) {
            report.state = RunState::of(&report.counts);
        }
        let mut messages = Vec::with_capacity(told.len());
        for (told, message) in told {
            report.told.push(told);
            messages.push(message);
        }
        let json = |value: serde_json::Result<serde_json::Value>| value.unwrap_or_default();
        let end = RunEnd {
            state: report.state.in_journal(),
            error: None,
            counts: json(serde_json::to_value(report.counts)),
            report: json(serde_json::to_value(&*report)),
            undone: None,
        };
        self.store.amend_run(report.run, &settlements, &end, &messages).await?;
        Ok(items.into_iter().map(|item| item.seq).collect())
    }
}

fn is_held(run: &Run, standing: &Standing) -> bool {
    matches!(standing, Standing::Held) && run.trigger != Trigger::Revert
}

/// The items about whose next step people have decided, or time has.
fn ready(asked: &[Approval], now: Timestamp) -> BTreeSet<u32> {
    let mut first: BTreeMap<u32, &Approval> = BTreeMap::new();
    for one in asked.iter().filter(|one| !one.settled) {
        let first = first.entry(one.seq).or_insert(one);
        if one.place < first.place {
            *first = one;
        }
    }
    let decided = |one: &Approval| one.state != ApprovalState::Awaiting || one.expires <= now;
    first.into_iter().filter(|(_seq, one)| decided(one)).map(|(seq, _one)| seq).collect()
}

/// Why what was approved may not be done any more, whatever it is.
pub(super) fn not_any_more(order: &Order, standing: &Standing, now: Timestamp) -> Option<String> {
    stop(order, standing, now).or_else(|| {
        let Standing::InForce(present) = standing else { return None };
        (present.version != order.plan.version && order.trigger != Trigger::Revert)
            .then(|| "its playbook was changed after people were asked".to_owned())
    })
}

/// Ends what was asked for about items that are not acted on any more; without a report of them, as the journal has them.
fn give_up((detail, items): (&RunDetail, &BTreeSet<u32>), report: &[ItemReport], reason: &str) -> Changes {
    tracing::warn!(run = %detail.run.id, reason, "approvals of a run are void");
    let mut changes = Changes::default();
    let from_journal = || dealt_with(detail.clone());
    let known = if report.is_empty() { from_journal() } else { report.to_vec() };
    for mut item in known.into_iter().filter(|item| items.contains(&item.seq)) {
        let mut close = Vec::new();
        for asked in detail.approvals.iter().filter(|asked| asked.seq == item.seq && !asked.settled) {
            let is_open = asked.state.is_open();
            let state = if is_open { ApprovalState::Void } else { asked.state };
            let why = if is_open { Some(reason.to_owned()) } else { asked.reason.clone() };
            for step in item.steps.iter_mut().filter(|step| leave::is_asked(step, asked)) {
                (step.state, step.reason) = (leave::state_of(state), why.clone());
            }
            close.push(Closing { id: asked.id.clone(), state, reason: why });
        }
        for step in item.steps.iter_mut().filter(|step| step.state == StepState::PendingApproval) {
            (step.state, step.reason) = (StepState::Skipped, Some(reason.to_owned()));
        }
        item.outcome = ItemOutcome::of(&item.steps);
        item.reason = Some(reason.to_owned());
        let next_time = super::undone::next_time(item.outcome, &item.steps);
        let outcome = item.outcome.in_journal().to_owned();
        let reason = Some(reason.to_owned());
        changes.settlements.push(Settlement {
            seq: item.seq,
            outcome,
            reason,
            next_time: if next_time == NextTime::New { NextTime::New } else { NextTime::Duplicate },
            close,
            ..Settlement::default()
        });
        changes.items.push(item);
    }
    changes
}

/// What sets apart the messages of one going on from those of the others: the requests it is about.
pub(super) fn chapter(approvals: &[Approval], items: &BTreeSet<u32>) -> String {
    let about = approvals.iter().filter(|asked| !asked.settled && items.contains(&asked.seq));
    let about: Vec<String> = about.map(|asked| format!("{}{}", asked.id, asked.state.as_str())).collect();
    let parts: Vec<&[u8]> = about.iter().map(String::as_bytes).collect();
    format!("{}/", crate::store::EffectKey::of(&parts))
}

/// How people answer.
const HOW: &str = "\n\nLook at them with `huntbook approvals`, and say `huntbook approve ID --as NAME` or \
                   `huntbook deny ID --as NAME --reason TEXT`. Nothing is done before.";

fn asking_title(name: &str, count: usize) -> String {
    format!("{name}: {}", counted(count, "action waits for approval", "actions wait for approval"))
}

fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// What came of a request, in one line.
fn ended_line(known: &Approval, closing: &Closing, item: &ItemReport) -> String {
    let step = item.steps.iter().find(|step| step.id == known.step);
    let why = closing.reason.as_deref().or(known.reason.as_deref()).unwrap_or_default();
    let came = match closing.state {
        ApprovalState::Consumed => {
            let state = step.map_or("done", |step| step.state.as_str());
            format!("approved by {}: {state}", names(known))
        }
        ApprovalState::Rejected => why.to_owned(),
        ApprovalState::Expired => format!("expired: {why}"),
        ApprovalState::Void | ApprovalState::Awaiting | ApprovalState::Approved => format!("void: {why}"),
    };
    let (id, name) = (short(&known.id), &item.key);
    format!("{id}  {} of {} ({name}): {came}", known.action, known.target)
}

fn text(lines: &[String], how: &str) -> String {
    let more = lines.len().saturating_sub(LINES_MAX);
    let more = if 0 < more { format!("\nand {more} more") } else { String::new() };
    let lines = lines.iter().take(LINES_MAX).map(String::as_str).collect::<Vec<_>>();
    format!("{}{more}{how}", lines.join("\n"))
}

fn origin<'a>(run: RunId, playbook: &'a str, tenant: &'a str) -> Origin<'a> {
    // Somebody is wanted, whatever the playbook looks for.
    Origin { run, playbook, tenant, severity: AlertSeverity::High }
}

fn message(
    origin: &Origin<'_>,
    (channel, about): (&str, &str),
    (title, text): (String, String),
    now: Timestamp,
) -> (Told, OutboxMessage) {
    let (channel, group) = (channel.to_owned(), format!("{APPROVAL_MESSAGE}{about}"));
    let told =
        Told { channel: channel.clone(), title: title.clone(), state: ToldState::Queued, reason: None };
    let dedup = Some(format!("{APPROVAL_MESSAGE}{}/{about}", origin.run));
    let draft = Draft { channel, group, title, text, ..Draft::default() };
    (told, OutboxMessage { dedup, ..outbox_message(origin, draft, now) })
}
