//! From options and the topic to what the engine is told.

use std::sync::Arc;

use connectors::file::inputs::Inputs;
use engine::flow::CutRules;
use engine::flow::config::{ClientConfig, LoadConfig, Rate};
use engine::input::Deal;
use engine::limits::{BATCH_BYTES_MAX, CHUNK_BYTES};
use engine::positions::{FrozenSettings, JobHeader};
use protocol::client::producer::Timing;
use protocol::records::header::Compression;

use super::error::LoadError;
use super::reading;
use super::state;
use super::target::Topic;
use crate::options::{self, LoadOptions};

/// Lanes that one topic gets by default: Apache's broker takes one request at a time from a connection,
/// so one connection keeps it on one core; two brought the wall to 0.55–0.65.
const LANES: u32 = 2;
/// Lanes that a thread drives; framing is far cheaper than what the brokers do with it.
const LANES_A_SHARD: usize = 4;
/// Batches a second that a rate is cut into, so that it is even.
const BATCHES_A_SECOND: u64 = 10;
/// No smaller batches for the sake of a rate.
const BATCH_BYTES_MIN: u64 = 16 << 10;

/// What can be said about the topic before anything is begun.
pub(super) fn check_topic(options: &LoadOptions, topic: &Topic) -> Result<(), LoadError> {
    if topic.may_write == Some(false) {
        return Err(LoadError::NoRight {
            topic: topic.name.clone(),
            right: "WRITE",
        });
    }
    if let Some(policy) = topic
        .cleanup_policy
        .as_ref()
        .filter(|p| p.contains("compact"))
    {
        let (topic, policy) = (topic.name.clone(), policy.clone());
        return Err(LoadError::Compacted { topic, policy });
    }
    let partitions = topic.partitions();
    if let Some(partition) = options
        .partition
        .filter(|&partition| partition >= partitions)
    {
        let topic = topic.name.clone();
        return Err(LoadError::NoSuchPartition {
            partition,
            topic,
            partitions,
        });
    }
    Ok(())
}

/// What a new job freezes.
pub(super) fn freeze(
    options: &LoadOptions,
    inputs: &Inputs,
    topic: &Topic,
    base: u32,
) -> FrozenSettings {
    let producer = &options.producer;
    let asked = producer.request_bytes_max.map_or(u64::MAX, u64::from);
    let record_bytes_max = topic.message_bytes_max.min(asked).min(i32::MAX as u64);
    let batch_bytes_max = record_bytes_max
        .min(u64::from(BATCH_BYTES_MAX))
        .min(rate_bytes(options));
    let partitions = topic.partitions();
    let fixed_partition = options.partition.map_or(-1, u32::cast_signed);
    let at_most = if options.partition.is_some() {
        1
    } else {
        partitions
    };
    FrozenSettings {
        partitions,
        base: base % partitions,
        chunk_bytes: CHUNK_BYTES,
        batch_bytes_max: to_u32(batch_bytes_max),
        record_bytes_max: to_u32(record_bytes_max),
        delimiter: options.reading.delimiter,
        crlf_strip: options.reading.crlf_strip,
        fixed_partition,
        timestamps: 0,
        idempotence: producer.idempotence,
        acks: producer.acks.code(),
        compression: producer.compression.code(),
        lanes: options.lanes.unwrap_or(LANES).clamp(1, at_most),
        window_chunks: if reading::is_sequential(options, inputs) {
            reading::window_chunks(options)
        } else {
            0
        },
    }
}

fn to_u32(bytes: u64) -> u32 {
    u32::try_from(bytes).expect("bounded by i32::MAX above")
}

/// A slow load has small batches, for they go out whole. Records are taken to be of 100 bytes.
fn rate_bytes(options: &LoadOptions) -> u64 {
    let bytes_a_second = match options.rate {
        None => return u64::MAX,
        Some(options::Rate::Bytes(bytes)) => bytes,
        Some(options::Rate::Records(records)) => records.saturating_mul(100),
    };
    (bytes_a_second / BATCHES_A_SECOND).max(BATCH_BYTES_MIN)
}

/// The rules by which the job cuts its input.
pub(super) fn cut_rules(settings: &FrozenSettings) -> CutRules {
    CutRules {
        deal: Deal {
            chunk_bytes: settings.chunk_bytes,
            partitions: settings.partitions,
            base: settings.base,
            fixed: u32::try_from(settings.fixed_partition).ok(),
        },
        batch_bytes_max: settings.batch_bytes_max,
        delimiter: settings.delimiter,
        crlf_strip: settings.crlf_strip,
    }
}

pub(super) fn load_config(
    options: &LoadOptions,
    client: &ClientConfig,
    topic: &Topic,
    header: &JobHeader,
) -> LoadConfig {
    let producer = &options.producer;
    let settings = &header.settings;
    // A producer that is forgotten while batches of it wait would lose one without an error: then
    // one at a time.
    let is_soon_forgotten = topic.producer_expiration / 2 < producer.delivery_timeout;
    let in_flight_max = if is_soon_forgotten {
        1
    } else {
        producer.in_flight_max as usize
    };
    let shards = shard_count(settings);
    LoadConfig {
        input: Arc::new(state::input(header)),
        topic: topic.name.clone(),
        topic_id: topic.id,
        rules: cut_rules(settings),
        record_bytes_max: u64::from(settings.record_bytes_max),
        compression: Compression::from_code(settings.compression).unwrap_or(Compression::None),
        compression_level: producer.compression_level,
        acks: settings.acks,
        in_flight_max,
        timing: Timing {
            delivery: producer.delivery_timeout,
            backoff: producer.retry_backoff,
            backoff_max: producer.retry_backoff_max,
        },
        client: client.clone(),
        rate: options.rate.map(|rate| share_rate(rate, shards)),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate need not be exact to the last record"
)]
fn share_rate(rate: options::Rate, shards: usize) -> Rate {
    match rate {
        options::Rate::Records(records) => Rate::Records(records as f64 / shards as f64),
        options::Rate::Bytes(bytes) => Rate::Bytes(bytes as f64 / shards as f64),
    }
}

/// Threads: few without compression, for two connections are fed by a fraction of a core; with it as
/// many as there are cores for.
pub(super) fn shard_count(settings: &FrozenSettings) -> usize {
    if settings.window_chunks > 0 {
        return 1; // One reader deals everything out.
    }
    let lanes = settings.lanes as usize;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if settings.compression == Compression::None.code() {
        lanes.div_ceil(LANES_A_SHARD).min(cores)
    } else {
        lanes.min(cores)
    }
}
