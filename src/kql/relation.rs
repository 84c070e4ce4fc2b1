//! The rows of one table, kept by column.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use indexmap::IndexSet;
use kql::types::{Column, ScalarType, Schema};
use kql::value::{Batch, Cells, Datetime, Dynamic, Value, to_dynamic};

use super::misfit::{Misfits, cell};

/// Texts of a column that are kept once. Most columns repeat a few; those that do not are not searched
/// any further.
const TEXTS_MAX: usize = 4096;

/// Columns and the rows under them. Columns that no row fills cost nothing.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    schema: Arc<Schema>,
    places: BTreeMap<Arc<str>, usize>,
    cells: Vec<Arc<Cells>>,
    rows: usize,
    /// First and last instant in `Timestamp`, once somebody asked.
    span: OnceLock<Option<(Datetime, Datetime)>>,
}

impl Relation {
    pub(super) fn new(schema: Arc<Schema>) -> Self {
        let places = schema.columns.iter().enumerate();
        let places = places.map(|(place, column)| (Arc::clone(&column.name), place)).collect();
        let cells = schema.columns.iter().map(|column| Arc::new(Cells::nulls(column.ty, 0))).collect();
        Self { schema, places, cells, rows: 0, span: OnceLock::new() }
    }

    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn place(&self, column: &str) -> Option<usize> {
        self.places.get(column).copied()
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.schema.columns
    }

    /// The rows with the columns of `schema`, those of a time alone.
    pub(super) fn scan(&self, schema: &Schema, window: Option<(Datetime, Datetime)>) -> Batch {
        let cells = |column: &Column| {
            let known = self.place(&column.name).and_then(|place| self.cells.get(place));
            known.map_or_else(|| Arc::new(Cells::nulls(column.ty, self.rows)), Arc::clone)
        };
        let batch = Batch::new(schema.columns.iter().map(cells).collect(), self.rows);
        match window.and_then(|window| self.within(window)) {
            Some(rows) => batch.gather(&rows),
            None => batch,
        }
    }

    /// Writes the rows, one JSON object a line; what is null or empty is left out.
    pub(super) fn write_lines(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut bag = String::new();
        for row in 0..self.rows {
            let values = self.schema.columns.iter().zip(&self.cells);
            let values = values.map(|(column, cells)| (Arc::clone(&column.name), cells.get(row)));
            let filled = values.filter(|(_, value)| !value.is_empty());
            bag.clear();
            Dynamic::bag(filled.map(|(name, value)| (name, to_dynamic(&value))).collect())
                .write_json(&mut bag);
            writeln!(out, "{bag}")?;
        }
        Ok(())
    }

    /// The rows of a time, unless all are; rows without a time belong to every one.
    fn within(&self, (from, to): (Datetime, Datetime)) -> Option<Vec<u32>> {
        let Cells::Datetime(instants) = self.cells.get(self.place("Timestamp")?)?.as_ref() else {
            return None;
        };
        let span = *self.span.get_or_init(|| {
            let known = || instants.iter().copied().flatten();
            known().min().zip(known().max())
        });
        if span.is_none_or(|(first, last)| from <= first && last <= to) {
            return None;
        }
        let is_within = |at: &Option<Datetime>| at.is_none_or(|at| from <= at && at <= to);
        let rows = instants.iter().enumerate().filter(|(_, at)| is_within(at));
        Some(rows.filter_map(|(row, _)| u32::try_from(row).ok()).collect())
    }
}

/// Adds rows to a relation.
pub(super) struct Filler<'r> {
    relation: &'r mut Relation,
    texts: Vec<IndexSet<Arc<str>>>,
    misfits: Misfits,
}

impl<'r> Filler<'r> {
    pub(super) fn new(relation: &'r mut Relation) -> Self {
        relation.span = OnceLock::new();
        let texts = relation.cells.iter().map(|_| IndexSet::new()).collect();
        Self { relation, texts, misfits: Misfits::default() }
    }

    pub(super) const fn relation(&self) -> &Relation {
        self.relation
    }

    /// Puts a value into the row that is being added, which is the one of that number of its source. A value
    /// that the column does not take is noted, and null in its place.
    pub(super) fn put(&mut self, place: usize, value: Dynamic, row: usize) {
        let (Some(column), Some(cells)) =
            (self.relation.schema.columns.get(place), self.relation.cells.get_mut(place))
        else {
            return;
        };
        let cells = Arc::make_mut(cells);
        pad(cells, column.ty, self.relation.rows);
        let value = cell(value, column.ty).unwrap_or_else(|value| {
            self.misfits.add(column, &value, row);
            Value::null(column.ty)
        });
        cells.push(match (value, self.texts.get_mut(place)) {
            (Value::String(text), Some(texts)) => Value::String(kept(text, texts)),
            (value, _) => value,
        });
    }

    /// Ends the row.
    pub(super) const fn end_row(&mut self) {
        self.relation.rows += 1;
    }

    /// Ends all rows: columns that the last ones left out are filled. Gives the values that no column took.
    pub(super) fn finish(self) -> Misfits {
        let Relation { schema, cells, rows, .. } = self.relation;
        for (cells, column) in cells.iter_mut().zip(&schema.columns).filter(|(cells, _)| cells.len() < *rows)
        {
            pad(Arc::make_mut(cells), column.ty, *rows);
        }
        self.misfits
    }
}

fn pad(cells: &mut Cells, ty: ScalarType, rows: usize) {
    if cells.len() < rows {
        cells.append(&Cells::nulls(ty, rows - cells.len()));
    }
}

/// The same text as before, if it is known.
fn kept(text: Arc<str>, texts: &mut IndexSet<Arc<str>>) -> Arc<str> {
    if let Some(known) = texts.get(&text) {
        return Arc::clone(known);
    }
    if texts.len() < TEXTS_MAX {
        texts.insert(Arc::clone(&text));
    }
    text
}
