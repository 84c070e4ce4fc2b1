//! Effects nobody knows the fate of: parked after a crash, found by people, and settled by a person's word.

use std::path::Path;

use sqlx::{QueryBuilder, Sqlite};

use super::effect::{Effect, Recorded, find, read_effect, step};
use super::{Besides, EffectKey, EffectState, Store, StoreError, Tx, open, revert, undone};
use crate::clock::SharedClock;
use crate::model::RunId;

/// What a person says of an effect that is parked, or of which the tenant never says how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It is in force.
    Done,
    /// It is not in force. What was counted against the budgets for it is given back, unless the tenant had
    /// accepted it.
    NotApplied,
}

impl Word {
    /// Where it takes an effect from where that is.
    pub(crate) const fn state(self, last: EffectState) -> EffectState {
        match (self, last) {
            (Self::Done, _) => EffectState::Done,
            (Self::NotApplied, EffectState::Pending) => EffectState::Failed,
            (Self::NotApplied, _) => EffectState::NotApplied,
        }
    }
}

/// Which effects are looked at for doubt.
enum Whose {
    /// Those of dead processes.
    DeadProcesses,
    /// Those of a run that nobody carries out, this process's own too.
    Run(RunId),
}

impl Store {
    /// Parks every effect that may or may not have been sent: those a dead process intended, and those
    /// whose result is unknown. Returns them, oldest first. Call it once, after opening and before the
    /// first run.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; nothing may be sent before it succeeds.
    pub async fn park_in_doubt(&self) -> Result<Vec<Effect>, StoreError> {
        self.park(Whose::DeadProcesses).await
    }

    /// Parks the effects of a run that may or may not have been sent, whoever intended them. For a run that
    /// stopped in the middle and that nobody carries out at the moment. Returns them, oldest first.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`]; the run must then not go on.
    pub async fn park_run(&self, run: RunId) -> Result<Vec<Effect>, StoreError> {
        self.park(Whose::Run(run)).await
    }

    async fn park(&self, whose: Whose) -> Result<Vec<Effect>, StoreError> {
        let epoch = self.opening()?.epoch;
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM effects WHERE ");
        match whose {
            Whose::DeadProcesses => {
                query.push("((state = 'intended' AND epoch < ").push_bind(epoch);
                query.push(") OR state = 'unknown')");
            }
            Whose::Run(run) => {
                query.push("state IN ('intended', 'unknown') AND run = ").push_bind(run.to_string());
            }
        }
        query.push(" ORDER BY intended_at, effect_key");
        let rows = query.build().fetch_all(&mut *tx).await?;
        let mut parked = Vec::with_capacity(rows.len());
        for row in rows {
            let mut effect = read_effect(&row)?;
            while let Some(state) = effect.state.once_left() {
                let detail = match whose {
                    Whose::DeadProcesses => "the process ended before the result was written",
                    Whose::Run(_) => "the run was cut off before the result was written",
                };
                let detail = Some(detail.to_owned()).filter(|_text| effect.detail.is_none());
                let result = Recorded { state, remote_id: None, detail };
                step(&mut tx, &effect, &result, now).await?;
                effect.state = state;
                effect.detail = effect.detail.or(result.detail);
            }
            parked.push(effect);
        }
        tx.commit().await?;
        Ok(parked)
    }

