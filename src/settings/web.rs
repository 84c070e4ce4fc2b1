//! Where the page of `huntbook serve` is.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret::SecretRef;

/// The page of `huntbook serve`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
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
    /// Who vouches for people from elsewhere. Without it, whoever signs in has an account of this machine.
    pub open_id: Option<OpenIdSettings>,
}

/// An OpenID provider: Entra ID, or any other that puts `roles` into its identity tokens. The application there has
/// `ADDRESS/sign-in/back` as its redirect address.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenIdSettings {
    /// Who issues the tokens: `https://login.microsoftonline.com/TENANT-ID/v2.0`. Not `common` or `organizations`.
    #[schemars(length(min = 1), example = &"https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/v2.0")]
    pub issuer: String,
    /// The application's client id.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// Its client secret, if it is no public client.
    pub client_secret: Option<SecretRef>,
    /// The application's roles that let people in.
    #[serde(default)]
    pub roles: OpenIdRoles,
}

/// Roles of the application, by their values.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OpenIdRoles {
    /// Of those who may look at everything; `Huntbook.Read` by default.
    #[schemars(length(min = 1))]
    pub read: String,
    /// Of those who may also stop and resume, and approve if `approvers` names them; `Huntbook.Act` by default.
    #[schemars(length(min = 1))]
    pub act: String,
}

impl Default for OpenIdRoles {
    fn default() -> Self {
        Self { read: "Huntbook.Read".to_owned(), act: "Huntbook.Act".to_owned() }
    }
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
