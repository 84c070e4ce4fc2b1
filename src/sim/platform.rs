//! What Azure and others give to what runs on them: tokens of managed identities, and the tokens of workloads.
//!
//! The identity is the tenant's first application, or the one that is asked for by its client id.

use std::sync::PoisonError;

use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::app::{Api, SimApp};
use super::call::Call;
use super::reply::Reply;
use super::serve::Service;
use super::token::{Aadsts, Directory};
use crate::model::Secret;

/// The header that App Service wants, in the environment of the app as `IDENTITY_HEADER`.
pub const IDENTITY_HEADER: &str = "simulated-identity-header";
/// What a job needs to ask for its token, in its environment as `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
pub const JOB_TOKEN: &str = "simulated-job-token";
/// The workload that the job is.
pub const JOB_SUBJECT: &str = "repo:contoso/huntbook:ref:refs/heads/main";

/// Life of a workload's token.
const WORKLOAD_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The challenge of the Arc agent: a file that only its machine can read, and what is in it.
#[derive(Debug, Clone)]
pub struct ArcChallenge {
    /// Path of the file; who starts the tenant writes it.
    pub path: String,
    /// What is in it.
    pub key: Secret,
}

/// Serves `/metadata/identity/oauth2/token`, `/msi/token`, `/arc/metadata/identity/oauth2/token` and
/// `/oidc/token`.
pub(super) fn serve(service: &Service, call: &Call, path: &[&str]) -> Reply {
    let directory = &service.directory;
    let has = |name, value| call.header(name).is_some_and(|given| given == value);
    match path {
        ["metadata", "identity", "oauth2", "token"] if has("metadata", "true") => identity(directory, call),
        ["metadata", ..] => {
            refused(StatusCode::BAD_REQUEST, "bad_request_102", "Required metadata header not specified")
        }
        ["msi", "token"] if has("x-identity-header", IDENTITY_HEADER) => app_service(directory, call),
        ["msi", "token"] => {
            let body = json!({"statusCode": 401, "message": "The identity header is missing or wrong."});
            Reply::json(StatusCode::UNAUTHORIZED, &body)
        }
        ["arc", "metadata", ..] => arc(service, call),
        _ => workload(directory, call),
    }
}

fn refused(status: StatusCode, error: &str, description: &str) -> Reply {
    Reply::json(status, &json!({"error": error, "error_description": description}))
}

/// What a virtual machine gets: all numbers are texts.
fn identity(directory: &Directory, call: &Call) -> Reply {
    match token(directory, call) {
        Ok(body) => Reply::json(StatusCode::OK, &body),
        Err(reply) => reply,
    }
}

/// What an app of App Service gets: only when the token ends.
fn app_service(directory: &Directory, call: &Call) -> Reply {
    match token(directory, call) {
        Ok(Value::Object(mut body)) => {
            body.retain(|key, _| !matches!(key.as_str(), "expires_in" | "ext_expires_in" | "refresh_token"));
            Reply::json(StatusCode::OK, &Value::Object(body))
        }
        Ok(other) => Reply::json(StatusCode::OK, &other),
        Err(reply) => reply,
    }
}

impl Directory {
    /// A token for what runs on the platform, and when it was issued: the same until half of its life is over, whatever
    /// was granted meanwhile.
    fn grant_identity(
        &self,
        app: &SimApp,
        (api, audience): (Api, &str),
        call: &Call,
    ) -> Result<(String, Timestamp), Aadsts> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (app.client_id.clone(), audience.to_owned());
        let is_young = |issued: Timestamp| issued.duration_until(call.now) < self.token_life() / 2;
        if let Some((token, issued)) = kept.get(&key).filter(|(_, issued)| is_young(*issued)) {
            return Ok((token.clone(), *issued));
        }
        let token = self.grant(app, (api, audience, "2"), call)?;
        kept.insert(key, (token.clone(), call.now));
        Ok((token, call.now))
    }
}

fn token(directory: &Directory, call: &Call) -> Result<Value, Reply> {
    let bad = |text: &str| refused(StatusCode::BAD_REQUEST, "invalid_request", text);
    if call.option("api-version").is_none() {
        return Err(bad("Required query variable 'api-version' is missing"));
    }
    let resource =
        call.option("resource").ok_or_else(|| bad("Required query variable 'resource' is missing"))?;
    let (api, audience) = Api::find(resource).ok_or_else(|| {
        refused(
            StatusCode::BAD_REQUEST,
            "invalid_resource",
            "AADSTS500011: The resource principal was not found.",
        )
    })?;
    let app = directory.identity_of(call.option("client_id")).ok_or_else(|| bad("Identity not found"))?;
    let granted = directory.grant_identity(&app, (api, audience), call);
    let (token, issued) = granted.map_err(|refused| refused.into_reply(call))?;
    let ends = issued.as_second().saturating_add(directory.token_life().as_secs());
    let life = ends.saturating_sub(call.now.as_second());
    Ok(json!({
        "access_token": token, "refresh_token": "", "expires_in": life.to_string(),
        "ext_expires_in": life.to_string(), "expires_on": ends.to_string(),
        "not_before": issued.as_second().to_string(), "resource": resource, "token_type": "Bearer",
        "client_id": app.client_id,
    }))
}

/// Who can read the file that the challenge names is on this machine.
fn arc(service: &Service, call: &Call) -> Reply {
    let Some(challenge) = &service.arc else {
        return Reply::text(StatusCode::NOT_FOUND, "this tenant plays no Arc agent");
    };
    if call.header("metadata") != Some("true") {
        return refused(StatusCode::BAD_REQUEST, "invalid_request", "Required metadata header not specified");
    }
    let proof = ["Basic ", challenge.key.expose()].concat();
    if call.header("authorization") == Some(&proof) {
        return identity(&service.directory, call);
    }
    let realm = format!("Basic realm={}", challenge.path);
    Reply::empty(StatusCode::UNAUTHORIZED).with(WWW_AUTHENTICATE, &realm)
}

/// The token of a job: the shape is GitHub's; what is in `value` is as good for a file.
fn workload(directory: &Directory, call: &Call) -> Reply {
    let proof = ["Bearer ", JOB_TOKEN].concat();
    if call.header("authorization") != Some(&proof) {
        return Reply::text(StatusCode::UNAUTHORIZED, "the job's token is missing or wrong");
    }
    let issued = call.now.as_second();
    let claims = json!({
        "iss": issuer(&call.base), "sub": JOB_SUBJECT,
        "aud": call.option("audience").unwrap_or("https://github.com/contoso"),
        "iat": issued, "nbf": issued, "exp": issued.saturating_add(WORKLOAD_LIFE.as_secs()),
        "jti": URL_SAFE_NO_PAD.encode(call.request_id().as_bytes()),
    });
    match directory.sign(&claims) {
        Ok(token) => Reply::json(StatusCode::OK, &json!({"value": token})),
        Err(refused) => refused.into_reply(call),
    }
}

/// Who issues the tokens of workloads.
pub(super) fn issuer(base: &str) -> String {
    format!("{base}/oidc")
}
