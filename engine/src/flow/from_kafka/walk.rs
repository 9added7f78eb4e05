//! Taking records out of an answer: batch after batch where it lies, checked, decompressed where it
//! must be, and handed to a [`Taker`], which may say at any record that it has no room.

use std::collections::VecDeque;

use protocol::client::fetcher::{Fetcher, PartitionIndex, Piece, Position};
use protocol::records::DecodeError;
use protocol::records::compression::{DecompressError, Decompressor};
use protocol::records::header::{BatchHeader, Compression, TimestampType};
use protocol::records::reader::{Batch, Batches};

use crate::limits::DECOMPRESSED_BYTES_MAX;
use crate::memory::Buffer;

/// Takes the records of batches, in each partition's order.
pub trait Taker {
    /// Takes records of `batch` from `cursor` on, and moves the cursor over them. `Ok(false)`: there
    /// is no room for the next one, and the same batch comes again later.
    fn take(&mut self, batch: &BatchView<'_>, cursor: &mut Cursor) -> Result<bool, DecodeError>;

    /// A batch comes that is passed over: a transaction that was aborted, a marker, or one before
    /// what is wanted.
    fn pass(&mut self, partition: PartitionIndex, header: &BatchHeader) {
        let _ = (partition, header);
    }

    /// Everything of the partition before `next` was taken.
    fn advance(&mut self, partition: PartitionIndex, next: Position);
}

/// A batch whose sum held.
#[derive(Debug, Clone, Copy)]
pub struct BatchView<'a> {
    /// Of which partition.
    pub partition: PartitionIndex,
    /// The broker that it came from.
    pub broker: i32,
    /// What stands before its records.
    pub header: &'a BatchHeader,
    /// Its records, as one piece that is not compressed.
    pub records: &'a [u8],
    batch: Batch<'a>,
}

impl<'a> BatchView<'a> {
    /// Whose clock its timestamps are from.
    pub fn timestamp_type(&self) -> TimestampType {
        self.header.attributes.timestamp_type()
    }

    /// Its records, one by one.
    pub fn iter(&self) -> Result<protocol::records::reader::Records<'a>, DecodeError> {
        self.batch.records_in(self.records)
    }
}

/// How far a batch was taken.
#[derive(Debug, Clone)]
pub struct Cursor {
    /// Records before this offset are not wanted, or were taken.
    pub from: i64,
    /// Nor are those from here on.
    pub end: Option<i64>,
    /// Records of the batch that were passed over or taken.
    pub records: u32,
    /// Bytes that are out already of a record that no buffer holds.
    pub partial: usize,
    /// Whether such a record is out in part.
    pub is_split: bool,
    /// Where values were copied up to, by whom they are copied.
    pub walk: Option<protocol::records::unframe::Walk>,
}

/// An answer whose records are being taken.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) link: usize,
    broker: i32,
    pub(super) buffer: Buffer,
    /// Where the answer's body begins in the buffer.
    body_at: usize,
    pieces: VecDeque<Piece>,
    /// Where the next batch begins in the first piece.
    at: usize,
    /// The batch there, if some of it was taken or tried.
    open: Option<Open>,
}

/// A batch that was begun.
#[derive(Debug)]
struct Open {
    cursor: Cursor,
    /// What the decompressor has of it; none: it is not compressed.
    decompressed: Option<usize>,
}

/// Why a batch cannot be taken.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Decompress(#[from] DecompressError),
}

/// Where partitions are as far as records were taken; what does not continue that is thrown away.
#[derive(Debug)]
pub(super) struct Taken(Vec<Position>);

impl Taken {
    pub(super) fn new(positions: Vec<Position>) -> Self {
        Self(positions)
    }

    pub(super) fn at(&self, PartitionIndex(index): PartitionIndex) -> Position {
        self.0[index]
    }
}

impl Walk {
    pub(super) fn new(
        (link, broker): (usize, i32),
        buffer: Buffer,
        body_at: usize,
        pieces: Vec<Piece>,
    ) -> Self {
        Self {
            link,
            broker,
            buffer,
            body_at,
            pieces: pieces.into(),
            at: 0,
            open: None,
        }
    }

