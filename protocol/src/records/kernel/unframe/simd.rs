//! The vectorised walk through records that are not compressed: from value to value, each copied
//! out with the delimiter behind it.
//!
//! ```text
//! length · attributes · timestamp delta · offset delta · key length · key · value length · value
//! · headers count · headers                                           (see `records`)
//! ```
//!
//! One load of 16 bytes shows where the varints at a record's start end; the numbers that matter
//! (its length, the offset delta, the key's and the value's length) are put together from there.
//! Whatever is not as usual is left to [`unframe`](crate::records::unframe), which reads that one
//! record in safe code and says what is wrong with it, if anything: a varint of more than three
//! bytes, a start of more than 16, no value, numbers out of their range, too little room for whole
//! blocks. So nothing is accepted here that is refused there, which the tests hold it to.
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

// Numbers are read as eight bytes, wherever in a record's start they begin.
const _: () = assert!(START + size_of::<u64>() <= BLOCK);

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
    let Some(room_end) = output.len().checked_sub(BLOCK + DELIMITER_BYTES_MAX) else {
        return;
    };
    let delimiter = padded(job.delimiter);
    // SAFETY: the caller vouches for `B`.
    let needle = unsafe { B::needle(job.delimiter.first().copied().unwrap_or(0)) };
    let input = section.as_ptr();
    let output = output.as_mut_ptr();
    let mut done = *progress;
    // Invariant: `done.read` and `done.written` are where the next record and its text begin.
    while done.records < job.records_max && done.read <= reads_end && done.written <= room_end {
        // SAFETY: `done.read` ≤ `reads_end`.
        let Some(found) = (unsafe { find::<B>(input, done.read, reads_end) }) else {
            break;
        };
        let Found {
            value, value_bytes, ..
        } = found;
        let is_due = done.least <= found.delta && found.delta <= job.last;
        if !is_due || value_bytes > room_end.wrapping_sub(done.written) {
            break;
        }
        if !found.is_bare && !are_headers(&section[value + value_bytes..found.end]) {
            break;
        }
        let to = output.wrapping_add(done.written);
        // SAFETY: the value lies in the record, which ends 64 bytes or more before the section
        // does; value, a block and the delimiter's store have been found to fit into the output.
        let holds = unsafe { copy::<B>(input.wrapping_add(value), to, value_bytes, needle) };
        if holds && job.holds_delimiter(&section[value..value + value_bytes]) {
            done.holding = done.holding.wrapping_add(1);
        }
        let end = to.wrapping_add(value_bytes);
        // SAFETY: see above; any place will do for an unaligned store.
        unsafe { end.cast::<u64>().write_unaligned(delimiter) };
        done = Progress {
            read: found.end,
            written: done
                .written
                .wrapping_add(value_bytes.wrapping_add(job.delimiter.len())),
            records: done.records.wrapping_add(1),
            least: found.delta.wrapping_add(1),
            holding: done.holding,
        };
    }
    *progress = done;
}

/// A record as far as it was looked at. Places count from the section's start.
#[derive(Clone, Copy)]
struct Found {
    delta: u32,
    value: usize,
    value_bytes: usize,
    /// Behind the value's end, and 64 bytes or more before the section's.
    end: usize,
    /// Whether nothing but the count of no headers follows the value.
    is_bare: bool,
}

