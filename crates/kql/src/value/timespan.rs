//! Spans of time.

use std::fmt;

/// A `timespan` in ticks of 100 ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timespan(pub i64);

impl Timespan {
    /// Ticks of a microsecond.
    pub const MICROSECOND: i64 = 10;
    /// Ticks of a millisecond.
    pub const MILLISECOND: i64 = 10_000;
    /// Ticks of a second.
    pub const SECOND: i64 = 10_000_000;
    /// Ticks of a minute.
    pub const MINUTE: i64 = 60 * Self::SECOND;
    /// Ticks of an hour.
    pub const HOUR: i64 = 60 * Self::MINUTE;
    /// Ticks of a day.
    pub const DAY: i64 = 24 * Self::HOUR;

    /// Returns the ticks of a unit as literals name it: `d`, `min`, `microsecond`, `tick`...
    pub fn unit(name: &str) -> Option<i64> {
        Some(match name {
            "d" | "day" | "days" => Self::DAY,
            "h" | "hr" | "hrs" | "hour" | "hours" => Self::HOUR,
            "m" | "min" | "minute" | "minutes" => Self::MINUTE,
            "s" | "sec" | "second" | "seconds" => Self::SECOND,
            "ms" | "milli" | "millis" | "millisec" | "millisecond" | "milliseconds" => Self::MILLISECOND,
            "us" | "micro" | "micros" | "microsec" | "microsecond" | "microseconds" => Self::MICROSECOND,
            "tick" | "ticks" => 1,
            _ => return None,
        })
    }

    /// Reads a number with a unit (`1.5h`, `90s`) or a clock (`1.02:03:04.5`).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, body) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let ticks = if body.contains(':') { parse_clock(body)? } else { parse_number(body)? };
        Some(Self(if negative { ticks.checked_neg()? } else { ticks }))
    }

    /// Returns a span of whole and broken units, or nothing if it is too long.
    pub fn from_units(count: f64, ticks_each: i64) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "units are small")]
        let ticks = count * ticks_each as f64;
        if !ticks.is_finite() || ticks.abs() >= 9.223_372_036_854_775e18 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked above")]
        Some(Self(ticks.round() as i64))
    }

    /// Returns whole days, and the rest as hours, minutes, seconds and ticks; all are of the
    /// absolute value.
    pub const fn parts(self) -> (u64, u64, u64, u64, u64) {
        const DAY: u64 = Timespan::DAY.unsigned_abs();
        const HOUR: u64 = Timespan::HOUR.unsigned_abs();
        const MINUTE: u64 = Timespan::MINUTE.unsigned_abs();
        const SECOND: u64 = Timespan::SECOND.unsigned_abs();
        let ticks = self.0.unsigned_abs();
        (ticks / DAY, ticks % DAY / HOUR, ticks % HOUR / MINUTE, ticks % MINUTE / SECOND, ticks % SECOND)
    }
}

fn parse_number(body: &str) -> Option<i64> {
    let split = body.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(body.len());
    let (number, unit) = body.split_at_checked(split)?;
    let number = number.trim();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    if unit.is_empty() {
        // A bare number is whole days.
        return number.parse::<i64>().ok()?.checked_mul(Timespan::DAY);
    }
    let unit = Timespan::unit(&unit.to_ascii_lowercase())?;
    match number.parse::<i64>() {
        Ok(whole) => whole.checked_mul(unit),
        Err(_) => Timespan::from_units(number.parse().ok()?, unit).map(|span| span.0),
    }
}

fn parse_clock(body: &str) -> Option<i64> {
    let (days, clock) = split_days(body);
    let mut fields = clock.split(':');
    let hours = digits(fields.next()?, 23)?;
    let minutes = digits(fields.next()?, 59)?;
    let (seconds, fraction) = match fields.next() {
        Some(field) => {
            let (whole, fraction) = field.split_once('.').unwrap_or((field, ""));
            (digits(whole, 59)?, fraction_ticks(fraction)?)
        }
        None => (0, 0),
    };
    if fields.next().is_some() {
        return None;
    }
    let days = if days.is_empty() { 0 } else { digits(days, 10_675_199)? };
    days.checked_mul(Timespan::DAY)?
        .checked_add(hours * Timespan::HOUR + minutes * Timespan::MINUTE)?
        .checked_add(seconds * Timespan::SECOND + fraction)
}

fn split_days(body: &str) -> (&str, &str) {
    match body.split_once('.') {
        Some((days, clock)) if !days.contains(':') => (days, clock),
        _ => ("", body),
    }
}

fn digits(text: &str, max: i64) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| *number <= max)
}

/// Reads the digits after the decimal point of a second as ticks; digits after the seventh are
/// dropped.
pub(super) fn fraction_ticks(digits: &str) -> Option<i64> {
    let mut ticks = 0;
    let mut places = 0;
    for byte in digits.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        if places < 7 {
            ticks = ticks * 10 + i64::from(byte - b'0');
            places += 1;
        }
    }
    while places < 7 {
        ticks *= 10;
        places += 1;
    }
    Some(ticks)
}

impl fmt::Display for Timespan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, hours, minutes, seconds, ticks) = self.parts();
        if self.0 < 0 {
            formatter.write_str("-")?;
        }
        if days > 0 {
            write!(formatter, "{days}.")?;
        }
        write!(formatter, "{hours:02}:{minutes:02}:{seconds:02}")?;
        if ticks > 0 {
            write!(formatter, ".{ticks:07}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, printed: &str) {
        assert_eq!(Timespan::parse(text).map(|span| span.to_string()).unwrap_or_default(), printed);
    }

    #[test]
    fn spans_are_read_and_printed() {
        check("1d", "1.00:00:00");
        check("1.5h", "01:30:00");
        check("-1d", "-1.00:00:00");
        check("90s", "00:01:30");
        check("00:00:00.001", "00:00:00.0010000");
        check("1.02:03:04.5", "1.02:03:04.5000000");
        check("1tick", "00:00:00.0000001");
        check("2", "2.00:00:00");
        check("10675199.02:48:05.4775807", "10675199.02:48:05.4775807");
        check("1.5", "");
        check("25:00:00", "");
        check("", "");
        check("99999999999999d", "");
    }
}
