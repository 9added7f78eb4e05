//! What reading a topic is told, and what it tells while it runs.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use protocol::client::fetcher::{FetcherSettings, Position};
use protocol::records::header::TimestampType;
use protocol::records::reader::RecordView;

use crate::flow::config::ClientConfig;
use crate::positions::{OutputSlot, SlotWriter};

/// Everything that reading a topic needs to know.
#[derive(Debug, Clone)]
pub struct ReadConfig {
    /// What is read.
    pub topic: String,
    /// Its id when the job began; zero where the cluster has none.
    pub topic_id: [u8; 16],
    /// How connections are made and requests bounded.
    pub client: ClientConfig,
    /// What is asked for, and how long.
    pub fetcher: FetcherSettings,
    /// Connections to each broker. A partition is always asked for on the same one.
    pub connections: usize,
    /// Bytes of a connection's receive buffer; an answer that is larger makes a larger one.
    pub receive_bytes: usize,
}

/// A partition that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionRead {
    /// Its number.
    pub partition: u32,
    /// From where on.
    pub position: Position,
    /// The offset behind the last one wanted; none: there is no end.
    pub end: Option<i64>,
}

/// What becomes of a record.
#[derive(Debug)]
pub enum Format {
    /// The value's bytes, or `null`, and the delimiter.
    Values {
        /// Stands behind every value.
        delimiter: Vec<u8>,
        /// Stands for a value that is null.
        null: Vec<u8>,
    },
    /// What somebody else makes of it.
    Records(Box<dyn RecordFormat>),
}

/// Turns records into bytes.
pub trait RecordFormat: Send + fmt::Debug {
    /// Appends the record to `out`.
    fn write(&mut self, record: &DumpRecord<'_>, out: &mut Vec<u8>);
}

/// A record and where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct DumpRecord<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: u32,
    /// The broker that it came from.
    pub broker: i32,
    /// Whose clock its timestamp is from.
    pub timestamp_type: TimestampType,
    /// Offset, timestamp, key, value, headers.
    pub record: RecordView<'a>,
}

/// An output as a flow takes it over.
#[derive(Debug)]
pub struct OutputStart {
    /// Where the bytes go.
    pub target: OutputTarget,
    /// How far it is: the file is that long.
    pub slot: OutputSlot,
    /// The last bytes that count, as many as the slot's tail has.
    pub tail: Vec<u8>,
    /// Where that is stored; standard output has none.
    pub writer: Option<SlotWriter>,
}

/// Where an output's bytes go.
#[derive(Debug)]
pub enum OutputTarget {
    /// A regular file, written by position, several writes at a time.
    File {
        /// Open for writing.
        file: File,
        /// What it is called, for messages.
        path: PathBuf,
    },
    /// A pipe, a terminal, or whatever else takes bytes one behind the other.
    Stream {
        /// Open for writing.
        file: File,
        /// What it is called, for messages.
        name: &'static str,
    },
}

/// Everything that a dump needs to know besides.
#[derive(Debug)]
pub struct DumpConfig {
    /// How the topic is read.
    pub read: ReadConfig,
    /// What becomes of a record.
    pub format: Format,
    /// Buffers for output, shared by all files.
    pub buffers: usize,
    /// Bytes of each: a write's size.
    pub buffer_bytes: usize,
}

/// What goes on, written by the shard and read by anyone: once a write, not once a record.
#[derive(Debug, Default)]
pub struct DumpProgress {
    /// Records whose bytes are in the output.
    pub records: AtomicU64,
    /// Those of them whose value holds the delimiter.
    pub ambiguous: AtomicU64,
    /// Bytes of output written.
    pub bytes: AtomicU64,
    /// Offsets passed, with or without a record.
    pub offsets: AtomicU64,
    /// Whether a write waits for room on a disk.
    pub is_full: AtomicBool,
    /// Nothing more is read; what was taken is written.
    pub stop: AtomicBool,
}

impl DumpProgress {
    /// Asks the shard to stop. It must be woken.
    pub fn request_stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
