//! Decimal numbers.

use std::cmp::Ordering;
use std::fmt;

/// A `decimal`: up to 34 significant digits and a power of ten.
///
/// Kept without trailing zeros, so that equal numbers are equal bit for bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    coefficient: i128,
    /// The value is `coefficient / 10^scale`.
    scale: i16,
}

/// The largest coefficient: 34 nines.
const LIMIT: u128 = 10_u128.pow(34) - 1;
/// Beyond this power of ten a number is not a decimal any more.
const SCALE_MAX: i16 = 6000;

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { coefficient: 0, scale: 0 };

    /// Creates a whole number.
    pub const fn from_long(number: i64) -> Self {
        // Lossless: i64 fits into i128.
        Self { coefficient: number as i128, scale: 0 }.trimmed()
    }

    /// Converts the digits a real prints as.
    pub fn from_real(number: f64) -> Option<Self> {
        number.is_finite().then(|| Self::parse(&format!("{number:e}"))).flatten()
    }

    /// Reads digits with a decimal point and an exponent.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().ok()?),
            None => (text, 0),
        };
        let (sign, digits) = match mantissa.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let mut magnitude = 0_u128;
        let mut scale = 0_i16;
        let mut any = false;
        let mut after_point = false;
        for byte in digits.bytes() {
            match byte {
                b'.' if !after_point => after_point = true,
                b'0'..=b'9' => {
                    any = true;
                    let fits = magnitude <= LIMIT / 10;
                    if fits {
                        magnitude = magnitude * 10 + u128::from(byte - b'0');
                    }
                    scale = scale.checked_add(i16::from(after_point) - i16::from(!fits))?;
                }
                _ => return None,
            }
        }
        if !any {
            return None;
        }
        Self::build(sign, magnitude, scale.checked_sub(exponent)?)
    }

    /// `sign` is 1 or -1.
    fn build(sign: i128, magnitude: u128, scale: i16) -> Option<Self> {
        let mut magnitude = magnitude;
        let mut scale = scale;
        let mut dropped = 0;
        while magnitude > LIMIT {
            dropped = magnitude % 10;
            magnitude /= 10;
            scale = scale.checked_sub(1)?;
        }
        // One more than the limit is a power of ten, which loses its zeros below.
        magnitude += u128::from(dropped >= 5);
        if !(-SCALE_MAX..=SCALE_MAX).contains(&scale) {
            return None;
        }
        let coefficient = i128::try_from(magnitude).ok()?;
        Some(Self { coefficient: sign * coefficient, scale }.trimmed())
    }

    const fn trimmed(self) -> Self {
        let Self { mut coefficient, mut scale } = self;
        if coefficient == 0 {
            return Self::ZERO;
        }
        while coefficient % 10 == 0 {
            coefficient /= 10;
            scale -= 1;
        }
        Self { coefficient, scale }
    }

    /// Returns the sum.
    pub fn plus(self, other: Self) -> Option<Self> {
        let (a, b, scale) = align(self, other);
        let sum = a.checked_add(b)?;
        Self::build(sum.signum(), sum.unsigned_abs(), scale)
    }

    /// Returns the negative.
    #[must_use]
    pub const fn negate(self) -> Self {
        Self { coefficient: -self.coefficient, scale: self.scale }
    }

    /// Returns the difference.
    pub fn subtract(self, other: Self) -> Option<Self> {
        self.plus(other.negate())
    }

    /// Returns the product.
    pub fn multiply(self, other: Self) -> Option<Self> {
        let sign = self.coefficient.signum() * other.coefficient.signum();
        let scale = self.scale.checked_add(other.scale)?;
        let (a, b) = (self.coefficient.unsigned_abs(), other.coefficient.unsigned_abs());
        if let Some(product) = a.checked_mul(b) {
            return Self::build(sign, product, scale);
        }
        let (magnitude, dropped) = wide_product(a, b);
        Self::build(sign, magnitude, scale.checked_sub(dropped)?)
    }

    /// Returns the quotient; nothing if the divisor is zero.
    pub fn divide(self, other: Self) -> Option<Self> {
        let divisor = other.coefficient.unsigned_abs();
        let dividend = self.coefficient.unsigned_abs();
        let mut quotient = dividend.checked_div(divisor)?;
        let mut rest = dividend.checked_rem(divisor)?;
        let mut scale = self.scale.checked_sub(other.scale)?;
        while rest != 0 && quotient <= LIMIT / 10 {
            rest *= 10;
            quotient = quotient * 10 + rest / divisor;
            rest %= divisor;
            scale = scale.checked_add(1)?;
        }
        if rest >= divisor.div_ceil(2) {
            quotient += 1;
        }
        Self::build(self.coefficient.signum() * other.coefficient.signum(), quotient, scale)
    }

    /// Returns what is left of a division, with the sign of the divisor's absolute value.
    pub fn modulo(self, other: Self) -> Option<Self> {
        if other.coefficient == 0 {
            return None;
        }
        let (a, b, scale) = align(self, other);
        let rest = a.checked_rem_euclid(b)?;
        Self::build(1, rest.unsigned_abs(), scale)
    }

    /// Returns the greatest whole number that is not greater.
    #[must_use]
    pub fn floor(self) -> Self {
        if self.scale <= 0 {
            return self;
        }
        let unit = power_of_ten(self.scale.unsigned_abs()).and_then(|unit| i128::try_from(unit).ok());
        let whole = match unit {
            Some(unit) => self.coefficient.div_euclid(unit),
            None => i128::from(-i8::from(self.coefficient < 0)),
        };
        Self { coefficient: whole, scale: 0 }.trimmed()
    }

    /// Returns the nearest real.
    pub fn to_real(self) -> f64 {
        format!("{}e{}", self.coefficient, -self.scale).parse().unwrap_or(f64::NAN)
    }

    /// Returns the whole part, if it is a `long`.
    pub fn to_long(self) -> Option<i64> {
        let whole = if self.scale <= 0 {
            let factor = i128::try_from(power_of_ten(self.scale.unsigned_abs())?).ok()?;
            self.coefficient.checked_mul(factor)?
        } else {
            match power_of_ten(self.scale.unsigned_abs()) {
                Some(unit) => self.coefficient / i128::try_from(unit).ok()?,
                None => 0,
            }
        };
        i64::try_from(whole).ok()
    }

    /// Whether the number is zero.
    pub const fn is_zero(self) -> bool {
        self.coefficient == 0
    }
}

