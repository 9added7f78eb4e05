//! What the cluster looks like: brokers, and who leads which partition of the topics that are
//! wanted.
//!
//! Invariants: one request at a time. What is known of a partition gives way only to an equal or
//! newer leader epoch of the same topic id, whichever broker says it, for brokers learn of a new
//! leader at different times. A topic that a broker does not know is asked for again, not
//! forgotten. Memory follows what came: no number that a broker names sizes anything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::error_code::{Class, ErrorCode};
use crate::hot::{LeaderHint, NodeEndpoint, TopicKey};

/// How often is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataSettings {
    /// The pause between two requests (`retry.backoff.ms`); doubled while they bring nothing new.
    pub backoff: Duration,
    /// What the pause grows to (`retry.backoff.max.ms`).
    pub backoff_max: Duration,
    /// The age at which metadata is asked for again though nobody misses any
    /// (`metadata.max.age.ms`).
    pub age_max: Duration,
}

impl Default for MetadataSettings {
    fn default() -> Self {
        Self {
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(1),
            age_max: Duration::from_secs(300),
        }
    }
}

/// Why an answer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The broker could not answer.
    #[error("the broker did not answer with metadata: {error}: {}", error.meaning())]
    Refused {
        /// What it answered.
        error: ErrorCode,
    },
    /// The answer is about another cluster than those before.
    #[error("a broker of cluster {got} answered where cluster {known} did before")]
    OtherCluster {
        /// The cluster of the answers before.
        known: String,
        /// The cluster of this one.
        got: String,
    },
    /// A broker has an address that cannot be.
    #[error("broker {broker} is advertised as {host}:{port}, which is no address")]
    Address {
        /// The broker's id.
        broker: i32,
        /// Its host.
        host: String,
        /// Its port.
        port: i32,
    },
}

/// What an answer changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// A broker came, went or moved.
    pub brokers: bool,
    /// A partition came or has another leader or leader epoch.
    pub leaders: bool,
    /// Topics that were deleted and made anew since the last answer.
    pub replaced: Vec<ReplacedTopic>,
}

/// A topic whose name now stands for another topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacedTopic {
    /// The name.
    pub name: String,
    /// What it stood for.
    pub known_id: [u8; 16],
    /// What it stands for now.
    pub id: [u8; 16],
}

/// Where a broker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// The advertised host.
    pub host: String,
    /// The advertised port.
    pub port: u16,
    /// Where the broker stands.
    pub rack: Option<String>,
}

/// A topic that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its id; zero until a broker has told it.
    pub id: [u8; 16],
    /// What the last answer says about it. With an error everything else is what was known before.
    pub error: ErrorCode,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
    /// Its partitions by number.
    pub partitions: BTreeMap<i32, Partition>,
    /// What this client may do with it.
    pub authorized_operations: AuthorizedOperations,
}

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// The broker that leads it, if one does.
    pub leader: Option<i32>,
    /// Since which epoch; −1: not known.
    pub leader_epoch: i32,
    /// What the answer says about it.
    pub error: ErrorCode,
    /// How many replicas it has.
    pub replicas: usize,
    /// How many of them are in sync.
    pub in_sync: usize,
}

/// What stands for an id that is not told.
const NO_ID: [u8; 16] = [0; 16];

impl Topic {
    const UNKNOWN: Self = Self {
        id: NO_ID,
        error: ErrorCode::NONE,
        is_internal: false,
        partitions: BTreeMap::new(),
        authorized_operations: AuthorizedOperations::NOT_TOLD,
    };

    /// Whether an answer has described the topic.
    pub fn is_known(&self) -> bool {
        !self.partitions.is_empty()
    }

    /// Whether asking again may bring what the last answer did not.
    fn is_unsettled(&self) -> bool {
        let is_passing = |error: ErrorCode| {
            matches!(
                error.class(),
                Class::RefreshMetadata | Class::Retry | Class::Wait
            )
        };
        is_passing(self.error)
            || self.error.is_none()
                && (!self.is_known() || self.partitions.values().any(|p| p.leader.is_none()))
    }
}

