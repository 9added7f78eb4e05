//! A fingerprint of records in order: what a partition should hold, and what it holds, in 16 bytes.
//!
//! It covers keys, values and headers, tells nothing from empty, and knows where each begins and ends.
//! Two sequences of records that differ have different fingerprints but by an accident of about 2⁻⁶⁴; it
//! is no defence against somebody who looks for one. Fingerprints of equal records are equal everywhere and
//! for good: they may be noted in files.
//!
//! Sixteen bytes are taken by a multiplication of 64 by 64 bits whose halves are folded together; what
//! was there before is added, so that no input wipes it out.

/// The first 64 bits behind the point of the square roots of 2, 3, 5, 7 and 11.
const ROOTS: [u64; 5] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
];
/// In place of what is not there.
const NOTHING: u64 = 0x9b05_688c_2b3e_6c1f;

const BLOCK_BYTES: usize = 16;
/// As many blocks at a time as have nothing to wait for of each other.
const STRIPE_BYTES: usize = 4 * BLOCK_BYTES;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline]
fn mix(state: u64, low: u64, high: u64) -> u64 {
    fold(state ^ low ^ ROOTS[0], high ^ ROOTS[1]).wrapping_add(state.rotate_left(23))
}

#[inline]
fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

#[inline]
fn absorb(state: u64, block: &[u8; BLOCK_BYTES]) -> u64 {
    let ([low, high], _) = block.as_chunks() else {
        unreachable!("a block has two words");
    };
    mix(state, word(low), word(high))
}

/// The four states of a value that is longer than a stripe.
#[derive(Debug, Clone, Copy)]
struct Stripes([u64; 4]);

impl Stripes {
    const START: Self = Self([ROOTS[0], ROOTS[1], ROOTS[2], ROOTS[3]]);

    #[inline]
    fn absorb(self, stripe: &[u8; STRIPE_BYTES]) -> Self {
        let (blocks, _) = stripe.as_chunks();
        let mut index = 0;
        Self(self.0.map(|state| {
            index += 1;
            absorb(state, &blocks[index - 1])
        }))
    }

    #[inline]
    fn state(self) -> u64 {
        let [a, b, c, d] = self.0;
        mix(mix(ROOTS[3], a, b), c, d)
    }
}

/// What is left behind the stripes, less than one, and the length of all.
#[inline]
fn close(state: u64, rest: &[u8], bytes: u64) -> u64 {
    let (blocks, rest) = rest.as_chunks();
    let state = blocks.iter().fold(state, absorb);
    let (low, high) = ends(rest);
    mix(mix(state, low, high), bytes ^ ROOTS[2], state)
}

/// Fewer bytes than a block as two words: every byte is in one of them, some may be in both.
#[inline]
fn ends(rest: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (rest.first_chunk(), rest.last_chunk()) {
        return (word(first), word(last));
    }
    let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    if let (Some(first), Some(last)) = (rest.first_chunk(), rest.last_chunk()) {
        return (half(first), half(last));
    }
    let byte = |index: usize| rest.get(index).map_or(0, |&byte| u64::from(byte));
    (byte(0) | byte(1) << 8 | byte(2) << 16, 0)
}

/// A key, value, header name or header value.
#[inline]
fn blob(bytes: Option<&[u8]>) -> u64 {
    let Some(bytes) = bytes else {
        return NOTHING;
    };
    let (stripes, rest) = bytes.as_chunks();
    let state = if stripes.is_empty() {
        ROOTS[3]
    } else {
        stripes
            .iter()
            .fold(Stripes::START, |s, stripe| s.absorb(stripe))
            .state()
    };
    close(state, rest, bytes.len() as u64)
}

/// A value that comes in pieces, for one that no buffer holds.
#[derive(Debug, Clone)]
pub struct ValueHash {
    stripes: Option<Stripes>,
    pending: [u8; STRIPE_BYTES],
    /// How many of those.
    filled: usize,
    bytes: u64,
}

impl Default for ValueHash {
    fn default() -> Self {
        Self {
            stripes: None,
            pending: [0; STRIPE_BYTES],
            filled: 0,
            bytes: 0,
        }
    }
}

impl ValueHash {
    /// The next bytes of the value.
    pub fn update(&mut self, mut piece: &[u8]) {
        self.bytes += piece.len() as u64;
        if self.filled > 0 {
            let taken = piece.len().min(STRIPE_BYTES - self.filled);
            let (head, rest) = piece.split_at(taken);
            self.pending[self.filled..][..taken].copy_from_slice(head);
            self.filled += taken;
            piece = rest;
            if self.filled < STRIPE_BYTES {
                return;
            }
            let stripe = self.pending;
            self.absorb(&stripe);
        }
        let (stripes, rest) = piece.as_chunks();
        stripes.iter().for_each(|stripe| self.absorb(stripe));
        self.pending[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    fn absorb(&mut self, stripe: &[u8; STRIPE_BYTES]) {
        let stripes = self.stripes.unwrap_or(Stripes::START);
        self.stripes = Some(stripes.absorb(stripe));
    }

    fn finish(&self) -> u64 {
        let state = self.stripes.map_or(ROOTS[3], Stripes::state);
        close(state, &self.pending[..self.filled], self.bytes)
    }
}

/// The fingerprint of the records so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHash {
    chain: u64,
    sum: u64,
    records: u64,
}

impl Default for RecordHash {
    fn default() -> Self {
        Self {
            chain: ROOTS[4],
            sum: 0,
            records: 0,
        }
    }
}

impl RecordHash {
    /// No records yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A record without key and headers.
    #[inline]
    pub fn add_value(&mut self, value: &[u8]) {
        self.push(NOTHING, blob(Some(value)));
    }