const fn power_of_ten(exponent: u16) -> Option<u128> {
    10_u128.checked_pow(exponent as u32)
}

/// Returns two coefficients with the same scale; digits that would not fit are dropped.
fn align(a: Decimal, b: Decimal) -> (i128, i128, i16) {
    if a.scale < b.scale {
        let (b, a, scale) = align(b, a);
        return (a, b, scale);
    }
    // `a` has more digits after the point: `b` grows as far as it can, then `a` shrinks.
    let mut grown = b.coefficient;
    let mut scale = b.scale;
    while scale < a.scale && grown.unsigned_abs() <= LIMIT {
        grown *= 10;
        scale += 1;
    }
    let lost = power_of_ten((a.scale - scale).unsigned_abs());
    let shrunk = match lost.and_then(|lost| i128::try_from(lost).ok()) {
        Some(lost) => a.coefficient / lost,
        None => 0,
    };
    (shrunk, grown, scale)
}

/// Returns the leading digits of a product that does not fit, and how many digits were dropped.
fn wide_product(a: u128, b: u128) -> (u128, i16) {
    let mut limbs = [0_u64; 8];
    let parts = |number: u128| {
        [0, 32, 64, 96].map(|shift| u64::try_from((number >> shift) & 0xffff_ffff).unwrap_or(0))
    };
    for (i, x) in parts(a).into_iter().enumerate() {
        let mut carry = 0;
        for (j, y) in parts(b).into_iter().chain([0]).enumerate() {
            let Some(limb) = limbs.get_mut(i + j) else { continue };
            let sum = *limb + x * y + carry;
            *limb = sum & 0xffff_ffff;
            carry = sum >> 32;
        }
    }
    let mut dropped = 0;
    loop {
        let [a, b, c, d, high @ ..] = limbs;
        if high == [0; 4] && u32::try_from(d).is_ok() {
            let low = [a, b, c, d].into_iter().rev().fold(0_u128, |sum, limb| (sum << 32) | u128::from(limb));
            if low <= u128::MAX / 16 {
                return (low, dropped);
            }
        }
        let mut rest = 0;
        for limb in limbs.iter_mut().rev() {
            let current = (rest << 32) | *limb;
            *limb = current / 10;
            rest = current % 10;
        }
        dropped += 1;
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.subtract(*other) {
            Some(difference) => difference.coefficient.cmp(&0),
            None => self.coefficient.signum().cmp(&other.coefficient.signum()),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.coefficient.unsigned_abs().to_string();
        let sign = if self.coefficient < 0 { "-" } else { "" };
        let scale = usize::from(self.scale.unsigned_abs());
        if self.scale <= 0 {
            if scale > 40 {
                return write!(formatter, "{sign}{digits}E+{scale}");
            }
            return write!(formatter, "{sign}{digits}{}", "0".repeat(scale));
        }
        if scale > 60 {
            return write!(formatter, "{sign}{digits}E-{scale}");
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at_checked(padded.len() - scale).unwrap_or((&padded, ""));
        write!(formatter, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn decimals_are_read_and_printed() {
        for (text, printed) in [
            ("3.14159265358979323846", "3.14159265358979323846"),
            ("1.50", "1.5"),
            ("-0.001", "-0.001"),
            ("1e3", "1000"),
            ("1.5e-3", "0.0015"),
            ("100", "100"),
            ("0", "0"),
        ] {
            assert_eq!(read(text).to_string(), printed);
        }
        for text in ["", "-", ".", "1.2.3", "abc", "1e99999"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn arithmetic_is_exact_up_to_34_digits() {
        assert_eq!(read("0.1").plus(read("0.2")), Some(read("0.3")));
        assert_eq!(read("1").divide(read("3")).unwrap().to_string(), "0.3333333333333333333333333333333333");
        assert_eq!(
            read("1234567890123456789012345").multiply(read("1000000000000000000001")).unwrap().to_string(),
            "1234567890123456789013579567890123000000000000"
        );
        assert_eq!(read("-5.5").modulo(read("3")), Some(read("0.5")));
        assert_eq!(read("1").divide(Decimal::ZERO), None);
        assert_eq!(read("-2.5").floor(), read("-3"));
        assert_eq!(read("1e-30").plus(read("1e30")), Some(read("1e30")));
    }

    #[test]
    fn order_is_by_value() {
        assert!(read("1.1") < read("1.2"));
        assert!(read("-10") < read("0.5"));
        assert!(read("1e20") > read("1e-20"));
        assert_eq!(read("99.99").to_long(), Some(99));
        assert_eq!(read("1e30").to_long(), None);
    }
}
