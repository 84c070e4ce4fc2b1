//! Series: arithmetic and comparison, element by element.

use std::cmp::Ordering;

use super::series::reals;
use super::{Args, Kernel};
use crate::eval::arithmetic::compute;
use crate::plan::Arithmetic;
use crate::types::ScalarType;
use crate::value::{Dynamic, Value, to_dynamic};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "series_add" => |_, args| arithmetic(args, Arithmetic::Add),
        "series_subtract" => |_, args| arithmetic(args, Arithmetic::Subtract),
        "series_multiply" => |_, args| arithmetic(args, Arithmetic::Multiply),
        "series_divide" => |_, args| pairs(args, |a, b| a / b),
        "series_pow" => |_, args| pairs(args, f64::powf),
        "series_equals" => |_, args| truths(args, |a, b| a.partial_cmp(&b) == Some(Ordering::Equal)),
        "series_not_equals" => |_, args| truths(args, |a, b| a.partial_cmp(&b) != Some(Ordering::Equal)),
        "series_greater" => |_, args| truths(args, |a, b| a > b),
        "series_greater_equals" => |_, args| truths(args, |a, b| a >= b),
        "series_less" => |_, args| truths(args, |a, b| a < b),
        "series_less_equals" => |_, args| truths(args, |a, b| a <= b),
        "series_abs" => |_, args| each(args, f64::abs),
        "series_acos" => |_, args| each(args, f64::acos),
        "series_asin" => |_, args| each(args, f64::asin),
        "series_atan" => |_, args| each(args, f64::atan),
        "series_cos" => |_, args| each(args, f64::cos),
        "series_sin" => |_, args| each(args, f64::sin),
        "series_tan" => |_, args| each(args, f64::tan),
        "series_ceiling" => |_, args| each(args, f64::ceil),
        "series_floor" => |_, args| each(args, f64::floor),
        "series_exp" => |_, args| each(args, f64::exp),
        "series_log" => |_, args| each(args, f64::ln),
        "series_sign" => |_, args| each(args, |value| if value == 0.0 { 0.0 } else { value.signum() }),
        "series_sum" => |_, args| Value::Real(args.reals(0).map(|series| series.into_iter().flatten().sum())),
        "series_product" => {
            |_, args| Value::Real(args.reals(0).map(|series| series.into_iter().flatten().product()))
        }
        "series_magnitude" => |_, args| Value::Real(args.reals(0).map(|series| norm(&series))),
        "series_dot_product" => |_, args| Value::Real(dot(args)),
        "series_cosine_similarity" => |_, args| {
            let norms = args.reals(0).zip(args.reals(1)).map(|(a, b)| norm(&a) * norm(&b));
            Value::Real(dot(args).zip(norms).map(|(dot, norms)| dot / norms))
        },
        "series_pearson_correlation" => |_, args| Value::Real(pearson(args)),
        _ => return None,
    })
}

/// A number stands for all elements of a series; the longer series decides the length.
fn operands(args: &Args<'_>) -> Option<Vec<(Dynamic, Dynamic)>> {
    let length = match (args.array(0), args.array(1)) {
        (Some(a), Some(b)) => a.len().max(b.len()),
        (Some(only), None) | (None, Some(only)) => only.len(),
        (None, None) => return None,
    };
    let at = |index: usize, place: usize| match args.array(index) {
        Some(items) => items.get(place).cloned().unwrap_or_default(),
        None => to_dynamic(args.get(index)),
    };
    Some((0..length).map(|place| (at(0, place), at(1, place))).collect())
}

fn real(value: &Dynamic) -> Option<f64> {
    match value {
        Dynamic::Long(_) | Dynamic::Real(_) | Dynamic::Decimal(_) | Dynamic::Bool(_) => {
            crate::value::to_real(&value.clone().into_scalar())
        }
        _ => None,
    }
}

/// Whole numbers stay whole.
fn arithmetic(args: &Args<'_>, op: Arithmetic) -> Value {
    let Some(pairs) = operands(args) else { return Value::Dynamic(Dynamic::Null) };
    let one = |(a, b): (Dynamic, Dynamic)| match (&a, &b) {
        (Dynamic::Long(_), Dynamic::Long(_)) => {
            to_dynamic(&compute(op, &a.into_scalar(), &b.into_scalar(), ScalarType::Long))
        }
        _ => match real(&a).zip(real(&b)) {
            Some((a, b)) => to_dynamic(&compute(op, &Value::from(a), &Value::from(b), ScalarType::Real)),
            None => Dynamic::Null,
        },
    };
    Value::Dynamic(Dynamic::array(pairs.into_iter().map(one).collect()))
}

fn pairs(args: &Args<'_>, compute: fn(f64, f64) -> f64) -> Value {
    let Some(pairs) = operands(args) else { return Value::Dynamic(Dynamic::Null) };
    reals(pairs.into_iter().map(|(a, b)| real(&a).zip(real(&b)).map(|(a, b)| compute(a, b))))
}

fn truths(args: &Args<'_>, test: fn(f64, f64) -> bool) -> Value {
    let Some(pairs) = operands(args) else { return Value::Dynamic(Dynamic::Null) };
    let one = |(a, b): (Dynamic, Dynamic)| match real(&a).zip(real(&b)) {
        Some((a, b)) => Dynamic::Bool(test(a, b)),
        None => Dynamic::Null,
    };
    Value::Dynamic(Dynamic::array(pairs.into_iter().map(one).collect()))
}

fn each(args: &Args<'_>, compute: fn(f64) -> f64) -> Value {
    match args.reals(0) {
        Some(series) => reals(series.into_iter().map(|value| value.map(compute))),
        None => Value::Dynamic(Dynamic::Null),
    }
}

fn norm(series: &[Option<f64>]) -> f64 {
    series.iter().flatten().map(|value| value * value).sum::<f64>().sqrt()
}

fn dot(args: &Args<'_>) -> Option<f64> {
    let products = operands(args)?.into_iter().map(|(a, b)| real(&a).zip(real(&b)).map(|(a, b)| a * b));
    products.sum()
}

fn pearson(args: &Args<'_>) -> Option<f64> {
    let (a, b) = (args.reals(0)?, args.reals(1)?);
    if a.len() != b.len() {
        return None;
    }
    let points: Vec<(f64, f64)> = a.into_iter().zip(b).map(|(a, b)| a.zip(b)).collect::<Option<_>>()?;
    #[expect(clippy::cast_precision_loss, reason = "lengths of arrays")]
    let count = points.len() as f64;
    let (mean_a, mean_b) = points.iter().fold((0.0, 0.0), |(x, y), (a, b)| (x + a / count, y + b / count));
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in &points {
        both += (a - mean_a) * (b - mean_b);
        of_a += (a - mean_a).powi(2);
        of_b += (b - mean_b).powi(2);
    }
    Some(both / (of_a * of_b).sqrt())
}
