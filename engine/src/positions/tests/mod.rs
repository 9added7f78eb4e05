//! What crosses the borders of the store's files.

mod crash;
mod hostile;
mod kill;
mod store;

/// A seed that is printed by whoever fails, from the environment when one is to be seen again.
fn seed() -> u64 {
    let seed = match std::env::var("RINGMAIN_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => u64::from_le_bytes(super::FileId::random().0[..8].try_into().unwrap()),
    };
    println!("RINGMAIN_SEED={seed}");
    seed
}

/// Reproducible numbers, good enough to choose crash states by.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
