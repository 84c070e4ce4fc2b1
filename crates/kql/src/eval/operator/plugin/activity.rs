//! Plugins that follow the activity of users over time.

use std::collections::{BTreeMap, BTreeSet};

use super::{EvalError, Plugin, Table};
use crate::types::{Column, ScalarType, Schema};
use crate::value::{Batch, KeyWriter, Value, cast, to_long};

/// Values of the dimensions, and the visits that have them: when, and who.
type Part = (Vec<Value>, Vec<(i64, Vec<u8>)>);

/// Who was there when, on a scale of whole numbers or ticks.
struct Visits {
    /// Place on the scale and identity, for each combination of dimensions.
    by_dimensions: BTreeMap<Vec<u8>, Part>,
    ty: ScalarType,
}

impl Visits {
    fn new(plugin: &Plugin<'_, '_>, dimensions_from: usize) -> Result<Self, EvalError> {
        let (id, time) = (plugin.column(0)?, plugin.column(1)?);
        let dimensions = plugin.columns_from(dimensions_from)?;
        let ty = plugin.column_type(time);
        let mut visits = Self { by_dimensions: BTreeMap::new(), ty };
        let value = |row, place| {
            plugin.table.batch.value(row, place).unwrap_or_else(|| Value::null(plugin.column_type(place)))
        };
        let mut key = KeyWriter::new();
        for row in 0..plugin.table.batch.rows() {
            let Some(when) = to_long(&value(row, time)) else { continue };
            let values: Vec<Value> = dimensions.iter().map(|place| value(row, *place)).collect();
            key.clear();
            for value in &values {
                key.push(value);
            }
            let dimensions = key.bytes().to_vec();
            key.clear();
            key.push(&value(row, id));
            let entry = visits.by_dimensions.entry(dimensions).or_insert_with(|| (values, Vec::new()));
            entry.1.push((when, key.bytes().to_vec()));
        }
        Ok(visits)
    }

    /// Returns a place on the scale as a value.
    fn time(&self, place: i64) -> Value {
        cast(&Value::from(place), self.ty)
    }
}

fn whole(plugin: &Plugin<'_, '_>, index: usize) -> Result<i64, EvalError> {
    let value = plugin.constant(index)?.and_then(|value| to_long(&value));
    value.ok_or_else(|| plugin.wrong("an argument that is no number or time"))
}

fn positive(plugin: &Plugin<'_, '_>, index: usize) -> Result<i64, EvalError> {
    whole(plugin, index).map(|number| number.max(1))
}

/// Makes the result: the time, the dimensions from an argument on, and then what was computed.
fn table(
    plugin: &Plugin<'_, '_>,
    dimensions_from: usize,
    results: &[(&str, ScalarType)],
    rows: Vec<Vec<Value>>,
) -> Result<Table, EvalError> {
    let schema = plugin.named_after((1, dimensions_from), results)?;
    Ok(Table { batch: Batch::from_rows(&schema, rows), schema })
}

fn long(count: usize) -> Value {
    Value::Long(i64::try_from(count).ok())
}

fn ratio(part: usize, whole: usize) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    Value::from(part as f64 / whole as f64)
}

/// Counts users in each bin that were there in enough periods of the time before one of their
/// visits.
pub(super) fn active_users_count(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    let visits = Visits::new(plugin, 8)?;
    let (start, end) = (whole(plugin, 2)?, whole(plugin, 3)?);
    let (window, period) = (whole(plugin, 4)?, positive(plugin, 5)?);
    let (wanted, bin) = (whole(plugin, 6)?, positive(plugin, 7)?);
    let wanted = usize::try_from(wanted).unwrap_or(0);
    let mut rows = Vec::new();
    for (dimensions, visits_here) in visits.by_dimensions.values() {
        let mut users: BTreeMap<&[u8], Vec<i64>> = BTreeMap::new();
        for (when, who) in visits_here {
            users.entry(who).or_default().push(*when);
        }
        let mut active: BTreeMap<i64, usize> = BTreeMap::new();
        for times in users.values_mut() {
            times.sort_unstable();
            let mut bins = BTreeSet::new();
            for when in times.iter().filter(|when| (start..=end).contains(*when)) {
                let recent =
                    times.iter().filter(|other| (when.saturating_sub(window) + 1..=*when).contains(*other));
                let periods: BTreeSet<i64> = recent.map(|other| (other - start).div_euclid(period)).collect();
                plugin.machine.work(times.len())?;
                if periods.len() >= wanted {
                    bins.insert((when - start).div_euclid(bin) * bin + start);
                }
            }
            for bin in bins {
                *active.entry(bin).or_default() += 1;
            }
        }
        for (at, count) in active {
            rows.push([vec![visits.time(at)], dimensions.clone(), vec![long(count)]].concat());
        }
    }
    table(plugin, 8, &[("dcount", ScalarType::Long)], rows)
}

