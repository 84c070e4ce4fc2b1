//! Where a tenant's services are: one table row for each cloud, and what the settings override.
//!
//! The scope of a token stays that of the cloud when an endpoint is overridden: a regional host, a
//! proxy in between and the simulated tenant all want the token of the service behind them.

use serde::{Deserialize, Serialize};

use super::{Audience, Permission, TenantError};
use crate::http::Address;

/// The cloud a tenant lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cloud {
    /// The public cloud.
    #[default]
    Commercial,
    /// US government, moderate: public sign-in and Graph, its own Defender hosts.
    Gcc,
    /// US government, high.
    GccHigh,
    /// US department of defence.
    Dod,
}

/// Hosts and scopes of one cloud.
struct Hosts {
    login: &'static str,
    graph: &'static str,
    mde: &'static str,
    xdr: &'static str,
    graph_scope: &'static str,
    mde_scope: &'static str,
    xdr_scope: &'static str,
}

impl Cloud {
    /// Source: the government pages of Defender (2026-01) and the national cloud pages of Entra and
    /// Graph. The Defender scopes of the government clouds are not documented; there the resource is
    /// taken to be the API's host, as it is everywhere else.
    const fn hosts(self) -> Hosts {
        match self {
            Self::Commercial => Hosts {
                login: "https://login.microsoftonline.com",
                graph: "https://graph.microsoft.com",
                mde: "https://api.securitycenter.microsoft.com",
                xdr: "https://api.security.microsoft.com",
                graph_scope: "https://graph.microsoft.com/.default",
                mde_scope: "https://api.securitycenter.microsoft.com/.default",
                xdr_scope: "https://api.security.microsoft.com/.default",
            },
            Self::Gcc => Hosts {
                login: "https://login.microsoftonline.com",
                graph: "https://graph.microsoft.com",
                mde: "https://api-gcc.securitycenter.microsoft.us",
                xdr: "https://api-gcc.security.microsoft.us",
                graph_scope: "https://graph.microsoft.com/.default",
                mde_scope: "https://api-gcc.securitycenter.microsoft.us/.default",
                xdr_scope: "https://api-gcc.security.microsoft.us/.default",
            },
            Self::GccHigh => Hosts {
                login: "https://login.microsoftonline.us",
                graph: "https://graph.microsoft.us",
                mde: "https://api-gov.securitycenter.microsoft.us",
                xdr: "https://api-gov.security.microsoft.us",
                graph_scope: "https://graph.microsoft.us/.default",
                mde_scope: "https://api-gov.securitycenter.microsoft.us/.default",
                xdr_scope: "https://api-gov.security.microsoft.us/.default",
            },
            Self::Dod => Hosts {
                login: "https://login.microsoftonline.us",
                graph: "https://dod-graph.microsoft.us",
                mde: "https://api-gov.securitycenter.microsoft.us",
                xdr: "https://api-gov.security.microsoft.us",
                graph_scope: "https://dod-graph.microsoft.us/.default",
                mde_scope: "https://api-gov.securitycenter.microsoft.us/.default",
                xdr_scope: "https://api-gov.security.microsoft.us/.default",
            },
        }
    }

    /// Whether the calls that a permission is for are not offered in this cloud.
    ///
    /// Source: the metadata of Microsoft Graph v1.0 of the government clouds (2026-08).
    #[must_use]
    pub fn lacks(self, permission: Permission) -> bool {
        const NOT_IN_GOVERNMENT: [&str; 2] =
            ["SecurityIdentitiesActions.ReadWrite.All", "SecurityAnalyzedMessage.ReadWrite.All"];
        matches!(self, Self::GccHigh | Self::Dod)
            && permission.audience == Audience::Graph
            && NOT_IN_GOVERNMENT.contains(&permission.least())
    }

    /// What a token request asks for.
    pub(super) const fn scope(self, audience: Audience) -> &'static str {
        let hosts = self.hosts();
        match audience {
            Audience::Graph => hosts.graph_scope,
            Audience::Mde => hosts.mde_scope,
            Audience::Xdr => hosts.xdr_scope,
        }
    }
}

