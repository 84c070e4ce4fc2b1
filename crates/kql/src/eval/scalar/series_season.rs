//! Series: what comes again in each period, what grows, and what is left.

use super::series::reals;
use super::series_transform::scores;
use super::{Args, Call, Kernel};
use crate::value::{Dynamic, Value};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "series_decompose" => |call, args| result(call, decompose(args, &Options::at(args, 1, 2, 3))),
        "series_decompose_forecast" => {
            |call, args| result(call, decompose(args, &Options::at(args, 2, 3, 1)))
        }
        "series_decompose_anomalies" => anomalies,
        "series_seasonal" => seasonal,
        _ => return None,
    })
}

/// The shortest period that is looked for.
const PERIOD_MIN: usize = 4;
/// How alike values a period apart have to be for the period to be beyond doubt.
const ALIKE: f64 = 0.75;
/// How alike they may be at most where there is no period beyond doubt.
const UNLIKE: f64 = 0.3;

/// Why there is no result.
enum Failure {
    /// The arguments do not fit; the result is null.
    Null,
    /// The service finds a period in a way that is not documented, and it is not obvious.
    Doubtful,
    /// Values are missing.
    Gaps,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trend {
    None,
    Average,
    Line,
}

/// What a call asks for.
struct Options {
    /// Length of the period; nothing if it is to be found.
    period: Option<i64>,
    trend: Option<Trend>,
    /// How many values at the end nothing is learned from.
    test_points: usize,
}

impl Options {
    /// Reads options at these places of the arguments.
    fn at(args: &Args<'_>, period: usize, trend: usize, test_points: usize) -> Self {
        let trend = if args.has(trend) { args.text(trend) } else { "avg".into() };
        Self {
            period: Some(args.long_or(period, -1)).filter(|period| *period >= 0),
            trend: match trend.as_ref() {
                "none" => Some(Trend::None),
                "avg" => Some(Trend::Average),
                "linefit" => Some(Trend::Line),
                _ => None,
            },
            test_points: usize::try_from(args.long_or(test_points, 0)).unwrap_or(0),
        }
    }
}

struct Parts {
    values: Vec<f64>,
    seasonal: Vec<f64>,
    trend: Vec<f64>,
}

impl Parts {
    fn baseline(&self) -> impl Iterator<Item = f64> {
        self.seasonal.iter().zip(&self.trend).map(|(seasonal, trend)| seasonal + trend)
    }

