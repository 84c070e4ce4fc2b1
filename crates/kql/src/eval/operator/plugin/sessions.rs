//! Plugins that count over moving windows.

use std::collections::{BTreeMap, BTreeSet};

use super::{EvalError, Plugin, Table};
use crate::types::ScalarType;
use crate::value::{Batch, KeyWriter, Value, cast, sort_order, to_long, to_real};

fn whole(plugin: &Plugin<'_, '_>, index: usize) -> Result<i64, EvalError> {
    let value = plugin.constant(index)?.and_then(|value| to_long(&value));
    value.ok_or_else(|| plugin.wrong("an argument that is no number or time"))
}

/// Makes the result: the time, the dimensions from an argument on, and then what was computed.
fn table(
    plugin: &Plugin<'_, '_>,
    places: (usize, usize),
    results: &[(&str, ScalarType)],
    rows: Vec<Vec<Value>>,
) -> Result<Table, EvalError> {
    let schema = plugin.named_after(places, results)?;
    Ok(Table { batch: Batch::from_rows(&schema, rows), schema })
}

fn value(plugin: &Plugin<'_, '_>, row: usize, place: usize) -> Value {
    plugin.table.batch.value(row, place).unwrap_or_else(|| Value::null(plugin.column_type(place)))
}

/// Rows by the values of some columns: those values and the rows.
type Parts = Vec<(Vec<Value>, Vec<usize>)>;

fn parts(plugin: &Plugin<'_, '_>, columns: &[usize]) -> Parts {
    let mut parts: BTreeMap<Vec<u8>, (Vec<Value>, Vec<usize>)> = BTreeMap::new();
    let mut key = KeyWriter::new();
    for row in 0..plugin.table.batch.rows() {
        let values: Vec<Value> = columns.iter().map(|place| value(plugin, row, *place)).collect();
        key.clear();
        for value in &values {
            key.push(value);
        }
        parts.entry(key.bytes().to_vec()).or_insert_with(|| (values, Vec::new())).1.push(row);
    }
    parts.into_values().collect()
}

/// Counts rows and different values in the window that ends with each bin.
pub(super) fn sliding_window_counts(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    let (id, time) = (plugin.column(0)?, plugin.column(1)?);
    let (start, end) = (whole(plugin, 2)?, whole(plugin, 3)?);
    let (window, bin) = (whole(plugin, 4)?, whole(plugin, 5)?.max(1));
    let ty = plugin.column_type(time);
    let mut rows = Vec::new();
    let mut key = KeyWriter::new();
    for (dimensions, members) in parts(plugin, &plugin.columns_from(6)?) {
        let mut at = start;
        while at <= end {
            let mut count = 0;
            let mut different = BTreeSet::new();
            for row in &members {
                let Some(when) = to_long(&value(plugin, *row, time)) else { continue };
                if when >= start
                    && when > at.saturating_add(bin).saturating_sub(window).saturating_sub(1)
                    && when < at.saturating_add(bin)
                {
                    count += 1;
                    key.clear();
                    key.push(&value(plugin, *row, id));
                    different.insert(key.bytes().to_vec());
                }
            }
            if count > 0 {
                let counts = vec![Value::from(count), Value::Long(i64::try_from(different.len()).ok())];
                rows.push([vec![cast(&Value::from(at), ty)], dimensions.clone(), counts].concat());
            }
            at = at.saturating_add(bin);
            plugin.machine.work(members.len() + 1)?;
        }
    }
    table(plugin, (1, 6), &[("Count", ScalarType::Long), ("Dcount", ScalarType::Long)], rows)
}

/// Counts sessions: visits of one user that are no further apart than the look-back.
pub(super) fn session_count(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    let (id, time) = (plugin.column(0)?, plugin.column(1)?);
    let (start, end) = (whole(plugin, 2)?, whole(plugin, 3)?);
    let (bin, look_back) = (whole(plugin, 4)?.max(1), whole(plugin, 5)?);
    let ty = plugin.column_type(time);
    let mut rows = Vec::new();
    for (dimensions, members) in parts(plugin, &plugin.columns_from(6)?) {
        let mut visits: BTreeMap<Vec<u8>, Vec<i64>> = BTreeMap::new();
        let mut key = KeyWriter::new();
        for row in members {
            if let Some(when) =
                to_long(&value(plugin, row, time)).filter(|when| *when >= start && *when <= end)
            {
                key.clear();
                key.push(&value(plugin, row, id));
                visits.entry(key.bytes().to_vec()).or_default().push(when);
            }
        }
        let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
        for times in visits.values_mut() {
            times.sort_unstable();
            let mut last: Option<i64> = None;
            for when in times.iter().copied() {
                if last.is_none_or(|last| when - last >= look_back) {
                    *counts.entry(when.div_euclid(bin) * bin).or_default() += 1;
                }
                last = Some(when);
            }
            plugin.machine.work(times.len())?;
        }
        for (at, count) in counts {
            rows.push(
                [vec![cast(&Value::from(at), ty)], dimensions.clone(), vec![Value::from(count)]].concat(),
            );
        }
    }
    table(plugin, (1, 6), &[("count_sessions", ScalarType::Long)], rows)
}

/// Gives for each bin a percentile of the values of the last bins.
pub(super) fn rolling_percentile(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    let (column, time) = (plugin.column(0)?, plugin.column(2)?);
    let percentage = plugin.constant(1)?.and_then(|value| to_real(&value)).unwrap_or(0.0);
    let (bin, window) = (whole(plugin, 3)?.max(1), whole(plugin, 4)?.max(1));
    let ty = plugin.column_type(time);
    let mut rows = Vec::new();
    for (dimensions, members) in parts(plugin, &plugin.columns_from(5)?) {
        let mut bins: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
        for row in members {
            if let Some(when) = to_long(&value(plugin, row, time)) {
                bins.entry(when.div_euclid(bin) * bin).or_default().push(value(plugin, row, column));
            }
        }
        for at in bins.keys() {
            let from = at.saturating_sub((window - 1).saturating_mul(bin));
            let mut values: Vec<&Value> = bins.range(from..=*at).flat_map(|(_, values)| values).collect();
            values.retain(|value| !value.is_null());
            plugin.machine.work(values.len())?;
            values.sort_by(|a, b| sort_order(a, b));
            let found = nearest_rank(&values, percentage);
            rows.push([vec![cast(&Value::from(*at), ty)], dimensions.clone(), vec![found]].concat());
        }
    }
    let name = plugin.table.schema.get(column).map_or("", |column| &column.name);
    let label = format!("rolling_{window}_percentile_{name}_{percentage}");
    table(plugin, (2, 5), &[(&label, plugin.column_type(column))], rows)
}

fn nearest_rank(values: &[&Value], percentage: f64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    let rank = (values.len() as f64 * percentage / 100.0).ceil().max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least one")]
    let place = (rank as usize).min(values.len()).saturating_sub(1);
    values.get(place).map_or(Value::null(ScalarType::Long), |value| (*value).clone())
}
