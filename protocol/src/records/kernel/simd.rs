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
pub(super) unsafe fn frame<B: Block, const STRIP: bool>(
    work: &Work<'_>,
    output: &mut [u8],
    progress: &mut Progress,
) -> Stop {
    loop {
        let delta = work.first_delta.wrapping_add(progress.records);
        let searched = if delta < 1 << 6 {
            // SAFETY: the caller vouches for `B`.
            unsafe { run::<B, STRIP, 1>(work, output, progress) }
        } else if delta < 1 << 13 {
            // SAFETY: the caller vouches for `B`.
            unsafe { run::<B, STRIP, 2>(work, output, progress) }
        } else if delta < 1 << 20 {
            // SAFETY: the caller vouches for `B`.
            unsafe { run::<B, STRIP, 3>(work, output, progress) }
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
unsafe fn run<B: Block, const STRIP: bool, const DELTA: usize>(
    work: &Work<'_>,
    output: &mut [u8],
    progress: &mut Progress,
) -> usize {
    let Some(reads) = work.input.len().checked_sub(SLACK - 1) else {
        return 0;
    };
    let Some(writes) = output.len().checked_sub(PREFIX + SLACK - 1) else {
        return 0;
    };
    let Some(rooms) = Rooms::new(work.input, output) else {
        return 0;
    };
    let input = work.input.as_ptr();
    let output = output.as_mut_ptr();
    let line_end = input.wrapping_add(reads.min(work.begin_end));
    let record_end = output.wrapping_add(writes);
    let delta_end = (1 << (7 * DELTA - 1)).min(work.first_delta + work.records_max);

    // SAFETY: the caller vouches for `B`.
    let needle = unsafe { B::needle(work.delimiter) };
    let mut line = input.wrapping_add(progress.read);
    let mut record = output.wrapping_add(progress.written);
    let mut delta = work.first_delta + progress.records;
    let mut fields = first_fields::<DELTA>(delta);
    let mut searched = 0;
    // Invariant: below these ends, SLACK bytes of input can be read at `line`, and PREFIX + SLACK
    // bytes of output can be written at `record`.
    while line < line_end && record < record_end && delta < delta_end {
        // SAFETY: 64 ≤ SLACK bytes can be read at `line`, by the loop's invariant.
        let block = unsafe { B::load(line) };
        // SAFETY: the caller vouches for `B`.
        let ends = unsafe { block.matches(needle) };
        let taken;
        let record_bytes;
        if ends != 0 {
            taken = ends.trailing_zeros() as usize;
            // SAFETY: the line's bytes are among those that were just loaded.
            let length = unsafe { without_cr::<STRIP>(line, taken) };
            // SAFETY: PREFIX + SLACK bytes can be written at `record`, by the loop's invariant,
            // and the line is shorter than a block.
            record_bytes = unsafe { put_short::<B, DELTA>(record, block, fields, length) };
        } else {
            let value = record.wrapping_add(7 + DELTA);
            // SAFETY: the loop's invariant is what is asked for.
            match unsafe { copy_to_end(line, block, value, needle, &rooms) } {
                Ok(found) => taken = found,
                Err(without_end) => {
                    searched = without_end;
                    break;
                }
            }
            // SAFETY: the line's bytes were loaded.
            let length = unsafe { without_cr::<STRIP>(line, taken) };
            if STRIP && length < BLOCK {
                break;
            }
            // SAFETY: the line's last block, which ends behind the line and so behind the record's
            // last byte, was stored within the output, and the prefix stands in front of it.
            record_bytes = unsafe { put_around::<DELTA>(record, fields, length) };
        }
        record = record.wrapping_add(record_bytes);
        line = line.wrapping_add(taken).wrapping_add(1);
        delta = delta.wrapping_add(1);
        fields = next_fields::<DELTA>(fields);
    }
    *progress = Progress {
        read: line.addr() - input.addr(),
        written: record.addr() - output.addr(),
        records: delta - work.first_delta,
    };
    searched
}

/// The ends of what may be touched.
struct Rooms {
    /// The last place in the input where a block begins.
    input: *const u8,
    /// The last place in the output where a block begins.
    output: *const u8,
}

impl Rooms {
    fn new(input: &[u8], output: &[u8]) -> Option<Self> {
        let inputs = input.len().checked_sub(BLOCK)?;
        let outputs = output.len().checked_sub(BLOCK)?;
        let output = output.as_ptr().wrapping_add(outputs);
        Some(Self {
            input: input.as_ptr().wrapping_add(inputs),
            output,
        })
    }

    /// Where in the line, or in the value that it becomes, the last block may begin.
    #[cold]
    fn last_block(&self, line: *const u8, value: *const u8) -> usize {
        let reads = self.input.addr().saturating_sub(line.addr());
        let writes = self.output.addr().saturating_sub(value.addr());
        LAST_BLOCK.min(reads).min(writes)
    }
}

/// Copies block after block from `line` to `value`, of which `first` has been looked at, up to the
/// one with the delimiter, and returns the delimiter's index; or, when there is no room for one
/// more block, how far there is none.
///
/// # Safety
///
/// The processor has the instructions of `B`. SLACK bytes can be read at `line` and written at
/// `value`, and `rooms` are those of the slices they point into.
#[inline(always)]
unsafe fn copy_to_end<B: Block>(
    line: *const u8,
    first: B,
    value: *mut u8,
    needle: B::Needle,
    rooms: &Rooms,
) -> Result<usize, usize> {
    // SAFETY: 64 ≤ SLACK bytes can be written at `value`.
    unsafe { first.store(value) };
    let mut at = BLOCK;
    // Where the last block may begin as far as is known without looking.
    let mut last = SLACK - BLOCK;
    loop {
        if at > last {
            last = rooms.last_block(line, value);
            if at > last {
                return Err(at);
            }
        }
        // SAFETY: `at` ≤ `last`, and 64 bytes can be read at `last`.
        let block = unsafe { B::load(line.wrapping_add(at)) };
        // SAFETY: `at` ≤ `last`, and 64 bytes can be written at `last`.
        unsafe { block.store(value.wrapping_add(at)) };
        // SAFETY: the caller vouches for `B`.
        let ends = unsafe { block.matches(needle) };
        if ends != 0 {
            return Ok(at + ends.trailing_zeros() as usize);
        }
        at = at.wrapping_add(BLOCK);
    }
}

/// The line's length without the carriage return that is to be dropped.
///
/// # Safety
///
/// `length` bytes can be read at `line`.
#[inline(always)]
unsafe fn without_cr<const STRIP: bool>(line: *const u8, length: usize) -> usize {
    if STRIP && length > 0 {
        // SAFETY: this is the last of the line's bytes.
        let last = unsafe { line.wrapping_add(length - 1).read() };
        return length - usize::from(last == b'\r');
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
    fields: u64,
    length: usize,
) -> usize {
    let body = length.wrapping_add(5 + DELTA);
    let fields = fields | ((length as u64) << (25 + 8 * DELTA));
    let length_bytes = if body < 64 {
        // SAFETY: 8 bytes can be written at `record`: 5 + DELTA ≤ 8 of them are used.
        unsafe { put(record, (fields << 8) | ((body as u64) << 1)) };
        1
    } else {
        // SAFETY: 2 bytes can be written at `record`.
        unsafe { put(record, two_bytes_doubled(body) as u16) };
        // SAFETY: 8 more can be written behind them.
        unsafe { put(record.wrapping_add(2), fields) };
        2
    };
    // SAFETY: the prefix is shorter than PREFIX, so 64 bytes can be written behind it.
    unsafe { block.store(record.wrapping_add(length_bytes + 4 + DELTA)) };
    let bytes = body.wrapping_add(length_bytes);
    // SAFETY: the line is shorter than the block that was just stored, so a byte is free behind it.
    unsafe { put(record.wrapping_add(bytes).wrapping_sub(1), 0_u8) };
    bytes
}

/// Writes what stands around a value of 64 bytes or more, and returns the record's bytes.
///
/// # Safety
///
/// 8 + DELTA + `length` bytes can be written at `record`; the record takes less than 2^13.
#[inline(always)]
unsafe fn put_around<const DELTA: usize>(record: *mut u8, fields: u64, length: usize) -> usize {
    let body = length.wrapping_add(6 + DELTA);
    let length_bytes = two_bytes_doubled(body);
    let fields = fields | (two_bytes_doubled(length) << (24 + 8 * DELTA));
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
    unsafe { put(record.wrapping_add(body).wrapping_add(1), 0_u8) };
    body.wrapping_add(2)
}

/// What stands between the two lengths, the lowest byte first: attributes, timestamp delta, offset
/// delta, no key.
#[inline(always)]
fn first_fields<const DELTA: usize>(delta: u32) -> u64 {
    let mut rest = 2 * u64::from(delta);
    let mut fields = 1 << (16 + 8 * DELTA);
    for index in 0..DELTA {
        fields |= (rest & 0x7f) << (16 + 8 * index);
        rest >>= 7;
    }
    fields | continues::<DELTA>()
}

/// The same for the next record. The offset delta, doubled, grows by two; where seven bits run
/// over, the bit that says that more bytes follow carries the one on to the next byte, and is set
/// again.
#[inline(always)]
fn next_fields<const DELTA: usize>(fields: u64) -> u64 {
    fields.wrapping_add(2 << 16) | continues::<DELTA>()
}

/// The bits that say that more bytes of the offset delta follow.
const fn continues<const DELTA: usize>() -> u64 {
    match DELTA {
        1 => 0,
        2 => 0x80 << 16,
        _ => 0x8080 << 16,
    }
}

/// The varint of `half` doubled, which has 8 to 14 bits, lowest byte first.
#[inline(always)]
fn two_bytes_doubled(half: usize) -> u64 {
    let value = (half as u64) << 1;
    // Adding what lies above the lowest seven bits shifts it by one.
    value.wrapping_add(value & 0x3f80) | 0x80
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
