//! What is sent.

use std::fmt;

use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::{Address, HttpError};
use crate::model::Secret;

/// One request. `Debug` and `Display` show the method and the address as far as it may be shown.
#[derive(Clone)]
pub struct Request {
    method: Method,
    address: Address,
    headers: HeaderMap,
    body: Bytes,
}

impl Request {
    /// Starts a request without headers or body.
    #[must_use]
    pub fn new(method: Method, address: Address) -> Self {
        let mut headers = HeaderMap::new();
        if matches!(method, Method::POST | Method::PATCH | Method::PUT) {
            // Some servers insist on a length even of nothing (411). A body brings its own.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Self { method, address, headers, body: Bytes::new() }
    }

    /// Starts a `GET`.
    #[must_use]
    pub fn get(address: Address) -> Self {
        Self::new(Method::GET, address)
    }

    /// Starts a `POST`.
    #[must_use]
    pub fn post(address: Address) -> Self {
        Self::new(Method::POST, address)
    }

    /// Starts a `PATCH`.
    #[must_use]
    pub fn patch(address: Address) -> Self {
        Self::new(Method::PATCH, address)
    }

    /// Starts a `DELETE`.
    #[must_use]
    pub fn delete(address: Address) -> Self {
        Self::new(Method::DELETE, address)
    }

    /// The same request to another address (the next page).
    #[must_use]
    pub fn to(self, address: Address) -> Self {
        Self { address, ..self }
    }

    /// Sets a header. It is not shown.
    ///
    /// # Errors
    ///
    /// [`HttpError::Header`] if name or value cannot be a header (a line break, say).
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, HttpError> {
        let name = HeaderName::try_from(name).map_err(|_invalid| HttpError::Header)?;
        let value = HeaderValue::try_from(value).map_err(|_invalid| HttpError::Header)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sets `Authorization: Bearer`.
    ///
    /// # Errors
    ///
    /// [`HttpError::Header`] if the token cannot be a header.
    pub fn bearer(mut self, token: &Secret) -> Result<Self, HttpError> {
        let text = bearer_text(token);
        let mut value = HeaderValue::try_from(text).map_err(|_invalid| HttpError::Header)?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        Ok(self)
    }

    /// Sets the body, exactly these bytes.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = bytes.into();
        if !self.body.is_empty() {
            self.headers.remove(CONTENT_LENGTH);
        }
        self
    }

    /// Sets a JSON body (`application/json; charset=utf-8`).
    ///
    /// # Errors
    ///
    /// [`HttpError::Body`] if the value has no JSON form.
    pub fn json(self, value: &impl Serialize) -> Result<Self, HttpError> {
        let bytes = serde_json::to_vec(value).map_err(HttpError::Body)?;
        Ok(self.body("application/json; charset=utf-8", bytes))
    }

    /// Sets a form body.
    #[must_use]
    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.body("application/x-www-form-urlencoded", text)
    }

    /// Where it goes.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    pub(super) const fn method(&self) -> &Method {
        &self.method
    }

    /// Whether it changes nothing by its method.
    pub(super) fn is_read(&self) -> bool {
        self.method == Method::GET
    }

    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) const fn bytes(&self) -> &Bytes {
        &self.body
    }
}

/// `Bearer` and the token in one buffer of the right size, which becomes the header: growing it would
/// leave copies behind.
fn bearer_text(token: &Secret) -> String {
    let mut text = String::with_capacity("Bearer ".len() + token.expose().len());
    text.push_str("Bearer ");
    text.push_str(token.expose());
    text
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.address)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({self}, {} bytes)", self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_shows_neither_headers_nor_body_nor_query() {
        let address = Address::parse("https://a.example").unwrap().at("x/{id}", &["s3cret"]).unwrap();
        let request = Request::post(address.query("code", "s3cret"))
            .bearer(&Secret::new("s3cret".to_owned()))
            .unwrap()
            .header("x-key", "s3cret")
            .unwrap()
            .form(&[("client_secret", "s3cret")]);
        assert_eq!(request.to_string(), "POST https://a.example/x/{id}");
        assert!(!format!("{request:?}").contains("s3cret"));
    }

    #[test]
    fn a_header_cannot_be_split() {
        let address = Address::parse("https://a.example").unwrap();
        assert!(Request::get(address.clone()).header("x", "1\r\ny: 2").is_err());
        assert!(Request::get(address).bearer(&Secret::new("a\nb".to_owned())).is_err());
    }

    #[test]
    fn a_form_escapes_what_a_secret_may_hold() {
        let address = Address::parse("https://a.example").unwrap();
        let request = Request::post(address).form(&[("client_secret", "a~b+c/d&e=f g")]);
        assert_eq!(request.body, "client_secret=a%7Eb%2Bc%2Fd%26e%3Df+g");
    }
}
