//! `huntbook approvals`, `approve` and `deny`: what waits for people's leave, and their word about it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::bail;
use serde_json::{Value, json};

use super::Misuse;
use super::account::{self, Account};
use super::args::{Answer, Approvals, Output};
use super::exit::Exit;
use super::history::Past;
use super::output::{clean, counted, say, say_json, tell};
use super::setup;
use crate::action::Approvers;
use crate::clock::SharedClock;
use crate::settings;
use crate::store::{Approval, ApprovalState, Consent, Heard, NewVoice, Store};

/// Requests listed with `--all`.
const ALL_MAX: u32 = 100;
/// Longest reason kept, in characters.
const REASON_MAX: usize = 500;
/// Characters of an id that are shown; as many as messages name.
const ID_SHOWN: usize = 10;

/// Lists requests.
pub(super) async fn list(
    arguments: &Approvals,
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let past = Past::open(config, &clock).await?;
    let approvals = if arguments.all {
        past.store.latest_approvals(ALL_MAX).await?
    } else {
        past.store.open_approvals().await?
    };
    match format {
        Output::Json => say_json(&approvals.iter().map(in_json).collect::<Vec<_>>())?,
        Output::Text if approvals.is_empty() => say("nothing waits for approval")?,
        Output::Text => say(&approvals.iter().map(text).collect::<Vec<_>>().join("\n"))?,
    }
    Ok(Exit::Fine)
}

/// Writes a person's word down.
pub(super) async fn answer(
    (word, answer): (Consent, &Answer),
    config: &Path,
    format: Output,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let settings = settings::load(config)?;
    let past = Past::of(&settings, &clock).await?;
    let (approvers, account) = (setup::approvers(&settings), account::caller()?);
    let by = speaker(answer.by.as_deref(), &approvers, &account)?;
    let note = answer.reason.as_deref().map(|reason| clean(reason.trim(), REASON_MAX));
    let voice = NewVoice {
        word,
        by,
        account: account.name.clone(),
        uid: account.uid,
        note: note.filter(|note| !note.is_empty()),
    };
    let mut asked = Vec::with_capacity(answer.ids.len());
    for id in &answer.ids {
        let one = find(&past.store, id).await?;
        let author = one.shown().get("author").and_then(Value::as_str).map(str::to_owned);
        let who = (account.name.as_str(), account.uid);
        match word {
            Consent::Approve => approvers.may_approve(&voice.by, who, author.as_deref())?,
            Consent::Deny => approvers.may_speak(&voice.by, who)?,
        }
        asked.push(one);
    }
    let mut heard = Vec::with_capacity(asked.len());
    for one in asked {
        heard.push(Store::speak(&settings.store.path, SharedClock::clone(&clock), &one.id, &voice).await?);
    }
    report(format, &heard, past.store.owner())
}

/// Who speaks: the approver that is named, or the only one whose account this is.
fn speaker(named: Option<&str>, approvers: &Approvers, account: &Account) -> anyhow::Result<String> {
    if approvers.is_empty() {
        bail!("the settings name no approvers: `approvers: {{NAME: {{account: ACCOUNT}}}}`");
    }
    if let Some(named) = named {
        approvers.may_speak(named, (&account.name, account.uid))?;
        return Ok(named.to_owned());
    }
    match approvers.of_account(&account.name, account.uid).as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => bail!("no approver of the settings has the account `{}` ({})", account.name, account.uid),
        several => Err(Misuse(format!("say who you are with `--as`: {}", several.join(" or "))).into()),
    }
}

async fn find(store: &Store, id: &str) -> anyhow::Result<Approval> {
    let id = id.trim();
    match store.find_approvals(id).await?.as_slice() {
        [one] => Ok(one.clone()),
        [] => bail!("there is no approval `{}`: `huntbook approvals` lists them", id.escape_debug()),
        _ => bail!("`{}` is the beginning of several ids: give more of it", id.escape_debug()),
    }
}

