//! Every size and bound of the data plane, and what it is derived from.

use crate::flow::BATCH_ROOM_BYTES;

/// Bytes of a chunk: one makes a batch of about 0.85 MB of 100-byte lines. Measured on loopback: sends of
/// 0.75–0.95 MB from a buffer that the cache holds move 8.9 GB/s, of 16–256 KB 2–4 GB/s; Apache's broker
/// gains little past 250 KB.
pub const CHUNK_BYTES: u64 = 768 << 10;

/// A batch's bytes at most where the topic allows more: larger ones only cost memory.
pub const BATCH_BYTES_MAX: u32 = 1_048_588;

/// Bytes that a connection receives at a time: answers to Produce are some sixty bytes.
pub const RECEIVE_BYTES: usize = 16 << 10;

/// The largest answer that is taken: metadata of a large cluster.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Read buffers of a shard: one that fills while another is framed, and one more for each two lanes.
pub fn read_buffers(lanes: usize) -> usize {
    1 + lanes.div_ceil(2).max(1)
}

/// Frames of a shard: each lane has one on its way into the socket, and one is being filled.
pub fn frame_buffers(lanes: usize) -> usize {
    lanes.max(1)
}

/// Bytes of a frame: the room around a batch, and the batch.
pub fn frame_bytes(batch_bytes_max: u32) -> usize {
    BATCH_ROOM_BYTES + batch_bytes_max as usize
}
