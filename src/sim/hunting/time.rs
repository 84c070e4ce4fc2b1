//! Date-times and time spans in ticks of 100 ns.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Ticks in a second.
pub(crate) const SECOND: i64 = 10_000_000;
/// Ticks in a day.
pub(crate) const DAY: i64 = 86_400 * SECOND;
/// Ticks from the start of year 1, where the service starts to count, to 1970.
const EPOCH: i64 = 621_355_968_000_000_000;

/// Ticks since the start of year 1.
pub(crate) fn from_timestamp(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond().div_euclid(100)).unwrap_or_default().saturating_add(EPOCH)
}

/// The instant, if it is within the years 1 to 9999.
pub(crate) fn to_timestamp(ticks: i64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(ticks.checked_sub(EPOCH)?) * 100).ok()
}

/// Date and time in UTC.
pub(crate) fn civil(ticks: i64) -> Option<DateTime> {
    Some(to_timestamp(ticks)?.to_zoned(TimeZone::UTC).datetime())
}

/// Ticks of a date and time in UTC.
pub(crate) fn from_civil(at: DateTime) -> Option<i64> {
    Some(from_timestamp(at.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}

/// Reads `2024-03-26T09:39:50.7688641Z`, with or without zone, time and fraction. No zone is UTC.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(from_timestamp(at));
    }
    let at = text
        .trim_end_matches(['Z', 'z'])
        .parse::<DateTime>()
        .ok()
        .or_else(|| Some(text.parse::<Date>().ok()?.at(0, 0, 0, 0)))?;
    from_civil(at)
}

/// Reads `1d`, `90s`, `1.02:03:04.5`, `-01:00:00`.
pub(crate) fn parse_span(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    if let Some((hours, rest)) = text.split_once(':') {
        let (days, hours) = hours.split_once('.').unwrap_or(("0", hours));
        let (minutes, seconds) = rest.split_once(':').unwrap_or((rest, "0"));
        let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
        let part = |text: &str| text.parse::<i64>().ok().filter(|value| *value >= 0);
        let fraction: String = fraction.chars().chain("0000000".chars()).take(7).collect();
        let seconds = part(days)?
            .checked_mul(24)?
            .checked_add(part(hours)?)?
            .checked_mul(60)?
            .checked_add(part(minutes)?)?
            .checked_mul(60)?
            .checked_add(part(seconds)?)?;
        return seconds.checked_mul(SECOND)?.checked_add(part(&fraction)?)?.checked_mul(sign);
    }
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (count, unit) = text.split_at_checked(unit_at)?;
    scaled(count, unit_ticks(unit)?)?.checked_mul(sign)
}

/// Ticks of a unit of a time span literal.
pub(crate) fn unit_ticks(unit: &str) -> Option<i64> {
    Some(match unit {
        "d" | "day" | "days" => DAY,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600 * SECOND,
        "m" | "min" | "minute" | "minutes" => 60 * SECOND,
        "s" | "sec" | "second" | "seconds" => SECOND,
        "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => SECOND / 1_000,
        "microsecond" | "microseconds" => 10,
        "tick" | "ticks" => 1,
        _ => return None,
    })
}

/// `count` units, exactly for whole numbers.
pub(crate) fn scaled(count: &str, ticks: i64) -> Option<i64> {
    if let Ok(whole) = count.parse::<i64>() {
        return whole.checked_mul(ticks);
    }
    let value = count.parse::<f64>().ok()? * super::value::real(ticks);
    value.is_finite().then(|| super::value::truncate(value.round()))
}

/// How many digits of a second are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fraction {
    /// Always seven, as `tostring()` does.
    Full,
    /// As many as needed, as the API's answers do.
    Trimmed,
}

