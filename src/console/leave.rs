//! The giving of leave: who may say what about a request, and where it stands.

use serde_json::{Value, json};

use super::Account;
use crate::action::{Approvers, NotAllowed, Origin};
use crate::store::{Approval, ApprovalState, Consent, HeldEdit, NewVoice, Store, StoreError, Voice, Way};
use crate::text::{clean, counted, encode};

/// Longest reason kept, in characters: why, not a report.
const REASON_MAX: usize = 500;
/// Fewest characters of an id that name something: with fewer, a slip of the hand would.
pub const ID_MIN: usize = 4;
/// Longest value of a parameter shown, in characters: more than any comment, address or script argument may have.
const VALUE_MAX: usize = 8000;
/// Most values of parameters shown.
const VALUES_MAX: usize = 500;
/// What is said of what is not shown.
const CUT: &str = "cut: `huntbook approvals --format json` shows all";

/// A reason as it is kept: what it hides is made visible, and nothing is none.
#[must_use]
pub fn reason(given: Option<&str>) -> Option<String> {
    given.map(|given| clean(given.trim(), REASON_MAX)).filter(|reason| !reason.is_empty())
}

/// What somebody wants to say about a request.
#[derive(Debug)]
pub struct Speech<'a> {
    /// Yes or no.
    pub word: Consent,
    /// Who speaks.
    pub account: &'a Account,
    /// Which way they came.
    pub way: Way,
    /// As which approver, if they say so.
    pub named: Option<&'a str>,
    /// Why.
    pub reason: Option<&'a str>,
}

/// Why nobody hears somebody.
#[derive(Debug, thiserror::Error)]
pub enum LeaveError {
    /// Nobody may approve anything.
    #[error("the settings name no approvers: `approvers: {{NAME: {{account: ACCOUNT}}}}`")]
    NoApprovers,
    /// The account is nobody's.
    #[error("no approver of the settings has the account `{}`{}", .0.shown(), .0.uid.map(|uid| format!(" ({uid})")).unwrap_or_default())]
    Nobody(Account),
    /// The account is that of several approvers.
    #[error("say who you are with `--as`: {}", .0.join(" or "))]
    Several(Vec<String>),
    /// The approver may not say this.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// The same person has said yes under another name.
    #[error("you said yes to it already, as `{0}`")]
    SamePerson(String),
    /// The account has written what is to be confirmed.
    #[error("`{0}` is yours: somebody else must confirm what it raises")]
    OwnFile(String),
    /// Too little of an id.
    #[error("`{}` is too short for an id: give at least {ID_MIN} characters of it", .0.escape_debug())]
    Short(String),
    /// There is no such request.
    #[error("there is no approval `{}`: `huntbook approvals` lists them", .0.escape_debug())]
    Unknown(String),
    /// There are several such requests.
    #[error("`{}` is the beginning of several ids: give more of it", .0.escape_debug())]
    Ambiguous(String),
    /// The journal failed.
    #[error("the journal cannot be used")]
    Store(#[from] StoreError),
}

/// Finds a request by the beginning of its id.
///
/// # Errors
///
/// [`LeaveError::Short`], [`LeaveError::Unknown`], [`LeaveError::Ambiguous`], [`LeaveError::Store`].
pub async fn find(store: &Store, id: &str) -> Result<Approval, LeaveError> {
    let id = id.trim();
    if id.chars().count() < ID_MIN {
        return Err(LeaveError::Short(id.to_owned()));
    }
    match store.find_approvals(id).await?.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(LeaveError::Unknown(id.to_owned())),
        _ => Err(LeaveError::Ambiguous(id.to_owned())),
    }
}

/// Who speaks: the approver that is named, or the only one whose account this is.
///
/// # Errors
///
/// Why nobody hears them.
pub fn speaker(named: Option<&str>, approvers: &Approvers, account: &Account) -> Result<String, LeaveError> {
    if approvers.is_empty() {
        return Err(LeaveError::NoApprovers);
    }
    if let Some(named) = named {
        approvers.may_speak(named, account.who())?;
        return Ok(named.to_owned());
    }
    match approvers.of_account(account.who()).as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Err(LeaveError::Nobody(account.clone())),
        several => Err(LeaveError::Several(several.iter().map(|&name| name.to_owned()).collect())),
    }
}

