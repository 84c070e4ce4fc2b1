//! Where the page of `huntbook serve` is.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

/// The page of `huntbook serve`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebSettings {
    /// Where it listens: an address of this machine alone. People elsewhere come through a proxy on this machine
    /// that ends TLS.
    #[serde(default = "default_listen")]
    #[schemars(length(min = 1), example = &"127.0.0.1:8480")]
    pub listen: String,
    /// The address that people use, where that is another one: the proxy's. Nobody is answered who asks for another.
    #[schemars(length(min = 1), example = &"https://huntbook.contoso.example")]
    pub address: Option<String>,
}

impl WebSettings {
    /// Where it listens; `None` if that is no address with a port.
    #[must_use]
    pub fn socket(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }
}

fn default_listen() -> String {
    "127.0.0.1:8480".to_owned()
}
