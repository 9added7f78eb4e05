//! Which partition a record belongs to: by its chunk of the input, or by its key in the ways of the
//! Java producer and of librdkafka, under librdkafka's names.
//!
//! A key must land where other producers put it, so the hashes are bit for bit theirs. Where their
//! rule is "at random", the answer here is `None`: the caller decides, by chunk, and so the same on
//! every run.

use std::fmt;
use std::str::FromStr;

/// The partition of chunk `chunk` of the input: the chunks go around, starting at `base`.
///
/// # Panics
///
/// If there are no partitions.
pub fn partition_by_chunk(base: u32, chunk: u64, partitions: u32) -> u32 {
    assert!(partitions > 0, "a topic has partitions");
    let count = u64::from(partitions);
    ((u64::from(base) % count + chunk % count) % count) as u32
}

/// How a key names a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Partitioner {
    /// Keys decide nothing.
    Random,
    /// CRC-32; no key counts as an empty one.
    Consistent,
    /// CRC-32; neither no key nor an empty one decides. librdkafka's and kcat's default.
    ConsistentRandom,
    /// Murmur2; no key counts as an empty one.
    Murmur2,
    /// Murmur2; no key decides nothing, an empty one is a key. The Java producer's default.
    #[default]
    Murmur2Random,
    /// FNV-1a; no key counts as an empty one.
    Fnv1a,
    /// FNV-1a; no key decides nothing, an empty one is a key.
    Fnv1aRandom,
}

impl Partitioner {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Random,
        Self::Consistent,
        Self::ConsistentRandom,
        Self::Murmur2,
        Self::Murmur2Random,
        Self::Fnv1a,
        Self::Fnv1aRandom,
    ];

    /// librdkafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Consistent => "consistent",
            Self::ConsistentRandom => "consistent_random",
            Self::Murmur2 => "murmur2",
            Self::Murmur2Random => "murmur2_random",
            Self::Fnv1a => "fnv1a",
            Self::Fnv1aRandom => "fnv1a_random",
        }
    }

    /// The partition of a record with that key, of `partitions`; `None` where the key does not
    /// decide.
    ///
    /// # Panics
    ///
    /// If there are no partitions.
    pub fn partition(self, key: Option<&[u8]>, partitions: u32) -> Option<u32> {
        assert!(partitions > 0, "a topic has partitions");
        let hash = match self {
            Self::Random => return None,
            Self::Consistent => crc32(key.unwrap_or_default()),
            Self::ConsistentRandom => crc32(key.filter(|key| !key.is_empty())?),
            Self::Murmur2 => positive(murmur2(key.unwrap_or_default())),
            Self::Murmur2Random => positive(murmur2(key?)),
            Self::Fnv1a => fnv1a(key.unwrap_or_default()),
            Self::Fnv1aRandom => fnv1a(key?),
        };
        Some(hash % partitions)
    }
}

impl fmt::Display for Partitioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no partitioner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown partitioner {0:?}: expected random, consistent, consistent_random, murmur2, \
     murmur2_random, fnv1a or fnv1a_random"
)]
pub struct UnknownPartitioner(String);

impl FromStr for Partitioner {
    type Err = UnknownPartitioner;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .into_iter()
            .find(|partitioner| partitioner.name() == name);
        found.ok_or_else(|| UnknownPartitioner(name.to_owned()))
    }
}

/// Murmur2 as the Java producer hashes keys: 32 bits, with Kafka's seed, as a Java `int`.
pub fn murmur2(key: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;

    let mut hash = SEED ^ key.len() as u32;
    let (words, tail) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (index, &byte) in tail.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ (hash >> 15)) as i32
}

/// Java's way out of negative hashes: the sign bit goes.
fn positive(hash: i32) -> u32 {
    hash as u32 & 0x7fff_ffff
}

fn crc32(key: &[u8]) -> u32 {
    crc_fast::crc32_iso_hdlc(key)
}

