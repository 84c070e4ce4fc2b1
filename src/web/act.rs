//! What people do on the page: approve, deny, stop and resume. Each is written down with the way it came.

use axum::http::StatusCode;
use axum::response::Response;

use super::Web;
use super::answer::{Refusal, see};
use super::form::Form;
use super::session::{Rights, Session};
use crate::console::leave::{self, LeaveError, Speech};
use crate::console::{Called, Halted, NAME_MAX, NotHalted, halt, halt_by_file, in_time};
use crate::diag::Chain;
use crate::store::{Consent, Heard, LivePlaybook, SeenStop, Speaker, StopWord, StoppedPlaybook, Way};
use crate::text::clean;

/// Writes a person's word about a request down.
pub(super) async fn speak(
    web: &Web,
    session: &Session,
    (id, form): (&str, &Form),
) -> Result<Response, Refusal> {
    insist_on_right(session)?;
    let facts = &web.0.facts;
    let reason = form.field("reason");
    if form.field("word") == Some("approve") {
        insist_on_proof(web, session)?;
    }
    let word = match form.field("word") {
        Some("approve") => Consent::Approve,
        Some("deny") if reason.is_none() => return Err(unclear("Say why you deny it.")),
        Some("deny") => Consent::Deny,
        _ => return Err(unclear("Say whether you approve or deny it.")),
    };
    let speech = Speech { word, account: &session.account, way: Way::Page, named: form.field("by"), reason };
    let asked = leave::find(&facts.store, id).await.map_err(unheard)?;
    let voice = leave::voice(&asked, &speech, &facts.world.approvers).map_err(|error| {
        tracing::warn!(account = session.account.name, approval = asked.id, %error, "a word on the page was not heard");
        unheard(error)
    })?;
    let heard = facts.store.hear(&asked.id, &voice).await?;
    let why = match &heard {
        Heard::Counts(_) => {
            let (by, account) = (&voice.by, &voice.account);
            tracing::info!(by, account, approval = asked.id, %word, "somebody spoke on the page");
            return Ok(see(&format!("/approvals/{}", asked.id)));
        }
        Heard::TooLate(now) => format!("It is not open any more: {}.", leave::standing(now)),
        Heard::Twice(now) => format!("It has your approval already: {}.", leave::standing(now)),
    };
    Err(Refusal::new(StatusCode::CONFLICT, why))
}

/// Stops actions.
pub(super) async fn stop(web: &Web, session: &Session, form: &Form) -> Result<Response, Refusal> {
    insist_on_right(session)?;
    let facts = &web.0.facts;
    let tenant = form.field("tenant").map(str::to_owned);
    if tenant.as_ref().is_some_and(|tenant| !facts.world.tenants.contains_key(tenant)) {
        return Err(unclear("There is no such tenant."));
    }
    let word = word(session, form, (tenant, None));
    let halted = match form.field("playbook") {
        None => halt(&facts.clock, (facts.store.path(), &word), facts.store.halt(&word)).await,
        Some(id) => halt_playbook(web, &word, id).await?,
    };
    match halted.map_err(|error| {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, clean(&Chain(&error).to_string(), 400))
    })? {
        Halted::InJournal(_) => {
            tracing::warn!(account = word.account, "somebody stopped actions on the page");
        }
        Halted::ByFile { why, .. } => {
            tracing::error!(
                account = word.account,
                why,
                "somebody stopped actions on the page, and a file stops all of them: the journal did not take the word"
            );
        }
    }
    Ok(see("/"))
}

/// Writes a person's word about an edit that raises risk down.
pub(super) async fn confirm(
    web: &Web,
    session: &Session,
    (id, form): (&str, &Form),
) -> Result<Response, Refusal> {
    insist_on_right(session)?;
    insist_on_proof(web, session)?;
    let facts = &web.0.facts;
    let waiting = facts.store.held_edits().await?;
    let over = || Refusal::new(StatusCode::CONFLICT, "This edit does not wait any more.");
    let edit = waiting.into_iter().find(|edit| edit.digest.to_string() == id).ok_or_else(over)?;
    let account = &session.account;
    leave::may_confirm(&edit, form.field("by"), &facts.world.approvers, account).map_err(unheard)?;
    let reason = leave::reason(form.field("reason"));
    let by = Speaker { account: account.shown(), uid: account.uid, reason };
    if !facts.store.hear_confirmed(&edit, &by).await? {
        return Err(over());
    }
    tracing::warn!(account = by.account, edit = id, "somebody confirmed an edit on the page");
    Ok(see("/"))
}

