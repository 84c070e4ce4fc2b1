//! Users in Entra ID.

use serde_json::json;

use super::{Call, Client, asked, with_json};
use crate::http::Request;
use crate::model::UserId;
use crate::tenant::{Operation, Receipt, RemoteState, TenantError};

/// A change that is in force when it is answered.
pub(super) const DONE: Receipt = Receipt { remote_id: None, state: RemoteState::Done };

impl Client {
    pub(super) async fn disable_user(
        &self,
        operation: &Operation,
        user: &UserId,
    ) -> Result<Receipt, TenantError> {
        let address = self.address(operation, "v1.0/users/{id}", &[user.as_str()])?;
        let body = json!({"accountEnabled": false});
        let request = with_json(asked(operation), Request::patch(address), &body)?;
        self.send(&Call::write(operation, request)).await?;
        Ok(DONE)
    }

    /// The pages promise 204; what comes is 200 with `{"value": true}`. Any success is one.
    pub(super) async fn revoke_sessions(
        &self,
        operation: &Operation,
        user: &UserId,
    ) -> Result<Receipt, TenantError> {
        let address = self.address(operation, "v1.0/users/{id}/revokeSignInSessions", &[user.as_str()])?;
        self.send(&Call::write(operation, Request::post(address))).await?;
        Ok(DONE)
    }
}