/// Compares the users of each inner window with those of the outer window that ends with it.
pub(super) fn activity_engagement(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    let short = plugin.call.args.len() < 6;
    let (start, end, inner, outer) = if short {
        (i64::MIN, i64::MAX, positive(plugin, 2)?, positive(plugin, 3)?)
    } else {
        (whole(plugin, 2)?, whole(plugin, 3)?, positive(plugin, 4)?, positive(plugin, 5)?)
    };
    let visits = Visits::new(plugin, if short { 4 } else { 6 })?;
    let mut rows = Vec::new();
    for (dimensions, visits_here) in visits.by_dimensions.values() {
        let origin = if short { 0 } else { start };
        let bin = |when: i64| (when - origin).div_euclid(inner) * inner + origin;
        let inside = visits_here.iter().filter(|(when, _)| *when >= start && *when <= end);
        let mut bins: BTreeMap<i64, BTreeSet<&[u8]>> = BTreeMap::new();
        for (when, who) in inside {
            bins.entry(bin(*when)).or_default().insert(who);
        }
        for (at, users) in &bins {
            let from = at.saturating_add(inner).saturating_sub(outer).min(*at);
            let all: BTreeSet<&[u8]> =
                bins.range(from..=*at).flat_map(|(_, users)| users.iter().copied()).collect();
            rows.push(
                [
                    vec![visits.time(*at)],
                    dimensions.clone(),
                    vec![long(users.len()), long(all.len()), ratio(users.len(), all.len())],
                ]
                .concat(),
            );
            plugin.machine.work(all.len())?;
        }
    }
    table(
        plugin,
        if short { 4 } else { 6 },
        &[
            ("dcount_activities_inner", ScalarType::Long),
            ("dcount_activities_outer", ScalarType::Long),
            ("activity_ratio", ScalarType::Real),
        ],
        rows,
    )
}

/// Counts users of each window, new ones, those that stayed and those that left.
pub(super) fn activity_metrics(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    if plugin.call.args.len() < 5 {
        return Err(plugin.wrong("fewer than five arguments"));
    }
    let visits = Visits::new(plugin, 5)?;
    let (start, end, window) = (whole(plugin, 2)?, whole(plugin, 3)?, positive(plugin, 4)?);
    let mut rows = Vec::new();
    for (dimensions, visits_here) in visits.by_dimensions.values() {
        let mut bins: BTreeMap<i64, BTreeSet<&[u8]>> = BTreeMap::new();
        for (when, who) in visits_here.iter().filter(|(when, _)| *when >= start && *when <= end) {
            bins.entry((when - start).div_euclid(window) * window + start).or_default().insert(who);
        }
        let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
        let mut before: Option<&BTreeSet<&[u8]>> = None;
        for (at, users) in &bins {
            let new = users.difference(&seen).count();
            if let Some(before) = before {
                let stayed = users.intersection(before).count();
                let metrics = [
                    long(users.len()),
                    long(new),
                    ratio(stayed, before.len()),
                    ratio(before.len() - stayed, before.len()),
                ];
                rows.push([vec![visits.time(*at)], dimensions.clone(), metrics.to_vec()].concat());
            }
            seen.extend(users.iter().copied());
            before = Some(users);
            plugin.machine.work(users.len())?;
        }
    }
    table(
        plugin,
        5,
        &[
            ("dcount_values", ScalarType::Long),
            ("dcount_newvalues", ScalarType::Long),
            ("retention_rate", ScalarType::Real),
            ("churn_rate", ScalarType::Real),
        ],
        rows,
    )
}

