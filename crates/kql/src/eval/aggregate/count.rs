//! `count` and its like.

use indexmap::IndexSet;

use super::{Input, Kernel};
use crate::types::ScalarType;
use crate::value::{Cells, KeyWriter, Value};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "count" => count,
        "countif" => |input| count(&input.filtered(0)),
        "dcount" | "count_distinct" => distinct,
        "dcountif" | "count_distinctif" => |input| distinct(&input.filtered(1)),
        _ => return None,
    })
}

fn count(input: &Input) -> Vec<Cells> {
    let mut counts = vec![0_i64; input.count];
    for (_, group) in input.rows() {
        if let Some(count) = counts.get_mut(group) {
            *count += 1;
        }
    }
    vec![Cells::Long(counts.into_iter().map(Some).collect())]
}

/// Counts different values that are not null. The service estimates large counts; this does not.
fn distinct(input: &Input) -> Vec<Cells> {
    let Some(column) = input.args.first() else { return Vec::new() };
    let mut sets: Vec<IndexSet<Box<[u8]>>> = vec![IndexSet::new(); input.count];
    let mut key = KeyWriter::new();
    for (row, group) in input.rows() {
        if !matches!(column.as_ref(), Cells::String(_)) && column.get(row).is_null() {
            continue;
        }
        key.clear();
        key.push_cell(column, row);
        if let Some(set) = sets.get_mut(group)
            && !set.contains(key.bytes())
        {
            set.insert(Box::from(key.bytes()));
        }
    }
    let size = |set: IndexSet<Box<[u8]>>| Value::Long(i64::try_from(set.len()).ok());
    vec![Cells::from_values(ScalarType::Long, sets.into_iter().map(size))]
}
