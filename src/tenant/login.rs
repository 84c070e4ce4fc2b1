//! A person signs in: with a code on another device (RFC 8628), or in a browser (authorization code with PKCE,
//! RFC 7636). What comes of it is a refresh token.

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::client::ClientOptions;
use super::cloud::{Cloud, Endpoints};
use super::envelope::shown;
use super::{Audience, TenantError, signin};
use crate::clock::SharedClock;
use crate::http::{Address, Http, Limits, Repeat, Request, Retry};
use crate::model::{Secret, TenantId};

/// Most bytes of an answer.
const BYTES_MAX: u64 = 1 << 20;
/// How often the authority is asked whether somebody has signed in, if it does not say.
const INTERVAL: SignedDuration = SignedDuration::from_secs(5);
/// Longest pause while the authority cannot be reached.
const INTERVAL_MAX: SignedDuration = SignedDuration::from_mins(1);
/// Longest time anybody is waited for.
const LIFE_MAX: SignedDuration = SignedDuration::from_mins(30);
/// How it is named when it fails.
const FOR: &str = "the sign-in";

/// The way a person signs in to a tenant.
#[derive(Debug)]
pub struct Login {
    tenant: String,
    tenant_id: TenantId,
    cloud: Cloud,
    authority: Address,
    client_id: String,
    http: Http,
    clock: SharedClock,
}

/// What a person needs to sign in on another device.
#[derive(Debug)]
pub struct DeviceCode {
    /// What they type in.
    pub user_code: String,
    /// Where.
    pub page: String,
    code: Secret,
    interval: SignedDuration,
    ends: Timestamp,
}

/// A sign-in in a browser that has begun.
#[derive(Debug)]
pub struct Begun {
    /// The page to open.
    pub page: String,
    /// What comes back with the code; an answer with another one is not ours.
    pub state: String,
    verifier: Secret,
    back: String,
}

#[derive(Deserialize)]
struct DeviceAnswer {
    device_code: Secret,
    user_code: String,
    verification_uri: String,
    expires_in: i64,
    interval: Option<i64>,
}

/// What the authority issues. The access token is not used.
#[derive(Deserialize)]
struct Issued {
    refresh_token: Option<Secret>,
}

impl Login {
    /// Prepares a sign-in to a tenant. Asks nobody.
    ///
    /// # Errors
    ///
    /// [`TenantError::Options`] if an endpoint cannot be used.
    pub fn open(
        options: &ClientOptions,
        client_id: &str,
        http: Http,
        clock: SharedClock,
    ) -> Result<Self, TenantError> {
        let endpoints = Endpoints::resolve(&options.name, options.cloud, &options.endpoints)?;
        Ok(Self {
            tenant: options.name.clone(),
            tenant_id: options.tenant_id.clone(),
            cloud: options.cloud,
            authority: endpoints.login,
            client_id: client_id.to_owned(),
            http,
            clock,
        })
    }

    /// Begins a sign-in on another device.
    ///
    /// # Errors
    ///
    /// [`TenantError::SignIn`] if the authority refuses it.
    pub async fn device_code(&self) -> Result<DeviceCode, TenantError> {
        let scope = self.scope();
        let form = [("client_id", self.client_id.as_str()), ("scope", scope.as_str())];
        let body = self.post("{tenant}/oauth2/v2.0/devicecode", &form, &Secret::new(String::new())).await?;
        let answer: DeviceAnswer = serde_json::from_slice(&body).map_err(|error| self.unread(&error))?;
        let life = SignedDuration::from_secs(answer.expires_in).clamp(SignedDuration::ZERO, LIFE_MAX);
        let interval = answer.interval.map_or(INTERVAL, SignedDuration::from_secs);
        Ok(DeviceCode {
            user_code: shown(&answer.user_code, 64),
            page: shown(&answer.verification_uri, 300),
            code: answer.device_code,
            interval: interval.clamp(SignedDuration::from_secs(1), LIFE_MAX),
            ends: self.clock.now().checked_add(life).unwrap_or(Timestamp::MAX),
        })
    }

