//! Arrays.

use std::cmp::Ordering;

use super::{Args, Call, Kernel};
use crate::eval::arithmetic::compute;
use crate::plan::Arithmetic;
use crate::types::ScalarType;
use crate::value::{Dynamic, Timespan, Value, compare, sort_order, to_bool, to_dynamic, to_long};

/// The most elements a function makes, as in the service.
const ELEMENTS_MAX: usize = 1_048_576;

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "pack_array" => |_, args| Value::Dynamic(Dynamic::array(args.all().iter().map(to_dynamic).collect())),
        "array_length" => {
            |_, args| Value::Long(args.array(0).and_then(|items| i64::try_from(items.len()).ok()))
        }
        "array_concat" => array_concat,
        "array_reverse" => |_, args| of(args.array(0).map(|items| items.iter().rev().cloned().collect())),
        "array_slice" => array_slice,
        "array_split" => array_split,
        "array_index_of" => array_index_of,
        "array_iff" => array_iff,
        "array_rotate_left" => |_, args| rotate(args, 1),
        "array_rotate_right" => |_, args| rotate(args, -1),
        "array_shift_left" => |_, args| shift(args, 1),
        "array_shift_right" => |_, args| shift(args, -1),
        "array_sort_asc" => |_, args| sort(args, Ordering::Less),
        "array_sort_desc" => |_, args| sort(args, Ordering::Greater),
        "range" => range,
        "repeat" => repeat,
        "zip" => zip,
        _ => return None,
    })
}

fn of(items: Option<Vec<Dynamic>>) -> Value {
    Value::Dynamic(items.map_or(Dynamic::Null, Dynamic::array))
}

/// What is no array does not count.
fn array_concat(_: &Call<'_>, args: &Args<'_>) -> Value {
    let arrays: Vec<&[Dynamic]> = (0..args.len()).filter_map(|index| args.array(index)).collect();
    if arrays.is_empty() {
        return Value::Dynamic(Dynamic::Null);
    }
    of(Some(arrays.concat()))
}

/// Returns a place counted from the end as one from the start.
fn place(index: i64, length: usize) -> i64 {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    if index < 0 { index.saturating_add(length) } else { index }
}

fn array_slice(_: &Call<'_>, args: &Args<'_>) -> Value {
    let slice = args.array(0).map(|items| {
        let start = usize::try_from(place(args.long_or(1, 0), items.len())).unwrap_or(0);
        let end = place(args.long_or(2, -1), items.len()).saturating_add(1);
        let end = usize::try_from(end).unwrap_or(0).min(items.len());
        items.get(start..end).unwrap_or_default().to_vec()
    });
    of(slice)
}

fn array_split(_: &Call<'_>, args: &Args<'_>) -> Value {
    let Some(items) = args.array(0) else { return Value::Dynamic(Dynamic::Null) };
    let mut cuts: Vec<usize> = match args.array(1) {
        Some(cuts) => cuts
            .iter()
            .filter_map(|cut| to_long(&Value::Dynamic(cut.clone())))
            .map(|cut| usize::try_from(place(cut, items.len())).unwrap_or(0).min(items.len()))
            .collect(),
        None => vec![usize::try_from(place(args.long_or(1, 0), items.len())).unwrap_or(0).min(items.len())],
    };
    cuts.sort_unstable();
    cuts.push(items.len());
    let mut from = 0;
    let parts = cuts.into_iter().map(|cut| {
        let part = items.get(from..cut).unwrap_or_default().to_vec();
        from = cut;
        Dynamic::array(part)
    });
    of(Some(parts.collect()))
}

fn array_index_of(_: &Call<'_>, args: &Args<'_>) -> Value {
    let Some(items) = args.array(0) else { return Value::Long(None) };
    let wanted = args.get(1);
    let start = usize::try_from(place(args.long_or(2, 0), items.len())).unwrap_or(0);
    let count = match args.long_or(3, -1) {
        -1 => items.len(),
        count => usize::try_from(count).unwrap_or(0),
    };
    let Some(skip) = args.long_or(4, 1).checked_sub(1).and_then(|skip| usize::try_from(skip).ok()) else {
        return Value::Long(None);
    };
    let found = items.iter().enumerate().skip(start).take(count).filter(|(_, item)| {
        compare(&Value::Dynamic((*item).clone()), &Value::Dynamic(to_dynamic(wanted)))
            == Some(Ordering::Equal)
    });
    let index = found.map(|(index, _)| index).nth(skip);
    Value::from(index.and_then(|index| i64::try_from(index).ok()).unwrap_or(-1))
}

/// Values that are no arrays stand for all elements.
fn array_iff(_: &Call<'_>, args: &Args<'_>) -> Value {
    let chosen = |index: usize, place: usize| match args.array(index) {
        Some(items) => items.get(place).cloned().unwrap_or_default(),
        None => args.dynamic(index),
    };
    let result = args.array(0).map(|conditions| {
        let one = |(place, condition): (usize, &Dynamic)| match to_bool(&Value::Dynamic(condition.clone())) {
            Some(true) => chosen(1, place),
            Some(false) => chosen(2, place),
            None => Dynamic::Null,
        };
        conditions.iter().enumerate().map(one).collect()
    });
    of(result)
}

