//! The vectorised body of the kernel, the same for every width of register.
//!
//! Blocks of 64 bytes are compared with the delimiter one after the other, wherever lines begin;
//! each becomes a mask with one bit for each line's end. So the search never waits for a line, and
//! runs ahead of the copying. A line whose end is known becomes a record: a prefix of one or two
//! stores, then whole blocks, whose surplus the next record overwrites. Lines of 8 KiB and more,
//! and those too near the end of input or output for whole blocks, go to
//! [`scalar`](super::scalar) one by one.
//!
//! JUSTIFICATION: `benches/framing.rs` (against the scalar body and the crate `kafka-protocol`).

use super::{Progress, Stop, Work, scalar};

/// The bytes of a [`Block`].
const BLOCK: usize = 64;
/// The longest prefix written here: two numbers of two bytes, one of three, three single bytes.
const PREFIX: usize = 10;
/// The longest line: the record around it has less than 2^13 bytes, so that two bytes say its
/// length.
const LINE_MAX: usize = (1 << 13) - 1 - PREFIX;

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
    let Some(ends) = Ends::new::<DELTA>(work, output, progress) else {
        return 0;
    };
    let input = work.input.as_ptr();
    let output = output.as_mut_ptr();
    let mut line = input.wrapping_add(progress.read);
    let mut record = output.wrapping_add(progress.written);
    let mut fields = first_fields::<DELTA>(work.first_delta + progress.records);

    // SAFETY: the caller vouches for `B`.
    let needle = unsafe { B::needle(work.delimiter) };
    let mut block = line;
    // SAFETY: the block begins at the progress made, and so not behind the last one.
    let mut found = unsafe { search::<B>(block, needle) };
    // Invariants: `found` are the delimiters in `block` that do not lie before `line`, and there is
    // none between `line` and `block`.
    'records: while record.cast_const() <= ends.record && fields < ends.fields {
        while found == 0 {
            if block >= ends.block {
                break 'records;
            }
            block = block.wrapping_add(BLOCK);
            // SAFETY: the block before this one began before `ends.block`.
            found = unsafe { search::<B>(block, needle) };
        }
        let end = block.wrapping_add(found.trailing_zeros() as usize);
        let taken = end.addr().wrapping_sub(line.addr());
        if taken > ends.line_bytes {
            break;
        }
        // SAFETY: the line's bytes are in the input.
        let length = unsafe { without_cr::<STRIP>(line, taken) };
        // SAFETY: a line ends in a block that begins 128 bytes or more before the end of the
        // input, so 64 bytes more than the line's can be read; PREFIX + `line_bytes` + 64 bytes
        // can be written at a record that does not begin behind `ends.record`.
        record = unsafe { put_record::<B, DELTA>(record, fields, line, length) };
        line = end.wrapping_add(1);
        found &= found.wrapping_sub(1);
        fields = next_fields::<DELTA>(fields);
    }
    *progress = Progress {
        read: line.addr() - input.addr(),
        written: record.addr() - output.addr(),
        records: delta_in::<DELTA>(fields) - work.first_delta,
    };
    // Up to the next delimiter, or to the end of the block if there is none in it.
    let searched = block.wrapping_add(found.trailing_zeros() as usize);
    searched.addr() - line.addr()
}

/// How far [`run`] may go.
struct Ends {
    /// Behind a block that begins before this comes one that begins 128 bytes or more before the
    /// end of the input, and a line that begins in one of the two begins within the bounds.
    block: *const u8,
    /// Lines are not longer than this.
    line_bytes: usize,
    /// At this place in the output, PREFIX + `line_bytes` + 64 bytes can still be written.
    record: *const u8,
    /// The fields of the first record that is not framed here any more.
    fields: u64,
}

impl Ends {
    /// `None` if nothing can be framed, or too little to be worth it.
    fn new<const DELTA: usize>(
        work: &Work<'_>,
        output: &[u8],
        progress: &Progress,
    ) -> Option<Self> {
        let reads = work.input.len().checked_sub(BLOCK)?.min(work.begin_end);
        let blocks = reads.checked_sub(2 * BLOCK)?;
        let room = output.len().checked_sub(PREFIX + BLOCK)?;
        let room_left = room.checked_sub(progress.written)?;
        // A share of the room, so that the rest, which is left to the next run, gets small fast.
        let line_bytes = LINE_MAX.min(room_left / 8);
        let delta_end = (1 << (7 * DELTA - 1)).min(work.first_delta + work.records_max);
        if progress.read > blocks || delta_end <= work.first_delta + progress.records {
            return None;
        }
        let input = work.input.as_ptr();
        Some(Self {
            block: input.wrapping_add(blocks + 1),
            line_bytes,
            record: output.as_ptr().wrapping_add(room - line_bytes),
            fields: next_fields::<DELTA>(first_fields::<DELTA>(delta_end - 1)),
        })
    }
}

