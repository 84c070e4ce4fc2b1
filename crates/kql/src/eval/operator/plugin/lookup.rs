//! Lookups that are not by equality: networks, polygons, lines.

use std::sync::Arc;

use super::super::super::scalar::{
    AddressFamily, distance_to_line, distance_to_polygon, is_in_network, is_in_polygon,
};
use super::{EvalError, Plugin, Table};
use crate::plan::PluginArg;
use crate::types::{Column, ScalarType, Schema};
use crate::value::{Batch, Value, to_bool, to_dynamic, to_real, to_text};

/// Rows of both sides that belong together.
struct Lookup {
    rows: Vec<(u32, u32)>,
    unmatched: Vec<u32>,
}

/// Finds the networks an address belongs to; further pairs of columns have to be equal.
pub(super) fn ip(plugin: &Plugin<'_, '_>, family: AddressFamily) -> Result<Table, EvalError> {
    let right = lookup_table(plugin)?;
    let address = plugin.column(1)?;
    let network = column_of(plugin, 2, &right)?;
    let mut extra = Vec::new();
    let mut return_unmatched = false;
    for index in 3..plugin.call.args.len() {
        match plugin.constant(index) {
            Ok(Some(Value::Bool(flag))) => return_unmatched = flag == Some(true),
            _ => extra.push(index),
        }
    }
    let equal: Vec<(usize, usize)> = extra
        .into_iter()
        .map(|index| Ok((plugin.column(index)?, column_of(plugin, index, &right)?)))
        .collect::<Result<_, EvalError>>()?;
    let addresses = plugin.table.batch.column_or_null(address, ScalarType::String);
    let networks = right.batch.column_or_null(network, ScalarType::String);
    let found = pairs(plugin, &right, |left_row, right_row| {
        let same = equal.iter().all(|(left, other)| {
            plugin.table.batch.value(left_row, *left) == right.batch.value(right_row, *other)
        });
        same && is_in_network(&to_text(&addresses.get(left_row)), &to_text(&networks.get(right_row)), family)
    })?;
    Ok(joined(plugin, &right, network, &found, (return_unmatched, true)))
}

/// Finds the polygons a point lies in.
pub(super) fn polygons(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    let right = lookup_table(plugin)?;
    let polygon = column_of(plugin, 1, &right)?;
    let (longitude, latitude) = (plugin.column(2)?, plugin.column(3)?);
    let flags = flags(plugin)?;
    let radius = plugin.option("radius", 4)?.and_then(|value| to_real(&value)).unwrap_or(0.0);
    let shapes = right.batch.column_or_null(polygon, ScalarType::Dynamic);
    let found = pairs(plugin, &right, |left_row, right_row| {
        let Some(point) = point(plugin, left_row, (longitude, latitude)) else { return false };
        let shape = to_dynamic(&shapes.get(right_row));
        let is_near = || distance_to_polygon(point, &shape).is_some_and(|distance| distance <= radius);
        is_in_polygon(point, &shape) == Some(true) || (radius > 0.0 && is_near())
    })?;
    Ok(joined(plugin, &right, polygon, &found, flags))
}

/// Finds the lines a point is near to.
pub(super) fn lines(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    let right = lookup_table(plugin)?;
    let line = column_of(plugin, 1, &right)?;
    let (longitude, latitude) = (plugin.column(2)?, plugin.column(3)?);
    let radius = plugin.option("radius", 4)?.and_then(|value| to_real(&value)).unwrap_or(0.0);
    let flags = flags(plugin)?;
    let shapes = right.batch.column_or_null(line, ScalarType::Dynamic);
    let found = pairs(plugin, &right, |left_row, right_row| {
        let point = point(plugin, left_row, (longitude, latitude));
        let distance = point.and_then(|point| distance_to_line(point, &to_dynamic(&shapes.get(right_row))));
        distance.is_some_and(|distance| distance <= radius)
    })?;
    Ok(joined(plugin, &right, line, &found, flags))
}

