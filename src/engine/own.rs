//! What huntbook never takes anything from, whatever settings and playbooks say: the machine that it runs on, and the person
//! in whose name it acts. Nobody would be left to give it back.

use super::answer::not_sent;
use super::context::Context;
use super::leave::Turn;
use super::report::{StepReport, StepState};
use crate::action::{Call, Impact};
use crate::diag::Chain;
use crate::guard::{Target, gives_back};
use crate::tenant::{TenantError, TokenFacts};

/// Whether a call takes something from somebody.
pub(super) fn takes(call: &Call) -> bool {
    call.kind.impact() == Impact::Disruptive && !gives_back(call.kind.as_str())
}

/// Sees that there is a token to make a call with, and that it is not the target's own; or says why the call is not made.
pub(super) async fn signed_in(context: &Context<'_>, turn: Turn<'_>) -> Result<(), StepReport> {
    let Turn { step, call, target, .. } = turn;
    let facts = context.tenant.token_facts(call.kind.audience()).await.map_err(|error| {
        let state = if is_shut(&error) { StepState::Halted } else { StepState::Failed };
        not_sent(step, call, state, &Chain(&error).to_string())
    })?;
    match own_user(call, target, &facts) {
        Some(why) => Err(not_sent(step, call, StepState::Skipped, &why)),
        None => Ok(()),
    }
}

/// Whether a call was not sent because the tenant takes none at the time.
pub(super) const fn is_shut(error: &TenantError) -> bool {
    matches!(error, TenantError::Busy { .. } | TenantError::Rejected { .. })
}

/// Why a call is not made, if its user is the person whose sign-in it would be made with; by id or by name, of which a
/// token says both.
fn own_user(call: &Call, target: &Target, facts: &TokenFacts) -> Option<String> {
    let user = call.user().filter(|_user| takes(call))?;
    let known = [user.as_str(), target.id()].into_iter().chain(target.names().iter().map(String::as_str));
    let own = [&facts.user_id, &facts.user_name];
    let is_own =
        |one: &str| own.iter().any(|own| own.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(one)));
    known.into_iter().any(is_own).then(|| {
        format!("{} is the person whose sign-in huntbook acts with, and is left alone", target.shown())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserId;
    use crate::tenant::{AccountAt, ActionKind, Operation};

    const ID: &str = "0f3a6c1e-1111-4d2b-9a40-6f1c0de10001";
    const NAME: &str = "Maja.Berg@contoso.example";

    fn switch(kind: ActionKind, user: &str) -> Call {
        let user: UserId = user.parse().expect("a user");
        let (target, at) = (user.as_str().to_lowercase(), AccountAt::Entra);
        let operation = match kind {
            ActionKind::EnableUser => Operation::EnableUser { user, at },
            _ => Operation::DisableUser { user, at },
        };
        Call { kind, target, operation }
    }

    /// Whether the account of this name is left alone, which is known as that, by a token that says so much of its person.
    fn is_own(user: &str, target: &Target, (id, name): (Option<&str>, Option<&str>)) -> bool {
        let facts = TokenFacts {
            user_id: id.map(str::to_owned),
            user_name: name.map(str::to_owned),
            ..TokenFacts::default()
        };
        own_user(&switch(ActionKind::DisableUser, user), target, &facts).is_some()
    }

    #[test]
    fn the_person_who_signed_in_is_known_by_id_and_by_name_whichever_is_asked_for_and_whatever_the_case() {
        let by_name = Target::user(&NAME.parse().expect("a user"));
        let by_id = Target::user(&ID.parse().expect("a user"));
        let upper = (ID.to_uppercase(), NAME.to_uppercase());
        let (of_id, of_name) = ((Some(upper.0.as_str()), None), (None, Some(upper.1.as_str())));
        assert!(is_own(NAME, &by_name, of_name) && is_own(ID, &by_id, of_id));
        assert!(
            !is_own(NAME, &by_name, of_id) && !is_own(ID, &by_id, of_name),
            "nobody knows that they are one"
        );
        assert!(is_own(NAME, &by_name.known_as(ID), of_id), "the directory says its id");
        assert!(is_own(ID, &by_id.clone().named(NAME), of_name), "and its name");
        assert!(!is_own("jon.holm@contoso.example", &by_id, (None, None)), "the app acts for nobody");
        assert!(!is_own(
            "jon.holm@contoso.example",
            &Target::user(&"jon.holm@contoso.example".parse().expect("a user")),
            of_name
        ));
    }

    #[test]
    fn nothing_is_taken_from_who_signed_in_and_what_they_are_given_back_is() {
        let facts = TokenFacts { user_name: Some(NAME.to_owned()), ..TokenFacts::default() };
        let target = Target::user(&NAME.parse().expect("a user"));
        let why = |kind| own_user(&switch(kind, NAME), &target, &facts);
        assert!(why(ActionKind::DisableUser).is_some_and(|why| why.contains("is left alone")));
        assert_eq!(why(ActionKind::EnableUser), None);
    }

    #[test]
    fn what_leaves_a_record_takes_nothing() {
        let device = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07".parse().expect("a device");
        let operation = Operation::TagDevice { device, tag: "seen".to_owned() };
        assert!(!takes(&Call { kind: ActionKind::TagDevice, target: String::new(), operation }));
        assert!(
            takes(&switch(ActionKind::DisableUser, NAME)) && !takes(&switch(ActionKind::EnableUser, NAME))
        );
    }
}
