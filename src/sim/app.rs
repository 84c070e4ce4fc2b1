//! Who may call the simulated tenant: the APIs it offers, their application roles, and the
//! applications registered in its directory.

use super::person::scope_of;
use super::{Consent, SimPerson};
use super::{assertion, platform, vault};
use crate::model::Secret;

/// An API of the tenant: what a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Api {
    /// Microsoft Graph.
    Graph,
    /// Defender for Endpoint.
    Mde,
    /// Defender XDR.
    Xdr,
    /// Key vaults.
    Vault,
}

impl Api {
    const ALL: [Self; 4] = [Self::Graph, Self::Mde, Self::Xdr, Self::Vault];

    /// The resource names a token may be asked for, first the worldwide one documented today, then its
    /// other names, then those of the national clouds.
    const fn resources(self) -> &'static [&'static str] {
        match self {
            Self::Graph => &[
                "https://graph.microsoft.com",
                "00000003-0000-0000-c000-000000000000",
                "https://graph.microsoft.us",
                "https://dod-graph.microsoft.us",
                "https://microsoftgraph.chinacloudapi.cn",
            ],
            Self::Mde => &[
                "https://api.securitycenter.microsoft.com",
                "https://securitycenter.onmicrosoft.com/windowsatpservice",
                "https://api-gcc.securitycenter.microsoft.us",
                "https://api-gov.securitycenter.microsoft.us",
            ],
            Self::Xdr => &[
                "https://api.security.microsoft.com",
                "https://api-gcc.security.microsoft.us",
                "https://api-gov.security.microsoft.us",
            ],
            Self::Vault => &["https://vault.azure.net", "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"],
        }
    }

    /// The resource's name today.
    pub(super) fn resource(self) -> &'static str {
        self.resources().first().copied().unwrap_or_default()
    }

    /// The roles an application can be granted on the API.
    const fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Graph => &[
                "ThreatHunting.Read.All",
                "SecurityIncident.Read.All",
                "SecurityIncident.ReadWrite.All",
                "SecurityAlert.Read.All",
                "SecurityAlert.ReadWrite.All",
                "SecurityData.Manage.All",
                "User.Read.All",
                "RoleManagement.Read.Directory",
                "User.ReadWrite.All",
                "User.EnableDisableAccount.All",
                "User.RevokeSessions.All",
                "IdentityRiskyUser.Read.All",
                "IdentityRiskyUser.ReadWrite.All",
                "SecurityIdentitiesAccount.Read.All",
                "SecurityIdentitiesActions.ReadWrite.All",
                "SecurityAnalyzedMessage.ReadWrite.All",
            ],
            Self::Mde => &[
                "AdvancedQuery.Read.All",
                "Alert.ReadWrite.All",
                "Machine.Read.All",
                "Machine.ReadWrite.All",
                "Machine.Isolate",
                "Machine.RestrictExecution",
                "Machine.Scan",
                "Machine.StopAndQuarantine",
                "Machine.CollectForensics",
                "Machine.Offboard",
                "Machine.LiveResponse",
                "Ti.ReadWrite",
                "Ti.ReadWrite.All",
            ],
            Self::Xdr => &["AdvancedHunting.Read.All", "Incident.Read.All", "Incident.ReadWrite.All"],
            Self::Vault => &[vault::READER, vault::WRITER],
        }
    }

    /// The API a resource name stands for, and the name a token for it carries as `aud`.
    pub(super) fn find(resource: &str) -> Option<(Self, &'static str)> {
        Self::ALL.into_iter().find_map(|api| {
            let name = api.resources().iter().find(|name| name.eq_ignore_ascii_case(resource))?;
            // A token asked for by the application's id carries the address all the same.
            let audience = if name.starts_with("https:") { name } else { api.resources().first()? };
            Some((api, *audience))
        })
    }

    /// Whether a token with this `aud` is meant for the API.
    pub(super) fn takes(self, audience: &str) -> bool {
        self.resources().contains(&audience)
    }

    /// What people's tokens for this API carry of `granted`.
    pub(super) fn scopes_of(self, granted: &[String]) -> String {
        self.roles_of(granted).into_iter().map(|role| scope_of(self, role)).collect::<Vec<_>>().join(" ")
    }

    /// Of a person's `rights`, what a token with these scopes allows.
    pub(super) fn rights_of(self, rights: &[String], scopes: &str) -> Vec<String> {
        let is_in = |role: &&str| scopes.split_whitespace().any(|scope| scope == scope_of(self, role));
        self.roles_of(rights).into_iter().filter(is_in).map(str::to_owned).collect()
    }

    /// Of `granted`, what a token for this API carries.
    pub(super) fn roles_of(self, granted: &[String]) -> Vec<&str> {
        if self == Self::Vault {
            // Those of a vault are the vault's, not the directory's.
            return Vec::new();
        }
        granted.iter().map(String::as_str).filter(|role| self.roles().contains(role)).collect()
    }
}

