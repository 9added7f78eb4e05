//! The vectorised walk through records that are not compressed: from value to value, each copied
//! out with the delimiter behind it.
//!
//! ```text
//! length · attributes · timestamp delta · offset delta · key length · key · value length · value
//! · headers count · headers                                           (see `records`)
//! ```
//!
//! One load of 16 bytes shows where the varints at a record's start end, which mostly is where its
//! neighbour's did; the numbers that matter (its length, the offset delta, the key's and the
//! value's length) are found from there. Whatever is not as usual is left to
//! [`unframe`](crate::records::unframe), which reads that one record in safe code and says what is
//! wrong with it, if anything: a varint of more than three bytes, a start of more than 16, no value,
//! numbers out of their range, too little room for whole blocks. So nothing is accepted here that
//! is refused there, which the tests hold it to.
//!
//! JUSTIFICATION: `benches/unframing.rs` (against the reader and the crate `kafka-protocol`).

use std::arch::asm;
use std::arch::x86_64::{__m128i, _bzhi_u64, _mm_loadu_si128, _mm_movemask_epi8};

use super::super::simd::Block;
use super::{DELIMITER_BYTES_MAX, Job, Progress};
use crate::records::reader::are_headers;

/// The bytes of a [`Block`].
const BLOCK: usize = 64;
/// The bytes of a record's start that are looked at at once.
const START: usize = 16;
/// The longest varint that is read here.
const NUMBER_BYTES_MAX: u32 = 3;
/// The longest timestamp delta that is passed over here: it has 56 bits.
const TIMESTAMP_BYTES_MAX: u32 = 8;

// Behind a length, numbers are read as four bytes, wherever in a record's start they begin.
const _: () = assert!(NUMBER_BYTES_MAX as usize + START + size_of::<u32>() <= BLOCK);

/// Walks until there is a record that is not as usual, or no room.
///
/// # Safety
///
/// The processor has the instructions of `B`, and BMI2. To be inlined into a function that enables
/// them.
#[inline(always)]
pub(in crate::records::kernel) unsafe fn values<B: Block>(
    job: &Job<'_>,
    output: &mut [u8],
    progress: &mut Progress,
) {
    let section = job.section;
    let Some(reads_end) = section.len().checked_sub(BLOCK) else {
        return;
    };
    let Some(room) = output.len().checked_sub(BLOCK + DELIMITER_BYTES_MAX) else {
        return;
    };
    if progress.read > reads_end {
        return;
    }
    let delimiter = padded(job.delimiter);
    // SAFETY: the caller vouches for `B`.
    let needle = unsafe { B::needle(job.delimiter.first().copied().unwrap_or(0)) };
    let (input, output) = (section.as_ptr(), output.as_mut_ptr());
    let (reads_end, room_end) = (input.wrapping_add(reads_end), output.wrapping_add(room));
    let mut shape = Shape::UNKNOWN;
    let mut left = job.records_max;
    // The offset delta of the next record, if it is as expected.
    let mut least = progress.least;
    // Invariant: this is where the next record and its text begin, the former not behind
    // `reads_end`.
    let mut at = input.wrapping_add(progress.read);
    let mut to = output.wrapping_add(progress.written);
    while left > 0 {
        // SAFETY: `at` is not behind `reads_end`, and 64 bytes can be read there.
        let Some(found) = (unsafe { find(at, &mut shape, reads_end) }) else {
            break;
        };
        if found.delta != shape.delta_expected {
            let (delta, is_negative) = joined(found.delta);
            if is_negative || (delta as u32) < least {
                break;
            }
            least = delta as u32;
        }
        let text_end = to.wrapping_add(found.value_bytes);
        if least > job.last || text_end.addr() > room_end.addr() {
            break;
        }
        let value_end = found.value.wrapping_add(found.value_bytes);
        let place = |pointer: *const u8| pointer.addr().wrapping_sub(input.addr());
        // SAFETY: the place before the record's end is read only if it is the one behind the value.
        let is_bare = value_end.wrapping_add(1) == found.end && unsafe { value_end.read() } == 0;
        if !is_bare && !ends_in_headers(section, place(value_end), place(found.end)) {
            break;
        }
        // SAFETY: the value lies in the record, which ends 64 bytes or more before the section
        // does; value, a block and the delimiter's store have been found to fit into the output.
        let holds = unsafe { copy::<B>(found.value, to, found.value_bytes, needle) };
        if holds && job.holds_delimiter(&section[place(found.value)..place(value_end)]) {
            progress.holding = progress.holding.wrapping_add(1);
        }
        // SAFETY: see above; any place will do for an unaligned store.
        unsafe { text_end.cast::<u64>().write_unaligned(delimiter) };
        to = text_end.wrapping_add(job.delimiter.len());
        at = found.end;
        least = least.wrapping_add(1);
        shape.delta_expected = shape.next_delta(found.delta);
        left = left.wrapping_sub(1);
    }
    progress.read = at.addr().wrapping_sub(input.addr());
    progress.written = to.addr().wrapping_sub(output.addr());
    progress.records = job.records_max.wrapping_sub(left);
    progress.least = least;
}

