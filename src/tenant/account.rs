//! Accounts where they are mastered, and mails in mailboxes: what actions are aimed at beside devices and users.

use serde::{Deserialize, Serialize};

use super::ActionKind;
use crate::model::{AccountId, MailAddress, NetworkMessageId};

/// Where an account is switched off and on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AccountAt {
    /// In Entra ID. Refused for an account that is synchronised from a domain: the next synchronisation would
    /// undo it.
    Entra,
    /// In Entra ID, for as long as it holds.
    EntraUntilSync,
    /// Where it is mastered.
    Mastered(MasteredAccount),
}

/// An account where it is mastered, as Defender for Identity knows it. Source: the page of `invokeAction` on
/// `identityAccounts`, 2025-06.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MasteredAccount {
    /// The identity that has the account (`IdentityId` in hunting).
    pub identity: AccountId,
    /// The account (`AccountId` in hunting).
    pub account: AccountId,
    /// Who masters it.
    pub provider: IdentityProvider,
}

/// Who masters an account. Accounts that Entra ID masters are not changed in this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IdentityProvider {
    /// Active Directory: disables, enables, forces a password reset.
    ActiveDirectory,
    /// Okta: disables and enables.
    Okta,
}

/// What is done with a mail. Source: the page of `analyzedEmails: remediate`, without `moveToQuarantine`, which it
/// lists and does not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MailRemedy {
    /// To the recoverable items.
    SoftDelete,
    /// Away, for good.
    HardDelete,
    /// To the junk folder.
    MoveToJunk,
    /// To the inbox.
    MoveToInbox,
    /// To the deleted items.
    MoveToDeletedItems,
}

impl MailRemedy {
    /// Which action it is.
    #[must_use]
    pub const fn kind(self) -> ActionKind {
        match self {
            Self::SoftDelete => ActionKind::SoftDeleteEmail,
            Self::HardDelete => ActionKind::HardDeleteEmail,
            Self::MoveToJunk => ActionKind::MoveEmailToJunk,
            Self::MoveToInbox => ActionKind::MoveEmailToInbox,
            Self::MoveToDeletedItems => ActionKind::MoveEmailToDeletedItems,
        }
    }
}

/// One mail in one mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MailTarget {
    /// The mail, in all mailboxes.
    pub network_message_id: NetworkMessageId,
    /// The mailbox.
    pub recipient_email_address: MailAddress,
}
