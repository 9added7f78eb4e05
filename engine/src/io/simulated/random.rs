//! Chance from a seed: the same seed, the same run.

use std::time::Duration;

/// SplitMix64: 64 bits of state, no weak seeds, and enough for tests.
#[derive(Debug, Clone)]
pub(in crate::io) struct Random(u64);

impl Random {
    pub(in crate::io) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(in crate::io) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, or 0 if that is 0.
    pub(in crate::io) fn below(&mut self, end: usize) -> usize {
        let scaled = (u128::from(self.next()) * end as u128) >> 64;
        usize::try_from(scaled).expect("a share of a usize is one")
    }

    /// A number from 1 to `end`.
    pub(in crate::io) fn piece(&mut self, end: usize) -> usize {
        1 + self.below(end)
    }

    /// True in `per_mille` of 1000 cases. Never draws for 0, so that switching a fault on changes
    /// nothing that comes before its first effect.
    pub(in crate::io) fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.below(1000) < per_mille as usize
    }

    /// A time up to `max`.
    pub(in crate::io) fn delay(&mut self, max: Duration) -> Duration {
        let nanos = usize::try_from(max.as_nanos()).expect("delays are seconds at most");
        Duration::from_nanos(self.below(nanos + 1) as u64)
    }
}
