//! `+`, `-`, `*`, `/` and `%`.
//!
//! Whole numbers wrap around; dividing them by zero gives null. A remainder has the sign of
//! nothing: it is never negative.

use std::sync::Arc;

use crate::plan::Arithmetic;
use crate::types::ScalarType;
use crate::value::{
    Cells, Datetime, Decimal, Timespan, Value, cast, to_datetime, to_decimal, to_long, to_real, to_timespan,
};

/// Computes a column from two; the result has type `ty`.
pub(super) fn arithmetic(op: Arithmetic, a: &Cells, b: &Cells, ty: ScalarType, rows: usize) -> Cells {
    match (a, b) {
        (Cells::Constant(a, _), Cells::Constant(b, _)) => Cells::Constant(compute(op, a, b, ty), rows),
        (Cells::Long(a), Cells::Constant(Value::Long(Some(b)), _)) if ty == ScalarType::Long => {
            Cells::Long(a.iter().map(|a| a.and_then(|a| whole(op, a, *b))).collect())
        }
        (Cells::Long(a), Cells::Long(b)) if ty == ScalarType::Long => {
            Cells::Long(a.iter().zip(b).map(|(a, b)| a.zip(*b).and_then(|(a, b)| whole(op, a, b))).collect())
        }
        (Cells::Real(a), Cells::Constant(Value::Real(Some(b)), _)) if ty == ScalarType::Real => {
            Cells::Real(a.iter().map(|a| a.map(|a| broken(op, a, *b))).collect())
        }
        (Cells::Real(a), Cells::Real(b)) if ty == ScalarType::Real => {
            Cells::Real(a.iter().zip(b).map(|(a, b)| a.zip(*b).map(|(a, b)| broken(op, a, b))).collect())
        }
        _ => Cells::from_values(ty, (0..rows).map(|row| compute(op, &a.get(row), &b.get(row), ty))),
    }
}

/// Computes `-x`.
pub(super) fn negate(cells: &Arc<Cells>, ty: ScalarType, rows: usize) -> Cells {
    let zero = Value::Long(Some(0));
    match cells.as_ref() {
        // A constant keeps its negative zero.
        Cells::Constant(Value::Real(number), _) => {
            Cells::Constant(Value::Real(number.map(|number| -number)), rows)
        }
        Cells::Constant(value, _) => Cells::Constant(negative(value, &zero, ty), rows),
        cells => Cells::from_values(ty, cells.values().map(|value| negative(&value, &zero, ty))),
    }
}

fn negative(value: &Value, zero: &Value, ty: ScalarType) -> Value {
    match value {
        Value::Timespan(span) => Value::Timespan(span.and_then(|span| span.0.checked_neg()).map(Timespan)),
        other => compute(Arithmetic::Subtract, zero, other, ty),
    }
}

/// Computes one value of type `ty`.
pub(super) fn compute(op: Arithmetic, a: &Value, b: &Value, ty: ScalarType) -> Value {
    match ty {
        ScalarType::Long | ScalarType::Int | ScalarType::Bool => {
            let number = to_long(a).zip(to_long(b)).and_then(|(a, b)| whole(op, a, b));
            cast(&Value::Long(number), ty)
        }
        ScalarType::Real => Value::Real(real(op, a, b)),
        ScalarType::Decimal => {
            Value::Decimal(to_decimal(a).zip(to_decimal(b)).and_then(|(a, b)| decimal(op, a, b)))
        }
        ScalarType::Datetime => Value::Datetime(instant(op, a, b)),
        ScalarType::Timespan => Value::Timespan(span(op, a, b)),
        _ => untyped(op, a, b),
    }
}

fn whole(op: Arithmetic, a: i64, b: i64) -> Option<i64> {
    match op {
        Arithmetic::Add => Some(a.wrapping_add(b)),
        Arithmetic::Subtract => Some(a.wrapping_sub(b)),
        Arithmetic::Multiply => Some(a.wrapping_mul(b)),
        Arithmetic::Divide => (b != 0).then(|| a.wrapping_div(b)),
        Arithmetic::Modulo => (b != 0).then(|| a.wrapping_rem_euclid(b)),
    }
}

fn broken(op: Arithmetic, a: f64, b: f64) -> f64 {
    match op {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Modulo => a.rem_euclid(b),
    }
}

fn decimal(op: Arithmetic, a: Decimal, b: Decimal) -> Option<Decimal> {
    match op {
        Arithmetic::Add => a.plus(b),
        Arithmetic::Subtract => a.subtract(b),
        Arithmetic::Multiply => a.multiply(b),
        Arithmetic::Divide => a.divide(b),
        Arithmetic::Modulo => a.modulo(b),
    }
}

fn real(op: Arithmetic, a: &Value, b: &Value) -> Option<f64> {
    Some(broken(op, to_real(a)?, to_real(b)?))
}

fn instant(op: Arithmetic, a: &Value, b: &Value) -> Option<Datetime> {
    let is_instant = |value: &Value| matches!(value, Value::Datetime(_));
    match op {
        Arithmetic::Add if is_instant(b) => to_datetime(b)?.plus(to_timespan(a)?),
        Arithmetic::Add => to_datetime(a)?.plus(to_timespan(b)?),
        Arithmetic::Subtract => to_datetime(a)?.plus(Timespan(to_timespan(b)?.0.checked_neg()?)),
        Arithmetic::Multiply | Arithmetic::Divide | Arithmetic::Modulo => None,
    }
}

