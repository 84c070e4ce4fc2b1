//! What an indicator looks at, checked: a value that means something else than its kind says is none.
//!
//! An indicator is in force on every device. A value comes from a row, so somebody else may have written it:
//! `-`, `10.0.0.1` or a whole sentence must not become one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::IndicatorType;
use crate::http::WIRESERVER;

/// A hash, address, domain or URL in the one spelling huntbook sends and counts it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IndicatorValue(Box<str>);

/// A text that is no indicator of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {wanted}", .text.chars().take(64).flat_map(char::escape_debug).collect::<String>())]
pub struct IndicatorError {
    text: String,
    wanted: &'static str,
}

impl IndicatorError {
    /// What it should have been, without what it is: that may be somebody's secret.
    #[must_use]
    pub const fn wanted(&self) -> &'static str {
        self.wanted
    }
}

impl IndicatorValue {
    /// Reads the value of an indicator of a kind.
    ///
    /// # Errors
    ///
    /// [`IndicatorError`] if it is none: a hash of another length, an address inside a network, a name without a
    /// dot, an URL of another scheme.
    pub fn parse(kind: IndicatorType, text: &str) -> Result<Self, IndicatorError> {
        let trimmed = text.trim();
        let (value, wanted) = match kind {
            IndicatorType::FileMd5 => (hash(trimmed, &[32]), "an MD5 (32 hexadecimal digits)"),
            IndicatorType::FileSha1 => (hash(trimmed, &[40]), "a SHA-1 (40 hexadecimal digits)"),
            IndicatorType::FileSha256 => (hash(trimmed, &[64]), "a SHA-256 (64 hexadecimal digits)"),
            IndicatorType::CertificateThumbprint => {
                (hash(trimmed, &[40, 64]), "a thumbprint (40 or 64 hexadecimal digits)")
            }
            IndicatorType::IpAddress => (address(trimmed), "one public IP address"),
            IndicatorType::DomainName => (domain(trimmed), "a domain name with a dot in it"),
            IndicatorType::Url => (web(trimmed), "an http or https URL of a public host"),
        };
        let value = value.map(|value| Self(value.into_boxed_str()));
        value.ok_or_else(|| IndicatorError { text: text.to_owned(), wanted })
    }

    /// Lends the value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IndicatorValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn hash(text: &str, lengths: &[usize]) -> Option<String> {
    let fits = lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| text.to_ascii_lowercase())
}

fn address(text: &str) -> Option<String> {
    let address: IpAddr = text.parse().ok()?;
    is_public(address).then(|| address.to_string())
}

fn domain(text: &str) -> Option<String> {
    match Host::parse(text.strip_suffix('.').unwrap_or(text)).ok()? {
        Host::Domain(name) => is_full_name(&name).then_some(name),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

fn web(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    let public = match url.host()? {
        Host::Domain(name) => is_full_name(name),
        Host::Ipv4(address) => is_public(address.into()),
        Host::Ipv6(address) => is_public(address.into()),
    };
    let plain = url.username().is_empty() && url.password().is_none();
    url.set_fragment(None);
    (public && plain && matches!(url.scheme(), "http" | "https")).then(|| url.into())
}

/// Whether a folded host name has at least two labels, all of them sound.
fn is_full_name(name: &str) -> bool {
    let sound = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(sound)
}

/// Whether an address is meant for the internet: blocking one of the many inside means another machine in each
/// network, and blocking the platform's cuts machines in Azure off from it.
const fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

const fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && second & 0b1100_0000 == 64;
    !(matches!(address.octets(), WIRESERVER)
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || first == 0
        || first >= 240
        || shared)
}

const fn is_public_v6(address: Ipv6Addr) -> bool {
    !(address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: IndicatorType, text: &str, wanted: Option<&str>) {
        let found = IndicatorValue::parse(kind, text);
        assert_eq!(found.as_ref().ok().map(IndicatorValue::as_str), wanted, "{text}: {found:?}");
    }

    #[test]
    fn a_hash_has_its_length_and_one_spelling() {
        use IndicatorType::{CertificateThumbprint, FileMd5, FileSha1, FileSha256};
        for (kind, length) in [(FileMd5, 32), (FileSha1, 40), (FileSha256, 64), (CertificateThumbprint, 40)] {
            check(kind, &format!(" {} ", "Ab".repeat(length / 2)), Some(&"ab".repeat(length / 2)));
            for bad in [String::new(), "-".to_owned(), "a".repeat(length - 1), "g".repeat(length)] {
                check(kind, &bad, None);
            }
        }
        check(FileSha256, &"a".repeat(40), None);
    }

    #[test]
    fn an_address_is_one_and_public() {
        let check = |text, wanted| check(IndicatorType::IpAddress, text, wanted);
        check("203.0.113.7", Some("203.0.113.7"));
        check("2001:DB8:0:0::7", Some("2001:db8::7"));
        for bad in [
            "",
            "-",
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "255.255.255.255",
            "100.64.0.1",
            "224.0.0.1",
            "168.63.129.16",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "203.0.113.0/24",
            "203.0.113.7:443",
            "evil.example",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn a_domain_is_folded_and_has_a_dot() {
        let check = |text, wanted| check(IndicatorType::DomainName, text, wanted);
        check("Evil.Example.", Some("evil.example"));
        check("b\u{fc}cher.example", Some("xn--bcher-kva.example"));
        for bad in [
            "",
            "-",
            "localhost",
            "com",
            "*.evil.example",
            "evil..example",
            ".example",
            "a b.example",
            "https://evil.example",
            "evil.example/x",
            "203.0.113.7",
            "0x7f.1",
            "::1",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn a_url_is_of_the_web_and_of_a_public_host() {
        let check = |text, wanted| check(IndicatorType::Url, text, wanted);
        check("HTTPS://Evil.Example/A?b=C#d", Some("https://evil.example/A?b=C"));
        check("http://203.0.113.7:8080/x", Some("http://203.0.113.7:8080/x"));
        for bad in [
            "",
            "-",
            "evil.example/x",
            "ftp://evil.example/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "http://localhost/",
            "http://10.0.0.1/",
            "http://[::1]/",
            "http://intranet/x",
            "https://user:pass@evil.example/",
        ] {
            check(bad, None);
        }
    }
}
