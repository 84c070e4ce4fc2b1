//! Histories that only grow: each event is bound to the one before by its hash, and to what it is about.
//!
//! The hash covers the event and what it is about, so that neither can be changed, taken out or put in without
//! a break. Somebody who can write the file can forge a whole new chain; the head belongs into a log on another
//! machine. Here is how a chain is walked, followed and added to; what is in an event is its own history's.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Row as _, Sqlite};

use super::approval_chain::ApprovalEvents;
use super::effect_chain::EffectEvents;
use super::said::WordEvents;
use super::stop::StopEvents;
use super::{ContentHash, Remedy, Store, StoreError, Tx};

/// Events read at a time: what one walk keeps in memory.
const PAGE: i64 = 1000;

/// A history of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// What was intended, sent and done.
    Effects,
    /// What people were asked and said.
    Approvals,
    /// Who stopped actions, and who resumed them.
    Stops,
    /// What people said beside: that an action is to be taken back, that a run may pass.
    Words,
}

impl History {
    /// Every history.
    pub const ALL: [Self; 4] = [Self::Effects, Self::Approvals, Self::Stops, Self::Words];

    /// The word in texts and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Effects => "effects",
            Self::Approvals => "approvals",
            Self::Stops => "stops",
            Self::Words => "words",
        }
    }
}

/// An event that is, or was, the last one of its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The history.
    pub history: History,
    /// Its number there.
    pub event: i64,
    /// Its hash.
    pub hash: ContentHash,
}

/// What a look through a chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chain {
    /// Every event follows from the one before, and everything stands where its last event says.
    Intact {
        /// How many events were looked at.
        events: u64,
        /// The hash of the last one; zeros if there is none.
        head: [u8; 32],
    },
    /// Somebody changed the journal.
    Broken {
        /// The number of the first event that does not fit; 0 if it is something that does not stand where its
        /// events say.
        event: i64,
        /// Whose event it is, if that can be told: the key of an effect, the id of an approval, a tenant.
        about: Option<String>,
        /// What does not fit.
        why: &'static str,
    },
}

/// A history that is chained. Rows of its events have the columns `n`, `prev_hash`, `hash` and `about`.
pub(super) trait Chained {
    /// The event before the first of the last so many: `$1` of them, or all that retention has left.
    const START: &'static str;
    /// The events after `$1`, at most `$2`, in their order, with what they are about.
    const PAGE: &'static str;
    /// The number and the hash of the last event.
    const LAST: &'static str;
    /// The number of the event with the hash `$1`.
    const FIND: &'static str;
    /// Finds one thing that does not stand where its last event says.
    const STRAY: &'static str;
    /// What is said of that.
    const STRAY_WHY: &'static str;

    /// Hashes an event after `prev`, with what it is about; or says what is wrong with it.
    fn hash(row: &SqliteRow, prev: &[u8]) -> Result<Result<[u8; 32], &'static str>, StoreError>;

    /// Tells an event to machines.
    fn tell(row: &SqliteRow) -> Result<Value, StoreError>;
}

impl Store {
    /// Looks through the last `events_max` events of a history, and whether everything stands where its last
    /// event says.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; a broken chain is no error but an answer.
    pub async fn verify(&self, history: History, events_max: u32) -> Result<Chain, StoreError> {
        match history {
            History::Effects => self.walk::<EffectEvents>(events_max).await,
            History::Approvals => self.walk::<ApprovalEvents>(events_max).await,
            History::Stops => self.walk::<StopEvents>(events_max).await,
            History::Words => self.walk::<WordEvents>(events_max).await,
        }
    }