/// Follows the users that were first seen in each window through the later windows.
pub(super) fn new_activity_metrics(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    if plugin.call.args.len() > 6 {
        return Err(plugin.wrong("dimensions or a period to look back"));
    }
    let visits = Visits::new(plugin, plugin.call.args.len())?;
    let (start, end, window) = (whole(plugin, 2)?, whole(plugin, 3)?, positive(plugin, 4)?);
    let wanted = if plugin.call.args.len() > 5 { Some(whole(plugin, 5)?) } else { None };
    let count = end.saturating_sub(start).div_euclid(window).saturating_add(1);
    plugin.machine.rows(usize::try_from(count).unwrap_or(0).saturating_pow(2))?;
    let mut bins: BTreeMap<i64, BTreeSet<&[u8]>> = (0..count).map(|bin| (bin, BTreeSet::new())).collect();
    for (when, who) in visits.by_dimensions.values().flat_map(|(_, visits)| visits) {
        if (start..=end).contains(when) {
            bins.entry((when - start).div_euclid(window)).or_default().insert(who);
        }
    }
    let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
    let mut rows = Vec::new();
    for (from, users) in &bins {
        let cohort: BTreeSet<&[u8]> = users.difference(&seen).copied().collect();
        let before = seen.clone();
        seen.extend(users.iter().copied());
        if wanted.is_some_and(|wanted| (wanted - start).div_euclid(window) != *from) {
            continue;
        }
        if cohort.is_empty() {
            return Err(plugin.wrong("a window without new users"));
        }
        for (to, later) in bins.range(*from..) {
            plugin.machine.work(later.len() + cohort.len())?;
            let new = later.difference(if from == to { &before } else { &seen }).count();
            let stayed = later.intersection(&cohort).count();
            let left = cohort.len() - stayed;
            rows.push(vec![
                visits.time(from * window + start),
                visits.time(to * window + start),
                long(new),
                long(stayed),
                long(left),
                ratio(stayed, cohort.len()),
                ratio(left, cohort.len()),
            ]);
        }
    }
    let timeline = plugin.column(1)?;
    let name = plugin.table.schema.get(timeline).map(|column| column.name.to_string()).unwrap_or_default();
    let times = ["from_", "to_"].map(|prefix| Column::new(&*format!("{prefix}{name}"), visits.ty));
    let counts = ["dcount_new_values", "dcount_retained_values", "dcount_churn_values"];
    let rates = ["retention_rate", "churn_rate"];
    let figures = counts.map(|name| Column::new(name, ScalarType::Long)).into_iter();
    let figures = figures.chain(rates.map(|name| Column::new(name, ScalarType::Real)));
    let schema: Schema = times.into_iter().chain(figures).collect();
    Ok(Table { batch: Batch::from_rows(&schema, rows), schema })
}

/// Counts visits, users, new users and all users so far in each window.
pub(super) fn activity_counts_metrics(plugin: &Plugin<'_, '_>) -> Result<Table, EvalError> {
    let visits = Visits::new(plugin, 5)?;
    let (start, end, window) = (whole(plugin, 2)?, whole(plugin, 3)?, positive(plugin, 4)?);
    let mut rows = Vec::new();
    for (dimensions, visits_here) in visits.by_dimensions.values() {
        let mut bins: BTreeMap<i64, Vec<&[u8]>> = BTreeMap::new();
        for (when, who) in visits_here.iter().filter(|(when, _)| *when >= start && *when <= end) {
            bins.entry((when - start).div_euclid(window) * window + start).or_default().push(who);
        }
        let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
        for (at, users) in &bins {
            let different: BTreeSet<&[u8]> = users.iter().copied().collect();
            let new = different.difference(&seen).count();
            seen.extend(users.iter().copied());
            let counts = [long(users.len()), long(different.len()), long(new), long(seen.len())];
            rows.push([vec![visits.time(*at)], dimensions.clone(), counts.to_vec()].concat());
            plugin.machine.work(users.len())?;
        }
    }
    table(
        plugin,
        5,
        &[
            ("count", ScalarType::Long),
            ("dcount", ScalarType::Long),
            ("new_dcount", ScalarType::Long),
            ("aggregated_dcount", ScalarType::Long),
        ],
        rows,
    )
}
