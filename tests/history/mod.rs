//! The checker of histories: the journal held against what the simulated tenants say was really done.
//!
//! It knows the promises and not the program: from the journal's events and the tenants' logs it works out anew what
//! may have happened, and names everything that may not. Call [`hold`] at the end of a test that has both.

mod deeds;
mod merges;
mod order;
mod tally;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use deeds::{Names, is_marked};
use huntbook::diag::Sink;
use huntbook::sim::{EffectEntry, LogEntry, SimApp};
use huntbook::store::{ApprovalState, Chain, ContentHash, EffectState, History, RunFilter, Store, Trigger};
use huntbook::tenant::{ActionKind, Impact};
use jiff::{SignedDuration, Timestamp};
pub(crate) use order::Place;
use serde_json::Value;

/// What one tenant says of itself: its name in the settings, and its log.
pub(crate) type Truth = (String, Vec<LogEntry>);

/// How far a time that was seen earlier may be ahead of the clock and still count.
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(25);
/// What budgets of a day slide over.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// One part in so many of the time that passes is left out by the journal while the clock is behind it.
const LEFT_OUT: i32 = 10;
/// How far the words of people (a stop, its end) may have moved the journal's time on where the clock stands still: each is
/// earlier than all that comes after it, by a millisecond.
const WORDS: SignedDuration = SignedDuration::from_millis(10);

/// What must hold in a test beside what always holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// By how much the engine's clock may be ahead of the tenants', where a test turns it: they share one.
    pub(crate) skew: SignedDuration,
    /// By how much the engine's clock was ahead of the tenants', and from when on, where a test knows that: the earliest first.
    pub(crate) ahead: Vec<(Timestamp, SignedDuration)>,
    /// Actions of playbooks (by id) that are never taken without people's leave.
    pub(crate) asks: BTreeSet<(String, ActionKind)>,
    /// Actions of a playbook in one run and in one day, by its id.
    pub(crate) caps: BTreeMap<String, (usize, usize)>,
    /// Targets of disruptive actions of all playbooks in one tenant in one day.
    pub(crate) tenant_targets: Option<usize>,
    /// How long the settings of the test leave a target alone, if not as long as without a word.
    pub(crate) cool_down: Option<SignedDuration>,
    /// What people say who act in the tenant with huntbook's own app, in a test: it is theirs.
    pub(crate) people: BTreeSet<String>,
    /// Whether the tenant of the test says of things that they are done, and does not do them.
    pub(crate) is_lied_to: bool,
}

impl Rules {
    /// The latest time that the journal can have told when it was this one for a tenant: where the clock was set back, it
    /// goes on from the latest that it has seen, a little slower.
    fn journal_time(&self, at: Timestamp) -> Timestamp {
        let add = |at: Timestamp, length| at.saturating_add(length).unwrap_or(Timestamp::MAX);
        let ends = self.ahead.iter().skip(1).map(|(from, _)| *from).chain([Timestamp::MAX]);
        let seen = self.ahead.iter().zip(ends).filter(|((from, _), _)| *from <= at);
        let seen = seen.map(|((_, ahead), end)| {
            let since = end.min(at).duration_until(at);
            add(add(end.min(at), *ahead), since - since / LEFT_OUT)
        });
        add(add(seen.max().unwrap_or(at), self.skew), WORDS)
    }
}

/// An event of the history of effects.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) n: i64,
    pub(crate) at: Timestamp,
    pub(crate) key: String,
    pub(crate) attempt: u64,
    pub(crate) state: EffectState,
    pub(crate) detail: String,
    /// What the tenant calls it.
    pub(crate) remote: Option<String>,
    /// What it is about; none if retention has left the event without it.
    pub(crate) about: Option<About>,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) run: String,
    /// The item of the run.
    pub(crate) item: i64,
    /// The step of the playbook.
    pub(crate) step: String,
    pub(crate) tenant: String,
    pub(crate) playbook: String,
    pub(crate) action: ActionKind,
    pub(crate) target: String,
}

/// An event of the history of approvals.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) n: i64,
    pub(crate) approval: String,
    pub(crate) effect: Option<String>,
    pub(crate) state: ApprovalState,
    pub(crate) at: Timestamp,
}

/// A word about all actions, or those of a tenant or a playbook.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) at: Timestamp,
    pub(crate) stops: bool,
    pub(crate) tenant: Option<String>,
    pub(crate) playbook: Option<String>,
}

