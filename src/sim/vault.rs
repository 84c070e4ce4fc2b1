//! A key vault: gives secrets to who may read them, and takes new values.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};

use super::app::Api;
use super::call::{Call, Refusal, shown};
use super::reply::Reply;
use super::serve::Service;
use crate::model::Secret;

/// The role that an identity needs to read. It is one of the vault's, not of the directory: no token carries it.
pub const READER: &str = "Key Vault Secrets User";
/// The role that it needs to write.
pub const WRITER: &str = "Key Vault Secrets Officer";

/// The secrets of a vault, by name.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<BTreeMap<String, Secret>>);

impl Shelf {
    pub(super) fn new(secrets: BTreeMap<String, Secret>) -> Self {
        Self(Mutex::new(secrets))
    }

    fn get(&self, name: &str) -> Option<Secret> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn put(&self, name: &str, value: Secret) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value);
    }
}

/// Serves `/vault/secrets/{name}`.
pub(super) fn serve(service: &Service, call: &Call, path: &[&str]) -> Reply {
    answer(service, call, path).unwrap_or_else(|refusal| {
        let reply = refusal.answered(&json!({"error": {"code": refusal.code, "message": refusal.message}}));
        let resource = Api::Vault.resource();
        let challenge = format!("Bearer authorization=\"{}\", resource=\"{resource}\"", call.base);
        if refusal.status == StatusCode::UNAUTHORIZED {
            reply.with(WWW_AUTHENTICATE, &challenge)
        } else {
            reply
        }
    })
}

fn answer(service: &Service, call: &Call, path: &[&str]) -> Result<Reply, Refusal> {
    let caller = service.directory.admit(Api::Vault, call)?;
    let app = service.directory.identity_of(Some(&caller.app));
    let may = |role: &str| app.as_ref().is_some_and(|app| app.roles.iter().any(|granted| granted == role));
    if call.option("api-version").is_none() {
        return Err(Refusal::bad("BadParameter", "api-version must be specified"));
    }
    let ["secrets", name] = path else { return Err(Refusal::no_route(call)) };
    let forbidden = || {
        let text = "Caller is not authorized to perform action on resource. Inner error: ForbiddenByRbac";
        Refusal::new(StatusCode::FORBIDDEN, "Forbidden", text)
    };
    match call.method.as_str() {
        "GET" if may(READER) => {}
        "PUT" if may(WRITER) => {
            let body = call.object()?;
            let value = body.get("value").and_then(Value::as_str);
            let value = value.ok_or_else(|| Refusal::bad("BadParameter", "value must be specified"))?;
            service.vault.put(name, Secret::new(value.to_owned()));
        }
        "GET" | "PUT" => return Err(forbidden()),
        _ => return Err(Refusal::no_route(call)),
    }
    let missing = || {
        let text = format!("A secret with (name/id) {} was not found in this key vault.", shown(name));
        Refusal::missing("SecretNotFound", text)
    };
    let value = service.vault.get(name).ok_or_else(missing)?;
    let body = json!({
        "value": value.expose(), "id": format!("{}/vault/secrets/{name}/1", call.base),
        "attributes": {"enabled": true, "recoveryLevel": "Recoverable"},
    });
    Ok(Reply::json(StatusCode::OK, &body))
}
