//! The identity that the platform gives to what runs on it: a virtual machine, an App Service or Functions app, a
//! server under Azure Arc. No secret is kept anywhere; the platform answers only from within.

use std::path::Path;

use jiff::SignedDuration;

use super::TenantError;
use super::credential::CredentialError;
use super::exchange::{Issued, Purpose, SignIn};
use crate::http::{Address, Answer, HttpError, Limits, Repeat, Request};
use crate::model::{Secret, SharedFolder};

/// Where a virtual machine asks, unless told otherwise.
pub const VM_ENDPOINT: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
/// Where a server under Azure Arc asks, unless told otherwise.
pub const ARC_ENDPOINT: &str = "http://127.0.0.1:40342/metadata/identity/oauth2/token";
/// Where the agent of Azure Arc puts the files that only its machine can read.
pub const ARC_KEYS: &str = "/var/opt/azcmagent/tokens";

/// Largest file of a challenge; the agent writes some hundred bytes.
const KEY_BYTES_MAX: usize = 4096;

/// Waits after a failure that may pass; five tries in all.
const WAITS: [SignedDuration; 4] = [
    SignedDuration::from_secs(2),
    SignedDuration::from_secs(4),
    SignedDuration::from_secs(8),
    SignedDuration::from_secs(16),
];
/// The service is being replaced (410), which takes up to 70 seconds.
const REPLACED_WAIT: SignedDuration = SignedDuration::from_secs(10);
const REPLACED_TRIES: usize = 7;

/// An identity of the platform.
#[derive(Debug, Clone)]
pub struct ManagedIdentity {
    /// Who is asked.
    pub host: IdentityHost,
    /// Which one, if not the machine's or app's own.
    pub which: Option<WhichIdentity>,
}

/// What kind of platform it is.
#[derive(Debug, Clone)]
pub enum IdentityHost {
    /// A virtual machine or scale set.
    Vm {
        /// Where it asks.
        endpoint: String,
    },
    /// App Service, Functions, Container Apps.
    AppService {
        /// Where it asks.
        endpoint: String,
        /// What only the app knows.
        header: Secret,
    },
    /// A server under Azure Arc.
    Arc {
        /// Where it asks.
        endpoint: String,
        /// Where the challenges are.
        keys: SharedFolder,
    },
}

/// Which of several identities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichIdentity {
    /// By its client id.
    Client(String),
    /// By its object (principal) id.
    Object(String),
    /// By its resource id.
    Resource(String),
}

impl ManagedIdentity {
    /// The request for a token.
    fn request(&self, purpose: Purpose) -> Result<Request, HttpError> {
        let resource = purpose.scope.strip_suffix("/.default").unwrap_or(purpose.scope);
        let (endpoint, version, (name, value)) = match &self.host {
            IdentityHost::Vm { endpoint } => (endpoint, "2018-02-01", ("metadata", "true")),
            IdentityHost::AppService { endpoint, header } => {
                (endpoint, "2019-08-01", ("x-identity-header", header.expose()))
            }
            IdentityHost::Arc { endpoint, .. } => (endpoint, "2020-06-01", ("metadata", "true")),
        };
        let mut address =
            Address::parse_near(endpoint)?.query("api-version", version).query("resource", resource);
        if let Some(which) = &self.which {
            let (name, value) = which.parameter(&self.host);
            address = address.query(name, value);
        }
        Request::get(address).header(name, value)
    }
}

impl WhichIdentity {
    /// What each platform calls it.
    fn parameter(&self, host: &IdentityHost) -> (&'static str, &str) {
        let app = matches!(host, IdentityHost::AppService { .. });
        match self {
            Self::Client(id) => ("client_id", id),
            Self::Object(id) if app => ("principal_id", id),
            Self::Object(id) => ("object_id", id),
            Self::Resource(id) if app => ("mi_res_id", id),
            Self::Resource(id) => ("msi_res_id", id),
        }
    }
}

impl SignIn {
    /// Asks the platform.
    pub(super) async fn managed(
        &self,
        purpose: Purpose,
        identity: &ManagedIdentity,
    ) -> Result<Issued, TenantError> {
        let hidden: &[&Secret] = match &identity.host {
            IdentityHost::AppService { header, .. } => &[header],
            IdentityHost::Vm { .. } | IdentityHost::Arc { .. } => &[],
        };
        let failed = |error| self.refused(purpose, error, hidden);
        let request = identity.request(purpose).map_err(failed)?;
        let asked_at = self.now();
        let answer = match (self.patiently(&request).await, &identity.host) {
            (Err(error), IdentityHost::Arc { keys, .. }) if challenge(&error).is_some() => {
                let key = self.key(challenge(&error).unwrap_or_default(), keys).await?;
                let proof = ["Basic ", key.expose()].concat();
                let request = request.header("authorization", &proof).map_err(failed)?;
                self.patiently(&request).await.map_err(|error| self.refused(purpose, error, &[&key]))?
            }
            (answer, _) => answer.map_err(failed)?,
        };
        self.issued(&answer, asked_at)
    }

    /// Sends a request as long as the platform's documentation says that it may pass.
    async fn patiently(&self, request: &Request) -> Result<Answer, HttpError> {
        let (mut failures, mut replaced) = (WAITS.iter(), 0);
        loop {
            let error = match self.http().send(request, Repeat::Never, &Limits::default()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let wait = match error.refusal().map(|refusal| refusal.status) {
                Some(410) if replaced < REPLACED_TRIES => {
                    replaced += 1;
                    Some(&REPLACED_WAIT)
                }
                Some(404 | 429 | 500..) => failures.next(),
                _ => None,
            };
            let Some(wait) = wait else { return Err(error) };
            self.sleep(*wait).await;
        }
    }

    /// Reads the file that a challenge names: one of the agent's, and nothing else, because whoever answers on that
    /// port is given what is in it.
    async fn key(&self, challenge: &str, keys: &SharedFolder) -> Result<Secret, TenantError> {
        let failed = |error: CredentialError| error.of(&self.tenant);
        let path = Path::new(challenge);
        let is_own = path.extension().is_some_and(|end| end == "key") && path.parent() == Some(keys.path());
        let (Some(name), true) = (path.file_name().and_then(|name| name.to_str()), is_own) else {
            return Err(failed(CredentialError::Challenge));
        };
        let read = keys.fetch(name).await;
        let key =
            read.map_err(|source| CredentialError::Unread { what: "the challenge of the Arc agent", source });
        let key = key.map_err(failed)?;
        if KEY_BYTES_MAX < key.expose().len() { Err(failed(CredentialError::Challenge)) } else { Ok(key) }
    }
}

/// The file that a refusal of the Arc agent names.
fn challenge(error: &HttpError) -> Option<&str> {
    let refusal = error.refusal().filter(|refusal| refusal.status == 401)?;
    refusal.header("www-authenticate")?.strip_prefix("Basic realm=").map(|path| path.trim_matches('"'))
}
