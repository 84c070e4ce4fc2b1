//! Keeping a query within its limits.

use std::cell::Cell;

use super::{Env, EvalError, error::Limited};
use crate::value::Batch;

/// The clock is asked once for so many steps; asking costs about as much as a hundred steps.
const STEPS_PER_LOOK: u64 = 65_536;

/// What a query has used up so far.
#[derive(Debug, Default)]
pub(super) struct Budget {
    steps: Cell<u64>,
    looked_at: Cell<u64>,
}

impl Budget {
    /// Counts work that is about to be done.
    pub(super) fn work(&self, env: &Env<'_>, steps: usize) -> Result<(), EvalError> {
        let total = self.steps.get().saturating_add(steps as u64);
        self.steps.set(total);
        if total > env.limits.steps {
            return Err(EvalError::limit(Limited::Steps, env.limits.steps));
        }
        if total - self.looked_at.get() >= STEPS_PER_LOOK {
            self.looked_at.set(total);
            if env.deadline.is_some_and(|is_over| is_over()) {
                return Err(EvalError::limit(Limited::Time, 0));
            }
        }
        Ok(())
    }

    /// Checks a number of rows that is about to be made.
    pub(super) fn rows(env: &Env<'_>, rows: usize) -> Result<(), EvalError> {
        if rows as u64 > env.limits.rows {
            return Err(EvalError::limit(Limited::Rows, env.limits.rows));
        }
        Ok(())
    }

    /// Checks bytes that are kept.
    pub(super) fn memory(env: &Env<'_>, bytes: usize) -> Result<(), EvalError> {
        if bytes as u64 > env.limits.memory {
            return Err(EvalError::limit(Limited::Memory, env.limits.memory));
        }
        Ok(())
    }

    /// Checks the size of a result.
    pub(super) fn result(env: &Env<'_>, batch: &Batch) -> Result<(), EvalError> {
        let limits = env.limits;
        if batch.rows() as u64 > limits.result_rows {
            return Err(EvalError::limit(Limited::ResultRows, limits.result_rows));
        }
        let bytes: usize =
            (0..batch.width()).filter_map(|index| batch.column(index)).map(|cells| cells.weight()).sum();
        if bytes as u64 > limits.result_bytes {
            return Err(EvalError::limit(Limited::ResultBytes, limits.result_bytes));
        }
        Ok(())
    }
}
