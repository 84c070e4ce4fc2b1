//! The socket in the state folder: whoever is at its other end gets a code for their account.
//!
//! The system says whose process that is. Only root and the account that serves may say that they ask for another
//! account: with `sudo`, the process is theirs and the person is not.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::Web;
use super::session::Ticket;
use crate::clock::SharedClock;
use crate::console::Account;

/// Longest line either side sends.
const LINE_MAX: u64 = 4096;
/// How long either side waits for the other.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// For whom a code is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Claim {
    /// The account's number, if it is not the asking process's own.
    pub uid: Option<u32>,
    /// What the account is called, if this machine does not know it.
    pub name: Option<String>,
}

/// Why nobody gave out a code.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Nobody serves a page here.
    #[error("nobody answers at `{at}`: is there a `web:` in the settings, and does `huntbook serve` run?")]
    Nobody {
        /// Where.
        at: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The other side said no.
    #[error("no code was given out: {0}")]
    Refused(String),
    /// The other side said nothing that can be understood.
    #[error("the answer cannot be understood")]
    Unclear,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Reply {
    Ticket(Ticket),
    Refused(String),
}

/// Where the socket of a journal is: beside it.
#[must_use]
pub fn place(journal: &Path) -> PathBuf {
    journal.with_extension("sock")
}

/// Asks whoever serves at a socket for a code.
///
/// # Errors
///
/// [`DoorError`].
pub async fn knock(at: &Path, claim: &Claim, clock: &SharedClock) -> Result<Ticket, DoorError> {
    let asked = async {
        let nobody = |source| DoorError::Nobody { at: at.to_owned(), source };
        let mut stream = UnixStream::connect(at).await.map_err(nobody)?;
        let mut line = serde_json::to_string(claim).unwrap_or_default();
        line.push('\n');
        stream.write_all(line.as_bytes()).await.map_err(nobody)?;
        let reply = read_line(&mut stream).await.map_err(nobody)?;
        match serde_json::from_str(&reply) {
            Ok(Reply::Ticket(ticket)) => Ok(ticket),
            Ok(Reply::Refused(why)) => Err(DoorError::Refused(why)),
            Err(_unclear) => Err(DoorError::Unclear),
        }
    };
    tokio::select! {
        asked = asked => asked,
        () = clock.sleep(PATIENCE) => Err(DoorError::Refused("it takes too long".to_owned())),
    }
}

/// Opens the socket, in place of one that somebody left. Only its owner gets through.
pub(super) fn open(at: &Path) -> io::Result<UnixListener> {
    // The journal's lock is ours, so nobody serves here.
    if std::fs::symlink_metadata(at).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(at)?;
    }
    let listener = UnixListener::bind(at)?;
    std::fs::set_permissions(at, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Takes the socket away.
pub(super) fn close(at: &Path) {
    if let Err(error) = std::fs::remove_file(at) {
        tracing::warn!(%error, "the page's socket could not be removed");
    }
}

impl Web {
    /// Answers one that asks for a code.
    pub(super) async fn open_to(&self, mut stream: UnixStream) {
        let talk = async {
            let asking = stream.peer_cred()?.uid();
            let line = read_line(&mut stream).await?;
            let reply = match serde_json::from_str::<Claim>(&line) {
                Ok(claim) => self.reply(asking, claim),
                Err(_unclear) => Reply::Refused("the question cannot be understood".to_owned()),
            };
            let mut line = serde_json::to_string(&reply).map_err(io::Error::from)?;
            line.push('\n');
            stream.write_all(line.as_bytes()).await
        };
        tokio::select! {
            talked = talk => if let Err(error) = talked {
                tracing::warn!(%error, "somebody asked for a code and could not be answered");
            },
            () = self.0.facts.clock.sleep(PATIENCE) => {}
        }
    }

    fn reply(&self, asking: u32, claim: Claim) -> Reply {
        let Some(account) = whose(asking, Account::own(), claim) else {
            tracing::warn!(asking, "an account asked for a code in the name of another");
            return Reply::Refused("only root asks for others".to_owned());
        };
        let name = account.name.clone();
        match self.ticket(account) {
            Some(ticket) => {
                tracing::info!(account = name, asking, "a code for the page was given out");
                Reply::Ticket(ticket)
            }
            None => Reply::Refused("too many are open: use one, or wait five minutes".to_owned()),
        }
    }
}

/// For whom `asking` may have a code; `None` if not for whom it wants one.
fn whose(asking: u32, own: u32, claim: Claim) -> Option<Account> {
    match claim.uid.filter(|claimed| *claimed != asking) {
        None => Some(Account::of(asking, None)),
        Some(claimed) if asking == 0 || asking == own => Some(Account::of(claimed, claim.name)),
        Some(_another) => None,
    }
}

async fn read_line(stream: &mut UnixStream) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(LINE_MAX)).read_line(&mut line).await?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_service_speak_for_others() {
        const OWN: u32 = 990;
        let asks = |asking, claimed: Option<u32>| {
            let claim = Claim { uid: claimed, name: Some("alice".to_owned()) };
            whose(asking, OWN, claim).and_then(|account| account.uid)
        };
        assert_eq!(
            (asks(0, Some(4_001_001)), asks(OWN, Some(4_001_001))),
            (Some(4_001_001), Some(4_001_001))
        );
        assert_eq!(
            (asks(4_001_001, Some(4_001_001)), asks(4_001_001, None)),
            (Some(4_001_001), Some(4_001_001))
        );
        assert_eq!((asks(4_001_002, Some(4_001_001)), asks(4_001_002, Some(0))), (None, None));
        // What the machine does not know is called as the one who may say so says; nobody else chooses a name.
        let claim = |uid| Claim { uid, name: Some("alice".to_owned()) };
        assert_eq!(whose(0, OWN, claim(Some(4_001_001))).unwrap().name, "alice");
        assert_eq!(whose(4_001_002, OWN, claim(None)).unwrap().name, "4001002");
    }
}
