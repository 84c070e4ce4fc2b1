//! What an app proves itself with, and where that is found.
//!
//! Nothing is kept: what a credential needs is fetched whenever a token is asked for, so a secret that was replaced
//! where it is found serves from the next token on.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;

use super::certificate::{AppCertificate, CertificateError};
use super::federated::GithubError;
use super::managed::{ManagedIdentity, WhichIdentity};
use super::vault::VaultError;
use super::{Session, SessionError, TenantError};
use crate::model::{Secret, SecretUnread, SharedSource};

/// What the token of another issuer is called in errors.
pub(super) const WORKLOAD_TOKEN: &str = "the workload's token";

/// How the app proves itself to the authority.
#[derive(Debug, Clone)]
pub enum Credential {
    /// With a client secret.
    ClientSecret {
        /// The app's id.
        client_id: String,
        /// Where the secret's value (not its id) is found.
        secret: SharedSource,
    },
    /// With the key of a certificate.
    ClientCertificate {
        /// The app's id.
        client_id: String,
        /// Where both are found.
        certificate: Arc<AppCertificate>,
    },
    /// As a person, who signed in before.
    User {
        /// The app's id.
        client_id: String,
        /// What is kept of their sign-in.
        session: Arc<Session>,
    },
    /// With what another issuer says of this workload.
    Federated {
        /// The app's id.
        client_id: String,
        /// Where the other issuer's token is found.
        token: SharedSource,
    },
    /// As what runs on the platform: no proof at all.
    Managed(ManagedIdentity),
    /// Not at all: what the settings count on is not there in this process.
    Unset {
        /// The app's id, if the settings say it.
        client_id: Option<String>,
        /// What is not there.
        why: Arc<dyn Error + Send + Sync>,
    },
}

/// What can be said of a credential before the authority is asked; nothing of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// What is odd about it.
    pub oddity: Option<&'static str>,
    /// When it ends, if it does.
    pub ends: Option<Timestamp>,
    /// Which it is.
    pub print: Print,
}

/// Tells one credential from the one that replaces it, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Print([u8; 32]);

impl Print {
    pub(super) fn of(proof: &[u8]) -> Self {
        digest(&SHA256, proof).as_ref().try_into().map(Self).unwrap_or_default()
    }
}

impl fmt::Debug for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Print(..)")
    }
}

/// A credential that cannot be used. Never contains a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// A part of it cannot be fetched.
    #[error("{what} cannot be fetched")]
    Unread {
        /// Which part.
        what: &'static str,
        /// Why.
        #[source]
        source: SecretUnread,
    },
    /// The agent of Azure Arc names a file that is none of its own, or too large to be one.
    #[error("the challenge of the Arc agent is not one of its files; it was not read")]
    Challenge,
    /// The certificate is not usable.
    #[error("the certificate cannot be used")]
    Certificate(#[from] CertificateError),
    /// What the settings count on is not there in this process.
    #[error("this process was not given what it signs in with")]
    Unset(#[source] Arc<dyn Error + Send + Sync>),
    /// A person's sign-in is not usable.
    #[error("the person's sign-in cannot be used; `huntbook login` with the tenant's name signs in")]
    Session(#[from] SessionError),
}

impl CredentialError {
    /// Whether it may pass on its own.
    #[must_use]
    pub const fn passes(&self) -> bool {
        match self {
            Self::Unread { source, .. } => matches!(source, SecretUnread::Unreached(_)),
            Self::Certificate(_) | Self::Session(_) | Self::Challenge | Self::Unset(_) => false,
        }
    }

    /// What to do about it, if that is more than to put a good one in its place.
    #[must_use]
    pub fn remedy(&self, tenant: &str) -> Option<String> {
        Some(match self {
            Self::Unread { what, source } => return unread_remedy(what, source).map(str::to_owned),
            Self::Challenge => "see what answers in the place of the Arc agent, and set `arcKeys` if it keeps its files elsewhere".to_owned(),
            Self::Certificate(error) => error.remedy().to_owned(),
            Self::Session(error) => error.remedy(tenant),
            Self::Unset(_) => return None,
        })
    }

    /// Says whose it is.
    pub(super) fn of(self, tenant: &str) -> TenantError {
        TenantError::Credential { tenant: tenant.to_owned(), source: self }
    }
}

impl Credential {
    /// The app's id; of an identity of the platform only if it was chosen by it.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        match self {
            Self::ClientSecret { client_id, .. }
            | Self::ClientCertificate { client_id, .. }
            | Self::User { client_id, .. }
            | Self::Federated { client_id, .. } => Some(client_id),
            Self::Managed(identity) => match &identity.which {
                Some(WhichIdentity::Client(id)) => Some(id),
                _ => None,
            },
            Self::Unset { client_id, .. } => client_id.as_deref(),
        }
    }

    /// Looks at it as it is now.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] if it cannot be used at all.
    pub async fn look(&self, now: Timestamp) -> Result<Look, CredentialError> {
        match self {
            Self::ClientSecret { secret, .. } => {
                let secret = fetch("the client secret", secret).await?;
                Ok(Look { oddity: oddity(&secret), ..Look::of(&secret) })
            }
            Self::ClientCertificate { certificate, .. } => {
                let read = certificate.read(now).await?;
                Ok(Look { oddity: None, ends: Some(read.ends), print: Print::of(&read.der) })
            }
            Self::User { session, .. } => Ok(Look::of(&session.take_turn().await?.read().await?)),
            Self::Federated { token, .. } => Ok(Look::of(&fetch(WORKLOAD_TOKEN, token).await?)),
            Self::Managed(_) => Ok(Look::default()),
            Self::Unset { why, .. } => Err(CredentialError::Unset(Arc::clone(why))),
        }
    }
}

impl Look {
    fn of(secret: &Secret) -> Self {
        Self { print: Print::of(secret.expose().as_bytes()), ..Self::default() }
    }
}

/// What is odd about a client secret.
fn oddity(secret: &Secret) -> Option<&'static str> {
    let secret = secret.expose();
    if secret != secret.trim() {
        return Some("the client secret begins or ends with a blank or a line break");
    }
    let is_id = uuid::Uuid::try_parse(secret).is_ok();
    is_id.then_some("the client secret has the form of an id; use the secret's value, not its id")
}

/// What to do about a part of a credential that cannot be fetched.
fn unread_remedy(what: &str, unread: &SecretUnread) -> Option<&'static str> {
    let (SecretUnread::Missing(error) | SecretUnread::Unreached(error)) = unread;
    if let Some(error) = error.downcast_ref::<VaultError>() {
        return Some(error.remedy());
    }
    if error.is::<GithubError>() {
        return Some(
            "let the job have a token (`permissions: {id-token: write}`), and take its variables anew in each job",
        );
    }
    (what == WORKLOAD_TOKEN).then_some(
        "see that the platform writes the workload's token into that file, and that huntbook may read it",
    )
}

/// Fetches a part of a credential.
pub(super) async fn fetch(what: &'static str, source: &SharedSource) -> Result<Secret, CredentialError> {
    source.fetch().await.map_err(|source| CredentialError::Unread { what, source })
}
