//! How huntbook signs in: exactly one way for each tenant.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret::SecretRef;

/// How huntbook signs in, as written, key by key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["clientSecret"]}, {"required": ["clientCertificate"]}, {"required": ["partner"]},
    {"required": ["user"]}
]))]
struct AuthItem {
    /// As an application with a secret.
    client_secret: Option<ClientSecretSettings>,
    /// As an application with a certificate.
    client_certificate: Option<ClientCertificateSettings>,
    /// As one of the applications under `apps`, which several tenants consented to.
    partner: Option<PartnerSettings>,
    /// As a person, who signs in with `huntbook login`.
    user: Option<UserSettings>,
}

/// How huntbook signs in to a tenant.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "AuthItem")]
pub enum AuthSettings {
    /// As an application with a secret.
    ClientSecret(ClientSecretSettings),
    /// As an application with a certificate.
    ClientCertificate(ClientCertificateSettings),
    /// As an application that several tenants consented to.
    Partner(PartnerSettings),
    /// As a person, who signs in with `huntbook login`.
    User(UserSettings),
}

/// No way to sign in, or several.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("there is exactly one way to sign in")]
struct NotOneWay;

impl TryFrom<AuthItem> for AuthSettings {
    type Error = NotOneWay;

    fn try_from(item: AuthItem) -> Result<Self, NotOneWay> {
        let AuthItem { client_secret, client_certificate, partner, user } = item;
        match (client_secret, client_certificate, partner, user) {
            (Some(app), None, None, None) => Ok(Self::ClientSecret(app)),
            (None, Some(app), None, None) => Ok(Self::ClientCertificate(app)),
            (None, None, Some(partner), None) => Ok(Self::Partner(partner)),
            (None, None, None, Some(user)) => Ok(Self::User(user)),
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
            Self::Partner(partner) => partner.found.as_deref().map_or("", Self::client_id),
            Self::User(user) => &user.client_id,
        }
    }

    /// Every secret it names itself.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let certificate = if let Self::ClientCertificate(app) = self { Some(&app.certificate) } else { None };
        self.places().into_iter().map(|(_, secret)| secret).chain(certificate).collect()
    }

    /// Every reference to a secret, and where it stands. A certificate without its key is none.
    pub(super) fn places(&self) -> Vec<(&'static str, &SecretRef)> {
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
            Self::User(user) => vec![("user/key", &user.key)],
            // They are the application's, and told of there.
            Self::Partner(_) => Vec::new(),
        }
    }

    /// Every reference, to be changed.
    pub(super) fn references_mut(&mut self) -> Vec<&mut SecretRef> {
        match self {
            Self::ClientSecret(app) => vec![&mut app.secret],
            Self::ClientCertificate(app) => {
                std::iter::once(&mut app.certificate).chain(&mut app.key).chain(&mut app.password).collect()
            }
            Self::User(user) => vec![&mut user.key],
            Self::Partner(partner) => {
                partner.found.as_mut().map_or_else(Vec::new, |app| app.references_mut())
            }
        }
    }
}

/// An application that several tenants consented to: written once, under `apps`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartnerSettings {
    /// Its name under `apps`.
    #[schemars(length(min = 1), example = &"soc")]
    pub app: String,
    /// What stands there.
    #[serde(skip)]
    pub(super) found: Option<Box<AuthSettings>>,
}

impl AuthSettings {
    /// Which of the ways it is, as the settings spell it.
    #[must_use]
    pub const fn context(&self) -> &'static str {
        match self {
            Self::ClientSecret(_) => "clientSecret",
            Self::ClientCertificate(_) => "clientCertificate",
            Self::Partner(_) => "partner",
            Self::User(_) => "user",
        }
    }

    /// How the application proves itself: what stands under `apps`, for one that stands there.
    #[must_use]
    pub fn app(&self) -> &Self {
        match self {
            Self::Partner(PartnerSettings { found: Some(app), .. }) => app,
            own => own,
        }
    }
}

/// A person who signs in, to an application that keeps no secret.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserSettings {
    /// Application (client) id of an app registration that allows public client flows, with delegated permissions.
    #[schemars(extend(
        "pattern" = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        "patternErrorMessage" = "a client id such as `00000000-0000-4000-8000-000000000002`"
    ))]
    pub client_id: String,
    /// Where the key is found with which the sign-in is kept encrypted, in the folder `sessions` beside the state
    /// file: at least 32 characters, as `openssl rand -base64 32` makes them.
    pub key: SecretRef,
    /// The file it is kept in.
    #[serde(skip)]
    pub(super) kept: PathBuf,
}

impl UserSettings {
    /// The file in which the sign-in is kept.
    #[must_use]
    pub fn kept(&self) -> &Path {
        &self.kept
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