fn span(op: Arithmetic, a: &Value, b: &Value) -> Option<Timespan> {
    let is_span = |value: &Value| matches!(value, Value::Timespan(_));
    match op {
        Arithmetic::Subtract if !is_span(a) && !is_span(b) => Some(to_datetime(a)?.since(to_datetime(b)?)),
        Arithmetic::Add => to_timespan(a)?.0.checked_add(to_timespan(b)?.0).map(Timespan),
        Arithmetic::Subtract => to_timespan(a)?.0.checked_sub(to_timespan(b)?.0).map(Timespan),
        Arithmetic::Modulo => whole(op, to_timespan(a)?.0, to_long(b)?).map(Timespan),
        Arithmetic::Multiply if is_span(b) => scaled(op, b, a),
        Arithmetic::Multiply | Arithmetic::Divide => scaled(op, a, b),
    }
}

fn scaled(op: Arithmetic, span: &Value, factor: &Value) -> Option<Timespan> {
    let ticks = to_timespan(span)?.0;
    if matches!(factor, Value::Int(_) | Value::Long(_)) {
        let factor = to_long(factor)?;
        return match op {
            Arithmetic::Multiply => ticks.checked_mul(factor),
            _ => ticks.checked_div(factor),
        }
        .map(Timespan);
    }
    #[expect(clippy::cast_precision_loss, reason = "reals have 53 bits")]
    let exact = broken(op, ticks as f64, to_real(factor)?);
    to_long(&Value::Real(Some(exact))).map(Timespan)
}

/// Computes with operands whose types are only known now.
fn untyped(op: Arithmetic, a: &Value, b: &Value) -> Value {
    let unwrap = |value: &Value| match value {
        Value::Dynamic(value) => value.clone().into_scalar(),
        other => other.clone(),
    };
    let (a, b) = (unwrap(a), unwrap(b));
    let ty = match (a.ty(), b.ty()) {
        (ScalarType::Datetime, ScalarType::Datetime) => ScalarType::Timespan,
        (ScalarType::Datetime, _) | (_, ScalarType::Datetime) => ScalarType::Datetime,
        (ScalarType::Timespan, ScalarType::Timespan) if op == Arithmetic::Divide => ScalarType::Real,
        (ScalarType::Timespan, _) | (_, ScalarType::Timespan) => ScalarType::Timespan,
        (ScalarType::Real, _) | (_, ScalarType::Real) => ScalarType::Real,
        (ScalarType::Decimal, _) | (_, ScalarType::Decimal) => ScalarType::Decimal,
        (ScalarType::Long | ScalarType::Int, ScalarType::Long | ScalarType::Int) => ScalarType::Long,
        _ => return Value::null(ScalarType::Dynamic),
    };
    compute(op, &a, &b, ty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::to_text;

    #[track_caller]
    fn check(a: impl Into<Value>, op: Arithmetic, b: impl Into<Value>, ty: ScalarType, expected: &str) {
        let value = compute(op, &a.into(), &b.into(), ty);
        let printed = if value.is_null() { "null".into() } else { to_text(&value) };
        assert_eq!(&*printed, expected);
    }

    #[test]
    fn whole_numbers_wrap_and_remainders_are_positive() {
        let long = ScalarType::Long;
        check(i64::MAX, Arithmetic::Add, 1, long, "-9223372036854775808");
        check(-7, Arithmetic::Divide, 2, long, "-3");
        check(1, Arithmetic::Divide, 0, long, "null");
        check(i64::MIN, Arithmetic::Divide, -1, long, "-9223372036854775808");
        check(-14, Arithmetic::Modulo, 12, long, "10");
        check(14, Arithmetic::Modulo, -12, long, "2");
        check(-14, Arithmetic::Modulo, -12, long, "10");
        check(14, Arithmetic::Modulo, 0, long, "null");
        check(-5.5, Arithmetic::Modulo, 3.0, ScalarType::Real, "0.5");
        check(1.0, Arithmetic::Divide, 0.0, ScalarType::Real, "inf");
    }

    #[test]
    fn time_is_added_and_divided() {
        let day = Value::Timespan(Some(Timespan(Timespan::DAY)));
        let hour = Value::Timespan(Some(Timespan(Timespan::HOUR)));
        let last = Value::Datetime(Some(Datetime::MAX));
        check(day.clone(), Arithmetic::Divide, hour.clone(), ScalarType::Real, "24.0");
        check(day.clone(), Arithmetic::Multiply, 1.5, ScalarType::Timespan, "1.12:00:00");
        check(2, Arithmetic::Multiply, hour, ScalarType::Timespan, "02:00:00");
        check(last.clone(), Arithmetic::Add, day.clone(), ScalarType::Datetime, "null");
        check(
            last,
            Arithmetic::Subtract,
            Value::Datetime(Some(Datetime::MIN)),
            ScalarType::Timespan,
            "3652058.23:59:59.9999999",
        );
        check(Value::Datetime(None), Arithmetic::Add, day, ScalarType::Datetime, "null");
    }
}
