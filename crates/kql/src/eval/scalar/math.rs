//! Numbers.

use super::args::number;
use super::{Args, Call, Kernel};
use crate::types::ScalarType;
use crate::value::{Timespan, Value, cast, to_decimal, to_long};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "abs" => abs,
        "sign" => |_, args| Value::Real(args.real(0).map(sign)),
        "round" => round,
        "ceiling" => |call, args| whole(call, args, f64::ceil),
        "pow" => |_, args| Value::Real(args.real(0).zip(args.real(1)).map(|(base, power)| base.powf(power))),
        "sqrt" => |_, args| real(args, f64::sqrt),
        "log" => |_, args| logarithm(args, f64::ln),
        "log2" => |_, args| logarithm(args, f64::log2),
        "log10" => |_, args| logarithm(args, f64::log10),
        "exp" => |_, args| real(args, f64::exp),
        "exp2" => |_, args| real(args, f64::exp2),
        "exp10" => |_, args| real(args, |power| 10_f64.powf(power)),
        "pi" => |_, _| Value::from(std::f64::consts::PI),
        "cos" => |_, args| real(args, f64::cos),
        "sin" => |_, args| real(args, f64::sin),
        "tan" => |_, args| real(args, f64::tan),
        "acos" => |_, args| real(args, f64::acos),
        "asin" => |_, args| real(args, f64::asin),
        "atan" => |_, args| real(args, f64::atan),
        "atan2" => |_, args| Value::Real(args.real(0).zip(args.real(1)).map(|(y, x)| y.atan2(x))),
        "cot" => |_, args| real(args, |angle| 1.0 / angle.tan()),
        "degrees" => |_, args| real(args, f64::to_degrees),
        "radians" => |_, args| real(args, f64::to_radians),
        "isnan" => |_, args| Value::Bool(args.real(0).map(f64::is_nan)),
        "isinf" => |_, args| Value::Bool(args.real(0).map(f64::is_infinite)),
        "isfinite" => |_, args| Value::Bool(args.real(0).map(f64::is_finite)),
        _ => return None,
    })
}

fn real(args: &Args<'_>, compute: fn(f64) -> f64) -> Value {
    Value::Real(args.real(0).map(compute))
}

/// Numbers below zero have no logarithm.
fn logarithm(args: &Args<'_>, compute: fn(f64) -> f64) -> Value {
    Value::Real(args.real(0).filter(|number| *number >= 0.0 || number.is_nan()).map(compute))
}

/// The sign of what is no number is zero.
fn sign(number: f64) -> f64 {
    if number > 0.0 {
        1.0
    } else if number < 0.0 {
        -1.0
    } else {
        0.0
    }
}

fn abs(call: &Call<'_>, args: &Args<'_>) -> Value {
    match args.get(0) {
        Value::Timespan(span) => Value::Timespan(span.map(|span| Timespan(span.0.wrapping_abs()))),
        Value::Real(value) => Value::Real(value.map(f64::abs)),
        Value::Decimal(value) => {
            let zero = crate::value::Decimal::ZERO;
            Value::Decimal(value.map(|value| if value < zero { value.negate() } else { value }))
        }
        value if call.ty == ScalarType::Real => Value::Real(crate::value::to_real(value).map(f64::abs)),
        value => cast(&Value::Long(to_long(value).map(i64::wrapping_abs)), call.ty),
    }
}

fn round(call: &Call<'_>, args: &Args<'_>) -> Value {
    if call.ty != ScalarType::Real && call.ty != ScalarType::Decimal && !args.has(1) {
        return cast(args.get(0), call.ty);
    }
    let digits = args.long_or(1, 0).clamp(-308, 308);
    let round = |value: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "at most 308")]
        let scale = 10_f64.powi(digits as i32);
        let scaled = value * scale;
        if scaled.is_finite() && scaled.abs() < 9e15 { scaled.round() / scale } else { value }
    };
    if call.ty == ScalarType::Decimal {
        let rounded = args.real(0).map(round);
        return Value::Decimal(rounded.and_then(|rounded| to_decimal(&Value::from(rounded))));
    }
    number(args.real(0).map(round), call.ty)
}

fn whole(call: &Call<'_>, args: &Args<'_>, compute: fn(f64) -> f64) -> Value {
    match args.get(0) {
        value @ (Value::Int(_) | Value::Long(_)) => cast(value, call.ty),
        _ => number(args.real(0).map(compute), call.ty),
    }
}
