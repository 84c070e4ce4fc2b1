//! Values that must never be printed, and the places where they are found.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};

/// A password, client secret, webhook address or token.
///
/// It has no `Display` and no `Serialize`; `Debug` prints `Secret(..)`; the memory is wiped on drop.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// Lends the value, for building a header or a login and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// A place where a secret is found. It is looked at whenever the secret is wanted: what was replaced there serves
/// from then on.
#[async_trait]
pub trait SecretSource: fmt::Debug + Send + Sync {
    /// Fetches the secret.
    ///
    /// # Errors
    ///
    /// [`SecretUnread`] says why it cannot be had.
    async fn fetch(&self) -> Result<Secret, SecretUnread>;
}

/// A place handed around the process.
pub type SharedSource = Arc<dyn SecretSource>;

#[async_trait]
impl SecretSource for Secret {
    async fn fetch(&self) -> Result<Self, SecretUnread> {
        Ok(self.clone())
    }
}

/// A folder in which somebody else puts secrets for us.
#[async_trait]
pub trait SecretFolder: fmt::Debug + Send + Sync {
    /// Where it is.
    fn path(&self) -> &Path;

    /// Fetches the secret of a file directly in it.
    ///
    /// # Errors
    ///
    /// [`SecretUnread`] says why it cannot be had.
    async fn fetch(&self, name: &str) -> Result<Secret, SecretUnread>;
}

/// A folder handed around the process.
pub type SharedFolder = Arc<dyn SecretFolder>;

/// A secret that cannot be had. Never contains it.
#[derive(Debug, thiserror::Error)]
pub enum SecretUnread {
    /// It is not there, or is none: somebody has to change something.
    #[error(transparent)]
    Missing(Box<dyn Error + Send + Sync>),
    /// Whoever keeps it was not reached, or is busy: it may pass.
    #[error(transparent)]
    Unreached(Box<dyn Error + Send + Sync>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
