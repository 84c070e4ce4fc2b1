//! Series: Fourier transforms, fitted polynomials, outliers.

use super::series::reals;
use super::{Args, Call, Kernel};
use crate::value::{Dynamic, Value};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "series_fft" => |call, args| transform(call, args, Way::There),
        "series_ifft" => |call, args| transform(call, args, Way::Back),
        "series_fit_poly" => |_, args| Value::Dynamic(polynomial(args).unwrap_or_default()),
        "series_outliers" => outliers,
        _ => return None,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

/// The longest series that is transformed if its length is not a power of two.
const UNEVEN_MAX: usize = 8192;

fn transform(call: &Call<'_>, args: &Args<'_>, way: Way) -> Value {
    let Some(real) = args.reals(0) else { return Value::Dynamic(Dynamic::Null) };
    let mut imaginary = if args.has(1) { args.reals(1).unwrap_or_default() } else { Vec::new() };
    imaginary.resize(real.len(), Some(0.0));
    let Some(points) = real
        .iter()
        .zip(&imaginary)
        .map(|(a, b)| Some((a.as_ref()?, b.as_ref()?)))
        .collect::<Option<Vec<_>>>()
    else {
        return Value::Dynamic(Dynamic::Null);
    };
    let points: Vec<Complex> = points.into_iter().map(|(a, b)| Complex(*a, *b)).collect();
    if points.len() > UNEVEN_MAX && !points.len().is_power_of_two() {
        return call.unsupported("the Fourier transform of so long a series", Value::Dynamic(Dynamic::Null));
    }
    let scale = if way == Way::Back { 1.0 / real_count(points.len()) } else { 1.0 };
    let points = fourier(points, way);
    let part = |of: fn(&Complex) -> f64| match reals(points.iter().map(|point| Some(of(point) * scale))) {
        Value::Dynamic(series) => series,
        _ => Dynamic::Null,
    };
    Value::Dynamic(Dynamic::array(vec![part(|point| point.0), part(|point| point.1)]))
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Complex(f64, f64);

impl Complex {
    fn times(self, other: Self) -> Self {
        Self(self.0 * other.0 - self.1 * other.1, self.0 * other.1 + self.1 * other.0)
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }

    fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0, self.1 - other.1)
    }

    /// The place on the unit circle after a part of a turn.
    fn turn(step: usize, of: usize, way: Way) -> Self {
        let step = step % of;
        let angle = std::f64::consts::TAU * real_count(step) / real_count(of);
        // Quarters of a turn have exact values, which the sine of a rounded angle does not.
        let (sine, cosine) = match (4 * step).checked_div(of).filter(|_| (4 * step).is_multiple_of(of)) {
            Some(0) => (0.0, 1.0),
            Some(1) => (1.0, 0.0),
            Some(2) => (0.0, -1.0),
            Some(3) => (-1.0, 0.0),
            _ => angle.sin_cos(),
        };
        Self(cosine, if way == Way::There { -sine } else { sine })
    }
}

#[expect(clippy::cast_precision_loss, reason = "lengths of arrays")]
fn real_count(count: usize) -> f64 {
    count as f64
}

/// Halves the series as long as its length is even; what is left is computed as defined.
fn fourier(points: Vec<Complex>, way: Way) -> Vec<Complex> {
    let count = points.len();
    if count < 2 {
        return points;
    }
    if !count.is_multiple_of(2) {
        let at = |place: usize| {
            let terms = points.iter().enumerate();
            terms.fold(Complex(0.0, 0.0), |sum, (step, point)| {
                sum.plus(point.times(Complex::turn(step * place, count, way)))
            })
        };
        return (0..count).map(at).collect();
    }
    let even = fourier(points.iter().step_by(2).copied().collect(), way);
    let odd = fourier(points.iter().skip(1).step_by(2).copied().collect(), way);
    let turned = odd.iter().enumerate().map(|(place, point)| point.times(Complex::turn(place, count, way)));
    let turned: Vec<Complex> = turned.collect();
    let first = even.iter().zip(&turned).map(|(a, b)| a.plus(*b));
    let second = even.iter().zip(&turned).map(|(a, b)| a.minus(*b));
    first.chain(second).collect()
}

/// Fits a polynomial by least squares.
fn polynomial(args: &Args<'_>) -> Option<Dynamic> {
    let y: Vec<f64> = args.reals(0)?.into_iter().collect::<Option<_>>()?;
    let x: Vec<f64> = if args.has(1) {
        args.reals(1)?.into_iter().collect::<Option<_>>()?
    } else {
        (1..=y.len()).map(real_count).collect()
    };
    let degree = usize::try_from(args.long_or(2, 1)).ok().filter(|degree| (1..=16).contains(degree))?;
    if x.len() != y.len() || y.len() <= degree {
        return None;
    }
    let coefficients = least_squares(&x, &y, degree + 1)?;
    let value = |x: &f64| coefficients.iter().fold(0.0, |value, coefficient| value * x + coefficient);
    let fitted: Vec<f64> = x.iter().map(value).collect();
    let mean = y.iter().sum::<f64>() / real_count(y.len());
    let total: f64 = y.iter().map(|y| (y - mean).powi(2)).sum();
    let residual: f64 = y.iter().zip(&fitted).map(|(y, fitted)| (y - fitted).powi(2)).sum();
    let freedom = real_count(y.len() - 1).max(1.0);
    let rsquare = if total > 0.0 { 1.0 - residual / total } else { 1.0 };
    let series = |values: Vec<f64>| Dynamic::array(values.into_iter().map(Dynamic::Real).collect());
    Some(Dynamic::array(vec![
        Dynamic::Real(rsquare),
        series(coefficients),
        Dynamic::Real(total / freedom),
        Dynamic::Real(residual / freedom),
        series(fitted),
    ]))
}

