//! `evaluate` plugins.

mod activity;
mod bag_unpack;
mod lookup;
mod narrow;
mod near;
mod pivot;
mod sessions;

use super::super::machine::Machine;
use super::super::scalar::AddressFamily;
use super::super::{EvalError, Table};
use crate::plan::{Expr, ExprKind, PluginArg, PluginCall};
use crate::types::{Column, ScalarType, Schema};
use crate::value::{Batch, Value};

/// Runs a plugin.
pub(super) fn plugin(
    machine: &Machine<'_>,
    call: &PluginCall,
    schema: &Schema,
    table: Option<&Table>,
) -> Result<Table, EvalError> {
    let nothing = Table { schema: Schema::default(), batch: Batch::new(Vec::new(), 0) };
    let plugin = Plugin { machine, call, schema, table: table.unwrap_or(&nothing) };
    match call.plugin {
        "bag_unpack" => bag_unpack::bag_unpack(&plugin),
        "pivot" => pivot::pivot(&plugin),
        "narrow" => narrow::narrow(&plugin),
        "schema_merge" => Ok(narrow::schema_merge(&plugin)),
        "ipv4_lookup" => lookup::ip(&plugin, AddressFamily::V4),
        "ipv6_lookup" => lookup::ip(&plugin, AddressFamily::V6),
        "geo_polygon_lookup" => lookup::polygons(&plugin),
        "geo_line_lookup" => lookup::lines(&plugin),
        "active_users_count" => activity::active_users_count(&plugin),
        "activity_counts_metrics" => activity::activity_counts_metrics(&plugin),
        "activity_engagement" => activity::activity_engagement(&plugin),
        "new_activity_metrics" => activity::new_activity_metrics(&plugin),
        "rows_near" => near::rows_near(&plugin),
        "identity" => Ok(plugin.table.clone()),
        "activity_metrics" => activity::activity_metrics(&plugin),
        "sliding_window_counts" => sessions::sliding_window_counts(&plugin),
        "session_count" => sessions::session_count(&plugin),
        "rolling_percentile" => sessions::rolling_percentile(&plugin),
        other => Err(EvalError::unsupported(other)),
    }
}

/// A call of a plugin and the rows it works on.
struct Plugin<'a, 'b> {
    machine: &'a Machine<'b>,
    call: &'a PluginCall,
    /// Columns of the result as far as the plan knows them.
    schema: &'a Schema,
    table: &'a Table,
}

impl Plugin<'_, '_> {
    fn scalar(&self, index: usize) -> Option<&Expr> {
        match self.call.args.get(index) {
            Some(PluginArg::Scalar(expr)) => Some(expr),
            _ => None,
        }
    }

    /// Returns a constant argument.
    fn constant(&self, index: usize) -> Result<Option<Value>, EvalError> {
        self.scalar(index).map(|expr| self.machine.constant(expr)).transpose()
    }

    /// Returns a constant argument that is written with a name, or without one at a place.
    fn option(&self, name: &str, place: usize) -> Result<Option<Value>, EvalError> {
        let named = self.call.names.iter().position(|known| known.as_deref() == Some(name));
        let unnamed = || self.call.names.get(place).is_some_and(Option::is_none).then_some(place);
        named.or_else(unnamed).map_or(Ok(None), |index| self.constant(index))
    }

    /// Returns the place of a column that an argument names.
    fn column(&self, index: usize) -> Result<usize, EvalError> {
        match self.scalar(index).map(|expr| &expr.kind) {
            Some(ExprKind::Column(place)) => Ok(*place),
            Some(ExprKind::Named(name)) => {
                self.table.schema.find(name).ok_or_else(|| self.wrong("a column that the rows do not have"))
            }
            _ => Err(self.wrong("an argument that is not a column")),
        }
    }

    /// Returns the places of the columns that the arguments from `index` on name.
    fn columns_from(&self, index: usize) -> Result<Vec<usize>, EvalError> {
        (index..self.call.args.len()).map(|index| self.column(index)).collect()
    }

    fn column_type(&self, place: usize) -> ScalarType {
        self.table.schema.get(place).map_or(ScalarType::Dynamic, |column| column.ty)
    }

    /// Names the columns of a result: a column of the rows, the columns that the arguments from
    /// a place on name, and new ones.
    fn named_after(
        &self,
        places: (usize, usize),
        results: &[(&str, ScalarType)],
    ) -> Result<Schema, EvalError> {
        let (first, dimensions_from) = places;
        let kept = std::iter::once(self.column(first)?).chain(self.columns_from(dimensions_from)?);
        let kept = kept.filter_map(|place| self.table.schema.get(place).cloned());
        let new = results.iter().map(|(name, ty)| Column::new(*name, *ty));
        Ok(kept.chain(new).collect())
    }

    fn wrong(&self, what: &str) -> EvalError {
        EvalError::unsupported(format!("{} with {what}", self.call.plugin))
    }
}