/// A record as far as it was looked at.
#[derive(Clone, Copy)]
struct Found {
    /// The bytes of the offset delta's varint.
    delta: u32,
    /// Where the value begins: not far behind `end`, if at all.
    value: *const u8,
    /// At most 2^20.
    value_bytes: usize,
    /// Not behind the place that was given as the reads' end.
    end: *const u8,
}

/// How many bytes the numbers between a record's length and its key take, and what offset delta is
/// expected among them. Neighbours are mostly alike in that, so it is worked out anew only where
/// the bits that say that more bytes follow differ.
#[derive(Clone, Copy)]
struct Shape {
    /// The bytes up to the key's length, a bit each.
    bytes: u32,
    /// Those that say that more follow.
    continued: u32,
    /// Where the offset delta begins, and the bits of a number that it takes.
    delta_at: usize,
    delta_bits: u32,
    /// The varint of an offset delta that is one more than the record's before, if that one had
    /// this shape; else more than any. Where one more takes a byte more, its last byte says that
    /// it goes on, which that of no varint of this shape does.
    delta_expected: u32,
    /// Where the key's length begins, and how many bytes it takes.
    key_length_at: usize,
    key_length_bytes: usize,
}

impl Shape {
    /// No record has it.
    const UNKNOWN: Self = Self {
        bytes: 0,
        continued: 1,
        delta_at: 0,
        delta_bits: 0,
        delta_expected: u32::MAX,
        key_length_at: 0,
        key_length_bytes: 0,
    };

    /// From the bits of a record's first bytes behind its length.
    #[inline(never)]
    fn of(continued: u32) -> Option<Self> {
        // The attributes are a byte of their own, whatever is in it.
        let ends = !continued & 0xfffe;
        let timestamp_end = ends.trailing_zeros();
        let ends = ends & ends.wrapping_sub(1);
        let delta_end = ends.trailing_zeros();
        let ends = ends & ends.wrapping_sub(1);
        let key_length_end = ends.trailing_zeros();
        let delta_bytes = delta_end.wrapping_sub(timestamp_end);
        let key_length_bytes = key_length_end.wrapping_sub(delta_end);
        let is_usual = ends != 0
            && timestamp_end <= TIMESTAMP_BYTES_MAX
            && delta_bytes <= NUMBER_BYTES_MAX
            && key_length_bytes <= NUMBER_BYTES_MAX;
        let bytes = 2_u32.wrapping_shl(key_length_end).wrapping_sub(1);
        is_usual.then_some(Self {
            bytes,
            continued: continued & bytes,
            delta_at: timestamp_end as usize + 1,
            delta_bits: 1_u32.wrapping_shl(8 * delta_bytes).wrapping_sub(1),
            delta_expected: u32::MAX,
            key_length_at: delta_end as usize + 1,
            key_length_bytes: key_length_bytes as usize,
        })
    }

    /// The varint of one more. It is doubled, so it grows by two; where seven bits run over, the
    /// bit that says that more bytes follow carries the one on, and is set again.
    #[inline(always)]
    fn next_delta(&self, delta: u32) -> u32 {
        delta.wrapping_add(2) | (self.delta_bits >> 8 & 0x8080)
    }
}

/// The record at `at`, unless something about it is unusual.
///
/// # Safety
///
/// `at` is not behind `reads_end`, and 64 bytes can be read at every place up to that.
#[inline(always)]
unsafe fn find(at: *const u8, shape: &mut Shape, reads_end: *const u8) -> Option<Found> {
    // SAFETY: 64 bytes can be read at `at`.
    let (length, length_bytes) = unsafe { number(at) }?;
    let body = at.wrapping_add(length_bytes);
    let end = body.wrapping_add(length);
    if end.addr() > reads_end.addr() {
        return None;
    }
    // SAFETY: 60 of those bytes are left.
    let continued = unsafe { continued(body) };
    if continued & shape.bytes != shape.continued {
        *shape = Shape::of(continued)?;
    }
    // SAFETY: a shape reaches over 16 bytes at most, and a number over 4.
    let delta = unsafe {
        body.wrapping_add(shape.delta_at)
            .cast::<u32>()
            .read_unaligned()
    };
    let key_length = body.wrapping_add(shape.key_length_at);
    let mut value_length = key_length.wrapping_add(shape.key_length_bytes);
    // SAFETY: the same.
    if unsafe { key_length.read() } != NO_KEY {
        // SAFETY: the same.
        let (key, _) = unsafe { number(key_length) }?;
        value_length = value_length.wrapping_add(key);
        if value_length.addr() >= end.addr() {
            return None;
        }
    }
    // SAFETY: it lies before `end`, which is not behind `reads_end`, or right behind the shape.
    let (value_bytes, value_length_bytes) = unsafe { number(value_length) }?;
    Some(Found {
        delta: delta & shape.delta_bits,
        value: value_length.wrapping_add(value_length_bytes),
        value_bytes,
        end,
    })
}

