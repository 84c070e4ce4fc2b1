//! `huntbook journal`: actions that are not settled, and every event for other tools.

use std::path::Path;

use clap::{Args, Subcommand};
use comfy_table::Cell;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::account;
use super::args::Form;
use super::backtest::moment;
use super::exit::Exit;
use super::history::{Past, insist_on_playbook};
use super::output::{clean, counted, say, say_json};
use super::setup;
use super::tables::{CELL_WIDTH, table};
use crate::clock::SharedClock;
use crate::settings::{self, Hand};
use crate::store::{Effect, EffectState, History, Left, Rebuilt, Revert, StopWord, Store, Way};
use crate::text::encode;

/// What to tell of the journal.
#[derive(Debug, Subcommand)]
pub(super) enum Journal {
    /// List the actions that are not settled: in doubt, without a result yet, or accepted and under way
    ///
    /// What is `parked` waits for a person's word: `huntbook resolve`. Exit code 1 if something is in doubt.
    List,
    /// Write every event, oldest first: of actions, approvals, stops and words
    ///
    /// One JSON object a line, or a table with `--format csv`. Each has the number and the hash it has in its history; `huntbook audit verify` checks them. Reads a
    /// thousand at a time, also while `serve` runs.
    Export(Export),
    /// Begin a new journal in place of a damaged one, which is kept
    ///
    /// Nothing may have it open, and without damage nothing is changed. Everything is stopped first. The key of the marks that actions carry in the tenants goes
    /// over if it can be read, so what was done to devices in the last seven days is found there and not done again; so
    /// do the stops that stood. What else could be read is shown: actions that were not settled, and what was to be taken
    /// back, which the new journal does not know. Look at the tenants' action centres, then say `huntbook resume`. It is for
    /// the account that runs huntbook, which has to be able to open the new one: `sudo -u huntbook huntbook journal rebuild`.
    Rebuild,
}

/// Arguments of `journal export`.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// Only events from this moment on: `2026-01-10T12:00:00Z`, `2026-01-10`, or a length back from now such as `7d`
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only those of a playbook: its name or its id, its stops too; a stop of everything belongs to none
    #[arg(long, value_name = "PLAYBOOK")]
    playbook: Option<String>,
    /// Only those in a tenant; a stop of all tenants counts as one in each
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

/// Tells of the journal.
pub(super) async fn run(
    what: &Journal,
    config: &Path,
    form: Form,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    match what {
        Journal::Rebuild => rebuild(config, form, clock).await,
        Journal::List => list(&Past::open(config, &clock).await?, form).await,
        Journal::Export(wanted) => {
            let past = Past::open(config, &clock).await?;
            let since = wanted.since.as_deref().map(|since| moment(since, clock.now())).transpose()?;
            if export(&past, (wanted, since), form).await? == 0
                && let Some(playbook) = &wanted.playbook
            {
                insist_on_playbook(playbook, config, &past.store).await?;
            }
            Ok(Exit::Fine)
        }
    }
}

/// Begins a new journal in place of a damaged one.
async fn rebuild(config: &Path, form: Form, clock: SharedClock) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    setup::insist_on_state(config, &settings, Hand::Owner)?;
    let account = account::caller();
    let word = StopWord {
        tenant: None,
        playbook: None,
        reason: Some(
            "the journal was damaged and begun anew: look at what was done in the tenants".to_owned(),
        ),
        account: account.name,
        uid: account.uid,
        way: Some(Way::Command),
    };
    let Some(Rebuilt { kept, damage, left, stop }) =
        Store::rebuild(&settings.store.path, clock, &word).await?
    else {
        let nothing = "the journal is not damaged; nothing is changed";
        if form == Form::Json {
            say_json(&Value::Null)?;
        } else {
            say(nothing)?;
        }
        return Ok(Exit::Fine);
    };
    if form == Form::Json {
        say_json(&json!({
            "kept": kept, "damage": damage, "knowsMarks": left.knows_marks(), "stops": left.stops,
            "open": left.open, "inForce": left.in_force, "stop": stop,
        }))?;
        return Ok(Exit::Fine);
    }
    if let Some(damage) = damage {
        say(&format!("the journal was damaged: {}", clean(&damage, 400)))?;
    }
    say(&format!("it is kept as {}", clean(&kept.display().to_string(), 400)))?;
    say(&taken_over(&left))?;
    say(&clean(&stop.to_string(), 600))?;
    say("look at the tenants' action centres, then say `huntbook resume`: nothing is done before")?;
    Ok(Exit::Fine)
}

/// What went over into a new journal, and what it does not know.
fn taken_over(left: &Left) -> String {
    let marks = if left.knows_marks() {
        "the new one knows the marks of actions on devices: those of the last seven days are found in the tenants"
    } else {
        "the key of its marks cannot be read: what it did is not recognized in the tenants"
    };
    let stops = match &left.stops {
        Some(stops) => format!("{} that stood stand in the new one", counted((stops.len(), "stop"))),
        None => "the stops that stood cannot be read".to_owned(),
    };
    let open = match left.open.as_deref() {
        Some([]) => "every action was settled".to_owned(),
        Some(open) => format!("not settled, and not known to the new one:\n{}", text(open)),
        None => "what was not settled cannot be read".to_owned(),
    };
    let in_force = match left.in_force.as_deref() {
        Some([]) => "nothing in force was to be taken back".to_owned(),
        Some(in_force) => {
            let line = |one: &Revert| {
                let due = one.due.map(|due| format!(", due {due:.0}")).unwrap_or_default();
                format!(
                    "  {} of {} in {}{due}",
                    one.action,
                    clean(&one.target, CELL_WIDTH),
                    clean(&one.tenant, CELL_WIDTH)
                )
            };
            let lines: Vec<String> = in_force.iter().map(line).collect();
            format!("in force, and not taken back by the new one:\n{}", lines.join("\n"))
        }
        None => "what is in force cannot be read".to_owned(),
    };
    [marks, &stops, &open, &in_force].join("\n")
}