/// Lets actions be taken again: lifts exactly the stop, or the stops, that the form was drawn with.
pub(super) async fn resume(web: &Web, session: &Session, form: &Form) -> Result<Response, Refusal> {
    insist_on_right(session)?;
    insist_on_proof(web, session)?;
    let facts = &web.0.facts;
    let seen = match (form.field("stop"), form.field("all")) {
        (Some(one), _) => SeenStop::One(one),
        (None, Some(all)) => SeenStop::All(all),
        (None, None) => return Err(unclear("Say which stop you lift.")),
    };
    let word = word(session, form, (None, None));
    if facts.store.lift_seen(seen, &word).await?.is_empty() {
        let why = match seen {
            SeenStop::One(_) => "That stop does not stand any more.",
            SeenStop::All(_) => "Nothing was lifted: other stops stand than those that you saw. Look again.",
        };
        return Err(Refusal::new(StatusCode::CONFLICT, why));
    }
    tracing::warn!(account = word.account, "somebody lifted a stop on the page");
    Ok(see("/"))
}

/// Those who may only look do nothing.
fn insist_on_right(session: &Session) -> Result<(), Refusal> {
    if session.rights == Rights::Act {
        return Ok(());
    }
    tracing::warn!(
        account = session.account.name,
        "somebody who may only look tried to do something on the page"
    );
    Err(Refusal::new(StatusCode::FORBIDDEN, "Your role lets you look, and nothing was done."))
}

/// What lets actions be taken is said by somebody who has shown just now who they are, not by whoever finds the browser
/// open. To deny and to stop needs no proof.
fn insist_on_proof(web: &Web, session: &Session) -> Result<(), Refusal> {
    if session.is_proven(web.0.facts.clock.now()) {
        return Ok(());
    }
    tracing::warn!(
        account = session.account.name,
        "somebody has to sign in again before they let actions be taken"
    );
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "Nothing was done: sign in again, and say it within fifteen minutes.",
    ))
}

/// Stops one playbook, or everything where the journal does not say which there are.
async fn halt_playbook(web: &Web, word: &StopWord, id: &str) -> Result<Result<Halted, NotHalted>, Refusal> {
    let facts = &web.0.facts;
    let journal = facts.store.path();
    let why = match in_time(&facts.clock, facts.store.live_versions()).await {
        Ok(Ok(all)) => {
            let word = StopWord { playbook: Some(in_force(all, id)?), ..word.clone() };
            return Ok(halt(&facts.clock, (journal, &word), facts.store.halt(&word)).await);
        }
        Ok(Err(error)) => Chain(&error).to_string(),
        Err(silent) => silent.to_string(),
    };
    Ok(halt_by_file((journal, word), why))
}

/// A playbook of those in force.
fn in_force(all: Vec<LivePlaybook>, id: &str) -> Result<StoppedPlaybook, Refusal> {
    let live = all.into_iter().find(|live| live.playbook.to_string() == id);
    let live = live.ok_or_else(|| unclear("There is no such playbook."))?;
    let name = Called::of(&live.file, &live.bytes).name;
    let name = if name.is_empty() { id } else { &name };
    Ok(StoppedPlaybook { id: live.playbook, name: clean(name, NAME_MAX) })
}

fn word(
    session: &Session,
    form: &Form,
    (tenant, playbook): (Option<String>, Option<StoppedPlaybook>),
) -> StopWord {
    StopWord {
        tenant,
        playbook,
        reason: leave::reason(form.field("reason")),
        account: session.account.shown(),
        uid: session.account.uid,
        way: Some(Way::Page),
    }
}

fn unclear(why: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, why)
}

/// Why somebody was not heard.
pub(super) fn unheard(error: LeaveError) -> Refusal {
    let status = match error {
        LeaveError::Store(error) => return error.into(),
        LeaveError::Short(_) | LeaveError::Unknown(_) | LeaveError::Ambiguous(_) => {
            return Refusal::new(StatusCode::NOT_FOUND, "There is no such request.");
        }
        LeaveError::Several(_) => return unclear("Say which approver you are."),
        LeaveError::SamePerson(_) => StatusCode::CONFLICT,
        LeaveError::NoApprovers
        | LeaveError::Nobody(_)
        | LeaveError::NotAllowed(_)
        | LeaveError::OwnFile(_) => StatusCode::FORBIDDEN,
    };
    Refusal::new(status, format!("Nothing was done: {}.", clean(&error.to_string(), 400)))
}