/// An application registered in the tenant, with the roles an administrator consented to.
#[derive(Debug, Clone)]
pub struct SimApp {
    /// Application (client) id, a GUID.
    pub client_id: String,
    /// Its secret.
    pub secret: Secret,
    /// Its certificates (DER).
    pub certificates: Vec<Vec<u8>>,
    /// The workloads of other issuers that may act as it.
    pub federated: Vec<SimFederated>,
    /// Name shown as the author of what it does.
    pub display_name: String,
    /// Names of the roles granted, of all APIs in one list. An unknown name grants nothing.
    pub roles: Vec<String>,
    /// What the administrators made of it.
    pub consent: Consent,
    /// Who signs in to it; then it keeps no secret, and people's tokens carry its roles as scopes.
    pub person: Option<SimPerson>,
}

/// A federated credential: a workload that may act as an application. All three have to fit exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimFederated {
    /// Who issues the workload's tokens; the issuer beside the simulated directory (`/oidc`), if none.
    pub issuer: Option<String>,
    /// Which workload it is.
    pub subject: String,
    /// For whom its tokens are.
    pub audience: String,
}

impl SimApp {
    /// Client id of [`SimApp::sample`].
    pub const CLIENT_ID: &'static str = "7a1f0c52-4be3-4d0f-9a55-0d5c2f6b8e10";
    /// Secret of [`SimApp::sample`]. It opens nothing but a simulated tenant on the same machine.
    pub const SECRET: &'static str = "simulated~tenant+only/secret";

    /// The application every simulated tenant knows unless told otherwise: all roles granted.
    #[must_use]
    pub fn sample() -> Self {
        let roles = Api::ALL.iter().flat_map(|api| api.roles()).map(|role| (*role).to_owned()).collect();
        Self {
            client_id: Self::CLIENT_ID.to_owned(),
            secret: Secret::new(Self::SECRET.to_owned()),
            certificates: Vec::new(),
            federated: vec![SimFederated {
                issuer: None,
                subject: platform::JOB_SUBJECT.to_owned(),
                audience: "api://AzureADTokenExchange".to_owned(),
            }],
            display_name: "huntbook".to_owned(),
            roles,
            consent: Consent::default(),
            person: None,
        }
    }

    /// Registers the certificates of a PEM text.
    #[must_use]
    pub fn with_certificates(mut self, pem: &[u8]) -> Self {
        self.certificates.extend(assertion::certificates(pem));
        self
    }

    /// The same application without a secret, to which somebody signs in whose own roles allow `rights`.
    #[must_use]
    pub fn public(self, name: &str, rights: Vec<String>) -> Self {
        Self { person: Some(SimPerson { name: name.to_owned(), rights }), ..self }
    }

    /// Takes one role away.
    #[must_use]
    pub fn without(mut self, role: &str) -> Self {
        self.roles.retain(|granted| granted != role);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_carries_the_roles_of_its_api_alone() {
        let app = SimApp::sample().without("Machine.Isolate");
        let roles = Api::Mde.roles_of(&app.roles);
        assert!(roles.contains(&"Machine.Scan"));
        assert!(!roles.contains(&"Machine.Isolate"));
        assert!(!roles.contains(&"ThreatHunting.Read.All"));
    }

    #[test]
    fn the_older_resource_name_still_means_defender_for_endpoint() {
        let (api, audience) = Api::find("https://securitycenter.onmicrosoft.com/windowsatpservice").unwrap();
        assert_eq!(api, Api::Mde);
        assert!(api.takes(audience));
        assert_eq!(Api::find("https://foo.example"), None);
    }
}
