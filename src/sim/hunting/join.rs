//! `join`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bind::{Binder, comparable};
use super::fault::Fault;
use super::relation::{Column, Relation, Row, unique};
use super::session::Session;
use super::syntax::{Join, JoinKind};
use super::value::{Key, Value};

/// Joins the input with the rows of another pipeline.
pub(super) fn apply(
    binder: &Binder<'_, '_>,
    at: usize,
    spec: &Join,
    input: &Relation,
) -> Result<Relation, Fault> {
    let right = binder.session.run(&spec.right)?;
    let mut keys = Vec::new();
    for key in &spec.on {
        let missing = |name: &str| {
            binder.fault(key.at, &format!("Failed to resolve column or scalar expression named '{name}'"))
        };
        let left_place = input.position(&key.left).ok_or_else(|| missing(&key.left))?;
        let right_place = right.position(&key.right).ok_or_else(|| missing(&key.right))?;
        let kinds = (input.columns.get(left_place), right.columns.get(right_place));
        if let (Some(left), Some(right)) = kinds
            && !comparable(left.kind, right.kind)
        {
            let what = format!("'{}' and '{}' have different types", key.left, key.right);
            return Err(binder.fault(at, &what));
        }
        keys.push((left_place, right_place));
    }
    binder.session.spend(right.rows.len())?;
    let sides = Sides {
        left_keys: input.rows.iter().map(|row| key(row, keys.iter().map(|(left, _)| *left))).collect(),
        right_keys: right.rows.iter().map(|row| key(row, keys.iter().map(|(_, right)| *right))).collect(),
        left: input,
        right: &right,
    };
    sides.join(binder.session, spec.kind)
}

fn key(row: &Row, places: impl Iterator<Item = usize>) -> Vec<Key> {
    places.map(|place| row.get(place).map_or(Key::Null, Key::of)).collect()
}

/// Both sides, and the key of each of their rows.
struct Sides<'a> {
    left: &'a Relation,
    right: &'a Relation,
    left_keys: Vec<Vec<Key>>,
    right_keys: Vec<Vec<Key>>,
}

impl Sides<'_> {
    fn join(&self, session: &Session<'_>, kind: JoinKind) -> Result<Relation, Fault> {
        match kind {
            JoinKind::LeftSemi => Ok(filtered(self.left, &self.left_keys, &self.right_keys, Has::Match)),
            JoinKind::LeftAnti => Ok(filtered(self.left, &self.left_keys, &self.right_keys, Has::NoMatch)),
            JoinKind::RightSemi => Ok(filtered(self.right, &self.right_keys, &self.left_keys, Has::Match)),
            JoinKind::RightAnti => Ok(filtered(self.right, &self.right_keys, &self.left_keys, Has::NoMatch)),
            JoinKind::InnerUnique
            | JoinKind::Inner
            | JoinKind::LeftOuter
            | JoinKind::RightOuter
            | JoinKind::FullOuter => self.pairs(session, kind),
        }
    }

    /// Rows of both sides beside each other.
    fn pairs(&self, session: &Session<'_>, kind: JoinKind) -> Result<Relation, Fault> {
        let mut columns = self.left.columns.clone();
        for column in &self.right.columns {
            let name = if self.left.position(&column.name).is_none() {
                Arc::clone(&column.name)
            } else {
                let taken: Vec<Column> = columns.iter().chain(&self.right.columns).cloned().collect();
                unique(&column.name, &taken)
            };
            columns.push(Column::new(name, column.kind));
        }
        let mut partners: BTreeMap<&[Key], Vec<usize>> = BTreeMap::new();
        for (position, key) in self.right_keys.iter().enumerate() {
            partners.entry(key).or_default().push(position);
        }
        let keep_left = matches!(kind, JoinKind::LeftOuter | JoinKind::FullOuter);
        let keep_right = matches!(kind, JoinKind::RightOuter | JoinKind::FullOuter);
        let (no_left, no_right) = (absent(&self.left.columns), absent(&self.right.columns));
        let mut met = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut rows = Vec::new();
        for (row, key) in self.left.rows.iter().zip(&self.left_keys) {
            if kind == JoinKind::InnerUnique && !seen.insert(key) {
                continue;
            }
            let found = partners.get(key.as_slice()).map_or(&[][..], Vec::as_slice);
            session.spend(found.len())?;
            for position in found {
                met.insert(*position);
                rows.extend(self.right.rows.get(*position).map(|right| beside(row, right)));
            }
            if found.is_empty() && keep_left {
                rows.push(beside(row, &no_right));
            }
            Session::admit(rows.len())?;
        }
        if keep_right {
            let lonely = self.right.rows.iter().enumerate().filter(|(position, _)| !met.contains(position));
            rows.extend(lonely.map(|(_, right)| beside(&no_left, right)));
        }
        Ok(Relation { columns, rows })
    }
}

/// Whether rows with or without a partner are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Has {
    Match,
    NoMatch,
}

fn filtered(table: &Relation, keys: &[Vec<Key>], others: &[Vec<Key>], has: Has) -> Relation {
    let others: BTreeSet<&Vec<Key>> = others.iter().collect();
    let rows = table.rows.iter().zip(keys).filter(|(_, key)| others.contains(key) == (has == Has::Match));
    Relation { columns: table.columns.clone(), rows: rows.map(|(row, _)| row.clone()).collect() }
}

fn absent(columns: &[Column]) -> Vec<Value> {
    columns.iter().map(|column| column.kind.absent()).collect()
}

fn beside(left: &[Value], right: &[Value]) -> Row {
    left.iter().chain(right).cloned().collect()
}