fn lookup_table(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    match plugin.call.args.first() {
        Some(PluginArg::Table(pipeline)) => plugin.machine.pipeline(pipeline, None),
        _ => Err(plugin.wrong("no table")),
    }
}

/// Returns the place of a column of the lookup table that an argument names.
fn column_of(plugin: &Plugin<'_, '_>, index: usize, right: &Table) -> Result<usize, EvalError> {
    let place = plugin.column(index)?;
    if place < right.schema.len() {
        Ok(place)
    } else {
        Err(plugin.wrong("a column that the table does not have"))
    }
}

fn point(plugin: &Plugin<'_, '_>, row: usize, columns: (usize, usize)) -> Option<(f64, f64)> {
    let real = |place| plugin.table.batch.value(row, place).and_then(|value| to_real(&value));
    Some((real(columns.0)?, real(columns.1)?))
}

/// Reads a flag by its name or its place.
fn flag(plugin: &Plugin<'_, '_>, name: &str, place: usize) -> Result<bool, EvalError> {
    let value = plugin.option(name, place)?;
    Ok(value.is_some_and(|value| to_bool(&value) == Some(true)))
}

/// Reads the flags of a lookup by place: whether rows without a match stay, and whether the key
/// is shown.
fn flags(plugin: &Plugin<'_, '_>) -> Result<(bool, bool), EvalError> {
    Ok((flag(plugin, "return_unmatched", 5)?, flag(plugin, "return_lookup_key", 7)?))
}

fn pairs(
    plugin: &Plugin<'_, '_>,
    right: &Table,
    matches: impl Fn(usize, usize) -> bool,
) -> Result<Lookup, EvalError> {
    let mut lookup = Lookup { rows: Vec::new(), unmatched: Vec::new() };
    let number = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
    for row in 0..plugin.table.batch.rows() {
        plugin.machine.work(right.batch.rows() + 1)?;
        let before = lookup.rows.len();
        for other in (0..right.batch.rows()).filter(|other| matches(row, *other)) {
            lookup.rows.push((number(row), number(other)));
        }
        if lookup.rows.len() == before {
            lookup.unmatched.push(number(row));
        }
        plugin.machine.rows(lookup.rows.len())?;
    }
    Ok(lookup)
}

/// Lays out the columns of both sides; the flags say whether rows without a match stay, and
/// whether the key of the lookup table is shown.
fn joined(plugin: &Plugin<'_, '_>, right: &Table, key: usize, found: &Lookup, flags: (bool, bool)) -> Table {
    let mut left_rows: Vec<u32> = found.rows.iter().map(|(row, _)| *row).collect();
    let mut right_rows: Vec<u32> = found.rows.iter().map(|(_, row)| *row).collect();
    if flags.0 {
        left_rows.extend(&found.unmatched);
        right_rows.extend(found.unmatched.iter().map(|_| u32::MAX));
    }
    let (left, other) = (plugin.table.batch.gather(&left_rows), right.batch.gather(&right_rows));
    let mut columns: Vec<Column> = plugin.table.schema.columns.clone();
    let mut cells: Vec<Arc<_>> =
        columns.iter().enumerate().map(|(place, column)| left.column_or_null(place, column.ty)).collect();
    for (place, column) in right.schema.columns.iter().enumerate() {
        if place == key && !flags.1 {
            continue;
        }
        let mut name = column.name.to_string();
        let mut number = 0;
        while columns.iter().any(|known| known.name.as_ref() == name) {
            number += 1;
            name = format!("{}{number}", column.name);
        }
        columns.push(Column::new(name, column.ty));
        cells.push(other.column_or_null(place, column.ty));
    }
    let rows = left_rows.len();
    let width = plugin.schema.len();
    let names = plugin
        .schema
        .columns
        .iter()
        .zip(&columns)
        .map(|(known, found)| Column::new(Arc::clone(&known.name), found.ty));
    let columns = if width == columns.len() { names.collect() } else { columns };
    Table { schema: Schema::new(columns), batch: Batch::new(cells, rows) }
}
