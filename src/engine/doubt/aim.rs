//! What an action in doubt was to do, as far as its tenant shows it.

use crate::engine::act::digest_of;
use crate::engine::look::Left;
use crate::model::{DeviceId, UserId};
use crate::store::{ContentHash, Effect};
use crate::tenant::{AccountAt, ActionKind, Commented, MachineAction, Operation, User};

/// What an action in doubt was to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// An action of a device.
    Listed(Listed),
    /// What stays its own whatever others do.
    Left(Left),
    /// An account in Entra ID, switched on or off. That it is not so proves nothing: people may have switched it back.
    Account(Switch),
}

/// An account that was to be switched off, or on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Switch {
    pub(super) user: UserId,
    kind: ActionKind,
    /// By what the journal knows what was sent.
    sent: ContentHash,
}

/// An action of a device, as the service's list shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) listed_as: &'static str,
    pub(super) device: DeviceId,
}

impl Aim {
    /// Reads what an effect was to do, and with which action; `None` for what nobody can look at.
    pub(super) fn of(effect: &Effect) -> Option<(ActionKind, Self)> {
        let kind = *ActionKind::ALL.iter().find(|kind| kind.as_str() == effect.action)?;
        let (_what, id) = effect.target.split_once(':')?;
        let aim = match kind {
            ActionKind::CommentIncident => Self::Left(Left::Comment(Commented::Incident(id.parse().ok()?))),
            ActionKind::CommentAlert => Self::Left(Left::Comment(Commented::Alert(id.parse().ok()?))),
            ActionKind::RevokeSessions => Self::Left(Left::Sessions(id.parse().ok()?)),
            ActionKind::DisableUser | ActionKind::EnableUser => {
                Self::Account(Switch { user: id.parse().ok()?, kind, sent: effect.params_digest })
            }
            _ => Self::Listed(Listed { listed_as: kind.listed_as()?, device: id.parse().ok()? }),
        };
        Some((kind, aim))
    }
}

impl Switch {
    /// Whether an account shows what was sent. The journal has only the digest of that, which tells the account in Entra ID
    /// from one that is mastered elsewhere: of those nothing is shown here.
    pub(super) fn is_shown(&self, user: &User) -> bool {
        let is_so = user.account_enabled == Some(self.kind == ActionKind::EnableUser);
        is_so && self.spellings(user).any(|operation| digest_of(&operation) == self.sent)
    }

    /// What may have been sent to Entra ID, by each name of the account.
    fn spellings(&self, user: &User) -> impl Iterator<Item = Operation> {
        let name = user.user_principal_name.as_deref().unwrap_or_default();
        let names = [user.id.as_str(), name, &name.to_lowercase(), self.user.as_str()];
        let names: Vec<UserId> = names.into_iter().filter_map(|name| name.parse().ok()).collect();
        let is_on = self.kind == ActionKind::EnableUser;
        names.into_iter().flat_map(move |user| {
            [AccountAt::Entra, AccountAt::EntraUntilSync].map(|at| {
                let user = user.clone();
                if is_on { Operation::EnableUser { user, at } } else { Operation::DisableUser { user, at } }
            })
        })
    }
}

impl Listed {
    /// Whether it is an action that carries one of the marks.
    pub(super) fn is(&self, action: &MachineAction, marks: &[String]) -> bool {
        let comment = action.requestor_comment.as_deref().unwrap_or_default();
        action.kind.eq_ignore_ascii_case(self.listed_as)
            && action.machine_id == self.device
            && marks.iter().any(|mark| comment.starts_with(mark.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::{IdentityProvider, MasteredAccount};

    const ID: &str = "0f3a6c1e-1111-4d2b-9a40-6f1c0de10001";
    const NAME: &str = "Maja.Berg@contoso.example";

    /// Whether an account shows what was sent, asked for as this.
    fn is_shown(sent: &Operation, asked: &str, account_enabled: Option<bool>) -> bool {
        let user = json!({"id": ID, "userPrincipalName": NAME, "accountEnabled": account_enabled});
        let user: User = serde_json::from_value(user).unwrap();
        let kind = match sent {
            Operation::EnableUser { .. } => ActionKind::EnableUser,
            _ => ActionKind::DisableUser,
        };
        Switch { user: asked.parse().unwrap(), kind, sent: digest_of(sent) }.is_shown(&user)
    }

    #[test]
    fn an_account_in_entra_id_is_known_by_each_of_its_names_and_says_nothing_of_one_mastered_elsewhere() {
        let (lower, upper) = (NAME.to_lowercase(), NAME.to_uppercase());
        let mastered = AccountAt::Mastered(MasteredAccount {
            identity: ID.parse().unwrap(),
            account: ID.parse().unwrap(),
            provider: IdentityProvider::ActiveDirectory,
        });
        for (name, asked) in [(ID, ID), (NAME, ID), (&lower, ID), (&upper, &upper)] {
            let shown_in = |sent: &Operation| {
                let states = [Some(true), Some(false), None];
                states.into_iter().filter(|state| is_shown(sent, asked, *state)).collect::<Vec<_>>()
            };
            let off = |at| Operation::DisableUser { user: name.parse().unwrap(), at };
            let on = |at| Operation::EnableUser { user: name.parse().unwrap(), at };
            for at in [AccountAt::Entra, AccountAt::EntraUntilSync] {
                assert_eq!(shown_in(&off(at.clone())), [Some(false)], "{name}");
                assert_eq!(shown_in(&on(at)), [Some(true)], "{name}");
            }
            assert_eq!(shown_in(&off(mastered.clone())), [], "{name}");
        }
        let other = "jon.holm@contoso.example".parse().unwrap();
        let other = Operation::DisableUser { user: other, at: AccountAt::Entra };
        assert!(!is_shown(&other, ID, Some(false)), "of somebody else");
    }
}
