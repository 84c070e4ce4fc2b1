//! Sinks for messages to people: they take what Teams, Slack and a Standard Webhooks receiver take,
//! refuse what those refuse, and keep everything for a test to read.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::SignedDuration;
use serde_json::{Value, json};
use sha2::Sha256;

use super::call::Call;
use super::log::{LogEntry, MessageEntry, Verdict};
use super::reply::Reply;
use super::serve::Service;
use crate::model::Secret;

/// How old a signed message may be. Source: Standard Webhooks 1.0.0.
const SIGNED_AGE_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Serves `POST /hooks/{sink}/{name}`.
pub(super) fn serve(service: &Service, call: &Call, sink: &str, name: &str) -> Reply {
    let (verdict, reply) = match sink {
        "teams" => teams(call),
        "slack" => slack(call),
        "webhook" => webhook(call, service.hook_secrets.get(name)),
        _ => return Reply::text(StatusCode::NOT_FOUND, "no such sink"),
    };
    let headers: BTreeMap<String, String> = call
        .headers
        .iter()
        .filter(|(name, _)| *name != "authorization" && *name != "cookie")
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    service.log.write(LogEntry::Message(MessageEntry {
        seq: call.seq,
        at: call.now,
        sink: sink.to_owned(),
        name: name.to_owned(),
        headers,
        body: String::from_utf8_lossy(&call.body).into_owned(),
        verdict,
    }));
    reply
}

/// A Workflows flow takes any JSON with 202 and an empty body; a card that is none fails inside the
/// flow, where a real sender cannot see it. This one refuses it, so that a test can.
fn teams(call: &Call) -> (Verdict, Reply) {
    let card = |attachment: &Value| {
        attachment.get("contentType").and_then(Value::as_str)
            == Some("application/vnd.microsoft.card.adaptive")
            && attachment.pointer("/content/type").and_then(Value::as_str) == Some("AdaptiveCard")
    };
    let good = call.object().is_ok_and(|body| {
        let attachments = body.get("attachments").and_then(Value::as_array);
        body.get("type").and_then(Value::as_str) == Some("message")
            && attachments.is_some_and(|list| !list.is_empty() && list.iter().all(card))
    });
    if good {
        return (Verdict::Taken, Reply::empty(StatusCode::ACCEPTED));
    }
    let error = json!({"error": {"code": "InvalidRequestContent", "message": "The body is not a message."}});
    (Verdict::Malformed, Reply::json(StatusCode::BAD_REQUEST, &error))
}

fn slack(call: &Call) -> (Verdict, Reply) {
    let refuse = |word: &'static str| (Verdict::Malformed, Reply::text(StatusCode::BAD_REQUEST, word));
    let Ok(body) = call.object() else { return refuse("invalid_payload") };
    let text = body.get("text").is_some_and(|text| text.as_str().is_some_and(|text| !text.is_empty()));
    let lists = |name: &str| body.get(name).and_then(Value::as_array);
    if lists("blocks")
        .is_some_and(|blocks| 50 < blocks.len() || blocks.iter().any(|b| b.get("type").is_none()))
    {
        return refuse("invalid_blocks");
    }
    if !text && lists("blocks").is_none() && lists("attachments").is_none() {
        return refuse("missing_text_or_fallback_or_attachments");
    }
    (Verdict::Taken, Reply::text(StatusCode::OK, "ok"))
}

fn webhook(call: &Call, secret: Option<&Secret>) -> (Verdict, Reply) {
    let verdict = secret.map_or(Verdict::Taken, |secret| verify(call, secret));
    let reply = match verdict {
        Verdict::Taken | Verdict::Signed => Reply::json(StatusCode::OK, &json!({"ok": true})),
        Verdict::Unsigned | Verdict::Forged | Verdict::Stale | Verdict::Malformed => {
            Reply::json(StatusCode::UNAUTHORIZED, &json!({"ok": false}))
        }
    };
    (verdict, reply)
}

/// Verifies a Standard Webhooks signature (symmetric, `v1`).
fn verify(call: &Call, secret: &Secret) -> Verdict {
    let header = |name: &str| call.header(name);
    let (Some(id), Some(time), Some(signatures)) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"))
    else {
        return Verdict::Unsigned;
    };
    let key = secret.expose();
    let Ok(key) = STANDARD.decode(key.strip_prefix("whsec_").unwrap_or(key)) else { return Verdict::Forged };
    let right = signatures.split(' ').filter_map(|one| one.strip_prefix("v1,")).any(|signature| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(&call.body);
        STANDARD.decode(signature).is_ok_and(|signature| mac.verify_slice(&signature).is_ok())
    });
    let Ok(sent) = time.parse::<i64>() else { return Verdict::Forged };
    let age = call.now.as_second().abs_diff(sent);
    if !right {
        Verdict::Forged
    } else if SIGNED_AGE_MAX.as_secs().unsigned_abs() < age {
        Verdict::Stale
    } else {
        Verdict::Signed
    }
}