/// Shows an instant in UTC.
pub(crate) fn show_time(ticks: i64, fraction: Fraction) -> String {
    let Some(at) = civil(ticks) else { return String::new() };
    let digits = format!(".{:07}", ticks.rem_euclid(SECOND));
    let digits = match fraction {
        Fraction::Full => digits.as_str(),
        Fraction::Trimmed => digits.trim_end_matches('0').trim_end_matches('.'),
    };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{digits}Z",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// Shows a span as `[-][d.]hh:mm:ss[.fffffff]`.
pub(crate) fn show_span(ticks: i64) -> String {
    let sign = if ticks < 0 { "-" } else { "" };
    let ticks = ticks.unsigned_abs();
    let (second, day) = (SECOND.unsigned_abs(), DAY.unsigned_abs());
    let days = match ticks / day {
        0 => String::new(),
        days => format!("{days}."),
    };
    let seconds = ticks % day / second;
    let fraction = match ticks % second {
        0 => String::new(),
        fraction => format!(".{fraction:07}"),
    };
    format!("{sign}{days}{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `format_datetime()`: the letters of a .NET format that hunting queries use. `None` for others.
pub(crate) fn format_time(ticks: i64, format: &str) -> Option<String> {
    let at = civil(ticks)?;
    let hour12 = if at.hour() % 12 == 0 { 12 } else { at.hour() % 12 };
    let mut out = String::new();
    let mut rest = format;
    while let Some(letter) = rest.chars().next() {
        let run = rest.chars().take_while(|c| *c == letter).count();
        let (run_text, tail) = rest.split_at_checked(run * letter.len_utf8())?;
        let fraction = format!("{:07}", ticks.rem_euclid(SECOND));
        let piece = match (letter, run) {
            ('y', 4) => format!("{:04}", at.year()),
            ('y', 2) => format!("{:02}", at.year().rem_euclid(100)),
            ('M', 2) => format!("{:02}", at.month()),
            ('M', 1) => at.month().to_string(),
            ('d', 2) => format!("{:02}", at.day()),
            ('d', 1) => at.day().to_string(),
            ('H', 2) => format!("{:02}", at.hour()),
            ('H', 1) => at.hour().to_string(),
            ('h', 2) => format!("{hour12:02}"),
            ('h', 1) => hour12.to_string(),
            ('m', 2) => format!("{:02}", at.minute()),
            ('m', 1) => at.minute().to_string(),
            ('s', 2) => format!("{:02}", at.second()),
            ('s', 1) => at.second().to_string(),
            ('t', 2) => if at.hour() < 12 { "AM" } else { "PM" }.to_owned(),
            ('f', 1..=7) => fraction.get(..run)?.to_owned(),
            ('F', 1..=7) => fraction.get(..run)?.trim_end_matches('0').to_owned(),
            (' ' | '.' | ',' | '-' | '/' | ':' | '_' | '[' | ']', _) => run_text.to_owned(),
            _ => return None,
        };
        out.push_str(&piece);
        rest = tail;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_and_shown() {
        for (text, shown) in [
            ("2024-03-26T09:39:50.7688641Z", "2024-03-26T09:39:50.7688641Z"),
            ("2024-03-26T09:39:50", "2024-03-26T09:39:50Z"),
            ("2024-03-26 09:39", "2024-03-26T09:39:00Z"),
            ("2024-03-26", "2024-03-26T00:00:00Z"),
            ("2024-03-26T09:39:50.500+02:00", "2024-03-26T07:39:50.5Z"),
        ] {
            assert_eq!(show_time(parse_time(text).unwrap(), Fraction::Trimmed), shown);
        }
        assert_eq!(parse_time("yesterday"), None);
        assert_eq!(show_time(EPOCH, Fraction::Full), "1970-01-01T00:00:00.0000000Z");
    }

    #[test]
    fn spans_are_read_and_shown() {
        for (text, shown) in [
            ("1d", "1.00:00:00"),
            ("90s", "00:01:30"),
            ("1.5h", "01:30:00"),
            ("-1d", "-1.00:00:00"),
            ("00:00:00.001", "00:00:00.0010000"),
            ("1.02:03:04", "1.02:03:04"),
        ] {
            assert_eq!(show_span(parse_span(text).unwrap()), shown);
        }
        assert_eq!(parse_span("1.5"), None);
    }

    #[test]
    fn instants_are_formatted() {
        let at = parse_time("2024-03-06T09:05:50.25Z").unwrap();
        assert_eq!(format_time(at, "yyyy-MM-dd HH:mm:ss.fff").unwrap(), "2024-03-06 09:05:50.250");
        assert_eq!(format_time(at, "d/M/yy h:m tt").unwrap(), "6/3/24 9:5 AM");
        assert_eq!(format_time(at, "zzz"), None);
    }
}
