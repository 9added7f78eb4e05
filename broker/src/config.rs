//! What a broker is told at start. Names and defaults are Apache Kafka's where it has them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In files under this directory. What was acknowledged survives the death of the process; what
    /// survives a power loss is said at [`Config::sync_appends`].
    Directory(PathBuf),
    /// In memory, gone with the broker.
    Memory,
}

/// A broker's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one. Loopback unless told otherwise: there is no
    /// authentication.
    pub listen: SocketAddr,
    /// The host and port that clients are told to connect to; the listener's own if not set.
    pub advertised: Option<(String, u16)>,
    /// Where records are kept.
    pub storage: Storage,
    /// The null peer of benches: Produce is read, acknowledged and forgotten, nothing is checked.
    /// Everything else is answered from memory; `storage` is not used.
    pub discard: bool,
    /// `auto.create.topics.enable`
    pub auto_create_topics: bool,
    /// `num.partitions`: of a topic whose creator did not say.
    pub default_partitions: i32,
    /// `log.segment.bytes`, where the topic does not say.
    pub segment_bytes: u64,
    /// `log.roll.ms`, where the topic does not say.
    pub segment_age_max: Duration,
    /// `log.retention.bytes`, where the topic does not say; none keeps any number.
    pub retention_bytes: Option<u64>,
    /// `log.retention.ms`, where the topic does not say; none keeps for ever. Counted, as Apache's
    /// broker does, from the newest record's own timestamp.
    pub retention: Option<Duration>,
    /// `log.retention.check.interval.ms`. A log is looked at when a segment is rolled, too.
    pub retention_check_interval: Duration,
    /// `message.max.bytes`, where the topic does not say.
    pub message_bytes_max: i32,
    /// `socket.request.max.bytes`
    pub request_bytes_max: usize,
    /// Connections beyond this are closed at once.
    pub connections_max: usize,
    /// `connections.max.idle.ms`
    pub idle_max: Duration,
    /// `producer.id.expiration.ms`
    pub producer_id_expiration: Duration,
    /// `producer.id.expiration.check.interval.ms`
    pub producer_id_expiration_check_interval: Duration,
    /// `group.initial.rebalance.delay.ms`: how long a new group waits for more members. Apache's
    /// own default is 3 s; with none, the first member can begin at once.
    pub group_initial_rebalance_delay: Duration,
    /// Whether every append (and every commit of offsets) is synced to disk before it is acknowledged. Without, an acknowledged
    /// record is in the kernel's page cache: safe from `kill -9`, not from a power loss.
    pub sync_appends: bool,
}

const WEEK: Duration = Duration::from_secs(7 * 86_400);

impl Config {
    /// The defaults, with this storage, on a free port of the loopback interface.
    pub fn new(storage: Storage) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertised: None,
            storage,
            discard: false,
            auto_create_topics: true,
            default_partitions: 1,
            segment_bytes: 1 << 30,
            segment_age_max: WEEK,
            retention_bytes: None,
            retention: Some(WEEK),
            retention_check_interval: Duration::from_secs(300),
            message_bytes_max: 1_048_588,
            request_bytes_max: 100 << 20,
            connections_max: 4096,
            idle_max: Duration::from_secs(600),
            producer_id_expiration: Duration::from_secs(86_400),
            producer_id_expiration_check_interval: Duration::from_secs(600),
            group_initial_rebalance_delay: Duration::ZERO,
            sync_appends: false,
        }
    }
}
