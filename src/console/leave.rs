//! The giving of leave: who may say what about a request, and where it stands.

use serde_json::{Value, json};

use super::Account;
use crate::action::{Approvers, NotAllowed, Origin};
use crate::store::{Approval, ApprovalState, Consent, HeldEdit, NewVoice, Store, StoreError, Way};
use crate::text::{clean, counted};

/// Longest reason kept, in characters: why, not a report.
const REASON_MAX: usize = 500;

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
    /// The account has written what is to be confirmed.
    #[error("`{0}` is yours: somebody else must confirm what it raises")]
    OwnFile(String),
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
/// [`LeaveError::Unknown`], [`LeaveError::Ambiguous`], [`LeaveError::Store`].
pub async fn find(store: &Store, id: &str) -> Result<Approval, LeaveError> {
    let id = id.trim();
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
            approvers.may_approve(&by, who, &origin(&shown))?;
        }
        Consent::Deny => approvers.may_speak(&by, who)?,
    }
    let note = reason(speech.reason);
    Ok(NewVoice { word, by, account: account.name.clone(), uid: account.uid, way, note })
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
    approvers.may_approve(&by, account.who(), &origin)?;
    if edit.owner.is_some() && edit.owner == account.uid {
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

/// What is bound to a request, for people: what each part is called, and what it says.
#[must_use]
pub fn bound(asked: &Approval) -> Vec<(&'static str, String)> {
    let shown = asked.shown();
    let part = |name: &str| {
        let value = shown.get(name).cloned().unwrap_or_default();
        clean(&value.as_str().map_or_else(|| value.to_string(), str::to_owned), 1000)
    };
    let author =
        shown.get("author").and_then(Value::as_str).map(|author| format!(" by {}", clean(author, 120)));
    let started =
        origin(&shown).starter.map(|(account, _uid)| format!(", started by {}", clean(account, 120)));
    let version: String = part("playbookVersion").chars().take(12).collect();
    let targets = counted(shown.get("targets").and_then(Value::as_u64).unwrap_or(0), "target");
    vec![
        ("for", part("itemKey")),
        ("in", part("tenant")),
        ("playbook", format!("{}{}, version {version}", part("playbookName"), author.unwrap_or_default())),
        ("action", format!("{}, run {}{}", part("step"), part("run"), started.unwrap_or_default())),
        ("sends", part("parameters")),
        ("guards", format!("{}; asked for {targets} of the run", part("guards"))),
    ]
}