    /// A record without key and headers whose value came in pieces.
    pub fn add_pieces(&mut self, value: &ValueHash) {
        self.push(NOTHING, value.finish());
    }

    /// A record.
    #[inline]
    pub fn add<'a>(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) {
        let mut content = blob(value);
        for (name, value) in headers {
            content = mix(content, blob(Some(name)), blob(value));
        }
        self.push(blob(key), content);
    }

    #[inline]
    fn push(&mut self, key: u64, content: u64) {
        let record = mix(ROOTS[4], key, content);
        self.chain = mix(self.chain, record, self.sum);
        self.sum = self.sum.rotate_left(7).wrapping_add(record);
        self.records += 1;
    }

    /// How many records they are.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The fingerprint.
    pub fn digest(&self) -> RecordDigest {
        let (a, b) = (mix(self.chain, self.sum, self.records), self.sum);
        RecordDigest((u128::from(a) << 64) | u128::from(mix(a, b, self.chain)))
    }
}

/// A finished fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordDigest(pub u128);

impl std::fmt::Display for RecordDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    type Header = (Vec<u8>, Option<Vec<u8>>);
    type Record = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<Header>);

    fn digest(records: &[Record]) -> RecordDigest {
        let mut hash = RecordHash::new();
        for (key, value, headers) in records {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.as_slice(), value.as_deref()));
            hash.add(key.as_deref(), value.as_deref(), headers);
        }
        assert_eq!(hash.records(), records.len() as u64);
        hash.digest()
    }

    fn value(bytes: &[u8]) -> Record {
        (None, Some(bytes.to_vec()), Vec::new())
    }

    #[test]
    fn whatever_differs_has_another_fingerprint() {
        let (a, b) = (b"a".to_vec(), b"b".to_vec());
        let mut cases: Vec<Vec<Record>> = vec![
            vec![],
            vec![(None, None, vec![])],
            vec![(Some(vec![]), None, vec![])],
            vec![(None, Some(vec![]), vec![])],
            vec![(Some(vec![]), Some(vec![]), vec![])],
            vec![(Some(a.clone()), Some(b.clone()), vec![])],
            vec![(Some(b.clone()), Some(a.clone()), vec![])],
            vec![(Some(a.clone()), None, vec![])],
            vec![(None, Some(a.clone()), vec![])],
            vec![(None, Some(a.clone()), vec![(a.clone(), None)])],
            vec![(None, Some(a.clone()), vec![(a.clone(), Some(vec![]))])],
            vec![(None, Some(a.clone()), vec![(vec![], Some(a.clone()))])],
            vec![(
                None,
                Some(a.clone()),
                vec![(a.clone(), None), (b.clone(), None)],
            )],
            vec![(
                None,
                Some(a.clone()),
                vec![(b.clone(), None), (a.clone(), None)],
            )],
            vec![value(b"a"), value(b"b")],
            vec![value(b"b"), value(b"a")],
            vec![value(b"ab")],
            vec![value(b"ab"), value(b"")],
            vec![value(b""), value(b"ab")],
        ];
        // Zeros differ by their number alone.
        cases.extend((1..100).map(|bytes| vec![value(&vec![0; bytes])]));
        cases.extend((2..100).map(|records| vec![value(b""); records]));
        // One bit anywhere.
        let text: Vec<u8> = (0..67).collect();
        for bit in 0..text.len() * 8 {
            let mut text = text.clone();
            text[bit / 8] ^= 1 << (bit % 8);
            cases.push(vec![value(&text)]);
        }
        let mut seen = HashMap::new();
        for case in cases {
            if let Some(other) = seen.insert(digest(&case), case.clone()) {
                panic!("{case:?} and {other:?} have the same fingerprint");
            }
        }
    }

    #[test]
    fn fingerprints_stay_what_they_are() {
        let keyed: Record = (
            Some(b"key".to_vec()),
            None,
            vec![(b"name".to_vec(), Some(b"value".to_vec()))],
        );
        let check = |records: &[Record], expected: &str| {
            assert_eq!(digest(records).to_string(), expected, "{records:?}");
        };
        check(&[], "d3b6bae793ee512e36a92890a9efcf42");
        check(
            &[value(b"a line of more than sixteen bytes")],
            "773b8c14749721c463d0c99e715854b8",
        );
        check(
            &[value(b""), value(&(0..200).collect::<Vec<u8>>()), keyed],
            "ca5fc2399c6823344fc10f2a5d536e6b",
        );
    }

    proptest! {
        #[test]
        fn pieces_are_the_whole(
            value in prop::collection::vec(any::<u8>(), 0..200),
            cuts in prop::collection::vec(0_usize..200, 0..6),
        ) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut pieces = ValueHash::default();
            let mut from = 0;
            for cut in cuts {
                let to = cut.min(value.len());
                pieces.update(&value[from..to]);
                from = to;
            }
            pieces.update(&value[from..]);
            let (mut one, mut two, mut three) =
                (RecordHash::new(), RecordHash::new(), RecordHash::new());
            one.add_value(&value);
            two.add_pieces(&pieces);
            three.add(None, Some(&value), []);
            prop_assert_eq!(one, two);
            prop_assert_eq!(one, three);
        }

        #[test]
        fn an_exchange_of_any_two_records_shows(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 2..20),
            a in any::<prop::sample::Index>(),
            b in any::<prop::sample::Index>(),
        ) {
            let (a, b) = (a.index(records.len()), b.index(records.len()));
            prop_assume!(records[a] != records[b]);
            let hash = |records: &[Vec<u8>]| {
                let mut hash = RecordHash::new();
                records.iter().for_each(|record| hash.add_value(record));
                hash.digest()
            };
            let mut exchanged = records.clone();
            exchanged.swap(a, b);
            prop_assert_ne!(hash(&records), hash(&exchanged));
        }
    }
}
