//! Special functions of mathematics.

use std::f64::consts::PI;

use super::{Args, Kernel};
use crate::value::Value;

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "gamma" => |_, args| Value::Real(args.real(0).map(gamma)),
        "loggamma" => |_, args| Value::Real(args.real(0).map(log_gamma)),
        "erf" => |_, args| Value::Real(args.real(0).map(|x| 1.0 - erfc(x))),
        "erfc" => |_, args| Value::Real(args.real(0).map(erfc)),
        "beta_pdf" => |_, args| Value::Real(beta(args, beta_pdf)),
        "beta_cdf" => |_, args| Value::Real(beta(args, beta_cdf)),
        "beta_inv" => |_, args| Value::Real(beta_inv(args)),
        "welch_test" => |_, args| Value::Real(welch_test(args)),
        _ => return None,
    })
}

/// Lanczos' approximation with nine terms.
const LANCZOS: [f64; 9] = [
    0.999_999_999_999_809_9,
    676.520_368_121_885_1,
    -1_259.139_216_722_402_8,
    771.323_428_777_653_1,
    -176.615_029_162_140_6,
    12.507_343_278_686_905,
    -0.138_571_095_265_720_12,
    9.984_369_578_019_572e-6,
    1.505_632_735_149_311_6e-7,
];

fn lanczos(x: f64) -> f64 {
    let mut place = 0.0;
    let mut sum = 0.0;
    for term in LANCZOS {
        sum += if place == 0.0 { term } else { term / (x + place) };
        place += 1.0;
    }
    sum
}

fn gamma(x: f64) -> f64 {
    if x <= 0.0 && x.fract() == 0.0 {
        return f64::NAN;
    }
    // Exact for whole numbers whose factorial is a real.
    if x.fract() == 0.0 && x <= 23.0 {
        let mut product = 1.0;
        let mut factor = 2.0;
        while factor < x {
            product *= factor;
            factor += 1.0;
        }
        return product;
    }
    if x < 0.5 {
        return PI / ((PI * x).sin() * gamma(1.0 - x));
    }
    let x = x - 1.0;
    let base = x + 7.5;
    (2.0 * PI).sqrt() * base.powf(x + 0.5) * (-base).exp() * lanczos(x)
}

fn log_gamma(x: f64) -> f64 {
    if x.fract() == 0.0 && x > 0.0 && x <= 23.0 {
        return gamma(x).ln();
    }
    if x < 0.5 {
        return (PI / (PI * x).sin().abs()).ln() - log_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let base = x + 7.5;
    0.5 * (2.0 * PI).ln() + (x + 0.5) * base.ln() - base + lanczos(x).ln()
}

/// By its power series near zero and by its continued fraction elsewhere.
fn erfc(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    if x < 2.5 {
        let mut term = x;
        let mut sum = x;
        let mut n = 0.0;
        while term.abs() > sum.abs() * 1e-17 && n < 200.0 {
            n += 1.0;
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
            if x == 0.0 {
                break;
            }
        }
        return 1.0 - 2.0 / PI.sqrt() * sum;
    }
    let mut fraction = 0.0;
    for k in (1..=120).rev() {
        fraction = f64::from(k) / 2.0 / (x + fraction);
    }
    (-x * x).exp() / PI.sqrt() / (x + fraction)
}

fn beta(args: &Args<'_>, compute: fn(f64, f64, f64) -> f64) -> Option<f64> {
    let (x, a, b) = (args.real(0)?, args.real(1)?, args.real(2)?);
    if !(0.0..=1.0).contains(&x) || a <= 0.0 || b <= 0.0 {
        return Some(f64::NAN);
    }
    Some(compute(x, a, b))
}

fn log_beta(a: f64, b: f64) -> f64 {
    log_gamma(a) + log_gamma(b) - log_gamma(a + b)
}

fn beta_pdf(x: f64, a: f64, b: f64) -> f64 {
    ((a - 1.0) * x.ln() + (b - 1.0) * (1.0 - x).ln() - log_beta(a, b)).exp()
}

/// The regularised incomplete beta function, by Lentz's continued fraction.
#[expect(clippy::many_single_char_names, reason = "the names of the textbook")]
fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    if x == 0.0 || x >= 1.0 {
        return x;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_cdf(1.0 - x, b, a);
    }
    let front = (a * x.ln() + b * (1.0 - x).ln() - log_beta(a, b)).exp() / a;
    let (mut fraction, mut c, mut d) = (1.0, 1.0, 0.0);
    for step in 0..400 {
        let m = f64::from(step / 2);
        let numerator = if step == 0 {
            1.0
        } else if step % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        d = 1.0 / nonzero(1.0 + numerator * d);
        c = nonzero(1.0 + numerator / c);
        fraction *= c * d;
        if (1.0 - c * d).abs() < 1e-16 {
            break;
        }
    }
    front * (fraction - 1.0)
}

/// Seeks the value whose cumulative probability is the one given; the interval is halved until it
/// cannot be halved any more.
fn beta_inv(args: &Args<'_>) -> Option<f64> {
    let (p, a, b) = (args.real(0)?, args.real(1)?, args.real(2)?);
    if a <= 0.0 || b <= 0.0 {
        return Some(f64::NAN);
    }
    if p <= 0.0 || p > 1.0 {
        return None;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..1100 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if beta_cdf(middle, a, b) < p { low = middle } else { high = middle }
    }
    Some(high)
}

/// The probability that two samples with these means, variances and counts are of one population,
/// by the test of Welch.
fn welch_test(args: &Args<'_>) -> Option<f64> {
    let [m1, v1, n1, m2, v2, n2] = [0, 1, 2, 3, 4, 5].map(|index| args.real(index));
    let (s1, s2) = (v1? / n1?, v2? / n2?);
    let t = (m1? - m2?) / (s1 + s2).sqrt();
    let freedom = (s1 + s2).powi(2) / (s1 * s1 / (n1? - 1.0) + s2 * s2 / (n2? - 1.0));
    let x = freedom / (freedom + t * t);
    (freedom > 0.0 && x.is_finite()).then(|| beta_cdf(x, freedom / 2.0, 0.5))
}

fn nonzero(value: f64) -> f64 {
    if value.abs() < 1e-300 { 1e-300 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= b.abs() * 1e-13, "{a} is not {b}");
    }

    #[test]
    fn special_values_are_those_of_the_tables() {
        close(gamma(5.0), 24.0);
        close(gamma(0.5), PI.sqrt());
        close(log_gamma(5.0), 24.0_f64.ln());
        close(erfc(1.0), 0.157_299_207_050_285_13);
        close(erfc(3.0), 2.209_049_699_858_544e-5);
        close(erfc(-2.0), 1.995_322_265_018_952_7);
        close(beta_pdf(0.5, 10.0, 20.0), 0.746_176_019_310_951);
        close(beta_cdf(0.5, 2.0, 2.0), 0.5);
        close(beta_cdf(0.9, 2.0, 3.0), 0.9963);
    }
}
