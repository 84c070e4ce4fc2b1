//! Lengths of time as people write them.

use jiff::SignedDuration;

/// Longest length accepted anywhere: ten years. More is a typing error, and sums of instants stay in range.
const SECONDS_MAX: i64 = 10 * 366 * 86_400;

/// A text that is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing is written.
    #[error("the length of time is empty")]
    Empty,
    /// A number has no unit.
    #[error("the number has no unit")]
    NoUnit,
    /// The unit is none of those known.
    #[error("`{0}` is not a unit of time")]
    UnknownUnit(String),
    /// Years and months have no fixed length.
    #[error("years and months have no fixed length")]
    Calendar,
    /// Units come twice or from small to large.
    #[error("units come once each, largest first")]
    Order,
    /// The text has another form.
    #[error("this is not a length of time")]
    Form,
    /// Longer than ten years.
    #[error("the length of time is longer than ten years")]
    TooLong,
}

/// The units, largest first, with their seconds. A day is always 24 hours.
const UNITS: [(char, i64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a length of time: `90s`, `5m`, `1h30m`, `24h`, `7d`, `2w`, or ISO 8601 such as `P1DT2H`.
///
/// A day is 24 hours, a week seven days. Zero is accepted, negative lengths are not.
///
/// # Errors
///
/// [`DurationError`] says what is wrong with the text.
pub fn duration(text: &str) -> Result<SignedDuration, DurationError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    text.strip_prefix(['P', 'p']).map_or_else(|| sum(text, &UNITS), iso)
}

/// Writes a length of time in the short form, largest units first: `1d2h`; zero is `0s`.
#[must_use]
pub fn duration_text(length: SignedDuration) -> String {
    let mut left = length.as_secs().max(0);
    let mut text = String::new();
    // Weeks are not used: `14d` is what most people write.
    for (unit, seconds) in UNITS.into_iter().skip(1) {
        if left >= seconds {
            text.push_str(&(left / seconds).to_string());
            text.push(unit);
            left %= seconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Reads what follows the `P` of ISO 8601.
fn iso(text: &str) -> Result<SignedDuration, DurationError> {
    let lower = text.to_lowercase();
    let (date, time) = lower.split_once('t').map_or((lower.as_str(), None), |(d, t)| (d, Some(t)));
    if date.contains(['y', 'm']) {
        return Err(DurationError::Calendar);
    }
    if time == Some("") || (date.is_empty() && time.is_none()) {
        return Err(DurationError::Form);
    }
    let (days, clock) = UNITS.split_at(2);
    let date = if date.is_empty() { SignedDuration::ZERO } else { sum(date, days)? };
    let time = time.map_or(Ok(SignedDuration::ZERO), |time| sum(time, clock))?;
    limited(date.as_secs().checked_add(time.as_secs()))
}

/// Adds up numbers with units, which must come largest first.
fn sum(text: &str, units: &[(char, i64)]) -> Result<SignedDuration, DurationError> {
    let mut total: i64 = 0;
    let mut units = units;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        if number.is_empty() {
            return Err(DurationError::Form);
        }
        let mut letters = tail.chars();
        let Some(unit) = letters.next() else { return Err(DurationError::NoUnit) };
        let Some(at) = units.iter().position(|(known, _)| *known == unit.to_ascii_lowercase()) else {
            return Err(if UNITS.iter().any(|(known, _)| *known == unit.to_ascii_lowercase()) {
                DurationError::Order
            } else {
                let word: String = tail.chars().take_while(|c| !c.is_ascii_digit()).take(16).collect();
                DurationError::UnknownUnit(word)
            });
        };
        rest = letters.as_str();
        if let Some(extra) = rest.chars().next().filter(|next| next.is_alphabetic()) {
            let known = UNITS.iter().any(|(known, _)| *known == extra);
            let word: String = tail.chars().take_while(|c| !c.is_ascii_digit()).take(16).collect();
            return Err(if known { DurationError::Form } else { DurationError::UnknownUnit(word) });
        }
        let seconds = units.get(at).map_or(1, |(_, seconds)| *seconds);
        units = units.get(at + 1..).unwrap_or_default();
        let Ok(number) = number.parse::<i64>() else { return Err(DurationError::TooLong) };
        let Some(sum) = number.checked_mul(seconds).and_then(|part| total.checked_add(part)) else {
            return Err(DurationError::TooLong);
        };
        total = sum;
    }
    limited(Some(total))
}

/// Refuses what is longer than anything a playbook can mean.
fn limited(seconds: Option<i64>) -> Result<SignedDuration, DurationError> {
    match seconds {
        Some(seconds) if seconds <= SECONDS_MAX => Ok(SignedDuration::from_secs(seconds)),
        _ => Err(DurationError::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &Result<i64, DurationError>) {
        assert_eq!(&duration(text).map(|length| length.as_secs()), expect, "{text}");
    }

    #[test]
    fn the_usual_lengths_are_read() {
        check("90s", &Ok(90));
        check("5m", &Ok(300));
        check("1h30m", &Ok(5_400));
        check("24H", &Ok(86_400));
        check(" 7d ", &Ok(604_800));
        check("2w", &Ok(1_209_600));
        check("0s", &Ok(0));
        check("P1DT2H", &Ok(93_600));
        check("PT90S", &Ok(90));
        check("p2w", &Ok(1_209_600));
    }

    #[test]
    fn anything_else_says_what_is_wrong() {
        check("", &Err(DurationError::Empty));
        check("90", &Err(DurationError::NoUnit));
        check("1hour", &Err(DurationError::UnknownUnit("hour".to_owned())));
        check("5min", &Err(DurationError::UnknownUnit("min".to_owned())));
        check("5x", &Err(DurationError::UnknownUnit("x".to_owned())));
        check("1m1h", &Err(DurationError::Order));
        check("1h1h", &Err(DurationError::Order));
        check("-1h", &Err(DurationError::Form));
        check("1.5h", &Err(DurationError::UnknownUnit(".".to_owned())));
        check("P1M", &Err(DurationError::Calendar));
        check("P", &Err(DurationError::Form));
        check("PT", &Err(DurationError::Form));
        check("P1DT", &Err(DurationError::Form));
        check("99999999999999999999s", &Err(DurationError::TooLong));
        check("9223372036854775807w", &Err(DurationError::TooLong));
        check("3661d", &Err(DurationError::TooLong));
    }

    proptest! {
        #[test]
        fn the_short_form_reads_back(seconds in 0..=SECONDS_MAX) {
            let length = SignedDuration::from_secs(seconds);
            prop_assert_eq!(duration(&duration_text(length)), Ok(length));
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,12}|[P0-9wdhmsT]{0,12}") {
            let _length = duration(&text);
        }
    }
}
