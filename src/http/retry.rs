//! When a request is repeated: the answer's own word, else an exponential back-off with full jitter.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};

use super::{Applied, HttpError, Repeat, Retry, date};

/// Most attempts of one request. Five with the back-off below span about half a minute, which
/// outlasts a restart of a service; what lasts longer is for the next run.
const ATTEMPTS_MAX: u32 = 5;

/// Most repeats after a gateway's time-out (504): the call was too heavy once, and costs minutes.
const GATEWAY_REPEATS_MAX: u32 = 1;

/// Most repeats after somebody else changed the same at the same time (409, 412): twice is no coincidence.
const CONFLICT_REPEATS_MAX: u32 = 1;

/// First back-off, doubled each time.
const BACKOFF_BASE: SignedDuration = SignedDuration::from_secs(2);

/// Longest back-off without a word from the server.
const BACKOFF_MAX: SignedDuration = SignedDuration::from_mins(2);

/// Shortest wait a server's word is taken for; `Retry-After: 0` would be a busy loop.
const WAIT_MIN: SignedDuration = SignedDuration::from_secs(1);

/// Longest total wait within one request: one cycle of the hunting quota. If the server asks for
/// more, its word goes to the caller.
const WAIT_TOTAL_MAX: SignedDuration = SignedDuration::from_mins(15);

/// How far into a refusal's body a time is looked for, in bytes.
const HINT_BYTES_MAX: usize = 4 << 10;

/// What is left of the patience with one request.
#[derive(Debug)]
pub(super) struct Patience {
    repeat: Repeat,
    attempts: u32,
    gateway: u32,
    conflicts: u32,
    waited: SignedDuration,
    doubtful: bool,
}

impl Patience {
    pub(super) const fn new(repeat: Repeat) -> Self {
        Self { repeat, attempts: 0, gateway: 0, conflicts: 0, waited: SignedDuration::ZERO, doubtful: false }
    }

    /// What the request's failure comes to, given the last attempt's. A refusal proves nothing about the
    /// attempts before it.
    pub(super) fn verdict(&self, last: HttpError) -> HttpError {
        if self.doubtful && last.applied() == Applied::No {
            return HttpError::Doubtful(Box::new(last));
        }
        last
    }

    /// Counts a failed attempt; says how long to wait before the next, or that there is none.
    pub(super) fn next_wait(&mut self, error: &HttpError, jitter: &Jitter) -> Option<SignedDuration> {
        self.attempts += 1;
        match error.refusal().map(|refusal| refusal.status) {
            Some(504) => self.gateway += 1,
            // What must not happen twice may be what the conflict is with, and what was read must be read anew.
            Some(409 | 412) if self.repeat != Repeat::Safe => return None,
            Some(409 | 412) => self.conflicts += 1,
            _ => {}
        }
        if self.conflicts > CONFLICT_REPEATS_MAX {
            return None;
        }
        let allowed = match self.repeat {
            Repeat::Safe | Repeat::Merged => true,
            Repeat::Unsafe => error.applied() == Applied::No,
            Repeat::Never => false,
        };
        if !allowed || self.attempts >= ATTEMPTS_MAX || self.gateway > GATEWAY_REPEATS_MAX {
            return None;
        }
        let wait = match error.retry() {
            Retry::Never => return None,
            Retry::After(wait) => jitter.above(wait.max(WAIT_MIN)),
            Retry::Backoff => jitter.below(backoff(self.attempts)),
        };
        self.waited = self.waited.saturating_add(wait);
        self.doubtful |= error.applied() == Applied::Unknown;
        (self.waited <= WAIT_TOTAL_MAX).then_some(wait)
    }
}

/// The longest wait after the n-th failure, n from 1.
fn backoff(failures: u32) -> SignedDuration {
    let doublings = failures.saturating_sub(1).min(16);
    BACKOFF_BASE.saturating_mul(1_i32 << doublings).min(BACKOFF_MAX)
}

/// Random numbers that spread the waits of many clients. Seedable, so that a test can repeat itself;
/// nothing secret depends on it (`SplitMix64`).
#[derive(Debug)]
pub struct Jitter(AtomicU64);

