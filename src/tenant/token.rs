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

use super::claims::TokenFacts;
use super::cloud::Cloud;
use super::exchange::{Issued, Purpose, SignIn};
use super::rejected::Rejections;
use super::{Look, TenantError};
use crate::clock::SharedClock;
use crate::model::{Secret, TenantId};

/// A token is replaced this long before its end, or a tenth of its life if that is longer; clocks
/// differ by minutes, and a hunt runs for minutes.
const AHEAD_MIN: SignedDuration = SignedDuration::from_mins(5);

/// After a failed replacement the old token is used this long before the next try.
const AHEAD_PAUSE: SignedDuration = SignedDuration::from_secs(30);

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

    /// What people call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Graph => "Microsoft Graph",
            Self::Mde => "Defender for Endpoint",
            Self::Xdr => "Defender XDR",
        }
    }

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
        f.write_str(self.as_str())
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

    /// Whether it is the other, issued once more: the platform keeps an identity's token for up to a day.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.secret.expose() == other.secret.expose()
    }
}

/// The tokens of one tenant.
#[derive(Debug)]
pub(super) struct Tokens {
    cloud: Cloud,
    sign_in: SignIn,
    clock: SharedClock,
    slots: BTreeMap<Audience, Slot>,
}

/// The token of one audience, and the lock of whoever asks for the next. The lock holds when the next
/// try ahead of time is due.
#[derive(Debug, Default)]
struct Slot {
    current: RwLock<Option<Arc<Token>>>,
    flight: Mutex<Option<Timestamp>>,
    rejections: Rejections,
}

impl Slot {
    fn current(&self) -> Option<Arc<Token>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, token: Option<Arc<Token>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = token;
    }
}

impl Tokens {
    pub(super) fn new(cloud: Cloud, sign_in: SignIn, clock: SharedClock) -> Self {
        let slots = Audience::ALL.into_iter().map(|audience| (audience, Slot::default())).collect();
        Self { cloud, sign_in, clock, slots }
    }

    /// Looks at what tokens are asked for with.
    pub(super) async fn look(&self) -> Result<Look, TenantError> {
        self.sign_in.look().await
    }

    /// Returns a token that is good for a while, unless the API accepts none.
    pub(super) async fn get(&self, audience: Audience) -> Result<Arc<Token>, TenantError> {
        let slot = self.slot(audience);
        let now = self.clock.now();
        if let Some(rejected) = slot.rejections.in_force(now) {
            let (tenant, api) = (self.sign_in.tenant().to_owned(), audience.as_str());
            return Err(TenantError::Rejected { tenant, api, rejected: Box::new(rejected) });
        }
        match slot.current() {
            Some(token) if now < token.refresh_at => Ok(token),
            Some(token) if now < token.facts.expires_at => Ok(self.ahead(slot, audience, token).await),
            _ => self.replace(slot, audience, None).await,
        }
    }

    /// How an API has taken the tokens.
    pub(super) fn rejections(&self, audience: Audience) -> &Rejections {
        &self.slot(audience).rejections
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
        let before = slot.current();
        let token = self.request(audience, before.as_deref()).await?;
        *pause = None;
        slot.put(Some(Arc::clone(&token)));
        Ok(token)
    }

    /// Returns a token in place of the one the API has rejected.
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
        match self.request(audience, Some(&token)).await {
            Ok(fresh) => {
                *pause = None;
                slot.put(Some(Arc::clone(&fresh)));
                fresh
            }
            Err(error) => {
                *pause = now.checked_add(AHEAD_PAUSE).ok();
                tracing::warn!(
                    tenant = self.sign_in.tenant(),
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
        let before = slot.current();
        slot.put(None);
        let token = self.request(audience, before.as_deref()).await?;
        *pause = None;
        slot.put(Some(Arc::clone(&token)));
        Ok(token)
    }

    /// One exchange with the authority. What is the same as before is as old as it was before.
    async fn request(&self, audience: Audience, before: Option<&Token>) -> Result<Arc<Token>, TenantError> {
        let purpose = Purpose { api: audience.as_str(), scope: self.cloud.scope(audience) };
        let Issued { token, asked_at, expires_at, clock_ahead, .. } = self.sign_in.token(purpose).await?;
        let life = asked_at.duration_until(expires_at);
        let ahead = AHEAD_MIN.max(life / 10).min(life / 2);
        let refresh_at = expires_at.checked_sub(ahead).unwrap_or(asked_at);
        let facts = TokenFacts { clock_ahead, ..TokenFacts::read(&token, expires_at) };
        let token = Token { secret: token, facts, issued_at: asked_at, refresh_at };
        let before = before.filter(|before| before.is_same(&token));
        Ok(Arc::new(Token { issued_at: before.map_or(asked_at, |before| before.issued_at), ..token }))
    }
}
