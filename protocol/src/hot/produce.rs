//! Produce (key 0), versions 9 to 13: one batch, in one partition entry, around which the request
//! is written where the batch lies.
//!
//! v9 flexible · v10 leader hints and node endpoints · v11 transactions: no other bytes ·
//! v12 transactions v2: no other bytes · v13 topic ids
//!
//! ```text
//!  HEAD_BYTES_MAX at most, right-aligned                         the batch        TAIL
//! ┌──────┬────────┬──────┬──────┬───────┬───────────┬─────────┬─────────────────┬───────┐
//! │ size │ header │ null │ acks │ time- │ one topic │ records │ magic 2, as the │ 0 0 0 │
//! │      │        │ txn  │      │ out   │ one part. │ length  │ caller made it  │       │
//! └──────┴────────┴──────┴──────┴───────┴───────────┴─────────┴─────────────────┴───────┘
//! ```

use kafka_protocol::messages::ApiKey;

use super::{Elements, LeaderHint, NodeEndpoints, TopicKey, Topics, Writer};
use crate::error_code::ErrorCode;
use crate::frame::SIZE_BYTES;
use crate::frame::wire::{Reader, WireError, WireResult, varint_bytes};

/// The versions that are written and read here.
pub const VERSIONS: std::ops::RangeInclusive<i16> = 9..=13;

/// The first version that names topics by id.
pub const TOPIC_ID_SINCE: i16 = 13;

/// Kafka's bound on a topic's name.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Our bound on a client id, so that the room before a batch is known beforehand. (Kafka's is
/// 32,767.)
pub const CLIENT_ID_BYTES_MAX: usize = 255;

/// The room that any head needs before its batch.
pub const HEAD_BYTES_MAX: usize = SIZE_BYTES
    + FIXED_BYTES
    + CLIENT_ID_BYTES_MAX
    + varint_bytes(TOPIC_NAME_BYTES_MAX as u32 + 1)
    + TOPIC_NAME_BYTES_MAX
    + varint_bytes(u32::MAX);

/// What stands behind the batch: no tagged fields in the partition, the topic and the request.
pub const TAIL: [u8; TAIL_BYTES] = [0; TAIL_BYTES];

/// The room that the tail needs behind its batch.
pub const TAIL_BYTES: usize = 3;

/// The header but for the client id's text, the null transactional id, acks, time-out, and the
/// counts of topics and partitions with the partition's number.
const FIXED_BYTES: usize = (2 + 2 + 4 + 2 + 1) + 1 + 2 + 4 + 1 + (1 + 4);

/// Everything of a Produce request but the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProduceHead<'a> {
    /// One of [`VERSIONS`].
    pub version: i16,
    /// What the answer will repeat.
    pub correlation_id: i32,
    /// At most [`CLIENT_ID_BYTES_MAX`] bytes.
    pub client_id: &'a str,
    /// The topic's name, written up to version 12: at most [`TOPIC_NAME_BYTES_MAX`] bytes.
    pub topic: &'a str,
    /// The topic's id, written from version 13 on.
    pub topic_id: [u8; 16],
    /// The partition.
    pub partition: i32,
    /// −1: all replicas in sync, 1: the leader, 0: nobody answers.
    pub acks: i16,
    /// How long the broker may wait for the replicas.
    pub timeout_ms: i32,
    /// The length of the batch.
    pub batch_bytes: usize,
}

impl<'a> ProduceHead<'a> {
    /// How many bytes [`write_head`](Self::write_head) will write: at most [`HEAD_BYTES_MAX`].
    pub fn head_bytes(&self) -> usize {
        let topic = match self.topic_key() {
            TopicKey::Name(name) => varint_bytes(name.len() as u32 + 1) + name.len(),
            TopicKey::Id(id) => id.len(),
        };
        SIZE_BYTES
            + FIXED_BYTES
            + self.client_id.len()
            + topic
            + varint_bytes(self.records_length())
    }

    /// How many bytes the whole request takes, length prefix, batch and tail included.
    pub fn frame_bytes(&self) -> usize {
        self.head_bytes() + self.batch_bytes + TAIL_BYTES
    }

    /// Writes the head into the last bytes of `before`, which ends where the batch begins, and says
    /// how many they are: the request begins at `before.len()` minus that.
    ///
    /// # Panics
    ///
    /// If `before` is too short, the version is not one of [`VERSIONS`], or a text is too long.
    pub fn write_head(&self, before: &mut [u8]) -> usize {
        assert!(
            VERSIONS.contains(&self.version),
            "Produce version {}",
            self.version
        );
        assert!(
            self.client_id.len() <= CLIENT_ID_BYTES_MAX,
            "client id of {}",
            self.client_id.len()
        );
        assert!(
            self.topic.len() <= TOPIC_NAME_BYTES_MAX,
            "topic name of {}",
            self.topic.len()
        );
        let head_bytes = self.head_bytes();
        let begin = before
            .len()
            .checked_sub(head_bytes)
            .expect("room for the head");
        let frame = i32::try_from(self.frame_bytes() - SIZE_BYTES).expect("a batch below 2 GiB");

        let mut out = Writer::new(&mut before[begin..]);
        out.put(&frame.to_be_bytes());
        out.put(&(ApiKey::Produce as i16).to_be_bytes());
        out.put(&self.version.to_be_bytes());
        out.put(&self.correlation_id.to_be_bytes());
        out.put(&(self.client_id.len() as i16).to_be_bytes());
        out.put(self.client_id.as_bytes());
        out.put(&[0]); // the header's tagged fields
        out.put(&[0]); // no transactional id
        out.put(&self.acks.to_be_bytes());
        out.put(&self.timeout_ms.to_be_bytes());
        out.put(&[ONE]);
        out.topic(self.topic_key());
        out.put(&[ONE]);
        out.put(&self.partition.to_be_bytes());
        out.varint(self.records_length());
        assert_eq!(out.at, head_bytes, "head_bytes() is what was written");
        head_bytes
    }

