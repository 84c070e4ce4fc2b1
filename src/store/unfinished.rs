//! Runs without an end: what a dead process left, and what a failed write left in this one.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _};

use super::run::{Item, Run, read_item, read_playbook_id, read_run, read_run_id};
use super::{Store, StoreError, Trigger};
use crate::model::{PlaybookId, RunId};

/// A run whose process died, and its items that nobody has dealt with.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfinished {
    /// The run. If it is not [`Run::batched`], it died before its matches were on disk: ask the tenant
    /// again, under the same run.
    pub run: Run,
    /// Its unsettled items, by their place.
    pub items: Vec<Item>,
}

/// Where a run is without an end: still `running`, or ended with items nobody settled.
const UNFINISHED: &str = "(state = 'running' OR id IN (SELECT run FROM items WHERE outcome = 'matched'))";

impl Store {
    /// Lists the runs a dead process left. Oldest first.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        let mut query = QueryBuilder::<sqlx::Sqlite>::new("SELECT * FROM runs WHERE ");
        query.push(UNFINISHED).push(" ORDER BY started, id");
        let mut unfinished = Vec::new();
        for row in query.build().fetch_all(&self.0.readers).await? {
            unfinished.push(self.with_items(&row).await?);
        }
        Ok(unfinished)
    }

    /// Lists the unfinished runs of one playbook in one tenant, and why each began. Oldest first. Those that go on are
    /// among them: ask when none can.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn unfinished_of(
        &self,
        tenant: &str,
        playbook: PlaybookId,
    ) -> Result<Vec<(RunId, Trigger)>, StoreError> {
        let mut query = QueryBuilder::<sqlx::Sqlite>::new("SELECT id, cause FROM runs WHERE ");
        query.push(UNFINISHED);
        query.push(" AND tenant = ").push_bind(tenant);
        query.push(" AND playbook = ").push_bind(playbook.to_string());
        query.push(" ORDER BY started, id");
        let rows = query.build().fetch_all(&self.0.readers).await?;
        let read = |row: &SqliteRow| Ok((read_run_id(row.try_get(0)?)?, row.try_get::<&str, _>(1)?.parse()?));
        rows.iter().map(read).collect()
    }

    /// Lists the playbooks and tenants that have unfinished runs, each once. Those that go on are among
    /// them.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn unfinished_keys(&self) -> Result<Vec<(PlaybookId, String)>, StoreError> {
        let mut query =
            QueryBuilder::<sqlx::Sqlite>::new("SELECT DISTINCT playbook, tenant FROM runs WHERE ");
        query.push(UNFINISHED).push(" ORDER BY playbook, tenant");
        let rows = query.build().fetch_all(&self.0.readers).await?;
        rows.iter().map(|row| Ok((read_playbook_id(row.try_get(0)?)?, row.try_get(1)?))).collect()
    }

    /// Lists the items of a run that nobody has dealt with, by their place.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn unsettled(&self, run: RunId) -> Result<Vec<Item>, StoreError> {
        sqlx::query("SELECT * FROM items WHERE run = $1 AND outcome = 'matched' ORDER BY seq")
            .bind(run.to_string())
            .fetch_all(&self.0.readers)
            .await?
            .iter()
            .map(read_item)
            .collect()
    }

    /// One run, if it is unfinished.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn unfinished_run(&self, run: RunId) -> Result<Option<Unfinished>, StoreError> {
        let mut query = QueryBuilder::<sqlx::Sqlite>::new("SELECT * FROM runs WHERE ");
        query.push(UNFINISHED).push(" AND id = ").push_bind(run.to_string());
        match query.build().fetch_optional(&self.0.readers).await? {
            Some(row) => self.with_items(&row).await.map(Some),
            None => Ok(None),
        }
    }

    async fn with_items(&self, row: &SqliteRow) -> Result<Unfinished, StoreError> {
        let run = read_run(row)?;
        let items = self.unsettled(run.id).await?;
        Ok(Unfinished { run, items })
    }
}
