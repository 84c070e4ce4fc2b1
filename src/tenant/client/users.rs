//! Users in Entra ID.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::devices::decode;
use super::pages::{End, More};
use super::{Asked, Call, Change, Client, Kind, asked, with_json};
use crate::http::Request;
use crate::model::UserId;
use crate::tenant::envelope::shown;
use crate::tenant::{
    AccountAt, Audience, IdentityProvider, MasteredAccount, Receipt, RemoteState, TenantError, User,
    permission,
};

const USER: Asked = Asked { operation: "user", permission: permission::USERS, kind: Kind::Plain };

const SESSIONS: Asked = Asked { operation: "userSessions", permission: permission::USERS, kind: Kind::Plain };

const ROLES: Asked = Asked { operation: "directoryRoles", permission: permission::ROLES, kind: Kind::Plain };

/// Pages of what a user is a member of; a hundred on each unless asked otherwise.
const MEMBERSHIP_PAGES_MAX: usize = 20;

/// Something a user is a member of. Source: the page of `user: transitiveMemberOf`; without leave to read an object of
/// some kind, all but its kind and id is null.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Membership {
    #[serde(rename = "@odata.type", default)]
    kind: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
}

/// Since when a user's sessions count.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sessions {
    id: String,
    #[serde(default)]
    user_principal_name: Option<String>,
    #[serde(default)]
    sign_in_sessions_valid_from_date_time: Option<String>,
}

/// What of a user is asked for.
const USER_FIELDS: &str = "id,userPrincipalName,mail,onPremisesSamAccountName,accountEnabled,\
    onPremisesSyncEnabled,securityIdentifier,onPremisesSecurityIdentifier";

const IDENTITY: Asked =
    Asked { operation: "identityAccount", permission: permission::IDENTITY_ACCOUNTS, kind: Kind::Plain };

/// Which way an account is switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    Off,
    On,
}

/// What is told to Entra ID about a user's risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Risk {
    Compromised,
    None,
}

/// An identity as Defender for Identity shows it. Source: the pages of `identityAccounts` and `account`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(default)]
    cloud_security_identifier: Option<String>,
    #[serde(default)]
    on_premises_security_identifier: Option<String>,
}

impl Identity {
    /// Whether it is the identity of a user: the two share a security identifier.
    fn is_of(&self, user: &User) -> bool {
        let same = |ours: Option<&String>, theirs: Option<&String>| {
            ours.zip(theirs)
                .is_some_and(|(ours, theirs)| !ours.is_empty() && ours.eq_ignore_ascii_case(theirs))
        };
        same(self.cloud_security_identifier.as_ref(), user.security_identifier.as_ref())
            || same(
                self.on_premises_security_identifier.as_ref(),
                user.on_premises_security_identifier.as_ref(),
            )
    }
}

/// A change that is in force when it is answered.
pub(super) const DONE: Receipt = Receipt { remote_id: None, state: RemoteState::Done };

impl Client {
    pub(super) async fn get_user(&self, id: &UserId) -> Result<User, TenantError> {
        let address = self.at(Audience::Graph, USER, "v1.0/users/{id}", &[id.as_str()])?;
        let address = address.query("$select", USER_FIELDS);
        let answer = self.send(&Call::read(Audience::Graph, USER, Request::get(address))).await?;
        let user: User = decode(USER, &answer.body)?;
        is_asked(id, (&user.id, user.user_principal_name.as_deref()))?;
        Ok(user)
    }

    pub(super) async fn get_sessions_valid_from(
        &self,
        id: &UserId,
    ) -> Result<Option<Timestamp>, TenantError> {
        let address = self.at(Audience::Graph, SESSIONS, "v1.0/users/{id}", &[id.as_str()])?;
        let address = address.query("$select", "id,userPrincipalName,signInSessionsValidFromDateTime");
        let answer = self.send(&Call::read(Audience::Graph, SESSIONS, Request::get(address))).await?;
        let found: Sessions = decode(SESSIONS, &answer.body)?;
        is_asked(id, (&found.id, found.user_principal_name.as_deref()))?;
        Ok(found.sign_in_sessions_valid_from_date_time.and_then(|time| time.parse().ok()))
    }

    pub(super) async fn list_directory_roles(&self, id: &UserId) -> Result<Vec<String>, TenantError> {
        let address =
            self.at(Audience::Graph, ROLES, "v1.0/users/{id}/transitiveMemberOf", &[id.as_str()])?;
        let call = Call::read(Audience::Graph, ROLES, Request::get(address.query("$top", "999")));
        let operation = ROLES.operation;
        let mut roles = Vec::new();
        let mut take = |item: &[u8]| {
            let membership: Membership = decode(ROLES, item)?;
            let reason = "it does not say which they are";
            match (membership.kind.as_deref(), membership.display_name) {
                (Some("#microsoft.graph.directoryRole"), Some(name)) => roles.push(name),
                (Some("#microsoft.graph.directoryRole") | None, _) => {
                    return Err(TenantError::Paging { operation, reason });
                }
                (Some(_other), _) => {}
            }
            Ok(More::Wanted)
        };
        match self.each_item(call, MEMBERSHIP_PAGES_MAX, &mut take).await? {
            End::Reached => Ok(roles),
            End::Cut => Err(TenantError::Paging { operation, reason: "it has too many pages" }),
        }
    }

