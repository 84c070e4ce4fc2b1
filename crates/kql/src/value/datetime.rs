//! Instants.

use std::fmt;

use super::civil::{civil_from_days, days_from_civil, days_in_month, is_leap};
use super::timespan::{Timespan, fraction_ticks};

/// A `datetime`: ticks of 100 ns since 0001-01-01, always UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Datetime(i64);

/// The fields of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// Year, 1 to 9999.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: i64,
    /// Day of the month, from 1.
    pub day: i64,
    /// Ticks since midnight.
    pub ticks: i64,
}

impl Datetime {
    /// 0001-01-01 00:00.
    pub const MIN: Self = Self(0);
    /// 9999-12-31 23:59:59.9999999.
    pub const MAX: Self = Self(3_155_378_975_999_999_999);
    /// 1970-01-01 00:00.
    pub const UNIX_EPOCH: Self = Self(621_355_968_000_000_000);

    /// Creates an instant from ticks since 0001-01-01, if it lies before the year 10000.
    pub const fn from_ticks(ticks: i64) -> Option<Self> {
        if ticks >= Self::MIN.0 && ticks <= Self::MAX.0 { Some(Self(ticks)) } else { None }
    }

    /// Returns the ticks since 0001-01-01.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// Creates an instant from a date and ticks since midnight, if there is such a date.
    pub const fn from_civil(civil: Civil) -> Option<Self> {
        let Civil { year, month, day, ticks } = civil;
        let valid = year >= 1
            && year <= 9999
            && month >= 1
            && month <= 12
            && day >= 1
            && day <= days_in_month(year, month)
            && ticks >= 0
            && ticks < Timespan::DAY;
        if !valid {
            return None;
        }
        Some(Self(days_from_civil(year, month, day) * Timespan::DAY + ticks))
    }

    /// Returns the fields.
    pub const fn civil(self) -> Civil {
        let (year, month, day) = civil_from_days(self.0 / Timespan::DAY);
        Civil { year, month, day, ticks: self.0 % Timespan::DAY }
    }

    /// Returns the day of the year, from 1.
    pub const fn day_of_year(self) -> i64 {
        let civil = self.civil();
        self.0 / Timespan::DAY - days_from_civil(civil.year, 1, 1) + 1
    }

    /// Returns the day of the week, 0 for Sunday.
    pub const fn day_of_week(self) -> i64 {
        (self.0 / Timespan::DAY + 1) % 7
    }

    /// Returns the week of the year by ISO 8601, 1 to 53.
    pub const fn iso_week(self) -> i64 {
        // The week belongs to the year its Thursday is in.
        let weekday = (self.day_of_week() + 6) % 7;
        let week = (self.day_of_year() - 1 - weekday + 10) / 7;
        let year = self.civil().year;
        if week < 1 {
            return weeks_in_year(year - 1);
        }
        if week > weeks_in_year(year) { 1 } else { week }
    }

    /// Adds a span, unless the calendar ends.
    pub const fn plus(self, span: Timespan) -> Option<Self> {
        match self.0.checked_add(span.0) {
            Some(ticks) => Self::from_ticks(ticks),
            None => None,
        }
    }

    /// Returns the span since another instant.
    pub const fn since(self, other: Self) -> Timespan {
        Timespan(self.0 - other.0)
    }

    /// Adds months; the day is moved back to the end of the month if it has to be.
    pub fn add_months(self, months: i64) -> Option<Self> {
        let civil = self.civil();
        let total = (civil.year * 12 + civil.month - 1).checked_add(months)?;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
        if !(1..=9999).contains(&year) {
            return None;
        }
        let day = civil.day.min(days_in_month(year, month));
        Self::from_civil(Civil { year, month, day, ticks: civil.ticks })
    }

    /// Reads an instant in any of the forms the service reads.
    pub fn parse(text: &str) -> Option<Self> {
        parse::parse(text.trim())
    }
}

const fn weeks_in_year(year: i64) -> i64 {
    let first = (days_from_civil(year, 1, 1) + 1).rem_euclid(7);
    if first == 4 || (first == 3 && is_leap(year)) { 53 } else { 52 }
}

impl fmt::Display for Datetime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, ticks } = self.civil();
        let (_, hours, minutes, seconds, fraction) = Timespan(ticks).parts();
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{fraction:07}Z")
    }
}

