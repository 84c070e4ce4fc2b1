//! Stretches of the week within which something may be done, or may not, on the clock of a time zone.
//!
//! The clock on the wall is what counts: where it jumps, a window is as much shorter or longer as the day is.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use super::{CadenceProblem, zone};
use crate::model::{DayText, WindowText, WindowsText};

/// When something may be done, and when not.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    zone: TimeZone,
    only: Vec<Window>,
    never: Vec<Window>,
}

/// One stretch.
#[derive(Debug, Clone, PartialEq)]
struct Window {
    days: Vec<Weekday>,
    from: Time,
    to: Time,
}

impl Windows {
    /// Understands windows as written.
    ///
    /// # Errors
    ///
    /// If there is no such time zone.
    pub fn read(written: &WindowsText) -> Result<Self, CadenceProblem> {
        let all = |windows: &[WindowText]| windows.iter().map(Window::read).collect();
        Ok(Self {
            zone: zone::find(written.timezone.as_deref().unwrap_or("UTC"))?,
            only: all(&written.only),
            never: all(&written.never),
        })
    }

    /// Why nothing may be done at `now`, if nothing may.
    #[must_use]
    pub fn shut(&self, now: Timestamp) -> Option<String> {
        let there = now.to_zoned(self.zone.clone()).datetime();
        let (day, time) = (there.weekday(), there.time());
        let shown = there.strftime("%A %H:%M");
        let zone = self.zone.iana_name().unwrap_or("UTC");
        if let Some(window) = self.never.iter().find(|window| window.holds(day, time)) {
            return Some(format!("disruptive actions are not taken {window}, and it is {shown} ({zone})"));
        }
        if self.only.is_empty() || self.only.iter().any(|window| window.holds(day, time)) {
            return None;
        }
        let mut all = String::new();
        for window in &self.only {
            let or = if all.is_empty() { "" } else { " or " };
            let _infallible = write!(all, "{or}{window}");
        }
        Some(format!("disruptive actions are only taken {all}, and it is {shown} ({zone})"))
    }
}

impl std::fmt::Display for Windows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all =
            |windows: &[Window]| windows.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        let zone = self.zone.iana_name().unwrap_or("UTC");
        match (self.only.is_empty(), self.never.is_empty()) {
            (true, true) => f.write_str("always"),
            (true, false) => write!(f, "never {} ({zone})", all(&self.never)),
            (false, true) => write!(f, "only {} ({zone})", all(&self.only)),
            (false, false) => write!(f, "only {}, never {} ({zone})", all(&self.only), all(&self.never)),
        }
    }
}

impl Window {
    /// The schema has seen to the form of the times.
    fn read(written: &WindowText) -> Self {
        let time = |text: Option<&str>| {
            let text = text.unwrap_or("00:00");
            let (hour, minute) = text.split_once(':').unwrap_or((text, "0"));
            let number = |text: &str| text.parse::<i8>().unwrap_or(0);
            Time::new(number(hour), number(minute), 0, 0).unwrap_or(Time::midnight())
        };
        let days = written.days.iter().map(|day| match day {
            DayText::Monday => Weekday::Monday,
            DayText::Tuesday => Weekday::Tuesday,
            DayText::Wednesday => Weekday::Wednesday,
            DayText::Thursday => Weekday::Thursday,
            DayText::Friday => Weekday::Friday,
            DayText::Saturday => Weekday::Saturday,
            DayText::Sunday => Weekday::Sunday,
        });
        Self { days: days.collect(), from: time(written.from.as_deref()), to: time(written.to.as_deref()) }
    }

    /// Whether a moment lies in it. What ends on the day after has begun the day before.
    fn holds(&self, day: Weekday, time: Time) -> bool {
        let on = |day: Weekday| self.days.is_empty() || self.days.contains(&day);
        if self.from < self.to {
            return on(day) && self.from <= time && time < self.to;
        }
        (on(day) && self.from <= time) || (on(day.previous()) && time < self.to)
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, day) in self.days.iter().enumerate() {
            let before = if place == 0 { "on " } else { ", " };
            write!(f, "{before}{day:?}")?;
        }
        let space = if self.days.is_empty() { "" } else { " " };
        write!(f, "{space}from {} to {}", self.from.strftime("%H:%M"), self.to.strftime("%H:%M"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(days: &[DayText], from: &str, to: &str) -> WindowText {
        WindowText { days: days.to_vec(), from: Some(from.to_owned()), to: Some(to.to_owned()) }
    }

    #[track_caller]
    fn check(only: &[WindowText], never: &[WindowText], open: &[&str], shut: &[&str]) {
        let zone = Some("Europe/Stockholm".to_owned());
        let written = WindowsText { timezone: zone, only: only.to_vec(), never: never.to_vec() };
        let windows = Windows::read(&written).unwrap();
        for at in open {
            assert_eq!(windows.shut(at.parse().unwrap()), None, "{at}");
        }
        for at in shut {
            assert!(windows.shut(at.parse().unwrap()).is_some(), "{at}");
        }
    }

    #[test]
    fn a_window_is_on_its_days_and_by_the_clock_of_its_zone() {
        let weekdays = [window(&[DayText::Monday, DayText::Friday], "08:00", "18:00")];
        // 2026-03-02 is a Monday; Stockholm is an hour ahead.
        let open = ["2026-03-02T07:00:00Z", "2026-03-02T16:59:59Z", "2026-03-06T12:00:00Z"];
        check(
            &weekdays,
            &[],
            &open,
            &["2026-03-02T06:59:59Z", "2026-03-02T17:00:00Z", "2026-03-03T12:00:00Z"],
        );
        check(&[], &weekdays, &["2026-03-03T12:00:00Z"], &open);
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let night = [window(&[DayText::Friday], "22:00", "06:00")];
        let open = ["2026-03-06T21:00:00Z", "2026-03-07T04:59:59Z"];
        check(&night, &[], &open, &["2026-03-06T20:59:59Z", "2026-03-07T05:00:00Z", "2026-03-07T21:30:00Z"]);
        let day = [window(&[DayText::Sunday], "00:00", "00:00")];
        check(&day, &[], &["2026-02-28T23:00:00Z", "2026-03-01T22:59:59Z"], &["2026-03-01T23:00:00Z"]);
    }

    #[test]
    fn a_window_follows_the_wall_over_a_change_of_the_clock() {
        let early = [window(&[], "02:00", "04:00")];
        // On 2026-03-29 the clock jumps from 02:00 to 03:00, and on 2026-10-25 02:00 to 03:00 comes twice.
        check(
            &early,
            &[],
            &["2026-03-29T01:00:00Z", "2026-03-29T01:59:59Z"],
            &["2026-03-29T00:59:59Z", "2026-03-29T02:00:00Z"],
        );
        let twice = ["2026-10-25T00:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:59:59Z"];
        check(&early, &[], &twice, &["2026-10-24T23:59:59Z", "2026-10-25T03:00:00Z"]);
    }

    #[test]
    fn it_says_why() {
        let written = WindowsText {
            timezone: None,
            only: vec![window(&[DayText::Monday], "08:00", "18:00")],
            never: vec![],
        };
        let why = Windows::read(&written).unwrap().shut("2026-03-01T12:00:00Z".parse().unwrap());
        let expect =
            "disruptive actions are only taken on Monday from 08:00 to 18:00, and it is Sunday 12:00 (UTC)";
        assert_eq!(why.as_deref(), Some(expect));
    }
}
