//! Where secrets are found: never in the settings themselves.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::{Secret, SecretFolder, SecretSource, SecretUnread};

/// Largest secret: a certificate with its key fits, a mistaken path to a log does not.
const BYTES_MAX: u64 = 64 << 10;

/// Where a secret is found.
#[derive(Debug, Clone)]
pub enum SecretRef {
    /// In an environment variable.
    Env(String),
    /// In a file, without its last line break.
    File(PathBuf),
    /// Among the credentials the service manager hands over (systemd `LoadCredential=`).
    Credential(String),
    /// In a key vault of the settings.
    KeyVault(VaultRef),
    /// In memory: for programs that embed huntbook; no settings file can say it.
    Given(Secret),
}

impl PartialEq for SecretRef {
    /// Compares the places; a secret in memory equals nothing.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Env(a), Self::Env(b)) | (Self::Credential(a), Self::Credential(b)) => a == b,
            (Self::File(a), Self::File(b)) => a == b,
            (Self::KeyVault(a), Self::KeyVault(b)) => a == b,
            (Self::Env(_) | Self::File(_) | Self::Credential(_) | Self::KeyVault(_) | Self::Given(_), _) => {
                false
            }
        }
    }
}

#[async_trait]
impl SecretSource for SecretRef {
    async fn fetch(&self) -> Result<Secret, SecretUnread> {
        resolve(self).map_err(|error| SecretUnread::Missing(Box::new(error)))
    }
}

/// A secret that may be no text, such as a PFX file: what is none is fetched as base64.
#[derive(Debug, Clone)]
pub struct Packed(pub SecretRef);

#[async_trait]
impl SecretSource for Packed {
    async fn fetch(&self) -> Result<Secret, SecretUnread> {
        let fetched = fetch_in(&self.0, &|name| std::env::var_os(name));
        let text = fetched.and_then(|(bytes, place)| match String::from_utf8(bytes) {
            Ok(text) => accept(text, place),
            Err(binary) => Ok(Secret::new(STANDARD.encode(binary.as_bytes()))),
        });
        text.map_err(|error| SecretUnread::Missing(Box::new(error)))
    }
}

/// Where a secret is found: in the environment, in a file, among systemd's credentials, or in a key vault.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [{"required": ["env"]}, {"required": ["file"]}, {"required": ["credential"]},
        {"required": ["keyVault"]}],
    "x-secret" = true
))]
struct SecretItem {
    /// Name of an environment variable.
    #[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"), extend(
        "patternErrorMessage" = "the name of an environment variable"
    ), example = &"HUNTBOOK_CLIENT_SECRET")]
    env: Option<String>,
    /// Path of a file; its last line break does not count.
    #[schemars(length(min = 1), example = &"/run/secrets/huntbook-client-secret")]
    file: Option<PathBuf>,
    /// Name of a credential that systemd hands over (`LoadCredential=`).
    #[schemars(regex(pattern = "^[A-Za-z0-9_.@-]+$"), extend(
        "patternErrorMessage" = "the name of a credential"
    ), example = &"client-secret")]
    credential: Option<String>,
    /// A secret of an Azure key vault.
    key_vault: Option<VaultRef>,
}

/// A secret of a key vault.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VaultRef {
    /// Name of a vault of the settings (`vaults`).
    #[schemars(length(min = 1), example = &"soc")]
    pub vault: String,
    /// Name of the secret; of a certificate of the vault, its name.
    #[schemars(regex(pattern = "^[0-9A-Za-z-]{1,127}$"), extend(
        "patternErrorMessage" = "the name of a secret: letters, digits and `-`"
    ), example = &"huntbook-client-secret")]
    pub name: String,
}

/// A reference without a place, or with several.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a secret is found in exactly one place")]
struct NotOnePlace;

impl TryFrom<SecretItem> for SecretRef {
    type Error = NotOnePlace;

    fn try_from(item: SecretItem) -> Result<Self, NotOnePlace> {
        let places = [
            item.env.map(Self::Env),
            item.file.map(Self::File),
            item.credential.map(Self::Credential),
            item.key_vault.map(Self::KeyVault),
        ];
        let mut given = places.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(place), None) => Ok(place),
            _ => Err(NotOnePlace),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(SecretItem::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        SecretItem::json_schema(generator)
    }
}

/// A secret that could not be fetched. Never contains it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable does not exist.
    #[error("the environment variable `{0}` is not set")]
    NotSet(String),
    /// There is no folder of credentials.
    #[error(
        "the credential `{0}` was asked for, but the service manager handed over none (`CREDENTIALS_DIRECTORY`)"
    )]
    NoCredentials(String),
    /// The name of a credential is a path.
    #[error("the name of a credential must not be a path")]
    CredentialName,
    /// Only somebody who opens vaults can fetch it.
    #[error("a key vault cannot be asked for the secret `{0}` here")]
    InVault(String),
    /// The file cannot be read.
    #[error("the secret's file `{path}` cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing is there.
    #[error("the secret from {0} is empty")]
    Empty(String),
    /// Not a text.
    #[error("the secret from {0} is not UTF-8 text")]
    NotText(String),
    /// Larger than any secret.
    #[error("the secret from {0} is larger than 64 KiB")]
    TooLarge(String),
}

