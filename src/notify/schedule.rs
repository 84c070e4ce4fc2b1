//! When a message that failed is tried again.

use jiff::SignedDuration;

/// Waits before each attempt: the schedule Standard Webhooks 1.0.0 advises. It outlasts a weekend.
const WAITS: [SignedDuration; 10] = [
    SignedDuration::ZERO,
    SignedDuration::from_secs(5),
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(5),
    SignedDuration::from_hours(10),
    SignedDuration::from_hours(14),
    SignedDuration::from_hours(20),
    SignedDuration::from_hours(24),
];

/// Oldest age at which a message is still worth sending: the whole schedule, a little over three days. A
/// message that waited behind others of a dead channel has had fewer attempts, but ends with it too.
pub const AGE_MAX: SignedDuration = SignedDuration::from_hours(76);

/// The wait before the next attempt after `attempt` attempts have failed; `None` once there have been ten.
#[must_use]
pub fn schedule_after(attempt: u32) -> Option<SignedDuration> {
    WAITS.get(usize::try_from(attempt).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_ends_after_ten_attempts() {
        assert_eq!(schedule_after(0), Some(SignedDuration::ZERO));
        assert_eq!(schedule_after(1), Some(SignedDuration::from_secs(5)));
        assert_eq!(schedule_after(9), Some(SignedDuration::from_hours(24)));
        assert_eq!(schedule_after(10), None);
        assert_eq!(schedule_after(u32::MAX), None);
    }

    #[test]
    fn a_message_ages_out_after_its_whole_schedule() {
        let whole = WAITS.iter().fold(SignedDuration::ZERO, |sum, wait| sum + *wait);
        assert!(whole < AGE_MAX && AGE_MAX - whole < SignedDuration::from_hours(1), "{whole:#}");
    }
}
