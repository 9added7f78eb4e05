//! Zstandard frames. Frames that follow one another are one stream.

use zstd::zstd_safe::{
    CCtx, CParameter, DCtx, DParameter, ErrorCode, InBuffer, OutBuffer, ResetDirective,
    compress_bound, get_error_name,
};

use super::{Fault, Input, Output, Refusal, TRUNCATED};

/// Kafka's default.
const LEVEL: i32 = 3;
/// The largest window that is accepted, 128 MiB: what zstd at its highest level uses, and the
/// default of zstd's own decoders. The format goes up to 2 TiB.
const WINDOW_LOG_MAX: u32 = 27;

pub(super) fn encoder(level: Option<i32>) -> CCtx<'static> {
    let mut context = CCtx::create();
    context
        .set_parameter(CParameter::CompressionLevel(level.unwrap_or(LEVEL)))
        .expect("the level was checked");
    context
}

pub(super) fn bound(input_bytes: usize) -> usize {
    compress_bound(input_bytes)
}

pub(super) fn compress(
    context: &mut CCtx<'static>,
    input: &[u8],
    output: &mut [u8],
) -> Result<usize, Refusal> {
    context
        .compress2(output, input)
        .map_err(|code| match name(code) {
            "Destination buffer is too small" => Refusal::NoRoom,
            reason => Refusal::Codec(reason),
        })
}

pub(super) fn decompress(
    context: &mut Option<DCtx<'static>>,
    input: &mut Input<'_>,
    output: &mut Output<'_>,
) -> Result<(), Fault> {
    let context = context.get_or_insert_with(decoder);
    // The last batch may have left it in the middle of a frame.
    context.reset(ResetDirective::SessionOnly).map_err(fault)?;
    loop {
        let room = output.more_room(input);
        let room_bytes = room.len();
        let mut to = OutBuffer::around(room);
        let mut from = InBuffer::around(input.rest());
        let hint = context
            .decompress_stream(&mut to, &mut from)
            .map_err(fault)?;
        let (read, written) = (from.pos(), to.pos());
        input.at += read;
        output.fill(written)?;
        match hint {
            0 if input.rest().is_empty() => return Ok(()),
            0 => {}
            _ if written == room_bytes || read > 0 => {}
            _ => return Err(TRUNCATED),
        }
    }
}

fn decoder() -> DCtx<'static> {
    let mut context = DCtx::create();
    context
        .set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))
        .expect("the window is within the format's bounds");
    context
}

fn fault(code: ErrorCode) -> Fault {
    Fault::Corrupt(name(code))
}

fn name(code: ErrorCode) -> &'static str {
    get_error_name(code)
}