impl Audience {
    /// The API that a token with this `aud` is for, in any cloud.
    #[must_use]
    pub fn of(audience: &str) -> Option<Self> {
        let clouds = [Cloud::Commercial, Cloud::Gcc, Cloud::GccHigh, Cloud::Dod];
        let audience = audience.trim_end_matches('/');
        Self::ALL.into_iter().find(|api| {
            let is_scope = |cloud: &Cloud| cloud.scope(*api).strip_suffix("/.default") == Some(audience);
            audience == api.app_id() || clouds.iter().any(is_scope) || api.older_name() == Some(audience)
        })
    }

    /// The name by which an API was known before.
    const fn older_name(self) -> Option<&'static str> {
        match self {
            Self::Mde => Some("https://securitycenter.onmicrosoft.com/windowsatpservice"),
            Self::Graph | Self::Xdr => None,
        }
    }
}

/// Endpoints the settings give instead of the cloud's own. `https`, or `http` to loopback.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointOverrides {
    /// The authority that issues tokens.
    pub login: Option<String>,
    /// Microsoft Graph, without a version.
    pub graph: Option<String>,
    /// Defender for Endpoint, without `/api`.
    pub mde: Option<String>,
    /// Defender XDR, without `/api`.
    pub xdr: Option<String>,
}

impl EndpointOverrides {
    /// All services at one address, as the simulated tenant lays them out: tokens at the address itself,
    /// the APIs under `graph`, `mde` and `xdr`.
    #[must_use]
    pub fn under(url: &str) -> Self {
        let at = |api: &str| Some(format!("{url}/{api}"));
        Self { login: Some(url.to_owned()), graph: at("graph"), mde: at("mde"), xdr: at("xdr") }
    }
}

/// The endpoints in use, checked.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    pub(super) login: Address,
    pub(super) graph: Address,
    pub(super) mde: Address,
    pub(super) xdr: Address,
}

impl Endpoints {
    /// Takes the overrides, else the cloud's own.
    pub(super) fn resolve(
        tenant: &str,
        cloud: Cloud,
        overrides: &EndpointOverrides,
    ) -> Result<Self, TenantError> {
        let hosts = cloud.hosts();
        let pick = |given: &Option<String>, own: &str, reason: &'static str| {
            Address::parse(given.as_deref().unwrap_or(own)).map_err(|source| TenantError::Options {
                tenant: tenant.to_owned(),
                reason,
                source: Some(source),
            })
        };
        Ok(Self {
            login: pick(&overrides.login, hosts.login, "endpoint `login`")?,
            graph: pick(&overrides.graph, hosts.graph, "endpoint `graph`")?,
            mde: pick(&overrides.mde, hosts.mde, "endpoint `mde`")?,
            xdr: pick(&overrides.xdr, hosts.xdr, "endpoint `xdr`")?,
        })
    }

    /// The API behind an audience.
    pub(super) const fn api(&self, audience: Audience) -> &Address {
        match audience {
            Audience::Graph => &self.graph,
            Audience::Mde => &self.mde,
            Audience::Xdr => &self.xdr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cloud_has_endpoints_that_pass_the_check() {
        for cloud in [Cloud::Commercial, Cloud::Gcc, Cloud::GccHigh, Cloud::Dod] {
            let endpoints = Endpoints::resolve("t", cloud, &EndpointOverrides::default()).unwrap();
            for audience in [Audience::Graph, Audience::Mde, Audience::Xdr] {
                assert!(cloud.scope(audience).ends_with("/.default"));
                assert!(!endpoints.api(audience).is_loopback());
            }
        }
    }

    #[test]
    fn an_override_is_checked_and_named() {
        let overrides = EndpointOverrides {
            graph: Some("http://graph.contoso.example".to_owned()),
            ..Default::default()
        };
        let error = Endpoints::resolve("contoso", Cloud::Commercial, &overrides).unwrap_err();
        assert_eq!(error.to_string(), "the options of tenant `contoso` cannot be used: endpoint `graph`");
    }
}
