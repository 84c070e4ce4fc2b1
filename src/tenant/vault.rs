//! Azure Key Vault: a place of secrets, with an identity of its own that may read them.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::cloud::Endpoints;
use super::exchange::{Purpose, SignIn};
use super::{Cloud, Credential, EndpointOverrides, TenantError};
use crate::clock::SharedClock;
use crate::http::{Address, Http, HttpError, Limits, Repeat, Request, Retry};
use crate::model::{Secret, SecretSource, SecretUnread, TenantId};

/// Version of the vaults' API: the oldest that serves all we need, so that every vault knows it.
const API_VERSION: &str = "7.4";
/// Largest answer. A secret has at most 25 KB.
const BYTES_MAX: u64 = 128 << 10;
/// A token is replaced so long before its end.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// The clouds' vaults: how their names end, and what a token for them is asked for.
const SERVICES: [(&str, &str); 3] = [
    (".vault.azure.net", "https://vault.azure.net/.default"),
    (".vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net/.default"),
    (".vault.azure.cn", "https://vault.azure.cn/.default"),
];

/// A vault, and who reads it.
#[derive(Debug, Clone)]
pub struct VaultOptions {
    /// Its name in the settings.
    pub name: String,
    /// Its address.
    pub url: String,
    /// The tenant its identity is of.
    pub tenant_id: TenantId,
    /// The cloud of that tenant.
    pub cloud: Cloud,
    /// The authority, if it is another than the cloud's.
    pub login: Option<String>,
    /// The identity.
    pub credential: Credential,
}

/// A vault. Asks nobody until a secret is wanted.
#[derive(Debug)]
pub struct Vault {
    name: String,
    address: Address,
    scope: &'static str,
    sign_in: SignIn,
    token: Mutex<Option<(Secret, Timestamp)>>,
    http: Http,
    clock: SharedClock,
}

/// A secret that a vault does not give.
#[derive(Debug, thiserror::Error)]
pub(super) enum VaultError {
    #[error("the identity that reads vault `{vault}` does not get in")]
    SignIn {
        vault: String,
        #[source]
        source: TenantError,
    },
    #[error("vault `{vault}` does not give the secret `{secret}`{}", hint(source))]
    Refused {
        vault: String,
        secret: String,
        #[source]
        source: HttpError,
    },
    #[error("what vault `{vault}` answered holds no secret")]
    Answer { vault: String },
    #[error("the secret `{secret}` of vault `{vault}` is empty")]
    Empty { vault: String, secret: String },
}

impl VaultError {
    /// What to do about it.
    pub(super) const fn remedy(&self) -> &'static str {
        match self {
            Self::SignIn { .. } => "let the identity in that `vaults` of the settings names for it",
            Self::Refused { .. } => "see to the vault: its access, its firewall, and the secret's name",
            Self::Answer { .. } => "check the vault's address (`url`): what answers there is no key vault",
            Self::Empty { .. } => "put the secret's value into the vault",
        }
    }
}

/// What to do about a refusal.
fn hint(error: &HttpError) -> &'static str {
    match error.refusal().map(|refusal| refusal.status) {
        Some(401) => ": the token is not one of its tenant; check the vault's `tenantId`",
        Some(403) => {
            ": give the identity the role `Key Vault Secrets User`; or the secret is disabled, or a firewall is in between"
        }
        Some(404) => ": there is none of this name",
        _ => "",
    }
}

/// A secret of a vault.
#[derive(Debug)]
pub struct VaultSecret {
    vault: Arc<Vault>,
    name: String,
}

/// What a vault answers.
#[derive(Deserialize)]
struct Body {
    value: Secret,
}

impl Vault {
    /// Prepares it.
    ///
    /// # Errors
    ///
    /// [`TenantError::Options`] if it is not the address of a vault: no token is sent elsewhere.
    pub fn open(options: VaultOptions, http: Http, clock: SharedClock) -> Result<Self, TenantError> {
        let VaultOptions { name, url, tenant_id, cloud, login, credential } = options;
        let wrong = |reason, source| TenantError::Options { tenant: name.clone(), reason, source };
        let address = Address::parse(&url).map_err(|error| wrong("the vault's address", Some(error)))?;
        let scope =
            scope(&address).ok_or_else(|| wrong("the vault's address is not that of a key vault", None))?;
        let endpoints =
            Endpoints::resolve(&name, cloud, &EndpointOverrides { login, ..EndpointOverrides::default() })?;
        let way = (name.as_str(), &tenant_id, &endpoints.login);
        let sign_in = SignIn::open(way, credential, http.clone(), clock.clone())?;
        Ok(Self { name, address, scope, sign_in, token: Mutex::default(), http, clock })
    }

    /// A secret of it.
    #[must_use]
    pub fn secret(self: &Arc<Self>, name: &str) -> VaultSecret {
        VaultSecret { vault: Arc::clone(self), name: name.to_owned() }
    }

    /// A token that is good for a while.
    async fn token(&self) -> Result<Secret, TenantError> {
        let mut slot = self.token.lock().await;
        if let Some((token, until)) = &*slot
            && self.clock.now() < *until
        {
            return Ok(token.clone());
        }
        let issued = self.sign_in.token(Purpose { api: "Azure Key Vault", scope: self.scope }).await?;
        let until = issued.expires_at.checked_sub(AHEAD).unwrap_or(issued.expires_at);
        Ok(slot.insert((issued.token, until)).0.clone())
    }

    async fn read(&self, name: &str) -> Result<Secret, SecretUnread> {
        let vault = || self.name.clone();
        let token = self
            .token()
            .await
            .map_err(|source| unread(source.retry(), VaultError::SignIn { vault: vault(), source }))?;
        let refused = |source: HttpError| {
            unread(source.retry(), VaultError::Refused { vault: vault(), secret: name.to_owned(), source })
        };
        let address = self.address.at("secrets/{name}", &[name]).map_err(refused)?;
        let request =
            Request::get(address.query("api-version", API_VERSION)).bearer(&token).map_err(refused)?;
        let limits = Limits { bytes_max: BYTES_MAX, ..Limits::default() };
        let answer = self.http.send(&request, Repeat::Safe, &limits).await;
        if answer.as_ref().is_err_and(|error| error.refusal().is_some_and(|refusal| refusal.status == 401)) {
            // The next one gets a new token.
            *self.token.lock().await = None;
        }
        let answer = answer.map_err(refused)?;
        let body: Body = serde_json::from_slice(&answer.body)
            .map_err(|_it_may_quote| unread(Retry::Never, VaultError::Answer { vault: vault() }))?;
        if body.value.expose().trim().is_empty() {
            return Err(unread(Retry::Never, VaultError::Empty { vault: vault(), secret: name.to_owned() }));
        }
        Ok(body.value)
    }
}

/// Sorts a failure by whether it may pass on its own.
fn unread(retry: Retry, error: VaultError) -> SecretUnread {
    match retry {
        Retry::Never => SecretUnread::Missing(Box::new(error)),
        Retry::After(_) | Retry::Backoff => SecretUnread::Unreached(Box::new(error)),
    }
}

/// What a token for a vault is asked for. On this machine it is the simulated tenant's.
fn scope(address: &Address) -> Option<&'static str> {
    if address.is_loopback() {
        return SERVICES.first().map(|(_, scope)| *scope);
    }
    let host = address.host()?;
    SERVICES.iter().find(|(suffix, _)| host.ends_with(suffix)).map(|(_, scope)| *scope)
}

#[async_trait]
impl SecretSource for VaultSecret {
    async fn fetch(&self) -> Result<Secret, SecretUnread> {
        self.vault.read(&self.name).await
    }
}
