//! Fetch (key 1), versions 12 to 18.
//!
//! v12 flexible, diverging epochs · v13 topic ids · v14 tiered storage: no other bytes · v15 no
//! replica id · v16 node endpoints · v17 directory ids, for replicas only · v18 high watermark, for
//! replicas only
//!
//! The request is appended to a buffer; the response is walked where it lies and its records are
//! given out as slices of it.

use kafka_protocol::messages::ApiKey;

use super::{Elements, LeaderHint, NodeEndpoints, TopicKey, Topics, Writer};
use crate::error_code::ErrorCode;
use crate::frame::SIZE_BYTES;
use crate::frame::wire::{Reader, WireError, WireResult, varint_bytes};

/// The versions that are written and read here.
pub const VERSIONS: std::ops::RangeInclusive<i16> = 12..=18;

/// The first version that names topics by id.
pub const TOPIC_ID_SINCE: i16 = 13;

/// The last version whose request holds a replica id (−1 for consumers).
const REPLICA_ID_UNTIL: i16 = 14;

/// Which records are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationLevel {
    /// All up to the high watermark.
    #[default]
    ReadUncommitted,
    /// None of a transaction that is open or was aborted.
    ReadCommitted,
}

/// A place in a fetch session (KIP-227).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchSession {
    /// What the broker called the session; 0: none yet.
    pub id: i32,
    /// Which request of the session this is; 0 asks for a new session.
    pub epoch: i32,
}

impl FetchSession {
    /// Every request names all of its partitions, and the broker keeps nothing.
    pub const NONE: Self = Self { id: 0, epoch: -1 };
    /// Asks for a new session.
    pub const NEW: Self = Self { id: 0, epoch: 0 };
}

/// A Fetch request.
#[derive(Debug, Clone, Copy)]
pub struct FetchRequest<'a> {
    /// One of [`VERSIONS`].
    pub version: i16,
    /// What the answer will repeat.
    pub correlation_id: i32,
    /// At most 32,767 bytes.
    pub client_id: &'a str,
    /// How long the broker may wait for `bytes_min`.
    pub wait_ms_max: i32,
    /// How much must be there before the broker answers.
    pub bytes_min: i32,
    /// How much the broker may answer, but for a first batch that is larger.
    pub bytes_max: i32,
    /// Which records are wanted.
    pub isolation: IsolationLevel,
    /// Whether and where in a session.
    pub session: FetchSession,
    /// What is wanted; in a session only what is new or changed.
    pub topics: &'a [FetchTopic<'a>],
    /// What is no longer wanted in this session.
    pub forgotten: &'a [ForgottenTopic<'a>],
    /// Where we are, so that a near replica may be preferred; empty: nowhere.
    pub rack: &'a str,
}

/// A topic in a request.
#[derive(Debug, Clone, Copy)]
pub struct FetchTopic<'a> {
    /// Written in version 12.
    pub name: &'a str,
    /// Written from version 13 on.
    pub id: [u8; 16],
    /// Its partitions.
    pub partitions: &'a [FetchPartition],
}

/// A partition in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPartition {
    /// The partition.
    pub partition: i32,
    /// The leader epoch that we know, so that a stale leader or client is found out; −1: none.
    pub current_leader_epoch: i32,
    /// The first offset wanted.
    pub fetch_offset: i64,
    /// The leader epoch of the record before it, so that a truncation is found out; −1: none.
    pub last_fetched_epoch: i32,
    /// How much of this partition.
    pub bytes_max: i32,
}

/// Partitions that leave a session.
#[derive(Debug, Clone, Copy)]
pub struct ForgottenTopic<'a> {
    /// Written in version 12.
    pub name: &'a str,
    /// Written from version 13 on.
    pub id: [u8; 16],
    /// Its partitions.
    pub partitions: &'a [i32],
}