    fn topic_key(&self) -> TopicKey<'a> {
        if self.version < TOPIC_ID_SINCE {
            TopicKey::Name(self.topic)
        } else {
            TopicKey::Id(self.topic_id)
        }
    }

    fn records_length(&self) -> u32 {
        u32::try_from(self.batch_bytes + 1).expect("a batch below 2 GiB")
    }
}

/// The compact count of an array of one.
const ONE: u8 = 2;

/// The answer to a Produce request, in the bytes it came in. It was walked as a whole before it is
/// given out, so its iterators do not fail.
#[derive(Debug, Clone, Copy)]
pub struct ProduceResponse<'a> {
    version: i16,
    topics: Topics<'a>,
    /// How long the broker holds this client back, for its quota.
    pub throttle_time_ms: i32,
    /// Where the leaders that the answer hints at are found (v10 and later).
    pub node_endpoints: NodeEndpoints<'a>,
}

/// What the broker says about one partition.
#[derive(Debug, Clone, Copy)]
pub struct PartitionAnswer<'a> {
    /// The topic.
    pub topic: TopicKey<'a>,
    /// The partition.
    pub partition: i32,
    /// NONE if the batch was appended, or was there.
    pub error: ErrorCode,
    /// The offset of the batch's first record; −1 with an error.
    pub base_offset: i64,
    /// The time that the broker gave the batch; −1 if the topic keeps the producer's.
    pub log_append_time_ms: i64,
    /// Where the log begins; −1 if not known.
    pub log_start_offset: i64,
    /// The records that made the broker refuse the batch.
    pub record_errors: RecordErrors<'a>,
    /// What the broker adds to the error code.
    pub error_message: Option<&'a str>,
    /// Who leads the partition, if this broker does not (v10 and later).
    pub current_leader: Option<LeaderHint>,
}

/// A record that made the broker refuse its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordError<'a> {
    /// The record's index in the batch; any number can come.
    pub batch_index: i32,
    /// Why it was refused.
    pub message: Option<&'a str>,
}

/// The records named in a refusal, read one by one from the answer's bytes.
#[derive(Debug, Clone, Copy)]
pub struct RecordErrors<'a>(Elements<'a>);

/// The partitions of an answer, read one by one from its bytes.
#[derive(Debug, Clone)]
pub struct PartitionAnswers<'a> {
    version: i16,
    topics: Topics<'a>,
}

impl<'a> ProduceResponse<'a> {
    /// Reads the body of an answer (what follows the response header) and checks all of it.
    pub fn read(version: i16, body: &'a [u8]) -> WireResult<Self> {
        if !VERSIONS.contains(&version) {
            return Err(WireError::Version {
                api: ApiKey::Produce as i16,
                version,
            });
        }
        let mut reader = Reader::new(body);
        let by_name = version < TOPIC_ID_SINCE;
        let topics = Topics::read(
            &mut reader,
            by_name,
            PARTITION_BYTES_MIN,
            |topic, reader| read_partition(version, topic, reader),
        )?;
        let throttle_time_ms = reader.i32()?;
        let mut node_endpoints = NodeEndpoints::default();
        reader.tagged(|tag, field| {
            let is_known = tag == 0 && version >= 10;
            if is_known {
                node_endpoints = NodeEndpoints::read(field)?;
            }
            Ok(is_known)
        })?;
        reader.finish()?;
        Ok(Self {
            version,
            topics,
            throttle_time_ms,
            node_endpoints,
        })
    }

    /// The partitions answered for, in the order in which they stand there. A broker may leave out
    /// what was asked and answer what was not: that is for the caller to check.
    pub fn partitions(&self) -> PartitionAnswers<'a> {
        PartitionAnswers {
            version: self.version,
            topics: self.topics,
        }
    }
}

impl<'a> Iterator for PartitionAnswers<'a> {
    type Item = PartitionAnswer<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let version = self.version;
        self.topics
            .next_with(|topic, reader| read_partition(version, topic, reader))
    }
}

impl<'a> Iterator for RecordErrors<'a> {
    type Item = RecordError<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_with(read_record_error)
    }
}

/// Partition, error, base offset, append time, start offset, record errors, message, tagged fields.
const PARTITION_BYTES_MIN: usize = 4 + 2 + 8 + 8 + 8 + 1 + 1 + 1;

fn read_partition<'a>(
    version: i16,
    topic: TopicKey<'a>,
    reader: &mut Reader<'a>,
) -> WireResult<PartitionAnswer<'a>> {
    let mut answer = PartitionAnswer {
        topic,
        partition: reader.i32()?,
        error: ErrorCode(reader.i16()?),
        base_offset: reader.i64()?,
        log_append_time_ms: reader.i64()?,
        log_start_offset: reader.i64()?,
        // An index, a text, tagged fields.
        record_errors: RecordErrors(Elements::read(reader, 4 + 1 + 1, read_record_error)?),
        error_message: reader.text(true)?,
        current_leader: None,
    };
    reader.tagged(|tag, field| {
        let is_known = tag == 0 && version >= 10;
        if is_known {
            answer.current_leader = LeaderHint::read(field)?.known();
        }
        Ok(is_known)
    })?;
    Ok(answer)
}

fn read_record_error<'a>(reader: &mut Reader<'a>) -> WireResult<RecordError<'a>> {
    let error = RecordError {
        batch_index: reader.i32()?,
        message: reader.text(true)?,
    };
    reader.tagged_unknown()?;
    Ok(error)
}
