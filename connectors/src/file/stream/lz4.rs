//! LZ4 frames, block by block. All checksums that a frame has are checked.
//!
//! A block that lies whole in the input is decompressed from there; one that does not is gathered
//! first. A block that refers to none before it goes straight to the output if that has room for
//! the largest block; any other goes through a buffer of our own, behind the 64 KiB that it may
//! refer to.

use std::hash::Hasher;
use std::ops::Range;

use lz4_flex::block::{DecompressError, decompress_into, decompress_into_with_dict};
use twox_hash::XxHash32;

use super::frame::{Lz4Frame, xxh32};
use super::{Advance, Fault};

/// What a block may refer to: so much in front of it.
const WINDOW: usize = 64 << 10;
const LENGTH_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 4;
/// The high bit of a block's length: its bytes are as they are.
const STORED: u32 = 1 << 31;

impl Lz4Frame {
    pub(super) fn memory_bytes(&self) -> usize {
        WINDOW + 2 * self.block_bytes_max + CHECKSUM_BYTES
    }
}

pub(super) struct Lz4 {
    frame: Lz4Frame,
    stage: Stage,
    /// What the stage needs, as far as it has come.
    gathered: Vec<u8>,
    /// The window, if blocks are linked, and behind it the block that is given out.
    plain: Vec<u8>,
    /// Where that block ends.
    plain_end: usize,
    /// What of `plain` is to be given out.
    pending: Range<usize>,
    checksum: XxHash32,
    content_bytes: u64,
}

impl Default for Lz4 {
    fn default() -> Self {
        Self {
            frame: Lz4Frame::default(),
            stage: Stage::Length,
            gathered: Vec::new(),
            plain: Vec::new(),
            plain_end: 0,
            pending: 0..0,
            checksum: XxHash32::with_seed(0),
            content_bytes: 0,
        }
    }
}

/// What comes next in the input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Length,
    Block { bytes: usize, is_stored: bool },
    Checksum,
    End,
}

impl Lz4 {
    pub(super) fn open(&mut self, frame: Lz4Frame) {
        self.frame = frame;
        self.stage = Stage::Length;
        self.gathered.clear();
        self.gathered
            .reserve(frame.block_bytes_max + CHECKSUM_BYTES);
        self.plain.resize(WINDOW + frame.block_bytes_max, 0);
        self.plain_end = 0;
        self.pending = 0..0;
        self.checksum = XxHash32::with_seed(0);
        self.content_bytes = 0;
    }

    pub(super) fn read(&mut self, input: &[u8], output: &mut [u8]) -> Result<Advance, Fault> {
        let mut advance = Advance {
            consumed: 0,
            produced: 0,
            is_end: false,
        };
        loop {
            advance.produced += self.give(&mut output[advance.produced..]);
            if !self.pending.is_empty() {
                return Ok(advance);
            }
            if self.stage == Stage::End {
                advance.is_end = true;
                return Ok(advance);
            }
            let rest = &input[advance.consumed..];
            let needed = self.needed();
            let missing = needed - self.gathered.len();
            if rest.len() < missing {
                self.gathered.extend_from_slice(rest);
                advance.consumed = input.len();
                return Ok(advance);
            }
            advance.consumed += missing;
            let room = &mut output[advance.produced..];
            if self.gathered.is_empty() {
                advance.produced += self.take(&rest[..needed], room)?;
            } else {
                self.gathered.extend_from_slice(&rest[..missing]);
                let mut gathered = std::mem::take(&mut self.gathered);
                let taken = self.take(&gathered, room);
                gathered.clear();
                self.gathered = gathered;
                advance.produced += taken?;
            }
        }
    }

    /// The bytes that the stage takes.
    fn needed(&self) -> usize {
        match self.stage {
            Stage::Length => LENGTH_BYTES,
            Stage::Block { bytes, .. } if self.frame.has_block_checksums => bytes + CHECKSUM_BYTES,
            Stage::Block { bytes, .. } => bytes,
            Stage::Checksum => CHECKSUM_BYTES,
            Stage::End => 0,
        }
    }

