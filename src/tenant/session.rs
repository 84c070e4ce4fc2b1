//! A person's sign-in, kept over restarts: the refresh token, encrypted in a file of its own.
//!
//! AES-256-GCM, with a key derived for each writing from the one that the settings refer to. The file is bound to the
//! tenant and the app: under another name it cannot be read. Whoever wants to use the token takes a turn, within the
//! process and among processes, because each use may replace it: the newest is written before the next turn.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

use super::credential::{CredentialError, fetch};
use crate::model::{Secret, SharedSource};

/// Version of the file's form.
const VERSION: u32 = 1;
/// Bytes of salt, fresh for each writing.
const SALT_LEN: usize = 32;
/// Bytes of a key of AES-256.
const KEY_LEN: usize = 32;
/// Shortest key text: what `openssl rand -base64 32` gives is longer, a password people remember most times not.
const KEY_TEXT_MIN: usize = 32;
/// Largest file read. Refresh tokens reach some kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A sign-in that cannot be used or kept. Never contains a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// There is none.
    #[error("nobody is signed in")]
    Nobody,
    /// The key is no key.
    #[error("the key must have at least {KEY_TEXT_MIN} characters; `openssl rand -base64 32` makes one")]
    ShortKey,
    /// The file is of another key, tenant or app, or was changed.
    #[error("what is kept of the sign-in cannot be read: the key is another one, or the file was changed")]
    Unreadable,
    /// The file cannot be read or written.
    #[error("`{path}` cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Where a person's sign-in is kept.
#[derive(Debug)]
pub struct Session {
    path: PathBuf,
    key: SharedSource,
    /// What the file is bound to.
    bound: String,
    turn: Mutex<()>,
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    salt: String,
    nonce: String,
    sealed: String,
}

/// The right to use the token, and to replace it.
pub(super) struct Turn<'a> {
    session: &'a Session,
    /// Given back when it is dropped.
    lock: File,
    /// Comes after the lock of other processes.
    _mine: MutexGuard<'a, ()>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Closing the file would not do while this process starts another one, which has a copy of it.
        drop(self.lock.unlock());
    }
}

/// How long a derived key is.
struct KeyLen;

impl KeyType for KeyLen {
    fn len(&self) -> usize {
        KEY_LEN
    }
}

impl Session {
    /// Names the place; nothing needs to be there. `key` is where the text of the key is found.
    #[must_use]
    pub fn new(path: PathBuf, key: SharedSource, (tenant_id, client_id): (&str, &str)) -> Self {
        let bound = format!("huntbook session {VERSION} {tenant_id} {client_id}").to_ascii_lowercase();
        Self { path, key, bound, turn: Mutex::new(()) }
    }

    /// Keeps a new sign-in in place of the one before.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] if the key is not there, or the file cannot be written.
    pub async fn keep(&self, token: &Secret) -> Result<(), CredentialError> {
        self.take_turn().await?.write(token).await
    }

    /// Forgets the sign-in; says whether there was one.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] if the file cannot be removed.
    pub async fn forget(&self) -> Result<bool, CredentialError> {
        let _turn = self.take_turn().await?;
        match std::fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Finds out whether the key is there.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] says why not.
    pub async fn check_key(&self) -> Result<(), CredentialError> {
        self.key_text().await.map(drop)
    }

    /// Finds out whether the sign-in that is kept can be read.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] says why not.
    pub async fn look(&self) -> Result<(), CredentialError> {
        self.take_turn().await?.read().await.map(drop)
    }

    /// Waits until nobody else uses the token, here or in another process.
    pub(super) async fn take_turn(&self) -> Result<Turn<'_>, CredentialError> {
        let turn = self.turn.lock().await;
        let path = self.path.with_extension("lock");
        let locked = tokio::task::spawn_blocking(move || {
            if let Some(folder) = path.parent() {
                make_folder(folder)?;
            }
            let file = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(&path)?;
            file.lock()?;
            Ok(file)
        });
        let locked = locked.await.map_err(io::Error::other).and_then(std::convert::identity);
        let lock = locked.map_err(|source| self.failed(source))?;
        Ok(Turn { session: self, lock, _mine: turn })
    }

    async fn key_text(&self) -> Result<Secret, CredentialError> {
        let key = fetch("the key of the sign-in", &self.key).await?;
        if key.expose().trim().len() < KEY_TEXT_MIN { Err(SessionError::ShortKey.into()) } else { Ok(key) }
    }

    /// The key of one file.
    fn key(&self, text: &Secret, salt: &[u8]) -> Result<RandomizedNonceKey, SessionError> {
        let mut key = [0; KEY_LEN];
        let secret = Salt::new(HKDF_SHA256, salt).extract(text.expose().trim().as_bytes());
        let info = [self.bound.as_bytes()];
        let filled = secret.expand(&info, KeyLen).and_then(|okm| okm.fill(&mut key));
        filled
            .and_then(|()| RandomizedNonceKey::new(&AES_256_GCM, &key))
            .map_err(|_it_says_nothing| SessionError::Unreadable)
    }

    fn failed(&self, source: io::Error) -> CredentialError {
        SessionError::File { path: self.path.clone(), source }.into()
    }
}

