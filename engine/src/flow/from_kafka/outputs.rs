//! All outputs of a dump: records of the right partition into the right file, out of few buffers.

use std::path::PathBuf;
use std::time::Instant;

use protocol::client::fetcher::{PartitionIndex, Position};
use protocol::records::DecodeError;

use super::config::{DumpConfig, OutputStart, OutputTarget, PartitionRead};
use super::error::DumpError;
use super::output::{Output, Stored};
use super::purpose::Purpose;
use super::stream::Stream;
use super::values::Formatter;
use super::walk::{BatchView, Cursor, Taker};
use crate::io::{Completion, Io, Returned};
use crate::memory::Pool;
use crate::positions::{OutputSlot, SlotWriter};

#[derive(Debug)]
pub(super) struct Outputs {
    topic: String,
    partitions: Vec<PartitionRead>,
    outputs: Vec<Output>,
    buffers: Pool,
    formatter: Formatter,
    /// The thread of standard output, which is the only output then.
    stream: Option<(Stream, &'static str)>,
    /// Offsets passed.
    pub(super) offsets: u64,
    passed: Vec<i64>,
}

impl Outputs {
    /// One output for all partitions, or one for each.
    pub(super) fn new(
        io: &mut Io,
        config: DumpConfig,
        partitions: Vec<PartitionRead>,
        starts: Vec<OutputStart>,
    ) -> Result<Self, DumpError> {
        assert!(
            starts.len() == 1 || starts.len() == partitions.len(),
            "one output for all partitions, or one for each"
        );
        let mut stream = None;
        let mut outputs = Vec::new();
        for (index, start) in starts.into_iter().enumerate() {
            let OutputStart {
                target,
                slot,
                tail,
                writer,
            } = start;
            let (file, path) = match target {
                OutputTarget::File { file, path } => (Some(io.add_file(file.into())), path),
                OutputTarget::Stream { file, name } => {
                    let path = PathBuf::from(name);
                    let started = Stream::start(file, io.waker());
                    let started = started.map_err(|source| DumpError::Write {
                        path: path.clone(),
                        source,
                    })?;
                    stream = Some((started, name));
                    (None, path)
                }
            };
            outputs.push(Output::new(index, file, path, slot, tail, writer));
        }
        Ok(Self {
            topic: config.read.topic,
            passed: partitions.iter().map(|p| p.position.offset).collect(),
            partitions,
            outputs,
            buffers: Pool::new(config.buffers, config.buffer_bytes),
            formatter: Formatter::new(config.format),
            stream,
            offsets: 0,
        })
    }

    /// The output of a partition, and the partition's place in it.
    fn place(&self, PartitionIndex(index): PartitionIndex) -> (usize, usize) {
        if self.outputs.len() == 1 {
            (0, index)
        } else {
            (index, 0)
        }
    }

    /// A buffer for an output; if all are in use, another output's is sealed, so that one comes back.
    fn open(&mut self, output: usize) -> bool {
        if self.buffers.available() == 0 && !self.is_writing() {
            let fullest = (0..self.outputs.len()).max_by_key(|&i| self.outputs[i].open_bytes());
            self.seal(fullest.expect("a dump has an output"));
        }
        let Some(buffer) = self.buffers.take() else {
            return false;
        };
        self.outputs[output].open(buffer);
        true
    }

    fn seal(&mut self, output: usize) {
        if let Some(buffer) = self.outputs[output].seal() {
            self.buffers.put(buffer);
        }
    }

    /// Ends open buffers, so that what is in them is written: of outputs that are not being written
    /// to, or of all.
    pub(super) fn flush(&mut self, is_end: bool) {
        for index in 0..self.outputs.len() {
            let output = &self.outputs[index];
            if output.has_open() && (is_end || !output.is_writing()) {
                self.seal(index);
            }
        }
    }

    /// Hands on what waits to be written.
    pub(super) fn submit(&mut self, now: Instant, io: &mut Io) {
        for output in &mut self.outputs {
            output.submit(now, io);
        }
        if let Some((stream, _)) = &self.stream
            && let Some((buffer, bytes)) = self.outputs[0].take_for_stream()
        {
            stream.write(buffer, bytes);
        }
    }

