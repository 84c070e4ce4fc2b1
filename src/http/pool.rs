//! The clients underneath: one set for this machine and the platform right under it, one for everything else.
//!
//! The first never goes through a proxy and does not need the system's certificates, so a demo runs
//! on a machine that has none.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use super::body;
use super::public::{NOT_PUBLIC, PublicOnly};
use super::{Address, HttpError, HttpOptions, Reach, Repeat};
use crate::model::Secret;

/// Longest wait for a connection, TLS included. Longer means the network is broken, and a retry
/// after a pause helps more than patience.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long an idle connection is kept. Servers close theirs after 60 s and more; well below that we
/// do not race them.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Idle connections kept for each host. A daemon with many tenants still has few hosts.
const IDLE_PER_HOST_MAX: usize = 8;

/// Most headers and most bytes of headers of an answer.
const HEADERS_MAX: usize = 100;
const HEADER_BYTES_MAX: u32 = 64 << 10;

/// Clients, each made when first needed: reading the system's certificates costs milliseconds that
/// a process which only talks to loopback should not pay.
pub(super) struct Pool {
    options: HttpOptions,
    certificates: Vec<reqwest::Certificate>,
    proxy: Option<reqwest::Proxy>,
    local: Pair,
    remote: Pair,
}

/// A client that keeps connections and one that makes a new one for each request.
#[derive(Default)]
struct Pair {
    kept: OnceLock<reqwest::Client>,
    fresh: OnceLock<reqwest::Client>,
}

impl Pool {
    /// Checks the options.
    pub(super) fn open(options: HttpOptions) -> Result<Self, HttpError> {
        let certificates = if options.extra_ca.is_empty() {
            Vec::new()
        } else {
            let bundle = reqwest::Certificate::from_pem_bundle(&options.extra_ca).map_err(|error| {
                HttpError::Options { reason: "an extra certificate is not PEM", source: Some(error.into()) }
            })?;
            if bundle.is_empty() {
                return Err(HttpError::Options { reason: "the extra certificates are none", source: None });
            }
            bundle
        };
        let proxy = options.proxy.as_ref().map(proxy).transpose()?;
        Ok(Self { options, certificates, proxy, local: Pair::default(), remote: Pair::default() })
    }

    /// Refuses an address that is out of reach as it is written; names are looked at when they are resolved.
    pub(super) fn allow(&self, address: &Address) -> Result<(), HttpError> {
        match self.options.reach {
            Reach::Public if !address.may_be_public() => Err(HttpError::address(NOT_PUBLIC)),
            Reach::Public | Reach::Anywhere => Ok(()),
        }
    }

    /// The client for a request.
    pub(super) fn client(&self, address: &Address, repeat: Repeat) -> Result<reqwest::Client, HttpError> {
        self.allow(address)?;
        let local = address.is_near();
        let pair = if local { &self.local } else { &self.remote };
        let (slot, idle) = match repeat {
            Repeat::Safe | Repeat::Merged | Repeat::Never => (&pair.kept, IDLE_PER_HOST_MAX),
            Repeat::Unsafe => (&pair.fresh, 0),
        };
        if let Some(client) = slot.get() {
            return Ok(client.clone());
        }
        let client = self.build(address, idle)?;
        Ok(slot.get_or_init(|| client).clone())
    }

    fn build(&self, address: &Address, idle: usize) -> Result<reqwest::Client, HttpError> {
        let builder = reqwest::Client::builder()
            .user_agent(&self.options.user_agent)
            .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, body::ENCODING)]))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_MAX)
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(idle)
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .tls_version_min(reqwest::tls::Version::TLS_1_2)
            .no_proxy();
        let builder = if address.is_near() {
            builder.tls_certs_only(self.certificates.clone())
        } else {
            let builder = builder.https_only(true).tls_certs_merge(self.certificates.clone());
            match &self.proxy {
                Some(proxy) => builder.proxy(proxy.clone()),
                None if self.options.reach == Reach::Public => builder.dns_resolver(PublicOnly::of_system()),
                None => builder,
            }
        };
        builder.build().map_err(|error| HttpError::Options {
            reason: "no client can be made of them",
            source: Some(error.without_url().into()),
        })
    }
}

impl fmt::Debug for Pool {
    /// Says little: what the library prints of a proxy holds its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Reads the proxy's address. Errors keep it to themselves: it may carry a password.
fn proxy(address: &Secret) -> Result<reqwest::Proxy, HttpError> {
    reqwest::Proxy::all(address.expose())
        .map_err(|_secret| HttpError::Options { reason: "the proxy's address is malformed", source: None })
}
