//! Sums and averages.

use super::{Input, Kernel};
use crate::types::ScalarType;
use crate::value::{Cells, Datetime, Decimal, Timespan, Value, to_decimal, to_long, to_real};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "sum" => sum,
        "sumif" => |input| sum(&input.filtered(1)),
        "avg" => average,
        "avgif" => |input| average(&input.filtered(1)),
        "binary_all_and" => |input| bits(input, |a, b| a & b),
        "binary_all_or" => |input| bits(input, |a, b| a | b),
        "binary_all_xor" => |input| bits(input, |a, b| a ^ b),
        _ => return None,
    })
}

/// Nulls do not count; the sum of nothing is zero.
fn sum(input: &Input) -> Vec<Cells> {
    let ty = input.result(0);
    let Some(column) = input.args.first() else { return Vec::new() };
    vec![match ty {
        ScalarType::Real => {
            let add = |sum: &mut f64, row| {
                if let Some(number) = real_at(column, row) {
                    *sum += number;
                }
            };
            input.fold(0.0, add, ty, |sum| Value::Real(Some(sum)))
        }
        ScalarType::Decimal => {
            let add = |sum: &mut Option<Decimal>, row| {
                if let Some(number) = to_decimal(&column.get(row)) {
                    *sum = sum.and_then(|sum| sum.plus(number));
                }
            };
            input.fold(Some(Decimal::ZERO), add, ty, Value::Decimal)
        }
        _ => {
            let add = |sum: &mut i64, row| {
                if let Some(number) = long_at(column, row) {
                    *sum = sum.wrapping_add(number);
                }
            };
            input.fold(0, add, ty, move |sum| match ty {
                ScalarType::Timespan => Value::Timespan(Some(Timespan(sum))),
                _ => Value::Long(Some(sum)),
            })
        }
    }]
}

fn long_at(column: &Cells, row: usize) -> Option<i64> {
    match column {
        Cells::Long(numbers) => numbers.get(row).copied().flatten(),
        other => to_long(&other.get(row)),
    }
}

fn real_at(column: &Cells, row: usize) -> Option<f64> {
    match column {
        Cells::Real(numbers) => numbers.get(row).copied().flatten(),
        other => to_real(&other.get(row)),
    }
}

/// Whole numbers are summed as such, wrapping around, before they are divided.
fn average(input: &Input) -> Vec<Cells> {
    let Some(column) = input.args.first() else { return Vec::new() };
    let ty = input.result(0);
    let whole = column.ty() != ScalarType::Real && column.ty() != ScalarType::Dynamic;
    vec![match ty {
        ScalarType::Decimal => {
            let add = |(sum, count): &mut (Option<Decimal>, i64), row| {
                if let Some(number) = to_decimal(&column.get(row)) {
                    *sum = sum.and_then(|sum| sum.plus(number));
                    *count += 1;
                }
            };
            input.fold((Some(Decimal::ZERO), 0), add, ty, |(sum, count)| {
                Value::Decimal(sum.and_then(|sum| sum.divide(Decimal::from_long(count))))
            })
        }
        ScalarType::Real if !whole => {
            let add = |(sum, count): &mut (f64, f64), row| {
                if let Some(number) = real_at(column, row) {
                    *sum += number;
                    *count += 1.0;
                }
            };
            input.fold((0.0, 0.0), add, ty, |(sum, count)| Value::Real(Some(sum / count)))
        }
        _ => {
            let add = |(sum, count): &mut (i64, i64), row| {
                if let Some(number) = long_at(column, row) {
                    *sum = sum.wrapping_add(number);
                    *count += 1;
                }
            };
            // Instants overflow a sum of ticks, so they are averaged by their distance in time.
            match ty {
                ScalarType::Datetime => instants(input, column),
                _ => input.fold((0, 0), add, ty, move |(sum, count)| quotient(sum, count, ty)),
            }
        }
    }]
}

fn quotient(sum: i64, count: i64, ty: ScalarType) -> Value {
    if ty == ScalarType::Timespan {
        return Value::Timespan(sum.checked_div(count).map(Timespan));
    }
    #[expect(clippy::cast_precision_loss, reason = "reals have 53 bits")]
    Value::Real(Some(sum as f64 / count as f64))
}

fn instants(input: &Input, column: &Cells) -> Cells {
    let add = |(sum, count): &mut (i128, i128), row| {
        if let Some(ticks) = long_at(column, row) {
            *sum += i128::from(ticks);
            *count += 1;
        }
    };
    input.fold((0, 0), add, ScalarType::Datetime, |(sum, count)| {
        let ticks = sum.checked_div(count).and_then(|ticks| i64::try_from(ticks).ok());
        Value::Datetime(ticks.and_then(Datetime::from_ticks))
    })
}

fn bits(input: &Input, combine: fn(i64, i64) -> i64) -> Vec<Cells> {
    let Some(column) = input.args.first() else { return Vec::new() };
    let add = |all: &mut Option<i64>, row| {
        if let Some(number) = long_at(column, row) {
            *all = Some(all.map_or(number, |so_far| combine(so_far, number)));
        }
    };
    vec![input.fold(None, add, input.result(0), Value::Long)]
}
