//! The vectorised body of the kernel, the same for every width of register.
//!
//! A record is searched and copied at once: each block of 64 bytes that is compared with the
//! delimiter is also stored behind the place of the prefix, whose size is known before the end is
//! found. If the first block holds the end, the line has fewer than 64 bytes; if not, it has
//! more, and below 8 KiB its prefix has one size. Longer lines, and those too near the end of
//! input or output for whole blocks, go to [`scalar`](super::scalar) one by one.
//!
//! JUSTIFICATION: `benches/framing.rs` (against the scalar body and the crate `kafka-protocol`).

use super::{Progress, Stop, Work, scalar};

/// The bytes of a [`Block`].
const BLOCK: usize = 64;
/// Free bytes of input and output that every record starts with: four blocks are compared and
/// copied before the room is looked at again.
const SLACK: usize = 4 * BLOCK;
/// The longest prefix written here: two numbers of two bytes, one of three, three single bytes.
const PREFIX: usize = 10;
/// Where the last block of a line may begin: the line around it, and the record around that, have
/// less than 2^13 bytes, which two bytes can say.
const LAST_BLOCK: usize = 8064;

/// 64 bytes in registers.
pub(super) trait Block: Copy {
    /// The delimiter in every byte of a register.
    type Needle: Copy;

    /// Fills a needle.
    ///
    /// # Safety
    ///
    /// The processor has the instructions of the implementation.
    unsafe fn needle(delimiter: u8) -> Self::Needle;

    /// Loads a block.
    ///
    /// # Safety
    ///
    /// The processor has the instructions of the implementation; 64 bytes can be read at `from`.
    unsafe fn load(from: *const u8) -> Self;

    /// One bit a byte, the first byte's the lowest: whether it is the delimiter.
    ///
    /// # Safety
    ///
    /// The processor has the instructions of the implementation.
    unsafe fn matches(self, needle: Self::Needle) -> u64;

    /// Stores the block.
    ///
    /// # Safety
    ///
    /// The processor has the instructions of the implementation; 64 bytes can be written at `to`.
    unsafe fn store(self, to: *mut u8);
}

/// Frames until a reason to stop is met.
///
/// # Safety
///
/// The processor has the instructions of `B`. To be inlined into a function that enables them.
#[inline(always)]
pub(super) unsafe fn frame<B: Block>(
    work: &Work<'_>,
    output: &mut [u8],
    progress: &mut Progress,
) -> Stop {
    loop {
        let delta = work.first_delta.wrapping_add(progress.records);
        let searched = if delta < 1 << 6 {
            // SAFETY: the caller vouches for `B`.
            unsafe { run::<B, 1>(work, output, progress) }
        } else if delta < 1 << 13 {
            // SAFETY: the caller vouches for `B`.
            unsafe { run::<B, 2>(work, output, progress) }
        } else if delta < 1 << 20 {
            // SAFETY: the caller vouches for `B`.
            unsafe { run::<B, 3>(work, output, progress) }
        } else {
            0
        };
        if let Err(stop) = scalar::frame_one(work, output, progress, searched) {
            return stop;
        }
    }
}

