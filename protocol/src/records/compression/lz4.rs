//! LZ4 frames. What is written is what Kafka's Java client writes and can read: blocks of 64 KiB
//! that do not refer to one another, no checksum but the header's. What is read may have linked
//! blocks, larger ones and checksums; those are passed over, for the batch's CRC covers the bytes.

use lz4_flex::block::{
    CompressTable, DecompressError, compress_into_with_table, decompress_into_with_dict,
    get_maximum_output_size,
};

use super::{Fault, Input, Output, Refusal};

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
/// Flags (version 1, independent blocks), block size (64 KiB), and the checksum of these two: the
/// second byte of their XXH32.
const DESCRIPTOR: [u8; 3] = [0x60, 0x40, 0x82];
const BLOCK: usize = 64 * 1024;
/// What a block may refer to: so much in front of it.
const WINDOW: usize = 64 * 1024;
/// The high bit of a block's length: its bytes are as they are.
const STORED: u32 = 1 << 31;
/// The bytes that one byte of LZ4 becomes at most, and what a block's first ones do beyond that.
const RATIO_MAX: usize = 255;
const RATIO_SLACK: usize = 64;

/// A table for blocks of a whole window, and where a block goes for which there may be too little
/// room: the compressor wants room for the worst before it begins, and a batch of one block that
/// gets smaller never has that.
pub(super) struct Encoder {
    table: CompressTable,
    spill: Vec<u8>,
}

pub(super) fn encoder() -> Encoder {
    Encoder {
        table: CompressTable::large(),
        spill: vec![0; get_maximum_output_size(BLOCK)],
    }
}

pub(super) fn bound(input_bytes: usize) -> usize {
    let blocks = input_bytes.div_ceil(BLOCK);
    // Before the last block is compressed there must be room for the worst.
    let worst = get_maximum_output_size(BLOCK) - BLOCK;
    MAGIC.len() + DESCRIPTOR.len() + blocks * 4 + input_bytes + worst + 4
}

pub(super) fn compress(
    encoder: &mut Encoder,
    input: &[u8],
    output: &mut [u8],
) -> Result<usize, Refusal> {
    let Encoder { table, spill } = encoder;
    let mut at = 0;
    put(output, &mut at, &MAGIC)?;
    put(output, &mut at, &DESCRIPTOR)?;
    for block in input.chunks(BLOCK) {
        let room = output.get_mut(at + 4..).ok_or(Refusal::NoRoom)?;
        let is_spilled = room.len() < get_maximum_output_size(block.len());
        let target = if is_spilled { &mut spill[..] } else { room };
        let bytes = compress_into_with_table(block, target, table).map_err(|_| Refusal::NoRoom)?;
        if bytes >= block.len() {
            let length = block.len() as u32 | STORED;
            put(output, &mut at, &length.to_le_bytes())?;
            put(output, &mut at, block)?;
            continue;
        }
        put(output, &mut at, &(bytes as u32).to_le_bytes())?;
        if is_spilled {
            put(output, &mut at, &spill[..bytes])?;
        } else {
            at += bytes;
        }
    }
    put(output, &mut at, &[0; 4])?; // the end
    Ok(at)
}

fn put(output: &mut [u8], at: &mut usize, bytes: &[u8]) -> Result<(), Refusal> {
    let end = *at + bytes.len();
    output
        .get_mut(*at..end)
        .ok_or(Refusal::NoRoom)?
        .copy_from_slice(bytes);
    *at = end;
    Ok(())
}

pub(super) fn decompress(input: &mut Input<'_>, output: &mut Output<'_>) -> Result<(), Fault> {
    let frame = Frame::read(input)?;
    let start = output.bytes;
    loop {
        let length = u32::from_le_bytes(input.take_array()?);
        if length == 0 {
            break;
        }
        let stored = length & STORED != 0;
        let length = (length & !STORED) as usize;
        if length > frame.block_bytes_max {
            return Err(Fault::Corrupt("a block is longer than its frame allows"));
        }
        let block = input.take(length)?;
        if stored {
            store(block, output)?;
        } else {
            let window_from = if frame.linked { start } else { output.bytes };
            decompress_block(block, frame.block_bytes_max, window_from, output)?;
        }
        if frame.block_checksums {
            input.take(4)?;
        }
    }
    if frame.content_checksum {
        input.take(4)?;
    }
    if input.rest().is_empty() {
        Ok(())
    } else {
        Err(Fault::Corrupt("bytes follow the frame"))
    }
}

/// What a frame's header says.
struct Frame {
    linked: bool,
    block_checksums: bool,
    content_checksum: bool,
    block_bytes_max: usize,
}

impl Frame {
    fn read(input: &mut Input<'_>) -> Result<Self, Fault> {
        if input.take_array()? != MAGIC {
            return Err(Fault::Corrupt("this is no lz4 frame"));
        }
        let [flags, block_size] = input.take_array()?;
        if flags >> 6 != 1 || flags & 0b10 != 0 {
            return Err(Fault::Corrupt("the frame is of an unknown version"));
        }
        let (has_size, has_dictionary) = (flags & 0b1000 != 0, flags & 1 != 0);
        if has_dictionary {
            return Err(Fault::Corrupt("the frame needs a dictionary"));
        }
        let exponent = match block_size {
            0x40 => 16,
            0x50 => 18,
            0x60 => 20,
            0x70 => 22,
            _ => return Err(Fault::Corrupt("the frame's block size is unknown")),
        };
        // The content's size is a claim and nothing more.
        input.take(if has_size { 8 } else { 0 })?;
        input.take(1)?; // the header's checksum
        Ok(Self {
            linked: flags & 0b10_0000 == 0,
            block_checksums: flags & 0b1_0000 != 0,
            content_checksum: flags & 0b100 != 0,
            block_bytes_max: 1 << exponent,
        })
    }
}

fn store(block: &[u8], output: &mut Output<'_>) -> Result<(), Fault> {
    let room = output.room(block.len());
    let bytes = block.len().min(room.len());
    room[..bytes].copy_from_slice(&block[..bytes]);
    output.fill(block.len())
}

fn decompress_block(
    block: &[u8],
    block_bytes_max: usize,
    window_from: usize,
    output: &mut Output<'_>,
) -> Result<(), Fault> {
    let possible = block
        .len()
        .saturating_mul(RATIO_MAX)
        .saturating_add(RATIO_SLACK);
    let wanted = block_bytes_max.min(possible);
    let room_bytes = output.room(wanted).len();
    let (before, room) = output.buffer.split_at_mut(output.bytes);
    let window = &before[window_from.max(output.bytes.saturating_sub(WINDOW))..];
    match decompress_into_with_dict(block, &mut room[..room_bytes], window) {
        Ok(bytes) => output.fill(bytes),
        // The room was all that the limit left.
        Err(DecompressError::OutputTooSmall { .. }) if room_bytes < wanted => Err(Fault::TooLarge),
        Err(_) => Err(Fault::Corrupt("a block is broken")),
    }
}
