//! `huntbook status`: what is in force, what goes on, and what waits for a person.

use std::fmt::Write as _;
use std::path::Path;

use super::args::Output;
use super::exit::Exit;
use super::history::Past;
use super::output::{clean, counted, say, say_json, tell};
use super::setup;
use super::stop::{lifts, shown as shown_stop};
use super::tables::{self, CELL_WIDTH};
use crate::clock::SharedClock;
use crate::console::{Budget, Compiled, InForce, Moment, audit, shown};
use crate::model::Lists;
use crate::settings;
use crate::store::{Refusal, Store};

/// Says what is in force, what goes on, and what waits for a person.
pub(super) async fn run(config: &Path, format: Output, clock: SharedClock) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    let past = Past::of(&settings, &clock).await.inspect_err(|_unread| {
        if let Some(stop) = Store::stop_file(&settings.store.path) {
            tell(&format!("{}; `{}` lifts it", shown_stop(&stop), lifts(&stop)));
        }
    })?;
    let world = setup::world(&settings, Lists::default());
    let moment = Moment::read(&past.store, (&world, &Compiled::default()), clock.now()).await?;
    match format {
        Output::Json => {
            let mut json = moment.json();
            if let Some(members) = json.as_object_mut() {
                members.insert("guards".to_owned(), tables::guards_json(&world));
            }
            say_json(&json)?;
        }
        Output::Text => say(&format!("{}{}", text(&moment), tables::guards(&world)))?,
    }
    Ok(if moment.needs_somebody() { Exit::Findings } else { Exit::Fine })
}

/// All of it for people.
fn text(moment: &Moment) -> String {
    let mut text =
        format!("{}\n\n{}", tables::playbooks(&moment.playbooks, moment.now), refused(&moment.refusals));
    let mut line = |word: &str, rest: String| {
        let _infallible = writeln!(text, "{word:<9}{rest}");
    };
    for (word, what) in in_the_way(moment) {
        line(word, what);
    }
    for held in &moment.held {
        let file = clean(&held.file, 200);
        line(
            "held",
            format!("{file} since {:.0}: it is gone, or much of it; what it said stays in force", held.at),
        );
    }
    if !moment.held.is_empty() {
        line("", "bring the files back, or say that this was meant: send `huntbook serve` SIGHUP".to_owned());
    }
    for edit in &moment.held_edits {
        let (id, file) = (edit.digest.short(), clean(&edit.file, 200));
        line("waits", format!("{id} {file} since {:.0}: {}", edit.at, clean(&edit.risks.join("; "), 400)));
    }
    if !moment.held_edits.is_empty() {
        line("", "what was in force stays; a second person looks, and says `huntbook confirm ID`".to_owned());
    }
    match moment.owner {
        Some(pid) => line("process", format!("{pid} works with this journal")),
        None => line("process", "none works with this journal".to_owned()),
    }
    line("last day", moment.last_day());
    for run in &moment.running {
        let end = if moment.owner.is_some() { "" } else { ": cut off; the next start takes it up" };
        let (name, tenant) = (clean(&run.playbook_name, CELL_WIDTH), clean(&run.tenant, CELL_WIDTH));
        line("running", format!("{name} in {tenant} since {:.0}, run {}{end}", run.started, run.id));
    }
    for tenant in moment.tenants() {
        line("tenant", tenant);
    }
    let skipped = moment.playbooks.iter().flat_map(InForce::skipped).map(|skipped| ("skipped", skipped));
    for (word, schedule) in moment.unarmed().into_iter().chain(skipped) {
        line(word, schedule);
    }
    for effect in &moment.intended {
        let end = match moment.owner {
            None => ": cut off; the next start parks it",
            Some(_) if moment.is_stuck(effect) => ": this takes too long; restart the process",
            Some(_) => "",
        };
        line("under way", format!("{}{end}", shown(effect)));
    }
    for effect in &moment.parked {
        let why = "nobody knows whether it was done";
        line("parked", format!("{} {}: {why}", effect.key.short(), shown(effect)));
    }
    if !moment.parked.is_empty() {
        line("", "look, and say it: huntbook resolve EFFECT --done, or --not-applied".to_owned());
    }
    if !moment.approvals.is_empty() {
        let waiting = counted((moment.approvals.len(), "action"));
        line("approval", format!("{waiting} asked for: look at them with `huntbook approvals`"));
    }
    for (word, used) in budgets(moment) {
        line(word, used);
    }
    let waiting = usize::try_from(moment.waiting).unwrap_or(usize::MAX);
    line("outbox", format!("{} waiting", counted((waiting, "message"))));
    for history in &moment.histories {
        line("journal", format!("{} {}", history.0.as_str(), audit::in_words(history)));
    }
    text
}

/// What is used of what guards and services allow.
fn budgets(moment: &Moment) -> impl Iterator<Item = (&'static str, String)> {
    let taken = moment.guard_budgets.iter();
    let taken = taken.map(|budget| ("taken", format!("{}: {}", budget.whose(), budget.used())));
    taken.chain(moment.budgets.iter().flat_map(Budget::lines).map(|room| ("budget", room)))
}

/// What keeps actions from being taken.
fn in_the_way(moment: &Moment) -> Vec<(&'static str, String)> {
    let mut lines = moment.disk();
    let stopped = |stop| ("stopped", format!("{}; `{}` lifts it", shown_stop(stop), lifts(stop)));
    lines.extend(moment.stops.iter().map(stopped));
    lines
}

/// The files that were refused, and why.
fn refused(refusals: &[Refusal]) -> String {
    let mut text = String::new();
    for refusal in refusals {
        let _infallible = writeln!(text, "refused  {} since {:.0}", clean(&refusal.file, 200), refusal.at);
        for problem in refusal.diagnostics.as_array().map(Vec::as_slice).unwrap_or_default() {
            let part = |name: &str| {
                problem
                    .get(name)
                    .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                    .unwrap_or_default()
            };
            let _infallible = writeln!(
                text,
                "         {}:{} {} {}",
                part("line"),
                part("column"),
                part("code"),
                clean(&part("message"), 200)
            );
        }
    }
    text
}
