//! Actions on mails.

use serde_json::Value;

use super::catalogue::user;
use super::step::{COMMENT_CHARS_MAX, render, target, tidy};
use super::{ActionError, ActionKind, Remote, Spec, TargetKind};
use crate::tenant::{MailRemedy, MailTarget, Operation};
use crate::text::Template;

/// An action on a mail, before an item is known.
#[derive(Debug, Clone, PartialEq)]
pub struct EmailParams {
    /// What is done.
    pub remedy: MailRemedy,
    /// The mail's id in all mailboxes.
    pub network_message_id: Template,
    /// The mailbox.
    pub recipient: Template,
    /// Why.
    pub comment: Template,
}

impl EmailParams {
    pub(super) fn render(&self, texts: &Value) -> Result<Operation, ActionError> {
        let mail = MailTarget {
            network_message_id: target("networkMessageId", &self.network_message_id, texts)?,
            recipient_email_address: target("recipient", &self.recipient, texts)?,
        };
        let comment = tidy(&render("comment", &self.comment, texts)?, COMMENT_CHARS_MAX);
        Ok(Operation::RemediateEmail { remedy: self.remedy, mail, comment })
    }
}

pub(super) const SOFT_DELETE: Spec = Spec {
    summary: "Deletes a mail from a mailbox; an administrator can get it back.",
    undo: Some(ActionKind::MoveEmailToInbox),
    ..mail()
};
pub(super) const HARD_DELETE: Spec =
    Spec { summary: "Deletes a mail from a mailbox for good. Needs approval.", ..mail() };
pub(super) const MOVE_TO_JUNK: Spec =
    Spec { summary: "Moves a mail to the junk folder.", undo: Some(ActionKind::MoveEmailToInbox), ..mail() };
pub(super) const MOVE_TO_INBOX: Spec = Spec { summary: "Moves a mail to the inbox.", ..mail() };
pub(super) const MOVE_TO_DELETED_ITEMS: Spec = Spec {
    summary: "Moves a mail to the deleted items.",
    undo: Some(ActionKind::MoveEmailToInbox),
    ..mail()
};

/// Moving a mail.
const fn mail() -> Spec {
    Spec {
        target: TargetKind::Email,
        remote: Remote::Unseen,
        ..user("POST /beta/security/collaboration/analyzedEmails/remediate")
    }
}
