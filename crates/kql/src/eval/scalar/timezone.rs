//! Local time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, db};

use super::{Args, Call, Kernel};
use crate::value::{Datetime, Dynamic, Timespan, Value};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "datetime_local_to_utc" => |call, args| convert(call, args, to_utc),
        "datetime_utc_to_local" => |call, args| convert(call, args, to_local),
        "datetime_list_timezones" => |_, _| zones(),
        _ => return None,
    })
}

fn convert(call: &Call<'_>, args: &Args<'_>, how: fn(Datetime, &TimeZone) -> Option<i64>) -> Value {
    let Some(instant) = args.datetime(0) else { return Value::Datetime(None) };
    let Ok(zone) = db().get(&args.text(1)) else {
        return call.unsupported("a time zone that is not known", Value::Datetime(None));
    };
    Value::Datetime(how(instant, &zone).and_then(Datetime::from_ticks))
}

/// Returns the difference to UTC in ticks.
fn offset(seconds: i32) -> i64 {
    i64::from(seconds) * Timespan::SECOND
}

fn to_local(instant: Datetime, zone: &TimeZone) -> Option<i64> {
    let seconds = instant.since(Datetime::UNIX_EPOCH).0.div_euclid(Timespan::SECOND);
    let info = zone.to_offset(Timestamp::from_second(seconds).ok()?);
    instant.ticks().checked_add(offset(info.seconds()))
}

/// A time that the clocks skip, or show twice, is taken as before the change.
fn to_utc(local: Datetime, zone: &TimeZone) -> Option<i64> {
    let seconds = local.since(Datetime::UNIX_EPOCH).0.div_euclid(Timespan::SECOND);
    let shown: DateTime = TimeZone::UTC.to_datetime(Timestamp::from_second(seconds).ok()?);
    let instant = zone.to_ambiguous_timestamp(shown).compatible().ok()?;
    local.ticks().checked_add(instant.as_second().checked_sub(seconds)?.checked_mul(Timespan::SECOND)?)
}

/// The names of the time zones, without the one that stands for a clock not yet set.
fn zones() -> Value {
    let mut names: Vec<String> = db().available().map(|name| name.to_string()).collect();
    names.retain(|name| name != "Factory");
    names.sort();
    Value::Dynamic(Dynamic::array(names.iter().map(|name| Dynamic::text(name)).collect()))
}
