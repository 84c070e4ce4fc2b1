//! Tokens: for what, and what they claim.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The API a token is for. Tokens are not interchangeable between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Audience {
    /// Microsoft Graph.
    Graph,
    /// Defender for Endpoint.
    Mde,
    /// Defender XDR (the legacy hunting endpoint).
    Xdr,
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Graph => "Microsoft Graph",
            Self::Mde => "Defender for Endpoint",
            Self::Xdr => "Defender XDR",
        })
    }
}

/// What a token says of itself.
///
/// It is read without checking the signature: a token is for the API to verify, and comes straight
/// from the authority over TLS. It serves as a diagnosis and as a guard against mixing tenants up, not
/// as a proof of permission: only the API's answer is that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenFacts {
    /// The tenant (`tid`), as written; `None` if the token does not say or cannot be read.
    pub tenant_id: Option<String>,
    /// For whom it is (`aud`).
    pub audience: Option<String>,
    /// The app (`appid` or `azp`).
    pub app_id: Option<String>,
    /// Application permissions (`roles`), sorted. Empty if none was granted: a token is issued anyway.
    pub roles: Vec<String>,
    /// Delegated permissions (`scp`), sorted.
    pub scopes: Vec<String>,
    /// When it ends, as the authority said beside the token.
    pub expires_at: Timestamp,
}
