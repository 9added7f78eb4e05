//! Inputs made from whole ones: broken in a few places, spliced, now and then nothing but noise.

/// A small generator (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// An endless row of inputs.
pub(crate) struct Inputs {
    seeds: Vec<Vec<u8>>,
    random: Random,
    input: Vec<u8>,
}

/// Longer ones only take longer.
const BYTES_MAX: usize = 8 << 10;

impl Inputs {
    pub(crate) fn new(seeds: Vec<Vec<u8>>, seed: u64) -> Self {
        assert!(!seeds.is_empty(), "changes begin with something");
        Self {
            seeds,
            random: Random(seed),
            input: Vec::new(),
        }
    }

    pub(crate) fn next(&mut self) -> &[u8] {
        let random = &mut self.random;
        self.input.clear();
        if random.below(50) == 0 {
            let count = random.below(100);
            self.input.extend((0..count).map(|_| random.byte()));
            return &self.input;
        }
        let seed = &self.seeds[random.below(self.seeds.len())];
        self.input.extend_from_slice(seed);
        if random.below(20) == 0 {
            // One's beginning and another's end.
            let other = &self.seeds[random.below(self.seeds.len())];
            self.input.truncate(random.below(seed.len() + 1));
            self.input
                .extend_from_slice(&other[random.below(other.len() + 1)..]);
        }
        for _ in 0..1 + random.below(3) {
            change(&mut self.input, random);
        }
        self.input.truncate(BYTES_MAX);
        &self.input
    }
}

/// Lengths and counts blown up, bits flipped, bytes put in, taken out or repeated, the end cut off.
fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    const LARGE: [&[u8]; 7] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x80, 0, 0, 0],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0x07],
        &[0xff, 0xff, 0x03],
        &[0, 1, 0, 0],
        &[0xff; 8],
    ];
    let at = random.below(bytes.len() + 1);
    match random.below(9) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.byte()),
        2 if at < bytes.len() => drop(bytes.remove(at)),
        3 | 4 => {
            let large = LARGE[random.below(LARGE.len())];
            let end = (at + large.len()).min(bytes.len());
            bytes.splice(at..end, large.iter().copied());
        }
        5 => {
            let end = (at + random.below(40)).min(bytes.len());
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        6 if at < bytes.len() => bytes[at] = [0, 1, 2, 0x7f, 0x80, 0xff][random.below(6)],
        _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        _ => {}
    }
}