/// Fetches a secret.
///
/// # Errors
///
/// [`SecretError`] says what is missing; the settings or the environment must change.
pub fn resolve(reference: &SecretRef) -> Result<Secret, SecretError> {
    resolve_in(reference, &|name| std::env::var_os(name))
}

/// A folder in which somebody else puts secrets for us.
#[derive(Debug, Clone)]
pub struct SecretsFolder(pub PathBuf);

#[async_trait]
impl SecretFolder for SecretsFolder {
    fn path(&self) -> &Path {
        &self.0
    }

    async fn fetch(&self, name: &str) -> Result<Secret, SecretUnread> {
        SecretRef::File(self.0.join(name)).fetch().await
    }
}

/// Finds out whether something is where a secret is said to be, whatever its form.
///
/// # Errors
///
/// [`SecretError`] says what is missing.
pub fn probe(reference: &SecretRef) -> Result<(), SecretError> {
    let (bytes, place) = fetch_in(reference, &|name| std::env::var_os(name))?;
    if bytes.trim_ascii().is_empty() { Err(SecretError::Empty(place)) } else { Ok(()) }
}

/// Fetches a secret, with the environment as an argument.
fn resolve_in(
    reference: &SecretRef,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Secret, SecretError> {
    let (bytes, place) = fetch_in(reference, environment)?;
    let text = String::from_utf8(bytes).map_err(|_bytes| SecretError::NotText(place.clone()))?;
    accept(text, place)
}

/// Fetches the bytes of a secret, and says where from.
fn fetch_in(
    reference: &SecretRef,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<(Vec<u8>, String), SecretError> {
    match reference {
        SecretRef::Given(secret) => Ok((secret.expose().as_bytes().to_vec(), "memory".to_owned())),
        SecretRef::Env(name) => {
            let value = environment(name).ok_or_else(|| SecretError::NotSet(name.clone()))?;
            Ok((value.into_encoded_bytes(), format!("the environment variable `{name}`")))
        }
        SecretRef::File(path) => read(path),
        SecretRef::KeyVault(place) => Err(SecretError::InVault(place.name.clone())),
        SecretRef::Credential(name) => {
            let mut parts = Path::new(name).components();
            if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
                return Err(SecretError::CredentialName);
            }
            let folder = environment("CREDENTIALS_DIRECTORY")
                .ok_or_else(|| SecretError::NoCredentials(name.clone()))?;
            read(&Path::new(&folder).join(name))
        }
    }
}

/// Reads a secret from a file, without its last line break.
fn read(path: &Path) -> Result<(Vec<u8>, String), SecretError> {
    let place = format!("the file `{}`", path.display());
    let failed = |source| SecretError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(SecretError::TooLarge(place));
    }
    if std::str::from_utf8(&bytes).is_ok() && bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    Ok((bytes, place))
}

/// Refuses an empty secret: it is always a mistake, and some servers take it for "no login".
fn accept(text: String, place: String) -> Result<Secret, SecretError> {
    if text.trim().is_empty() { Err(SecretError::Empty(place)) } else { Ok(Secret::new(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reference: &SecretRef, expect: &str) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("good"), "hunter2\r\n").unwrap();
        std::fs::write(folder.path().join("blank"), " \n").unwrap();
        std::fs::write(folder.path().join("bytes"), b"\xff").unwrap();
        std::fs::write(folder.path().join("large"), vec![b'x'; 70_000]).unwrap();
        let place = folder.path().display().to_string();
        let environment = |name: &str| match name {
            "GOOD" => Some(OsString::from("hunter2")),
            "BLANK" => Some(OsString::new()),
            "CREDENTIALS_DIRECTORY" => Some(OsString::from(&place)),
            _ => None,
        };
        let reference = match reference {
            SecretRef::File(path) => &SecretRef::File(folder.path().join(path)),
            other => other,
        };
        let answer = match resolve_in(reference, &environment) {
            Ok(secret) => secret.expose().to_owned(),
            Err(error) => error.to_string().replace(&place, "DIR"),
        };
        assert_eq!(answer, expect);
    }

    #[test]
    fn a_secret_is_fetched_from_each_place() {
        check(&SecretRef::Env("GOOD".to_owned()), "hunter2");
        check(&SecretRef::File("good".into()), "hunter2");
        check(&SecretRef::Credential("good".to_owned()), "hunter2");
        check(&SecretRef::Given(Secret::new("hunter2".to_owned())), "hunter2");
    }

    #[test]
    fn a_secret_that_is_not_there_says_where_it_was_looked_for() {
        check(&SecretRef::Env("MISSING".to_owned()), "the environment variable `MISSING` is not set");
        check(
            &SecretRef::Env("BLANK".to_owned()),
            "the secret from the environment variable `BLANK` is empty",
        );
        check(&SecretRef::File("none".into()), "the secret's file `DIR/none` cannot be read");
        check(&SecretRef::File("blank".into()), "the secret from the file `DIR/blank` is empty");
        check(&SecretRef::File("bytes".into()), "the secret from the file `DIR/bytes` is not UTF-8 text");
        check(&SecretRef::File("large".into()), "the secret from the file `DIR/large` is larger than 64 KiB");
        check(&SecretRef::Credential("../good".to_owned()), "the name of a credential must not be a path");
        check(&SecretRef::Credential("..".to_owned()), "the name of a credential must not be a path");
    }
}
