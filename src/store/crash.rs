//! Playbooks at which the whole process dies: counted from one start to the next, and stopped when it comes to it.
//!
//! Such a stop is one that huntbook says itself, of a playbook in all tenants; a person's of that kind has an account.

use jiff::SignedDuration;
use sqlx::Row as _;

use super::run::read_playbook_id;
use super::stop::{self, Stop, StopWord, StoppedPlaybook};
use super::{OutboxMessage, Store, StoreError, Tx, outbox};
use crate::model::{PlaybookId, RunId};

/// Within what time deaths count together.
const WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// What may be why the process died, and is tried alone at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspect {
    /// Taking up a run, or going on with it.
    Run(PlaybookId, RunId),
    /// Taking back what a playbook did.
    Revert(PlaybookId),
}

/// How it stands about a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// It has the process for itself.
    Holds,
    /// It had, and the process lives: it goes on beside the next.
    Survived,
    /// It is done.
    Over,
}

impl Suspect {
    const fn playbook(self) -> PlaybookId {
        let (Self::Run(playbook, _) | Self::Revert(playbook)) = self;
        playbook
    }

    fn about(self) -> String {
        match self {
            Self::Run(_playbook, run) => run.to_string(),
            Self::Revert(playbook) => format!("revert/{playbook}"),
        }
    }
}

impl Stop {
    /// Whether it keeps a playbook from running, because the process died at it again and again.
    #[must_use]
    pub fn is_quarantine(&self) -> bool {
        self.tenant.is_none() && self.playbook.is_some() && self.uid.is_none() && self.way.is_none()
    }

    /// Whether it keeps this playbook from running.
    #[must_use]
    pub fn is_quarantine_of(&self, playbook: PlaybookId) -> bool {
        self.is_quarantine() && self.playbook.as_ref().is_some_and(|stopped| stopped.id == playbook)
    }
}

impl Store {
    /// Notes that a process serves, and counts how the one before ended. Playbooks of which a run was carried out at
    /// `crashes_max` deaths in ten minutes, since somebody last let them run again, are stopped, and people are told what
    /// `alarm` says of each stop; returns those stops.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; then nothing was counted.
    pub async fn begin_serving(
        &self,
        crashes_max: u32,
        alarm: impl Fn(&Stop) -> Option<OutboxMessage>,
    ) -> Result<Vec<Stop>, StoreError> {
        let epoch = self.opening()?.epoch;
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let dead: i64 =
            sqlx::query_scalar("SELECT value FROM facts WHERE name = 'serving'").fetch_one(&mut *tx).await?;
        let since = now.saturating_sub(i64::try_from(WITHIN.as_millis()).unwrap_or(i64::MAX));
        sqlx::query("DELETE FROM crashes WHERE at <= $1 OR at > $2")
            .bind(since)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        let mut stops = Vec::new();
        for playbook in carried_out(&mut tx, dead).await? {
            sqlx::query("INSERT INTO crashes (playbook, at) VALUES ($1, $2)")
                .bind(playbook.id.to_string())
                .bind(now)
                .execute(&mut *tx)
                .await?;
            let times = deaths(&mut tx, playbook.id).await?;
            if i64::from(crashes_max) <= times && !is_stopped(&mut tx, playbook.id).await? {
                let stop = stop::append_own(&mut tx, word(playbook, times), now).await?;
                if let Some(alarm) = alarm(&stop) {
                    outbox::write(&mut tx, &alarm, now).await?;
                }
                stops.push(stop);
            }
        }
        sqlx::query("DELETE FROM going_on").execute(&mut *tx).await?;
        sqlx::query("DELETE FROM alone").execute(&mut *tx).await?;
        serve(&mut tx, epoch).await?;
        tx.commit().await?;
        Ok(stops)
    }