    /// The last event of each history that has one: its number and its hash. Kept elsewhere, they show later that an end
    /// was cut off.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        let mut heads = Vec::new();
        for history in History::ALL {
            let last = match history {
                History::Effects => EffectEvents::LAST,
                History::Approvals => ApprovalEvents::LAST,
                History::Stops => StopEvents::LAST,
                History::Words => WordEvents::LAST,
            };
            if let Some(row) = sqlx::query(last).fetch_optional(&self.0.readers).await? {
                let hash: Vec<u8> = row.try_get(1)?;
                heads.push(Head { history, event: row.try_get(0)?, hash: ContentHash::stored(&hash)? });
            }
        }
        Ok(heads)
    }

    /// Finds the event with a hash that was a head once.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn event_with(&self, hash: &ContentHash) -> Result<Option<Head>, StoreError> {
        for history in History::ALL {
            let find = match history {
                History::Effects => EffectEvents::FIND,
                History::Approvals => ApprovalEvents::FIND,
                History::Stops => StopEvents::FIND,
                History::Words => WordEvents::FIND,
            };
            let found = sqlx::query_scalar(find).bind(hash.0.as_slice()).fetch_optional(&self.0.readers);
            if let Some(event) = found.await? {
                return Ok(Some(Head { history, event, hash: *hash }));
            }
        }
        Ok(None)
    }

    /// Tells the events of a history after the one with the number `after`, a thousand at most, each with its
    /// number.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn events(&self, history: History, after: i64) -> Result<Vec<(i64, Value)>, StoreError> {
        match history {
            History::Effects => self.tell::<EffectEvents>(after).await,
            History::Approvals => self.tell::<ApprovalEvents>(after).await,
            History::Stops => self.tell::<StopEvents>(after).await,
            History::Words => self.tell::<WordEvents>(after).await,
        }
    }

    async fn walk<C: Chained>(&self, events_max: u32) -> Result<Chain, StoreError> {
        // One transaction: what is written meanwhile is not half of it.
        let mut tx = self.0.readers.begin().await?;
        let mut n: i64 = sqlx::query_scalar(C::START).bind(events_max).fetch_one(&mut *tx).await?;
        let (mut events, mut head) = (0_u64, None);
        loop {
            let rows = page::<C>(&mut *tx, n).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                n += 1;
                match follows::<C>(row, n, head)? {
                    Ok(hash) => head = Some(hash),
                    Err(why) => {
                        let (event, about) = (row.try_get("n")?, row.try_get("about")?);
                        return Ok(Chain::Broken { event, about, why });
                    }
                }
                events += 1;
            }
        }
        let stray: Option<String> = sqlx::query_scalar(C::STRAY).fetch_optional(&mut *tx).await?;
        Ok(match stray {
            Some(about) => Chain::Broken { event: 0, about: Some(about), why: C::STRAY_WHY },
            None => Chain::Intact { events, head: head.unwrap_or_default() },
        })
    }

    async fn tell<C: Chained>(&self, after: i64) -> Result<Vec<(i64, Value)>, StoreError> {
        let rows = page::<C>(&self.0.readers, after).await?;
        let told = |row: &SqliteRow| {
            let hash: Vec<u8> = row.try_get("hash")?;
            let event = with(C::tell(row)?, json!({"hash": ContentHash::stored(&hash)?.to_string()}));
            Ok((row.try_get("n")?, event))
        };
        rows.iter().map(told).collect()
    }
}

/// An object with the members of another one.
pub(super) fn with(mut told: Value, more: Value) -> Value {
    if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
        told.extend(more);
    }
    told
}

async fn page<'c, C: Chained>(
    from: impl Executor<'c, Database = Sqlite>,
    after: i64,
) -> Result<Vec<SqliteRow>, StoreError> {
    Ok(sqlx::query(C::PAGE).bind(after).bind(PAGE).fetch_all(from).await?)
}

/// Checks one event against the one before; gives its hash, or what does not fit.
fn follows<C: Chained>(
    row: &SqliteRow,
    expected: i64,
    before: Option<[u8; 32]>,
) -> Result<Result<[u8; 32], &'static str>, StoreError> {
    if row.try_get::<i64, _>("n")? != expected {
        return Ok(Err("an event before it is missing"));
    }
    let prev: &[u8] = row.try_get("prev_hash")?;
    // The first event of a journal follows nothing; the first after a cut keeps its word.
    let fits = match before {
        Some(before) => prev == before,
        None => expected > 1 || prev == [0; 32],
    };
    if !fits {
        return Ok(Err("it does not follow the event before it"));
    }
    let hash = match C::hash(row, prev) {
        Ok(Ok(hash)) => hash,
        Ok(Err(why)) => return Ok(Err(why)),
        Err(error) if error.remedy() == Remedy::Refuse => return Ok(Err("it cannot be read any more")),
        Err(StoreError::Database(sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))) => {
            return Ok(Err("it cannot be read any more"));
        }
        Err(error) => return Err(error),
    };
    Ok(if row.try_get::<&[u8], _>("hash")? == hash { Ok(hash) } else { Err("it was changed") })
}

/// The number of the next event of a history, and the hash that it follows.
pub(super) async fn end<C: Chained>(tx: &mut Tx) -> Result<(i64, Vec<u8>), StoreError> {
    let last = sqlx::query(C::LAST).fetch_optional(&mut **tx).await?;
    // Retention keeps the last event, so an empty chain is a new one.
    Ok(match last {
        Some(row) => (row.try_get::<i64, _>(0)? + 1, row.try_get(1)?),
        None => (1, vec![0; 32]),
    })
}

/// Fields that are hashed in their order. Each counts with its length, so that no two events read the same.
#[derive(Default)]
pub(super) struct Fields(Sha256);

impl Fields {
    pub(super) fn add(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.0.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(bytes);
    }

    /// A text that may be missing, which is not the same as empty.
    pub(super) fn add_text(&mut self, text: Option<&str>) {
        self.add([u8::from(text.is_some())]);
        self.add(text.unwrap_or_default());
    }

    pub(super) fn hash(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