/// What a journal says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal {
    pub(crate) effects: Vec<Event>,
    pub(crate) approvals: Vec<Asked>,
    pub(crate) stops: Vec<Said>,
    /// What is wrong with the chains.
    pub(crate) broken: Vec<String>,
    /// What the version of the playbook that a run uses allows itself, by run.
    pub(crate) own: BTreeMap<String, Own>,
}

/// What a version of a playbook says itself: its limits, and the order of its steps. Settings can only be stricter; what
/// they say is not in the journal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    pub(crate) per_run: Option<u32>,
    pub(crate) per_day: Option<u32>,
    pub(crate) cool_down: Option<SignedDuration>,
    /// Its steps, in their order; none if nobody can read it.
    pub(crate) steps: Option<Arc<[Place]>>,
}

impl Journal {
    /// Reads all of it.
    pub(crate) async fn read(store: &Store) -> Self {
        let mut journal = Self::default();
        for history in History::ALL {
            let chain = store.verify(history, u32::MAX).await.expect("the journal can be read");
            if let Chain::Broken { .. } = chain {
                journal.broken.push(format!("{history:?}: {chain:?}"));
            }
        }
        journal.effects = events(store, History::Effects).await.iter().map(event).collect();
        journal.approvals = events(store, History::Approvals).await.iter().map(asked).collect();
        journal.stops = events(store, History::Stops).await.iter().map(said).collect();
        journal.own = own(store).await;
        journal
    }

    /// The intents.
    fn intents(&self) -> impl Iterator<Item = &Event> {
        self.effects.iter().filter(|event| event.state == EffectState::Intended)
    }

    /// Where each effect stands at the end.
    fn ends(&self) -> BTreeMap<&str, &Event> {
        self.effects.iter().map(|event| (event.key.as_str(), event)).collect()
    }

    /// The effects that people gave leave for.
    fn spent(&self) -> BTreeSet<&str> {
        let spent = self.approvals.iter().filter(|event| event.state == ApprovalState::Consumed);
        spent.filter_map(|event| event.effect.as_deref()).collect()
    }

    /// Whether retention has taken the beginning away.
    fn is_cut(&self) -> bool {
        self.effects.first().is_some_and(|event| event.n != 1)
    }
}

/// Reads what the versions that runs used allow themselves. What takes something back is bound by none of it.
async fn own(store: &Store) -> BTreeMap<String, Own> {
    let (mut all, mut versions) = (BTreeMap::new(), BTreeMap::<ContentHash, Own>::new());
    let mut filter = RunFilter { limit: 1_000, ..RunFilter::default() };
    loop {
        let runs = store.runs(&filter).await.expect("the journal can be read");
        let Some(last) = runs.last() else { return all };
        filter.before = Some(last.run.started);
        for run in runs.iter().map(|one| &one.run).filter(|run| run.trigger != Trigger::Revert) {
            let own = match versions.entry(run.version) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(new) => {
                    let bytes = store.version_bytes(run.version).await.expect("the journal can be read");
                    new.insert(bytes.map_or_else(Own::default, |bytes| own_of(&bytes))).clone()
                }
            };
            all.insert(run.id.to_string(), own);
        }
    }
}

fn own_of(playbook: &[u8]) -> Own {
    let parsed = huntbook::playbook::parse("", playbook, &mut Sink::new());
    let steps = parsed.as_ref().map(|document| order::of(&document.playbook.actions));
    let guards = parsed.map(|document| document.playbook.guards).unwrap_or_default();
    Own {
        steps,
        per_run: guards.max_actions.per_run,
        per_day: guards.max_actions.per_day,
        cool_down: guards.cool_down.and_then(|text| text.read().ok()),
    }
}

async fn events(store: &Store, history: History) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = store.events(history, after).await.expect("the journal can be read");
        let Some((last, _)) = page.last() else { return all };
        after = *last;
        all.extend(page.into_iter().map(|(_n, value)| value));
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn number(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_i64).expect("a number")
}

fn at(value: &Value) -> Timestamp {
    text(value, "at").expect("a time").parse().expect("a time")
}

fn kind(name: &str) -> ActionKind {
    *ActionKind::ALL.iter().find(|kind| kind.as_str() == name).expect("an action of the catalogue")
}

