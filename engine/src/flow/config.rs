//! What a load is told, and what it tells while it runs.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use protocol::client::producer::{BrokerState, Identity, Timing};
use protocol::records::header::Compression;

use super::cut::CutRules;
use super::piece::Tail;
use crate::input::Input;
use crate::positions::{PartitionSlot, SlotWriter};

/// Everything that a shard of a load needs to know.
#[derive(Debug, Clone)]
pub struct LoadConfig {
    /// What is loaded.
    pub input: Arc<Input>,
    /// Where it goes.
    pub topic: String,
    /// Its id when the job began; zero where the cluster has none.
    pub topic_id: [u8; 16],
    /// How the input is cut.
    pub rules: CutRules,
    /// A record's batch at most, header included: the topic's `max.message.bytes`.
    pub record_bytes_max: u64,
    /// What batches are compressed with.
    pub compression: Compression,
    /// Its level, where the codec has one.
    pub compression_level: Option<i32>,
    /// −1 (all), 1 or 0.
    pub acks: i16,
    /// `max.in.flight.requests.per.connection`, here per partition.
    pub in_flight_max: usize,
    /// Delivery time-out and back-off.
    pub timing: Timing,
    /// How connections are made and requests bounded.
    pub client: ClientConfig,
    /// Records or bytes a second for this shard.
    pub rate: Option<Rate>,
}

/// How connections are made and requests bounded.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `client.id`
    pub client_id: String,
    /// `bootstrap.servers`, host and port.
    pub bootstrap: Vec<(String, u16)>,
    /// `request.timeout.ms`
    pub request_timeout: Duration,
    /// `socket.connection.setup.timeout.ms`
    pub connect_timeout: Duration,
    /// `reconnect.backoff.ms`
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`
    pub reconnect_backoff_max: Duration,
    /// `metadata.max.age.ms`
    pub metadata_max_age: Duration,
}

/// `--rate`
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// Records a second.
    Records(f64),
    /// Bytes of input a second.
    Bytes(f64),
}

/// Where one partition begins, after what an earlier run left was looked at.
#[derive(Debug)]
pub struct PartitionStart {
    /// Which partition.
    pub partition: u32,
    /// What is acknowledged.
    pub slot: PartitionSlot,
    /// Where that is stored: no system call, no lock. `None` where the input cannot be read again.
    pub writer: Option<SlotWriter>,
    /// Who produces; `None` without idempotence.
    pub identity: Option<Identity>,
    /// Whether the broker has just confirmed that state.
    pub is_known: bool,
    /// What an earlier run had in flight, and what the broker says of it.
    pub unconfirmed: Option<Unconfirmed>,
}

/// Batches that may have arrived before a crash.
#[derive(Debug, Clone)]
pub struct Unconfirmed {
    /// Their ranges and counts, from the acknowledged position on.
    pub batches: Vec<SurveyedBatch>,
    /// Records between them that are refused: counted and noted when the load goes on.
    pub refused: Vec<TooLarge>,
    /// The last sequence that the broker has. `None`: it may not be asked, so they are sent again one
    /// by one, and OUT_OF_ORDER_SEQUENCE_NUMBER means that the batch was there.
    pub state: Option<BrokerState>,
}

/// A record that is larger than the topic takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    /// Its range of the input, delimiter included.
    pub range: Range<u64>,
    /// The bytes of its value.
    pub value_bytes: u64,
    /// Where one reader deals records out: what it says of it.
    pub dealt: Option<DealtRefusal>,
}

/// A record that a reader refuses, for whatever reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DealtRefusal {
    /// Why.
    pub reason: String,
    /// Its bytes in the input, or the first of them.
    pub content: Vec<u8>,
}

impl TooLarge {
    /// Why it is refused, where batches of `limit` bytes are allowed.
    pub fn reason(&self, limit: u64) -> String {
        format!(
            "the record is {} bytes long, and with its batch header larger than the {limit} bytes \
             that the topic's max.message.bytes, or max.request.size, allows",
            self.value_bytes
        )
    }
}

/// A batch found by reading the input, as it would be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedBatch {
    /// Its range of the input.
    pub range: Range<u64>,
    /// Its records.
    pub count: u32,
    /// Whether it is one long record.
    pub is_long: bool,
    /// The range's last bytes.
    pub tail: Tail,
}

/// What goes on, written by shards and read by anyone: once a batch, not once a record.
#[derive(Debug, Default)]
pub struct Progress {
    /// Records acknowledged in this run.
    pub records: AtomicU64,
    /// Bytes of input acknowledged or refused in this run.
    pub bytes: AtomicU64,
    /// Bytes of requests on the wire.
    pub bytes_in_flight: AtomicU64,
    /// Records refused in this run.
    pub rejects: AtomicU64,
    /// Batches sent again.
    pub retries: AtomicU64,
    /// Nothing new is sent; what is in flight is waited for.
    pub stop: AtomicBool,
}

impl Progress {
    /// Asks the shards to send nothing new. They must be woken.
    pub fn request_stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// A record that will not be loaded.
#[derive(Debug, Clone)]
pub struct Reject {
    /// Which file of the input.
    pub file: usize,
    /// Where it begins in that file.
    pub file_offset: u64,
    /// Why.
    pub reason: String,
    /// Which partition it was meant for.
    pub partition: u32,
    /// Its range of the input, delimiter included.
    pub range: Range<u64>,
    /// The record, where the input is not read again for it.
    pub content: Option<RejectContent>,
}

/// What is known of a refused record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RejectContent {
    /// Its bytes in the input, delimiter included; fewer than its range where it was too long to keep.
    Input(Vec<u8>),
    /// What it was taken for.
    Record {
        /// Its key.
        key: Option<Vec<u8>>,
        /// Its value.
        value: Option<Vec<u8>>,
        /// Its headers.
        headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        /// Its own time in milliseconds since 1970, if it has one.
        timestamp: Option<i64>,
    },
}

/// What a shard reports to, apart from [`Progress`]. Called once a batch or more rarely.
pub trait LoadObserver: Send + Sync + std::fmt::Debug {
    /// Makes what was stored survive a power loss.
    fn sync(&self) -> Result<(), String>;

    /// A record is refused. When this returns it is noted durably; an error ends the job.
    fn reject(&self, reject: &Reject) -> Result<(), String>;
}
