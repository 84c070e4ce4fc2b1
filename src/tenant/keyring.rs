//! The keyring of the person's desktop session (Secret Service), as a place for their
//! sign-in. Nobody is asked to unlock it but who signs in.

use jiff::SignedDuration;
use secret_service::{EncryptionType, Error, SecretService};

use super::session::SessionError;
use crate::clock::SharedClock;
use crate::model::Secret;

/// How long the keyring may take to answer.
const ANSWER_WITHIN: SignedDuration = SignedDuration::from_secs(10);
/// How long a person may take to unlock it.
const UNLOCK_WITHIN: SignedDuration = SignedDuration::from_mins(5);
/// What is kept there.
const CONTENT: &str = "text/plain";

/// A place in the keyring.
#[derive(Debug)]
pub(super) struct Keyring {
    /// Which sign-in it is.
    bound: String,
    clock: SharedClock,
}

impl Keyring {
    pub(super) const fn new(bound: String, clock: SharedClock) -> Self {
        Self { bound, clock }
    }

    /// Finds out whether there is a keyring; who is there may have to unlock it.
    pub(super) async fn unlock(&self) -> Result<(), SessionError> {
        let work = async {
            let service = connect().await?;
            service.get_default_collection().await?.unlock().await
        };
        self.within(UNLOCK_WITHIN, work).await
    }

    pub(super) async fn read(&self) -> Result<Secret, SessionError> {
        let work = async {
            let service = connect().await?;
            let found = service.search_items(self.attributes()).await?;
            match (found.unlocked.first(), found.locked.first()) {
                (Some(item), _) => item.get_secret().await.map(Some),
                (None, Some(_)) => Err(Error::Locked),
                (None, None) => Ok(None),
            }
        };
        let found = self.within(ANSWER_WITHIN, work).await?.ok_or(SessionError::Nobody)?;
        String::from_utf8(found).map(Secret::new).map_err(|_it_says_nothing| SessionError::Unreadable)
    }

    pub(super) async fn write(&self, token: &Secret) -> Result<(), SessionError> {
        let work = async {
            let service = connect().await?;
            let collection = service.get_default_collection().await?;
            let (secret, replace) = (token.expose().as_bytes(), true);
            let label = "huntbook: a sign-in";
            collection.create_item(label, self.attributes(), secret, replace, CONTENT).await.map(drop)
        };
        self.within(ANSWER_WITHIN, work).await
    }

    /// Removes what is kept; says whether there was something.
    pub(super) async fn remove(&self) -> Result<bool, SessionError> {
        let work = async {
            let service = connect().await?;
            let found = service.search_items(self.attributes()).await?;
            if !found.locked.is_empty() {
                return Err(Error::Locked);
            }
            for item in &found.unlocked {
                item.delete().await?;
            }
            Ok(!found.unlocked.is_empty())
        };
        self.within(ANSWER_WITHIN, work).await
    }

    #[expect(
        clippy::disallowed_types,
        reason = "the form that the library takes; its order is seen by nobody"
    )]
    fn attributes(&self) -> std::collections::HashMap<&str, &str> {
        [("application", "huntbook"), ("session", self.bound.as_str())].into_iter().collect()
    }

    async fn within<T>(
        &self,
        time: SignedDuration,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, SessionError> {
        tokio::select! {
            done = work => done.map_err(|error| SessionError::Keyring(Box::new(error))),
            () = self.clock.sleep(time) => Err(SessionError::Keyring("it does not answer".into())),
        }
    }
}

/// What goes over the bus is encrypted.
async fn connect() -> Result<SecretService<'static>, Error> {
    SecretService::connect(EncryptionType::Dh).await
}
