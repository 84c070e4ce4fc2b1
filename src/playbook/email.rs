//! Actions on mails, as written.

use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of the actions on mails: one mail in one mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemediateEmail {
    /// The mail's id in all mailboxes, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.NetworkMessageId}}")]
    pub network_message_id: String,
    /// Mail address of the mailbox, a text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{row.RecipientEmailAddress}}")]
    pub recipient: String,
    /// Why; the portal's Action center shows it. A text with `{{...}}`.
    #[schemars(length(min = 1), example = &"{{playbook.name}}, run {{run.id}}")]
    pub comment: String,
}

/// Parameters of `softDeleteEmail`.
pub type SoftDeleteEmail = RemediateEmail;
/// Parameters of `hardDeleteEmail`.
pub type HardDeleteEmail = RemediateEmail;
/// Parameters of `moveEmailToJunk`.
pub type MoveEmailToJunk = RemediateEmail;
/// Parameters of `moveEmailToInbox`.
pub type MoveEmailToInbox = RemediateEmail;
/// Parameters of `moveEmailToDeletedItems`.
pub type MoveEmailToDeletedItems = RemediateEmail;
