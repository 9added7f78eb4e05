//! Snappy as snappy-java frames it: a header of 16 bytes, then blocks, each a raw snappy buffer
//! behind its length (big-endian). Some clients write one raw buffer alone; that is read too.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

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
        let bytes = match encoder.compress(block, room) {
            Ok(bytes) => bytes,
            Err(snap::Error::BufferTooSmall { .. }) => return Err(Refusal::NoRoom),
            Err(_) => return Err(Refusal::Codec("the block is refused")),
        };
        *length = (bytes as u32).to_be_bytes();
        at += 4 + bytes;
    }
    Ok(at)
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