/// The word to write down about a request, if its speaker may say it.
///
/// # Errors
///
/// Why not.
pub fn voice(asked: &Approval, speech: &Speech<'_>, approvers: &Approvers) -> Result<NewVoice, LeaveError> {
    let Speech { word, account, way, named, .. } = *speech;
    let by = speaker(named, approvers, account)?;
    let who = account.who();
    let shown = asked.shown();
    match word {
        Consent::Approve => {
            may_approve(&by, approvers, account, &origin(&shown))?;
            let is_same = |said: &&Voice| said.by != by && approvers.are_one(said.who(), who);
            let mut yes = asked.voices.iter().filter(|said| said.word == Consent::Approve);
            if let Some(said) = yes.find(is_same) {
                return Err(LeaveError::SamePerson(said.by.clone()));
            }
        }
        Consent::Deny => approvers.may_speak(&by, who)?,
    }
    let note = reason(speech.reason);
    Ok(NewVoice { word, by, account: account.name.clone(), uid: account.uid, way, note })
}

/// Whether somebody may say yes to what comes from elsewhere; what the provider calls them counts as a name of theirs.
fn may_approve(
    by: &str,
    approvers: &Approvers,
    account: &Account,
    origin: &Origin<'_>,
) -> Result<(), NotAllowed> {
    approvers.may_approve(by, account.who(), origin)?;
    if account.alias().is_some_and(|alias| origin.is_by(alias)) {
        return Err(NotAllowed::Author(origin.author.unwrap_or_default().to_owned()));
    }
    Ok(())
}

/// From whom comes what people are shown.
fn origin(shown: &Value) -> Origin<'_> {
    let starter = shown.get("startedBy").and_then(|by| {
        let uid = by.get("uid").and_then(Value::as_u64).and_then(|uid| u32::try_from(uid).ok());
        Some((by.get("account")?.as_str()?, uid))
    });
    Origin { author: shown.get("author").and_then(Value::as_str), starter }
}

/// Whether somebody may confirm an edit that raises risk: an approver, who is neither its author nor the owner of its
/// file.
///
/// # Errors
///
/// Why not.
pub fn may_confirm(
    edit: &HeldEdit,
    named: Option<&str>,
    approvers: &Approvers,
    account: &Account,
) -> Result<(), LeaveError> {
    let by = speaker(named, approvers, account)?;
    let origin = Origin { author: edit.author.as_deref(), starter: None };
    may_approve(&by, approvers, account, &origin)?;
    let owner = edit.owner.map(|uid| Account::of(uid, None));
    if owner.is_some_and(|owner| approvers.are_one(owner.who(), account.who())) {
        return Err(LeaveError::OwnFile(clean(&edit.file, 200)));
    }
    Ok(())
}

