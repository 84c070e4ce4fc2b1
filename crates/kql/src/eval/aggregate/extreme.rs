//! `min`, `max`, `arg_min`, `arg_max` and `take_any`.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Input, Kernel};
use crate::value::{Cells, Value, sort_order};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "min" => |input| first_only(input, Ordering::Less),
        "minif" => |input| first_only(&input.filtered(1), Ordering::Less),
        "max" => |input| first_only(input, Ordering::Greater),
        "maxif" => |input| first_only(&input.filtered(1), Ordering::Greater),
        "arg_min" => |input| with_row(input, Ordering::Less),
        "arg_max" => |input| with_row(input, Ordering::Greater),
        "take_any" => any,
        "take_anyif" => |input| any(&input.filtered(1)),
        _ => return None,
    })
}

/// Returns the row with the extreme value of each group; not-a-number is beyond all extremes.
/// Where all values are null it is the first row, if `nulls` count.
fn extreme_rows(input: &Input, wanted: Ordering) -> Vec<Option<u32>> {
    let mut best: Vec<Option<u32>> = vec![None; input.count];
    let Some(column) = input.args.first() else { return best };
    for (row, group) in input.rows() {
        let Some(place) = best.get_mut(group) else { continue };
        let better = match *place {
            None => true,
            Some(known) => beats(column, row, known as usize, wanted),
        };
        if better {
            *place = u32::try_from(row).ok();
        }
    }
    best
}

fn beats(column: &Cells, row: usize, known: usize, wanted: Ordering) -> bool {
    fn fast<T: PartialOrd + Copy>(values: &[Option<T>], row: usize, known: usize, wanted: Ordering) -> bool {
        let value = |row: usize| values.get(row).copied().flatten();
        match (value(row), value(known)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(a), Some(b)) => a.partial_cmp(&b) == Some(wanted),
        }
    }
    match column {
        Cells::Long(values) => fast(values, row, known, wanted),
        Cells::Datetime(values) => fast(values, row, known, wanted),
        Cells::String(values) => values.get(row).cmp(&values.get(known)) == wanted,
        other => {
            let (value, known) = (other.get(row), other.get(known));
            let is_nan = |value: &Value| matches!(value, Value::Real(Some(number)) if number.is_nan());
            match (value.is_null(), known.is_null()) {
                (true, _) => false,
                (false, true) => true,
                _ if is_nan(&known) => false,
                _ if is_nan(&value) => true,
                _ => sort_order(&value, &known) == wanted,
            }
        }
    }
}

fn pick(column: &Cells, rows: &[Option<u32>]) -> Cells {
    let rows: Vec<u32> = rows.iter().map(|row| row.unwrap_or(u32::MAX)).collect();
    column.gather(&rows)
}

fn first_only(input: &Input, wanted: Ordering) -> Vec<Cells> {
    let rows = extreme_rows(input, wanted);
    input.args.first().map(|column| pick(column, &rows)).into_iter().collect()
}

fn with_row(input: &Input, wanted: Ordering) -> Vec<Cells> {
    let rows = extreme_rows(input, wanted);
    input.args.iter().map(|column| pick(column, &rows)).collect()
}

/// Returns the first row of each group; for a single column the first that is not null.
fn any(input: &Input) -> Vec<Cells> {
    let mut chosen: Vec<Option<u32>> = vec![None; input.count];
    let single: Option<&Arc<Cells>> = match input.args.as_slice() {
        [column] => Some(column),
        _ => None,
    };
    for (row, group) in input.rows() {
        let Some(place) = chosen.get_mut(group) else { continue };
        let better = match (*place, single) {
            (None, _) => true,
            (Some(known), Some(column)) => {
                column.get(known as usize).is_empty() && !column.get(row).is_empty()
            }
            (Some(_), None) => false,
        };
        if better {
            *place = u32::try_from(row).ok();
        }
    }
    input.args.iter().map(|column| pick(column, &chosen)).collect()
}
