//! Zstandard frames.

use zstd::zstd_safe::get_error_name;
use zstd::zstd_safe::{DCtx, DParameter, ErrorCode, InBuffer, OutBuffer, ResetDirective};

use super::{Advance, Fault};

/// The largest window that the library takes. The caller's limit is checked before.
const WINDOW_LOG_MAX: u32 = 31;

pub(super) struct Zstd {
    context: DCtx<'static>,
}

impl Default for Zstd {
    fn default() -> Self {
        let mut context = DCtx::create();
        context
            .set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))
            .expect("the window is within the library's bounds");
        Self { context }
    }
}

impl Zstd {
    /// Begins a frame with its head.
    pub(super) fn open(&mut self, head: &[u8]) -> Result<(), Fault> {
        // The last input may have been given up within a frame.
        self.context
            .reset(ResetDirective::SessionOnly)
            .map_err(fault)?;
        let advance = self.read(head, &mut [])?;
        debug_assert_eq!(advance.consumed, head.len(), "a head becomes nothing");
        Ok(())
    }

    pub(super) fn read(&mut self, input: &[u8], output: &mut [u8]) -> Result<Advance, Fault> {
        let is_output_empty = output.is_empty();
        let mut to = OutBuffer::around(output);
        let mut from = InBuffer::around(input);
        let hint = self
            .context
            .decompress_stream(&mut to, &mut from)
            .map_err(fault)?;
        let (consumed, produced) = (from.pos(), to.pos());
        let is_stuck = consumed == 0 && produced == 0 && !input.is_empty() && !is_output_empty;
        if is_stuck && hint != 0 {
            return Err("the stream is stuck".into());
        }
        Ok(Advance {
            consumed,
            produced,
            is_end: hint == 0,
        })
    }
}

fn fault(code: ErrorCode) -> Fault {
    get_error_name(code).into()
}
