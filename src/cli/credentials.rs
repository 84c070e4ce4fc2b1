//! From settings to the ways to sign in, and to the places of secrets.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::setup::{Doors, cloud};
use crate::clock::SharedClock;
use crate::model::{Secret, SharedSource, TenantId};
use crate::settings::{
    self, AuthSettings, ClientCertificateSettings, Cloud, GithubSettings, IdentityHostSettings,
    ManagedIdentitySettings, Packed, SecretError, SecretRef, SecretsFolder, VaultRef, VaultSettings,
    WorkloadIdentitySettings,
};
use crate::tenant::{
    ARC_ENDPOINT, ARC_KEYS, AppCertificate, Credential, EXCHANGE_AUDIENCE, GithubJob, IdentityHost,
    ManagedIdentity, Session, VM_ENDPOINT, Vault, VaultOptions, WhichIdentity,
};

/// The authority of the cloud of China, in which vaults may be.
const CHINA_LOGIN: &str = "https://login.chinacloudapi.cn";

/// What the environment says, if it says it.
fn environment(name: &str) -> Option<Secret> {
    settings::resolve(&SecretRef::Env(name.to_owned())).ok()
}

/// The same; a way to sign in needs it.
fn needed(name: &str) -> Result<Secret, SecretError> {
    settings::resolve(&SecretRef::Env(name.to_owned()))
}

impl Doors {
    /// Prepares a vault. Asks nobody.
    pub(super) fn vault(&self, name: &str, vault: &VaultSettings) -> anyhow::Result<Vault> {
        let of = format!("vault `{name}`");
        let china = (vault.cloud == Cloud::China).then(|| CHINA_LOGIN.to_owned());
        let options = VaultOptions {
            name: name.to_owned(),
            url: vault.url.clone(),
            tenant_id: vault.tenant_id.clone(),
            cloud: cloud(vault.cloud).unwrap_or_default(),
            login: vault.login.clone().or(china),
            credential: self.credential((&of, &vault.tenant_id), &vault.auth),
        };
        Ok(Vault::open(options, self.http.clone(), Arc::clone(&self.clock))?)
    }

