//! Where a request goes, and what of that may be shown.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::HttpError;
use super::public::is_public;
use crate::model::Secret;

/// Longest address accepted, in bytes. Servers refuse longer ones; a longer link is an attack.
const LENGTH_MAX: usize = 8 << 10;

/// A checked address: `https`, or `http` to loopback; no user, no password, no fragment.
///
/// `Debug` and `Display` show the origin and the route (`https://host/api/machines/{id}`), never
/// what was put into it, nor the query.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
    shown: String,
}

impl Address {
    /// Checks an address that is not secret, such as a service's base.
    ///
    /// # Errors
    ///
    /// [`HttpError::Address`] if it is malformed or not allowed.
    pub fn parse(text: &str) -> Result<Self, HttpError> {
        let url = check(text)?;
        let mut shown = origin(&url);
        shown.push_str(url.path().trim_end_matches('/'));
        Ok(Self { url, shown })
    }

    /// Checks an address that is itself a credential, such as a webhook: only its origin is shown.
    ///
    /// # Errors
    ///
    /// [`HttpError::Address`], without the address.
    pub fn secret(text: &Secret) -> Result<Self, HttpError> {
        let url = check(text.expose())?;
        let shown = format!("{}/(secret)", origin(&url));
        Ok(Self { url, shown })
    }

    /// Checks the address of a service of the platform that only what runs on it reaches: as [`Address::parse`], and
    /// `http` to a link-local address (169.254.0.0/16), which no router passes on. No proxy is asked for it.
    ///
    /// # Errors
    ///
    /// [`HttpError::Address`] if it is malformed or not allowed.
    pub fn parse_near(text: &str) -> Result<Self, HttpError> {
        let url = checked(text, is_near)?;
        let mut shown = origin(&url);
        shown.push_str(url.path().trim_end_matches('/'));
        Ok(Self { url, shown })
    }

    /// Goes down from here along a route: `at("security/incidents/{id}", &["29"])`. Each `{name}` takes
    /// the next of `segments`, percent-encoded, as exactly one segment; the rest is taken as it is.
    ///
    /// # Errors
    ///
    /// [`HttpError::Address`] if a segment is empty, `.` or `..`, or has a line end or a tab, which addresses lose; or if
    /// their number is wrong.
    pub fn at(&self, route: &str, segments: &[&str]) -> Result<Self, HttpError> {
        let mut url = self.url.clone();
        let mut given = segments.iter();
        {
            let mut path =
                url.path_segments_mut().map_err(|()| HttpError::address("the base has no path"))?;
            path.pop_if_empty();
            for part in route.split('/') {
                if !part.starts_with('{') {
                    path.push(part);
                    continue;
                }
                match given.next() {
                    Some(segment) if stays(segment) => path.push(segment),
                    _ => {
                        return Err(HttpError::address(
                            "a part of the path is empty, only dots, or has a line end",
                        ));
                    }
                };
            }
        }
        if given.next().is_some() {
            return Err(HttpError::address("the route has fewer places than parts"));
        }
        Ok(Self { url, shown: format!("{}/{route}", self.shown) })
    }

    /// Adds a parameter to the query. It is not shown.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        // `+` means a space in forms only; a plus sign itself has become `%2B` above.
        let query = self.url.query().map(|query| query.replace('+', "%20"));
        self.url.set_query(query.as_deref());
        self
    }

    /// Follows a link a server gave, if it stays at this address's origin: the next request carries
    /// credentials meant for it. Shown as this address.
    ///
    /// # Errors
    ///
    /// [`HttpError::Address`] if it leads elsewhere.
    pub fn follow(&self, link: &str) -> Result<Self, HttpError> {
        let url = check(link)?;
        if url.origin() == self.url.origin() {
            Ok(Self { url, shown: self.shown.clone() })
        } else {
            Err(HttpError::address("a link of the answer leads to another host"))
        }
    }

    /// The server alone, without path and query. Shown in full.
    #[must_use]
    pub fn origin(&self) -> Self {
        let mut url = self.url.clone();
        url.set_path("/");
        url.set_query(None);
        Self { shown: origin(&url), url }
    }

    /// Whether it is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// Whether its host is a public address, or a name that may lead to one.
    pub(super) fn may_be_public(&self) -> bool {
        match self.url.host() {
            Some(Host::Ipv4(address)) => is_public(address.into()),
            Some(Host::Ipv6(address)) => is_public(address.into()),
            Some(Host::Domain(_)) => !self.is_loopback(),
            None => false,
        }
    }

    /// Whether it is on this machine, or of the platform right under it.
    pub(super) fn is_near(&self) -> bool {
        is_near(&self.url)
    }

    /// The name of its host, if it has one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.url.host_str()
    }

    /// The whole address as text, for what has to name it: the audience of a signed proof.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.url.as_str()
    }

    /// The whole address, for the request itself and for comparing links.
    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    /// A fingerprint of the whole address, for telling links apart without showing them.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        use sha2::Digest as _;
        sha2::Sha256::digest(self.url.as_str().as_bytes()).into()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown)
    }
}

