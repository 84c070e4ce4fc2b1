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
    {"required": ["clientSecret"]}, {"required": ["clientCertificate"]}, {"required": ["managedIdentity"]},
    {"required": ["workloadIdentity"]}, {"required": ["partner"]},
    {"required": ["user"]}
]))]
struct AuthItem {
    /// As an application with a secret.
    client_secret: Option<ClientSecretSettings>,
    /// As an application with a certificate.
    client_certificate: Option<ClientCertificateSettings>,
    /// As the identity that Azure gives to what runs on it.
    managed_identity: Option<ManagedIdentitySettings>,
    /// As a workload that another issuer vouches for: Kubernetes, GitHub Actions.
    workload_identity: Option<WorkloadIdentitySettings>,
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
    /// As the identity that Azure gives to what runs on it.
    ManagedIdentity(ManagedIdentitySettings),
    /// As a workload that another issuer vouches for.
    WorkloadIdentity(WorkloadIdentitySettings),
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
        let AuthItem {
            client_secret,
            client_certificate,
            managed_identity,
            workload_identity,
            partner,
            user,
        } = item;
        let ways = [
            client_secret.map(Self::ClientSecret),
            client_certificate.map(Self::ClientCertificate),
            managed_identity.map(Self::ManagedIdentity),
            workload_identity.map(Self::WorkloadIdentity),
            partner.map(Self::Partner),
            user.map(Self::User),
        ];
        let mut given = ways.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(way), None) => Ok(way),
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
    /// Application (client) id, if the settings say it.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        match self {
            Self::ClientSecret(app) => Some(&app.client_id),
            Self::ClientCertificate(app) => Some(&app.client_id),
            Self::ManagedIdentity(identity) => identity.client_id.as_deref(),
            Self::WorkloadIdentity(workload) => workload.client_id.as_deref(),
            Self::Partner(partner) => partner.found.as_deref().and_then(Self::client_id),
            Self::User(user) => Some(&user.client_id),
        }
    }

    /// Every secret it names itself that is found on this machine.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let all = self.references().into_iter().map(|(_, secret)| secret);
        all.filter(|secret| !matches!(secret, SecretRef::KeyVault(_))).collect()
    }

    /// Every reference, by its place below `auth`.
    pub(super) fn references(&self) -> Vec<(&'static str, &SecretRef)> {
        match self {
            Self::ClientSecret(app) => vec![("clientSecret/secret", &app.secret)],
            Self::ClientCertificate(app) => {
                let key = app.key.iter().map(|secret| ("clientCertificate/key", secret));
                let password = app.password.iter().map(|secret| ("clientCertificate/password", secret));
                let certificate = ("clientCertificate/certificate", &app.certificate);
                std::iter::once(certificate).chain(key).chain(password).collect()
            }
            Self::User(user) => user.key.iter().map(|secret| ("user/key", secret)).collect(),
            // A partner's are the application's, and told of there.
            Self::ManagedIdentity(_) | Self::WorkloadIdentity(_) | Self::Partner(_) => Vec::new(),
        }
    }

    /// Whether a reference is to something that anybody may know: a certificate without its key.
    pub(super) fn is_public(&self, at: &str) -> bool {
        matches!(self, Self::ClientCertificate(app) if app.key.is_some()) && at.ends_with("/certificate")
    }

    /// Paths of files and folders other than secrets.
    pub(super) fn paths_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::ClientSecret(_) | Self::ClientCertificate(_) | Self::User(_) => None,
            Self::ManagedIdentity(identity) => identity.arc_keys.as_mut(),
            Self::WorkloadIdentity(workload) => workload.token_file.as_mut(),
            Self::Partner(partner) => partner.found.as_mut().and_then(|app| app.paths_mut()),
        }
    }

    /// Every reference, to be changed.
    pub(super) fn references_mut(&mut self) -> Vec<&mut SecretRef> {
        match self {
            Self::ClientSecret(app) => vec![&mut app.secret],
            Self::ClientCertificate(app) => {
                std::iter::once(&mut app.certificate).chain(&mut app.key).chain(&mut app.password).collect()
            }
            Self::User(user) => user.key.iter_mut().collect(),
            Self::ManagedIdentity(_) | Self::WorkloadIdentity(_) => Vec::new(),
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
            Self::ManagedIdentity(_) => "managedIdentity",
            Self::WorkloadIdentity(_) => "workloadIdentity",
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
    /// file: at least 32 characters, as `openssl rand -base64 32` makes them. Without it, the sign-in is kept in the
    /// keyring of the desktop session.
    pub key: Option<SecretRef>,
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

/// The identity that Azure gives to what runs on it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManagedIdentitySettings {
    /// Client id of a user-assigned identity; the machine's or app's own identity by default.
    #[schemars(extend(
        "pattern" = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        "patternErrorMessage" = "a client id such as `00000000-0000-4000-8000-000000000002`"
    ))]
    pub client_id: Option<String>,
    /// Object (principal) id of a user-assigned identity, in place of its client id.
    #[schemars(length(min = 1))]
    pub object_id: Option<String>,
    /// Resource id of a user-assigned identity, in place of its client id.
    #[schemars(length(min = 1))]
    pub resource_id: Option<String>,
    /// What it runs on. By default `appService` if `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` are in the environment,
    /// `arc` if `IDENTITY_ENDPOINT` and `IMDS_ENDPOINT` are, else `vm`.
    pub host: Option<IdentityHostSettings>,
    /// Where it is asked, if elsewhere than usual: `https`, or `http` to this machine or a link-local address.
    #[schemars(length(min = 1), example = &"http://169.254.169.254/metadata/identity/oauth2/token")]
    pub endpoint: Option<String>,
    /// Folder of the Arc agent's challenges; `/var/opt/azcmagent/tokens` by default.
    #[schemars(length(min = 1))]
    pub arc_keys: Option<PathBuf>,
}

/// What a managed identity runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum IdentityHostSettings {
    /// A virtual machine, a scale set.
    Vm,
    /// App Service, Functions, Container Apps.
    AppService,
    /// A server under Azure Arc.
    Arc,
}

/// A workload that another issuer vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadIdentitySettings {
    /// Application (client) id of the app registration; `AZURE_CLIENT_ID` of the environment by default.
    #[schemars(extend(
        "pattern" = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        "patternErrorMessage" = "a client id such as `00000000-0000-4000-8000-000000000002`"
    ))]
    pub client_id: Option<String>,
    /// File of the workload's token, read anew each time; `AZURE_FEDERATED_TOKEN_FILE` of the environment by default.
    #[schemars(length(min = 1), example = &"/var/run/secrets/azure/tokens/azure-identity-token")]
    pub token_file: Option<PathBuf>,
    /// The token of a job of GitHub Actions, in place of a file. The job needs `permissions: {id-token: write}`.
    pub github: Option<GithubSettings>,
}

/// A job of GitHub Actions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GithubSettings {
    /// The audience of the app's federated credential; `api://AzureADTokenExchange` by default.
    #[schemars(length(min = 1))]
    pub audience: Option<String>,
}
