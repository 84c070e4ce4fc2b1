//! Signatures of minisign: whose files count where the settings name keys.

use std::collections::BTreeMap;

use minisign_verify::{Error, PublicKey, Signature};

/// Longest file of a signature: four lines, of which one is a comment of at most eight KiB.
pub(crate) const SIGNATURE_BYTES_MAX: u64 = 16 << 10;

/// Lines of a signature: a comment, the signature, a signed comment, and the signature of that.
const LINES: usize = 4;

/// The keys of the settings, by their names. Without any, nothing need be signed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signers(BTreeMap<String, PublicKey>);

/// Why a file counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// There is no signature.
    #[error("there is no signature `{0}` beside it, and `reload.signedBy` wants one")]
    Missing(String),
    /// It is no signature of minisign.
    #[error("`{0}` beside it is no signature of minisign: four lines, and nothing after them")]
    Malformed(String),
    /// It is by another key.
    #[error("its signature `{0}` is by a key that `reload.signedBy` does not name")]
    Stranger(String),
    /// The file was changed since.
    #[error("its signature `{0}` is not that of these bytes: one of the two was changed")]
    Wrong(String),
    /// It is a signature of another file.
    #[error(
        "its signature `{signature}` is for {named}: the signed comment must say `file:{file}`, as minisign writes it"
    )]
    Elsewhere {
        /// The signature.
        signature: String,
        /// The file.
        file: String,
        /// What it names.
        named: String,
    },
}

impl Signers {
    /// Reads keys.
    ///
    /// # Errors
    ///
    /// The name of one that is none.
    pub fn read(written: &BTreeMap<String, String>) -> Result<Self, String> {
        let key = |(name, key): (&String, &String)| {
            let key = PublicKey::from_base64(key.trim()).map_err(|_no_key| name.clone())?;
            Ok((name.clone(), key))
        };
        written.iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of these has signed a file of this name with these bytes, by a signature of that name.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn verify(
        &self,
        (file, bytes): (&str, &[u8]),
        (name, signature): (&str, Option<&[u8]>),
    ) -> Result<(), Unsigned> {
        let signature = signature.ok_or_else(|| Unsigned::Missing(name.to_owned()))?;
        let malformed = || Unsigned::Malformed(name.to_owned());
        let text = std::str::from_utf8(signature).map_err(|_binary| malformed())?;
        if text.lines().skip(LINES).any(|line| !line.trim().is_empty()) {
            return Err(malformed());
        }
        let signature = Signature::decode(text).map_err(|_none| malformed())?;
        let mut why = Unsigned::Stranger(name.to_owned());
        for key in self.0.values() {
            match key.verify(bytes, &signature, true) {
                Ok(()) => return names(file, name, signature.trusted_comment()),
                Err(Error::UnexpectedKeyId) => {}
                Err(_wrong) => why = Unsigned::Wrong(name.to_owned()),
            }
        }
        Err(why)
    }
}

/// A list is called by its file's name, so the signature of one must not do for another.
fn names(file: &str, signature: &str, comment: &str) -> Result<(), Unsigned> {
    let named = comment.split('\t').find_map(|field| field.strip_prefix("file:"));
    if named == Some(file) {
        return Ok(());
    }
    let named = named.map_or_else(|| "no file".to_owned(), |named| format!("`{}`", named.escape_debug()));
    Err(Unsigned::Elsewhere { signature: signature.to_owned(), file: file.to_owned(), named })
}