    /// Waits until the person has signed in on the other device; returns the refresh token.
    ///
    /// # Errors
    ///
    /// [`TenantError::SignIn`] if they declined, or the code has ended.
    pub async fn wait_for(&self, code: &DeviceCode) -> Result<Secret, TenantError> {
        let mut interval = code.interval;
        loop {
            self.clock.sleep(interval).await;
            let form = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                ("client_id", self.client_id.as_str()),
                ("device_code", code.code.expose()),
            ];
            let error = match self.redeemed(&form, &code.code).await {
                Err(error) if self.clock.now() < code.ends => error,
                other => return other,
            };
            match &error {
                TenantError::SignIn { refused, .. } if refused.error == "authorization_pending" => {}
                TenantError::SignIn { refused, .. } if refused.error == "slow_down" => {
                    // RFC 8628, 3.5.
                    interval = interval.saturating_add(SignedDuration::from_secs(5));
                }
                _ => match error.retry() {
                    Retry::Never => return Err(error),
                    // A lost answer throws no code away that somebody is typing in; RFC 8628, 3.5.
                    Retry::After(pause) => interval = interval.max(pause).min(LIFE_MAX),
                    Retry::Backoff => interval = interval.saturating_mul(2).min(INTERVAL_MAX.max(interval)),
                },
            }
        }
    }

    /// Begins a sign-in in a browser, which comes back to `back` on this machine.
    ///
    /// # Errors
    ///
    /// [`TenantError::Options`] if there is no such address.
    pub fn begin(&self, back: &str) -> Result<Begun, TenantError> {
        let (verifier, state) = (random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        let page = self.at("{tenant}/oauth2/v2.0/authorize")?;
        let page = page
            .query("client_id", &self.client_id)
            .query("response_type", "code")
            .query("redirect_uri", back)
            .query("response_mode", "query")
            .query("scope", &self.scope())
            .query("state", &state)
            .query("code_challenge", &challenge)
            .query("code_challenge_method", "S256")
            .query("prompt", "select_account");
        let page = page.expose().to_owned();
        Ok(Begun { page, state, verifier: Secret::new(verifier), back: back.to_owned() })
    }

    /// Turns the code that the browser brought into a refresh token.
    ///
    /// # Errors
    ///
    /// [`TenantError::SignIn`] if the authority refuses it.
    pub async fn redeem(&self, begun: &Begun, code: &Secret) -> Result<Secret, TenantError> {
        let scope = self.scope();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", self.client_id.as_str()),
            ("code", code.expose()),
            ("redirect_uri", begun.back.as_str()),
            ("code_verifier", begun.verifier.expose()),
            ("scope", scope.as_str()),
        ];
        self.redeemed(&form, code).await
    }

    /// What is asked for: a token for Graph, which other APIs' tokens follow from, and one to go on with.
    fn scope(&self) -> String {
        format!("{} offline_access", self.cloud.scope(Audience::Graph))
    }

    async fn redeemed(&self, form: &[(&str, &str)], secret: &Secret) -> Result<Secret, TenantError> {
        let body = self.post("{tenant}/oauth2/v2.0/token", form, secret).await?;
        let issued: Issued = serde_json::from_slice(&body).map_err(|error| self.unread(&error))?;
        issued.refresh_token.ok_or_else(|| TenantError::Options {
            tenant: self.tenant.clone(),
            reason: "the authority issued no refresh token: the app must be allowed `offline_access`",
            source: None,
        })
    }

    async fn post(
        &self,
        route: &str,
        form: &[(&str, &str)],
        secret: &Secret,
    ) -> Result<Vec<u8>, TenantError> {
        let request = Request::post(self.at(route)?).form(form);
        let limits = Limits { bytes_max: BYTES_MAX, ..Limits::default() };
        let sent = self.http.send(&request, Repeat::Unsafe, &limits).await;
        let answer =
            sent.map_err(|error| signin::refused((&self.tenant, FOR), error, &[secret], self.clock.now()))?;
        Ok(answer.body.to_vec())
    }

    fn at(&self, route: &str) -> Result<Address, TenantError> {
        let failed = |source| TenantError::Options {
            tenant: self.tenant.clone(),
            reason: "endpoint `login`",
            source: Some(source),
        };
        self.authority.at(route, &[self.tenant_id.as_str()]).map_err(failed)
    }

    /// An answer that cannot be read is not shown: it may hold a token.
    fn unread(&self, error: &serde_json::Error) -> TenantError {
        let place =
            format!("it is not what was asked for at line {}, column {}", error.line(), error.column());
        TenantError::NotAToken { tenant: self.tenant.clone(), source: serde::de::Error::custom(place) }
    }
}

/// A text nobody can guess.
fn random() -> Result<String, TenantError> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_it_says_nothing| TenantError::Options {
        tenant: String::new(),
        reason: "this machine gives no random numbers",
        source: None,
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
