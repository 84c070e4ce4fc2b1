//! Numbers that nobody guesses, and how they are kept.

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The hash of a secret: what is kept of it, so that a look-up tells nothing of how near a guess was.
pub(super) type Kept = [u8; 32];

/// Makes a secret of 256 random bits; `None` if this machine gives no random numbers.
pub(super) fn make() -> Option<String> {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a secret.
pub(super) fn keep(secret: &str) -> Kept {
    let mut kept = Kept::default();
    for (to, from) in kept.iter_mut().zip(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref()) {
        *to = *from;
    }
    kept
}

/// What is kept of a secret, as a text.
pub(super) fn written(kept: &Kept) -> String {
    URL_SAFE_NO_PAD.encode(kept)
}

/// The same, read again.
pub(super) fn read(text: &str) -> Option<Kept> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}
