//! Functions that look at neighbouring rows; the rows are in a fixed order.

use std::sync::Arc;

use crate::types::ScalarType;
use crate::value::{Cells, Datetime, Timespan, Value, cast, to_bool, to_datetime, to_long, to_timespan};

use super::arithmetic::compute;
use crate::plan::Arithmetic;

/// Whether a function reads other rows than its own.
pub(super) fn is_window(function: &str) -> bool {
    matches!(
        function,
        "row_number"
            | "prev"
            | "next"
            | "row_cumsum"
            | "row_rank_dense"
            | "row_rank_min"
            | "row_window_session"
    )
}

/// Computes a window function, if it is one.
pub(super) fn find(function: &str, args: &[Arc<Cells>], ty: ScalarType, rows: usize) -> Option<Cells> {
    let window = Window { args, ty, rows };
    Some(match function {
        "row_number" => window.row_number(),
        "prev" => window.neighbour(-1),
        "next" => window.neighbour(1),
        "row_cumsum" => window.row_cumsum(),
        "row_rank_dense" => window.rank(Rank::Dense),
        "row_rank_min" => window.rank(Rank::Min),
        "row_window_session" => window.session(),
        _ => return None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rank {
    Dense,
    Min,
}

struct Window<'a> {
    args: &'a [Arc<Cells>],
    ty: ScalarType,
    rows: usize,
}

impl Window<'_> {
    fn get(&self, arg: usize, row: usize) -> Option<Value> {
        self.args.get(arg).map(|column| column.get(row))
    }

    /// Whether the count begins anew in a row.
    fn restarts(&self, arg: usize, row: usize) -> bool {
        self.get(arg, row).is_some_and(|value| to_bool(&value) == Some(true))
    }

    fn row_number(&self) -> Cells {
        let start = self.get(0, 0).and_then(|value| to_long(&value)).unwrap_or(1);
        let mut number = start;
        let next = |row| {
            if row > 0 {
                number = if self.restarts(1, row) { start } else { number.wrapping_add(1) };
            }
            Value::from(number)
        };
        Cells::from_values(ScalarType::Long, (0..self.rows).map(next))
    }

    fn neighbour(&self, direction: i64) -> Cells {
        let offset = self.get(1, 0).and_then(|value| to_long(&value)).unwrap_or(1);
        let default = self.get(2, 0).map_or_else(|| Value::null(self.ty), |value| cast(&value, self.ty));
        let value = |row: usize| {
            let place = i64::try_from(row).ok()?.checked_add(direction.checked_mul(offset)?)?;
            let place = usize::try_from(place).ok().filter(|place| *place < self.rows)?;
            self.get(0, place)
        };
        let values = (0..self.rows).map(|row| value(row).unwrap_or_else(|| default.clone()));
        let ty = if self.ty.is_unknown() { ScalarType::Dynamic } else { self.ty };
        Cells::from_values(ty, values)
    }

    fn row_cumsum(&self) -> Cells {
        let mut sum: Option<Value> = None;
        let next = |row| {
            let value = self.get(0, row).unwrap_or(Value::Long(None));
            let before = sum.take().filter(|_| !self.restarts(1, row));
            let total = match before {
                Some(before) if value.is_null() => before,
                Some(before) => compute(Arithmetic::Add, &before, &value, self.ty),
                None if value.is_null() => cast(&Value::from(0), self.ty),
                None => value,
            };
            sum = Some(total.clone());
            total
        };
        Cells::from_values(self.ty, (0..self.rows).map(next))
    }

    fn rank(&self, kind: Rank) -> Cells {
        let mut rank = 0_i64;
        let mut place = 0_i64;
        let mut before: Option<Value> = None;
        let next = |row| {
            let value = self.get(0, row).unwrap_or(Value::Long(None));
            if self.restarts(1, row) {
                rank = 0;
                place = 0;
                before = None;
            }
            place += 1;
            if before.as_ref() != Some(&value) {
                rank = if kind == Rank::Dense { rank + 1 } else { place };
            }
            before = Some(value);
            Value::from(rank)
        };
        Cells::from_values(ScalarType::Long, (0..self.rows).map(next))
    }

    /// Gives the start of the session a row belongs to.
    fn session(&self) -> Cells {
        let span = |arg| self.get(arg, 0).and_then(|value| to_timespan(&value)).unwrap_or(Timespan(0));
        let (from_first, between) = (span(1), span(2));
        let mut session: Option<(Datetime, Datetime)> = None;
        let next = |row| {
            let Some(now) = self.get(0, row).and_then(|value| to_datetime(&value)) else {
                return Value::Datetime(None);
            };
            let goes_on = |(first, last): &(Datetime, Datetime)| {
                now.since(*first) <= from_first && now.since(*last) <= between
            };
            let first = match session.filter(|session| !self.restarts(3, row) && goes_on(session)) {
                Some((first, _)) => first,
                None => now,
            };
            session = Some((first, now));
            Value::Datetime(Some(first))
        };
        Cells::from_values(ScalarType::Datetime, (0..self.rows).map(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longs(values: &[i64]) -> Arc<Cells> {
        Arc::new(Cells::Long(values.iter().copied().map(Some).collect()))
    }

    fn truths(values: &[bool]) -> Arc<Cells> {
        Arc::new(Cells::Bool(values.iter().copied().map(Some).collect()))
    }

    fn one(value: i64) -> Arc<Cells> {
        Arc::new(Cells::Constant(Value::from(value), 5))
    }

    #[track_caller]
    fn check(function: &str, args: &[Arc<Cells>], expected: [Option<i64>; 5]) {
        let cells = find(function, args, ScalarType::Long, 5).unwrap();
        assert_eq!(cells, Cells::Long(expected.to_vec()));
    }

    #[test]
    fn rows_are_numbered_and_summed_between_restarts() {
        let values = longs(&[5, 5, 8, 3, 3]);
        let restart = truths(&[true, false, false, true, false]);
        check("row_number", &[one(10), Arc::clone(&restart)], [10, 11, 12, 10, 11].map(Some));
        check("row_cumsum", &[Arc::clone(&values), Arc::clone(&restart)], [5, 10, 18, 3, 6].map(Some));
        check("row_rank_dense", &[Arc::clone(&values), Arc::clone(&restart)], [1, 1, 2, 1, 1].map(Some));
        check("row_rank_min", &[values, restart], [1, 1, 3, 1, 1].map(Some));
    }

    #[test]
    fn neighbours_end_at_the_ends() {
        let values = longs(&[1, 2, 3, 4, 5]);
        check("prev", std::slice::from_ref(&values), [None, Some(1), Some(2), Some(3), Some(4)]);
        check("next", &[Arc::clone(&values), one(2), one(-9)], [3, 4, 5, -9, -9].map(Some));
        check("next", &[values, one(i64::MIN)], [None; 5]);
    }
}
