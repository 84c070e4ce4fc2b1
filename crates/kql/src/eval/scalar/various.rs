//! Functions over any type: logic, extremes, bins, the world around the query.

use std::cmp::Ordering;

use super::{Args, Call, Kernel};
use crate::types::ScalarType;
use crate::value::{
    Datetime, Decimal, Guid, Timespan, Value, cast, compare, sort_order, to_decimal, to_long, to_real,
};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "not" => |_, args| Value::Bool(args.bool(0).map(|truth| !truth)),
        "max_of" => |call, args| extreme(call, args, Ordering::Greater),
        "min_of" => |call, args| extreme(call, args, Ordering::Less),
        "bin" => |call, args| bin_at(args.get(0), args.get(1), &Value::from(0), call.ty),
        "bin_at" => |call, args| bin_at(args.get(0), args.get(1), args.get(2), call.ty),
        "around" => around,
        "now" => now,
        "ago" => ago,
        "rand" => rand,
        "new_guid" => new_guid,
        "current_database" => |_, _| Value::from("NetDefaultDB"),
        "geo_info_from_ip_address" => {
            |call, args| Value::Dynamic(call.env.fixtures.ip_location(&args.text(0)).unwrap_or_default())
        }
        "format_bytes" => format_bytes,
        "estimate_data_size" => estimate_data_size,
        _ => return None,
    })
}

/// Nulls do not count unless there is nothing else.
fn extreme(call: &Call<'_>, args: &Args<'_>, wanted: Ordering) -> Value {
    let mut best: Option<&Value> = None;
    for value in args.all().iter().filter(|value| !value.is_null()) {
        if best.is_none_or(|best| sort_order(value, best) == wanted) {
            best = Some(value);
        }
    }
    best.map_or_else(|| Value::null(call.ty), |value| cast(value, call.ty))
}

/// Rounds down to a multiple of a step, counted from a fixed point.
fn bin_at(value: &Value, step: &Value, fixed: &Value, ty: ScalarType) -> Value {
    let binned = match ty {
        ScalarType::Real => bin_real(value, step, fixed).map(|number| Value::Real(Some(number))),
        ScalarType::Decimal => bin_decimal(value, step, fixed),
        _ => bin_whole(value, step, fixed).map(|ticks| match ty {
            ScalarType::Datetime => Value::Datetime(Datetime::from_ticks(ticks)),
            ScalarType::Timespan => Value::Timespan(Some(Timespan(ticks))),
            _ => cast(&Value::from(ticks), ty),
        }),
    };
    binned.unwrap_or_else(|| Value::null(ty))
}

fn bin_whole(value: &Value, step: &Value, fixed: &Value) -> Option<i64> {
    let (value, step, fixed) = (to_long(value)?, to_long(step)?, to_long(fixed)?);
    if step <= 0 {
        return None;
    }
    let distance = value.checked_sub(fixed)?;
    distance.div_euclid(step).checked_mul(step)?.checked_add(fixed)
}

fn bin_real(value: &Value, step: &Value, fixed: &Value) -> Option<f64> {
    let (value, step, fixed) = (to_real(value)?, to_real(step)?, to_real(fixed)?);
    (step > 0.0).then(|| ((value - fixed) / step).floor() * step + fixed)
}

fn bin_decimal(value: &Value, step: &Value, fixed: &Value) -> Option<Value> {
    let (value, step, fixed) = (to_decimal(value)?, to_decimal(step)?, to_decimal(fixed)?);
    if step <= Decimal::ZERO {
        return None;
    }
    let steps = value.subtract(fixed)?.divide(step)?.floor();
    Some(Value::Decimal(Some(steps.multiply(step)?.plus(fixed)?)))
}

/// The bytes that values take; those of dynamic values depend on how the service keeps them.
fn estimate_data_size(call: &Call<'_>, args: &Args<'_>) -> Value {
    let mut total = 0;
    for value in args.all() {
        total += match value {
            Value::Bool(_) => 1,
            Value::Int(_) => 4,
            Value::Long(_) | Value::Real(_) | Value::Datetime(_) | Value::Timespan(_) => 8,
            Value::Guid(_) => 16,
            Value::String(text) => i64::try_from(text.len()).unwrap_or(i64::MAX),
            Value::Decimal(_) | Value::Dynamic(_) => {
                return call.unsupported("the size of dynamic values and decimals", Value::Long(None));
            }
        };
    }
    Value::from(total)
}

fn around(_: &Call<'_>, args: &Args<'_>) -> Value {
    let (value, center, delta) = (args.get(0), args.get(1), args.get(2));
    let distance = to_real(value).zip(to_real(center)).map(|(value, center)| (value - center).abs());
    let inside = distance.zip(to_real(delta)).map(|(distance, delta)| distance <= delta);
    Value::Bool(inside.or_else(|| compare(value, center).map(Ordering::is_eq)))
}

fn now(call: &Call<'_>, args: &Args<'_>) -> Value {
    if !args.has(0) {
        return Value::Datetime(Some(call.env.now));
    }
    Value::Datetime(args.timespan(0).and_then(|offset| call.env.now.plus(offset)))
}

fn ago(call: &Call<'_>, args: &Args<'_>) -> Value {
    let back = args.timespan(0).and_then(|span| span.0.checked_neg());
    Value::Datetime(back.and_then(|back| call.env.now.plus(Timespan(back))))
}

fn rand(call: &Call<'_>, args: &Args<'_>) -> Value {
    match args.long(0).and_then(|end| usize::try_from(end).ok()).filter(|end| *end > 1) {
        #[expect(clippy::cast_precision_loss, reason = "reals have 53 bits")]
        Some(end) => Value::from(call.chance.below(end) as f64),
        None => Value::from(call.chance.real()),
    }
}

fn new_guid(call: &Call<'_>, _: &Args<'_>) -> Value {
    let bits = (u128::from(call.chance.bits()) << 64) | u128::from(call.chance.bits());
    // Version 4, variant 1 of RFC 9562.
    let version = bits & !(0xf << 76) | (0x4 << 76);
    Value::Guid(Some(Guid(version & !(0x3 << 62) | (0x2 << 62))))
}

fn format_bytes(_: &Call<'_>, args: &Args<'_>) -> Value {
    const UNITS: [&str; 7] = ["Bytes", "KB", "MB", "GB", "TB", "PB", "EB"];
    let Some(bytes) = args.real(0) else { return Value::null(ScalarType::String) };
    let precision = usize::try_from(args.long_or(1, 0)).unwrap_or(0).min(15);
    let wanted = args.text(2);
    let mut number = bytes;
    let mut unit = 0;
    let fits = |unit: usize, number: f64| match UNITS.iter().position(|name| *name == &*wanted) {
        Some(place) => unit >= place,
        None => number.abs() < 1024.0,
    };
    while unit + 1 < UNITS.len() && !fits(unit, number) {
        number /= 1024.0;
        unit += 1;
    }
    let printed = format!("{number:.precision$}");
    let printed =
        if printed.contains('.') { printed.trim_end_matches('0').trim_end_matches('.') } else { &printed };
    let name = UNITS.get(unit).copied().unwrap_or("Bytes");
    Value::text(format!("{printed} {name}"))
}