impl Jitter {
    /// Starts at a seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Starts anywhere.
    #[must_use]
    pub fn random() -> Self {
        let (seed, _rest) = uuid::Uuid::new_v4().as_u64_pair();
        Self::seeded(seed)
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Anything from nothing to `most` (full jitter).
    fn below(&self, most: SignedDuration) -> SignedDuration {
        let most = u64::try_from(most.as_millis()).unwrap_or(0);
        let millis = self.next() % most.saturating_add(1);
        SignedDuration::from_millis(i64::try_from(millis).unwrap_or(0))
    }

    /// `least` and up to a tenth more: never before the time the server named.
    fn above(&self, least: SignedDuration) -> SignedDuration {
        least.saturating_add(self.below(least / 10))
    }
}

/// Reads how long an answer asks to wait: from `Retry-After` (seconds or a date), else from a
/// sentence of the body. Never negative.
///
/// Source: RFC 9110 §10.2.3; the sentences are those of the hunting and Defender for Endpoint APIs
/// ("You can run queries again in 9 minutes", "maximum allowed 45 per 00:01:00").
#[must_use]
pub fn retry_after(header: Option<&str>, body: &[u8], now: Timestamp) -> Option<SignedDuration> {
    header.and_then(|value| from_header(value.trim(), now)).or_else(|| from_body(body))
}

fn from_header(value: &str, now: Timestamp) -> Option<SignedDuration> {
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(SignedDuration::from_secs(seconds.into()));
    }
    Some(now.duration_until(date(value)?).max(SignedDuration::ZERO))
}

/// Words after which a time stands.
const LEADS: [&str; 6] = ["again in", "retry after", "retry in", "try after", "wait for", "wait"];

fn from_body(body: &[u8]) -> Option<SignedDuration> {
    let head = body.get(..body.len().min(HINT_BYTES_MAX))?;
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    for lead in LEADS {
        for (_, after) in
            text.match_indices(lead).filter_map(|(at, _)| text.split_at_checked(at + lead.len()))
        {
            if let Some(length) = length(after) {
                return Some(length);
            }
        }
    }
    // A quota names its window, not the end of it: the window is the longest wait that can be needed.
    let (_, window) = text.split_once("maximum allowed")?.1.split_once(" per ")?;
    clock_face(window.split_whitespace().next()?).map(|length| length.min(WAIT_TOTAL_MAX))
}

/// Reads `23 seconds`, `1 minute 5 seconds`, `9m`, `00:05:00` at the start of a text.
fn length(text: &str) -> Option<SignedDuration> {
    let mut total: Option<SignedDuration> = None;
    let mut rest = text.trim_start_matches([' ', ':', '"']);
    if let Some(length) = rest.split_whitespace().next().and_then(clock_face) {
        return Some(length);
    }
    // Two parts at most: hours and minutes, minutes and seconds.
    for _part in 0..2 {
        let Some((amount, after)) = number(rest) else { break };
        let after = after.trim_start();
        let unit: String = after.chars().take_while(char::is_ascii_alphabetic).collect();
        let Some(part) = unit_of(&unit, amount) else { break };
        total = Some(total.unwrap_or(SignedDuration::ZERO).saturating_add(part));
        rest = after.get(unit.len()..)?.trim_start_matches([' ', ',']).trim_start_matches("and ");
    }
    total
}

/// Splits a whole number of at most six digits off the start; a fraction is dropped.
fn number(text: &str) -> Option<(i64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    let number = (1..=6).contains(&digits).then(|| number.parse().ok()).flatten()?;
    let rest = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|c: char| c.is_ascii_digit()) => {
            fraction.trim_start_matches(|c: char| c.is_ascii_digit())
        }
        _ => rest,
    };
    Some((number, rest))
}

fn unit_of(unit: &str, amount: i64) -> Option<SignedDuration> {
    match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => Some(SignedDuration::from_secs(amount)),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(SignedDuration::from_mins(amount)),
        "h" | "hour" | "hours" => Some(SignedDuration::from_hours(amount)),
        _ => None,
    }
}