/// Reading.
mod parse {
    use super::{Civil, Datetime, Timespan, fraction_ticks};

    pub(super) fn parse(text: &str) -> Option<Datetime> {
        let text = skip_weekday(text);
        let mut reader = Reader { rest: text };
        let (year, month, day) = reader.date()?;
        let mut ticks = 0;
        let mut offset = 0;
        let midnight = reader.rest.is_empty();
        if !midnight {
            if !reader.skip('T') && !reader.skip('t') && !reader.spaces() {
                return None;
            }
            reader.spaces();
            ticks = reader.clock()?;
            offset = reader.zone()?;
        }
        let local = Datetime::from_civil(Civil { year, month, day, ticks })?;
        local.plus(Timespan(-offset))
    }

    fn skip_weekday(text: &str) -> &str {
        let Some((name, rest)) = text.split_once(',') else { return text };
        let known = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let start = name.get(..3).map(str::to_ascii_lowercase);
        match start {
            Some(start) if known.contains(&start.as_str()) => rest.trim_start(),
            _ => text,
        }
    }

    struct Reader<'a> {
        rest: &'a str,
    }

    impl<'a> Reader<'a> {
        fn skip(&mut self, character: char) -> bool {
            match self.rest.strip_prefix(character) {
                Some(rest) => {
                    self.rest = rest;
                    true
                }
                None => false,
            }
        }

        fn spaces(&mut self) -> bool {
            let trimmed = self.rest.trim_start();
            let any = trimmed.len() < self.rest.len();
            self.rest = trimmed;
            any
        }

        fn take(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
            let end = self.rest.find(|character| !accept(character)).unwrap_or(self.rest.len());
            let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
            self.rest = rest;
            taken
        }

        fn number(&mut self, digits_max: usize) -> Option<(i64, usize)> {
            let digits = self.take(|character| character.is_ascii_digit());
            if digits.is_empty() || digits.len() > digits_max {
                return None;
            }
            Some((digits.parse().ok()?, digits.len()))
        }

        /// Year first, month first (`/`, `-`), or day and month name.
        fn date(&mut self) -> Option<(i64, i64, i64)> {
            let (first, width) = self.number(8)?;
            if width == 8 {
                return Some((first / 10_000, first / 100 % 100, first % 100));
            }
            if self.rest.starts_with('-') && self.rest.get(1..).is_some_and(starts_alphabetic) {
                self.skip('-');
            }
            self.spaces();
            if starts_alphabetic(self.rest) {
                return self.day_month_year(first);
            }
            let separator = self.rest.chars().next().filter(|next| matches!(next, '-' | '/'))?;
            self.skip(separator);
            let (second, _) = self.number(2)?;
            if width >= 3 {
                let third = if self.skip(separator) { self.number(2)?.0 } else { 1 };
                return Some((first, second, third));
            }
            if !self.skip(separator) {
                return None;
            }
            let (year, digits) = self.number(4)?;
            Some((full_year(year, digits), first, second))
        }

        fn day_month_year(&mut self, day: i64) -> Option<(i64, i64, i64)> {
            let name = self.take(|character| character.is_ascii_alphabetic());
            let month = month_number(name)?;
            if !self.skip('-') {
                self.spaces();
            }
            let (year, digits) = self.number(4)?;
            Some((full_year(year, digits), month, day))
        }

        fn clock(&mut self) -> Option<i64> {
            let (mut hours, _) = self.number(2)?;
            let mut minutes = 0;
            let mut seconds = 0;
            let mut fraction = 0;
            if self.skip(':') {
                minutes = self.number(2)?.0;
                if self.skip(':') {
                    seconds = self.number(2)?.0;
                    if self.skip('.') || self.skip(',') {
                        fraction = fraction_ticks(self.take(|digit| digit.is_ascii_digit()))?;
                    }
                }
            } else if !self.rest.trim_start().to_ascii_lowercase().ends_with('m') {
                return None;
            }
            self.spaces();
            let half = self.take(|character| matches!(character, 'a' | 'A' | 'p' | 'P' | 'm' | 'M'));
            match half.to_ascii_lowercase().as_str() {
                "" => {}
                "am" if (1..=12).contains(&hours) => hours %= 12,
                "pm" if (1..=12).contains(&hours) => hours = hours % 12 + 12,
                _ => return None,
            }
            if hours > 23 || minutes > 59 || seconds > 59 {
                return None;
            }
            let whole = hours * Timespan::HOUR + minutes * Timespan::MINUTE;
            Some(whole + seconds * Timespan::SECOND + fraction)
        }

        /// Returns the ticks by which local time is ahead of UTC.
        fn zone(&mut self) -> Option<i64> {
            self.spaces();
            let sign = match self.rest.chars().next() {
                None => return Some(0),
                Some('+') => 1,
                Some('-') => -1,
                Some(_) => {
                    let known = ["Z", "UTC", "GMT"];
                    return known.iter().any(|name| self.rest.eq_ignore_ascii_case(name)).then_some(0);
                }
            };
            self.rest = self.rest.get(1..)?;
            let (number, width) = self.number(4)?;
            let (hours, minutes) = match width {
                1 | 2 if self.skip(':') => (number, self.number(2)?.0),
                1 | 2 => (number, 0),
                _ => (number / 100, number % 100),
            };
            if hours > 14 || minutes > 59 || !self.rest.is_empty() {
                return None;
            }
            Some(sign * (hours * Timespan::HOUR + minutes * Timespan::MINUTE))
        }
    }

    fn starts_alphabetic(text: &str) -> bool {
        text.chars().next().is_some_and(|character| character.is_ascii_alphabetic())
    }

    fn full_year(year: i64, digits: usize) -> i64 {
        match digits {
            1 | 2 if year < 50 => 2000 + year,
            1 | 2 => 1900 + year,
            _ => year,
        }
    }

    fn month_number(name: &str) -> Option<i64> {
        let months = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        let name = name.to_ascii_lowercase();
        if name.len() < 3 {
            return None;
        }
        let index = months.iter().position(|month| month.starts_with(&name))?;
        i64::try_from(index).ok().map(|index| index + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, printed: &str) {
        let read = Datetime::parse(text).map(|instant| instant.to_string()).unwrap_or_default();
        assert_eq!(read, printed, "{text}");
    }

    #[test]
    fn instants_are_read_and_printed() {
        check("2020-01-01", "2020-01-01T00:00:00.0000000Z");
        check("2020-01-01T13:45:00Z", "2020-01-01T13:45:00.0000000Z");
        check("2015-12-31 23:59:59.9", "2015-12-31T23:59:59.9000000Z");
        check("2020-06-15T13:45:09.1234567Z", "2020-06-15T13:45:09.1234567Z");
        check("2014-05-25T08:20:03.123456+02:00", "2014-05-25T06:20:03.1234560Z");
        check("02/17/2016 08:40:01", "2016-02-17T08:40:01.0000000Z");
        check("12-02-2022", "2022-12-02T00:00:00.0000000Z");
        check("1/2/2021 1:05 PM", "2021-01-02T13:05:00.0000000Z");
        check("Sun, 08 Nov 2009 15:05:02 GMT", "2009-11-08T15:05:02.0000000Z");
        check("Saturday, 08-Nov-14 15:05:02 UTC", "2014-11-08T15:05:02.0000000Z");
        check("2018-02-24T15:14", "2018-02-24T15:14:00.0000000Z");
        check("9999-12-31 23:59:59.9999999", "9999-12-31T23:59:59.9999999Z");
    }

    #[test]
    fn what_is_no_instant_is_not_read() {
        for text in
            ["not a date", "2020-13-45", "2021-02-29", "nonValidDateTime 08:40:01", "", "12", "abc-de-fg"]
        {
            check(text, "");
        }
    }

    #[test]
    fn weeks_follow_iso() {
        for (text, week) in [
            ("2016-01-01", 53),
            ("2017-01-01", 52),
            ("2021-01-03", 53),
            ("2020-12-31", 53),
            ("2021-12-26", 51),
            ("2021-12-27", 52),
            ("2024-01-01", 1),
            ("1601-01-01", 1),
        ] {
            assert_eq!(Datetime::parse(text).unwrap().iso_week(), week, "{text}");
        }
    }

    #[test]
    fn months_are_added_up_to_the_last_day() {
        let add = |text: &str, months| Datetime::parse(text)?.add_months(months);
        assert_eq!(add("2020-03-31", -1), Datetime::parse("2020-02-29"));
        assert_eq!(add("2020-05-31", -15), Datetime::parse("2019-02-28"));
        assert_eq!(add("9999-12-01", 1), None);
        assert_eq!(add("0001-01-01", -1), None);
    }
}