fn event(value: &Value) -> Event {
    let about = text(value, "run").map(|run| About {
        run,
        item: number(value, "item"),
        step: text(value, "step").expect("a step"),
        tenant: text(value, "tenant").expect("a tenant"),
        playbook: text(value, "playbook").expect("a playbook"),
        action: kind(&text(value, "action").expect("an action")),
        target: text(value, "target").expect("a target"),
    });
    Event {
        n: number(value, "n"),
        at: at(value),
        key: text(value, "effect").expect("a key"),
        attempt: u64::try_from(number(value, "attempt")).expect("a count"),
        state: text(value, "state").expect("a state").parse().expect("a state"),
        detail: text(value, "detail").unwrap_or_default(),
        remote: text(value, "remoteId"),
        about,
    }
}

fn asked(value: &Value) -> Asked {
    Asked {
        n: number(value, "n"),
        approval: text(value, "approval").expect("an approval"),
        effect: text(value, "effect"),
        state: text(value, "state").expect("a state").parse().expect("a state"),
        at: at(value),
    }
}

fn said(value: &Value) -> Said {
    let playbook = value.pointer("/playbook/id").or_else(|| value.get("playbook"));
    Said {
        at: at(value),
        stops: text(value, "word").expect("a word") == "stop",
        tenant: text(value, "tenant"),
        playbook: playbook.and_then(Value::as_str).map(str::to_owned),
    }
}

/// Fails if a journal and what was really done are not as huntbook promises.
#[track_caller]
pub(crate) fn assert_holds(journal: &Journal, truths: &[Truth], rules: &Rules) {
    let wrong = check(journal, truths, rules);
    let some: Vec<&str> = wrong.iter().take(10).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} promises are broken, among them:\n{}", wrong.len(), some.join("\n"));
}

/// Reads a journal and fails if it and what was really done are not as huntbook promises.
pub(crate) async fn hold(store: &Store, truths: &[Truth], rules: &Rules) {
    assert_holds(&Journal::read(store).await, truths, rules);
}

/// Names every promise that is broken.
pub(crate) fn check(journal: &Journal, truths: &[Truth], rules: &Rules) -> Vec<String> {
    let mut wrong = journal.broken.clone();
    transitions(journal, &mut wrong);
    order::steps(journal, &mut wrong);
    let names: Vec<Names> = truths.iter().map(|(_tenant, log)| Names::of(log)).collect();
    let applied = applied(truths, &names, rules);
    tally::unknown(&applied, &mut wrong);
    marked(journal, &applied, rules, &mut wrong);
    tally::tally(journal, &applied, rules, &mut wrong);
    merges::merges(journal, &applied, &mut wrong);
    believed(journal, &applied, truths, &mut wrong);
    once(journal, rules, &mut wrong);
    own_caps(journal, &mut wrong);
    caps(journal, rules, &mut wrong);
    leave(journal, rules, &mut wrong);
    stopped(journal, &mut wrong);
    wrong
}

/// Every effect goes only where it may, and times do not go back.
fn transitions(journal: &Journal, wrong: &mut Vec<String>) {
    let mut last: BTreeMap<&str, (EffectState, u64)> = BTreeMap::new();
    let mut latest = Timestamp::MIN;
    for event in &journal.effects {
        let before = last.insert(&event.key, (event.state, event.attempt));
        let known = before.is_some() || event.state == EffectState::Intended || !journal.is_cut();
        let attempt = before.map_or(0, |(_, attempt)| attempt);
        let next = attempt + u64::from(event.state == EffectState::Intended);
        if known && !EffectState::follows(before.map(|(state, _)| state), event.state) {
            wrong.push(format!("{}: {:?} follows {before:?}", event.key, event.state));
        }
        if known && (before.is_some() || !journal.is_cut()) && event.attempt != next {
            wrong.push(format!("{}: attempt {} follows {attempt}", event.key, event.attempt));
        }
        if event.at < latest && event.at.duration_until(latest) <= AHEAD_MAX {
            wrong.push(format!("event {}: its time goes back", event.n));
        }
        latest = event.at;
    }
}

/// Something that a tenant says huntbook did.
struct Applied<'a> {
    tenant: &'a str,
    effect: &'a EffectEntry,
    /// The key and the attempt in its mark.
    mark: Option<(&'a str, u64)>,
    /// What things are called in the tenant.
    names: &'a Names,
}

