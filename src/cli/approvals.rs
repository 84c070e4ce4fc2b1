//! `huntbook approvals`, `approve` and `deny`: what waits for people's leave, and their word about it.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use serde_json::json;
use unicode_width::UnicodeWidthChar as _;

use super::Misuse;
use super::account;
use super::args::Output;
use super::exit::Exit;
use super::history::Past;
use super::output::{clean, say, say_json, tell};
use super::setup;
use crate::clock::SharedClock;
use crate::console::leave::{self, LeaveError, Speech, in_json, standing};
use crate::settings::{self, Hand};
use crate::store::{Approval, ApprovalState, Consent, Heard, Store, Way};

/// Requests listed with `--all`.
const ALL_MAX: u32 = 100;
/// Characters of an id that are shown; as many as messages name.
const ID_SHOWN: usize = 10;
/// Columns of a line: what a terminal has at least. One that is narrower breaks lines where it likes.
const WIDTH: usize = 80;
/// What begins a further line of a part: no text from outside does.
const FURTHER: &str = "           | ";

/// Arguments of `approvals`.
#[derive(Debug, Args)]
pub(super) struct Approvals {
    /// Also those that are over, the latest 100
    #[arg(long)]
    pub(super) all: bool,
}

/// Arguments of `approve`.
#[derive(Debug, Args)]
pub(super) struct Answer {
    /// The requests, as `approvals` lists them; the beginning of an id is enough while it is unique
    #[arg(required = true, value_name = "ID")]
    pub(super) ids: Vec<String>,
    /// Who you are: an approver of the settings, whose account this is
    #[arg(long = "as", value_name = "NAME")]
    pub(super) by: Option<String>,
    /// Why; it stays in the journal
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

/// Arguments of `deny`.
#[derive(Debug, Args)]
pub(super) struct Deny {
    /// The requests, as `approvals` lists them; the beginning of an id is enough while it is unique
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Who you are: an approver of the settings, whose account this is
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
    /// Why; it stays in the journal, and people are told
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl From<Deny> for Answer {
    fn from(Deny { ids, by, reason }: Deny) -> Self {
        Self { ids, by, reason: Some(reason) }
    }
}

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
    setup::insist_on_state(config, &settings, Hand::Beside)?;
    let past = Past::of(&settings, &clock).await?;
    let (approvers, account) = (setup::approvers(&settings), account::caller());
    let speech = Speech {
        word,
        account: &account,
        way: Way::Command,
        named: answer.by.as_deref(),
        reason: answer.reason.as_deref(),
    };
    // Who nobody would hear learns that first, whatever they ask about.
    leave::speaker(speech.named, &approvers, &account).map_err(unheard)?;
    let mut said = Vec::with_capacity(answer.ids.len());
    for id in &answer.ids {
        let asked = leave::find(&past.store, id).await.map_err(unheard)?;
        let voice = leave::voice(&asked, &speech, &approvers).map_err(unheard)?;
        said.push((asked.id, voice));
    }
    let mut heard = Vec::with_capacity(said.len());
    for (id, voice) in &said {
        heard.push(Store::speak(&settings.store.path, SharedClock::clone(&clock), id, voice).await?);
    }
    report(format, &heard, past.store.owner())
}

/// Why nobody hears somebody: a mistake in the arguments, where it is one.
pub(super) fn unheard(error: LeaveError) -> anyhow::Error {
    match error {
        LeaveError::Several(_) | LeaveError::Short(_) | LeaveError::Unknown(_) | LeaveError::Ambiguous(_) => {
            Misuse(error.to_string()).into()
        }
        error => error.into(),
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

/// A request for people: everything that is approved with it.
fn text(asked: &Approval) -> String {
    let id: String = asked.id.chars().take(ID_SHOWN).collect();
    let mut text = folded(&format!("{id}  {} of {}", asked.action, clean(&asked.target, 200)));
    let mut line = |word: &str, rest: &str| {
        let _infallible = write!(text, "\n{}", folded(&format!("  {word:<9}{rest}")));
    };
    for (word, lines) in leave::bound(asked) {
        for (at, rest) in lines.iter().enumerate() {
            line(if at == 0 { word } else { "" }, rest);
        }
    }
    line("stands", &standing(asked));
    for voice in &asked.voices {
        let note = voice.note.as_deref().map(|note| format!(": {}", clean(note, 200))).unwrap_or_default();
        let number = voice.uid.map(|uid| format!(", {uid}")).unwrap_or_default();
        let who = format!("{} ({}{number})", voice.by, clean(&voice.account, 64));
        line("said", &format!("{} by {who} at {:.0}{note}", voice.word.as_str(), voice.at));
    }
    text.push('\n');
    text
}

/// A line in as many as a terminal does not break; a sign of Chinese or Japanese takes two columns. No text from outside
/// begins one of them: each after the first is marked.
fn folded(line: &str) -> String {
    let (mut lines, mut column) = (String::new(), 0);
    for one in line.chars() {
        let width = one.width().unwrap_or(1);
        if WIDTH < column + width {
            lines.push('\n');
            lines.push_str(FURTHER);
            column = FURTHER.len();
        }
        lines.push(one);
        column += width;
    }
    lines
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    #[test]
    fn no_line_is_wider_than_a_terminal_and_none_begins_with_what_is_from_outside() {
        for text in
            ["x".repeat(500), "\u{754c}".repeat(200), format!("{}\u{1f468}\u{200d}\u{1f4bb}", "y".repeat(79))]
        {
            let whole = format!("  {:<9}{text}", "shown");
            let lines = folded(&whole);
            for (at, line) in lines.lines().enumerate() {
                assert!(line.width() <= WIDTH, "{line}");
                assert!(line.starts_with(if at == 0 { "  shown" } else { FURTHER }), "{line}");
            }
            assert!(1 < lines.lines().count());
            assert_eq!(lines.replace(&format!("\n{FURTHER}"), ""), whole, "nothing is lost");
        }
        assert_eq!(folded(&"x".repeat(WIDTH)), "x".repeat(WIDTH));
    }
}
