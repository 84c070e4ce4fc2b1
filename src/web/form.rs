//! The forms that people send.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;

use super::answer::Refusal;

/// Most bytes of a form: a reason of 500 characters and a few short fields, each byte written as three.
const BYTES_MAX: usize = 16 << 10;

/// What was filled in.
#[derive(Debug, Default)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a form.
    pub(super) async fn read(parts: &Parts, body: Body) -> Result<Self, Refusal> {
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is no form."));
        }
        let bytes = axum::body::to_bytes(body, BYTES_MAX).await.map_err(|_too_much| {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "This is too much for a form.")
        })?;
        Ok(Self(url::form_urlencoded::parse(&bytes).into_owned().collect()))
    }

    /// What was filled in for a field; `None` for nothing.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }
}
