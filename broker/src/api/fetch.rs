//! Fetch (key 1), versions 4 to 18.
//!
//! v5 log start offset · v7 sessions · v9 leader epochs · v11 racks · v12 flexible, last fetched
//! epoch · v13 topic ids · v15 replica state · v16 leader endpoints · v17 directory ids · v18 high
//! watermark
//!
//! Sessions are refused gracefully: every answer says session 0, so that clients send whole
//! requests. A request inside a session that we never gave out gets FETCH_SESSION_ID_NOT_FOUND.
//! There are no followers, no tiers and no transactions: the high watermark is the log's end.
//!
//! Who says which epoch his last record was of (v12) learns where his log and this one part, as a
//! follower would. Who asks the wrong node, or in an old epoch, is told who leads (v12), and where
//! the nodes are (v16).
//!
//! Waits as Apache's broker: until `min_bytes` are there, `max_wait_ms` are over, or a partition
//! has an error. As there, a partition's last batch may be cut off, but the first partition with
//! data gives at least one whole batch.

use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::error_code::ErrorCode;
use protocol::frame::SIZE_BYTES;

use super::{Answer, Call, RequestError};
use crate::log::{EpochEnd, Found, PartitionLog, Slice};
use crate::topics::Leader;

const FLEXIBLE: i16 = 12;
const TOPIC_IDS: i16 = 13;
const NODE_ENDPOINTS: i16 = 16;

/// What a partition answers.
struct Fetched {
    index: i32,
    code: ErrorCode,
    /// −1 where it is not known.
    end_offset: i64,
    start_offset: i64,
    diverging: Option<EpochEnd>,
    /// Who should be asked instead.
    leader: Option<Leader>,
    slice: Option<Slice>,
}

impl Fetched {
    fn bytes(&self) -> usize {
        self.slice.as_ref().map_or(0, |slice| slice.bytes)
    }
}

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: FetchRequest = call.request(body)?;
    if call.version >= 7 && request.session_id != 0 {
        return write(call, ErrorCode::FETCH_SESSION_ID_NOT_FOUND, &[], &[]);
    }
    let answers = read_all(call, &request);
    let bytes: usize = answers.iter().flatten().map(Fetched::bytes).sum();
    let has_error = answers
        .iter()
        .flatten()
        .any(|fetched| fetched.code != ErrorCode::NONE);
    let is_enough = bytes >= usize::try_from(request.min_bytes).unwrap_or(0);
    let max_wait = i64::from(request.max_wait_ms.max(0));
    let until = call
        .wait_until_ms
        .unwrap_or_else(|| call.now_ms.saturating_add(max_wait));
    if is_enough || has_error || until <= call.now_ms || answers.is_empty() {
        return write(call, ErrorCode::NONE, &request.topics, &answers);
    }
    Ok(Answer::WaitUntil(until))
}

/// Looks into every partition, without reading any records yet.
fn read_all(call: &Call<'_>, request: &FetchRequest) -> Vec<Vec<Fetched>> {
    let mut left = usize::try_from(request.max_bytes).unwrap_or(0);
    let mut is_empty = true;
    let mut read = |topic: &FetchTopic, asked: &FetchPartition| {
        let fetched = read_partition(call, topic, asked, left, is_empty);
        left = left.saturating_sub(fetched.bytes());
        is_empty &= fetched.bytes() == 0;
        fetched
    };
    let mut answers = Vec::new();
    for topic in &request.topics {
        answers.push(
            topic
                .partitions
                .iter()
                .map(|asked| read(topic, asked))
                .collect(),
        );
    }
    answers
}

fn read_partition(
    call: &Call<'_>,
    topic: &FetchTopic,
    asked: &FetchPartition,
    left: usize,
    at_least_one: bool,
) -> Fetched {
    let index = asked.partition;
    let failed = |code| Fetched {
        index,
        code,
        end_offset: -1,
        start_offset: -1,
        diverging: None,
        leader: None,
        slice: None,
    };
    let topic = match call.topic(topic.topic.as_str(), topic.topic_id) {
        Ok(topic) => topic,
        Err(code) => return failed(code),
    };
    let fault = call.fault_code(Some(&topic.name), Some(index));
    let led = match fault {
        Some(code) => Err(code),
        None => call.led(&topic, index, asked.current_leader_epoch),
    };
    let partition = match led {
        Ok(partition) => partition,
        Err(code) => {
            let leader = topic.partition(index).map(|partition| partition.leader());
            return Fetched {
                leader: leader.filter(|_| wants_leader(code)),
                ..failed(code)
            };
        }
    };
    let log = partition.log();
    if let Some(code) = log.closed() {
        return failed(code);
    }
    let fetched = Fetched {
        end_offset: log.next_offset(),
        start_offset: log.start_offset(),
        ..failed(ErrorCode::NONE)
    };
    match diverging(&log, asked) {
        Ok(None) => {}
        Ok(diverging) => {
            return Fetched {
                diverging,
                ..fetched
            };
        }
        Err(code) => return Fetched { code, ..fetched },
    }
    let bytes_max = left.min(usize::try_from(asked.partition_max_bytes).unwrap_or(0));
    let (code, slice) = match log.read(asked.fetch_offset, bytes_max, at_least_one) {
        Ok(Found::Batches(slice)) => (ErrorCode::NONE, Some(slice)),
        Ok(Found::Nothing) => (ErrorCode::NONE, None),
        Ok(Found::OutOfRange) => (ErrorCode::OFFSET_OUT_OF_RANGE, None),
        Err(error) => {
            tracing::error!(topic = topic.name, index, %error, "cannot read the log");
            (ErrorCode::KAFKA_STORAGE_ERROR, None)
        }
    };
    Fetched {
        code,
        slice,
        ..fetched
    }
}

