//! A person's sign-in, kept over restarts: the refresh token, in the keyring of their desktop session or encrypted in a
//! file of its own.
//!
//! The file: AES-256-GCM, with a key derived for each writing from the one that the settings refer to. The file is bound to the
//! tenant and the app: under another name it cannot be read. Whoever wants to use the token takes a turn, within the
//! process and among processes, because each use may replace it: the newest is written before the next turn.
//!
//! Only a sign-in makes anything. What is made belongs to whom the folder around it belongs, so that a command of root
//! keeps the service from nothing; looking leaves nothing behind.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown, lchown};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

use super::credential::{CredentialError, fetch};
use super::keyring::Keyring;
use crate::clock::SharedClock;
use crate::model::{Secret, SharedSource};

/// Version of the file's form.
const VERSION: u32 = 1;
/// Bytes of salt, fresh for each writing.
const SALT_LEN: usize = 32;
/// Bytes of a key of AES-256.
const KEY_LEN: usize = 32;
/// Shortest key text: what `openssl rand -base64 32` gives is longer, a password people remember most times not.
const KEY_TEXT_MIN: usize = 32;
/// What the group and all others may write.
const WRITABLE: u32 = 0o022;
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
    /// The keyring does not give or take it.
    #[error(
        "the keyring of this desktop session cannot be used; with `key` in the settings the sign-in is kept in an encrypted file"
    )]
    Keyring(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Others could put a file of theirs in the place of it.
    #[error("`{path}` can be written to by others: `chmod go-w` it first")]
    Exposed {
        /// The folder.
        path: PathBuf,
    },
    /// The file, its folder or its lock cannot be read or written.
    #[error("`{path}` cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl SessionError {
    /// What to do about it.
    pub(super) fn remedy(&self, tenant: &str) -> String {
        let login = format!("`huntbook login {tenant}` signs in");
        match self {
            Self::Nobody | Self::Unreadable => login,
            Self::Keyring(_) => format!("unlock the keyring and {login}, or give `key` in the settings"),
            Self::ShortKey => format!("put a longer key in its place; then {login}"),
            Self::Exposed { .. } => "take the rights of others away from that folder".to_owned(),
            Self::File { .. } => {
                "let the account that runs huntbook, and no other, read and write it and its folder"
                    .to_owned()
            }
        }
    }
}

/// Where a person's sign-in is kept.
#[derive(Debug)]
pub struct Session {
    /// The file; what stands beside it is used with the keyring, too.
    path: PathBuf,
    place: Place,
    /// What it is bound to.
    bound: String,
    turn: Mutex<()>,
}

#[derive(Debug)]
enum Place {
    /// The file, encrypted with a key that is found there.
    File(SharedSource),
    /// The keyring.
    Keyring(Keyring),
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
    /// Names a file; nothing needs to be there. `key` is where the text of the key is found.
    #[must_use]
    pub fn new(path: PathBuf, key: SharedSource, of: (&str, &str)) -> Self {
        Self { path, place: Place::File(key), bound: bound(of), turn: Mutex::new(()) }
    }

    /// Names a place in the keyring. Users of it take turns by a lock beside `path`, where nothing else is.
    #[must_use]
    pub fn in_keyring(path: PathBuf, of: (&str, &str), clock: SharedClock) -> Self {
        let bound = bound(of);
        Self { path, place: Place::Keyring(Keyring::new(bound.clone(), clock)), bound, turn: Mutex::new(()) }
    }

    /// Keeps a new sign-in in place of the one before.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] if the key is not there, or the file cannot be written.
    pub async fn keep(&self, token: &Secret) -> Result<(), CredentialError> {
        let (folder, lock) = (self.folder().to_path_buf(), self.beside("lock"));
        make_folder(&folder).and_then(|()| make(&lock)).map_err(|source| failed(&lock, source))?;
        self.take_turn().await?.write(token).await
    }