/// The metadata of a cluster; see the module.
#[derive(Debug)]
pub struct Metadata {
    settings: MetadataSettings,
    cluster_id: Option<String>,
    controller_id: Option<i32>,
    brokers: BTreeMap<i32, Broker>,
    topics: BTreeMap<String, Topic>,
    is_in_flight: bool,
    /// Somebody misses something.
    is_requested: bool,
    /// How many requests in a row brought nothing new.
    fruitless: u32,
    /// The back-off: nothing is asked before.
    not_before: Option<Instant>,
    answered_at: Option<Instant>,
}

impl Metadata {
    /// Knows nothing and wants to know the brokers.
    pub fn new(settings: MetadataSettings) -> Self {
        Self {
            settings,
            cluster_id: None,
            controller_id: None,
            brokers: BTreeMap::new(),
            topics: BTreeMap::new(),
            is_in_flight: false,
            is_requested: true,
            fruitless: 0,
            not_before: None,
            answered_at: None,
        }
    }

    /// The cluster that the brokers say to be of.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// The broker that takes requests for the controller.
    pub fn controller_id(&self) -> Option<i32> {
        self.controller_id
    }

    /// The brokers that are there, by id.
    pub fn brokers(&self) -> &BTreeMap<i32, Broker> {
        &self.brokers
    }

    /// A wanted topic.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    /// The name of a wanted topic.
    pub fn topic_name(&self, id: [u8; 16]) -> Option<&str> {
        let mut topics = self.topics.iter();
        topics.find_map(|(name, topic)| (topic.id == id && id != NO_ID).then_some(name.as_str()))
    }

