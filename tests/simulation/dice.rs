//! Numbers that look random and are the same in every run.

use jiff::SignedDuration;

/// Numbers that look random and are the same for the same seed (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    /// Whether something happens that does so in so many of a thousand cases.
    pub(crate) fn hits(&mut self, in_thousand: u64) -> bool {
        self.below(1000) < in_thousand
    }

    pub(crate) fn seconds(&mut self, limit: u64) -> SignedDuration {
        SignedDuration::from_secs(i64::try_from(self.below(limit)).unwrap())
    }
}
