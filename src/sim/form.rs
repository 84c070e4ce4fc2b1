//! The form of a token request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::call::Call;

/// The fields of a token request.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) grant_type: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) code: Option<String>,
    pub(super) code_verifier: Option<String>,
    pub(super) redirect_uri: Option<String>,
    pub(super) device_code: Option<String>,
    pub(super) refresh_token: Option<String>,
    pub(super) client_secret: Option<String>,
    pub(super) client_assertion: Option<String>,
    pub(super) client_assertion_type: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) resource: Option<String>,
}

impl Form {
    /// Reads the form, and the client from a `Basic` header if the form has none.
    pub(super) fn read(call: &Call) -> Self {
        let mut form = Self::default();
        for (key, value) in url::form_urlencoded::parse(&call.body) {
            let slot = match key.as_ref() {
                "grant_type" => &mut form.grant_type,
                "client_id" => &mut form.client_id,
                "code" => &mut form.code,
                "code_verifier" => &mut form.code_verifier,
                "redirect_uri" => &mut form.redirect_uri,
                "device_code" => &mut form.device_code,
                "refresh_token" => &mut form.refresh_token,
                "client_secret" => &mut form.client_secret,
                "client_assertion" => &mut form.client_assertion,
                "client_assertion_type" => &mut form.client_assertion_type,
                "scope" => &mut form.scope,
                "resource" => &mut form.resource,
                _ => continue,
            };
            *slot = Some(value.into_owned());
        }
        if let Some((id, secret)) = call.header("authorization").and_then(basic) {
            form.client_id.get_or_insert(id);
            form.client_secret.get_or_insert(secret);
        }
        form
    }
}

/// Reads `Basic` credentials; both parts are form-encoded (RFC 6749, 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let encoded = header.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |part: &str| {
        let pair = format!("x={part}");
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decode(id)?, decode(secret)?))
}
