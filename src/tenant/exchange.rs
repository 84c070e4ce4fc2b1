//! One exchange with an authority: a credential for a token.
//!
//! To add a way to sign in: a variant of [`Credential`], and an arm of [`SignIn::token`], which either fills in a
//! form for the authority or asks somebody else.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::certificate::{AppCertificate, Read, Scheme};
use super::claims::clock_ahead;
use super::credential::{CredentialError, WORKLOAD_TOKEN, fetch};
use super::{Credential, Look, Session, TenantError, signin};
use crate::clock::SharedClock;
use crate::http::{Address, Answer, Http, HttpError, Limits, Repeat, Request};
use crate::model::{Secret, TenantId};

/// Most bytes of a token answer. Tokens with many groups reach some kilobytes.
const TOKEN_BYTES_MAX: u64 = 1 << 20;

/// Longest life believed. The longest the authority issues is 28 hours.
const LIFE_MAX: SignedDuration = SignedDuration::from_hours(48);

/// How Entra numbers a refresh token that serves no more. Other authorities have no numbers.
const SIGN_IN_OVER: u32 = 700_082;

/// What a token is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose {
    /// The API's name in errors.
    pub(super) api: &'static str,
    /// What is asked for: the API's resource and `/.default`.
    pub(super) scope: &'static str,
}

/// A token, fresh from the authority.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) token: Secret,
    /// Before the request was sent: a life counts from then at the latest.
    pub(super) asked_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// How far our clock is ahead of the authority's.
    pub(super) clock_ahead: Option<SignedDuration>,
    /// What to go on with, for a person.
    refresh: Option<Secret>,
}

/// Success of the token endpoint. Unknown members are normal.
#[derive(Deserialize)]
struct Body {
    access_token: Secret,
    #[serde(default)]
    expires_in: Seconds,
    /// Seconds since 1970: all that some platforms say.
    #[serde(default)]
    expires_on: Seconds,
    refresh_token: Option<Secret>,
}

/// Seconds as a number, or as a text of digits (managed identities).
#[derive(Default)]
struct Seconds(Option<i64>);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(value.as_i64().or_else(|| value.as_str()?.parse().ok())))
    }
}

impl Body {
    /// How long the token serves, from when it was asked for.
    fn life(&self, asked_at: Timestamp) -> Option<SignedDuration> {
        let until = |end| Some(asked_at.duration_until(Timestamp::from_second(end).ok()?));
        let life = self.expires_in.0.map(SignedDuration::from_secs);
        let life = life.or_else(|| self.expires_on.0.and_then(until))?;
        Some(life.clamp(SignedDuration::ZERO, LIFE_MAX))
    }
}

/// An app's way in to one tenant.
#[derive(Debug)]
pub(super) struct SignIn {
    /// The tenant's name in errors.
    pub(super) tenant: String,
    /// The token endpoint.
    endpoint: Address,
    credential: Credential,
    http: Http,
    clock: SharedClock,
}

impl SignIn {
    /// Prepares it. Asks nobody.
    pub(super) fn open(
        (tenant, tenant_id, login): (&str, &TenantId, &Address),
        credential: Credential,
        http: Http,
        clock: SharedClock,
    ) -> Result<Self, TenantError> {
        let endpoint = login.at("{tenant}/oauth2/v2.0/token", &[tenant_id.as_str()]).map_err(|source| {
            TenantError::Options {
                tenant: tenant.to_owned(),
                reason: "the token endpoint",
                source: Some(source),
            }
        })?;
        Ok(Self { tenant: tenant.to_owned(), endpoint, credential, http, clock })
    }

    /// Whose way in it is, in errors.
    pub(super) fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Looks at the credential as it is now.
    pub(super) async fn look(&self) -> Result<Look, TenantError> {
        self.credential.look(self.clock.now()).await.map_err(|error| error.of(&self.tenant))
    }

    /// Asks for a token. Asking twice does no harm.
    pub(super) async fn token(&self, purpose: Purpose) -> Result<Issued, TenantError> {
        match &self.credential {
            Credential::ClientSecret { client_id, secret } => {
                let secret = self.fetch("the client secret", secret).await?;
                let proof = [("client_id", client_id.as_str()), ("client_secret", secret.expose())];
                self.as_app(purpose, &proof, &secret).await
            }
            Credential::ClientCertificate { client_id, certificate } => {
                self.with_certificate(purpose, client_id, certificate).await
            }
            Credential::User { client_id, session } => self.as_person(purpose, client_id, session).await,
            Credential::Federated { client_id, token } => {
                let token = self.fetch(WORKLOAD_TOKEN, token).await?;
                self.with_assertion(purpose, client_id, &token).await
            }
            Credential::Managed(identity) => self.managed(purpose, identity).await,
            Credential::Unset { why, .. } => Err(CredentialError::Unset(Arc::clone(why)).of(&self.tenant)),
        }
    }

    async fn fetch(
        &self,
        what: &'static str,
        source: &crate::model::SharedSource,
    ) -> Result<Secret, TenantError> {
        fetch(what, source).await.map_err(|error: CredentialError| error.of(&self.tenant))
    }

