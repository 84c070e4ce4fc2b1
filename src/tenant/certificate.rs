//! An app's certificate: read from PEM or PFX, and what is signed with its key.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use p12_keystore::Pkcs12Archive;
use serde_json::{Value, json};
use x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::credential::{CredentialError, fetch};
use crate::model::{Secret, SharedSource};

/// How long what is signed serves. The authority sets no limit; long enough for the repeats of one request, and for
/// clocks that differ.
const ASSERTION_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// From when on the end of a certificate is told of.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// From when on it is urgent.
const AT_ONCE: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How often the log tells of it.
const TOLD_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// Where a certificate and its key are found.
#[derive(Debug)]
pub struct AppCertificate {
    certificate: SharedSource,
    key: Option<SharedSource>,
    password: Option<SharedSource>,
    /// Whether the authority takes nothing but the older signature.
    older: AtomicBool,
    /// When its end was told of last.
    told: Mutex<Option<Timestamp>>,
}

/// A certificate that cannot be used. Never contains a part of its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// There is none.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// A certificate cannot be read.
    #[error("the certificate is damaged")]
    Damaged,
    /// There is no key.
    #[error("there is no private key beside the certificate; name the file of the key as `key`")]
    NoKey,
    /// The key cannot be read.
    #[error(
        "the private key cannot be read: it must be an RSA key of at least 2048 bits, as PKCS#8 or PKCS#1"
    )]
    BadKey,
    /// A PEM key with a password.
    #[error("the private key is encrypted; write it without a password (mode 0600), or take a PFX file")]
    Encrypted,
    /// The password is another one.
    #[error("the password does not open the PFX file")]
    Password,
    /// Something else than expected.
    #[error("it is neither PEM nor PFX (PKCS#12)")]
    Form,
    /// A key of another kind.
    #[error("its key is not an RSA key, and the authority takes no other")]
    NotRsa,
    /// The halves do not fit.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// Its time is over.
    #[error("the certificate ended at {0:.0}")]
    Ended(Timestamp),
    /// Its time has not come.
    #[error("the certificate is not valid before {0:.0}")]
    NotYet(Timestamp),
    /// The library failed.
    #[error("nothing can be signed with the key")]
    Unsigned,
}

impl CertificateError {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Ended(_) => {
                "make a new certificate, register it with the app, and put it in this one's place"
            }
            Self::NotYet(_) => "set the clock of this machine, or take a certificate that is good already",
            Self::Mismatch | Self::NoKey => "put the private key of this certificate beside it",
            Self::Encrypted | Self::Password => "say the password (`password`), or write the key without one",
            Self::NotRsa | Self::BadKey => {
                "make a certificate with an RSA key of at least 2048 bits, and register it"
            }
            Self::NoCertificate | Self::Damaged | Self::Form | Self::Unsigned => {
                "put a certificate and its key there, as PEM or PFX"
            }
        }
    }
}

/// How soon a certificate ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Within 30 days.
    Soon,
    /// Within 14 days.
    AtOnce,
}

impl Ending {
    /// Whether a certificate that ends then should be replaced.
    #[must_use]
    pub fn of(ends: Timestamp, now: Timestamp) -> Option<Self> {
        match now.duration_until(ends) {
            left if left <= AT_ONCE => Some(Self::AtOnce),
            left if left <= SOON => Some(Self::Soon),
            _ => None,
        }
    }
}

/// Days until `ends`, begun ones not counted.
#[must_use]
pub fn days_left(ends: Timestamp, now: Timestamp) -> i64 {
    now.duration_until(ends).as_hours() / 24
}

impl AppCertificate {
    /// A certificate as PEM or as PFX, in text or base64; its key, if it is elsewhere (PEM); the password of a PFX.
    #[must_use]
    pub fn new(certificate: SharedSource, key: Option<SharedSource>, password: Option<SharedSource>) -> Self {
        Self { certificate, key, password, older: AtomicBool::new(false), told: Mutex::default() }
    }