/// Solves for the coefficients, the highest power first. The powers are made orthogonal to each
/// other, which keeps more digits than the normal equations.
fn least_squares(x: &[f64], y: &[f64], count: usize) -> Option<Vec<f64>> {
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    let mut upper: Vec<Vec<f64>> = Vec::with_capacity(count);
    for power in (0..count).rev() {
        let power = i32::try_from(power).ok()?;
        let mut column: Vec<f64> = x.iter().map(|x| x.powi(power)).collect();
        let mut shares = vec![0.0; basis.len()];
        // Twice is enough to remove what rounding left the first time.
        for _ in 0..2 {
            for (share, known) in shares.iter_mut().zip(&basis) {
                let part = dot(known, &column);
                *share += part;
                column.iter_mut().zip(known).for_each(|(value, known)| *value -= part * known);
            }
        }
        let length = dot(&column, &column).sqrt();
        if length == 0.0 {
            return None;
        }
        for value in &mut column {
            *value /= length;
        }
        shares.push(length);
        basis.push(column);
        upper.push(shares);
    }
    let mut rest: Vec<f64> = basis.iter().map(|known| dot(known, y)).collect();
    let mut coefficients = vec![0.0; count];
    for place in (0..count).rev() {
        let column = upper.get(place)?;
        let coefficient = rest.get(place)? / column.get(place)?;
        rest.iter_mut().zip(column).for_each(|(value, share)| *value -= coefficient * share);
        *coefficients.get_mut(place)? = coefficient;
    }
    Some(coefficients)
}

/// Scores of the default test; how other percentiles scale it is not documented.
fn outliers(call: &Call<'_>, args: &Args<'_>) -> Value {
    let is_default = args.len() < 2 || (args.len() == 2 && args.text(1).as_ref() == "ctukey");
    if !is_default {
        return call.unsupported("series_outliers with another test", Value::Dynamic(Dynamic::Null));
    }
    match args.reals(0).map(|values| scores(&values)) {
        Some(Some(scores)) => reals(scores.into_iter().map(Some)),
        Some(None) => {
            call.unsupported("outliers of values that are mostly equal", Value::Dynamic(Dynamic::Null))
        }
        None => Value::Dynamic(Dynamic::Null),
    }
}

/// Says how far values lie outside of the middle four fifths, in units of what that range spans.
/// The factor is the one the service shows; it makes 1.5 a mild outlier. Nothing if the range spans
/// nothing and there are others.
pub(super) fn scores(values: &[Option<f64>]) -> Option<Vec<f64>> {
    const FACTOR: f64 = 2.772_605_605_507_915;
    let mut sorted: Vec<f64> = values.iter().flatten().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (percentile(&sorted, 0.1), percentile(&sorted, 0.9));
    if high <= low && (sorted.first() < Some(&low) || sorted.last() > Some(&high)) {
        return None;
    }
    let score = |value: &Option<f64>| match value {
        Some(value) if *value > high => FACTOR * (value - high) / (high - low),
        Some(value) if *value < low => FACTOR * (value - low) / (high - low),
        _ => 0.0,
    };
    Some(values.iter().map(score).collect())
}

/// The value at a part of the way through sorted values, between two of them where it falls there.
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let place = part * real_count(sorted.len().saturating_sub(1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the array")]
    let below = place.floor() as usize;
    let value = |index: usize| sorted.get(index).or(sorted.last()).copied().unwrap_or(0.0);
    value(below) + (value(below + 1) - value(below)) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_come_back() {
        let points: Vec<Complex> = (0..12).map(|step| Complex(real_count(step * step % 7), 1.0)).collect();
        let back = fourier(fourier(points.clone(), Way::There), Way::Back);
        for (before, after) in points.iter().zip(back) {
            assert!((before.0 - after.0 / 12.0).abs() < 1e-12 && (before.1 - after.1 / 12.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_polynomial_is_found_again() {
        let x: Vec<f64> = (0..20).map(|step| real_count(step) / 4.0).collect();
        let y: Vec<f64> = x.iter().map(|x| 2.0 * x * x * x - x + 5.0).collect();
        let found = least_squares(&x, &y, 4).unwrap();
        for (found, expected) in found.iter().zip([2.0, 0.0, -1.0, 5.0]) {
            assert!((found - expected).abs() < 1e-9);
        }
    }
}