async fn list(past: &Past, form: Form) -> anyhow::Result<Exit> {
    let open = past.store.unsettled_effects().await?;
    match form {
        Form::Json => say_json(&open)?,
        Form::Csv => say(&csv(&open))?,
        Form::Text | Form::Junit | Form::Sarif => say(&text(&open))?,
    }
    let is_in_doubt = |effect: &Effect| matches!(effect.state, EffectState::Parked | EffectState::Unknown);
    Ok(if open.iter().any(is_in_doubt) { Exit::Findings } else { Exit::Fine })
}

fn text(open: &[Effect]) -> String {
    if open.is_empty() {
        return "every action is settled".to_owned();
    }
    let mut table = table(&["effect", "state", "action", "target", "since", "tenant", "run"]);
    for effect in open {
        table.add_row([
            Cell::new(effect.key.short()),
            Cell::new(effect.state.as_str()),
            Cell::new(&effect.action),
            Cell::new(clean(&effect.target, CELL_WIDTH)),
            Cell::new(format!("{:.0}", effect.changed)),
            Cell::new(clean(&effect.tenant, CELL_WIDTH)),
            Cell::new(effect.run.to_string()),
        ]);
    }
    table.to_string()
}

/// The actions that are not settled, for spreadsheets.
fn csv(open: &[Effect]) -> String {
    let head = ["effect", "state", "action", "target", "since", "tenant", "run"];
    let record = |effect: &Effect| {
        let (key, since, run) = (effect.key.to_string(), effect.changed.to_string(), effect.run.to_string());
        let state = effect.state.as_str();
        encode::csv([&key, state, &effect.action, &effect.target, &since, &effect.tenant, &run])
    };
    std::iter::once(encode::csv(head)).chain(open.iter().map(record)).collect()
}

/// What a table of events has of each, and under which names the histories have it; the last column is all of it.
const COLUMNS: [(&str, &[&str]); 19] = [
    ("history", &["history"]),
    ("n", &["n"]),
    ("at", &["at"]),
    ("tenant", &["tenant"]),
    ("playbook", &["playbook"]),
    ("playbookName", &["playbookName"]),
    ("run", &["run"]),
    ("item", &["item"]),
    ("step", &["step"]),
    ("action", &["action"]),
    ("target", &["target"]),
    ("about", &["effect", "approval"]),
    ("state", &["state"]),
    ("word", &["word"]),
    ("approver", &["approver"]),
    ("account", &["account"]),
    ("why", &["detail", "note", "reason"]),
    ("hash", &["hash"]),
    ("event", &[]),
];

/// One event as a record of a table.
fn record(event: &Value) -> String {
    let field = |(_column, names): &(&str, &[&str])| match names {
        [] => event.to_string(),
        names => match names.iter().find_map(|name| event.get(*name).filter(|value| !value.is_null())) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        },
    };
    let fields: Vec<String> = COLUMNS.iter().map(field).collect();
    encode::csv(fields.iter().map(String::as_str))
}

/// Writes the events that are wanted; says how many there were.
async fn export(
    past: &Past,
    (wanted, since): (&Export, Option<Timestamp>),
    form: Form,
) -> anyhow::Result<u64> {
    let mut written = 0;
    if form == Form::Csv {
        say(&encode::csv(COLUMNS.map(|(column, _names)| column)))?;
    }
    for history in History::ALL {
        let mut after = 0;
        loop {
            let events = past.store.events(history, after).await?;
            let Some((last, _event)) = events.last() else { break };
            after = *last;
            let mut lines = String::new();
            for (_n, event) in events.iter().filter(|(_n, event)| is_wanted(event, wanted, since)) {
                if form == Form::Csv {
                    lines.push_str(&record(event));
                } else {
                    lines.push_str(&encode::json(&event.to_string()));
                    lines.push('\n');
                }
                written += 1;
            }
            if !lines.is_empty() {
                say(&lines)?;
            }
        }
    }
    Ok(written)
}

fn is_wanted(event: &Value, wanted: &Export, since: Option<Timestamp>) -> bool {
    let text = |key: &str| event.get(key).and_then(Value::as_str);
    let at = || text("at").and_then(|at| at.parse::<Timestamp>().ok());
    let everywhere = event.get("tenant").is_some_and(Value::is_null);
    since.is_none_or(|since| at().is_some_and(|at| since <= at))
        && wanted.tenant.as_deref().is_none_or(|tenant| everywhere || text("tenant") == Some(tenant))
        && wanted.playbook.as_deref().is_none_or(|playbook| {
            // A stop has both in one.
            let of_stop = |key: &str| event.get("playbook")?.get(key)?.as_str();
            let (name, id) = (text("playbookName").or(of_stop("name")), text("playbook").or(of_stop("id")));
            name == Some(playbook) || id.is_some_and(|id| id.eq_ignore_ascii_case(playbook))
        })
}
