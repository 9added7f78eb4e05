//! The definition of the kernel, in safe code. The SIMD bodies also come here for the records they
//! have no room to treat fast: at the end of the input or output, and very long ones.

use super::{PREFIX_BYTES_MAX, Progress, Stop, VALUE_BYTES_MAX, Work, framed_bytes, record_prefix};

/// Frames record after record until a reason to stop is met.
pub(super) fn frame(work: &Work<'_>, output: &mut [u8], progress: &mut Progress) -> Stop {
    loop {
        if let Err(stop) = frame_one(work, output, progress, 0) {
            return stop;
        }
    }
}

/// Frames one record, whose first `searched` bytes are known to hold no delimiter.
pub(super) fn frame_one(
    work: &Work<'_>,
    output: &mut [u8],
    progress: &mut Progress,
    searched: usize,
) -> Result<(), Stop> {
    let Progress {
        read,
        written,
        records,
    } = *progress;
    if read >= work.begin_end {
        return Err(Stop::Bound);
    }
    if records >= work.records_max {
        return Err(Stop::Count);
    }
    let rest = &work.input[read..];
    let (line, taken) = match memchr::memchr(work.delimiter, &rest[searched..]) {
        Some(index) => (&rest[..searched + index], searched + index + 1),
        None if work.input_ends => (rest, rest.len()),
        None => return Err(Stop::Unfinished),
    };
    let value = match line {
        [stripped @ .., b'\r'] if work.strip_cr => stripped,
        line => line,
    };
    let delta = work.first_delta + records;
    let room = &mut output[written..];
    if value.len() > VALUE_BYTES_MAX || framed_bytes(value.len(), delta) > room.len() {
        return Err(Stop::Full);
    }
    let mut prefix = [0; 32];
    let prefix_bytes = record_prefix(value.len(), delta, &mut prefix);
    debug_assert!(prefix_bytes <= PREFIX_BYTES_MAX);
    let end = prefix_bytes + value.len();
    room[..prefix_bytes].copy_from_slice(&prefix[..prefix_bytes]);
    room[prefix_bytes..end].copy_from_slice(value);
    room[end] = 0; // headers count
    progress.read = read + taken;
    progress.written = written + end + 1;
    progress.records = records + 1;
    Ok(())
}
