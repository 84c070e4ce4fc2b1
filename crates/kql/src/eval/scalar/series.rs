//! Series: arrays of numbers, filters and fillings.

use super::{Args, Call, Kernel};
use crate::value::{Bag, Dynamic, Value, to_long, to_real};
use std::sync::Arc;

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "series_fir" => series_fir,
        "series_iir" => series_iir,
        "series_stats" => |_, args| Value::Dynamic(stats(args).map_or(Dynamic::Null, Stats::tuple)),
        "series_stats_dynamic" => |_, args| Value::Dynamic(stats(args).map_or(Dynamic::Null, Stats::bag)),
        "series_fill_const" => series_fill_const,
        "series_fill_forward" => |_, args| fill_from(args, Direction::Forward),
        "series_fill_backward" => |_, args| fill_from(args, Direction::Backward),
        "series_fill_linear" => series_fill_linear,
        _ => return None,
    })
}

/// Wraps reals; what is missing is null.
pub(super) fn reals(values: impl IntoIterator<Item = Option<f64>>) -> Value {
    let item = |value: Option<f64>| value.map_or(Dynamic::Null, Dynamic::Real);
    Value::Dynamic(Dynamic::array(values.into_iter().map(item).collect()))
}

/// Whether all elements are whole numbers or null.
fn is_whole(items: &[Dynamic]) -> bool {
    items.iter().all(|item| matches!(item, Dynamic::Long(_) | Dynamic::Null))
}

/// Wraps numbers as reals, or as whole numbers if the series they come from has these.
fn like(items: &[Dynamic], values: Vec<Option<f64>>) -> Value {
    if !is_whole(items) {
        return reals(values);
    }
    let item = |value: Option<f64>| {
        value.and_then(|value| to_long(&Value::from(value))).map_or(Dynamic::Null, Dynamic::Long)
    };
    Value::Dynamic(Dynamic::array(values.into_iter().map(item).collect()))
}

fn series_fir(_: &Call<'_>, args: &Args<'_>) -> Value {
    let (Some(items), Some(series), Some(filter)) = (args.array(0), args.reals(0), args.reals(1)) else {
        return Value::Dynamic(Dynamic::Null);
    };
    let filter: Vec<f64> = filter.into_iter().map(|value| value.unwrap_or(0.0)).collect();
    let sum: f64 = filter.iter().sum();
    let default_normalize = filter.iter().all(|value| *value > 0.0);
    let normalize = args.bool(2).unwrap_or(default_normalize) && sum != 0.0;
    let center = args.bool(3).unwrap_or(false);
    let shift = if center { filter.len() / 2 } else { 0 };
    let value = |place: usize| {
        let mut total = 0.0;
        for (tap, weight) in filter.iter().enumerate() {
            let from = (place + shift).checked_sub(tap).and_then(|from| series.get(from));
            total += weight * from.copied().flatten().unwrap_or(0.0);
        }
        Some(if normalize { total / sum } else { total })
    };
    let values: Vec<Option<f64>> = (0..series.len()).map(value).collect();
    let weights_are_whole = args.array(1).is_some_and(is_whole);
    if weights_are_whole && !normalize { like(items, values) } else { reals(values) }
}

fn series_iir(_: &Call<'_>, args: &Args<'_>) -> Value {
    let (Some(series), Some(numerators), Some(denominators)) = (args.reals(0), args.reals(1), args.reals(2))
    else {
        return Value::Dynamic(Dynamic::Null);
    };
    let weight = |weights: &[Option<f64>], place: usize| weights.get(place).copied().flatten().unwrap_or(0.0);
    let scale = weight(&denominators, 0);
    let mut results: Vec<f64> = Vec::with_capacity(series.len());
    for place in 0..series.len() {
        let mut total = 0.0;
        for tap in 0..numerators.len().min(place + 1) {
            total += weight(&numerators, tap) * weight(&series, place - tap);
        }
        for tap in 1..denominators.len().min(place + 1) {
            total -= weight(&denominators, tap) * results.get(place - tap).copied().unwrap_or(0.0);
        }
        results.push(total / scale);
    }
    reals(results.into_iter().map(Some))
}

/// What is said about a series at a glance.
struct Stats {
    min: (f64, i64),
    max: (f64, i64),
    sum: f64,
    average: f64,
    variance: f64,
    length: i64,
}

fn stats(args: &Args<'_>) -> Option<Stats> {
    let series = args.reals(0)?;
    let ignore_nonfinite = args.bool(1) == Some(true);
    let numbers: Vec<(i64, f64)> = series
        .iter()
        .enumerate()
        .filter_map(|(place, value)| Some((i64::try_from(place).ok()?, (*value)?)))
        .filter(|(_, value)| !ignore_nonfinite || value.is_finite())
        .collect();
    let first = numbers.first()?;
    let mut min = (first.1, first.0);
    let mut max = min;
    for (place, value) in &numbers {
        if *value < min.0 {
            min = (*value, *place);
        }
        if *value > max.0 {
            max = (*value, *place);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "lengths of arrays")]
    let count = numbers.len() as f64;
    let sum: f64 = numbers.iter().map(|(_, value)| value).sum();
    let average = sum / count;
    let squares: f64 = numbers.iter().map(|(_, value)| (value - average).powi(2)).sum();
    let variance = if count > 1.0 { squares / (count - 1.0) } else { 0.0 };
    Some(Stats { min, max, sum, average, variance, length: i64::try_from(numbers.len()).unwrap_or(i64::MAX) })
}

