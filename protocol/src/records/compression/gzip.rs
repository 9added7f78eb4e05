//! gzip: deflate in RFC 1952's wrapping. Members that follow one another are one stream.

use flate2::{Compress, Compression as Level, Decompress, FlushCompress, FlushDecompress, Status};

use super::{Fault, Input, Output, Refusal, TRUNCATED};

const WINDOW_BITS: u8 = 15;

/// Level −1 is zlib's default, as in Java.
pub(super) fn encoder(level: Option<i32>) -> Compress {
    let level = level.and_then(|level| u32::try_from(level).ok());
    Compress::new_gzip(level.map_or(Level::default(), Level::new), WINDOW_BITS)
}

/// Nine bits a byte, which is the worst that fixed codes do, and the wrapping.
pub(super) fn bound(input_bytes: usize) -> usize {
    input_bytes + input_bytes / 8 + 64
}

pub(super) fn compress(
    encoder: &mut Compress,
    input: &[u8],
    output: &mut [u8],
) -> Result<usize, Refusal> {
    encoder.reset();
    match encoder.compress(input, output, FlushCompress::Finish) {
        Ok(Status::StreamEnd) => Ok(encoder.total_out() as usize),
        Ok(Status::Ok | Status::BufError) => Err(Refusal::NoRoom),
        Err(_) => Err(Refusal::Codec("the deflate stream is broken")),
    }
}

pub(super) fn decompress(
    context: &mut Option<Decompress>,
    input: &mut Input<'_>,
    output: &mut Output<'_>,
) -> Result<(), Fault> {
    loop {
        // A reset of the context would make a new one too.
        let context = context.insert(Decompress::new_gzip(WINDOW_BITS));
        decompress_member(context, input, output)?;
        if input.rest().is_empty() {
            return Ok(());
        }
    }
}

fn decompress_member(
    context: &mut Decompress,
    input: &mut Input<'_>,
    output: &mut Output<'_>,
) -> Result<(), Fault> {
    loop {
        let (read, written) = (context.total_in(), context.total_out());
        let room = output.more_room(input);
        let room_bytes = room.len();
        let status = context.decompress(input.rest(), room, FlushDecompress::None);
        let written = (context.total_out() - written) as usize;
        input.at += (context.total_in() - read) as usize;
        output.fill(written)?;
        match status {
            Ok(Status::StreamEnd) => return Ok(()),
            Ok(Status::Ok | Status::BufError) if written == room_bytes => {}
            Ok(Status::Ok | Status::BufError) if input.rest().is_empty() => return Err(TRUNCATED),
            Ok(Status::Ok) => {}
            Ok(Status::BufError) => return Err(Fault::Corrupt("the deflate stream is stuck")),
            Err(_) => return Err(Fault::Corrupt("this is no gzip stream")),
        }
    }
}