    /// Reads it as it is now.
    pub(super) async fn read(&self, now: Timestamp) -> Result<Read, CredentialError> {
        let certificate = fetch("the certificate", &self.certificate).await?;
        let key = match &self.key {
            Some(source) => Some(fetch("the private key", source).await?),
            None => None,
        };
        let password = match &self.password {
            Some(source) => Some(fetch("the password of the certificate", source).await?),
            None => None,
        };
        let password = password.as_ref().map(Secret::expose);
        let read = Read::parse(certificate.expose(), key.as_ref().map(Secret::expose), password)?;
        if read.ends <= now {
            return Err(CertificateError::Ended(read.ends).into());
        }
        if now < read.begins {
            return Err(CertificateError::NotYet(read.begins).into());
        }
        Ok(read)
    }

    /// Which signature the authority has taken last.
    pub(super) fn scheme(&self) -> Scheme {
        if self.older.load(Ordering::Relaxed) { Scheme::Older } else { Scheme::Pss }
    }

    /// Remembers that the authority takes nothing but the older signature.
    pub(super) fn prefer_older(&self) {
        self.older.store(true, Ordering::Relaxed);
    }

    /// Tells the log when the certificate ends soon, once a day.
    pub(super) fn tell_of_end(&self, tenant: &str, ends: Timestamp, now: Timestamp) {
        let Some(ending) = Ending::of(ends, now) else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| told.duration_until(now) < TOLD_EVERY) {
            return;
        }
        *told = Some(now);
        let days = days_left(ends, now);
        if ending == Ending::AtOnce {
            tracing::error!(tenant, %ends, days, "the app's certificate has to be replaced");
        } else {
            tracing::warn!(tenant, %ends, days, "the app's certificate ends soon");
        }
    }
}

/// How something is signed, and how the certificate is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// PS256, the certificate by its SHA-256.
    Pss,
    /// RS256, the certificate by its SHA-1, for authorities that know no other.
    Older,
}

/// A certificate with its key.
pub(super) struct Read {
    pub(super) der: Vec<u8>,
    key: KeyPair,
    begins: Timestamp,
    pub(super) ends: Timestamp,
}

/// What a certificate says of itself.
struct Facts {
    begins: Timestamp,
    ends: Timestamp,
    /// Its public key, if that is an RSA key.
    rsa: Option<Vec<u8>>,
}

impl Facts {
    fn of(der: &[u8]) -> Result<Self, CertificateError> {
        let (_rest, certificate) =
            X509Certificate::from_der(der).map_err(|_damaged| CertificateError::Damaged)?;
        let instant =
            |seconds: i64| Timestamp::from_second(seconds).map_err(|_beyond| CertificateError::Damaged);
        let public = certificate.public_key();
        let is_rsa = public.algorithm.algorithm == OID_PKCS1_RSAENCRYPTION;
        Ok(Self {
            begins: instant(certificate.validity().not_before.timestamp())?,
            ends: instant(certificate.validity().not_after.timestamp())?,
            rsa: is_rsa.then(|| public.subject_public_key.data.to_vec()),
        })
    }
}

/// What was found in files.
#[derive(Default)]
struct Parts {
    certificates: Vec<Vec<u8>>,
    key: Option<KeyPair>,
}

impl Parts {
    /// Takes what is in a PEM text.
    fn pem(&mut self, text: &str) -> Result<(), CertificateError> {
        for part in Pem::iter_from_buffer(text.as_bytes()) {
            let Pem { label, contents } = part.map_err(|_damaged| CertificateError::Form)?;
            let bad = |_rejected| CertificateError::BadKey;
            match label.as_str() {
                "CERTIFICATE" => self.certificates.push(contents),
                "PRIVATE KEY" => self.pkcs8(&contents)?,
                "RSA PRIVATE KEY" if text.contains("Proc-Type:") => return Err(CertificateError::Encrypted),
                "RSA PRIVATE KEY" => self.key = Some(KeyPair::from_der(&contents).map_err(bad)?),
                "EC PRIVATE KEY" => return Err(CertificateError::NotRsa),
                "ENCRYPTED PRIVATE KEY" => return Err(CertificateError::Encrypted),
                _ => {}
            }
        }
        Ok(())
    }