/// The delimiters in a block.
///
/// # Safety
///
/// The processor has the instructions of `B`; 64 bytes can be read at `block`.
#[inline(always)]
unsafe fn search<B: Block>(block: *const u8, needle: B::Needle) -> u64 {
    // SAFETY: the caller vouches for `B` and the bytes.
    let block = unsafe { B::load(block) };
    // SAFETY: the caller vouches for `B`.
    unsafe { block.matches(needle) }
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

/// Writes the record of a line, and returns where the next one goes.
///
/// # Safety
///
/// The processor has the instructions of `B`. `length` + 64 bytes can be read at `line`;
/// `length` is at most LINE_MAX; PREFIX + `length` + 64 bytes can be written at `record`.
#[inline(always)]
unsafe fn put_record<B: Block, const DELTA: usize>(
    record: *mut u8,
    fields: u64,
    line: *const u8,
    length: usize,
) -> *mut u8 {
    // SAFETY: 64 bytes can be read at `line`.
    let first = unsafe { B::load(line) };
    // SAFETY: the prefix takes PREFIX bytes at most; it is written as one or two numbers, the last
    // of which ends within PREFIX bytes too.
    let value = unsafe { put_prefix::<DELTA>(record, fields, length) };
    // SAFETY: 64 bytes can be written behind the prefix.
    unsafe { first.store(value) };
    if length >= BLOCK {
        let mut at = BLOCK;
        loop {
            // SAFETY: `at` ≤ `length`, so 64 bytes can be read there.
            let block = unsafe { B::load(line.wrapping_add(at)) };
            // SAFETY: likewise written.
            unsafe { block.store(value.wrapping_add(at)) };
            at = at.wrapping_add(BLOCK);
            if at >= length {
                break;
            }
        }
    }
    let end = value.wrapping_add(length);
    // SAFETY: 64 bytes can be written behind the value.
    unsafe { put(end, 0_u8) };
    end.wrapping_add(1)
}

/// Writes what stands before a value, and returns the value's place.
///
/// # Safety
///
/// PREFIX bytes can be written at `record`; `length` is at most LINE_MAX.
#[inline(always)]
unsafe fn put_prefix<const DELTA: usize>(record: *mut u8, fields: u64, length: usize) -> *mut u8 {
    if length < BLOCK {
        let body = length.wrapping_add(5 + DELTA);
        let fields = fields | ((length as u64) << (25 + 8 * DELTA));
        if body < 64 {
            // SAFETY: 8 ≤ PREFIX bytes can be written at `record`; 5 + DELTA of them are used.
            unsafe { put(record, (fields << 8) | ((body as u64) << 1)) };
            return record.wrapping_add(5 + DELTA);
        }
        // SAFETY: 2 bytes can be written at `record`.
        unsafe { put(record, two_bytes_doubled(body) as u16) };
        // SAFETY: 2 + 8 ≤ PREFIX bytes can be written at `record`.
        unsafe { put(record.wrapping_add(2), fields) };
        return record.wrapping_add(6 + DELTA);
    }
    let fields = fields | (two_bytes_doubled(length) << (24 + 8 * DELTA));
    let body = length.wrapping_add(6 + DELTA);
    // SAFETY: 2 bytes can be written at `record`.
    unsafe { put(record, two_bytes_doubled(body) as u16) };
    // SAFETY: 2 + 8 ≤ PREFIX bytes can be written at `record`.
    unsafe { put(record.wrapping_add(2), fields) };
    record.wrapping_add(7 + DELTA)
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

/// The offset delta in the fields.
fn delta_in<const DELTA: usize>(fields: u64) -> u32 {
    let bytes = fields >> 16;
    // The last byte has all of its bits: behind the last delta of this size it is 0x80.
    let zigzag = match DELTA {
        1 => bytes & 0xff,
        2 => (bytes & 0x7f) | ((bytes >> 1) & (0xff << 7)),
        _ => (bytes & 0x7f) | ((bytes >> 1) & (0x7f << 7)) | ((bytes >> 2) & (0xff << 14)),
    };
    (zigzag / 2) as u32
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
