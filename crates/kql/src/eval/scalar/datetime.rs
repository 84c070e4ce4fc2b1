//! Instants and spans.

use super::datetime_format::{format_datetime, format_timespan};
use super::{Args, Call, Kernel};
use crate::value::{Civil, Datetime, Timespan, Value, to_long};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "startofday" => |_, args| bounds(args, Unit::Day, Edge::Start),
        "endofday" => |_, args| bounds(args, Unit::Day, Edge::End),
        "startofweek" => |_, args| bounds(args, Unit::Week, Edge::Start),
        "endofweek" => |_, args| bounds(args, Unit::Week, Edge::End),
        "startofmonth" => |_, args| bounds(args, Unit::Month, Edge::Start),
        "endofmonth" => |_, args| bounds(args, Unit::Month, Edge::End),
        "startofyear" => |_, args| bounds(args, Unit::Year, Edge::Start),
        "endofyear" => |_, args| bounds(args, Unit::Year, Edge::End),
        "dayofweek" => dayofweek,
        "dayofmonth" => |_, args| field(args, 0, |instant| instant.civil().day),
        "dayofyear" => |_, args| field(args, 0, Datetime::day_of_year),
        "hourofday" => |_, args| field(args, 0, |instant| instant.civil().ticks / Timespan::HOUR),
        "monthofyear" | "getmonth" => |_, args| field(args, 0, |instant| instant.civil().month),
        "getyear" => |_, args| field(args, 0, |instant| instant.civil().year),
        "week_of_year" => |_, args| field(args, 0, Datetime::iso_week),
        "datetime_part" => datetime_part,
        "datetime_add" => datetime_add,
        "datetime_diff" => datetime_diff,
        "make_datetime" => make_datetime,
        "make_timespan" => make_timespan,
        "format_datetime" => format_datetime,
        "format_timespan" => format_timespan,
        "unixtime_seconds_todatetime" => |_, args| unix(args, 10_000_000.0),
        "unixtime_milliseconds_todatetime" => |_, args| unix(args, 10_000.0),
        "unixtime_microseconds_todatetime" => |_, args| unix(args, 10.0),
        "unixtime_nanoseconds_todatetime" => |_, args| unix(args, 0.01),
        _ => return None,
    })
}

fn field(args: &Args<'_>, index: usize, read: impl Fn(Datetime) -> i64) -> Value {
    Value::Long(args.datetime(index).map(read))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Year,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    Start,
    End,
}

/// Returns where a unit of the calendar starts or ends, some units on.
fn bounds(args: &Args<'_>, unit: Unit, edge: Edge) -> Value {
    let offset = args.long_or(1, 0);
    Value::Datetime(args.datetime(0).and_then(|instant| match edge {
        Edge::Start => start(instant, unit, offset),
        Edge::End => end(instant, unit, offset),
    }))
}

fn start(instant: Datetime, unit: Unit, offset: i64) -> Option<Datetime> {
    let civil = instant.civil();
    let midnight = Datetime::from_civil(Civil { ticks: 0, ..civil })?;
    let days = |days: i64| midnight.plus(Timespan(days.checked_mul(Timespan::DAY)?));
    match unit {
        Unit::Day => days(offset),
        Unit::Week => days(offset.checked_mul(7)? - midnight.day_of_week()),
        Unit::Month => Datetime::from_civil(Civil { day: 1, ticks: 0, ..civil })?.add_months(offset),
        Unit::Year => Datetime::from_civil(Civil { month: 1, day: 1, ticks: 0, ..civil })?
            .add_months(offset.checked_mul(12)?),
    }
}

/// The end is one tick before the next start; the last one is the end of the calendar.
fn end(instant: Datetime, unit: Unit, offset: i64) -> Option<Datetime> {
    match start(instant, unit, offset.checked_add(1)?) {
        Some(next) => next.plus(Timespan(-1)),
        None if unit != Unit::Week && start(instant, unit, offset).is_some() => Some(Datetime::MAX),
        None => None,
    }
}

/// The service counts back from the end of the week, which the last week does not have.
fn dayofweek(_: &Call<'_>, args: &Args<'_>) -> Value {
    let instant = args.datetime(0).filter(|instant| end(*instant, Unit::Week, 0).is_some());
    Value::Timespan(instant.map(|instant| Timespan(instant.day_of_week() * Timespan::DAY)))
}

fn datetime_part(_: &Call<'_>, args: &Args<'_>) -> Value {
    let part = args.text(0).to_ascii_lowercase();
    let read = |instant: Datetime| {
        let civil = instant.civil();
        let (_, hours, minutes, seconds, fraction) = Timespan(civil.ticks).parts();
        let small = |number: u64| i64::try_from(number).unwrap_or(0);
        Some(match part.as_str() {
            "year" => civil.year,
            "quarter" => (civil.month + 2) / 3,
            "month" => civil.month,
            "week_of_year" | "weekofyear" | "week" => instant.iso_week(),
            "day" | "dayofmonth" => civil.day,
            "dayofyear" => instant.day_of_year(),
            "hour" => small(hours),
            "minute" => small(minutes),
            "second" => small(seconds),
            "millisecond" => small(fraction / 10_000),
            "microsecond" => small(fraction / 10),
            "nanosecond" => small(fraction * 100),
            _ => return None,
        })
    };
    Value::Long(args.datetime(1).and_then(read))
}