fn rotate(args: &Args<'_>, direction: i64) -> Value {
    let by = args.long_or(1, 0).wrapping_mul(direction);
    of(args.array(0).map(|items| {
        let mut items = items.to_vec();
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        if length > 0 {
            items.rotate_left(usize::try_from(by.rem_euclid(length)).unwrap_or(0));
        }
        items
    }))
}

fn shift(args: &Args<'_>, direction: i64) -> Value {
    let by = args.long_or(1, 0).wrapping_mul(direction);
    let filler = args.dynamic(2);
    of(args.array(0).map(|items| {
        let moved = |place: usize| {
            let from = i64::try_from(place).ok()?.checked_add(by)?;
            items.get(usize::try_from(from).ok()?).cloned()
        };
        (0..items.len()).map(|place| moved(place).unwrap_or_else(|| filler.clone())).collect()
    }))
}

/// Sorts the first array, and all others the same way. Nulls come last unless the last argument is
/// false.
fn sort(args: &Args<'_>, first: Ordering) -> Value {
    let arrays: Vec<&[Dynamic]> = (0..args.len()).map_while(|index| args.array(index)).collect();
    let Some(keys) = arrays.first().copied() else { return Value::Dynamic(Dynamic::Null) };
    let nulls_last = args.bool(arrays.len()) != Some(false);
    let mut places: Vec<usize> = (0..keys.len()).collect();
    let null = Dynamic::Null;
    let key = |place: &usize| keys.get(*place).unwrap_or(&null);
    places.sort_by(|a, b| {
        let (a, b) = (key(a), key(b));
        match (matches!(a, Dynamic::Null), matches!(b, Dynamic::Null)) {
            (true, true) => Ordering::Equal,
            (true, false) => {
                if nulls_last {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (false, true) => {
                if nulls_last {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (false, false) => {
                let order = order(a, b);
                if first == Ordering::Less { order } else { order.reverse() }
            }
        }
    });
    let pick = |items: &&[Dynamic]| {
        if items.len() != keys.len() {
            return Dynamic::Null;
        }
        Dynamic::array(places.iter().map(|place| items.get(*place).cloned().unwrap_or_default()).collect())
    };
    of(Some(arrays.iter().map(pick).collect()))
}

/// Orders elements by kind first.
fn order(a: &Dynamic, b: &Dynamic) -> Ordering {
    let kind = |value: &Dynamic| match value {
        Dynamic::Null => 0,
        Dynamic::Bool(_) => 1,
        Dynamic::Long(_) | Dynamic::Real(_) | Dynamic::Decimal(_) => 2,
        Dynamic::Datetime(_) => 3,
        Dynamic::Timespan(_) => 4,
        Dynamic::Guid(_) => 5,
        Dynamic::String(_) => 6,
        Dynamic::Array(_) => 7,
        Dynamic::Bag(_) => 8,
    };
    let by_value = || sort_order(&Value::Dynamic(a.clone()), &Value::Dynamic(b.clone()));
    kind(a).cmp(&kind(b)).then_with(by_value)
}

fn range(_: &Call<'_>, args: &Args<'_>) -> Value {
    let (start, stop) = (args.get(0), args.get(1));
    let ty = match (start.ty(), args.get(2).ty()) {
        (ScalarType::Int | ScalarType::Bool, _) => ScalarType::Long,
        (ScalarType::Long, ScalarType::Real) => ScalarType::Real,
        (ScalarType::Dynamic, _) => ScalarType::Long,
        (ty, _) => ty,
    };
    let hour = Value::Timespan(Some(Timespan(Timespan::HOUR)));
    let step = match ty {
        _ if args.has(2) => args.get(2).clone(),
        ScalarType::Datetime | ScalarType::Timespan => hour,
        _ => Value::from(1),
    };
    let Some(upward) = to_long(&step).map(|step| step != 0).zip(crate::value::to_real(&step)) else {
        return Value::Dynamic(Dynamic::Null);
    };
    let beyond = if upward.1 > 0.0 { Ordering::Greater } else { Ordering::Less };
    if upward.1 == 0.0 || start.is_null() || stop.is_null() {
        return Value::Dynamic(Dynamic::Null);
    }
    let mut items = Vec::new();
    let mut value = crate::value::cast(start, ty);
    while items.len() < ELEMENTS_MAX && compare(&value, stop).is_some_and(|order| order != beyond) {
        items.push(to_dynamic(&value));
        let next = compute(Arithmetic::Add, &value, &step, ty);
        if compare(&next, &value) != Some(beyond) {
            break;
        }
        value = next;
    }
    of(Some(items))
}

fn repeat(_: &Call<'_>, args: &Args<'_>) -> Value {
    let count = args.long(1).and_then(|count| usize::try_from(count).ok());
    let item = args.dynamic(0);
    let room = ELEMENTS_MAX / (item.weight() / 24).max(1);
    of(count.map(|count| vec![item; count.min(room)]))
}

/// Pairs elements; arrays that are shorter are filled with null.
fn zip(_: &Call<'_>, args: &Args<'_>) -> Value {
    let arrays: Vec<&[Dynamic]> =
        (0..args.len()).map(|index| args.array(index).unwrap_or_default()).collect();
    let length = arrays.iter().map(|items| items.len()).max().unwrap_or(0);
    let tuple = |place: usize| {
        Dynamic::array(arrays.iter().map(|items| items.get(place).cloned().unwrap_or_default()).collect())
    };
    of(Some((0..length).map(tuple).collect()))
}
