//! Tokens: asked for, kept until shortly before their end, asked for once however many want one.
//!
//! One slot for each audience of one tenant, so a token can reach no other tenant. A slot's lock is
//! held while a token is asked for; whoever comes meanwhile waits for the same answer, or, while the
//! old token is still good, goes on with it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::TenantError;
use super::claims::{self, TokenFacts};
use super::cloud::{Cloud, Endpoints};
use super::signin;
use crate::clock::SharedClock;
use crate::http::{Answer, Http, Limits, Repeat, Request};
use crate::model::{Secret, TenantId};

/// Most bytes of a token answer. Tokens with many groups reach some kilobytes.
const TOKEN_BYTES_MAX: u64 = 1 << 20;

/// A token is replaced this long before its end, or a tenth of its life if that is longer; clocks
/// differ by minutes, and a hunt runs for minutes.
const AHEAD_MIN: SignedDuration = SignedDuration::from_mins(5);

/// After a failed replacement the old token is used this long before the next try.
const AHEAD_PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// Longest life believed. The longest the authority issues is 28 hours.
const LIFE_MAX: SignedDuration = SignedDuration::from_hours(48);

/// The API a token is for. Tokens are not interchangeable between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Audience {
    /// Microsoft Graph.
    Graph,
    /// Defender for Endpoint.
    Mde,
    /// Defender XDR (the legacy hunting endpoint).
    Xdr,
}

impl Audience {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Graph, Self::Mde, Self::Xdr];

    /// The name under which the portal's permission page lists the API.
    #[must_use]
    pub const fn portal_name(self) -> &'static str {
        match self {
            Self::Graph => "Microsoft Graph",
            Self::Mde => "WindowsDefenderATP",
            Self::Xdr => "Microsoft Threat Protection",
        }
    }

    /// The id of the API's own application, the same in every tenant.
    #[must_use]
    pub const fn app_id(self) -> &'static str {
        match self {
            Self::Graph => "00000003-0000-0000-c000-000000000000",
            Self::Mde => "fc780465-2017-40d4-a0c5-307022471b92",
            Self::Xdr => "8ee8fdad-f234-4243-8f3b-15c294843740",
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Graph => "Microsoft Graph",
            Self::Mde => "Defender for Endpoint",
            Self::Xdr => "Defender XDR",
        })
    }
}

/// How the app proves itself to the authority.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A client secret.
    ClientSecret {
        /// The app's id.
        client_id: String,
        /// The secret's value (not its id).
        secret: Secret,
    },
}

impl Credential {
    /// What is odd about it, if anything, before anybody is asked; nothing of a secret is told.
    #[must_use]
    pub fn oddity(&self) -> Option<&'static str> {
        let Self::ClientSecret { secret, .. } = self;
        let secret = secret.expose();
        if secret != secret.trim() {
            return Some("the client secret begins or ends with a blank or a line break");
        }
        let is_id = uuid::Uuid::try_parse(secret).is_ok();
        is_id.then_some("the client secret has the form of an id; use the secret's value, not its id")
    }
}

/// A token in use.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) secret: Secret,
    pub(super) facts: TokenFacts,
    issued_at: Timestamp,
    refresh_at: Timestamp,
}

impl Token {
    /// Refuses a token of another tenant, or of none.
    pub(super) fn check_tenant(&self, wanted: &TenantId) -> Result<(), TenantError> {
        let found = self.facts.tenant_id.as_deref().unwrap_or_default();
        if found.eq_ignore_ascii_case(wanted.as_str()) {
            return Ok(());
        }
        Err(TenantError::WrongTenant { wanted: wanted.clone(), found: super::envelope::shown(found, 64) })
    }
}

/// Success of the token endpoint. Unknown members are normal.
#[derive(Deserialize)]
struct Issued {
    access_token: Secret,
    #[serde(deserialize_with = "seconds")]
    expires_in: i64,
}

