//! Functions over the columns of the rows they are called for.

use std::sync::Arc;

use super::EvalError;
use super::expr::Frame;
use super::machine::Machine;
use crate::plan::{Expr, ExprKind};
use crate::types::ScalarType;
use crate::value::{Bag, Cells, Dynamic, Value, to_bool, to_dynamic};

/// Columns and their names.
type Columns = Vec<(Arc<str>, Arc<Cells>)>;

impl Machine<'_> {
    /// Packs all columns of the row; if asked to, only those that are neither null nor empty.
    pub(super) fn pack_all(&self, args: &[Expr], frame: &mut Frame<'_>) -> Result<Arc<Cells>, EvalError> {
        let only_filled = match args.first() {
            Some(arg) => to_bool(&self.eval(arg, frame)?.get(0)) == Some(true),
            None => false,
        };
        let columns: Columns = frame
            .schema
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.name.as_ref() != super::INGESTION_TIME)
            .map(|(place, column)| (Arc::clone(&column.name), frame.batch.column_or_null(place, column.ty)))
            .collect();
        self.pack(&columns, frame.rows(), |value| !only_filled || !value.is_empty())
    }

    /// Packs some columns under their names.
    pub(super) fn pack_columns(&self, args: &[Expr], frame: &mut Frame<'_>) -> Result<Arc<Cells>, EvalError> {
        let mut columns = Columns::with_capacity(args.len());
        for arg in args {
            let name = match &arg.kind {
                ExprKind::Column(place) => frame.schema.get(*place).map(|column| Arc::clone(&column.name)),
                ExprKind::Named(name) => Some(Arc::from(name.as_str())),
                _ => None,
            };
            let name = name.ok_or_else(|| EvalError::unsupported("bag_pack_columns of what is no column"))?;
            columns.push((name, self.eval(arg, frame)?));
        }
        self.pack(&columns, frame.rows(), |_| true)
    }

    fn pack(
        &self,
        columns: &Columns,
        rows: usize,
        is_kept: impl Fn(&Value) -> bool,
    ) -> Result<Arc<Cells>, EvalError> {
        let pack = |row: usize| {
            let values = columns.iter().map(|(name, cells)| (Arc::clone(name), cells.get(row)));
            let kept = values.filter(|(_, value)| is_kept(value));
            let bag: Bag = kept.map(|(name, value)| (name, to_dynamic(&value))).collect();
            Value::Dynamic(Dynamic::bag(bag))
        };
        let packed = Cells::from_values(ScalarType::Dynamic, (0..rows).map(pack));
        self.memory(packed.weight())?;
        Ok(Arc::new(packed))
    }

    /// Fails with a message unless the condition holds.
    pub(super) fn assert(&self, args: &[Expr], frame: &mut Frame<'_>) -> Result<Arc<Cells>, EvalError> {
        let [condition, message] = args else { return Err(EvalError::unsupported("assert")) };
        let truths = self.eval(condition, frame)?;
        if truths.values().any(|truth| to_bool(&truth) != Some(true)) {
            let message = self.eval(message, frame)?.get(0);
            return Err(EvalError::refused(crate::value::to_text(&message).as_ref()));
        }
        Ok(truths)
    }
}
