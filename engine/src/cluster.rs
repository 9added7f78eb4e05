//! The cluster as a shard sees it: who leads which partition, kept fresh over a connection of its own, so
//! that a question never waits behind batches.

use std::time::{Duration, Instant};

use kafka_protocol::messages::{MetadataRequest, MetadataResponse};
use protocol::client::metadata::{Metadata, MetadataError, MetadataSettings};
use protocol::error_code::ErrorCode;
use protocol::hot::{LeaderHint, TopicKey};

use crate::flow::LinkId;
use crate::flow::config::ClientConfig;
use crate::io::Io;
use crate::net::{Links, Waiting, decode};

/// What is wrong with the topic, as metadata tells it.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The name stands for another topic.
    #[error(
        "it was deleted and made anew while it was being loaded; --restart loads into the new one"
    )]
    Replaced,
    /// We may not even look at it (any more).
    #[error("{error}: {}", error.meaning())]
    Denied {
        /// What the broker said.
        error: ErrorCode,
    },
    /// The answer cannot be used.
    #[error(transparent)]
    Metadata(MetadataError),
}

/// Metadata of one topic.
#[derive(Debug)]
pub struct Cluster {
    topic: String,
    topic_id: [u8; 16],
    bootstrap: Vec<(String, u16)>,
    metadata: Metadata,
    /// The connection for metadata alone, and the server that it was made to.
    link: Option<LinkId>,
    next_server: usize,
    /// A question that waits for the link.
    unsent: Option<MetadataRequest>,
    random: u64,
}

impl Cluster {
    /// What `response` tells of the topic, kept fresh from now on.
    pub fn new(
        now: Instant,
        config: &ClientConfig,
        backoff: (Duration, Duration),
        topic: &str,
        topic_id: [u8; 16],
        response: &MetadataResponse,
    ) -> Result<Self, ClusterError> {
        let settings = MetadataSettings {
            backoff: backoff.0,
            backoff_max: backoff.1,
            age_max: config.metadata_max_age,
        };
        let mut metadata = Metadata::new(settings);
        metadata.add_topic(topic);
        // The caller has asked already.
        drop(metadata.poll_request(now));
        metadata
            .handle_response(now, 0, response)
            .map_err(ClusterError::Metadata)?;
        Ok(Self {
            topic: topic.to_owned(),
            topic_id,
            bootstrap: config.bootstrap.clone(),
            metadata,
            link: None,
            next_server: 0,
            unsent: None,
            random: 0x9e37_79b9_7f4a_7c15,
        })
    }

    /// The broker that leads a partition, if one is known to.
    pub(crate) fn leader(&self, partition: u32) -> Option<i32> {
        let hint = self.metadata.leader(&self.topic, partition.cast_signed())?;
        Some(hint.leader_id)
    }

    /// The same, and since which epoch.
    pub(crate) fn leader_since(&self, partition: u32) -> Option<LeaderHint> {
        self.metadata.leader(&self.topic, partition.cast_signed())
    }

    /// Where a broker listens.
    pub(crate) fn address(&self, broker: i32) -> Option<(String, u16)> {
        let broker = self.metadata.brokers().get(&broker)?;
        Some((broker.host.clone(), broker.port))
    }

    /// A broker for people.
    pub(crate) fn describe(&self, broker: i32) -> String {
        match self.address(broker) {
            Some((host, port)) => format!("broker {broker} ({host}:{port})"),
            None => format!("broker {broker}"),
        }
    }

    /// Asks for new metadata soon.
    pub(crate) fn request_refresh(&mut self) {
        self.metadata.request_refresh();
    }

    /// What an answer to Produce says about who leads.
    pub(crate) fn handle_hint(&mut self, partition: u32, hint: LeaderHint) {
        let topic = TopicKey::Name(&self.topic);
        self.metadata
            .handle_leader_hint(topic, partition.cast_signed(), hint);
    }

    /// Sends the question that is due, if any.
    pub(crate) fn poll(&mut self, now: Instant, io: &mut Io, links: &mut Links) {
        if self.unsent.is_none() {
            self.unsent = self.metadata.poll_request(now);
        }
        if self.unsent.is_none() {
            return;
        }
        let link = match self.link {
            Some(link) => link,
            None => {
                let server = self.next_server();
                let link = links.add(-1, server);
                self.link = Some(link);
                link
            }
        };
        links.ensure(now, io, link);
        if !links.is_ready(link) {
            return;
        }
        if let Some(request) = self.unsent.take()
            && links
                .request(now, io, link, &request, Waiting::Metadata)
                .is_err()
        {
            self.unsent = Some(request);
        }
    }

    /// Bootstrap servers and all brokers that are known, in turn.
    fn next_server(&mut self) -> (String, u16) {
        let brokers = self
            .metadata
            .brokers()
            .values()
            .map(|b| (b.host.clone(), b.port));
        let servers: Vec<_> = brokers.chain(self.bootstrap.iter().cloned()).collect();
        self.next_server += 1;
        servers[(self.next_server - 1) % servers.len()].clone()
    }

    /// The connection for metadata is gone: the next one goes to the next server.
    pub(crate) fn handle_lost(&mut self, links: &mut Links, link: LinkId) {
        if self.link == Some(link) {
            let server = self.next_server();
            links.set_address(link, server);
        }
    }

    /// The question was lost with its connection.
    pub(crate) fn handle_metadata_lost(&mut self, now: Instant) {
        let random = self.next_random();
        self.metadata.handle_failure(now, random);
    }

    /// An answer came.
    pub(crate) fn handle_metadata(
        &mut self,
        now: Instant,
        version: i16,
        body: &[u8],
    ) -> Result<(), ClusterError> {
        let random = self.next_random();
        let Some(response) = decode::<MetadataRequest>(version, body) else {
            self.metadata.handle_failure(now, random);
            return Ok(());
        };
        let changes = match self.metadata.handle_response(now, random, &response) {
            Ok(changes) => changes,
            Err(error @ MetadataError::OtherCluster { .. }) => {
                return Err(ClusterError::Metadata(error));
            }
            Err(error) => {
                tracing::warn!(%error, "metadata");
                return Ok(());
            }
        };
        let is_other = self.topic_id != [0; 16]
            && changes
                .replaced
                .iter()
                .any(|replaced| replaced.id != self.topic_id);
        if is_other {
            return Err(ClusterError::Replaced);
        }
        let error = self
            .metadata
            .topic(&self.topic)
            .map_or(ErrorCode::NONE, |topic| topic.error);
        if error == ErrorCode::TOPIC_AUTHORIZATION_FAILED {
            return Err(ClusterError::Denied { error });
        }
        Ok(())
    }

    /// What metadata says of the topic now, for a message: NONE, or why it has no leader.
    pub(crate) fn topic_error(&self) -> ErrorCode {
        self.metadata
            .topic(&self.topic)
            .map_or(ErrorCode::NONE, |topic| topic.error)
    }

    pub(crate) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        if self.unsent.is_some() {
            None
        } else {
            self.metadata.poll_timeout(now)
        }
    }

    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
