//! Columns side by side.

use std::sync::{Arc, OnceLock};

use super::{Cells, Value};
use crate::types::{ScalarType, Schema};

/// Rows that were kept, by their place in the columns underneath.
pub type Selection = Arc<[u32]>;

/// A number of rows.
///
/// Columns are shared and never changed. Rows that a filter drops stay in the columns underneath
/// until somebody asks for the column, so that a column nobody asks for is never copied.
#[derive(Debug, Clone)]
pub struct Batch {
    columns: Vec<Arc<Lazy>>,
    rows: usize,
}

/// A column, and which of its rows count.
#[derive(Debug)]
struct Lazy {
    base: Arc<Cells>,
    selection: Option<Selection>,
    picked: OnceLock<Arc<Cells>>,
}

impl Lazy {
    const fn whole(base: Arc<Cells>) -> Self {
        Self { base, selection: None, picked: OnceLock::new() }
    }

    fn cells(&self) -> &Arc<Cells> {
        match &self.selection {
            None => &self.base,
            Some(selection) => self.picked.get_or_init(|| Arc::new(self.base.gather(selection))),
        }
    }
}

impl Batch {
    /// Creates a batch of `rows` rows; columns of another length are cut or filled with null.
    pub fn new(columns: Vec<Arc<Cells>>, rows: usize) -> Self {
        let fit = |column: Arc<Cells>| {
            if column.len() == rows {
                return Arc::new(Lazy::whole(column));
            }
            let all: Vec<u32> = (0..rows).map(row_number).collect();
            Arc::new(Lazy::whole(Arc::new(column.gather(&all))))
        };
        Self { columns: columns.into_iter().map(fit).collect(), rows }
    }

    /// Creates a batch without rows.
    pub fn empty(schema: &Schema) -> Self {
        let columns = schema.columns.iter().map(|column| Arc::new(Cells::empty(column.ty))).collect();
        Self::new(columns, 0)
    }

    /// Creates a batch from rows of values.
    pub fn from_rows(schema: &Schema, rows: impl IntoIterator<Item = Vec<Value>>) -> Self {
        let mut columns: Vec<Cells> = schema.columns.iter().map(|column| Cells::empty(column.ty)).collect();
        let mut count = 0;
        for row in rows {
            count += 1;
            let mut values = row.into_iter();
            for column in &mut columns {
                let null = || Value::null(column.ty());
                column.push(values.next().unwrap_or_else(null));
            }
        }
        Self::new(columns.into_iter().map(Arc::new).collect(), count)
    }

    /// Returns the number of rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of columns.
    pub const fn width(&self) -> usize {
        self.columns.len()
    }

    /// Returns the type of a column's values; nobody has to ask for them.
    pub fn column_type(&self, index: usize) -> Option<ScalarType> {
        self.columns.get(index).map(|column| column.base.ty())
    }

    /// Returns a column.
    pub fn column(&self, index: usize) -> Option<&Arc<Cells>> {
        self.columns.get(index).map(|column| column.cells())
    }

    /// Returns a column, or one of nulls if there is none.
    pub fn column_or_null(&self, index: usize, ty: ScalarType) -> Arc<Cells> {
        self.column(index).map_or_else(|| Arc::new(Cells::nulls(ty, self.rows)), Arc::clone)
    }

    /// Returns a value.
    pub fn value(&self, row: usize, column: usize) -> Option<Value> {
        self.column(column).map(|cells| cells.get(row))
    }

    /// Returns the values of a row.
    pub fn row(&self, row: usize) -> Vec<Value> {
        self.columns.iter().map(|column| column.cells().get(row)).collect()
    }

    /// Returns the given columns in the given order; those that do not exist are left out.
    #[must_use]
    pub fn project(&self, columns: &[usize]) -> Self {
        let columns = columns.iter().filter_map(|index| self.columns.get(*index).cloned()).collect();
        Self { columns, rows: self.rows }
    }

    /// Returns the batch with further columns.
    #[must_use]
    pub fn with_columns(&self, more: impl IntoIterator<Item = Arc<Cells>>) -> Self {
        let mut extended = self.clone();
        let more = Self::new(more.into_iter().collect(), self.rows);
        extended.columns.extend(more.columns);
        extended
    }

    /// Returns the given rows in the given order.
    #[must_use]
    pub fn gather(&self, rows: &[u32]) -> Self {
        let fresh: Selection = Arc::from(rows);
        // Columns that were filtered together share their selection, which is combined once.
        let mut combined: Vec<(Selection, Selection)> = Vec::new();
        let mut combine = |old: &Selection| {
            if let Some((_, known)) = combined.iter().find(|(key, _)| Arc::ptr_eq(key, old)) {
                return Arc::clone(known);
            }
            let place = |row: &u32| old.get(*row as usize).copied().unwrap_or(u32::MAX);
            let selection: Selection = rows.iter().map(place).collect();
            combined.push((Arc::clone(old), Arc::clone(&selection)));
            selection
        };
        let mut pick = |column: &Arc<Lazy>| {
            let (base, selection) = match (column.picked.get(), &column.selection) {
                (Some(picked), _) => (picked, Arc::clone(&fresh)),
                (None, None) => (&column.base, Arc::clone(&fresh)),
                (None, Some(old)) => (&column.base, combine(old)),
            };
            Arc::new(Lazy { base: Arc::clone(base), selection: Some(selection), picked: OnceLock::new() })
        };
        Self { columns: self.columns.iter().map(&mut pick).collect(), rows: rows.len() }
    }

    /// Puts batches below each other; they must have the same columns.
    pub fn concat(schema: &Schema, batches: &[Self]) -> Self {
        if let [single] = batches {
            return single.clone();
        }
        let rows = batches.iter().map(Self::rows).sum();
        let column = |(index, column): (usize, &crate::types::Column)| {
            let mut cells = Cells::with_capacity(column.ty, rows);
            for batch in batches {
                cells.append(&batch.column_or_null(index, column.ty));
            }
            Arc::new(cells)
        };
        Self::new(schema.columns.iter().enumerate().map(column).collect(), rows)
    }
}

/// Returns a row's place as selections keep it; a batch has fewer than 2^32 rows.
pub(super) fn row_number(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Column;

    fn numbers(batch: &Batch, column: usize) -> Vec<Value> {
        batch.column(column).unwrap().values().collect()
    }

    #[test]
    fn filters_of_filters_keep_their_rows() {
        let schema: Schema = [Column::new("n", ScalarType::Long)].into_iter().collect();
        let batch = Batch::from_rows(&schema, (0..10).map(|n| vec![Value::from(n)]));
        let odd = batch.gather(&[1, 3, 5, 7, 9]);
        let last = odd.with_columns([Arc::new(Cells::Constant(Value::from("x"), 5))]).gather(&[4, 0]);
        assert_eq!(numbers(&last, 0), [Value::from(9), Value::from(1)]);
        assert_eq!(numbers(&last, 1), [Value::from("x"), Value::from("x")]);
        assert_eq!(last.project(&[1, 0, 7]).width(), 2);
        let all = Batch::concat(&schema, &[odd, last]);
        assert_eq!(all.rows(), 7);
        assert_eq!(all.value(6, 0), Some(Value::from(1)));
    }

    #[test]
    fn columns_of_wrong_length_are_cut_or_filled() {
        let batch = Batch::new(vec![Arc::new(Cells::Long(vec![Some(1), Some(2)]))], 3);
        assert_eq!(numbers(&batch, 0), [Value::from(1), Value::from(2), Value::Long(None)]);
    }
}