/// Seconds as a number, or as a text of digits (managed identities).
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let seconds = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    seconds.ok_or_else(|| serde::de::Error::custom("`expires_in` is not a number of seconds"))
}

/// The tokens of one tenant.
#[derive(Debug)]
pub(super) struct Tokens {
    tenant: String,
    tenant_id: TenantId,
    cloud: Cloud,
    endpoints: Endpoints,
    credential: Credential,
    http: Http,
    clock: SharedClock,
    slots: BTreeMap<Audience, Slot>,
}

/// The token of one audience, and the lock of whoever asks for the next. The lock holds when the next
/// try ahead of time is due.
#[derive(Debug, Default)]
struct Slot {
    current: RwLock<Option<Arc<Token>>>,
    flight: Mutex<Option<Timestamp>>,
}

impl Slot {
    fn current(&self) -> Option<Arc<Token>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, token: Option<Arc<Token>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = token;
    }
}

/// Whose tokens, and where from.
pub(super) struct TokensOptions {
    pub(super) tenant: String,
    pub(super) tenant_id: TenantId,
    pub(super) cloud: Cloud,
    pub(super) endpoints: Endpoints,
    pub(super) credential: Credential,
}

impl Tokens {
    pub(super) fn new(options: TokensOptions, http: Http, clock: SharedClock) -> Self {
        let TokensOptions { tenant, tenant_id, cloud, endpoints, credential } = options;
        let slots = Audience::ALL.into_iter().map(|audience| (audience, Slot::default())).collect();
        Self { tenant, tenant_id, cloud, endpoints, credential, http, clock, slots }
    }

    /// Returns a token that is good for a while.
    pub(super) async fn get(&self, audience: Audience) -> Result<Arc<Token>, TenantError> {
        let slot = self.slot(audience);
        let now = self.clock.now();
        match slot.current() {
            Some(token) if now < token.refresh_at => Ok(token),
            Some(token) if now < token.facts.expires_at => Ok(self.ahead(slot, audience, token).await),
            _ => self.replace(slot, audience, None).await,
        }
    }

    /// Returns the token at hand, good or not.
    pub(super) fn known(&self, audience: Audience) -> Option<Arc<Token>> {
        self.slot(audience).current()
    }

    /// Returns a token that was issued within `age_max`. If an older one cannot be replaced, it stays in use.
    pub(super) async fn newer(
        &self,
        audience: Audience,
        age_max: SignedDuration,
    ) -> Result<Arc<Token>, TenantError> {
        let token = self.get(audience).await?;
        let is_new = |token: &Token| token.issued_at.duration_until(self.clock.now()) < age_max;
        if is_new(&token) {
            return Ok(token);
        }
        let slot = self.slot(audience);
        let mut pause = slot.flight.lock().await;
        if let Some(token) = slot.current().filter(|current| is_new(current)) {
            return Ok(token);
        }
        let token = self.request(audience).await?;
        *pause = None;
        slot.put(Some(Arc::clone(&token)));
        Ok(token)
    }

    /// Returns a token other than the one the API has rejected.
    pub(super) async fn after_rejection(
        &self,
        audience: Audience,
        rejected: &Arc<Token>,
    ) -> Result<Arc<Token>, TenantError> {
        self.replace(self.slot(audience), audience, Some(rejected)).await
    }