    /// Finds the effects whose key begins with `text`, so that people need not type all of it. At most two:
    /// one is an answer, two are a question. Nothing is the beginning of none.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn find_effects(&self, text: &str) -> Result<Vec<Effect>, StoreError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        sqlx::query(
            "SELECT * FROM effects WHERE substr(effect_key, 1, length($1)) = $1 ORDER BY effect_key LIMIT 2",
        )
        .bind(text.to_ascii_lowercase())
        .fetch_all(&self.0.readers)
        .await?
        .iter()
        .map(read_effect)
        .collect()
    }

    /// Writes a person's word about an effect that is parked or pending into the journal at `path`, and returns
    /// the effect as it stands then.
    ///
    /// This works beside the process that owns the journal and takes nothing from it: that process never
    /// touches a parked effect and lets be whose end another has written, and the one transaction goes through
    /// SQLite's own lock.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] if there is no such effect; [`StoreError::Transition`] if it is neither;
    /// any other [`StoreError`].
    pub async fn resolve(
        path: &Path,
        clock: SharedClock,
        key: &EffectKey,
        (word, detail): (Word, String),
    ) -> Result<Effect, StoreError> {
        open::beside(path, clock, async |store: &Self| store.settle_by_word(key, word, detail).await).await
    }

    /// Lists the parked effects whose calls carried a mark, oldest first: the tenant can be asked about them.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn parked_and_marked(&self) -> Result<Vec<Effect>, StoreError> {
        let marks = &self.opening()?.marks;
        let query = "SELECT * FROM effects WHERE state = 'parked' AND epoch >= $1 \
                     AND (epoch >= $2 OR action NOT IN ('commentIncident', 'commentAlert')) \
                     ORDER BY intended_at, effect_key";
        let query = sqlx::query(query).bind(marks.since).bind(marks.comments_since);
        let rows = query.fetch_all(&self.0.readers).await?;
        rows.iter().map(read_effect).collect()
    }

    /// Lists the effects that are not settled, those in doubt first.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn unsettled_effects(&self) -> Result<Vec<Effect>, StoreError> {
        let mut open = Vec::new();
        for state in [EffectState::Parked, EffectState::Unknown, EffectState::Intended, EffectState::Pending]
        {
            open.extend(self.effects_in(state).await?);
        }
        Ok(open)
    }

    /// Writes down what the tenant shows of a parked effect. `false` if that is settled already, or in another
    /// attempt by now: a person's word came first.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn settle_parked(
        &self,
        parked: &Effect,
        (result, besides): (&Recorded, Besides<'_>),
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let known = find(&mut tx, &parked.key).await?;
        let Some(known) =
            known.filter(|known| (known.state, known.attempt) == (EffectState::Parked, parked.attempt))
        else {
            return Ok(false);
        };
        settle(&mut tx, &known, result, now).await?;
        revert::note_besides(&mut tx, &known.key, besides, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Whether nothing else was done about the item of an effect: otherwise the item is no news again when the effect turns
    /// out to have done nothing. Of what is in doubt nobody knows yet.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn is_all_of_its_item(&self, effect: &Effect) -> Result<bool, StoreError> {
        let query = "SELECT count(*) FROM effects WHERE run = $1 AND seq = $2 AND effect_key <> $3 \
                     AND state IN ('pending', 'done', 'failed')";
        let others: i64 = sqlx::query_scalar(query)
            .bind(effect.run.to_string())
            .bind(i64::from(effect.seq))
            .bind(effect.key.as_str())
            .fetch_one(&self.0.readers)
            .await?;
        Ok(others == 0)
    }

    async fn settle_by_word(
        &self,
        key: &EffectKey,
        word: Word,
        detail: String,
    ) -> Result<Effect, StoreError> {
        let mut tx = self.write().await?;
        let now = tx.now().await?;
        let unknown = || StoreError::Unknown { what: "effect", id: key.to_string() };
        let known = find(&mut tx, key).await?.ok_or_else(unknown)?;
        let next = word.state(known.state);
        if !known.state.takes_a_word() {
            return Err(StoreError::Transition { key: key.clone(), last: Some(known.state), next });
        }
        let result = Recorded { state: next, remote_id: None, detail: Some(detail) };
        settle(&mut tx, &known, &result, now).await?;
        let settled = find(&mut tx, key).await?.ok_or_else(unknown)?;
        tx.commit().await?;
        Ok(settled)
    }
}

/// Settles an effect inside a transaction. What was not applied is still to be done, so its item is news again.
async fn settle(tx: &mut Tx, known: &Effect, result: &Recorded, now: i64) -> Result<(), StoreError> {
    step(tx, known, result, now).await?;
    if result.state == EffectState::NotApplied {
        undone::open_again(tx, &known.run.to_string(), known.seq).await?;
    }
    Ok(())
}