/// Frames records whose offset deltas take `DELTA` bytes while there is room for whole blocks.
/// Returns how many bytes of the next record are known to hold no delimiter.
///
/// # Safety
///
/// The processor has the instructions of `B`.
#[inline(always)]
unsafe fn run<B: Block, const DELTA: usize>(
    work: &Work<'_>,
    output: &mut [u8],
    progress: &mut Progress,
) -> usize {
    let Some(read_end) = work.input.len().checked_sub(SLACK - 1) else {
        return 0;
    };
    let Some(written_end) = output.len().checked_sub(PREFIX + SLACK - 1) else {
        return 0;
    };
    let read_end = read_end.min(work.begin_end);
    let deltas_end = (1 << (7 * DELTA - 1)).min(work.first_delta + work.records_max);

    // SAFETY: the caller vouches for `B`.
    let needle = unsafe { B::needle(work.delimiter) };
    let Progress {
        mut read,
        mut written,
        records,
    } = *progress;
    let mut delta = work.first_delta + records;
    let mut searched = 0;
    // Invariant: below these ends, SLACK bytes of input can be read at `read`, and PREFIX + SLACK
    // bytes of output can be written at `written`.
    while read < read_end && written < written_end && delta < deltas_end {
        let line = work.input.as_ptr().wrapping_add(read);
        let record = output.as_mut_ptr().wrapping_add(written);
        // SAFETY: 64 ≤ SLACK bytes can be read at `read`, by the loop's invariant.
        let block = unsafe { B::load(line) };
        // SAFETY: the caller vouches for `B`.
        let ends = unsafe { block.matches(needle) };
        if ends != 0 {
            let taken = ends.trailing_zeros() as usize;
            let length = without_cr(work, read, taken);
            // SAFETY: PREFIX + SLACK bytes can be written at `written`, by the loop's invariant,
            // and the line is shorter than a block.
            written += unsafe { put_short::<B, DELTA>(record, block, delta, length) };
            read += taken + 1;
        } else {
            let value = record.wrapping_add(7 + DELTA);
            let rooms = [work.input.len() - read, output.len() - written];
            // SAFETY: the loop's invariant is what is asked for.
            let found = unsafe { copy_to_end(line, block, value, needle, rooms) };
            let taken = match found {
                Ok(taken) => taken,
                Err(without_end) => {
                    searched = without_end;
                    break;
                }
            };
            let length = without_cr(work, read, taken);
            if length < BLOCK {
                break;
            }
            // SAFETY: the line's last block, which ends behind the line and so behind the record's
            // last byte, was stored within the output, and the prefix stands in front of it.
            written += unsafe { put_around::<DELTA>(record, delta, length) };
            read += taken + 1;
        }
        delta += 1;
    }
    *progress = Progress {
        read,
        written,
        records: delta - work.first_delta,
    };
    searched
}

/// Copies block after block from `line` to `value`, of which `first` has been looked at, up to the
/// one with the delimiter, and returns the delimiter's index; or, when there is no room for one
/// more block, how far there is none.
///
/// # Safety
///
/// The processor has the instructions of `B`. At `line`, `rooms[0]` ≥ SLACK bytes can be read. At
/// PREFIX bytes or less in front of `value`, `rooms[1]` ≥ PREFIX + SLACK bytes can be written.
#[inline(always)]
unsafe fn copy_to_end<B: Block>(
    line: *const u8,
    first: B,
    value: *mut u8,
    needle: B::Needle,
    rooms: [usize; 2],
) -> Result<usize, usize> {
    // SAFETY: PREFIX + 64 bytes can be written at PREFIX bytes or less in front of `value`.
    unsafe { first.store(value) };
    let mut at = BLOCK;
    // Where the last block may begin as far as is known without looking.
    let mut last = SLACK - BLOCK;
    loop {
        if at > last {
            last = LAST_BLOCK
                .min(rooms[0] - BLOCK)
                .min(rooms[1] - PREFIX - BLOCK);
            if at > last {
                return Err(at);
            }
        }
        // SAFETY: `at` ≤ `last`, and the 64 bytes at `last` lie within what can be read.
        let block = unsafe { B::load(line.wrapping_add(at)) };
        // SAFETY: `at` ≤ `last`, and the 64 bytes at `last` lie within what can be written.
        unsafe { block.store(value.wrapping_add(at)) };
        // SAFETY: the caller vouches for `B`.
        let ends = unsafe { block.matches(needle) };
        if ends != 0 {
            return Ok(at + ends.trailing_zeros() as usize);
        }
        at += BLOCK;
    }
}

/// The line's length without the carriage return that is to be dropped.
#[inline(always)]
fn without_cr(work: &Work<'_>, read: usize, length: usize) -> usize {
    if work.strip_cr && length > 0 && work.input[read + length - 1] == b'\r' {
        return length - 1;
    }
    length
}