/// Reads `hh:mm:ss`, with or without a fraction.
fn clock_face(text: &str) -> Option<SignedDuration> {
    let text = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let mut parts =
        whole.split(':').map(|part| (part.len() == 2).then(|| part.parse::<i64>().ok()).flatten());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then(|| SignedDuration::from_secs(hours * 3600 + minutes * 60 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Refusal;

    #[track_caller]
    fn check(header: Option<&str>, body: &str, wanted: Option<i64>) {
        let now = "2026-01-10T12:00:00Z".parse().unwrap();
        let found = retry_after(header, body.as_bytes(), now);
        assert_eq!(found.map(|length| length.as_secs()), wanted, "{header:?} {body:?}");
    }

    #[test]
    fn the_header_is_seconds_or_a_date() {
        check(Some("23"), "", Some(23));
        check(Some(" 0 "), "", Some(0));
        check(Some("Sat, 10 Jan 2026 12:00:42 GMT"), "", Some(42));
        check(Some("Sat, 10 Jan 2026 11:00:00 GMT"), "", Some(0));
        check(Some("soon"), "", None);
        check(Some("-5"), "", None);
        check(Some("99999999999999999999"), "", None);
        check(None, "", None);
    }

    #[test]
    fn the_body_says_it_in_a_sentence() {
        check(None, "You can run queries again in 9 minutes.", Some(540));
        check(None, "You can run queries again in 00:07:30.1234567.", Some(450));
        check(None, r#"{"error":{"message":"Try again in 23 seconds"}}"#, Some(23));
        check(None, "please retry after 1 minute and 5 seconds, thanks", Some(65));
        check(None, "wait 2h", Some(7200));
        check(None, "wait for it; try again in 3s", Some(3));
        check(None, "API calls quota exceeded! maximum allowed 45 per 00:01:00", Some(60));
        check(None, "API calls quota exceeded! maximum allowed 1500 per 01:00:00", Some(900));
    }

    #[test]
    fn a_body_without_a_time_says_nothing() {
        for text in [
            "Please retry after",
            "again in a while",
            "wait 5",
            "retry in 1234567 seconds",
            "wait 5 apples",
            "\u{ff}\u{0}",
        ] {
            check(None, text, None);
        }
        // The header wins.
        check(Some("7"), "try again in 23 seconds", Some(7));
    }

    fn refused(status: u16, wait: Option<i64>) -> HttpError {
        HttpError::Refused {
            request: "GET x".to_owned(),
            refusal: Box::new(Refusal {
                status,
                wait: wait.map(SignedDuration::from_secs),
                body: bytes::Bytes::new(),
                headers: http::HeaderMap::new(),
            }),
        }
    }

    /// How many repeats a failure that never ends gets.
    #[track_caller]
    fn repeats(repeat: Repeat, error: &HttpError) -> usize {
        let (mut patience, jitter) = (Patience::new(repeat), Jitter::seeded(7));
        std::iter::from_fn(|| patience.next_wait(error, &jitter)).count()
    }

    fn lost() -> HttpError {
        HttpError::Lost { request: "POST x".to_owned(), source: "reset".into() }
    }

    fn unconnected() -> HttpError {
        HttpError::Connect { request: "POST x".to_owned(), source: "refused".into() }
    }

    #[test]
    fn a_read_is_repeated_after_whatever_may_pass() {
        for status in [429, 500, 502, 503] {
            assert_eq!(repeats(Repeat::Safe, &refused(status, None)), 4, "{status}");
        }
        assert_eq!(repeats(Repeat::Safe, &lost()), 4);
        assert_eq!(repeats(Repeat::Safe, &unconnected()), 4);
        for status in [409, 412, 504] {
            assert_eq!(repeats(Repeat::Safe, &refused(status, None)), 1, "{status}");
        }
        for status in [301, 400, 401, 403, 404, 410, 414, 501, 507] {
            assert_eq!(repeats(Repeat::Safe, &refused(status, None)), 0, "{status}");
        }
    }

    #[test]
    fn a_write_is_repeated_only_when_it_was_not_applied() {
        assert_eq!(repeats(Repeat::Unsafe, &refused(429, Some(1))), 4);
        assert_eq!(repeats(Repeat::Unsafe, &unconnected()), 4);
        for error in [refused(500, None), refused(503, Some(1)), refused(408, None), lost()] {
            assert_eq!(repeats(Repeat::Unsafe, &error), 0, "{error}");
            assert_eq!(error.applied(), Applied::Unknown);
        }
        assert_eq!(repeats(Repeat::Unsafe, &refused(409, None)), 0);
        assert_eq!(repeats(Repeat::Merged, &refused(409, None)), 0);
        assert_eq!(repeats(Repeat::Merged, &refused(502, None)), 4);
        assert_eq!(repeats(Repeat::Never, &refused(429, None)), 0);
    }

    #[test]
    fn the_servers_word_is_never_undercut_and_patience_ends() {
        let (mut patience, jitter) = (Patience::new(Repeat::Safe), Jitter::seeded(1));
        let wait = patience.next_wait(&refused(429, Some(30)), &jitter).unwrap();
        assert!((30_000..=33_000).contains(&wait.as_millis()), "{wait:?}");
        let wait = patience.next_wait(&refused(429, Some(0)), &jitter).unwrap();
        assert!(wait >= WAIT_MIN);
        assert_eq!(patience.next_wait(&refused(429, Some(3600)), &jitter), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let waits = |seed| {
            let (mut patience, jitter) = (Patience::new(Repeat::Safe), Jitter::seeded(seed));
            std::iter::from_fn(|| patience.next_wait(&lost(), &jitter)).collect::<Vec<_>>()
        };
        assert_eq!(waits(5), waits(5));
        assert_ne!(waits(5), waits(6));
        for (n, wait) in waits(5).into_iter().enumerate() {
            assert!(wait <= backoff(u32::try_from(n).unwrap() + 1));
        }
    }
}
