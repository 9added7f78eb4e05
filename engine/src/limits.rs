//! Every size and bound of the data plane, and what it is derived from.

use crate::flow::BATCH_ROOM_BYTES;

/// Bytes of a chunk: one makes a batch of about 0.63 MB of 100-byte lines.
///
/// Measured against a null peer on loopback with 100-byte lines: 768 KiB took 10 to 20 % less CPU per
/// gigabyte than 320 KiB, for each chunk costs a wait for the socket; and each 128 KiB cost 0.5 MB of
/// memory in the default set of buffers. This is the largest that leaves a load of 256 partitions
/// below 8 MiB.
pub const CHUNK_BYTES: u64 = 576 << 10;

/// A batch's bytes at most where the topic allows more: larger ones only cost memory. A chunk of short
/// lines, which frame to several times their size, makes several batches.
pub const BATCH_BYTES_MAX: u32 = 768 << 10;

/// Bytes that a connection receives at a time: answers to Produce are some sixty bytes.
pub const RECEIVE_BYTES: usize = 16 << 10;

/// The largest answer that is taken: metadata of a large cluster.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The largest answer to a Fetch that is taken: a first batch comes whole, whatever was asked for, and
/// `message.max.bytes` has no bound of its own. Buffers grow with what came, not with what is claimed.
pub const FETCHED_BYTES_MAX: usize = 1 << 30;

/// What one batch may become when it is decompressed.
pub const DECOMPRESSED_BYTES_MAX: usize = 1 << 30;

/// Bytes that one broker is asked for at a time.
pub const FETCH_BYTES: usize = 1 << 20;

/// The same, and the bytes of the receive buffer for them, where `brokers` are
/// asked: all buffers together stay within what a dump may take.
pub fn fetch_bytes(brokers: usize) -> usize {
    (2 * FETCH_BYTES / brokers.max(1)).clamp(FETCH_BYTES / 4, FETCH_BYTES)
}

/// A receive buffer that grew with a large answer is kept for the next one up to this size.
pub const RECEIVE_BYTES_KEPT: usize = 16 << 20;

/// What an answer has beside records: so much of a receive buffer is kept for it.
pub const FETCH_ROOM_BYTES: usize = 16 << 10;

/// Bytes of a dump's write.
pub const WRITE_BYTES: usize = 512 << 10;

/// Write buffers of a dump: one that is filled while others are on their way to the disk.
pub const WRITE_BUFFERS: usize = 3;

/// Read buffers of a shard: one that fills while another is framed, and one more for each two lanes.
pub fn read_buffers(lanes: usize) -> usize {
    1 + lanes.div_ceil(2).max(1)
}

/// Frames of a shard: each lane has one on its way into the socket. While it is, the socket's buffer
/// keeps the broker busy, so none needs be filled beforehand: a third one for two lanes cost 0.9 MB
/// and no run was faster for it.
pub fn frame_buffers(lanes: usize) -> usize {
    lanes.max(1)
}

/// Bytes of a frame: the room around a batch, and the batch.
pub fn frame_bytes(batch_bytes_max: u32) -> usize {
    BATCH_ROOM_BYTES + batch_bytes_max as usize
}