/// Parses and checks. The errors say nothing of the text: it may be a secret.
fn check(text: &str) -> Result<Url, HttpError> {
    checked(text, is_loopback)
}

/// The same; `http` only where it `may_be_plain`.
fn checked(text: &str, may_be_plain: fn(&Url) -> bool) -> Result<Url, HttpError> {
    if text.len() > LENGTH_MAX {
        return Err(HttpError::address("it is too long"));
    }
    let url = Url::parse(text).map_err(|_malformed| HttpError::address("it is malformed"))?;
    let allowed = match url.scheme() {
        "https" => true,
        "http" => may_be_plain(&url),
        _ => false,
    };
    if !allowed {
        return Err(HttpError::address("only https is allowed, or http to loopback"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HttpError::address("it carries a user or password"));
    }
    if url.fragment().is_some() {
        return Err(HttpError::address("it carries a fragment"));
    }
    Ok(url)
}

/// Whether a text stays one segment of a path: the URL standard drops line ends and tabs, and with what is left goes
/// up where two dots are (`\t..`).
fn stays(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..") && !segment.contains(['\t', '\r', '\n'])
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => Ipv4Addr::is_loopback(&address),
        Some(Host::Ipv6(address)) => Ipv6Addr::is_loopback(&address),
        None => false,
    }
}