/// Where a request stands, in a few words.
#[must_use]
pub fn standing(asked: &Approval) -> String {
    let yes = asked.voices.iter().filter(|voice| voice.word == Consent::Approve);
    let yes: Vec<&str> = yes.map(|voice| voice.by.as_str()).collect();
    let by = if yes.is_empty() { String::new() } else { format!(", approved by {}", yes.join(" and ")) };
    match asked.state {
        ApprovalState::Awaiting => {
            format!(
                "waiting with {} of {} until {:.0}{by}",
                yes.len(),
                counted(asked.minimum, "approval"),
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

/// A request for machines, with all that was hashed.
#[must_use]
pub fn in_json(asked: &Approval) -> Value {
    let mut all = json!(asked);
    if let Value::Object(all) = &mut all {
        all.insert("shown".to_owned(), asked.shown());
    }
    all
}

/// What is bound to a request, for people: what each part is called, and what it says, in one line or several. Of what is
/// sent nothing is left out unsaid, each value is in a line of its own and shows what it hides.
#[must_use]
pub fn bound(asked: &Approval) -> Vec<(&'static str, Vec<String>)> {
    let shown = asked.shown();
    let part = |name: &str| {
        let value = shown.get(name).cloned().unwrap_or_default();
        whole(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let author =
        shown.get("author").and_then(Value::as_str).map(|author| format!(" by {}", clean(author, 120)));
    let started =
        origin(&shown).starter.map(|(account, _uid)| format!(", started by {}", clean(account, 120)));
    let version: String = part("playbookVersion").chars().take(12).collect();
    let targets = counted(shown.get("targets").and_then(Value::as_u64).unwrap_or(0), "target");
    let one = |name, line| (name, vec![line]);
    vec![
        one("for", part("itemKey")),
        one("in", part("tenant")),
        one("playbook", format!("{}{}, version {version}", part("playbookName"), author.unwrap_or_default())),
        one("action", format!("{}, run {}{}", part("step"), part("run"), started.unwrap_or_default())),
        ("sends", sends(shown.get("parameters").unwrap_or(&Value::Null))),
        one("guards", format!("{}; asked for {targets} of the run", part("guards"))),
    ]
}

/// Every value of the parameters, after its place.
fn sends(parameters: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left: Vec<(String, &Value)> = vec![(String::new(), parameters)];
    while let Some((at, value)) = left.pop() {
        let below = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
        match value {
            // The last that is put is taken first.
            Value::Object(map) if !map.is_empty() => {
                left.extend(map.iter().rev().map(|(key, value)| (below(key), value)));
            }
            Value::Array(all) if !all.is_empty() => {
                let numbered = all.iter().enumerate().rev();
                left.extend(numbered.map(|(number, value)| (below(&number.to_string()), value)));
            }
            Value::String(text) => lines.push(format!("{}: {}", whole(&at), whole(text))),
            other => lines.push(format!("{}: {other}", whole(&at))),
        }
        if lines.len() == VALUES_MAX && !left.is_empty() {
            lines.push(CUT.to_owned());
            break;
        }
    }
    lines
}

/// A text that shows what it hides, all of it, or its beginning and that there is more.
fn whole(text: &str) -> String {
    let safe = encode::log(text);
    if safe.chars().count() <= VALUE_MAX { safe } else { format!("{} ({CUT})", clean(text, VALUE_MAX)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ContentHash;

    #[test]
    fn nobody_confirms_an_edit_of_theirs_whichever_way_they_come() {
        let named = [("dana", "4711"), ("dana", "openid:0f3a"), ("kim", "openid:77")];
        let approvers = Approvers::new(named.map(|(name, who)| (name.to_owned(), who.to_owned())));
        let edit = |owner, author: &str| HeldEdit {
            digest: ContentHash::of(b"edit"),
            playbook: None,
            name: "vip".to_owned(),
            file: "lists/vip.txt".to_owned(),
            author: Some(author.to_owned()),
            owner,
            risks: Vec::new(),
            at: jiff::Timestamp::UNIX_EPOCH,
            confirmed: false,
        };
        let dana = Account::elsewhere("0f3a", "dana.c@contoso.com".to_owned());
        let kim = Account::elsewhere("77", "kim@contoso.com".to_owned());
        let may = |edit: &HeldEdit, account| may_confirm(edit, None, &approvers, account);
        assert!(matches!(may(&edit(Some(4711), "soc"), &dana), Err(LeaveError::OwnFile(_))));
        for author in ["dana.c@contoso.com", "Dana C. <Dana.C@contoso.com>", "4711", "dana"] {
            let why = may(&edit(None, author), &dana);
            assert!(matches!(why, Err(LeaveError::NotAllowed(NotAllowed::Author(_)))), "{author} {why:?}");
            assert!(may(&edit(Some(4711), author), &kim).is_ok(), "{author}");
        }
    }

    #[test]
    fn what_is_sent_is_shown_to_its_end_each_value_by_itself() {
        let pad = "x".repeat(5000);
        let parameters = json!({"isolateDevice": {"comment": format!("{pad}\n  guards within"), "device": "d1", "tags": ["a", "b"], "full": true}});
        let lines = sends(&parameters);
        assert_eq!(lines.len(), 5, "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("isolateDevice.comment: xxx") && line.ends_with("guards within")));
        for line in ["isolateDevice.device: d1", "isolateDevice.tags.1: b", "isolateDevice.full: true"] {
            assert!(lines.iter().any(|one| one == line), "{line} {lines:?}");
        }
        let long = sends(&json!({"a": {"comment": "y".repeat(9000), "tag": "t"}}));
        assert!(
            long.iter().any(|line| line.ends_with(&format!("…{}", format_args!(" ({CUT})")))),
            "{long:?}"
        );
        assert_eq!(long.last().map(String::as_str), Some("a.tag: t"));
        let many = sends(&json!((0..600).collect::<Vec<_>>()));
        assert_eq!((many.len(), many.last().map(String::as_str)), (501, Some(CUT)));
    }
}
