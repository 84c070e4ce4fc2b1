//! The mark that an action leaves at the tenant, first in its comment, so that it is found again when its answer was
//! lost: which call it is, which attempt, and a code that nobody can write who does not have this journal.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;
use sqlx::SqlitePool;

use super::{EffectKey, Store, StoreError, open};
use crate::model::RunId;

/// The facts that hold the key, 64 bits each.
const PARTS: [&str; 4] = ["markKey0", "markKey1", "markKey2", "markKey3"];
/// The fact that says from which opening of the journal on actions have been marked.
const SINCE: &str = "markedSince";
/// The same of comments at incidents and alerts, which were not marked at first.
const COMMENTS_SINCE: &str = "commentsMarkedSince";
/// What every mark begins with.
pub(super) const BEGINNING: &str = "[hb:1:";
/// Bytes of the code that are written: a guess per call, each an action on a device that somebody may take, is not
/// worth trying 2⁴⁰ times.
const CODE_BYTES: usize = 5;

/// What marks are made with.
#[derive(Clone)]
pub(super) struct Marks {
    key: [u8; 32],
    /// The opening from which on every action was marked.
    pub(super) since: i64,
    /// The opening from which on every comment was.
    pub(super) comments_since: i64,
}

impl std::fmt::Debug for Marks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Marks").field("since", &self.since).finish_non_exhaustive()
    }
}

impl Marks {
    /// Reads the key, and makes it if this journal has none yet.
    pub(super) async fn of(pool: &SqlitePool, epoch: i64) -> Result<Self, StoreError> {
        let mut tx = open::begin(pool).await?;
        let random = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
        let insert = "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        for (name, random) in PARTS.iter().zip(random) {
            // The lower half of such an id is random but for two bits.
            let (_upper, lower) = random.as_u64_pair();
            sqlx::query(insert).bind(*name).bind(lower.cast_signed()).execute(&mut *tx).await?;
        }
        for name in [SINCE, COMMENTS_SINCE] {
            sqlx::query(insert).bind(name).bind(epoch).execute(&mut *tx).await?;
        }
        let read = "SELECT value FROM facts WHERE name = $1";
        let mut key = [0; 32];
        for (name, part) in PARTS.iter().zip(key.chunks_exact_mut(8)) {
            let value: i64 = sqlx::query_scalar(read).bind(*name).fetch_one(&mut *tx).await?;
            part.copy_from_slice(&value.to_be_bytes());
        }
        let since = sqlx::query_scalar(read).bind(SINCE).fetch_one(&mut *tx).await?;
        let comments_since = sqlx::query_scalar(read).bind(COMMENTS_SINCE).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(Self { key, since, comments_since })
    }

    /// What looks random in the id of a run.
    fn bits(&self, epoch: i64, count: u64) -> [u8; 10] {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.key).expect("an HMAC takes a key of any length");
        code.update(b"run");
        code.update(&epoch.to_be_bytes());
        code.update(&count.to_be_bytes());
        let mut bits = [0; 10];
        bits.iter_mut().zip(code.finalize().into_bytes()).for_each(|(bit, byte)| *bit = byte);
        bits
    }

    fn mark(&self, (tenant, key, attempt): (&str, &EffectKey, u32)) -> String {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.key).expect("an HMAC takes a key of any length");
        for part in [tenant.as_bytes(), key.as_str().as_bytes(), &attempt.to_be_bytes()] {
            code.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            code.update(part);
        }
        let mut mark = format!("{BEGINNING}{key}:{attempt}:");
        for byte in code.finalize().into_bytes().iter().take(CODE_BYTES) {
            let _infallible = write!(mark, "{byte:02x}");
        }
        mark.push(']');
        mark
    }

    /// The call and the attempt of which a comment in a tenant carries this journal's own mark.
    pub(super) fn read(&self, tenant: &str, comment: &str) -> Option<(EffectKey, u32)> {
        let (inner, _rest) = comment.strip_prefix(BEGINNING)?.split_once(']')?;
        let (key, rest) = inner.split_once(':')?;
        let (attempt, _code) = rest.split_once(':')?;
        let (key, attempt) = (key.parse().ok()?, attempt.parse().ok()?);
        comment.starts_with(&self.mark((tenant, &key, attempt))).then_some((key, attempt))
    }
}

impl Store {
    /// The id of a new run: its time, and bits that come of the journal's own key, of this opening and of a count. No
    /// other journal makes the same, and a journal that is played again from a seed does.
    ///
    /// # Errors
    ///
    /// [`StoreError::Reader`] if this store does not own the journal.
    pub fn new_run(&self, started: Timestamp) -> Result<RunId, StoreError> {
        let opening = self.opening()?;
        let count = opening.runs.fetch_add(1, Ordering::Relaxed);
        Ok(RunId::with(started, &opening.marks.bits(opening.epoch, count)))
    }

    /// The mark of one attempt at a call. Comments begin with it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Reader`] if this store does not own the journal.
    pub fn mark(&self, tenant: &str, key: &EffectKey, attempt: u32) -> Result<String, StoreError> {
        let marks = &self.opening()?.marks;
        Ok(marks.mark((tenant, key, attempt)))
    }

    /// Whether a comment in a tenant begins with a mark of this journal.
    ///
    /// # Errors
    ///
    /// [`StoreError::Reader`] if this store does not own the journal.
    pub fn is_marked(&self, tenant: &str, comment: &str) -> Result<bool, StoreError> {
        Ok(self.opening()?.marks.read(tenant, comment).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_of_one_attempt_at_one_call_in_one_tenant_and_of_one_journal() {
        let of = |byte| Marks { key: [byte; 32], since: 1, comments_since: 1 };
        let key = |text: &str| text.parse::<EffectKey>().unwrap();
        let mark = of(7).mark(("contoso", &key("k"), 1));
        assert_eq!(mark, "[hb:1:k:1:75da7e85bb]");
        let written = format!("{mark} test");
        assert_eq!(of(7).read("contoso", &written), Some((key("k"), 1)));
        assert_eq!((of(8).read("contoso", &written), of(7).read("fabrikam", &written)), (None, None));
        for strange in ["", "[hb:1:", "[hb:1:k:1", "[hb:1:k]", "[hb:1:k:1]", "[hb:1:k:x:75da7e85bb]"] {
            assert_eq!(of(7).read("contoso", strange), None, "{strange}");
        }
        assert_eq!(of(7).read("contoso", &written.replace(":1:7", ":2:7")), None);
        let others = [
            of(7).mark(("contoso", &key("k"), 2)),
            of(7).mark(("contoso", &key("l"), 1)),
            of(7).mark(("contos", &key("ok"), 1)),
            of(8).mark(("contoso", &key("k"), 1)),
        ];
        let code = |mark: &str| mark.rsplit(':').next().unwrap().to_owned();
        assert!(others.iter().all(|other| code(other) != code(&mark)), "{others:?}");
        assert_eq!(format!("{:?}", of(7)), "Marks { since: 1, .. }");
        let ids = [of(7).bits(1, 0), of(7).bits(1, 1), of(7).bits(2, 0), of(8).bits(1, 0)];
        assert_eq!(std::collections::BTreeSet::from(ids).len(), ids.len());
    }
}
