//! Sequence numbers: 31 bits that wrap from 2³¹ − 1 to 0.

use std::fmt;

/// A record's number within a partition and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sequence(i32);

const MASK: u32 = 0x7fff_ffff;

impl Sequence {
    /// Where an epoch begins.
    pub const ZERO: Self = Self(0);
    /// A distance of this much or more means: before, not behind.
    pub const HALF: u32 = 1 << 30;

    /// A sequence from the wire or the state file; `None` where it is negative.
    pub fn new(value: i32) -> Option<Self> {
        (value >= 0).then_some(Self(value))
    }

    /// The number on the wire.
    pub fn value(self) -> i32 {
        self.0
    }

    /// `count` records on.
    pub fn plus(self, count: u32) -> Self {
        Self::masked(self.0.cast_unsigned().wrapping_add(count))
    }

    /// `count` records back.
    pub fn minus(self, count: u32) -> Self {
        Self::masked(self.0.cast_unsigned().wrapping_sub(count))
    }

    /// How many records `self` lies behind `earlier`, modulo 2³¹.
    pub fn distance_from(self, earlier: Self) -> u32 {
        self.0
            .cast_unsigned()
            .wrapping_sub(earlier.0.cast_unsigned())
            & MASK
    }

    fn masked(value: u32) -> Self {
        Self((value & MASK).cast_signed())
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who produces: what the broker keys its memory of sequences by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// From InitProducerId.
    pub producer_id: i64,
    /// Ours to raise, for a hole.
    pub epoch: i16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_two_to_the_31() {
        let last = Sequence::new(i32::MAX).unwrap();
        assert_eq!(last.plus(1), Sequence::ZERO);
        assert_eq!(Sequence::ZERO.minus(1), last);
        assert_eq!(Sequence::ZERO.plus(4).distance_from(last.minus(1)), 6);
        assert!(last.distance_from(Sequence::ZERO) >= Sequence::HALF);
    }
}
