//! Users in Entra ID.

use serde_json::json;

use super::devices::decode;
use super::{Asked, Call, Change, Client, Kind, asked, with_json};
use crate::http::Request;
use crate::model::UserId;
use crate::tenant::envelope::shown;
use crate::tenant::{Audience, Receipt, RemoteState, TenantError, User, permission};

const USER: Asked = Asked { operation: "user", roles: permission::USERS.roles, kind: Kind::Plain };

/// A change that is in force when it is answered.
pub(super) const DONE: Receipt = Receipt { remote_id: None, state: RemoteState::Done };

impl Client {
    pub(super) async fn get_user(&self, id: &UserId) -> Result<User, TenantError> {
        let address = self.at(Audience::Graph, USER, "v1.0/users/{id}", &[id.as_str()])?;
        let address =
            address.query("$select", "id,userPrincipalName,mail,onPremisesSamAccountName,accountEnabled");
        let answer = self.send(&Call::read(Audience::Graph, USER, Request::get(address))).await?;
        let user: User = decode(USER, &answer.body)?;
        let is_asked = |name: &str| name.to_lowercase() == id.as_str().to_lowercase();
        if is_asked(&user.id) || user.user_principal_name.as_deref().is_some_and(is_asked) {
            return Ok(user);
        }
        Err(TenantError::OtherTarget { wanted: id.to_string(), found: shown(&user.id, 64) })
    }

    pub(super) async fn disable_user(
        &self,
        change: &Change<'_>,
        user: &UserId,
    ) -> Result<Receipt, TenantError> {
        let address = self.address(change, "v1.0/users/{id}", &[user.as_str()])?;
        let body = json!({"accountEnabled": false});
        let request = with_json(asked(change), Request::patch(address), &body)?;
        self.send(&Call::write(change, request)).await?;
        Ok(DONE)
    }

    /// The pages promise 204; what comes is 200 with `{"value": true}`. Any success is one.
    pub(super) async fn revoke_sessions(
        &self,
        change: &Change<'_>,
        user: &UserId,
    ) -> Result<Receipt, TenantError> {
        let address = self.address(change, "v1.0/users/{id}/revokeSignInSessions", &[user.as_str()])?;
        self.send(&Call::write(change, Request::post(address))).await?;
        Ok(DONE)
    }
}
