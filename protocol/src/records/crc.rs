//! CRC-32C (Castagnoli), the checksum of record batches: whole, in pieces, and of two pieces whose
//! checksums are known.
//!
//! The work is `crc-fast`'s, which finds out once per process what the processor can do; a call
//! costs a few cached tests on top of the bytes.

use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// A checksum whose bytes come in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crc32c {
    /// The register, not yet inverted.
    state: u32,
}

impl Crc32c {
    /// Nothing taken yet.
    pub fn new() -> Self {
        Self { state: u32::MAX }
    }

    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        let state = u64::from(self.state);
        let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, state);
        digest.update(bytes);
        self.state = digest.get_state() as u32;
    }

    /// The checksum of all that was taken.
    pub fn value(self) -> u32 {
        !self.state
    }
}

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

/// The checksum of `a` followed by `b`, from the checksums of both and the length of `b`.
///
/// A checksum is a polynomial modulo P, and `len_b` more bytes multiply `a`'s by x^(8·len_b). That
/// power is found by squaring, so the cost grows with the length's bits, not with its bytes.
pub fn combine(crc_a: u32, crc_b: u32, len_b: u64) -> u32 {
    let mut shifted = crc_a;
    let mut left = len_b;
    let mut power = X_TO_8;
    while left != 0 {
        if left & 1 != 0 {
            shifted = multiply(shifted, power);
        }
        power = multiply(power, power);
        left >>= 1;
    }
    shifted ^ crc_b
}

/// Castagnoli's polynomial, its bits reflected: bit 31 is x^0.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// x^8 in the same notation.
const X_TO_8: u32 = 1 << (31 - 8);

/// The product of two polynomials modulo P.
fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    for bit in (0..32).rev() {
        if a >> bit & 1 != 0 {
            product ^= b;
        }
        b = (b >> 1) ^ if b & 1 != 0 { POLYNOMIAL } else { 0 };
    }
    product
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, bit by bit.
    fn naive(bytes: &[u8]) -> u32 {
        let mut state = u32::MAX;
        for &byte in bytes {
            state ^= u32::from(byte);
            for _ in 0..8 {
                state = (state >> 1) ^ if state & 1 != 0 { POLYNOMIAL } else { 0 };
            }
        }
        !state
    }

    /// The vectors of RFC 3720 (iSCSI), B.4, and the catalogue's check value.
    #[test]
    fn known_vectors() {
        let up: Vec<u8> = (0..32).collect();
        let down: Vec<u8> = (0..32).rev().collect();
        let check = |bytes: &[u8], expected: u32| {
            assert_eq!(crc32c(bytes), expected);
            assert_eq!(naive(bytes), expected);
            assert_eq!(::crc32c::crc32c(bytes), expected);
        };
        check(b"", 0);
        check(b"123456789", 0xe306_9283);
        check(&[0; 32], 0x8a91_36aa);
        check(&[0xff; 32], 0x62a8_ab43);
        check(&up, 0x46dd_794e);
        check(&down, 0x113f_db5c);
    }

    proptest! {
        #[test]
        fn pieces_and_combination_equal_the_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..3000),
            cut in any::<prop::sample::Index>(),
        ) {
            let (a, b) = bytes.split_at(cut.index(bytes.len() + 1));
            let whole = crc32c(&bytes);
            prop_assert_eq!(whole, naive(&bytes));
            let mut pieces = Crc32c::new();
            pieces.update(a);
            pieces.update(b);
            prop_assert_eq!(pieces.value(), whole);
            prop_assert_eq!(combine(crc32c(a), crc32c(b), b.len() as u64), whole);
        }
    }

    #[test]
    fn long_inputs_agree_with_the_other_crate() {
        let bytes: Vec<u8> = (0..1_000_003_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        assert_eq!(crc32c(&bytes), ::crc32c::crc32c(&bytes));
        let (a, b) = bytes.split_at(777_777);
        assert_eq!(
            combine(crc32c(a), crc32c(b), b.len() as u64),
            crc32c(&bytes)
        );
    }
}