    /// Forgets the sign-in; says whether there was one.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] if the file cannot be removed.
    pub async fn forget(&self) -> Result<bool, CredentialError> {
        let turn = match self.take_turn().await {
            Err(CredentialError::Session(SessionError::Nobody)) => None,
            turn => Some(turn?),
        };
        // It outlives the folder.
        if let Place::Keyring(keyring) = &self.place {
            return Ok(keyring.remove().await?);
        }
        if turn.is_none() {
            return Ok(false);
        }
        // One that died while it wrote may have left its token there.
        remove(&self.beside("new"))?;
        let was = remove(&self.path)?;
        sync(self.folder()).map_err(|source| failed(self.folder(), source))?;
        Ok(was)
    }

    /// Finds out whether a sign-in could be kept: the key or the keyring is there, and the folder is nobody else's.
    /// Who is there may have to unlock the keyring.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] says why not.
    pub async fn check_place(&self) -> Result<(), CredentialError> {
        match self.check_folder() {
            Ok(()) | Err(CredentialError::Session(SessionError::Nobody)) => {}
            Err(error) => return Err(error),
        }
        match &self.place {
            Place::File(key) => key_text(key).await.map(drop),
            Place::Keyring(keyring) => Ok(keyring.unlock().await?),
        }
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
        let path = self.beside("lock");
        self.check_folder()?;
        let opened = match File::open(&path) {
            // Nothing is kept without one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(SessionError::Nobody.into()),
            opened => opened.map_err(|source| failed(&path, source))?,
        };
        let locked = tokio::task::spawn_blocking(move || opened.lock().map(|()| opened));
        let locked = locked.await.map_err(io::Error::other).and_then(std::convert::identity);
        let lock = locked.map_err(|source| failed(&path, source))?;
        Ok(Turn { session: self, lock, _mine: turn })
    }

    /// Nothing is read from a folder in which others can put what they like.
    fn check_folder(&self) -> Result<(), CredentialError> {
        let folder = self.folder();
        match std::fs::metadata(folder) {
            Ok(found) if found.mode() & WRITABLE == 0 => Ok(()),
            Ok(_) => Err(SessionError::Exposed { path: folder.to_path_buf() }.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SessionError::Nobody.into()),
            Err(source) => Err(failed(folder, source)),
        }
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new("."))
    }

    /// A file beside the one of the sign-in.
    fn beside(&self, extension: &str) -> PathBuf {
        self.path.with_extension(extension)
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
}

impl Turn<'_> {
    /// The token as it is now.
    pub(super) async fn read(&self) -> Result<Secret, CredentialError> {
        let session = self.session;
        let key = match &session.place {
            Place::File(key) => key,
            Place::Keyring(keyring) => return Ok(keyring.read().await?),
        };
        let mut bytes = Vec::new();
        let read = File::open(&session.path)
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map(drop));
        match read {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(SessionError::Nobody.into()),
            Err(source) => return Err(failed(&session.path, source)),
        }
        let text = key_text(key).await?;
        Ok(session.open(&text, &bytes)?)
    }

    /// Replaces the token: the old one is in the file until all of the new one is on the disk.
    pub(super) async fn write(&self, token: &Secret) -> Result<(), CredentialError> {
        let session = self.session;
        let key = match &session.place {
            Place::File(key) => key,
            Place::Keyring(keyring) => return Ok(keyring.write(token).await?),
        };
        let bytes = session.seal(&key_text(key).await?, token)?;
        replace(session, &bytes).map_err(|source| failed(&session.path, source))
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

/// What a sign-in is bound to.
fn bound((tenant_id, client_id): (&str, &str)) -> String {
    format!("huntbook session {VERSION} {tenant_id} {client_id}").to_ascii_lowercase()
}

async fn key_text(source: &SharedSource) -> Result<Secret, CredentialError> {
    let key = fetch("the key of the sign-in", source).await?;
    if key.expose().trim().len() < KEY_TEXT_MIN { Err(SessionError::ShortKey.into()) } else { Ok(key) }
}

fn failed(path: &Path, source: io::Error) -> CredentialError {
    SessionError::File { path: path.to_path_buf(), source }.into()
}

/// Makes a folder, and those around it that are not there.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.exists() {
        return Ok(());
    }
    if let Some(around) = folder.parent() {
        make_folder(around)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => {
            let Some((user, group)) = other_owner(folder)? else { return Ok(()) };
            // A link that somebody has put there meanwhile is not followed.
            lchown(folder, Some(user), Some(group))
        }
    }
}