/// The record at `at`, unless something about it is unusual.
///
/// # Safety
///
/// `at` ≤ `reads_end`, and 64 bytes can be read behind `input` at every place up to that. The
/// processor has the instructions of `B`.
#[inline(always)]
unsafe fn find<B: Block>(input: *const u8, at: usize, reads_end: usize) -> Option<Found> {
    let start = input.wrapping_add(at);
    // SAFETY: 64 bytes can be read at `at`.
    let (length, length_end) = unsafe { length(start) }?;
    let end = at
        .wrapping_add(length_end as usize + 1)
        .wrapping_add(length);
    if end > reads_end {
        return None;
    }
    let end_of_record = input.wrapping_add(end);
    // SAFETY: the same.
    let ends = unsafe { varint_ends(start) };
    // The attributes are a byte of their own, whatever is in it.
    let ends = ends & 4_u32.wrapping_shl(length_end).wrapping_neg();
    let timestamp_end = ends.trailing_zeros();
    let ends = ends & ends.wrapping_sub(1);
    let delta_end = ends.trailing_zeros();
    let ends = ends & ends.wrapping_sub(1);
    let key_length_end = ends.trailing_zeros();
    let ends = ends & ends.wrapping_sub(1);
    if ends == 0 || timestamp_end.wrapping_sub(length_end) > TIMESTAMP_BYTES_MAX + 1 {
        return None;
    }
    let delta_bytes = delta_end.wrapping_sub(timestamp_end);
    let key_length_bytes = key_length_end.wrapping_sub(delta_end);
    let mut value_length_bytes = ends.trailing_zeros().wrapping_sub(key_length_end);
    let delta = start.wrapping_add(timestamp_end as usize + 1);
    let key_length = start.wrapping_add(delta_end as usize + 1);
    let mut value_length = start.wrapping_add(key_length_end as usize + 1);
    // SAFETY: all of these lie within the record's first 16 bytes, and 64 can be read.
    let delta = unsafe { number::<B>(delta, delta_bytes) }?;
    // SAFETY: the same.
    if unsafe { key_length.read() } != NO_KEY || key_length_bytes != 1 {
        // SAFETY: the same.
        let key = unsafe { number::<B>(key_length, key_length_bytes) }?;
        value_length = value_length.wrapping_add(key);
        if value_length.addr() >= end_of_record.addr() {
            return None;
        }
        // SAFETY: the place lies before `end`, which is not behind `reads_end`.
        value_length_bytes = unsafe { varint_bytes(value_length) };
    }
    // SAFETY: it lies before `end`, or within the record's first 16 bytes.
    let value_bytes = unsafe { number::<B>(value_length, value_length_bytes) }?;
    let value = value_length.wrapping_add(value_length_bytes as usize);
    let value_end = value.wrapping_add(value_bytes);
    if value_end.addr() >= end_of_record.addr() {
        return None;
    }
    // SAFETY: this place lies before `end`.
    let no_headers = unsafe { value_end.read() } == 0;
    Some(Found {
        delta: delta as u32,
        value: value.addr().wrapping_sub(input.addr()),
        value_bytes,
        end,
        is_bare: no_headers && value_end.wrapping_add(1) == end_of_record,
    })
}

/// The varint of −1.
const NO_KEY: u8 = 1;

/// One bit for each of the 16 bytes at `at` that ends a varint, the first byte's the lowest.
///
/// # Safety
///
/// 16 bytes can be read at `at`.
#[inline(always)]
unsafe fn varint_ends(at: *const u8) -> u32 {
    // SAFETY: the caller vouches for the bytes; every processor of this architecture has SSE2.
    let bytes = unsafe { _mm_loadu_si128(at.cast::<__m128i>()) };
    // SAFETY: the same.
    let continued = unsafe { _mm_movemask_epi8(bytes) };
    !(continued as u32) & 0xffff
}

/// A record's length, and the index of its varint's last byte. Where the next record begins hangs on
/// this alone, so it is worth a branch: processors go on with what they guess.
///
/// # Safety
///
/// 8 bytes can be read at `at`.
#[inline(always)]
unsafe fn length(at: *const u8) -> Option<(usize, u32)> {
    // SAFETY: the caller vouches for the bytes.
    let word = unsafe { at.cast::<u32>().read_unaligned() };
    let (zigzag, end) = if word & 0x80 == 0 {
        (word & 0x7f, 0)
    } else if word & 0x8000 == 0 {
        ((word & 0x7f) | ((word >> 1) & (0x7f << 7)), 1)
    } else if word & 0x80_0000 == 0 {
        let two = (word & 0x7f) | ((word >> 1) & (0x7f << 7));
        (two | ((word >> 2) & (0x7f << 14)), 2)
    } else {
        return None;
    };
    (zigzag & 1 == 0).then_some(((zigzag / 2) as usize, end))
}

/// The bytes of the varint at `at`, or more than [`NUMBER_BYTES_MAX`].
///
/// # Safety
///
/// 8 bytes can be read at `at`.
#[inline(always)]
unsafe fn varint_bytes(at: *const u8) -> u32 {
    // SAFETY: the caller vouches for the bytes.
    let word = unsafe { at.cast::<u64>().read_unaligned() };
    (!word & 0x8080_8080_8080_8080).trailing_zeros() / 8 + 1
}

/// A number that is not negative, from its varint of `bytes` bytes: at most 2^20.
///
/// # Safety
///
/// 8 bytes can be read at `at`. The processor has the instructions of `B`.
#[inline(always)]
unsafe fn number<B: Block>(at: *const u8, bytes: u32) -> Option<usize> {
    // SAFETY: the caller vouches for the bytes.
    let word = unsafe { at.cast::<u64>().read_unaligned() };
    if bytes > NUMBER_BYTES_MAX || word & 1 != 0 {
        return None;
    }
    // SAFETY: the caller vouches for `B`.
    Some(unsafe { B::joined_bits(word, bytes) } as usize)
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
