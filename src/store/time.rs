//! The journal's time: the clock's, and never earlier than the journal has seen already.
//!
//! While the clock is behind it, because it was ahead before or was set back, the journal's time goes on with the clock
//! that nobody sets ([`Clock::uptime`](crate::clock::Clock::uptime)), a little slower, until the two meet again. So
//! windows slide and waits end, and turning the clock back refills no budget. What was seen is on disk together with that
//! clock, so a word written beside the owner has the same time, and a restart changes nothing.
//!
//! Ahead the clock is believed, and the journal's time may stay there when it is set back. So beside each intent stands what
//! the clock that nobody sets showed, and an effect gets no older than that one says, until the machine is started anew
//! (the view `effects_dated`).
//!
//! Whoever compares with a stamp of an effect or a request asks here what time it is ([`Store::time`]).

use std::sync::OnceLock;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::health::Tx;
use super::{ContentHash, Store, StoreError, Writer, at};

/// How far ahead of the clock a time seen earlier may be and still count: a day, so that turning the clock
/// back refills no budget, and an hour for a change of zone. More than that and the clock was wrong then.
const AHEAD_MAX_MS: i64 = 25 * 60 * 60 * 1000;

/// One part in so many of the time that passes is left out while the clock is behind: it catches up with an hour in ten,
/// and no wait is noticeably longer.
const LEFT_OUT: i64 = 10;

/// What the journal has seen last.
const SEEN: &str = "SELECT (SELECT value FROM facts WHERE name = 'wallSeen'), \
     (SELECT value FROM facts WHERE name = 'uptimeSeen'), (SELECT value FROM facts WHERE name = 'bootSeen')";

/// What the clocks show, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Shown {
    wall: i64,
    /// The clock that nobody sets.
    uptime: i64,
    /// Which start of which machine that counts from.
    boot: i64,
}

/// What time it is, and whether what the journal has seen before is not believed.
type Believed = (i64, bool);

impl Shown {
    fn of(writer: &Writer) -> Self {
        let uptime = i64::try_from(writer.clock.uptime().as_millis()).unwrap_or(i64::MAX);
        Self { wall: writer.clock.now().as_millisecond(), uptime, boot: boot() }
    }

    /// The time after `seen`.
    fn after(self, seen: Self) -> Believed {
        // Nobody knows how long a machine was off, nor how long another one has been on.
        let passed = if self.boot == seen.boot { self.uptime.saturating_sub(seen.uptime).max(0) } else { 0 };
        let gone_on = seen.wall.saturating_add(passed.saturating_sub(passed / LEFT_OUT));
        if self.wall.saturating_add(AHEAD_MAX_MS) < gone_on {
            return (self.wall, true);
        }
        (self.wall.max(gone_on), false)
    }
}

/// Tells this start of this machine from every other; 0 if the system does not say.
fn boot() -> i64 {
    static BOOT: OnceLock<i64> = OnceLock::new();
    *BOOT.get_or_init(|| {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        let hash = id.map(|id| ContentHash::of(id.trim().as_bytes()).0);
        hash.and_then(|hash| hash.first_chunk().copied()).map_or(0, i64::from_be_bytes)
    })
}

fn read(row: &SqliteRow) -> Result<Shown, StoreError> {
    Ok(Shown { wall: row.try_get(0)?, uptime: row.try_get(1)?, boot: row.try_get(2)? })
}

impl Store {
    /// The journal's time at this moment.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn time(&self) -> Result<Timestamp, StoreError> {
        let row = sqlx::query(SEEN).fetch_one(&self.0.readers).await?;
        at(Shown::of(self.writer()?).after(read(&row)?).0)
    }
}

impl Tx {
    /// The journal's time at this moment, remembered with what the transaction writes. How long ago effects count as tried
    /// (`counts_at`) is right in a transaction that has asked for it.
    pub(super) async fn now(&mut self) -> Result<i64, StoreError> {
        let row = sqlx::query(SEEN).fetch_one(&mut **self).await?;
        let shown = Shown::of(self.writer()?);
        let (now, is_turned) = shown.after(read(&row)?);
        self.remember("wallSeen", now).await?;
        self.remember("uptimeSeen", shown.uptime).await?;
        self.remember("bootSeen", shown.boot).await?;
        if is_turned {
            // What bears a later time counts as of then: see the views of the form.
            self.remember("turnedAt", now.saturating_sub(1)).await?;
            let last = "SELECT coalesce(max(n), 0) FROM stop_events";
            let last = sqlx::query_scalar(last).fetch_one(&mut **self).await?;
            self.remember("turnedStop", last).await?;
        }
        Ok(now)
    }

    /// Lets everything from here on be later than `now`: for a word that divides what comes before from what comes after.
    pub(super) async fn go_past(&mut self, now: i64) -> Result<(), StoreError> {
        self.remember("wallSeen", now.saturating_add(1)).await
    }

    async fn remember(&mut self, fact: &str, value: i64) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE facts SET value = $2 WHERE name = $1").bind(fact).bind(value);
        query.execute(&mut **self).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * 60 * 1000;

    #[track_caller]
    fn check((wall, uptime): (i64, i64), expect: Believed) {
        let seen = Shown { wall: 100 * HOUR, uptime: 7 * HOUR, boot: 1 };
        assert_eq!(Shown { wall, uptime, boot: 1 }.after(seen), expect);
    }

    #[test]
    fn a_start_of_the_machine_has_a_number_of_its_own() {
        assert_eq!(boot(), boot());
        assert!(!(-1..=1).contains(&boot()), "{}: of 64 random bits", boot());
    }

    #[test]
    fn what_another_start_or_another_machine_counts_says_nothing() {
        let seen = Shown { wall: 100 * HOUR, uptime: 7 * HOUR, boot: 1 };
        let shown = Shown { wall: 100 * HOUR + 1, uptime: 50 * HOUR, boot: 2 };
        assert_eq!(shown.after(seen), (100 * HOUR + 1, false));
    }

    #[test]
    fn time_goes_on_with_the_clock_that_nobody_sets_until_the_other_catches_up() {
        check((101 * HOUR, 8 * HOUR), (101 * HOUR, false));
        check((98 * HOUR, 7 * HOUR), (100 * HOUR, false));
        check((99 * HOUR, 8 * HOUR), (100 * HOUR + HOUR * 9 / 10, false));
        check((118 * HOUR, 27 * HOUR), (118 * HOUR, false));
        // The machine was restarted.
        check((99 * HOUR, 0), (100 * HOUR, false));
        check((75 * HOUR, 7 * HOUR), (100 * HOUR, false));
        check((75 * HOUR - 1, 7 * HOUR), (75 * HOUR - 1, true));
    }
}