/// Makes an empty file, if it is not there.
fn make(path: &Path) -> io::Result<()> {
    match create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// A new file, in the place of nothing: no link is followed.
fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    if let Some((user, group)) = other_owner(path)? {
        fchown(&file, Some(user), Some(group))?;
    }
    Ok(file)
}

/// To whom the folder around something belongs, if that is not who made it.
fn other_owner(path: &Path) -> io::Result<Option<(u32, u32)>> {
    let around = path.parent().filter(|around| !around.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (around, own) = (std::fs::metadata(around)?, std::fs::symlink_metadata(path)?);
    Ok((around.uid() != own.uid()).then(|| (around.uid(), around.gid())))
}

/// Writes a file that is either the old or the new one, whatever happens meanwhile.
fn replace(session: &Session, bytes: &[u8]) -> io::Result<()> {
    let beside = session.beside("new");
    remove_if_there(&beside)?;
    let mut file = create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, &session.path)?;
    sync(session.folder())
}

fn remove(path: &Path) -> Result<bool, CredentialError> {
    remove_if_there(path).map_err(|source| failed(path, source))
}

fn remove_if_there(path: &Path) -> io::Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What was removed or renamed in a folder is so after a power cut, too.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
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
        std::fs::write(path.with_extension("new"), "half a file").unwrap();
        assert!(own.forget().await.unwrap());
        assert!(!path.with_extension("new").exists());
        assert!(!own.forget().await.unwrap());
    }

    #[tokio::test]
    async fn looking_leaves_nothing_behind_and_nothing_is_read_where_others_write() {
        let folder = tempfile::tempdir().unwrap();
        let own = session(folder.path(), KEY, "app");
        assert!(own.look().await.is_err() && !own.forget().await.unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

        own.keep(&Secret::new("r3fresh".to_owned())).await.unwrap();
        let sessions = folder.path().join("sessions");
        std::fs::set_permissions(&sessions, std::fs::Permissions::from_mode(0o770)).unwrap();
        let error = crate::diag::Chain(&own.look().await.unwrap_err()).to_string();
        assert!(error.contains("can be written to by others: `chmod go-w` it first"), "{error}");
    }

    #[tokio::test]
    async fn a_link_in_the_place_of_the_new_file_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let own = session(folder.path(), KEY, "app");
        own.keep(&Secret::new("r3fresh".to_owned())).await.unwrap();
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join("sessions/contoso.new")).unwrap();
        own.keep(&Secret::new("r3fresh-2".to_owned())).await.unwrap();
        assert_eq!(std::fs::read_to_string(victim).unwrap(), "precious");
        assert_eq!(own.take_turn().await.unwrap().read().await.unwrap().expose(), "r3fresh-2");
    }

    /// Only root can give files away; where the tests are run by somebody else there is nothing to see.
    #[tokio::test]
    async fn what_root_keeps_belongs_to_whom_the_folder_belongs() {
        const SERVICE: u32 = 65_534;
        let folder = tempfile::tempdir().unwrap();
        if std::os::unix::fs::chown(folder.path(), Some(SERVICE), Some(SERVICE)).is_err() {
            return;
        }
        session(folder.path(), KEY, "app").keep(&Secret::new("r3fresh".to_owned())).await.unwrap();
        for name in ["sessions", "sessions/contoso.lock", "sessions/contoso.json"] {
            assert_eq!(std::fs::metadata(folder.path().join(name)).unwrap().uid(), SERVICE, "{name}");
        }
    }
}