impl Turn<'_> {
    /// The token as it is now.
    pub(super) async fn read(&self) -> Result<Secret, CredentialError> {
        let session = self.session;
        let mut bytes = Vec::new();
        let read = File::open(&session.path)
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map(drop));
        match read {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(SessionError::Nobody.into()),
            Err(source) => return Err(session.failed(source)),
        }
        let text = session.key_text().await?;
        Ok(session.open(&text, &bytes)?)
    }

    /// Replaces the token: the old one is in the file until all of the new one is on the disk.
    pub(super) async fn write(&self, token: &Secret) -> Result<(), CredentialError> {
        let text = self.session.key_text().await?;
        let bytes = self.session.seal(&text, token)?;
        replace(&self.session.path, &bytes).map_err(|source| self.session.failed(source))
    }
}

impl Session {
    fn seal(&self, text: &Secret, token: &Secret) -> Result<Vec<u8>, SessionError> {
        let mut salt = [0; SALT_LEN];
        rand::fill(&mut salt).map_err(|_it_says_nothing| SessionError::Unreadable)?;
        let mut sealed = token.expose().as_bytes().to_vec();
        let key = self.key(text, &salt)?;
        let nonce = key.seal_in_place_append_tag(Aad::from(self.bound.as_bytes()), &mut sealed);
        let nonce = nonce.map_err(|_it_says_nothing| SessionError::Unreadable)?;
        let [salt, nonce] = [STANDARD.encode(salt), STANDARD.encode(nonce.as_ref())];
        let kept = Kept { version: VERSION, salt, nonce, sealed: STANDARD.encode(sealed) };
        serde_json::to_vec(&kept).map_err(|_it_says_nothing| SessionError::Unreadable)
    }

    fn open(&self, text: &Secret, bytes: &[u8]) -> Result<Secret, SessionError> {
        let unreadable = || SessionError::Unreadable;
        let kept: Kept = serde_json::from_slice(bytes).map_err(|_it_says_nothing| unreadable())?;
        let decode = |part: &str| STANDARD.decode(part).map_err(|_it_says_nothing| unreadable());
        let (salt, nonce, mut sealed) = (decode(&kept.salt)?, decode(&kept.nonce)?, decode(&kept.sealed)?);
        let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_it_says_nothing| unreadable())?;
        if kept.version != VERSION {
            return Err(unreadable());
        }
        let key = self.key(text, &salt)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = key.open_in_place(nonce, Aad::from(self.bound.as_bytes()), &mut sealed);
        let opened = opened.map_err(|_it_says_nothing| unreadable())?;
        String::from_utf8(opened.to_vec()).map(Secret::new).map_err(|_it_says_nothing| unreadable())
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file that is either the old or the new one, whatever happens meanwhile.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn session(folder: &Path, key: &str, app: &str) -> Session {
        let key: SharedSource = Arc::new(Secret::new(key.to_owned()));
        Session::new(folder.join("sessions/contoso.json"), key, ("tenant", app))
    }

    #[tokio::test]
    async fn a_sign_in_is_kept_encrypted_and_only_its_own_key_and_app_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let own = session(folder.path(), KEY, "app");
        let said = |result: Result<(), CredentialError>| crate::diag::Chain(&result.unwrap_err()).to_string();
        assert!(said(own.look().await).contains("nobody is signed in"));
        own.keep(&Secret::new("r3fresh".to_owned())).await.unwrap();
        own.keep(&Secret::new("r3fresh-2".to_owned())).await.unwrap();
        assert_eq!(own.take_turn().await.unwrap().read().await.unwrap().expose(), "r3fresh-2");
        let path = folder.path().join("sessions/contoso.json");
        let bytes = std::fs::read_to_string(&path).unwrap();
        assert!(!bytes.contains("r3fresh") && !bytes.contains(KEY));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let other = KEY.replace('0', "x");
        assert!(said(session(folder.path(), &other, "app").look().await).contains("the key is another one"));
        assert!(said(session(folder.path(), KEY, "other").look().await).contains("the key is another one"));
        assert!(said(session(folder.path(), "short", "app").look().await).contains("at least 32 characters"));
        assert!(own.forget().await.unwrap());
        assert!(!own.forget().await.unwrap());
    }
}