fn applied<'a>(truths: &'a [Truth], names: &'a [Names], rules: &Rules) -> Vec<Applied<'a>> {
    let mut all = Vec::new();
    for ((tenant, log), names) in truths.iter().zip(names) {
        let ours: BTreeSet<u64> = log
            .iter()
            .filter_map(|entry| match entry {
                LogEntry::Request(request) if request.app.as_deref() == Some(SimApp::CLIENT_ID) => {
                    Some(request.seq)
                }
                LogEntry::Request(_) | LogEntry::Effect(_) | LogEntry::Message(_) => None,
            })
            .collect();
        for entry in log {
            let LogEntry::Effect(effect) = entry else { continue };
            let is_theirs = effect.comment.as_ref().is_some_and(|comment| rules.people.contains(comment));
            if ours.contains(&effect.seq) && !is_theirs {
                let mark = effect.comment.as_deref().and_then(mark);
                all.push(Applied { tenant, effect, mark, names });
            }
        }
    }
    all
}

/// Reads the mark that a comment begins with.
fn mark(comment: &str) -> Option<(&str, u64)> {
    let mut parts = comment.strip_prefix("[hb:1:")?.split_once(']')?.0.split(':');
    Some((parts.next()?, parts.next()?.parse().ok()?))
}

/// At most one application of each call that carries a mark, of just what was intended, and after that.
fn marked(journal: &Journal, applied: &[Applied<'_>], rules: &Rules, wrong: &mut Vec<String>) {
    let intents: BTreeMap<(&str, u64), &Event> =
        journal.intents().map(|event| ((event.key.as_str(), event.attempt), event)).collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for one in applied {
        let (Some((key, attempt)), effect) = (one.mark, one.effect) else { continue };
        let what =
            format!("{} of {} in {} ({key}, attempt {attempt})", effect.effect, effect.target, one.tenant);
        if !seen.insert(key) {
            wrong.push(format!("done twice: {what}"));
        }
        let Some(intent) = intents.get(&(key, attempt)) else {
            if !journal.is_cut() {
                wrong.push(format!("done without an intent: {what}"));
            }
            continue;
        };
        if rules.journal_time(effect.at) < intent.at {
            wrong.push(format!("done before its intent at {}: {what}", intent.at));
        }
        let Some(about) = &intent.about else { continue };
        let is_it = about.tenant == one.tenant && one.names.intended(about).contains(&one.names.done(effect));
        if !is_it {
            wrong.push(format!("done, and another call was intended ({about:?}): {what}"));
        }
    }
}

/// What the journal says of a call with a mark was done was done, and what it says was not was not.
fn believed(journal: &Journal, applied: &[Applied<'_>], truths: &[Truth], wrong: &mut Vec<String>) {
    let done: BTreeSet<(&str, u64)> = applied.iter().filter_map(|one| one.mark).collect();
    let log = truths.iter().flat_map(|(_tenant, log)| log);
    let made: BTreeSet<&str> = log.filter_map(made).collect();
    let mut last: BTreeMap<&str, EffectState> = BTreeMap::new();
    for event in &journal.effects {
        let before = last.insert(&event.key, event.state);
        let Some(about) = event.about.as_ref().filter(|about| is_marked(about.action)) else {
            continue;
        };
        let marked = done.contains(&(event.key.as_str(), event.attempt));
        // The action that was under way already is followed under its own name.
        let there = marked || event.remote.as_deref().is_some_and(|remote| made.contains(remote));
        // What somebody else has in force is not ours, but a comment is; what a person says is a person's.
        let is_shown = event.detail.contains("in force") && about.action.listed_as().is_some();
        let is_elsewhere = is_shown || is_a_word(before, event);
        let why = match event.state {
            EffectState::NotApplied if marked && !is_a_word(before, event) => "taken for not done, and was",
            EffectState::Pending if !marked && event.detail.contains("by its mark") => {
                "found, and was never done"
            }
            EffectState::Pending | EffectState::Done
                if !there && !is_elsewhere && before != Some(EffectState::Pending) =>
            {
                "taken for done, and was not"
            }
            _ => continue,
        };
        wrong.push(format!(
            "{why} ({}): {} of {} ({}, attempt {}, event {} at {})",
            event.detail, about.action, about.target, event.key, event.attempt, event.n, event.at
        ));
    }
}

/// What a tenant calls what was done, whoever did it.
fn made(entry: &LogEntry) -> Option<&str> {
    if let LogEntry::Effect(effect) = entry { effect.action.as_deref() } else { None }
}

/// Whether it takes something from a device or a user: that is done once, and not again before people or time let it.
const fn takes_away(kind: ActionKind) -> bool {
    matches!(
        kind,
        ActionKind::IsolateDevice
            | ActionKind::RestrictAppExecution
            | ActionKind::OffboardDevice
            | ActionKind::DisableUser
            | ActionKind::RevokeSessions
            | ActionKind::MarkUserAsCompromised
            | ActionKind::ForceUserPasswordReset
    )
}

/// The calls of one action on one target, by their keys: where each stands, and when it was intended last.
type Calls<'a> = BTreeMap<&'a str, (EffectState, Timestamp)>;

/// Nothing is taken from a target twice at a time, nor again within its cool-down, whichever run or playbook wants it: but
/// with people's leave, or when it came to nothing before.
fn once(journal: &Journal, rules: &Rules, wrong: &mut Vec<String>) {
    let spent = journal.spent();
    let mut of: BTreeMap<(&str, &str, ActionKind), Calls<'_>> = BTreeMap::new();
    for event in &journal.effects {
        let Some(about) = event.about.as_ref().filter(|about| takes_away(about.action)) else { continue };
        let calls = of.entry((&about.tenant, &about.target, about.action)).or_default();
        let own = journal.own.get(&about.run).and_then(|own| own.cool_down).unwrap_or_default();
        let cool_down = rules.cool_down.unwrap_or(DAY).max(own);
        let intended = event.state == EffectState::Intended;
        if intended {
            for (other, (state, at)) in calls.iter().filter(|(other, _)| **other != event.key) {
                let why = match state {
                    EffectState::Intended | EffectState::Unknown | EffectState::Pending => "under way",
                    EffectState::Done
                        if at.duration_until(event.at) < cool_down && !spent.contains(&*event.key) =>
                    {
                        "cooling down"
                    }
                    _ => continue,
                };
                wrong.push(format!(
                    "{} of {} in {} intended as {} while {other} was {why}",
                    about.action, about.target, about.tenant, event.key
                ));
            }
        }
        let before = calls.get(event.key.as_str()).map(|(_state, at)| *at);
        let at = before.filter(|_at| !intended).unwrap_or(event.at);
        calls.insert(&event.key, (event.state, at));
    }
}

/// Whether it is a person who says what became of it, and no look at the tenant.
fn is_a_word(before: Option<EffectState>, event: &Event) -> bool {
    before == Some(EffectState::Parked) && !event.detail.starts_with("no answer came")
}

/// The calls as budgets count them: by the last attempt, without what provably did nothing, the earliest first.
fn counted(journal: &Journal) -> Vec<(&Event, &About)> {
    let ends = journal.ends();
    let last: BTreeMap<&str, &Event> = journal.intents().map(|event| (event.key.as_str(), event)).collect();
    let did = |key: &str| ends.get(key).is_none_or(|end| end.state != EffectState::NotApplied);
    let counted = last.into_iter().filter(|(key, _)| did(key));
    let mut counted: Vec<_> =
        counted.filter_map(|(_, event)| event.about.as_ref().map(|about| (event, about))).collect();
    counted.sort_by_key(|(event, _)| event.n);
    counted
}

/// Whether an action gives back what another took: no limit of a day counts it.
fn gives_back(about: &About) -> bool {
    ["releaseDevice", "removeAppRestriction", "removeIndicator", "enableUser"]
        .contains(&about.action.as_str())
}

/// No run does more than its own version allows, in the run and in a day of the playbook, but what people gave leave for.
fn own_caps(journal: &Journal, wrong: &mut Vec<String>) {
    let (counted, spent) = (counted(journal), journal.spent());
    for (place, (event, about)) in counted.iter().enumerate() {
        let Some(own) = journal.own.get(&about.run).filter(|_own| !spent.contains(&*event.key)) else {
            continue;
        };
        let before = counted.iter().take(place + 1);
        let of_playbook =
            before.filter(|(_, other)| (&other.tenant, &other.playbook) == (&about.tenant, &about.playbook));
        let of_playbook: Vec<_> = of_playbook.collect();
        let in_run = of_playbook.iter().filter(|(_, other)| other.run == about.run).count();
        let in_day = of_playbook.iter().filter(|(other, what)| {
            other.at.duration_until(event.at) < DAY && !gives_back(what) && !gives_back(about)
        });
        let in_day = in_day.count();
        for (found, limit, what) in [(in_run, own.per_run, "in its run"), (in_day, own.per_day, "in a day")] {
            if limit.is_some_and(|limit| usize::try_from(limit).is_ok_and(|limit| limit < found)) {
                wrong.push(format!(
                    "{} of {} is action {found} of {} {what} ({}), and its version allows {limit:?}",
                    about.action, about.target, about.playbook, about.run
                ));
            }
        }
    }
}

/// No run, no playbook and no tenant has more than it may.
fn caps(journal: &Journal, rules: &Rules, wrong: &mut Vec<String>) {
    let counted: Vec<(&About, Timestamp)> =
        counted(journal).into_iter().map(|(event, about)| (about, event.at)).collect();
    let mut runs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (about, _) in &counted {
        *runs.entry((&about.playbook, &about.run)).or_default() += 1;
    }
    for ((playbook, run), count) in runs {
        if let Some((limit, _)) = rules.caps.get(playbook).filter(|(limit, _)| *limit < count) {
            wrong.push(format!("{count} actions in run {run} of {playbook}: {limit} are allowed"));
        }
    }
    for (place, (about, end)) in counted.iter().enumerate() {
        let day = |(other, at): &&(&About, Timestamp)| {
            at.duration_until(*end) < DAY && other.tenant == about.tenant && !gives_back(other)
        };
        let window: Vec<_> = counted.iter().take(place + 1).filter(day).collect();
        let own = window.iter().filter(|(other, _)| other.playbook == about.playbook).count();
        if let Some((_, limit)) = rules.caps.get(&about.playbook).filter(|(_, limit)| *limit < own) {
            wrong.push(format!(
                "{own} actions of {} in the day before {end}: {limit} are allowed",
                about.playbook
            ));
        }
        let hurt = window.iter().filter(|(other, _)| other.action.impact() == Impact::Disruptive);
        let targets = hurt.map(|(other, _)| other.target.as_str()).collect::<BTreeSet<_>>().len();
        if let Some(limit) = rules.tenant_targets.filter(|limit| *limit < targets) {
            wrong.push(format!(
                "{targets} targets in {} in the day before {end}: {limit} are allowed",
                about.tenant
            ));
        }
    }
}

/// Leave is asked for, given and spent once, before the call it is for.
fn leave(journal: &Journal, rules: &Rules, wrong: &mut Vec<String>) {
    let mut last: BTreeMap<&str, ApprovalState> = BTreeMap::new();
    let mut spent: BTreeMap<&str, Timestamp> = BTreeMap::new();
    let is_cut = journal.approvals.first().is_some_and(|event| event.n != 1);
    for event in &journal.approvals {
        let before = last.insert(&event.approval, event.state);
        // One of several words leaves a request where it is.
        let legal = match before {
            None => event.state == ApprovalState::Awaiting || is_cut,
            Some(before) => {
                ApprovalState::follows(before, event.state)
                    || (before == event.state && before == ApprovalState::Awaiting)
            }
        };
        if !legal {
            wrong.push(format!("approval {}: {:?} follows {before:?}", event.approval, event.state));
        }
        if let Some(effect) = event.effect.as_deref().filter(|_| event.state == ApprovalState::Consumed) {
            spent.insert(effect, event.at);
        }
    }
    let asks = |about: &&About| rules.asks.contains(&(about.playbook.clone(), about.action));
    for intent in journal.intents() {
        let Some(about) = intent.about.as_ref().filter(asks) else { continue };
        match spent.get(intent.key.as_str()) {
            Some(at) if *at <= intent.at => {}
            _ => wrong.push(format!(
                "intended without leave: {} of {} ({})",
                about.action, about.target, intent.key
            )),
        }
    }
}

/// Nothing is intended while a stop stands in its way.
fn stopped(journal: &Journal, wrong: &mut Vec<String>) {
    for (place, stop) in journal.stops.iter().enumerate().filter(|(_, said)| said.stops) {
        let lifts =
            |said: &&Said| !said.stops && (&said.tenant, &said.playbook) == (&stop.tenant, &stop.playbook);
        let until = journal.stops.iter().skip(place + 1).find(lifts).map_or(Timestamp::MAX, |said| said.at);
        for intent in journal.intents().filter(|intent| stop.at < intent.at && intent.at < until) {
            let is_its = intent.about.as_ref().is_some_and(|about| {
                stop.tenant.as_ref().is_none_or(|tenant| *tenant == about.tenant)
                    && stop.playbook.as_ref().is_none_or(|playbook| *playbook == about.playbook)
            });
            if is_its {
                wrong.push(format!(
                    "intended at {} while a stop stood since {}: {}",
                    intent.at, stop.at, intent.key
                ));
            }
        }
    }
}
