//! Randomness for this crate's tests: a seed that is printed, and bytes broken the way hostile or
//! sick peers break them.

use std::hash::{BuildHasher, RandomState};

/// A small generator (splitmix64), the same everywhere for the same seed.
pub(crate) struct Random(u64);

impl Random {
    /// From `RINGMAIN_SEED`, else from a new seed; printed, so that a failing test shows it.
    pub(crate) fn seeded() -> Self {
        let seed = std::env::var("RINGMAIN_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| RandomState::new().hash_one(0));
        println!("RINGMAIN_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn text(&mut self, bytes_max: usize) -> String {
        (0..self.below(bytes_max + 1))
            .map(|_| char::from(b'a' + self.below(26) as u8))
            .collect()
    }

    /// Breaks `bytes` in one to three places: flipped bits, lengths and counts blown up, bytes put
    /// in, taken out or repeated, the end cut off.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.below(3) {
            let at = self.below(bytes.len() + 1);
            match self.below(7) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.next() as u8),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                3 => {
                    const LARGE: [&[u8]; 4] = [
                        &[0x7f, 0xff, 0xff, 0xff],
                        &[0xff, 0xff, 0xff, 0xff, 0x0f],
                        &[0xff, 0xff, 0xff, 0x07],
                        &[0x80, 0, 0, 0],
                    ];
                    let large = LARGE[self.below(LARGE.len())];
                    let end = (at + large.len()).min(bytes.len());
                    bytes.splice(at..end, large.iter().copied());
                }
                4 => {
                    let end = (at + self.below(40)).min(bytes.len());
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                _ if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                _ => {}
            }
        }
    }
}