impl FetchRequest<'_> {
    /// Appends the request to `out` as one whole frame, and says how long it is.
    ///
    /// # Panics
    ///
    /// If the version is not one of [`VERSIONS`] or the client id is too long.
    pub fn write(&self, out: &mut Vec<u8>) -> usize {
        assert!(
            VERSIONS.contains(&self.version),
            "Fetch version {}",
            self.version
        );
        let client_id_bytes = i16::try_from(self.client_id.len()).expect("a short client id");
        let begin = out.len();
        let frame_bytes = self.frame_bytes();
        out.resize(begin + frame_bytes, 0);

        let mut out = Writer::new(&mut out[begin..]);
        let size = i32::try_from(frame_bytes - SIZE_BYTES).expect("a request below 2 GiB");
        out.put(&size.to_be_bytes());
        out.put(&(ApiKey::Fetch as i16).to_be_bytes());
        out.put(&self.version.to_be_bytes());
        out.put(&self.correlation_id.to_be_bytes());
        out.put(&client_id_bytes.to_be_bytes());
        out.put(self.client_id.as_bytes());
        out.put(&[0]); // the header's tagged fields
        if self.version <= REPLICA_ID_UNTIL {
            out.put(&(-1i32).to_be_bytes());
        }
        out.put(&self.wait_ms_max.to_be_bytes());
        out.put(&self.bytes_min.to_be_bytes());
        out.put(&self.bytes_max.to_be_bytes());
        out.put(&[self.isolation as u8]);
        out.put(&self.session.id.to_be_bytes());
        out.put(&self.session.epoch.to_be_bytes());
        out.varint(self.topics.len() as u32 + 1);
        for topic in self.topics {
            self.write_topic(topic, &mut out);
        }
        out.varint(self.forgotten.len() as u32 + 1);
        for topic in self.forgotten {
            self.write_forgotten(topic, &mut out);
        }
        out.varint(self.rack.len() as u32 + 1);
        out.put(self.rack.as_bytes());
        out.put(&[0]); // the request's tagged fields
        assert_eq!(out.at, frame_bytes, "frame_bytes() is what was written");
        frame_bytes
    }

    /// How many bytes [`write`](Self::write) appends.
    pub fn frame_bytes(&self) -> usize {
        let topics = self.topics.iter().map(|topic| {
            let count = topic.partitions.len();
            self.topic_bytes(topic.name) + array_bytes(count) + count * PARTITION_BYTES + 1
        });
        let forgotten = self.forgotten.iter().map(|topic| {
            let count = topic.partitions.len();
            self.topic_bytes(topic.name) + array_bytes(count) + count * 4 + 1
        });
        let replica_id = if self.version <= REPLICA_ID_UNTIL {
            4
        } else {
            0
        };
        SIZE_BYTES
            + (2 + 2 + 4 + 2 + self.client_id.len() + 1)
            + replica_id
            + (4 + 4 + 4 + 1 + 4 + 4)
            + (array_bytes(self.topics.len()) + topics.sum::<usize>())
            + (array_bytes(self.forgotten.len()) + forgotten.sum::<usize>())
            + (array_bytes(self.rack.len()) + self.rack.len())
            + 1
    }

    fn write_topic(&self, topic: &FetchTopic<'_>, out: &mut Writer<'_>) {
        out.topic(self.topic_key(topic.name, topic.id));
        out.varint(topic.partitions.len() as u32 + 1);
        for partition in topic.partitions {
            out.put(&partition.partition.to_be_bytes());
            out.put(&partition.current_leader_epoch.to_be_bytes());
            out.put(&partition.fetch_offset.to_be_bytes());
            out.put(&partition.last_fetched_epoch.to_be_bytes());
            out.put(&(-1i64).to_be_bytes()); // the log start offset, of replicas only
            out.put(&partition.bytes_max.to_be_bytes());
            out.put(&[0]);
        }
        out.put(&[0]);
    }

    fn write_forgotten(&self, topic: &ForgottenTopic<'_>, out: &mut Writer<'_>) {
        out.topic(self.topic_key(topic.name, topic.id));
        out.varint(topic.partitions.len() as u32 + 1);
        for partition in topic.partitions {
            out.put(&partition.to_be_bytes());
        }
        out.put(&[0]);
    }

    fn topic_key<'a>(&self, name: &'a str, id: [u8; 16]) -> TopicKey<'a> {
        if self.version < TOPIC_ID_SINCE {
            TopicKey::Name(name)
        } else {
            TopicKey::Id(id)
        }
    }

    fn topic_bytes(&self, name: &str) -> usize {
        if self.version < TOPIC_ID_SINCE {
            array_bytes(name.len()) + name.len()
        } else {
            16
        }
    }
}

/// What a partition takes in a request: six numbers and the count of its tagged fields.
const PARTITION_BYTES: usize = 4 + 4 + 8 + 4 + 8 + 4 + 1;

/// The bytes of a compact count or length.
fn array_bytes(count: usize) -> usize {
    varint_bytes(count as u32 + 1)
}

/// The answer to a Fetch request, in the bytes it came in. It was walked as a whole before it is
/// given out (but for its records), so its iterators do not fail.
#[derive(Debug, Clone, Copy)]
pub struct FetchResponse<'a> {
    topics: Topics<'a>,
    /// How long the broker holds this client back, for its quota.
    pub throttle_time_ms: i32,
    /// An error of the whole request, of its session for example.
    pub error: ErrorCode,
    /// What the broker calls the session; 0: none.
    pub session_id: i32,
    /// Where the leaders that the answer hints at are found (v16 and later).
    pub node_endpoints: NodeEndpoints<'a>,
}

/// What the broker answers for one partition.
#[derive(Debug, Clone, Copy)]
pub struct FetchedPartition<'a> {
    /// The topic.
    pub topic: TopicKey<'a>,
    /// The partition.
    pub partition: i32,
    /// NONE if there are records, or none to be had.
    pub error: ErrorCode,
    /// The first offset that not all replicas in sync have.
    pub high_watermark: i64,
    /// The first offset that belongs to an open transaction, if that is lower; −1: not known.
    pub last_stable_offset: i64,
    /// Where the log begins; −1: not known.
    pub log_start_offset: i64,
    /// The aborted transactions whose records are among these (read committed only).
    pub aborted_transactions: AbortedTransactions<'a>,
    /// The replica that should be asked instead.
    pub preferred_read_replica: Option<i32>,
    /// Record batches; the last may be cut off. Not looked into.
    pub records: &'a [u8],
    /// Where our log and the leader's part, if they do: truncate to it.
    pub diverging_epoch: Option<EpochEndOffset>,
    /// Who leads the partition, if this broker does not.
    pub current_leader: Option<LeaderHint>,
    /// The snapshot that takes the place of what was asked for (KRaft's own topic).
    pub snapshot_id: Option<SnapshotId>,
}