/// Says what came of the words.
fn report(format: Output, heard: &[Heard], owner: Option<u32>) -> anyhow::Result<Exit> {
    let counts = |one: &&Heard| matches!(one, Heard::Counts(_));
    if format == Output::Json {
        let one = |heard: &Heard| match heard {
            Heard::Counts(asked) => json!({"counts": true, "approval": in_json(asked)}),
            Heard::TooLate(asked) => json!({"counts": false, "why": "tooLate", "approval": in_json(asked)}),
            Heard::Twice(asked) => json!({"counts": false, "why": "twice", "approval": in_json(asked)}),
        };
        say_json(&heard.iter().map(one).collect::<Vec<_>>())?;
    } else {
        for one in heard {
            let (Heard::Counts(asked) | Heard::TooLate(asked) | Heard::Twice(asked)) = one;
            let what = format!("{} of {}", asked.action, clean(&asked.target, 120));
            say(&match one {
                Heard::Counts(_) => format!("{what} is {}", standing(asked)),
                Heard::TooLate(_) => format!("{what} is not open any more: {}", standing(asked)),
                Heard::Twice(_) => format!("{what} has your approval already: {}", standing(asked)),
            })?;
        }
    }
    let approved =
        heard.iter().any(|one| matches!(one, Heard::Counts(asked) if asked.state == ApprovalState::Approved));
    if approved && owner.is_none() {
        tell(
            "nobody serves: the next `huntbook run` or `serve` does it, if it is before the end of its time",
        );
    }
    Ok(if heard.iter().filter(counts).count() == heard.len() { Exit::Fine } else { Exit::Findings })
}

/// Where a request stands, in a few words.
fn standing(asked: &Approval) -> String {
    let yes = asked.voices.iter().filter(|voice| voice.word == Consent::Approve);
    let yes: Vec<&str> = yes.map(|voice| voice.by.as_str()).collect();
    let by = if yes.is_empty() { String::new() } else { format!(", approved by {}", yes.join(" and ")) };
    match asked.state {
        ApprovalState::Awaiting => {
            format!(
                "waiting with {} of {} until {:.0}{by}",
                yes.len(),
                counted((need(asked), "approval")),
                asked.expires
            )
        }
        ApprovalState::Approved => {
            format!("approved by {} and to be done until {:.0}", yes.join(" and "), asked.expires)
        }
        ApprovalState::Consumed => format!("done with{by}"),
        ApprovalState::Rejected | ApprovalState::Expired | ApprovalState::Void => {
            let why = asked.reason.as_deref().map(|why| format!(": {}", clean(why, 200))).unwrap_or_default();
            format!("{}{why}", asked.state.as_str())
        }
    }
}

fn need(asked: &Approval) -> usize {
    usize::try_from(asked.minimum).unwrap_or(usize::MAX)
}

/// A request for machines, with all that was hashed.
pub(super) fn in_json(asked: &Approval) -> Value {
    let mut all = json!(asked);
    if let Value::Object(all) = &mut all {
        all.insert("shown".to_owned(), asked.shown());
    }
    all
}

/// A request for people: everything that is approved with it.
fn text(asked: &Approval) -> String {
    let shown = asked.shown();
    let part = |name: &str| {
        let value = shown.get(name).cloned().unwrap_or_default();
        clean(&value.as_str().map_or_else(|| value.to_string(), str::to_owned), 1000)
    };
    let id: String = asked.id.chars().take(ID_SHOWN).collect();
    let mut text = format!("{id}  {} of {}\n", asked.action, clean(&asked.target, 200));
    let mut line = |word: &str, rest: &str| {
        let _infallible = writeln!(text, "  {word:<9}{rest}");
    };
    line("for", &part("itemKey"));
    line("in", &part("tenant"));
    let author =
        shown.get("author").and_then(Value::as_str).map(|author| format!(" by {}", clean(author, 120)));
    let version: String = part("playbookVersion").chars().take(12).collect();
    line("playbook", &format!("{}{}, version {version}", part("playbookName"), author.unwrap_or_default()));
    line("action", &format!("{}, run {}", part("step"), part("run")));
    line("sends", &part("parameters"));
    line("guards", &format!("{}; asked for {} of the run", part("guards"), targets(&shown)));
    line("stands", &standing(asked));
    for voice in &asked.voices {
        let note = voice.note.as_deref().map(|note| format!(": {}", clean(note, 200))).unwrap_or_default();
        let who = format!("{} ({}, {})", voice.by, clean(&voice.account, 64), voice.uid);
        line("said", &format!("{} by {who} at {:.0}{note}", voice.word.as_str(), voice.at));
    }
    text
}

fn targets(shown: &Value) -> String {
    let count = shown.get("targets").and_then(Value::as_u64).unwrap_or(0);
    counted((usize::try_from(count).unwrap_or(usize::MAX), "target"))
}