    /// Hands out what there is. `false`: the taker has no room.
    pub(super) fn go_on(
        &mut self,
        fetcher: &mut Fetcher,
        taken: &mut Taken,
        decompressor: &mut Decompressor,
        taker: &mut impl Taker,
    ) -> bool {
        while let Some(piece) = self.pieces.front_mut() {
            let PartitionIndex(index) = piece.partition;
            let is_begun = self.at > 0 || self.open.is_some();
            if !is_begun {
                if taken.0[index].offset != piece.continues {
                    self.pieces.pop_front();
                    continue;
                }
                if piece.from != piece.continues {
                    taken.0[index] = Position::at(piece.from);
                }
            }
            let records = &self.buffer[self.body_at..][piece.range.clone()];
            let rest = &records[self.at..];
            let Some(batch) = Batches::new(rest).next() else {
                taken.0[index] = piece.next;
                taker.advance(piece.partition, piece.next);
                self.at = 0;
                self.pieces.pop_front();
                continue;
            };
            let batch = batch.expect("its header was read before");
            let result = Step {
                broker: self.broker,
                piece,
                open: &mut self.open,
                decompressor,
            }
            .take(&batch, taker);
            match result {
                Ok(true) => {
                    self.at += batch.bytes().len();
                    let header = batch.header();
                    let next = Position {
                        offset: header.last_offset().saturating_add(1),
                        epoch: header.partition_leader_epoch,
                    };
                    if next.offset > taken.0[index].offset {
                        taken.0[index] = next;
                    }
                    self.open = None;
                }
                Ok(false) => return false,
                Err(error) => {
                    // Records before the damage may be out already: it goes on behind them.
                    let mut at = taken.0[index];
                    if let Some(open) = &self.open
                        && open.cursor.from > at.offset
                    {
                        at = Position {
                            offset: open.cursor.from,
                            epoch: batch.header().partition_leader_epoch,
                        };
                    }
                    taken.0[index] = at;
                    fetcher.handle_corrupt(piece.partition, at, &error);
                    (self.at, self.open) = (0, None);
                    self.pieces.pop_front();
                }
            }
        }
        true
    }
}

/// One try at one batch.
struct Step<'a> {
    broker: i32,
    piece: &'a mut Piece,
    open: &'a mut Option<Open>,
    decompressor: &'a mut Decompressor,
}

impl Step<'_> {
    fn take(self, batch: &Batch<'_>, taker: &mut impl Taker) -> Result<bool, BatchError> {
        let header = batch.header();
        if self.open.is_none() {
            batch.check_crc()?;
            let is_aborted = match &mut self.piece.aborted {
                Some(aborted) => aborted.is_aborted(batch)?,
                None => false,
            };
            let is_wanted = header.last_offset() >= self.piece.from
                && header.records_count > 0
                && !header.attributes.is_control()
                && !is_aborted;
            if !is_wanted {
                taker.pass(self.piece.partition, header);
                return Ok(true);
            }
        }
        let compression = batch.compression()?;
        let decompressed = match (&self.open, compression) {
            (_, Compression::None) => None,
            (Some(open), _) => open.decompressed,
            (None, _) => {
                let limit = DECOMPRESSED_BYTES_MAX;
                let section = batch.section();
                Some(
                    self.decompressor
                        .decompress(compression, section, limit)?
                        .len(),
                )
            }
        };
        let open = self.open.get_or_insert(Open {
            cursor: Cursor {
                from: self.piece.from.max(header.base_offset),
                end: self.piece.end,
                records: 0,
                partial: 0,
                is_split: false,
                walk: None,
            },
            decompressed,
        });
        let records = match open.decompressed {
            None => batch.section(),
            Some(bytes) => &self.decompressor.decompressed()[..bytes],
        };
        let view = BatchView {
            partition: self.piece.partition,
            broker: self.broker,
            header,
            records,
            batch: *batch,
        };
        Ok(taker.take(&view, &mut open.cursor)?)
    }
}
