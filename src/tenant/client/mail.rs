//! Mails in mailboxes.

use serde_json::json;

use super::{Call, Change, Client, asked, with_json};
use crate::http::Request;
use crate::tenant::{MailRemedy, MailTarget, Receipt, RemoteState, TenantError};

/// Longest name of a remediation, in characters: the first line of its row in the portal's Action center.
const NAME_CHARS_MAX: usize = 100;

impl Client {
    /// Asks for a mail to be moved or deleted. The answer (202) says that it was taken, and names a page of the
    /// portal; no API says how it ended.
    pub(super) async fn remediate_email(
        &self,
        change: &Change<'_>,
        (remedy, mail): (MailRemedy, &MailTarget),
        comment: &str,
    ) -> Result<Receipt, TenantError> {
        let address = self.address(change, "beta/security/collaboration/analyzedEmails/remediate", &[])?;
        let name: String = comment.chars().take(NAME_CHARS_MAX).collect();
        let body = json!({
            "displayName": name,
            "description": comment,
            "severity": "medium",
            "action": remedy,
            "remediateSendersCopy": false,
            "analyzedEmails": [mail],
        });
        let request = with_json(asked(change), Request::post(address), &body)?;
        self.send(&Call::write(change, request)).await?;
        Ok(Receipt { remote_id: None, state: RemoteState::Pending })
    }
}
