//! A webhook of the receiver's own, signed as Standard Webhooks 1.0.0 says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use super::cut::{fit, fit_line};
use super::error::ChannelError;
use super::message::{Message, shortened_facts};
use super::post::{Reply, refusal};
use crate::model::Secret;

/// Largest body, in bytes. The standard advises far smaller ones; a receiver that wants the rows of a
/// large hunt gets them, and one that does not answers 413.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Longest title, in characters.
const TITLE_CHARS_MAX: usize = 2_000;
/// Longest name of a fact, in characters.
const NAME_CHARS_MAX: usize = 200;
/// Longest value of a fact, in characters.
const VALUE_CHARS_MAX: usize = 1_000;
/// Most facts; at their longest, and with every character escaped, they stay below the body's limit.
const FACTS_MAX: usize = 100;

/// A key to sign with.
pub(super) struct Key(Vec<u8>);

impl Key {
    /// Takes a secret as it is printed (`whsec_` and base64) or as plain text.
    pub(super) fn parse(secret: &Secret) -> Result<Self, &'static str> {
        let key = match secret.expose().strip_prefix("whsec_") {
            Some(encoded) => {
                STANDARD.decode(encoded).map_err(|_secret| "the secret after `whsec_` is not base64")?
            }
            None => secret.expose().as_bytes().to_vec(),
        };
        if key.is_empty() {
            return Err("the secret is empty");
        }
        Ok(Self(key))
    }

    /// The signature of one attempt.
    fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("an HMAC takes a key of any length");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Builds the bytes to post.
pub(super) fn body(message: &Message) -> Vec<u8> {
    let cost = |text: &str| payload(message, text).to_string().len();
    payload(message, &fit(&message.text, BODY_BYTES_MAX, cost)).to_string().into_bytes()
}

/// The body with a text that fits. The top-level `text` serves receivers that show one text.
fn payload(message: &Message, text: &str) -> Value {
    let title = fit_line(&message.title, TITLE_CHARS_MAX, |text| text.chars().count());
    let facts: Vec<Value> = shortened_facts(message, FACTS_MAX, NAME_CHARS_MAX, VALUE_CHARS_MAX)
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    json!({
        "type": "huntbook.notification",
        "timestamp": message.at,
        "data": {
            "playbook": message.playbook,
            "run": message.run,
            "tenant": message.tenant,
            "severity": message.severity,
            "title": title,
            "facts": facts,
        },
        "text": format!("{title}\n{text}"),
    })
}

/// The standard's headers for one attempt; the id stays over attempts, the time does not.
pub(super) fn headers(id: &str, keys: &[Key], body: &[u8], now: Timestamp) -> Vec<(&'static str, String)> {
    let seconds = now.as_second();
    let mut headers = vec![("webhook-id", id.to_owned()), ("webhook-timestamp", seconds.to_string())];
    if !keys.is_empty() {
        let signatures: Vec<String> = keys.iter().map(|key| key.sign(id, seconds, body)).collect();
        headers.push(("webhook-signature", signatures.join(" ")));
    }
    headers
}

/// Decides whether the receiver took the message: any 2xx does.
pub(super) fn check(reply: &Reply) -> Result<(), ChannelError> {
    refusal(reply).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tests::{assert_cut, endless, message, reply};

    #[test]
    fn a_body_over_the_limit_is_cut_where_the_reader_sees_it() {
        let long = Message { text: "\u{1}row\n".repeat(120_000), ..message() };
        let body = body(&long);
        assert!(body.len() <= BODY_BYTES_MAX);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(body["text"].as_str().unwrap().ends_with(" more lines"));
    }

    #[test]
    fn a_secret_is_read_as_the_standard_prints_it() {
        let key = Key::parse(&Secret::new("whsec_aHVudGJvb2s=".to_owned())).unwrap();
        assert_eq!(key.0, b"huntbook");
        assert_eq!(Key::parse(&Secret::new("huntbook".to_owned())).unwrap().0, b"huntbook");
        assert_eq!(format!("{key:?}"), "Key(..)");
        assert!(Key::parse(&Secret::new("whsec_%".to_owned())).is_err());
        assert!(Key::parse(&Secret::new("whsec_".to_owned())).is_err());
    }

    #[test]
    fn each_piece_has_its_limit() {
        let whole = "x".repeat(1_000_000);
        let large = String::from_utf8(body(&Message { text: whole.clone(), ..message() })).unwrap();
        assert!(large.contains(&whole), "a megabyte is the limit");
        let body = body(&Message { text: String::new(), ..endless() });
        // What the settings named, the receiver's own, is not cut.
        let shown = String::from_utf8(body).unwrap();
        assert_cut(&shown, [2 * 2_000, 100 * 200, 100 * 1_000, 0, 3 * 9_999]);
    }

    #[test]
    fn only_a_status_of_success_is_a_success() {
        check(&reply(204, "")).unwrap();
        assert!(check(&reply(500, "ok")).is_err() && check(&reply(302, "ok")).is_err());
    }

    #[test]
    fn each_key_signs() {
        let keys = ["one", "two"].map(|key| Key::parse(&Secret::new(key.to_owned())).unwrap());
        let headers = headers("m-1", &keys, b"{}", Timestamp::UNIX_EPOCH);
        assert_eq!(headers[0], ("webhook-id", "m-1".to_owned()));
        assert_eq!(headers[1], ("webhook-timestamp", "0".to_owned()));
        assert_eq!(headers[2].1.matches("v1,").count(), 2);
    }
}