    /// What the stream's thread has done.
    pub(super) fn poll_stream(&mut self) -> Result<(), DumpError> {
        let Some((stream, name)) = &self.stream else {
            return Ok(());
        };
        let Some((buffer, result)) = stream.poll_written() else {
            return Ok(());
        };
        self.buffers.put(buffer);
        self.outputs[0].handle_streamed();
        result.map_err(|source| match source.kind() {
            std::io::ErrorKind::BrokenPipe => DumpError::Gone { name },
            _ => DumpError::Write {
                path: self.outputs[0].path.clone(),
                source,
            },
        })
    }

    /// A write's completion.
    pub(super) fn handle_completion(
        &mut self,
        now: Instant,
        completion: Completion,
    ) -> Result<(), DumpError> {
        let Purpose::Write { output, number } = Purpose::from_token(completion.token) else {
            panic!("the owner hands on what is the outputs'");
        };
        let Returned::Buffer(buffer) = completion.buffers else {
            panic!("a write gives its buffer back");
        };
        let output = &mut self.outputs[output];
        match completion.result {
            Ok(_) => {
                output.handle_written(number);
                self.buffers.put(buffer);
                Ok(())
            }
            Err(source) if is_full(&source) => {
                if !output.is_full() {
                    let path = output.path.display();
                    tracing::warn!("{path}: {source}; waiting for room");
                }
                output.handle_full(now, number, buffer);
                Ok(())
            }
            Err(source) => {
                self.buffers.put(buffer);
                let path = output.path.clone();
                Err(DumpError::Write { path, source })
            }
        }
    }

    /// Stores what is written. Says what that was, all outputs together.
    pub(super) fn store(&mut self) -> Stored {
        let mut sum = Stored::default();
        for output in &mut self.outputs {
            let stored = output.store();
            sum.records += stored.records;
            sum.ambiguous += stored.ambiguous;
            sum.bytes += stored.bytes;
        }
        sum
    }

    pub(super) fn is_writing(&self) -> bool {
        self.outputs.iter().any(Output::is_writing)
    }

    pub(super) fn has_open(&self) -> bool {
        self.outputs.iter().any(Output::has_open)
    }

    pub(super) fn is_full(&self) -> bool {
        self.outputs.iter().any(Output::is_full)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.outputs.iter().filter_map(Output::poll_timeout).min()
    }

    /// How far they are, and where that is stored.
    pub(super) fn into_slots(self) -> (Vec<OutputSlot>, Vec<SlotWriter>) {
        let outputs = self.outputs.into_iter().map(Output::into_slot);
        let (slots, writers): (Vec<_>, Vec<_>) = outputs.unzip();
        (slots, writers.into_iter().flatten().collect())
    }

    fn note(&mut self, partition: PartitionIndex, position: Position) {
        let (output, place) = self.place(partition);
        self.outputs[output].note(place, position);
        let passed = &mut self.passed[partition.0];
        self.offsets += u64::try_from(position.offset - *passed).unwrap_or(0);
        *passed = position.offset;
    }
}

impl Taker for Outputs {
    fn take(&mut self, batch: &BatchView<'_>, cursor: &mut Cursor) -> Result<bool, DecodeError> {
        let (index, _) = self.place(batch.partition);
        let partition = self.partitions[batch.partition.0].partition;
        loop {
            let Some((room, is_empty)) = self.outputs[index].room() else {
                if !self.open(index) {
                    return Ok(false);
                }
                continue;
            };
            let of = (self.topic.as_str(), partition);
            let filled = self.formatter.fill(of, batch, cursor, room, is_empty)?;
            let output = &mut self.outputs[index];
            output.fill(filled.bytes, filled.records, filled.ambiguous);
            if filled.records > 0 && !cursor.is_split {
                let position = Position {
                    offset: cursor.from,
                    epoch: batch.header.partition_leader_epoch,
                };
                self.note(batch.partition, position);
            }
            if !filled.is_full {
                return Ok(true);
            }
            self.seal(index);
        }
    }

    fn advance(&mut self, partition: PartitionIndex, next: Position) {
        self.note(partition, next);
    }
}

/// Whether a write failed for want of room, which somebody may make.
fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
