//! `join` and `lookup`.

use indexmap::{IndexMap, IndexSet};

use super::super::machine::Machine;
use super::super::{EvalError, Table};
use super::{row_number, side_by_side};
use crate::plan::{JoinKind, JoinSide};
use crate::types::{ScalarType, Schema};
use crate::value::{Cells, KeyWriter};
use std::sync::Arc;

/// No row: the columns of this side are null.
const NOBODY: u32 = u32::MAX;

/// Joins two tables by equal keys; nulls are equal to each other.
pub(super) fn join(
    machine: &Machine<'_>,
    kind: JoinKind,
    tables: (&Table, &Table),
    keys: &[(usize, usize)],
    result: (&[JoinSide], &Schema),
) -> Result<Table, EvalError> {
    let (left, right) = tables;
    machine.work(left.batch.rows() + right.batch.rows())?;
    let ty =
        |table: &Table, index: usize| table.schema.get(index).map_or(ScalarType::Dynamic, |column| column.ty);
    let column = |table: &Table, index: usize| table.batch.column_or_null(index, ty(table, index));
    let left_keys: Vec<Arc<Cells>> = keys.iter().map(|(place, _)| column(left, *place)).collect();
    let right_keys: Vec<Arc<Cells>> = keys
        .iter()
        .map(|(left_place, place)| {
            let cells = column(right, *place);
            // Numbers of different types meet as the left one's type.
            let wanted = ty(left, *left_place);
            let mixed = wanted.is_numeric() && cells.ty().is_numeric();
            if mixed && !(wanted.is_integer() && cells.ty().is_integer()) {
                Arc::new(cells.cast(wanted))
            } else {
                cells
            }
        })
        .collect();
    let mut pairs = Pairs::default();
    match kind {
        JoinKind::LeftOuter | JoinKind::LeftAnti | JoinKind::LeftSemi => {
            let index = Index::new(machine, &right_keys, right.batch.rows(), Repeats::All)?;
            pairs.by_left(machine, kind, (&left_keys, left.batch.rows()), &index)?;
        }
        _ => {
            let repeats = if kind == JoinKind::InnerUnique { Repeats::First } else { Repeats::All };
            let index = Index::new(machine, &left_keys, left.batch.rows(), repeats)?;
            pairs.by_right(machine, kind, (&right_keys, right.batch.rows()), &index)?;
            if kind == JoinKind::FullOuter {
                pairs.add_unmatched(left.batch.rows());
            }
        }
    }
    Ok(side_by_side((left, &pairs.left), (right, &pairs.right), result.0, result.1))
}

/// Which rows of one key are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeats {
    All,
    First,
}

/// Rows of one side by key.
struct Index {
    rows: IndexMap<Box<[u8]>, Vec<u32>>,
}

impl Index {
    fn new(
        machine: &Machine<'_>,
        keys: &[Arc<Cells>],
        rows: usize,
        repeats: Repeats,
    ) -> Result<Self, EvalError> {
        let mut index: IndexMap<Box<[u8]>, Vec<u32>> = IndexMap::new();
        let mut key = KeyWriter::new();
        let mut bytes = 0;
        for row in 0..rows {
            write_key(&mut key, keys, row);
            match index.get_mut(key.bytes()) {
                Some(_) if repeats == Repeats::First => {}
                Some(list) => list.push(row_number(row)),
                None => {
                    bytes += key.bytes().len() + 64;
                    machine.memory(bytes)?;
                    index.insert(Box::from(key.bytes()), vec![row_number(row)]);
                }
            }
        }
        Ok(Self { rows: index })
    }

    fn find(&self, key: &KeyWriter) -> &[u32] {
        self.rows.get(key.bytes()).map_or(&[], Vec::as_slice)
    }
}

fn write_key(key: &mut KeyWriter, columns: &[Arc<Cells>], row: usize) {
    key.clear();
    for column in columns {
        key.push_cell(column, row);
    }
}

/// Rows that belong together.
#[derive(Default)]
struct Pairs {
    left: Vec<u32>,
    right: Vec<u32>,
    matched: Vec<u32>,
}

impl Pairs {
    fn push(&mut self, left: u32, right: u32) {
        self.left.push(left);
        self.right.push(right);
    }

    /// Goes through the left rows.
    fn by_left(
        &mut self,
        machine: &Machine<'_>,
        kind: JoinKind,
        side: (&[Arc<Cells>], usize),
        index: &Index,
    ) -> Result<(), EvalError> {
        let mut key = KeyWriter::new();
        for row in 0..side.1 {
            write_key(&mut key, side.0, row);
            let found = index.find(&key);
            let row = row_number(row);
            match (kind, found) {
                (JoinKind::LeftOuter | JoinKind::LeftAnti, []) => self.push(row, NOBODY),
                (JoinKind::LeftSemi, [_, ..]) => self.push(row, NOBODY),
                (JoinKind::LeftOuter, found) => {
                    for other in found {
                        self.push(row, *other);
                    }
                    machine.rows(self.left.len())?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Goes through the right rows; left rows with the same key come last first.
    fn by_right(
        &mut self,
        machine: &Machine<'_>,
        kind: JoinKind,
        side: (&[Arc<Cells>], usize),
        index: &Index,
    ) -> Result<(), EvalError> {
        let mut key = KeyWriter::new();
        for row in 0..side.1 {
            write_key(&mut key, side.0, row);
            let found = index.find(&key);
            let row = row_number(row);
            match (kind, found) {
                (JoinKind::RightOuter | JoinKind::FullOuter | JoinKind::RightAnti, []) => {
                    self.push(NOBODY, row);
                }
                (JoinKind::RightSemi, [_, ..]) => self.push(NOBODY, row),
                (JoinKind::RightSemi | JoinKind::RightAnti, _) => {}
                (_, found) => {
                    for other in found.iter().rev() {
                        self.push(*other, row);
                    }
                    if kind == JoinKind::FullOuter {
                        self.matched.extend_from_slice(found);
                    }
                    machine.rows(self.left.len())?;
                }
            }
        }
        Ok(())
    }

    /// Adds the left rows that nobody matched.
    fn add_unmatched(&mut self, rows: usize) {
        let matched: IndexSet<u32> = self.matched.iter().copied().collect();
        for row in (0..rows).map(row_number) {
            if !matched.contains(&row) {
                self.push(row, NOBODY);
            }
        }
    }
}