/// Where the log of who fetches and this one part, if they do.
fn diverging(log: &PartitionLog, asked: &FetchPartition) -> Result<Option<EpochEnd>, ErrorCode> {
    let (epoch, offset) = (asked.last_fetched_epoch, asked.fetch_offset);
    if epoch < 0 {
        return Ok(None);
    }
    let end = log.end_of_epoch(epoch);
    let end = end.ok_or(ErrorCode::OFFSET_OUT_OF_RANGE)?;
    if offset < log.start_offset() {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    Ok((end.epoch < epoch || end.end_offset < offset).then_some(end))
}

/// Whether who gets this code is told who leads.
fn wants_leader(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH
    )
}

/// Writes the answer, records straight from the log.
fn write(
    call: &mut Call<'_>,
    code: ErrorCode,
    topics: &[FetchTopic],
    answers: &[Vec<Fetched>],
) -> Result<Answer, RequestError> {
    let mut out = Writer {
        out: call.reply,
        flexible: call.version >= FLEXIBLE,
    };
    let version = call.version;
    out.i32(0);
    out.i32(call.correlation_id);
    out.tags();
    out.i32(0);
    if version >= 7 {
        out.i16(code.0);
        out.i32(0);
    }
    out.length(topics.len());
    for (topic, partitions) in topics.iter().zip(answers) {
        if version >= TOPIC_IDS {
            out.out.extend_from_slice(topic.topic_id.as_bytes());
        } else {
            out.text(topic.topic.as_str());
        }
        out.length(partitions.len());
        for fetched in partitions {
            write_partition(&mut out, version, fetched);
        }
        out.tags();
    }
    let mut fetched = answers.iter().flatten();
    if version >= NODE_ENDPOINTS && fetched.any(|fetched| fetched.leader.is_some()) {
        write_nodes(&mut out, &call.broker.nodes());
    } else {
        out.tags();
    }
    let bytes = (call.reply.len() - SIZE_BYTES) as i32;
    call.reply[..SIZE_BYTES].copy_from_slice(&bytes.to_be_bytes());
    Ok(Answer::Reply)
}

fn write_partition(out: &mut Writer<'_>, version: i16, fetched: &Fetched) {
    out.i32(fetched.index);
    let code_at = out.out.len();
    out.i16(fetched.code.0);
    // High watermark, last stable offset.
    out.i64(fetched.end_offset);
    out.i64(fetched.end_offset);
    if version >= 5 {
        out.i64(fetched.start_offset);
    }
    // No aborted transactions: null.
    out.null_array();
    if version >= 11 {
        // No preferred read replica.
        out.i32(-1);
    }
    out.length(fetched.bytes());
    if let Some(slice) = &fetched.slice
        && let Err(error) = slice.read(out.out)
    {
        tracing::error!(%error, "cannot read the log");
        // The place of the records stays empty bytes that no client takes for a batch.
        out.out.resize(out.out.len() + slice.bytes, 0);
        let code = ErrorCode::KAFKA_STORAGE_ERROR.0;
        out.out[code_at..code_at + 2].copy_from_slice(&code.to_be_bytes());
    }
    if version >= FLEXIBLE {
        write_partition_tags(out, fetched);
    }
}

/// Tag 0, where the logs part, and tag 1, who leads: each of a few bytes without lengths in them.
fn write_partition_tags(out: &mut Writer<'_>, fetched: &Fetched) {
    let count = usize::from(fetched.diverging.is_some()) + usize::from(fetched.leader.is_some());
    out.varint(count);
    if let Some(end) = fetched.diverging {
        out.varint(0);
        out.varint(4 + 8 + 1);
        out.i32(end.epoch);
        out.i64(end.end_offset);
        out.tags();
    }
    if let Some(leader) = fetched.leader {
        out.varint(1);
        out.varint(4 + 4 + 1);
        out.i32(leader.node);
        out.i32(leader.epoch);
        out.tags();
    }
}

/// Tag 0 of the whole answer: where the nodes are.
fn write_nodes(out: &mut Writer<'_>, nodes: &[(i32, String, u16)]) {
    let mut field = Vec::new();
    let mut inner = Writer {
        out: &mut field,
        flexible: true,
    };
    inner.length(nodes.len());
    for (id, host, port) in nodes {
        inner.i32(*id);
        inner.text(host);
        inner.i32(i32::from(*port));
        // No rack.
        inner.null_array();
        inner.tags();
    }
    out.varint(1);
    out.varint(0);
    out.varint(field.len());
    out.out.extend_from_slice(&field);
}

/// Writes Kafka's primitive types.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    flexible: bool,
}

impl Writer<'_> {
    fn i16(&mut self, value: i16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// The count of an array, or the length of bytes.
    fn length(&mut self, length: usize) {
        if !self.flexible {
            return self.i32(length as i32);
        }
        self.varint(length + 1);
    }

    fn varint(&mut self, value: usize) {
        let mut rest = value;
        while rest >= 0x80 {
            self.out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.out.push(rest as u8);
    }

    fn null_array(&mut self) {
        if self.flexible {
            self.out.push(0)
        } else {
            self.i32(-1)
        }
    }

    fn text(&mut self, text: &str) {
        if self.flexible {
            self.length(text.len())
        } else {
            self.i16(text.len() as i16)
        }
        self.out.extend_from_slice(text.as_bytes());
    }

    /// No tagged fields.
    fn tags(&mut self) {
        if self.flexible {
            self.out.push(0);
        }
    }
}