    /// How huntbook signs in. What this process was not given is missed when it is wanted: others sign in without it.
    pub(super) fn credential(&self, way: (&str, &TenantId), auth: &AuthSettings) -> Credential {
        self.given(way, auth).unwrap_or_else(|error| {
            let client_id = auth.client_id().map(str::to_owned);
            Credential::Unset {
                client_id,
                why: Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(error)),
            }
        })
    }

    fn given(&self, (of, id): (&str, &TenantId), auth: &AuthSettings) -> anyhow::Result<Credential> {
        Ok(match auth.app() {
            AuthSettings::ClientSecret(app) => Credential::ClientSecret {
                client_id: app.client_id.clone(),
                secret: self.source(&app.secret)?,
            },
            AuthSettings::ClientCertificate(app) => Credential::ClientCertificate {
                client_id: app.client_id.clone(),
                certificate: Arc::new(self.certificate(app)?),
            },
            AuthSettings::ManagedIdentity(identity) => Credential::Managed(managed(identity)?),
            AuthSettings::WorkloadIdentity(workload) => self.workload(workload)?,
            AuthSettings::User(user) => {
                let bound = (id.as_str(), user.client_id.as_str());
                let path = user.kept().to_owned();
                let session = match &user.key {
                    Some(key) => Session::new(path, self.source(key)?, bound),
                    None => Session::in_keyring(path, bound, SharedClock::clone(&self.clock)),
                };
                Credential::User { client_id: user.client_id.clone(), session: Arc::new(session) }
            }
            AuthSettings::Partner(_) => bail!("{of} names no application"),
        })
    }

    fn certificate(&self, app: &ClientCertificateSettings) -> anyhow::Result<AppCertificate> {
        let source = |reference| self.source(reference);
        let key = app.key.as_ref().map(source).transpose()?;
        let password = app.password.as_ref().map(source).transpose()?;
        let certificate: SharedSource = match &app.certificate {
            SecretRef::KeyVault(place) => self.in_vault(place)?,
            local => Arc::new(Packed(local.clone())),
        };
        Ok(AppCertificate::new(certificate, key, password))
    }

    fn workload(&self, workload: &WorkloadIdentitySettings) -> anyhow::Result<Credential> {
        let client_id = match &workload.client_id {
            Some(id) => id.clone(),
            None => needed("AZURE_CLIENT_ID").context("`clientId` is not set")?.expose().to_owned(),
        };
        let token: SharedSource = if let Some(github) = &workload.github {
            Arc::new(self.github(github)?)
        } else {
            let told = || needed("AZURE_FEDERATED_TOKEN_FILE").context("`tokenFile` is not set");
            let path =
                workload.token_file.clone().map_or_else(|| told().map(|path| path.expose().into()), Ok)?;
            self.source(&SecretRef::File(path))?
        };
        Ok(Credential::Federated { client_id, token })
    }

    fn github(&self, github: &GithubSettings) -> anyhow::Result<GithubJob> {
        let needed = |name| needed(name).context("this is no job of GitHub Actions that may have a token");
        Ok(GithubJob {
            url: needed("ACTIONS_ID_TOKEN_REQUEST_URL")?,
            token: needed("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?,
            audience: github.audience.clone().unwrap_or_else(|| EXCHANGE_AUDIENCE.to_owned()),
            http: self.http.clone(),
        })
    }

    /// Where a secret is fetched whenever it is wanted.
    pub(super) fn source(&self, reference: &SecretRef) -> anyhow::Result<SharedSource> {
        match reference {
            SecretRef::KeyVault(place) => self.in_vault(place),
            local => Ok(Arc::new(local.clone())),
        }
    }

    fn in_vault(&self, place: &VaultRef) -> anyhow::Result<SharedSource> {
        let vault = self.vaults.get(&place.vault);
        let vault = vault.with_context(|| format!("there is no vault `{}`", place.vault))?;
        Ok(Arc::new(vault.secret(&place.name)))
    }
}

/// The identity of the platform, as the settings and the environment say.
fn managed(identity: &ManagedIdentitySettings) -> anyhow::Result<ManagedIdentity> {
    let endpoint = environment("IDENTITY_ENDPOINT");
    let host = identity.host.unwrap_or_else(|| {
        let is = |name| endpoint.is_some() && environment(name).is_some();
        if is("IDENTITY_HEADER") {
            IdentityHostSettings::AppService
        } else if is("IMDS_ENDPOINT") {
            IdentityHostSettings::Arc
        } else {
            IdentityHostSettings::Vm
        }
    });
    let given = identity.endpoint.clone();
    let told = || endpoint.as_ref().map(|endpoint| endpoint.expose().to_owned());
    let host = match host {
        IdentityHostSettings::Vm => {
            IdentityHost::Vm { endpoint: given.unwrap_or_else(|| VM_ENDPOINT.to_owned()) }
        }
        IdentityHostSettings::AppService => IdentityHost::AppService {
            endpoint: match given.or_else(told) {
                Some(endpoint) => endpoint,
                None => bail!("`IDENTITY_ENDPOINT` is not set: this is no App Service with an identity"),
            },
            header: needed("IDENTITY_HEADER").context("this is no App Service with an identity")?,
        },
        IdentityHostSettings::Arc => {
            let keys = identity.arc_keys.clone().unwrap_or_else(|| Path::new(ARC_KEYS).to_owned());
            let endpoint = given.or_else(told).unwrap_or_else(|| ARC_ENDPOINT.to_owned());
            IdentityHost::Arc { endpoint, keys: Arc::new(SecretsFolder(keys)) }
        }
    };
    let which = match (&identity.client_id, &identity.object_id, &identity.resource_id) {
        (Some(id), _, _) => Some(WhichIdentity::Client(id.clone())),
        (_, Some(id), _) => Some(WhichIdentity::Object(id.clone())),
        (_, _, Some(id)) => Some(WhichIdentity::Resource(id.clone())),
        (None, None, None) => None,
    };
    Ok(ManagedIdentity { host, which })
}
