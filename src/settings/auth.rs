//! How huntbook signs in: exactly one way for each tenant.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret::SecretRef;

/// How huntbook signs in, as written, key by key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["clientSecret"]}, {"required": ["clientCertificate"]}]))]
struct AuthItem {
    /// As an application with a secret.
    client_secret: Option<ClientSecretSettings>,
    /// As an application with a certificate.
    client_certificate: Option<ClientCertificateSettings>,
}

/// How huntbook signs in to a tenant.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "AuthItem")]
pub enum AuthSettings {
    /// As an application with a secret.
    ClientSecret(ClientSecretSettings),
    /// As an application with a certificate.
    ClientCertificate(ClientCertificateSettings),
}

/// No way to sign in, or several.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("there is exactly one way to sign in")]
struct NotOneWay;

impl TryFrom<AuthItem> for AuthSettings {
    type Error = NotOneWay;

    fn try_from(item: AuthItem) -> Result<Self, NotOneWay> {
        let AuthItem { client_secret, client_certificate } = item;
        match (client_secret, client_certificate) {
            (Some(app), None) => Ok(Self::ClientSecret(app)),
            (None, Some(app)) => Ok(Self::ClientCertificate(app)),
            _ => Err(NotOneWay),
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
        match self {
            Self::ClientSecret(app) => &app.client_id,
            Self::ClientCertificate(app) => &app.client_id,
        }
    }

    /// Every reference to a secret. A certificate without its key is none.
    pub(super) fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        match self {
            Self::ClientSecret(app) => vec![("clientSecret/secret", &app.secret)],
            Self::ClientCertificate(app) => {
                let key = match &app.key {
                    Some(key) => ("clientCertificate/key", key),
                    None => ("clientCertificate/certificate", &app.certificate),
                };
                let password = app.password.iter().map(|secret| ("clientCertificate/password", secret));
                std::iter::once(key).chain(password).collect()
            }
        }
    }

    /// Every reference, to be changed.
    pub(super) fn references_mut(&mut self) -> Vec<&mut SecretRef> {
        match self {
            Self::ClientSecret(app) => vec![&mut app.secret],
            Self::ClientCertificate(app) => {
                std::iter::once(&mut app.certificate).chain(&mut app.key).chain(&mut app.password).collect()
            }
        }
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

/// An application with a certificate.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificateSettings {
    /// Application (client) id of the app registration.
    #[schemars(extend(
        "pattern" = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        "patternErrorMessage" = "a client id such as `00000000-0000-4000-8000-000000000002`"
    ))]
    pub client_id: String,
    /// Where the certificate is found, with its private key: PEM, or PFX (PKCS#12; in a text as base64).
    pub certificate: SecretRef,
    /// Where the private key is found (PEM), if it is not beside the certificate.
    pub key: Option<SecretRef>,
    /// Where the password of the PFX is found.
    pub password: Option<SecretRef>,
}
