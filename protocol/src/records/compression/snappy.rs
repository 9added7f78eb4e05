//! Snappy as snappy-java frames it: a header of 16 bytes, then blocks, each a raw snappy buffer
//! behind its length (big-endian). Some clients write one raw buffer alone; that is read too.

use snap::raw::{Decoder, decompress_len, max_compress_len};

use super::{Fault, Input, Output, Refusal};

/// The framing's magic, its version, and the oldest version that can read it: 1 and 1.
const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
const MAGIC_BYTES: usize = 8;
/// Where the version that is needed stands.
const NEEDED_AT: usize = 12;
/// snappy-java's default, and so what Kafka's producers write.
const BLOCK: usize = 32 * 1024;
/// The bytes that one byte of snappy becomes at most: three say that 64 are to be copied.
const RATIO_MAX: usize = 22;

/// The encoder, and where a block goes for which there may be too little room: the encoder wants
/// room for the worst before it begins, and a batch of one block that gets smaller never has that.
pub(super) struct Encoder {
    raw: snap::raw::Encoder,
    spill: Vec<u8>,
}

pub(super) fn encoder() -> Encoder {
    Encoder {
        raw: snap::raw::Encoder::new(),
        spill: vec![0; max_compress_len(BLOCK)],
    }
}

pub(super) fn bound(input_bytes: usize) -> usize {
    let blocks = input_bytes.div_ceil(BLOCK);
    // Before the last block is compressed there must be room for the worst.
    HEADER.len() + blocks * (4 + max_compress_len(BLOCK))
}

pub(super) fn compress(
    encoder: &mut Encoder,
    input: &[u8],
    output: &mut [u8],
) -> Result<usize, Refusal> {
    *output.first_chunk_mut().ok_or(Refusal::NoRoom)? = HEADER;
    let mut at = HEADER.len();
    for block in input.chunks(BLOCK) {
        let Some((length, room)) = output[at..].split_first_chunk_mut::<4>() else {
            return Err(Refusal::NoRoom);
        };
        let bytes = compress_block(encoder, block, room)?;
        *length = (bytes as u32).to_be_bytes();
        at += 4 + bytes;
    }
    Ok(at)
}

fn compress_block(encoder: &mut Encoder, block: &[u8], room: &mut [u8]) -> Result<usize, Refusal> {
    const REFUSED: Refusal = Refusal::Codec("the block is refused");
    let Encoder { raw, spill } = encoder;
    if room.len() >= max_compress_len(block.len()) {
        return raw.compress(block, room).map_err(|_| REFUSED);
    }
    let bytes = raw.compress(block, spill).map_err(|_| REFUSED)?;
    let room = room.get_mut(..bytes).ok_or(Refusal::NoRoom)?;
    room.copy_from_slice(&spill[..bytes]);
    Ok(bytes)
}

pub(super) fn decompress(input: &mut Input<'_>, output: &mut Output<'_>) -> Result<(), Fault> {
    if !skip_header(input)? {
        let block = input.take(input.bytes.len())?;
        return decompress_block(block, output);
    }
    while !input.rest().is_empty() {
        // Streams that were written one behind the other are one.
        if skip_header(input)? {
            continue;
        }
        let length = u32::from_be_bytes(input.take_array()?);
        let block = input.take(length as usize)?;
        decompress_block(block, output)?;
    }
    Ok(())
}

/// Passes over the framing's header, if there is one.
fn skip_header(input: &mut Input<'_>) -> Result<bool, Fault> {
    if !input.rest().starts_with(&HEADER[..MAGIC_BYTES]) {
        return Ok(false);
    }
    let header: [u8; HEADER.len()] = input.take_array()?;
    if header[NEEDED_AT..] != HEADER[NEEDED_AT..] {
        return Err(Fault::Corrupt("the framing needs a newer version than 1"));
    }
    Ok(true)
}

fn decompress_block(block: &[u8], output: &mut Output<'_>) -> Result<(), Fault> {
    const BROKEN: Fault = Fault::Corrupt("this is no snappy block");
    if block.is_empty() {
        return Err(BROKEN);
    }
    let claimed = decompress_len(block).map_err(|_| BROKEN)?;
    if claimed > output.limit - output.bytes {
        return Err(Fault::TooLarge);
    }
    if claimed > block.len() * RATIO_MAX {
        return Err(Fault::Corrupt("the block claims more than it can hold"));
    }
    let bytes = Decoder::new()
        .decompress(block, output.room(claimed))
        .map_err(|_| BROKEN)?;
    output.fill(bytes)
}