    /// Who leads a partition, and since when. None: nobody, or not known.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<LeaderHint> {
        let partition = self.topics.get(topic)?.partitions.get(&partition)?;
        let leader_epoch = partition.leader_epoch;
        partition.leader.map(|leader_id| LeaderHint {
            leader_id,
            leader_epoch,
        })
    }

    /// Wants a topic from now on.
    pub fn add_topic(&mut self, name: &str) {
        if !self.topics.contains_key(name) {
            self.topics.insert(name.to_owned(), Topic::UNKNOWN);
            self.is_requested = true;
        }
    }

    /// Forgets a topic.
    pub fn remove_topic(&mut self, name: &str) {
        self.topics.remove(name);
    }

    /// Something turned out to be out of date: asks again, as soon as the back-off allows.
    pub fn request_refresh(&mut self) {
        self.is_requested = true;
    }

    /// When [`poll_request`](Self::poll_request) has something to send: none while an answer is
    /// awaited, whose time-out is the connection's.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        if self.is_in_flight {
            return None;
        }
        let wanted = match self.answered_at {
            Some(answered_at) if !self.is_requested => answered_at + self.settings.age_max,
            _ => now,
        };
        Some(
            self.not_before
                .map_or(wanted, |not_before| wanted.max(not_before)),
        )
    }

    /// The request to send now, to any broker. [`handle_response`](Self::handle_response) or
    /// [`handle_failure`](Self::handle_failure) must follow before there is another.
    pub fn poll_request(&mut self, now: Instant) -> Option<MetadataRequest> {
        if self.poll_timeout(now)? > now {
            return None;
        }
        // What was missed before the last pause was over is not the trouble of now.
        if self
            .not_before
            .is_some_and(|not_before| now >= not_before + self.settings.backoff_max)
        {
            self.fruitless = 0;
        }
        self.is_in_flight = true;
        self.is_requested = false;
        let topics = self.topics.keys().map(|name| {
            let name = TopicName(StrBytes::from_string(name.clone()));
            MetadataRequestTopic::default().with_name(Some(name))
        });
        let request = MetadataRequest::default()
            .with_topics(Some(topics.collect()))
            .with_allow_auto_topic_creation(false)
            .with_include_topic_authorized_operations(true);
        Some(request)
    }

    /// The answer came. `random` is any number, for the jitter of the back-off.
    pub fn handle_response(
        &mut self,
        now: Instant,
        random: u64,
        response: &MetadataResponse,
    ) -> Result<Changes, MetadataError> {
        match self.apply(response) {
            Ok(changes) => {
                if changes != Changes::default() {
                    self.fruitless = 0;
                }
                self.finish(now, random);
                self.answered_at = Some(now);
                self.is_requested |= self.topics.values().any(Topic::is_unsettled);
                Ok(changes)
            }
            Err(error) => {
                self.handle_failure(now, random);
                Err(error)
            }
        }
    }

    /// The request could not be sent, or its answer will not come: asks again after a back-off.
    pub fn handle_failure(&mut self, now: Instant, random: u64) {
        self.finish(now, random);
        self.is_requested = true;
    }

    /// A Produce or Fetch answer says who leads a partition. Taken if it is news; says whether it
    /// was.
    pub fn handle_leader_hint(
        &mut self,
        topic: TopicKey<'_>,
        partition: i32,
        hint: LeaderHint,
    ) -> bool {
        let topic = match topic {
            TopicKey::Name(name) => self.topics.get_mut(name),
            TopicKey::Id(NO_ID) => None,
            TopicKey::Id(id) => self.topics.values_mut().find(|topic| topic.id == id),
        };
        let Some(known) = topic.and_then(|topic| topic.partitions.get_mut(&partition)) else {
            return false;
        };
        if hint.leader_epoch <= known.leader_epoch || hint.leader_id < 0 {
            return false;
        }
        known.leader = Some(hint.leader_id);
        known.leader_epoch = hint.leader_epoch;
        if !self.brokers.contains_key(&hint.leader_id) {
            self.is_requested = true;
        }
        true
    }

    /// A Produce or Fetch answer says where a broker is found. To be told after the hints, and of
    /// use until the next answer names all brokers.
    pub fn handle_endpoint(&mut self, endpoint: NodeEndpoint<'_>) -> Result<(), MetadataError> {
        let NodeEndpoint {
            node_id,
            host,
            port,
            rack,
        } = endpoint;
        let broker = Broker::parse(node_id, host, port, rack)?;
        self.brokers.insert(node_id, broker);
        Ok(())
    }

    fn finish(&mut self, now: Instant, random: u64) {
        let pause = self
            .settings
            .backoff
            .saturating_mul(1 << self.fruitless.min(16));
        let pause = pause.min(self.settings.backoff_max);
        self.not_before = Some(now + jitter(pause, random));
        self.fruitless = self.fruitless.saturating_add(1);
        self.is_in_flight = false;
    }

    /// Takes all of the answer or, with an error, nothing.
    fn apply(&mut self, response: &MetadataResponse) -> Result<Changes, MetadataError> {
        let error = ErrorCode(response.error_code);
        if !error.is_none() {
            return Err(MetadataError::Refused { error });
        }
        if let (Some(known), Some(got)) = (&self.cluster_id, &response.cluster_id)
            && known != got.as_str()
        {
            let (known, got) = (known.clone(), got.to_string());
            return Err(MetadataError::OtherCluster { known, got });
        }
        let brokers = response.brokers.iter().map(Broker::read);
        let brokers = brokers.collect::<Result<BTreeMap<_, _>, _>>()?;

        let mut changes = Changes::default();
        // A broker that has just started may know of none.
        if !brokers.is_empty() && brokers != self.brokers {
            changes.brokers = true;
            self.brokers = brokers;
        }
        if let Some(cluster_id) = &response.cluster_id {
            self.cluster_id = Some(cluster_id.to_string());
        }
        self.controller_id = Some(response.controller_id.0).filter(|id| *id >= 0);
        for answer in &response.topics {
            let name = answer.name.as_ref().map_or("", |name| name.0.as_str());
            if let Some(topic) = self.topics.get_mut(name) {
                topic.apply(name, answer, &mut changes);
            }
        }
        Ok(changes)
    }
}