    fn residual(&self) -> Vec<Option<f64>> {
        self.values.iter().zip(self.baseline()).map(|(value, baseline)| Some(value - baseline)).collect()
    }
}

fn series(values: impl IntoIterator<Item = f64>) -> Dynamic {
    match reals(values.into_iter().map(Some)) {
        Value::Dynamic(series) => series,
        _ => Dynamic::Null,
    }
}

fn failed(call: &Call<'_>, failure: &Failure) -> Value {
    let null = Value::Dynamic(Dynamic::Null);
    match failure {
        Failure::Null => null,
        Failure::Doubtful => call.unsupported("finding a period that is not obvious", null),
        Failure::Gaps => call.unsupported("decomposing a series with gaps", null),
    }
}

fn result(call: &Call<'_>, parts: Result<Parts, Failure>) -> Value {
    match parts {
        Ok(parts) => Value::Dynamic(Dynamic::array(vec![
            series(parts.baseline()),
            series(parts.seasonal.iter().copied()),
            series(parts.trend.iter().copied()),
            series(parts.residual().into_iter().flatten()),
        ])),
        Err(failure) => failed(call, &failure),
    }
}

fn anomalies(call: &Call<'_>, args: &Args<'_>) -> Value {
    if args.has(5) && args.text(5).as_ref() != "ctukey" {
        return call
            .unsupported("series_decompose_anomalies with another test", Value::Dynamic(Dynamic::Null));
    }
    let parts = match decompose(args, &Options::at(args, 2, 3, 4)) {
        Ok(parts) => parts,
        Err(failure) => return failed(call, &failure),
    };
    let threshold = args.real(1).unwrap_or(1.5);
    let Some(scores) = scores(&parts.residual()) else {
        return call.unsupported("outliers of values that are mostly equal", Value::Dynamic(Dynamic::Null));
    };
    let flag = |score: &f64| match score {
        score if *score > threshold => Dynamic::Long(1),
        score if *score < -threshold => Dynamic::Long(-1),
        _ => Dynamic::Long(0),
    };
    let flags = Dynamic::array(scores.iter().map(flag).collect());
    Value::Dynamic(Dynamic::array(vec![flags, series(scores), series(parts.baseline())]))
}

fn seasonal(call: &Call<'_>, args: &Args<'_>) -> Value {
    let options = Options { trend: Some(Trend::None), ..Options::at(args, 1, usize::MAX, 2) };
    let found = numbers(args).and_then(|values| {
        let learned = values.len().saturating_sub(options.test_points);
        let period = period(values.get(..learned).unwrap_or_default(), options.period)?;
        Ok(medians(&values, learned, period))
    });
    match found {
        Ok(values) => Value::Dynamic(series(values)),
        Err(failure) => failed(call, &failure),
    }
}

fn numbers(args: &Args<'_>) -> Result<Vec<f64>, Failure> {
    let values = args.reals(0).filter(|values| !values.is_empty()).ok_or(Failure::Null)?;
    values.into_iter().collect::<Option<Vec<f64>>>().ok_or(Failure::Gaps)
}

/// The season is what is common to the same places of all periods, the trend what is left of the
/// values without it.
fn decompose(args: &Args<'_>, options: &Options) -> Result<Parts, Failure> {
    let values = numbers(args)?;
    let trend = options.trend.ok_or(Failure::Null)?;
    let learned = values.len().saturating_sub(options.test_points);
    let known = values.get(..learned).filter(|known| !known.is_empty()).ok_or(Failure::Null)?;
    let period = period(known, options.period)?;
    let mut seasonal = medians(&values, learned, period);
    if period > 0 {
        let center = mean(seasonal.get(..period).unwrap_or_default());
        for value in &mut seasonal {
            *value -= center;
        }
    }
    let rest: Vec<f64> = known.iter().zip(&seasonal).map(|(value, seasonal)| value - seasonal).collect();
    let trend = match trend {
        Trend::None => vec![0.0; values.len()],
        Trend::Average => vec![mean(&rest); values.len()],
        Trend::Line => line(&rest, values.len()),
    };
    Ok(Parts { values, seasonal, trend })
}

#[expect(clippy::cast_precision_loss, reason = "lengths of arrays")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The line of least squares through values, over as many places as wanted.
#[expect(clippy::cast_precision_loss, reason = "lengths of arrays")]
fn line(values: &[f64], count: usize) -> Vec<f64> {
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let height = mean(values);
    let (mut products, mut squares) = (0.0, 0.0);
    for (place, value) in values.iter().enumerate() {
        products += (place as f64 - middle) * (value - height);
        squares += (place as f64 - middle).powi(2);
    }
    let slope = if squares > 0.0 { products / squares } else { 0.0 };
    (0..count).map(|place| height + slope * (place as f64 - middle)).collect()
}

/// The median of the values that are whole periods apart, for each place; zeros without a period.
fn medians(values: &[f64], learned: usize, period: usize) -> Vec<f64> {
    if period == 0 {
        return vec![0.0; values.len()];
    }
    let median = |phase: usize| {
        let mut same: Vec<f64> = values.iter().take(learned).skip(phase).step_by(period).copied().collect();
        same.sort_by(f64::total_cmp);
        let at = |index: usize| same.get(index).copied().unwrap_or(0.0);
        let half = same.len() / 2;
        if same.len().is_multiple_of(2) {
            f64::midpoint(at(half.saturating_sub(1)), at(half))
        } else {
            at(half)
        }
    };
    let season: Vec<f64> = (0..period).map(median).collect();
    (0..values.len()).filter_map(|place| season.get(place % period)).copied().collect()
}

/// Returns the period, zero if there is none.
fn period(values: &[f64], wanted: Option<i64>) -> Result<usize, Failure> {
    if let Some(wanted) = wanted {
        let period = usize::try_from(wanted).unwrap_or(0);
        return if period <= values.len() { Ok(period) } else { Err(Failure::Null) };
    }
    let longest = values.len().saturating_sub(1) / 2;
    let alike: Vec<f64> = (0..=longest + 1).map(|lag| correlation(values, lag)).collect();
    let at = |lag: usize| alike.get(lag).copied().unwrap_or(-1.0);
    let peaks: Vec<usize> =
        (PERIOD_MIN..=longest).filter(|lag| at(*lag) >= at(lag - 1) && at(*lag) >= at(lag + 1)).collect();
    let strongest = peaks.iter().map(|lag| at(*lag)).fold(-1.0, f64::max);
    if strongest < UNLIKE {
        return Ok(0);
    }
    let Some(period) = peaks.iter().find(|lag| at(**lag) >= strongest - 0.05) else { return Ok(0) };
    let has_rival = peaks.iter().any(|lag| !lag.is_multiple_of(*period) && at(*lag) > at(*period) - 0.1);
    if at(*period) < ALIKE || has_rival { Err(Failure::Doubtful) } else { Ok(*period) }
}

/// How alike values so far apart are, from -1 to 1.
fn correlation(values: &[f64], lag: usize) -> f64 {
    let (early, late) = (values.get(..values.len().saturating_sub(lag)), values.get(lag..));
    let (Some(early), Some(late)) = (early, late) else { return 0.0 };
    let (a, b) = (mean(early), mean(late));
    let (mut products, mut first, mut second) = (0.0, 0.0, 0.0);
    for (x, y) in early.iter().zip(late) {
        products += (x - a) * (y - b);
        first += (x - a).powi(2);
        second += (y - b).powi(2);
    }
    let scale = (first * second).sqrt();
    if scale > 0.0 { products / scale } else { 0.0 }
}