/// A transaction that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose transaction.
    pub producer_id: i64,
    /// Where it begins.
    pub first_offset: i64,
}

/// The largest epoch that both logs have, and where it ends in the leader's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// The epoch.
    pub epoch: i32,
    /// The offset behind its last record.
    pub end_offset: i64,
}

/// A snapshot of KRaft's own topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotId {
    /// The offset behind what it holds.
    pub end_offset: i64,
    /// The epoch of its last record.
    pub epoch: i32,
}

/// The aborted transactions of a partition, read one by one from the answer's bytes.
#[derive(Debug, Clone, Copy)]
pub struct AbortedTransactions<'a>(Elements<'a>);

/// The partitions of an answer, read one by one from its bytes.
#[derive(Debug, Clone)]
pub struct FetchedPartitions<'a> {
    topics: Topics<'a>,
}

impl<'a> FetchResponse<'a> {
    /// Reads the body of an answer (what follows the response header) and checks all of it but the
    /// records.
    pub fn read(version: i16, body: &'a [u8]) -> WireResult<Self> {
        if !VERSIONS.contains(&version) {
            return Err(WireError::Version {
                api: ApiKey::Fetch as i16,
                version,
            });
        }
        let mut reader = Reader::new(body);
        let throttle_time_ms = reader.i32()?;
        let error = ErrorCode(reader.i16()?);
        let session_id = reader.i32()?;
        let by_name = version < TOPIC_ID_SINCE;
        let topics = Topics::read(&mut reader, by_name, ANSWER_BYTES_MIN, read_partition)?;
        let mut node_endpoints = NodeEndpoints::default();
        reader.tagged(|tag, field| {
            let is_known = tag == 0 && version >= 16;
            if is_known {
                node_endpoints = NodeEndpoints::read(field)?;
            }
            Ok(is_known)
        })?;
        reader.finish()?;
        Ok(Self {
            topics,
            throttle_time_ms,
            error,
            session_id,
            node_endpoints,
        })
    }

    /// The partitions answered for, in the order in which they stand there. In a session those
    /// without news are left out.
    pub fn partitions(&self) -> FetchedPartitions<'a> {
        FetchedPartitions {
            topics: self.topics,
        }
    }
}

impl<'a> Iterator for FetchedPartitions<'a> {
    type Item = FetchedPartition<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.topics.next_with(read_partition)
    }
}

impl Iterator for AbortedTransactions<'_> {
    type Item = AbortedTransaction;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_with(read_aborted)
    }
}

/// Partition, error, three offsets, aborted transactions, replica, records, tagged fields.
const ANSWER_BYTES_MIN: usize = 4 + 2 + 3 * 8 + 1 + 4 + 1 + 1;

fn read_partition<'a>(
    topic: TopicKey<'a>,
    reader: &mut Reader<'a>,
) -> WireResult<FetchedPartition<'a>> {
    let mut fetched = FetchedPartition {
        topic,
        partition: reader.i32()?,
        error: ErrorCode(reader.i16()?),
        high_watermark: reader.i64()?,
        last_stable_offset: reader.i64()?,
        log_start_offset: reader.i64()?,
        // Producer id, offset, tagged fields.
        aborted_transactions: AbortedTransactions(Elements::read(reader, 8 + 8 + 1, read_aborted)?),
        preferred_read_replica: Some(reader.i32()?).filter(|replica| *replica >= 0),
        records: reader.bytes(true)?.unwrap_or_default(),
        diverging_epoch: None,
        current_leader: None,
        snapshot_id: None,
    };
    reader.tagged(|tag, field| {
        match tag {
            0 => {
                let end = EpochEndOffset {
                    epoch: field.i32()?,
                    end_offset: field.i64()?,
                };
                field.tagged_unknown()?;
                fetched.diverging_epoch = (end.epoch >= 0).then_some(end);
            }
            1 => fetched.current_leader = LeaderHint::read(field)?.known(),
            2 => {
                let snapshot = SnapshotId {
                    end_offset: field.i64()?,
                    epoch: field.i32()?,
                };
                field.tagged_unknown()?;
                fetched.snapshot_id = (snapshot.end_offset >= 0).then_some(snapshot);
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(fetched)
}

fn read_aborted(reader: &mut Reader<'_>) -> WireResult<AbortedTransaction> {
    let aborted = AbortedTransaction {
        producer_id: reader.i64()?,
        first_offset: reader.i64()?,
    };
    reader.tagged_unknown()?;
    Ok(aborted)
}