impl Topic {
    fn apply(&mut self, name: &str, answer: &MetadataResponseTopic, changes: &mut Changes) {
        self.error = ErrorCode(answer.error_code);
        if !self.error.is_none() {
            return;
        }
        let id = answer.topic_id.into_bytes();
        // A broker that tells no ids (in the middle of an upgrade) says nothing about which it is.
        if self.id != id && id != NO_ID {
            if self.id != NO_ID {
                let (name, known_id) = (name.to_owned(), self.id);
                changes.replaced.push(ReplacedTopic { name, known_id, id });
            }
            // Another topic: its epochs have nothing to do with those known.
            *self = Self {
                id,
                ..Self::UNKNOWN
            };
        }
        self.is_internal = answer.is_internal;
        self.authorized_operations = AuthorizedOperations(answer.topic_authorized_operations);
        // Partitions count from 0, whatever a broker says.
        let numbered = |partition: &&MetadataResponsePartition| partition.partition_index >= 0;
        for answer in answer.partitions.iter().filter(numbered) {
            let new = Partition::read(answer);
            let known = self.partitions.get(&answer.partition_index);
            if known.is_some_and(|known| new.leader_epoch < known.leader_epoch) {
                continue;
            }
            let is_led_alike = known.is_some_and(|known| {
                (known.leader, known.leader_epoch) == (new.leader, new.leader_epoch)
            });
            changes.leaders |= !is_led_alike;
            self.partitions.insert(answer.partition_index, new);
        }
    }
}

impl Partition {
    fn read(answer: &MetadataResponsePartition) -> Self {
        Self {
            leader: Some(answer.leader_id.0).filter(|id| *id >= 0),
            leader_epoch: answer.leader_epoch,
            error: ErrorCode(answer.error_code),
            replicas: answer.replica_nodes.len(),
            in_sync: answer.isr_nodes.len(),
        }
    }
}

impl Broker {
    fn read(answer: &MetadataResponseBroker) -> Result<(i32, Self), MetadataError> {
        let id = answer.node_id.0;
        Ok((
            id,
            Self::parse(id, &answer.host, answer.port, answer.rack.as_deref())?,
        ))
    }

    fn parse(id: i32, host: &str, port: i32, rack: Option<&str>) -> Result<Self, MetadataError> {
        match u16::try_from(port) {
            Ok(number @ 1..) if !host.is_empty() => Ok(Self {
                host: host.to_owned(),
                port: number,
                rack: rack.map(str::to_owned),
            }),
            _ => Err(MetadataError::Address {
                broker: id,
                host: host.to_owned(),
                port,
            }),
        }
    }
}

/// `pause`, give or take a fifth.
fn jitter(pause: Duration, random: u64) -> Duration {
    let share = (random >> 32) as f64 / f64::from(u32::MAX);
    pause.mul_f64(0.8 + 0.4 * share)
}

/// What a client may do with a topic: a bit for each [`AclOperation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorizedOperations(pub i32);

impl AuthorizedOperations {
    /// Kafka's number for: not asked, or not told.
    pub const NOT_TOLD: Self = Self(i32::MIN);

    /// Whether the operation is allowed; none if the broker did not tell.
    pub fn allows(self, operation: AclOperation) -> Option<bool> {
        (self != Self::NOT_TOLD).then_some(self.0 & (1 << operation as i32) != 0)
    }
}

/// Kafka's operations, with their codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum AclOperation {
    /// Fetch, and DescribeProducers.
    Read = 3,
    /// Produce.
    Write = 4,
    /// CreateTopics.
    Create = 5,
    /// DeleteTopics, DeleteRecords.
    Delete = 6,
    /// CreatePartitions.
    Alter = 7,
    /// Metadata, ListOffsets.
    Describe = 8,
    /// What brokers do among themselves.
    ClusterAction = 9,
    /// DescribeConfigs.
    DescribeConfigs = 10,
    /// IncrementalAlterConfigs.
    AlterConfigs = 11,
    /// InitProducerId, where no topic may be written (before 3.0).
    IdempotentWrite = 12,
}
