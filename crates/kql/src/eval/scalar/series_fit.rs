//! Series: fitted lines.

use std::sync::Arc;

use super::{Args, Kernel};
use crate::value::{Bag, Dynamic, Value};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "series_fit_line" => |_, args| tuple(line(args)),
        "series_fit_line_dynamic" => |_, args| bag(line(args)),
        "series_fit_2lines" => |_, args| tuple(two_lines(args)),
        "series_fit_2lines_dynamic" => |_, args| bag(two_lines(args)),
        _ => return None,
    })
}

type Entries = Vec<(&'static str, Dynamic)>;

fn tuple(entries: Option<Entries>) -> Value {
    Value::Dynamic(entries.map_or(Dynamic::Null, |entries| {
        Dynamic::array(entries.into_iter().map(|(_, value)| value).collect())
    }))
}

fn bag(entries: Option<Entries>) -> Value {
    Value::Dynamic(entries.map_or(Dynamic::Null, |entries| {
        Dynamic::bag(entries.into_iter().map(|(name, value)| (Arc::from(name), value)).collect::<Bag>())
    }))
}

/// A line through points at 0, 1, 2, ... by least squares.
#[derive(Debug, Clone, Copy)]
struct Line {
    slope: f64,
    interception: f64,
    /// Sum of squared distances of the values from their mean.
    total: f64,
    /// Sum of squared distances of the values from the line.
    residual: f64,
    count: f64,
}

impl Line {
    fn fit(values: &[f64], first: f64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "lengths of arrays")]
        let count = values.len() as f64;
        let mean_x = first + (count - 1.0) / 2.0;
        let mean_y = values.iter().sum::<f64>() / count;
        let (mut products, mut squares, mut total) = (0.0, 0.0, 0.0);
        let mut x = first;
        for y in values {
            products += (x - mean_x) * (y - mean_y);
            squares += (x - mean_x).powi(2);
            total += (y - mean_y).powi(2);
            x += 1.0;
        }
        let slope = if squares > 0.0 { products / squares } else { 0.0 };
        let interception = mean_y - slope * mean_x;
        let mut residual = 0.0;
        let mut x = first;
        for y in values {
            residual += (y - (slope * x + interception)).powi(2);
            x += 1.0;
        }
        Self { slope, interception, total, residual, count }
    }

    fn rsquare(&self) -> f64 {
        if self.total > 0.0 { 1.0 - self.residual / self.total } else { 1.0 }
    }

    fn variance(&self) -> f64 {
        if self.count > 1.0 { self.total / (self.count - 1.0) } else { 0.0 }
    }

    fn residual_variance(&self) -> f64 {
        if self.count > 1.0 { self.residual / (self.count - 1.0) } else { 0.0 }
    }

    fn points(&self, first: f64, count: usize) -> Vec<Dynamic> {
        let mut x = first;
        let mut points = Vec::with_capacity(count);
        for _ in 0..count {
            points.push(Dynamic::Real(self.slope * x + self.interception));
            x += 1.0;
        }
        points
    }
}

/// Returns the numbers of a series; nothing if one is missing or there is just one.
fn numbers(args: &Args<'_>) -> Option<Vec<f64>> {
    let values: Vec<f64> = args.reals(0)?.into_iter().collect::<Option<_>>()?;
    (values.len() > 1).then_some(values)
}

fn line(args: &Args<'_>) -> Option<Entries> {
    let values = numbers(args)?;
    let line = Line::fit(&values, 0.0);
    Some(vec![
        ("rsquare", Dynamic::Real(line.rsquare())),
        ("slope", Dynamic::Real(line.slope)),
        ("variance", Dynamic::Real(line.variance())),
        ("rvariance", Dynamic::Real(line.residual_variance())),
        ("interception", Dynamic::Real(line.interception)),
        ("line_fit", Dynamic::array(line.points(0.0, values.len()))),
    ])
}

/// Parts the series where two lines fit best.
fn two_lines(args: &Args<'_>) -> Option<Entries> {
    let values = numbers(args)?;
    let whole = Line::fit(&values, 0.0);
    let mut best: Option<(usize, Line, Line)> = None;
    for split in 1..values.len() {
        let (left, right) = values.split_at_checked(split)?;
        #[expect(clippy::cast_precision_loss, reason = "places in arrays")]
        let lines = (Line::fit(left, 0.0), Line::fit(right, split as f64));
        let residual = lines.0.residual + lines.1.residual;
        if best.as_ref().is_none_or(|(_, a, b)| residual < a.residual + b.residual) {
            best = Some((split, lines.0, lines.1));
        }
    }
    let (split, left, right) = best?;
    let residual = left.residual + right.residual;
    let rsquare = if whole.total > 0.0 { 1.0 - residual / whole.total } else { 1.0 };
    #[expect(clippy::cast_precision_loss, reason = "places in arrays")]
    let first = split as f64;
    let mut fit = left.points(0.0, split);
    fit.extend(right.points(first, values.len() - split));
    let mut entries = vec![
        ("rsquare", Dynamic::Real(rsquare)),
        ("split_idx", Dynamic::Long(i64::try_from(split).ok()?)),
        ("variance", Dynamic::Real(whole.variance())),
        ("rvariance", Dynamic::Real(residual / (whole.count - 1.0))),
        ("line_fit", Dynamic::array(fit)),
    ];
    entries.extend([
        ("right_rsquare", Dynamic::Real(right.rsquare())),
        ("right_slope", Dynamic::Real(right.slope)),
        ("right_interception", Dynamic::Real(right.interception + right.slope * first)),
        ("right_variance", Dynamic::Real(right.variance())),
        ("right_rvariance", Dynamic::Real(right.residual_variance())),
        ("left_rsquare", Dynamic::Real(left.rsquare())),
        ("left_slope", Dynamic::Real(left.slope)),
        ("left_interception", Dynamic::Real(left.interception)),
        ("left_variance", Dynamic::Real(left.variance())),
        ("left_rvariance", Dynamic::Real(left.residual_variance())),
    ]);
    Some(entries)
}
