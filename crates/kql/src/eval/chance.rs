//! Random numbers that are the same in each run with the same seed.

use std::cell::Cell;

/// A sequence of random numbers (`SplitMix64`, public domain, by Sebastiano Vigna).
#[derive(Debug)]
pub(super) struct Chance(Cell<u64>);

impl Chance {
    /// Begins a sequence.
    pub(super) const fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// Returns the next 64 bits.
    pub(super) fn bits(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns the next real from 0 up to but without 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are a real")]
    pub(super) fn real(&self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns the next whole number below `end`; zero if `end` is zero.
    pub(super) fn below(&self, end: usize) -> usize {
        let wide = u128::from(self.bits()) * end as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}