/// Returns the ticks of a unit that is always equally long.
fn fixed_unit(name: &str) -> Option<i64> {
    Some(match name {
        "week" => 7 * Timespan::DAY,
        "day" => Timespan::DAY,
        "hour" => Timespan::HOUR,
        "minute" => Timespan::MINUTE,
        "second" => Timespan::SECOND,
        "millisecond" => Timespan::MILLISECOND,
        "microsecond" => Timespan::MICROSECOND,
        _ => return None,
    })
}

fn months_of_unit(name: &str) -> Option<i64> {
    Some(match name {
        "year" => 12,
        "quarter" => 3,
        "month" => 1,
        _ => return None,
    })
}

fn datetime_add(_: &Call<'_>, args: &Args<'_>) -> Value {
    let unit = args.text(0).to_ascii_lowercase();
    let add = |count: i64, instant: Datetime| {
        if let Some(months) = months_of_unit(&unit) {
            return instant.add_months(count.checked_mul(months)?);
        }
        let ticks = match fixed_unit(&unit) {
            Some(ticks) => count.checked_mul(ticks)?,
            None if unit == "nanosecond" => count / 100,
            None => return None,
        };
        instant.plus(Timespan(ticks))
    };
    Value::Datetime(args.long(1).zip(args.datetime(2)).and_then(|(count, instant)| add(count, instant)))
}

/// Counts the borders of a unit between two instants. Weeks begin on Sunday.
fn datetime_diff(_: &Call<'_>, args: &Args<'_>) -> Value {
    let unit = args.text(0).to_ascii_lowercase();
    let diff = |(a, b): (Datetime, Datetime)| {
        if let Some(months) = months_of_unit(&unit) {
            let place = |instant: Datetime| {
                (instant.civil().year * 12 + instant.civil().month - 1).div_euclid(months)
            };
            return Some(place(a) - place(b));
        }
        if unit == "nanosecond" {
            return a.since(b).0.checked_mul(100);
        }
        // 0001-01-01 is a Monday.
        let shift = if unit == "week" { Timespan::DAY } else { 0 };
        let ticks = fixed_unit(&unit)?;
        Some((a.ticks() + shift).div_euclid(ticks) - (b.ticks() + shift).div_euclid(ticks))
    };
    Value::Long(args.datetime(1).zip(args.datetime(2)).and_then(diff))
}

fn make_datetime(_: &Call<'_>, args: &Args<'_>) -> Value {
    if args.len() == 1 {
        return Value::Datetime(args.datetime(0));
    }
    let make = || {
        let whole = |index: usize| if args.has(index) { args.long(index) } else { Some(0) };
        let seconds = if args.has(5) { args.real(5)? } else { 0.0 };
        let clock = clock(whole(3)?, whole(4)?, seconds)?;
        Datetime::from_civil(Civil { year: whole(0)?, month: whole(1)?, day: whole(2)?, ticks: clock })
    };
    Value::Datetime(make())
}

fn make_timespan(_: &Call<'_>, args: &Args<'_>) -> Value {
    let make = || match args.len() {
        1 => args.timespan(0).map(|span| span.0),
        2 => clock(args.long(0)?, args.long(1)?, 0.0),
        3 => clock(args.long(0)?, args.long(1)?, args.real(2)?),
        _ => {
            let days = args.long(0).filter(|days| (0..=10_675_199).contains(days))?;
            days.checked_mul(Timespan::DAY)?.checked_add(clock(args.long(1)?, args.long(2)?, args.real(3)?)?)
        }
    };
    Value::Timespan(make().map(Timespan))
}

fn clock(hours: i64, minutes: i64, seconds: f64) -> Option<i64> {
    let valid = (0..24).contains(&hours) && (0..60).contains(&minutes) && (0.0..60.0).contains(&seconds);
    if !valid {
        return None;
    }
    let seconds = to_long(&Value::from((seconds * 1e7).round()))?;
    Some(hours * Timespan::HOUR + minutes * Timespan::MINUTE + seconds)
}

fn unix(args: &Args<'_>, ticks_each: f64) -> Value {
    let ticks = match args.get(0) {
        // Exact for whole numbers of whole ticks.
        Value::Int(_) | Value::Long(_) if ticks_each >= 1.0 => {
            let each = to_long(&Value::from(ticks_each)).unwrap_or(1);
            args.long(0).and_then(|count| count.checked_mul(each))
        }
        Value::Int(_) | Value::Long(_) => args.long(0).map(|count| count.div_euclid(100)),
        _ => args.real(0).and_then(|count| to_long(&Value::from(count * ticks_each))),
    };
    Value::Datetime(ticks.and_then(|ticks| Datetime::UNIX_EPOCH.plus(Timespan(ticks))))
}