    /// Notes that the process that serves was asked to end, or knows why it does.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; then its end counts as a death.
    pub async fn end_serving(&self) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        serve(&mut tx, 0).await?;
        tx.commit().await
    }

    /// Whether a process died within the last minutes while it carried out runs.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn has_died(&self) -> Result<bool, StoreError> {
        let now = self.time().await?.as_millisecond();
        let since = now.saturating_sub(i64::try_from(WITHIN.as_millis()).unwrap_or(i64::MAX));
        let query = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM crashes WHERE at > $1)").bind(since);
        Ok(query.fetch_one(&self.0.readers).await?)
    }

    /// Notes that this process goes on with an ended run of which people have decided something: if it dies meanwhile, it
    /// died at that.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn go_on_with(&self, run: RunId) -> Result<(), StoreError> {
        let epoch = self.opening()?.epoch;
        let mut tx = self.write().await?;
        sqlx::query("INSERT OR REPLACE INTO going_on (run, epoch) VALUES ($1, $2)")
            .bind(run.to_string())
            .bind(epoch)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// Notes that it has done so.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn gone_on_with(&self, run: RunId) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM going_on WHERE run = $1").bind(run.to_string()).execute(&mut *tx).await?;
        tx.commit().await
    }

    /// Notes how it stands about a suspect. There is one at a time that has the process for itself.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn note_alone(&self, suspect: Suspect, alone: Alone) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let (about, holds) = (suspect.about(), alone == Alone::Holds);
        sqlx::query("DELETE FROM alone WHERE about = $1 OR (holds = 1 AND $2)")
            .bind(&about)
            .bind(holds)
            .execute(&mut *tx)
            .await?;
        if alone != Alone::Over {
            sqlx::query("INSERT INTO alone (about, playbook, holds) VALUES ($1, $2, $3)")
                .bind(&about)
                .bind(suspect.playbook().to_string())
                .bind(holds)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await
    }

    /// Notes that this process carries a run out that another one began.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn carry(&self, run: RunId) -> Result<(), StoreError> {
        let epoch = self.opening()?.epoch;
        let mut tx = self.write().await?;
        sqlx::query("UPDATE runs SET epoch = $2 WHERE id = $1")
            .bind(run.to_string())
            .bind(epoch)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
}

async fn serve(tx: &mut Tx, epoch: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE facts SET value = $1 WHERE name = 'serving'").bind(epoch).execute(&mut **tx).await?;
    Ok(())
}

/// The playbooks at which a process may have died: that which it tried alone, or of which it carried out a run. While one
/// was tried alone, those do not count that had been before and went on beside it.
async fn carried_out(tx: &mut Tx, dead: i64) -> Result<Vec<StoppedPlaybook>, StoreError> {
    let rows = sqlx::query(
        "SELECT playbook, max(playbook_name) FROM runs WHERE $1 > 0 \
         AND (playbook IN (SELECT playbook FROM alone WHERE holds = 1) \
          OR (((state = 'running' AND epoch = $1) OR id IN (SELECT run FROM going_on WHERE epoch = $1)) \
           AND NOT (EXISTS (SELECT 1 FROM alone WHERE holds = 1) \
            AND EXISTS (SELECT 1 FROM alone WHERE holds = 0 \
             AND about IN (runs.id, CASE cause WHEN 'revert' THEN 'revert/' || runs.playbook END))))) \
         GROUP BY playbook ORDER BY playbook",
    )
    .bind(dead)
    .fetch_all(&mut **tx)
    .await?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        Ok(StoppedPlaybook { id: read_playbook_id(row.try_get(0)?)?, name: row.try_get(1)? })
    };
    rows.iter().map(read).collect()
}

/// How often the process died at a playbook since somebody last let it run.
async fn deaths(tx: &mut Tx, playbook: PlaybookId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT count(*) FROM crashes WHERE playbook = $1 AND at > coalesce( \
         (SELECT max(counts_at) FROM resumes_dated WHERE tenant IS NULL AND playbook = $1), 0)",
    )
    .bind(playbook.to_string())
    .fetch_one(&mut **tx)
    .await?)
}

async fn is_stopped(tx: &mut Tx, playbook: PlaybookId) -> Result<bool, StoreError> {
    Ok(stop::standing(tx).await?.iter().any(|stop| stop.is_quarantine_of(playbook)))
}

fn word(playbook: StoppedPlaybook, times: i64) -> StopWord {
    let reason = format!(
        "the process died {times} times in ten minutes while a run of it was under way: it does not run until \
         `huntbook resume --playbook`"
    );
    StopWord {
        tenant: None,
        playbook: Some(playbook),
        reason: Some(reason),
        account: "huntbook".to_owned(),
        uid: None,
        way: None,
    }
}
