//! How huntbook signs in: exactly one way for each tenant.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret::SecretRef;

/// How huntbook signs in, as written, key by key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["clientSecret"]}]))]
struct AuthItem {
    /// As an application with a secret.
    client_secret: Option<ClientSecretSettings>,
}

/// How huntbook signs in to a tenant.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "AuthItem")]
pub enum AuthSettings {
    /// As an application with a secret.
    ClientSecret(ClientSecretSettings),
}

/// No way to sign in, or several.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("there is exactly one way to sign in")]
struct NotOneWay;

impl TryFrom<AuthItem> for AuthSettings {
    type Error = NotOneWay;

    fn try_from(item: AuthItem) -> Result<Self, NotOneWay> {
        let AuthItem { client_secret } = item;
        match client_secret {
            Some(secret) => Ok(Self::ClientSecret(secret)),
            None => Err(NotOneWay),
        }
    }
}

impl JsonSchema for AuthSettings {
    fn schema_name() -> Cow<'static, str> {
        "AuthSettings".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        AuthItem::json_schema(generator)
    }
}

impl AuthSettings {
    /// Application (client) id of the app registration.
    #[must_use]
    pub fn client_id(&self) -> &str {
        let Self::ClientSecret(secret) = self;
        &secret.client_id
    }

    /// Every reference to a secret.
    pub(super) fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        let Self::ClientSecret(app) = self;
        vec![("clientSecret/secret", &app.secret)]
    }

    /// The same, to be changed.
    pub(super) fn secrets_mut(&mut self) -> Vec<&mut SecretRef> {
        let Self::ClientSecret(app) = self;
        vec![&mut app.secret]
    }
}

/// An application with a secret.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientSecretSettings {
    /// Application (client) id of the app registration.
    #[schemars(extend(
        "pattern" = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        "patternErrorMessage" = "a client id such as `00000000-0000-4000-8000-000000000002`"
    ))]
    pub client_id: String,
    /// Where the secret is found.
    pub secret: SecretRef,
}
