//! Signed proofs of applications: with a registered certificate's key, or by another issuer that an application
//! trusts (workload identity federation). They are verified as the directory does it.

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::app::SimApp;
use super::call::shown;
use super::token::{Aadsts, SKEW};

/// What a proof says.
#[derive(Debug, Deserialize)]
struct Claims {
    #[serde(default)]
    aud: String,
    #[serde(default)]
    iss: String,
    #[serde(default)]
    sub: String,
    #[serde(default)]
    jti: String,
    #[serde(default)]
    nbf: i64,
    #[serde(default)]
    exp: i64,
    #[serde(default)]
    idtyp: Option<String>,
}

/// Whom a proof has to convince.
pub(super) struct Judge<'a> {
    /// The addresses of the token endpoint it may be meant for.
    pub(super) endpoints: Vec<String>,
    /// The issuer that lives beside the directory, and its key.
    pub(super) own_issuer: String,
    pub(super) issuer: &'a DecodingKey,
    pub(super) now: Timestamp,
}

impl Judge<'_> {
    /// Takes a proof, or says what is wrong with it.
    pub(super) fn check(&self, app: &SimApp, assertion: &str) -> Result<(), Aadsts> {
        let malformed = || invalid(50_027, "JWT token is invalid or malformed.");
        let header = jsonwebtoken::decode_header(assertion).map_err(|_none| malformed())?;
        let claims: Claims =
            jsonwebtoken::dangerous::insecure_decode_claims(assertion).map_err(|_none| malformed())?;
        if header.x5t.is_none() && header.x5t_s256.is_none() {
            return self.federated(app, assertion, &claims);
        }
        let own = app.certificates.iter().filter_map(|der| Registered::read(der)).find(|one| {
            header.x5t_s256.as_ref().is_some_and(|print| *print == one.sha256)
                || header.x5t_s256.is_none() && header.x5t.as_ref().is_some_and(|print| *print == one.sha1)
        });
        let own = own.ok_or_else(|| {
            let text = "The certificate with identifier used to sign the client assertion is not registered on application.";
            invalid(700_027, text)
        })?;
        if !matches!(header.alg, Algorithm::PS256 | Algorithm::RS256)
            || !is_signed(assertion, &own.key, header.alg)
        {
            return Err(invalid(700_027, "Client assertion contains an invalid signature."));
        }
        if claims.iss != app.client_id || claims.sub != app.client_id {
            return Err(invalid(50_012, "The issuer and the subject must be the application's identifier."));
        }
        if !self.endpoints.contains(&claims.aud) {
            return Err(invalid(50_012, "Client assertion audience claim does not match Realm issuer."));
        }
        if claims.jti.is_empty() || !self.is_timely(&claims) {
            return Err(invalid(700_024, "Client assertion is not within its valid time range."));
        }
        Ok(())
    }

    /// A proof of another issuer: some federated credential of the application names exactly it.
    fn federated(&self, app: &SimApp, assertion: &str, claims: &Claims) -> Result<(), Aadsts> {
        let entra = claims.iss.starts_with("https://sts.windows.net/")
            || claims.iss.starts_with("https://login.microsoftonline.com/");
        if entra && claims.idtyp.as_deref() != Some("app") {
            let text = "Only app-only tokens may be used as a Federated Identity Credential.";
            return Err(invalid(700_229, text));
        }
        let fits = app.federated.iter().any(|trusted| {
            let issuer = trusted.issuer.as_ref().unwrap_or(&self.own_issuer);
            *issuer == claims.iss && trusted.subject == claims.sub && trusted.audience == claims.aud
        });
        if !fits {
            let text = format!(
                "No matching federated identity record found for presented assertion. Assertion Issuer: '{}'. Assertion Subject: '{}'. Assertion Audience: '{}'.",
                shown(&claims.iss),
                shown(&claims.sub),
                shown(&claims.aud)
            );
            return Err(Aadsts::new((StatusCode::BAD_REQUEST, "invalid_request", 70_021), text));
        }
        if !is_signed(assertion, self.issuer, Algorithm::RS256) {
            return Err(invalid(50_013, "Assertion failed signature validation."));
        }
        if !self.is_timely(claims) {
            return Err(invalid(700_024, "Client assertion is not within its valid time range."));
        }
        Ok(())
    }

    fn is_timely(&self, claims: &Claims) -> bool {
        let (now, skew) = (self.now.as_second(), SKEW.as_secs());
        claims.nbf <= now.saturating_add(skew) && now < claims.exp.saturating_add(skew)
    }
}

fn invalid(code: u32, text: &str) -> Aadsts {
    Aadsts::new((StatusCode::UNAUTHORIZED, "invalid_client", code), text.to_owned())
}

/// Whether a proof has this key's signature; its time is looked at elsewhere, by the tenant's clock.
fn is_signed(assertion: &str, key: &DecodingKey, algorithm: Algorithm) -> bool {
    let mut rules = Validation::new(algorithm);
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    jsonwebtoken::decode::<serde_json::Value>(assertion, key, &rules).is_ok()
}

/// A registered certificate.
struct Registered {
    sha256: String,
    sha1: String,
    key: DecodingKey,
}

impl Registered {
    fn read(der: &[u8]) -> Option<Self> {
        let (_rest, certificate) = X509Certificate::from_der(der).ok()?;
        let print = |algorithm| URL_SAFE_NO_PAD.encode(digest::digest(algorithm, der));
        Some(Self {
            sha256: print(&SHA256),
            sha1: print(&SHA1_FOR_LEGACY_USE_ONLY),
            key: DecodingKey::from_rsa_der(&certificate.public_key().subject_public_key.data),
        })
    }
}

/// The certificates in a PEM text.
pub(super) fn certificates(pem: &[u8]) -> Vec<Vec<u8>> {
    let parts = Pem::iter_from_buffer(pem).map_while(Result::ok);
    parts.filter(|part| part.label == "CERTIFICATE").map(|part| part.contents).collect()
}