    /// Gives out what is left of a block.
    fn give(&mut self, output: &mut [u8]) -> usize {
        let bytes = self.pending.len().min(output.len());
        let from = self.pending.start;
        output[..bytes].copy_from_slice(&self.plain[from..from + bytes]);
        self.pending.start += bytes;
        bytes
    }

    /// Takes all that the stage needs, and says how much went straight to the output.
    fn take(&mut self, bytes: &[u8], output: &mut [u8]) -> Result<usize, Fault> {
        match self.stage {
            Stage::Length => self.take_length(number(bytes)).map(|()| 0),
            Stage::Block {
                bytes: of,
                is_stored,
            } => {
                let (block, checksum) = bytes.split_at(of);
                if !checksum.is_empty() && xxh32(block) != number(checksum) {
                    return Err("the checksum of a block is wrong".into());
                }
                self.stage = Stage::Length;
                self.take_block(block, is_stored, output)
            }
            Stage::Checksum if number(bytes) != self.checksum.finish_32() => {
                Err("the checksum of the frame's content is wrong".into())
            }
            Stage::Checksum | Stage::End => {
                self.stage = Stage::End;
                Ok(0)
            }
        }
    }

    fn take_length(&mut self, length: u32) -> Result<(), Fault> {
        let bytes = (length & !STORED) as usize;
        if bytes > self.frame.block_bytes_max {
            return Err("a block is longer than its frame allows".into());
        }
        let is_stored = length & STORED != 0;
        self.stage = match (length, self.frame.content_bytes) {
            (1.., _) => Stage::Block { bytes, is_stored },
            (0, Some(expected)) if expected != self.content_bytes => {
                return Err("the frame's content is not as long as its head says".into());
            }
            _ if self.frame.has_checksum => Stage::Checksum,
            _ => Stage::End,
        };
        Ok(())
    }

    fn take_block(
        &mut self,
        block: &[u8],
        is_stored: bool,
        output: &mut [u8],
    ) -> Result<usize, Fault> {
        let block_bytes_max = self.frame.block_bytes_max;
        if !self.frame.is_linked && output.len() >= block_bytes_max {
            let bytes = decode(block, is_stored, &[], &mut output[..block_bytes_max])?;
            self.content_bytes += bytes as u64;
            if self.frame.has_checksum {
                self.checksum.write(&output[..bytes]);
            }
            return Ok(bytes);
        }
        let window = self.keep_window();
        let (before, room) = self.plain.split_at_mut(window);
        let bytes = decode(block, is_stored, before, &mut room[..block_bytes_max])?;
        self.content_bytes += bytes as u64;
        if self.frame.has_checksum {
            self.checksum.write(&room[..bytes]);
        }
        self.plain_end = window + bytes;
        self.pending = window..window + bytes;
        Ok(0)
    }

    /// Moves the end of what came out, which the next block may refer to, to the front.
    fn keep_window(&mut self) -> usize {
        let bytes = if self.frame.is_linked {
            self.plain_end.min(WINDOW)
        } else {
            0
        };
        self.plain
            .copy_within(self.plain_end - bytes..self.plain_end, 0);
        bytes
    }
}

/// A block's bytes at the start of `room`, and how many there are.
fn decode(block: &[u8], is_stored: bool, before: &[u8], room: &mut [u8]) -> Result<usize, Fault> {
    if is_stored {
        room[..block.len()].copy_from_slice(block);
        return Ok(block.len());
    }
    let decoded = match before {
        [] => decompress_into(block, room),
        before => decompress_into_with_dict(block, room, before),
    };
    decoded.map_err(|error| match error {
        DecompressError::OutputTooSmall { .. } => {
            "a block becomes more than its frame allows".into()
        }
        _ => "a block is broken".into(),
    })
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(*bytes.first_chunk().expect("four bytes were gathered"))
}