impl Stats {
    fn entries(&self) -> [(&'static str, Dynamic); 7] {
        [
            ("min", Dynamic::Real(self.min.0)),
            ("min_idx", Dynamic::Long(self.min.1)),
            ("max", Dynamic::Real(self.max.0)),
            ("max_idx", Dynamic::Long(self.max.1)),
            ("avg", Dynamic::Real(self.average)),
            ("stdev", Dynamic::Real(self.variance.sqrt())),
            ("variance", Dynamic::Real(self.variance)),
        ]
    }

    fn tuple(self) -> Dynamic {
        Dynamic::array(self.entries().into_iter().map(|(_, value)| value).collect())
    }

    fn bag(self) -> Dynamic {
        let mut bag: Bag = self.entries().into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
        bag.set(Arc::from("sum"), Dynamic::Real(self.sum));
        bag.set(Arc::from("len"), Dynamic::Long(self.length));
        Dynamic::bag(bag)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// Whether an element stands for a missing value: null, or a value that is given for it.
fn is_missing(item: &Dynamic, placeholder: &Dynamic) -> bool {
    if matches!(placeholder, Dynamic::Null) {
        return matches!(item, Dynamic::Null);
    }
    let number = |value: &Dynamic| to_real(&Value::Dynamic(value.clone()));
    number(item).is_some() && number(item) == number(placeholder)
}

fn series_fill_const(_: &Call<'_>, args: &Args<'_>) -> Value {
    let Some(items) = args.array(0) else { return Value::Dynamic(Dynamic::Null) };
    let (filler, placeholder) =
        (if args.has(1) { args.dynamic(1) } else { Dynamic::Long(0) }, args.dynamic(2));
    let fill = |item: &Dynamic| if is_missing(item, &placeholder) { filler.clone() } else { item.clone() };
    Value::Dynamic(Dynamic::array(items.iter().map(fill).collect()))
}

fn fill_from(args: &Args<'_>, direction: Direction) -> Value {
    let Some(items) = args.array(0) else { return Value::Dynamic(Dynamic::Null) };
    let placeholder = args.dynamic(1);
    let mut last = None;
    let mut fill = |item: &Dynamic| {
        if is_missing(item, &placeholder) {
            return last.clone().unwrap_or_else(|| item.clone());
        }
        last = Some(item.clone());
        item.clone()
    };
    let filled: Vec<Dynamic> = match direction {
        Direction::Forward => items.iter().map(&mut fill).collect(),
        Direction::Backward => {
            let mut filled: Vec<Dynamic> = items.iter().rev().map(&mut fill).collect();
            filled.reverse();
            filled
        }
    };
    Value::Dynamic(Dynamic::array(filled))
}

fn series_fill_linear(_: &Call<'_>, args: &Args<'_>) -> Value {
    let (Some(items), Some(series)) = (args.array(0), args.reals(0)) else {
        return Value::Dynamic(Dynamic::Null);
    };
    let placeholder = args.dynamic(1);
    let edges = args.bool(2).unwrap_or(true);
    let constant = if args.has(3) { args.real(3) } else { Some(0.0) };
    let known: Vec<Option<f64>> = items
        .iter()
        .zip(series)
        .map(|(item, value)| if is_missing(item, &placeholder) { None } else { value })
        .collect();
    if known.iter().all(Option::is_none) {
        // Nothing is known: the constant stands everywhere.
        let filled = vec![constant; known.len()];
        let whole =
            is_whole(items) && matches!(args.get(3), Value::Int(_) | Value::Long(_) | Value::Dynamic(_));
        return if whole { like(items, filled) } else { reals(filled) };
    }
    let mut filled = known.clone();
    for (place, slot) in filled.iter_mut().enumerate().filter(|(_, slot)| slot.is_none()) {
        let before = known.iter().enumerate().take(place).rev().find_map(|(at, value)| Some((at, (*value)?)));
        let after = known.iter().enumerate().skip(place).find_map(|(at, value)| Some((at, (*value)?)));
        *slot = match (before, after) {
            (Some((from, a)), Some((to, b))) => {
                #[expect(clippy::cast_precision_loss, reason = "places in arrays")]
                let share = (place - from) as f64 / (to - from) as f64;
                Some(a + (b - a) * share)
            }
            (Some((_, edge)), None) | (None, Some((_, edge))) if edges => Some(edge),
            _ => None,
        };
    }
    like(items, filled)
}
