//! What a playbook has seen in a tenant, so that the same thing is not news twice.

use std::collections::BTreeSet;

use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::run::ROWS_PER_INSERT;
use super::{Store, StoreError, Tx};
use crate::model::PlaybookId;

/// What makes an item the same item next time: the first 16 bytes of a hash of its identifying fields.
pub type Identity = [u8; 16];

/// Identities asked for in one query: a page of the index each, far below SQLite's 32,766 variables.
const IDENTITIES_PER_QUERY: usize = 500;

/// How old a sighting may grow before [`Store::renew_seen`] writes it again. A day keeps writes rare, and
/// retention keeps sightings for weeks.
const RENEW_AFTER_MS: i64 = 24 * 60 * 60 * 1000;

impl Store {
    /// Says which of `identities` this playbook has not seen in this tenant, in their order, each once.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn unseen(
        &self,
        tenant: &str,
        playbook: PlaybookId,
        identities: &[Identity],
    ) -> Result<Vec<Identity>, StoreError> {
        let mut known: BTreeSet<Identity> = BTreeSet::new();
        for chunk in identities.chunks(IDENTITIES_PER_QUERY) {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT identity FROM seen WHERE tenant = ");
            query.push_bind(tenant).push(" AND playbook = ").push_bind(playbook.to_string());
            query.push(" AND identity IN (");
            let mut list = query.separated(", ");
            for identity in chunk {
                list.push_bind(identity.as_slice());
            }
            query.push(")");
            for row in query.build().fetch_all(&self.0.readers).await? {
                known.extend(row.try_get::<Vec<u8>, _>(0)?.try_into().ok() as Option<Identity>);
            }
        }
        Ok(identities.iter().copied().filter(|identity| known.insert(*identity)).collect())
    }

    /// Notes that identities are still being seen, so that retention does not forget them while the tenant
    /// keeps returning them. Writes at most once a day for each.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn renew_seen(
        &self,
        tenant: &str,
        playbook: PlaybookId,
        identities: &[Identity],
    ) -> Result<(), StoreError> {
        let now = self.now_ms()?;
        let mut tx = self.write().await?;
        for chunk in identities.chunks(IDENTITIES_PER_QUERY) {
            let mut query = QueryBuilder::<Sqlite>::new("UPDATE seen SET last_at = ");
            query.push_bind(now).push(" WHERE tenant = ").push_bind(tenant);
            query.push(" AND playbook = ").push_bind(playbook.to_string());
            query.push(" AND last_at < ").push_bind(now.saturating_sub(RENEW_AFTER_MS));
            query.push(" AND identity IN (");
            let mut list = query.separated(", ");
            for identity in chunk {
                list.push_bind(identity.as_slice());
            }
            query.push(")");
            query.build().execute(&mut *tx).await?;
        }
        tx.commit().await
    }
}

/// Marks identities as seen inside a transaction.
pub(super) async fn mark_seen(
    tx: &mut Tx,
    (tenant, playbook, run): (&str, &str, &str),
    identities: &BTreeSet<Identity>,
    now: i64,
) -> Result<(), StoreError> {
    let identities: Vec<&Identity> = identities.iter().collect();
    for chunk in identities.chunks(ROWS_PER_INSERT) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO seen (tenant, playbook, identity, run, first_at, last_at) ",
        );
        query.push_values(chunk, |mut row, identity| {
            row.push_bind(tenant).push_bind(playbook).push_bind(identity.as_slice());
            row.push_bind(run).push_bind(now).push_bind(now);
        });
        query.push(" ON CONFLICT (tenant, playbook, identity) DO UPDATE SET last_at = excluded.last_at");
        query.build().execute(&mut **tx).await?;
    }
    Ok(())
}
