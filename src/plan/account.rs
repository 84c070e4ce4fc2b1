//! The parameters of actions on users and mails.

use super::params::Texts;
use crate::action::{AccountChange, AccountParams, EmailParams, MasteredParams, Params, SwitchAt};
use crate::diag::Code;
use crate::model::{AccountId, MailAddress, NetworkMessageId, UserId};
use crate::playbook::{self, ActionBody, ProviderKind};
use crate::tenant::{IdentityProvider, MailRemedy};

/// Understands an action on a user; nothing, if it is none or has problems.
pub(super) fn account(texts: &mut Texts<'_, '_>, body: &ActionBody) -> Option<Params> {
    let (user, change) = match body {
        ActionBody::DisableUser(body) => {
            let at = switch_at(texts, (body.identity_account.as_ref(), body.until_sync));
            (&body.user, at.map(AccountChange::Disable))
        }
        ActionBody::EnableUser(body) => {
            let at = switch_at(texts, (body.identity_account.as_ref(), body.until_sync));
            (&body.user, at.map(AccountChange::Enable))
        }
        ActionBody::RevokeSessions(body) => (&body.user, Some(AccountChange::RevokeSessions)),
        ActionBody::MarkUserAsCompromised(body) => (&body.user, Some(AccountChange::MarkAsCompromised)),
        ActionBody::DismissUserRisk(body) => (&body.user, Some(AccountChange::DismissRisk)),
        ActionBody::ForceUserPasswordReset(body) => {
            if body.identity_account.identity_provider == ProviderKind::Okta {
                let at = format!("{}/identityAccount/identityProvider", texts.at);
                let help = "Okta's accounts can be disabled and enabled";
                texts.lowering.error(Code::WrongValue, &at, "Okta resets no password in this way", help);
            }
            let account = mastered(texts, &body.identity_account);
            (&body.user, account.map(AccountChange::ForcePasswordReset))
        }
        _ => return None,
    };
    let user = texts.id::<UserId>("user", user);
    Some(Params::Account(Box::new(AccountParams { user: user?, change: change? })))
}

fn switch_at(
    texts: &mut Texts<'_, '_>,
    written: (Option<&playbook::IdentityAccount>, bool),
) -> Option<SwitchAt> {
    match written {
        (None, false) => Some(SwitchAt::Entra),
        (None, true) => Some(SwitchAt::EntraUntilSync),
        (Some(account), false) => mastered(texts, account).map(SwitchAt::Mastered),
        (Some(_), true) => {
            let at = format!("{}/untilSync", texts.at);
            let message = "`untilSync` is about Entra ID, and `identityAccount` about another place";
            texts.lowering.error(Code::KeyCombination, &at, message, "leave one of them out");
            None
        }
    }
}

fn mastered(texts: &mut Texts<'_, '_>, account: &playbook::IdentityAccount) -> Option<MasteredParams> {
    let identity = texts.id::<AccountId>("identityAccount/id", &account.id);
    let id = texts.id::<AccountId>("identityAccount/accountId", &account.account_id);
    let provider = match account.identity_provider {
        ProviderKind::ActiveDirectory => IdentityProvider::ActiveDirectory,
        ProviderKind::Okta => IdentityProvider::Okta,
    };
    Some(MasteredParams { identity: identity?, account: id?, provider })
}

/// Understands an action on a mail; nothing, if it is none or has problems.
pub(super) fn email(texts: &mut Texts<'_, '_>, body: &ActionBody) -> Option<Params> {
    let (remedy, body) = match body {
        ActionBody::SoftDeleteEmail(body) => (MailRemedy::SoftDelete, body),
        ActionBody::HardDeleteEmail(body) => (MailRemedy::HardDelete, body),
        ActionBody::MoveEmailToJunk(body) => (MailRemedy::MoveToJunk, body),
        ActionBody::MoveEmailToInbox(body) => (MailRemedy::MoveToInbox, body),
        ActionBody::MoveEmailToDeletedItems(body) => (MailRemedy::MoveToDeletedItems, body),
        _ => return None,
    };
    let id = texts.id::<NetworkMessageId>("networkMessageId", &body.network_message_id);
    let recipient = texts.id::<MailAddress>("recipient", &body.recipient);
    let comment = texts.text("comment", &body.comment);
    Some(Params::Email(Box::new(EmailParams {
        remedy,
        network_message_id: id?,
        recipient: recipient?,
        comment: comment?,
    })))
}