    fn pkcs8(&mut self, der: &[u8]) -> Result<(), CertificateError> {
        self.key = Some(KeyPair::from_pkcs8(der).map_err(|_rejected| CertificateError::BadKey)?);
        Ok(())
    }

    /// Takes what is in a PFX file.
    fn pfx(&mut self, der: &[u8], password: &str) -> Result<(), CertificateError> {
        use p12_keystore::error::Error;
        let archive = Pkcs12Archive::from_pkcs12(der, password).map_err(|error| match error {
            Error::MacError(_) | Error::UnpadError | Error::Pkcs5Error(_) => CertificateError::Password,
            _ => CertificateError::Form,
        })?;
        self.certificates.extend(archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()));
        match archive.keys.first() {
            Some(bag) => self.pkcs8(bag.key.as_der()),
            None => Ok(()),
        }
    }
}

impl Read {
    fn parse(text: &str, key: Option<&str>, password: Option<&str>) -> Result<Self, CertificateError> {
        let mut parts = Parts::default();
        // A certificate of another kind is said to be one, whatever becomes of its key.
        let keys = if is_pem(text) {
            parts.pem(text)
        } else {
            let packed: String = text.split_whitespace().collect();
            let der = STANDARD.decode(packed).map_err(|_neither| CertificateError::Form)?;
            parts.pfx(&der, password.unwrap_or_default())
        };
        let keys = keys.and_then(|()| match key {
            Some(key) if is_pem(key) => parts.pem(key),
            Some(_) => Err(CertificateError::BadKey),
            None => Ok(()),
        });
        let mut found = Vec::new();
        for der in parts.certificates {
            found.push((Facts::of(&der)?, der));
        }
        if !found.is_empty() && found.iter().all(|(facts, _)| facts.rsa.is_none()) {
            return Err(CertificateError::NotRsa);
        }
        keys?;
        if found.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let key = parts.key.ok_or(CertificateError::NoKey)?;
        let own = |(facts, _): &(Facts, Vec<u8>)| facts.rsa.as_deref() == Some(key.public_key().as_ref());
        let (facts, der) = found.into_iter().find(own).ok_or(CertificateError::Mismatch)?;
        Ok(Self { der, key, begins: facts.begins, ends: facts.ends })
    }

    /// What proves to the authority at `endpoint` that we are the app.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        endpoint: &str,
        (now, scheme): (Timestamp, Scheme),
    ) -> Result<Secret, CertificateError> {
        let (begins, ends) = (now.as_second(), now.as_second().saturating_add(ASSERTION_LIFE.as_secs()));
        let claims = json!({
            "aud": endpoint, "iss": client_id, "sub": client_id, "jti": uuid::Uuid::new_v4().to_string(),
            "nbf": begins, "iat": begins, "exp": ends,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut text = format!("{}.{}", part(&self.header(scheme)), part(&claims));
        let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = match scheme {
            Scheme::Pss => &RSA_PSS_SHA256,
            Scheme::Older => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(padding, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_unspecified| CertificateError::Unsigned)?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut text);
        Ok(Secret::new(text))
    }

    /// The thumbprint is of the certificate's bytes, not of their hexadecimal form.
    fn header(&self, scheme: Scheme) -> Value {
        let print = |algorithm| URL_SAFE_NO_PAD.encode(digest::digest(algorithm, &self.der));
        match scheme {
            Scheme::Pss => json!({"alg": "PS256", "typ": "JWT", "x5t#S256": print(&SHA256)}),
            Scheme::Older => json!({"alg": "RS256", "typ": "JWT", "x5t": print(&SHA1_FOR_LEGACY_USE_ONLY)}),
        }
    }
}

fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN ")
}