/// The varint of −1.
const NO_KEY: u8 = 1;

/// One bit for each of the 16 bytes at `at` that says that more of a varint follow, the first
/// byte's the lowest.
///
/// # Safety
///
/// 16 bytes can be read at `at`.
#[inline(always)]
unsafe fn continued(at: *const u8) -> u32 {
    // SAFETY: the caller vouches for the bytes; every processor of this architecture has SSE2.
    let bytes = unsafe { _mm_loadu_si128(at.cast::<__m128i>()) };
    // SAFETY: the same.
    let bits = unsafe { _mm_movemask_epi8(bytes) };
    bits as u32
}

/// A number that is not negative, and the bytes of its varint. What comes behind it hangs on that,
/// so it is worth branches: processors go on with what they guess.
///
/// # Safety
///
/// 4 bytes can be read at `at`.
#[inline(always)]
unsafe fn number(at: *const u8) -> Option<(usize, usize)> {
    // SAFETY: the caller vouches for the bytes.
    let word = unsafe { at.cast::<u32>().read_unaligned() };
    if word & 1 != 0 {
        return None;
    }
    if word & 0x80 == 0 {
        return Some(((word >> 1 & 0x3f) as usize, 1));
    }
    if word & 0x8000 == 0 {
        return Some(((word >> 1 & 0x3f | word >> 2 & 0x1fc0) as usize, 2));
    }
    if word & 0x80_0000 == 0 {
        return Some((joined(word & 0x7f_ffff).0, 3));
    }
    None
}

/// The number in a varint of three bytes at most, and whether it is negative (and then another).
#[inline(always)]
fn joined(bytes: u32) -> (usize, bool) {
    let bits = (bytes & 0x7f) | ((bytes >> 1) & (0x7f << 7)) | ((bytes >> 2) & (0x7f << 14));
    ((bits / 2) as usize, bits & 1 != 0)
}

/// Whether there are headers from here to there, and nothing else.
#[inline(never)]
fn ends_in_headers(section: &[u8], from: usize, to: usize) -> bool {
    section.get(from..to).is_some_and(are_headers)
}

/// Copies a value in whole blocks and tells whether it holds the needle.
///
/// # Safety
///
/// The processor has the instructions of `B`, and BMI2. `bytes` + 64 bytes can be read at `from`
/// and written at `to`.
#[inline(always)]
unsafe fn copy<B: Block>(
    mut from: *const u8,
    mut to: *mut u8,
    bytes: usize,
    needle: B::Needle,
) -> bool {
    let mut left = bytes;
    let mut found = 0;
    loop {
        // SAFETY: not more than `bytes` lie behind, so 64 bytes can be read there.
        let block = unsafe { B::load(from) };
        // SAFETY: likewise written.
        unsafe { block.store(to) };
        // SAFETY: the caller vouches for `B`.
        let matches = unsafe { block.matches(needle) };
        if left <= BLOCK {
            // The bits of the value's bytes.
            // SAFETY: the caller vouches for BMI2.
            let matches = unsafe { _bzhi_u64(matches, left as u32) };
            return found | matches != 0;
        }
        found |= matches;
        left = left.wrapping_sub(BLOCK);
        from = from.wrapping_add(BLOCK);
        to = to.wrapping_add(BLOCK);
        // SAFETY: there is no instruction. The compiler would else make two loops of this one, the
        // first a call of `memcpy`, which takes longer than all else that a short value takes.
        unsafe { asm!("", options(nostack, preserves_flags)) };
    }
}

/// The delimiter as the lowest bytes of a number.
fn padded(delimiter: &[u8]) -> u64 {
    let mut bytes = [0; DELIMITER_BYTES_MAX];
    bytes[..delimiter.len()].copy_from_slice(delimiter);
    u64::from_le_bytes(bytes)
}
