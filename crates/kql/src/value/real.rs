//! Reading and printing reals.

use super::real_digits::digits;

/// Prints a real as `tostring` does: `1500.0`, `0.1`, `1e-7`, `NaN`, `inf`.
pub fn format_real(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if number.is_infinite() {
        return format!("{sign}inf");
    }
    if number == 0.0 {
        return format!("{sign}0.0");
    }
    let (digits, exponent) = digits(number.abs());
    let text = String::from_utf8_lossy(&digits);
    format!("{sign}{}", layout(&text, exponent))
}

fn layout(digits: &str, exponent: i32) -> String {
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The decimal point stands after this many digits.
    let point = length + exponent;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    if exponent >= 0 && point <= 21 {
        return format!("{digits}{}.0", zeros(exponent));
    }
    if point > 0 && point <= 21 {
        let split = usize::try_from(point).unwrap_or(0);
        let (whole, fraction) = digits.split_at_checked(split).unwrap_or((digits, "0"));
        return format!("{whole}.{fraction}");
    }
    if point > -6 && point <= 0 {
        return format!("0.{}{digits}", zeros(-point));
    }
    match digits.split_at_checked(1) {
        Some((first, "")) => format!("{first}e{}", point - 1),
        Some((first, rest)) => format!("{first}.{rest}e{}", point - 1),
        None => "0.0".to_owned(),
    }
}

/// Reads a real; spaces around it do not matter, and `NaN` and `inf` are reals.
pub fn parse_real(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_are_printed_like_the_service_does() {
        for (number, printed) in [
            (1500.0, "1500.0"),
            (-0.0, "-0.0"),
            (0.1 + 0.2, "0.30000000000000007"),
            (1.0 / 3.0, "0.3333333333333333"),
            (2.34567, "2.34567"),
            (1e-7, "1e-7"),
            (0.0001, "0.0001"),
            (1.5e10, "15000000000.0"),
            (1e22, "1e22"),
            (1.25e-9, "1.25e-9"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "NaN"),
            (f64::MAX, "1.7976931348623157e308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(format_real(number), printed);
        }
    }

    #[test]
    fn printed_reals_read_back() {
        let mut number = 1.234_567_891_234_567e-300_f64;
        while number < 1e300 {
            assert_eq!(parse_real(&format_real(number)), Some(number));
            number *= -7.123_456_789;
            number = number.abs();
        }
    }
}
