//! gzip members. Their heads, checksums and lengths are the inflater's business.

use flate2::{Decompress, FlushDecompress, Status};

use super::{Advance, Fault};

const WINDOW_BITS: u8 = 15;

pub(super) struct Gzip {
    inflater: Decompress,
}

impl Default for Gzip {
    fn default() -> Self {
        Self {
            inflater: Decompress::new_gzip(WINDOW_BITS),
        }
    }
}

impl Gzip {
    /// Begins a member with the first bytes of its head.
    pub(super) fn open(&mut self, head: &[u8]) -> Result<(), Fault> {
        self.inflater.reset(true);
        let advance = self.read(head, &mut [])?;
        debug_assert_eq!(advance.consumed, head.len(), "a head becomes nothing");
        Ok(())
    }

    pub(super) fn read(&mut self, input: &[u8], output: &mut [u8]) -> Result<Advance, Fault> {
        let (total_in, total_out) = (self.inflater.total_in(), self.inflater.total_out());
        let status = self
            .inflater
            .decompress(input, output, FlushDecompress::None);
        let consumed = (self.inflater.total_in() - total_in) as usize;
        let produced = (self.inflater.total_out() - total_out) as usize;
        let is_stuck = consumed == 0 && produced == 0 && !input.is_empty() && !output.is_empty();
        match status {
            Ok(Status::Ok | Status::BufError) if is_stuck => {
                Err("the deflate stream is stuck".into())
            }
            Ok(status) => Ok(Advance {
                consumed,
                produced,
                is_end: status == Status::StreamEnd,
            }),
            Err(error) => Err(error
                .message()
                .unwrap_or("this is no deflate stream")
                .into()),
        }
    }
}