/// FNV-1a of 32 bits, then the absolute value as a signed number, as Sarama does and librdkafka
/// after it.
fn fnv1a(key: &[u8]) -> u32 {
    const OFFSET: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;

    let hash = key.iter().fold(OFFSET, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(PRIME)
    });
    (hash as i32).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Java's own test vectors, and Java's values for the keys of librdkafka's tests.
    #[test]
    fn murmur2_is_javas() {
        let check = |key: &str, expected: i32| assert_eq!(murmur2(key.as_bytes()), expected);
        check("21", -973_932_308);
        check("foobar", -790_332_482);
        check("a-little-bit-long-string", -985_981_536);
        check("a-little-bit-longer-string", -1_486_304_829);
        check(
            "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
            -58_897_971,
        );
        check("abc", 479_470_107);
        check("kafka", 0xd067_cf64_u32 as i32);
        check("234", 0xe7c0_09ca_u32 as i32);
        check("", 0x106e_08d9);
    }

    #[test]
    fn fnv1a_is_saramas() {
        let check = |key: &str, expected: u32| assert_eq!(fnv1a(key.as_bytes()), expected);
        check("kafka", 0x0d33_c4e1);
        check("giberish123456789", 0x77a5_8295);
        check("1234", 0x023b_dd03);
        check("", 0x7ee3_623b);
    }

    /// What librdkafka's own test expects of its partitioners, for the same keys.
    #[test]
    fn names_and_rules_are_librdkafkas() {
        let keys: [Option<&str>; 5] = [
            None,
            Some(""),
            Some("23456"),
            Some("this is another string with more length to it perhaps"),
            Some("hejsan"),
        ];
        let check = |name: &str, hashes: [Option<u32>; 5]| {
            let partitioner: Partitioner = name.parse().unwrap();
            assert_eq!(partitioner.to_string(), name);
            for partitions in [1, 7, 17, 10_000] {
                for (key, hash) in keys.iter().zip(hashes) {
                    let actual = partitioner.partition(key.map(str::as_bytes), partitions);
                    assert_eq!(
                        actual,
                        hash.map(|hash| hash % partitions),
                        "{name}: {key:?}"
                    );
                }
            }
        };
        let crc = [0, 0, 0xb1b4_51d7, 0xb015_0df7, 0xd077_037e].map(Some);
        let murmur = [
            0x106e_08d9,
            0x106e_08d9,
            0x058d_780f,
            0x4f77_03da,
            0x5ec1_9395,
        ]
        .map(Some);
        let fnv = [
            0x7ee3_623b,
            0x7ee3_623b,
            0x27e6_f469,
            0x155e_3e5f,
            0x17b1_e27a,
        ]
        .map(Some);
        check("random", [None; 5]);
        check("consistent", crc);
        check("consistent_random", [None, None, crc[2], crc[3], crc[4]]);
        check("murmur2", murmur);
        check(
            "murmur2_random",
            [None, murmur[1], murmur[2], murmur[3], murmur[4]],
        );
        check("fnv1a", fnv);
        check("fnv1a_random", [None, fnv[1], fnv[2], fnv[3], fnv[4]]);
        assert_eq!(
            "murmur3".parse::<Partitioner>(),
            Err(UnknownPartitioner("murmur3".into()))
        );
        assert_eq!(Partitioner::default().name(), "murmur2_random");
    }

    #[test]
    fn chunks_go_around_from_the_base() {
        let around: Vec<u32> = (0..7)
            .map(|chunk| partition_by_chunk(2, chunk, 3))
            .collect();
        assert_eq!(around, [2, 0, 1, 2, 0, 1, 2]);
        assert_eq!(partition_by_chunk(u32::MAX, u64::MAX, 1), 0);
        assert_eq!(partition_by_chunk(u32::MAX, u64::MAX, 10), 0);
    }
}