fn is_near(url: &Url) -> bool {
    is_loopback(url) || matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local())
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_path(segment: &str, path: &str) {
        let address = Address::parse("https://graph.contoso.example/v1.0/").unwrap();
        let address = address.at("users/{id}/revoke", &[segment]).unwrap();
        assert_eq!(address.url.path(), path);
        assert_eq!(address.to_string(), "https://graph.contoso.example/v1.0/users/{id}/revoke");
    }

    #[test]
    fn a_segment_stays_one_segment() {
        check_path("dana@contoso.example", "/v1.0/users/dana@contoso.example/revoke");
        check_path("a/../../b", "/v1.0/users/a%2F..%2F..%2Fb/revoke");
        check_path("a?x=1#y", "/v1.0/users/a%3Fx=1%23y/revoke");
        check_path("%2e%2e", "/v1.0/users/%252e%252e/revoke");
    }

    #[test]
    fn a_query_escapes_spaces_and_signs() {
        let address = Address::parse("https://a.example/x").unwrap();
        let address = address.query("$filter", "a eq 'b+c&d'").query("e", "f g");
        assert_eq!(address.url.query(), Some("%24filter=a%20eq%20%27b%2Bc%26d%27&e=f%20g"));
    }

    #[test]
    fn a_segment_that_would_vanish_is_refused() {
        let base = Address::parse("https://graph.contoso.example").unwrap();
        for segment in ["", ".", "..", "\t..", ".\n.", "a\tb", "a\r\nb"] {
            assert!(base.at("users/{id}", &[segment]).is_err(), "{segment:?}");
        }
        assert!(base.at("users/{id}", &[]).is_err());
        assert!(base.at("users", &["x"]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_segment_is_refused_or_stays_one(segment in proptest::prelude::any::<String>()) {
            let base = Address::parse("https://graph.contoso.example/v1.0").unwrap();
            match base.at("users/{id}/revoke", &[&segment]) {
                Ok(address) => {
                    let parts: Vec<&str> = address.url.path().split('/').collect();
                    proptest::prop_assert_eq!((parts.len(), parts[1], parts[2], parts[4]), (5, "v1.0", "users", "revoke"));
                    proptest::prop_assert_eq!((address.url.query(), address.url.fragment()), (None, None));
                    proptest::prop_assert!(!matches!(parts[3], "" | "." | ".."));
                }
                Err(_refused) => proptest::prop_assert!(!stays(&segment)),
            }
        }
    }

    #[test]
    fn plain_http_reaches_this_machine_only() {
        for good in [
            "http://127.0.0.1:1",
            "http://127.9.9.9/x",
            "http://[::1]:8",
            "http://localhost:3",
            "https://a.example",
        ] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "http://127.0.0.1.a.example",
            "http://localhost.a.example",
            "http://10.0.0.1",
            "http://169.254.169.254",
            "ftp://127.0.0.1",
            "file:///etc/passwd",
            "https://user:pw@a.example",
            "https://a.example/#x",
            "a.example",
            "",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_near_and_what_may_be_public_is_told_by_the_host() {
        for (text, loopback, near, public) in [
            ("http://127.0.0.1:1", true, true, false),
            ("https://[::1]/x", true, true, false),
            ("https://localhost", true, true, false),
            ("http://169.254.169.254/metadata", false, true, false),
            ("https://10.0.0.1", false, false, false),
            ("https://9.9.9.9", false, false, true),
            ("https://[fd00::1]", false, false, false),
            ("https://[2620:fe::fe]", false, false, true),
            ("https://a.example", false, false, true),
        ] {
            let address = Address::parse_near(text).unwrap();
            let told = (address.is_loopback(), address.is_near(), address.may_be_public());
            assert_eq!(told, (loopback, near, public), "{text}");
        }
        assert!(
            Address::parse_near("http://10.0.0.1").is_err(),
            "plain text goes no further than the next machine"
        );
    }

    #[test]
    fn an_address_is_as_long_as_servers_take_at_most() {
        let long =
            |length: usize| format!("https://a.example/{}", "x".repeat(length - "https://a.example/".len()));
        assert!(Address::parse(&long(8192)).is_ok());
        assert!(Address::parse(&long(8193)).is_err());
    }

    #[test]
    fn an_address_carries_neither_a_user_nor_a_password() {
        for bad in ["https://user@a.example", "https://:pw@a.example", "https://user:pw@a.example"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_parts_of_an_address_are_given_and_shown_without_what_was_put_in() {
        let base = Address::parse("https://graph.contoso.example/v1.0/").unwrap();
        assert_eq!(base.to_string(), "https://graph.contoso.example/v1.0");
        let asked = base.at("users/{id}", &["dana"]).unwrap().query("x", "y");
        assert_eq!(asked.expose(), "https://graph.contoso.example/v1.0/users/dana?x=y");
        assert_eq!(format!("{asked:?}"), "Address(https://graph.contoso.example/v1.0/users/{id})");
        assert_eq!(asked.host(), Some("graph.contoso.example"));
        let origin = asked.origin();
        assert_eq!(
            (origin.expose(), origin.to_string()),
            ("https://graph.contoso.example/", "https://graph.contoso.example".to_owned())
        );
        let follow = || asked.follow("https://graph.contoso.example/v1.0/users/dana?skip=1").unwrap();
        let next = follow();
        assert_eq!(next.to_string(), asked.to_string(), "a link is shown as what it follows");
        assert_ne!(next.fingerprint(), asked.fingerprint());
        assert_eq!(next.fingerprint(), follow().fingerprint());
    }

    #[test]
    fn a_link_must_stay_at_its_origin() {
        let base = Address::parse("https://graph.contoso.example/v1.0").unwrap();
        assert!(base.follow("https://graph.contoso.example/v1.0/x?$skiptoken=1").is_ok());
        for foreign in [
            "https://graph.contoso.example.evil.example/",
            "https://evil.example/",
            "https://graph.contoso.example:444/",
            "https://graph.contoso.example@evil.example/",
            "http://127.0.0.1/",
            "/relative",
        ] {
            assert!(base.follow(foreign).is_err(), "{foreign}");
        }
    }

    #[test]
    fn a_webhook_shows_its_origin_only() {
        let hook = Secret::new("https://hooks.contoso.example/services/T0/B0/s3cret?sig=s3cret".to_owned());
        let address = Address::secret(&hook).unwrap();
        assert_eq!(address.to_string(), "https://hooks.contoso.example/(secret)");
        assert!(!format!("{address:?}").contains("s3cret"));
        let error = Address::secret(&Secret::new("http://s3cret.example/s3cret".to_owned())).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