    /// Keeps a token no longer.
    pub(super) fn forget(&self, audience: Audience, token: &Arc<Token>) {
        let mut current = self.slot(audience).current.write().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|current| Arc::ptr_eq(current, token));
    }

    fn slot(&self, audience: Audience) -> &Slot {
        self.slots.get(&audience).expect("there is a slot for each audience, made in `new`")
    }

    /// Replaces a token that is still good; goes on with it if somebody else is at it or it fails.
    async fn ahead(&self, slot: &Slot, audience: Audience, token: Arc<Token>) -> Arc<Token> {
        let Ok(mut pause) = slot.flight.try_lock() else { return token };
        let now = self.clock.now();
        if pause.is_some_and(|until| now < until) {
            return token;
        }
        // Somebody may have finished between the look at the slot and the lock.
        if let Some(current) = slot.current().filter(|current| now < current.refresh_at) {
            return current;
        }
        match self.request(audience).await {
            Ok(fresh) => {
                *pause = None;
                slot.put(Some(Arc::clone(&fresh)));
                fresh
            }
            Err(error) => {
                *pause = now.checked_add(AHEAD_PAUSE).ok();
                tracing::warn!(
                    tenant = self.tenant,
                    %audience,
                    error = %crate::diag::Chain(&error),
                    "the token could not be replaced ahead of its end; the old one stays in use"
                );
                token
            }
        }
    }

    /// Asks for a token, unless somebody else got one while we waited for our turn.
    async fn replace(
        &self,
        slot: &Slot,
        audience: Audience,
        rejected: Option<&Arc<Token>>,
    ) -> Result<Arc<Token>, TenantError> {
        let mut pause = slot.flight.lock().await;
        let now = self.clock.now();
        let other = slot.current().filter(|current| {
            now < current.facts.expires_at && !rejected.is_some_and(|rejected| Arc::ptr_eq(rejected, current))
        });
        if let Some(token) = other {
            return Ok(token);
        }
        slot.put(None);
        let token = self.request(audience).await?;
        *pause = None;
        slot.put(Some(Arc::clone(&token)));
        Ok(token)
    }

    /// One exchange with the authority. Asking twice does no harm.
    async fn request(&self, audience: Audience) -> Result<Arc<Token>, TenantError> {
        let options = |source| TenantError::Options {
            tenant: self.tenant.clone(),
            reason: "the token endpoint",
            source: Some(source),
        };
        let address = self
            .endpoints
            .login
            .at("{tenant}/oauth2/v2.0/token", &[self.tenant_id.as_str()])
            .map_err(options)?;
        let Credential::ClientSecret { client_id, secret } = &self.credential;
        let request = Request::post(address).form(&[
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", secret.expose()),
            ("scope", self.cloud.scope(audience)),
        ]);
        let limits = Limits { bytes_max: TOKEN_BYTES_MAX, ..Limits::default() };
        let asked_at = self.clock.now();
        let answer =
            self.http.send(&request, Repeat::Safe, &limits).await.map_err(|error| {
                signin::refused((&self.tenant, audience), error, secret, self.clock.now())
            })?;
        self.issued(&answer, asked_at).map(Arc::new)
    }

    /// Reads the authority's answer.
    fn issued(&self, answer: &Answer, asked_at: Timestamp) -> Result<Token, TenantError> {
        let issued: Issued = serde_json::from_slice(&answer.body).map_err(|source| {
            TenantError::NotAToken { tenant: self.tenant.clone(), source: blind(&source) }
        })?;
        let life = SignedDuration::from_secs(issued.expires_in).clamp(SignedDuration::ZERO, LIFE_MAX);
        let expires_at = asked_at.checked_add(life).unwrap_or(Timestamp::MAX);
        let ahead = AHEAD_MIN.max(life / 10).min(life / 2);
        let refresh_at = expires_at.checked_sub(ahead).unwrap_or(asked_at);
        let facts = TokenFacts {
            clock_ahead: claims::clock_ahead(answer.header("date"), self.clock.now()),
            ..TokenFacts::read(&issued.access_token, expires_at)
        };
        Ok(Token { secret: issued.access_token, facts, issued_at: asked_at, refresh_at })
    }
}

/// Keeps the place of a decoding error and drops its words, which can quote the token.
fn blind(error: &serde_json::Error) -> serde_json::Error {
    serde::de::Error::custom(format_args!(
        "no `access_token` and `expires_in` at line {}, column {}",
        error.line(),
        error.column()
    ))
}