/// Writes the record of a line shorter than a block, and returns its bytes.
///
/// # Safety
///
/// The processor has the instructions of `B`. PREFIX + 64 bytes can be written at `record`.
#[inline(always)]
unsafe fn put_short<B: Block, const DELTA: usize>(
    record: *mut u8,
    block: B,
    delta: u32,
    length: usize,
) -> usize {
    let body = 5 + DELTA + length;
    let fields = delta_fields::<DELTA>(delta) | (2 * length as u64) << (24 + 8 * DELTA);
    let length_bytes = if body < 64 {
        // SAFETY: 8 bytes can be written at `record`: 5 + DELTA ≤ 8 of them are used.
        unsafe { put(record, (fields << 8) | (2 * body as u64)) };
        1
    } else {
        // SAFETY: 2 bytes can be written at `record`.
        unsafe { put(record, two_bytes(2 * body as u64) as u16) };
        // SAFETY: 8 more can be written behind them.
        unsafe { put(record.wrapping_add(2), fields) };
        2
    };
    // SAFETY: the prefix is shorter than PREFIX, so 64 bytes can be written behind it.
    unsafe { block.store(record.wrapping_add(length_bytes + 4 + DELTA)) };
    let last = length_bytes + body - 1;
    // SAFETY: the line is shorter than the block that was just stored, so a byte is free behind it.
    unsafe { put(record.wrapping_add(last), 0_u8) };
    last + 1
}

/// Writes what stands around a value of 64 bytes or more, and returns the record's bytes.
///
/// # Safety
///
/// 8 + DELTA + `length` bytes can be written at `record`; the record takes less than 2^13.
#[inline(always)]
unsafe fn put_around<const DELTA: usize>(record: *mut u8, delta: u32, length: usize) -> usize {
    let body = 6 + DELTA + length;
    let length_bytes = two_bytes(2 * body as u64);
    let value_length = two_bytes(2 * length as u64) << (24 + 8 * DELTA);
    let fields = delta_fields::<DELTA>(delta) | value_length;
    // The prefix has 7 + DELTA bytes, and the value is there already: its last 8 bytes are written
    // as one, the 0, 1 or 2 in front of them before.
    let last_eight = (length_bytes >> (8 * (DELTA - 1))) | (fields << (8 * (3 - DELTA)));
    if DELTA > 1 {
        // SAFETY: 2 bytes can be written at `record`.
        unsafe { put(record, length_bytes as u16) };
    }
    // SAFETY: 7 + DELTA bytes can be written at `record`, and these are the last 8 of them.
    unsafe { put(record.wrapping_add(DELTA - 1), last_eight) };
    // SAFETY: this is the record's last byte: 7 + DELTA + `length` of its bytes stand before it.
    unsafe { put(record.wrapping_add(1 + body), 0_u8) };
    2 + body
}

/// Attributes, timestamp delta, offset delta, no key: what stands between the two lengths.
#[inline(always)]
fn delta_fields<const DELTA: usize>(delta: u32) -> u64 {
    let zigzag = 2 * u64::from(delta);
    let varint = match DELTA {
        1 => zigzag,
        2 => two_bytes(zigzag),
        _ => three_bytes(zigzag),
    };
    (varint << 16) | (1 << (16 + 8 * DELTA))
}

/// The varint of a number of 8 to 14 bits, lowest byte first.
#[inline(always)]
fn two_bytes(value: u64) -> u64 {
    // Adding what lies above the lowest seven bits shifts it by one.
    (value + (value & 0x3f80)) | 0x80
}

/// The varint of a number of 15 to 21 bits, lowest byte first.
#[inline(always)]
fn three_bytes(value: u64) -> u64 {
    let spread = value + (value & 0x1f_ff80);
    (spread + (spread & 0x3f_8000)) | 0x8080
}

/// Stores a number, lowest byte first.
///
/// # Safety
///
/// As many bytes as the number has can be written at `to`.
#[inline(always)]
unsafe fn put<T>(to: *mut u8, value: T) {
    // SAFETY: the caller vouches for the bytes, and any place will do.
    unsafe { to.cast::<T>().write_unaligned(value) };
}
