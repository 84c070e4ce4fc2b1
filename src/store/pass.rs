//! A person's word that one run of a playbook may have as many matches as it has: it serves once.

use std::path::Path;

use sqlx::Row as _;

use super::budget::DAY_MS;
use super::said::{Saying, Speaker, say};
use super::{Store, StoreError, open};
use crate::clock::SharedClock;
use crate::model::{PlaybookId, RunId};

/// The word, and the one that spends it.
const LET_PASS: &str = "letPass";
const PASSED: &str = "passed";

impl Store {
    /// Writes into the journal at `path` that one run of a playbook in a tenant, within a day, may have far more matches
    /// than usual. This works beside the process that owns the journal.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn let_pass(
        path: &Path,
        clock: SharedClock,
        (tenant, playbook): (&str, PlaybookId),
        by: &Speaker,
    ) -> Result<(), StoreError> {
        open::beside(path, clock, async |store: &Self| store.hear_pass((tenant, playbook), by).await).await
    }

    /// The same in the process that owns the journal.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn hear_pass(
        &self,
        (tenant, playbook): (&str, PlaybookId),
        by: &Speaker,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        say(&mut tx, &Saying { word: LET_PASS, tenant, playbook, about: tenant }, by, now).await?;
        tx.commit().await
    }

    /// Spends the latest such word for a run, if it is not spent and not older than a day; the same run may ask again.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; the run may then not pass.
    pub async fn take_pass(
        &self,
        (tenant, playbook): (&str, PlaybookId),
        run: RunId,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let last = sqlx::query(
            "SELECT word, about, at FROM words WHERE tenant = $1 AND playbook = $2 AND word IN ($3, $4) \
             ORDER BY n DESC LIMIT 1",
        )
        .bind(tenant)
        .bind(playbook.to_string())
        .bind(LET_PASS)
        .bind(PASSED)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(last) = last else { return Ok(false) };
        let (word, about, at): (&str, &str, i64) = (last.try_get(0)?, last.try_get(1)?, last.try_get(2)?);
        let run = run.to_string();
        if word == PASSED {
            return Ok(about == run);
        }
        if at.saturating_add(DAY_MS) <= now || now < at {
            return Ok(false);
        }
        let huntbook = Speaker { account: "huntbook".to_owned(), uid: None, reason: None };
        say(&mut tx, &Saying { word: PASSED, tenant, playbook, about: &run }, &huntbook, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}