    /// What has to be known of a user before a change is begun.
    async fn user_before(&self, change: &Change<'_>, user: &UserId) -> Result<User, TenantError> {
        self.get_user(user).await.map_err(|error| not_begun(change, error))
    }

    /// Disables or enables an account where it holds: not in Entra ID, if it is mastered elsewhere.
    pub(super) async fn switch_user(
        &self,
        change: &Change<'_>,
        user: &UserId,
        (at, switch): (&AccountAt, Switch),
    ) -> Result<Receipt, TenantError> {
        let wanted = switch == Switch::On;
        if let AccountAt::Mastered(account) = at {
            let action = if wanted { "enable" } else { "disable" };
            return self.invoke_at_provider(change, user, (account, action)).await;
        }
        let now = self.user_before(change, user).await?;
        if now.account_enabled == Some(wanted) {
            return Ok(Receipt { remote_id: None, state: RemoteState::AlreadyInForce });
        }
        if *at == AccountAt::Entra && now.on_premises_sync_enabled == Some(true) {
            return Err(TenantError::Synchronized { user: user.to_string() });
        }
        let address = self.address(change, "v1.0/users/{id}", &[user.as_str()])?;
        let body = json!({"accountEnabled": wanted});
        let request = with_json(asked(change), Request::patch(address), &body)?;
        self.send(&Call::write(change, request)).await?;
        Ok(DONE)
    }

    /// Acts on an account where it is mastered. What guards know is the user, so the identity must be the
    /// user's.
    pub(super) async fn invoke_at_provider(
        &self,
        change: &Change<'_>,
        user: &UserId,
        (account, action): (&MasteredAccount, &str),
    ) -> Result<Receipt, TenantError> {
        let known = self.user_before(change, user).await?;
        let route = "v1.0/security/identities/identityAccounts/{id}";
        let address = self.at(Audience::Graph, IDENTITY, route, &[account.identity.as_str()])?;
        let answer = self.send(&Call::read(Audience::Graph, IDENTITY, Request::get(address))).await;
        let answer = answer.map_err(|error| not_begun(change, error))?;
        let identity: Identity = decode(IDENTITY, &answer.body).map_err(|error| not_begun(change, error))?;
        if !identity.is_of(&known) {
            let (wanted, found) = (user.to_string(), account.identity.to_string());
            return Err(not_begun(change, TenantError::OtherTarget { wanted, found }));
        }
        let asked = Asked { permission: permission::IDENTITY_ACTIONS, ..asked(change) };
        let route = "v1.0/security/identities/identityAccounts/{id}/invokeAction";
        let address = self.address(change, route, &[account.identity.as_str()])?;
        let provider = match account.provider {
            IdentityProvider::ActiveDirectory => "activeDirectory",
            IdentityProvider::Okta => "okta",
        };
        let body = json!({"accountId": account.account, "action": action, "identityProvider": provider});
        let request = with_json(asked, Request::post(address), &body)?;
        self.send(&Call { asked, ..Call::write(change, request) }).await?;
        Ok(DONE)
    }

    /// Tells Entra ID about a user's risk. The API knows object ids only.
    pub(super) async fn set_risk(
        &self,
        change: &Change<'_>,
        (user, risk): (&UserId, Risk),
    ) -> Result<Receipt, TenantError> {
        let id = if user.as_str().contains('@') {
            self.user_before(change, user).await?.id
        } else {
            user.to_string()
        };
        let route = match risk {
            Risk::Compromised => "v1.0/identityProtection/riskyUsers/confirmCompromised",
            Risk::None => "v1.0/identityProtection/riskyUsers/dismiss",
        };
        let address = self.address(change, route, &[])?;
        let request = with_json(asked(change), Request::post(address), &json!({"userIds": [id]}))?;
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

/// Whether a user is the one that was asked about, by id or by name.
fn is_asked(wanted: &UserId, (id, name): (&str, Option<&str>)) -> Result<(), TenantError> {
    let is_it = |text: &str| text.to_lowercase() == wanted.as_str().to_lowercase();
    if is_it(id) || name.is_some_and(is_it) {
        return Ok(());
    }
    Err(TenantError::OtherTarget { wanted: wanted.to_string(), found: shown(id, 64) })
}

/// What came before a change kept it from being begun.
pub(super) fn not_begun(change: &Change<'_>, error: TenantError) -> TenantError {
    TenantError::NotBegun { operation: change.kind().as_str(), source: Box::new(error) }
}