    /// Signs with the newer scheme; if that is refused in a way that may mean it, with the older one, which then
    /// stays in use.
    async fn with_certificate(
        &self,
        purpose: Purpose,
        client_id: &str,
        certificate: &AppCertificate,
    ) -> Result<Issued, TenantError> {
        let of_tenant = |error: CredentialError| error.of(&self.tenant);
        let read = certificate.read(self.clock.now()).await.map_err(of_tenant)?;
        certificate.tell_of_end(&self.tenant, read.ends, self.clock.now());
        let scheme = certificate.scheme();
        let refused = match self.signed(purpose, client_id, (&read, scheme)).await {
            Err(error) if scheme == Scheme::Pss && may_mean_the_scheme(&error) => error,
            other => return other,
        };
        match self.signed(purpose, client_id, (&read, Scheme::Older)).await {
            Ok(issued) => {
                certificate.prefer_older();
                Ok(issued)
            }
            Err(_as_well) => Err(refused),
        }
    }

    async fn signed(
        &self,
        purpose: Purpose,
        client_id: &str,
        (read, scheme): (&Read, Scheme),
    ) -> Result<Issued, TenantError> {
        let assertion = read
            .assertion(client_id, self.endpoint.expose(), (self.clock.now(), scheme))
            .map_err(|error| CredentialError::from(error).of(&self.tenant))?;
        self.with_assertion(purpose, client_id, &assertion).await
    }

    /// Asks with a proof that somebody signed (RFC 7523).
    async fn with_assertion(
        &self,
        purpose: Purpose,
        client_id: &str,
        assertion: &Secret,
    ) -> Result<Issued, TenantError> {
        let proof = [
            ("client_id", client_id),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.expose()),
        ];
        self.as_app(purpose, &proof, assertion).await
    }

    /// Goes on with a person's sign-in. What it is replaced by is on the disk before anything is done with the token,
    /// and before anybody else has their turn.
    async fn as_person(
        &self,
        purpose: Purpose,
        client_id: &str,
        session: &Session,
    ) -> Result<Issued, TenantError> {
        let of_tenant = |error: CredentialError| error.of(&self.tenant);
        let turn = session.take_turn().await.map_err(of_tenant)?;
        let token = turn.read().await.map_err(of_tenant)?;
        let scope = [purpose.scope, " offline_access"].concat();
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client_id),
            ("refresh_token", token.expose()),
            ("scope", &scope),
        ];
        let issued = self.exchange(purpose, &form, &token).await.map_err(|mut error| {
            if let TenantError::SignIn { refused, .. } = &mut error {
                refused.of_person = true;
                if refused.hint.is_none() && refused.is_over() {
                    refused.hint = signin::remedy(SIGN_IN_OVER);
                }
            }
            error
        })?;
        if let Some(newer) = &issued.refresh {
            turn.write(newer).await.map_err(of_tenant)?;
        }
        Ok(issued)
    }

    /// Asks for a token of the app itself.
    async fn as_app(
        &self,
        purpose: Purpose,
        proof: &[(&str, &str)],
        secret: &Secret,
    ) -> Result<Issued, TenantError> {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend_from_slice(proof);
        form.push(("scope", purpose.scope));
        self.exchange(purpose, &form, secret).await
    }

    /// Sends a form to the token endpoint. What is `secret` of it is hidden, should the authority repeat it.
    async fn exchange(
        &self,
        purpose: Purpose,
        form: &[(&str, &str)],
        secret: &Secret,
    ) -> Result<Issued, TenantError> {
        let request = Request::post(self.endpoint.clone()).form(form);
        let limits = Limits { bytes_max: TOKEN_BYTES_MAX, ..Limits::default() };
        let asked_at = self.clock.now();
        let answer = self.http.send(&request, Repeat::Safe, &limits).await;
        let answer = answer.map_err(|error| self.refused(purpose, error, &[secret]))?;
        self.issued(&answer, asked_at)
    }

    /// Reads the answer of an authority, or of the platform.
    pub(super) fn issued(&self, answer: &Answer, asked_at: Timestamp) -> Result<Issued, TenantError> {
        let none = |source| TenantError::NotAToken { tenant: self.tenant.clone(), source };
        let body: Body = serde_json::from_slice(&answer.body).map_err(|error| none(blind(&error)))?;
        let life = body.life(asked_at);
        let life =
            life.ok_or_else(|| none(serde::de::Error::custom("it does not say how long it serves")))?;
        Ok(Issued {
            token: body.access_token,
            asked_at,
            expires_at: asked_at.checked_add(life).unwrap_or(Timestamp::MAX),
            clock_ahead: clock_ahead(answer.header("date"), self.clock.now()),
            refresh: body.refresh_token,
        })
    }

    /// Says what a refusal means, without what is `hidden`.
    pub(super) fn refused(&self, purpose: Purpose, error: HttpError, hidden: &[&Secret]) -> TenantError {
        signin::refused((&self.tenant, purpose.api), error, hidden, self.clock.now())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) const fn http(&self) -> &Http {
        &self.http
    }

    pub(super) async fn sleep(&self, length: SignedDuration) {
        self.clock.sleep(length).await;
    }
}

/// Whether a refusal may be one of the signature's scheme: a certificate that is not found by its SHA-256
/// (AADSTS700027), a key that does not fit the algorithm (AADSTS5002730), or `invalid_client` without a number, as
/// other authorities say it.
fn may_mean_the_scheme(error: &TenantError) -> bool {
    let TenantError::SignIn { refused, .. } = error else { return false };
    match refused.aadsts {
        Some(number) => matches!(number, 700_027 | 5_002_730),
        None => refused.error == "invalid_client",
    }
}

/// Keeps the place of a decoding error and drops its words, which can quote the token.
fn blind(error: &serde_json::Error) -> serde_json::Error {
    serde::de::Error::custom(format_args!(
        "no `access_token` at line {}, column {}",
        error.line(),
        error.column()
    ))
}
