//! Variances, deviations and covariances.

use super::{Input, Kernel};
use crate::types::ScalarType;
use crate::value::{Cells, Value, to_real};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "variance" => |input| spread(input, Of::Sample, rounded),
        "varianceif" => |input| spread(&input.filtered(1), Of::Sample, rounded),
        "variancep" => |input| spread(input, Of::Population, rounded),
        "variancepif" => |input| spread(&input.filtered(1), Of::Population, rounded),
        "stdev" => |input| spread(input, Of::Sample, deviation),
        "stdevif" => |input| spread(&input.filtered(1), Of::Sample, deviation),
        "stdevp" => |input| spread(input, Of::Population, deviation),
        "covariance" => |input| covariance(input, Of::Sample),
        "covarianceif" => |input| covariance(&input.filtered(2), Of::Sample),
        "covariancep" => |input| covariance(input, Of::Population),
        "covariancepif" => |input| covariance(&input.filtered(2), Of::Population),
        _ => return None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Sample,
    Population,
}

/// Count, means and the sum of products of distances from the means.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean_x: f64,
    mean_y: f64,
    products: f64,
}

impl Moments {
    fn add(&mut self, x: f64, y: f64) {
        self.count += 1.0;
        let distance = x - self.mean_x;
        self.mean_x += distance / self.count;
        self.mean_y += (y - self.mean_y) / self.count;
        self.products += distance * (y - self.mean_y);
    }

    fn mean_product(self, of: Of) -> f64 {
        let count = if of == Of::Sample { self.count - 1.0 } else { self.count };
        if count > 0.0 { self.products / count } else { 0.0 }
    }
}

/// The service gives variances with ten decimals.
fn rounded(variance: f64) -> f64 {
    const DECIMALS: f64 = 1e10;
    let scaled = variance * DECIMALS;
    if scaled.abs() < 9e15 { scaled.round() / DECIMALS } else { variance }
}

/// The root of what the service gives as variance.
fn deviation(variance: f64) -> f64 {
    rounded(variance).sqrt()
}

fn spread(input: &Input, of: Of, finish: fn(f64) -> f64) -> Vec<Cells> {
    let Some(column) = input.args.first() else { return Vec::new() };
    let add = |moments: &mut Moments, row| {
        if let Some(number) = to_real(&column.get(row)) {
            moments.add(number, number);
        }
    };
    let value = |moments: Moments| Value::from(finish(moments.mean_product(of)));
    vec![input.fold(Moments::default(), add, ScalarType::Real, value)]
}

fn covariance(input: &Input, of: Of) -> Vec<Cells> {
    let [x, y, ..] = input.args.as_slice() else { return Vec::new() };
    let add = |moments: &mut Moments, row| {
        if let (Some(x), Some(y)) = (to_real(&x.get(row)), to_real(&y.get(row))) {
            moments.add(x, y);
        }
    };
    let value = |moments: Moments| Value::from(rounded(moments.mean_product(of)));
    vec![input.fold(Moments::default(), add, ScalarType::Real, value)]
}
