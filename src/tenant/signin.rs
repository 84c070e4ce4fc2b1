//! What the authority says when it refuses, and what to do about it.

use jiff::Timestamp;
use serde::Deserialize;

use super::claims::clock_ahead;
use super::envelope::shown;
use super::{SignInRefused, TenantError};
use crate::http::{HttpError, Retry};
use crate::model::Secret;

/// Longest description kept, in characters.
const DESCRIPTION_MAX: usize = 600;

/// The authority's error body.
#[derive(Debug, Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
    #[serde(default)]
    error_codes: Vec<u32>,
    #[serde(default)]
    correlation_id: Option<String>,
    #[serde(default)]
    trace_id: Option<String>,
}

/// Turns a failed token request into an error that says what to do and holds no secret.
pub(super) fn refused(
    (tenant, api): (&str, &'static str),
    error: HttpError,
    hidden: &[&Secret],
    now: Timestamp,
) -> TenantError {
    let Some(refusal) = error.refusal() else {
        return TenantError::Authority { tenant: tenant.to_owned(), api, source: error };
    };
    let envelope: Envelope = serde_json::from_slice(&refusal.body).unwrap_or_default();
    let description = envelope.error_description.unwrap_or_default();
    let aadsts = envelope.error_codes.first().copied().or_else(|| number(&description));
    let without = |text: String, secret: &&Secret| text.replace(secret.expose(), "(secret)");
    // Nothing is found between any two letters.
    let hidden = || hidden.iter().filter(|secret| !secret.expose().is_empty());
    let clean = |text: String, most| shown(&hidden().fold(text, without), most);
    let hint = aadsts.and_then(remedy);
    let passes = aadsts.is_some_and(passes);
    let refused = SignInRefused {
        error: envelope
            .error
            .map_or_else(|| ["status ", &refusal.status.to_string()].concat(), |text| clean(text, 64)),
        aadsts,
        description: clean(description, DESCRIPTION_MAX),
        correlation_id: envelope.correlation_id.or(envelope.trace_id).map(|text| clean(text, 64)),
        hint,
        of_person: false,
        clock_ahead: clock_ahead(refusal.header("date"), now),
        retry: match error.retry() {
            Retry::Never if passes => Retry::Backoff,
            other => other,
        },
    };
    TenantError::SignIn { tenant: tenant.to_owned(), api, refused: Box::new(refused) }
}

/// The number behind `AADSTS`, for authorities that do not send `error_codes`.
fn number(description: &str) -> Option<u32> {
    let (_, after) = description.split_once("AADSTS")?;
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    after.get(..digits)?.parse().ok()
}

/// What to do about a refusal of the authority, by the number behind `AADSTS`.
///
/// Source: the authority's error code reference; texts are ours.
#[must_use]
pub const fn remedy(aadsts: u32) -> Option<&'static str> {
    let text = match aadsts {
        7_000_215 => "the client secret is wrong; use the secret's value, not its id",
        7_000_222 => "the client secret has expired; make a new one",
        7_000_218 => "the authority wants a client secret or certificate",
        700_025 => "the app is registered as a public client; it must not send a secret",
        700_027 => {
            "the certificate is not registered with the app, or its key is another one; upload the certificate"
        }
        700_024 | 500_133 | 50_013 => {
            "the signed proof is not valid at this time; set the clock of this machine"
        }
        50_012 => {
            "the signed proof is refused; check the certificate, the tenant's id and this machine's clock"
        }
        700_030 => "the certificate's subject is not allowed for the app",
        70_021 => "no federated credential of the app fits the token; check its issuer, subject and audience",
        5_002_730 => "the authority does not take the key of the certificate; it must be an RSA key",
        700_229 => "a federated token of this authority must be an application's",
        700_016 => "the app is not known in this tenant; check the tenant id, or consent is missing",
        700_011 | 70_001 | 7_000_112 => "the app is disabled or deleted in this tenant",
        90_002 => "the tenant is not known; check its id and cloud",
        90_038 | 900_432 | 900_382 => "the tenant lives in another cloud; set `cloud`",
        500_011 => "the API is not set up in this tenant; it may lack a Defender licence",
        650_052 | 650_054 | 650_056 | 650_057 => "the app's permissions are incomplete; add them and consent",
        65_001 | 90_094 | 90_095 => "an administrator has to consent to the app's permissions",
        70_011 | 28_002 | 28_003 | 700_022 | 700_023 | 901_002 => "the scope is not one of this cloud",
        50_194 | 9_001_023 | 90_130 | 90_124 => "use the tenant's own id",
        53_000 | 53_001 | 53_003 | 530_032 | 530_035 => "a Conditional Access policy blocks the app",
        50_173 | 700_082 | 70_008 | 70_043 | 54_005 => {
            "the person's sign-in has ended or was revoked; sign in again: `huntbook login` and the tenant's name"
        }
        70_019 | 70_020 => "the code has ended; sign in again",
        50_076 | 50_079 | 50_158 => "the person has to prove more, such as a second factor; sign in again",
        50_105 => "the person is not assigned to the app",
        50_034 | 50_020 | 50_126 => "the person is not known in the tenant, or the password is wrong",
        50_196 => "the authority sees too many identical requests",
        90_055 | 90_006 | 90_024 | 90_033 | 50_000 | 90_012 | 90_090 => "the authority is busy",
        _ => return None,
    };
    Some(text)
}

/// What the administrators of a tenant made of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// They have not consented to it, or never heard of it.
    Missing,
    /// They switched it off, or removed it.
    Withdrawn,
    /// An API that it wants is not there: the tenant may lack a licence.
    NoApi,
}

/// What a refusal says of the consent of a tenant's administrators, by the number behind `AADSTS`.
#[must_use]
pub const fn consent(aadsts: u32) -> Option<Consent> {
    match aadsts {
        65_001 | 90_094 | 90_095 | 700_016 => Some(Consent::Missing),
        7_000_112 | 700_011 | 70_001 => Some(Consent::Withdrawn),
        500_011 | 650_052 | 650_054 => Some(Consent::NoApi),
        _ => None,
    }
}

/// Whether waiting is what to do.
const fn passes(aadsts: u32) -> bool {
    matches!(aadsts, 50_196 | 90_055 | 90_006 | 90_024 | 90_033 | 50_000 | 90_012 | 90_090)
}
