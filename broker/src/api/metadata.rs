//! Metadata (key 3), versions 0 to 13.
//!
//! v1 controller, null for all topics · v2 cluster id · v4 topics may be created · v5 offline
//! replicas · v7 leader epochs · v8 authorised operations · v9 flexible · v10 topic ids · v12
//! topics by id · v13 an error for the whole
//!
//! The one node leads everything, unless a test pretends otherwise. A topic that may be created by being asked for is there at once;
//! Apache's broker says LEADER_NOT_AVAILABLE first.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError, text, topic_name};
use crate::broker::{Broker, NODE_ID};
use crate::topics::config::TopicConfig;
use crate::topics::{Partition, Topic, TopicError};

/// Every operation that there is on a topic, one bit each: nobody is refused anything here.
const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// The same on the cluster.
pub(super) const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: MetadataRequest = call.request(body)?;
    // Version 0 has no null: there an empty list asks for all topics.
    let asks_for_all = match &request.topics {
        None => true,
        Some(topics) => call.version == 0 && topics.is_empty(),
    };
    let topics = if asks_for_all {
        call.broker
            .topics
            .all()
            .iter()
            .map(|topic| describe(call, topic, &request))
            .collect()
    } else {
        let asked = request.topics.iter().flatten();
        asked
            .map(|topic| answer_topic(call, topic, &request))
            .collect()
    };
    let mut response = MetadataResponse::default()
        .with_brokers(nodes(call.broker))
        .with_cluster_id(Some(text(call.broker.cluster_id())))
        .with_controller_id(BrokerId(NODE_ID))
        .with_topics(topics);
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    call.respond::<MetadataRequest>(&response)
}

fn nodes(broker: &Broker) -> Vec<MetadataResponseBroker> {
    let node = |(id, host, port): (i32, String, u16)| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(id))
            .with_host(text(host))
            .with_port(i32::from(port))
    };
    broker.nodes().into_iter().map(node).collect()
}

fn answer_topic(
    call: &Call<'_>,
    asked: &MetadataRequestTopic,
    request: &MetadataRequest,
) -> MetadataResponseTopic {
    let name = asked.name.as_ref().map(|name| name.as_str());
    match find_or_create(call, asked, request.allow_auto_topic_creation) {
        Ok(topic) => describe(call, &topic, request),
        Err(code) => MetadataResponseTopic::default()
            .with_error_code(code.0)
            .with_topic_id(asked.topic_id)
            // Before version 12 the name cannot be null.
            .with_name(
                name.map(topic_name)
                    .or((call.version < 12).then(TopicName::default)),
            ),
    }
}

fn find_or_create(
    call: &Call<'_>,
    asked: &MetadataRequestTopic,
    may_create: bool,
) -> Result<Arc<Topic>, ErrorCode> {
    if !asked.topic_id.is_nil() {
        return call.topic("", asked.topic_id);
    }
    let name = asked.name.as_ref().map_or("", |name| name.as_str());
    let found = call.topic(name, asked.topic_id);
    // Older versions had no say in it.
    let may_create = may_create || call.version < 4;
    if found.is_ok() || !may_create || !call.broker.config.auto_create_topics {
        return found;
    }
    create(call.broker, name).map_err(|error| error.code())
}

/// Creates a topic as the broker's configuration says.
fn create(broker: &Broker, name: &str) -> Result<Arc<Topic>, TopicError> {
    let config = TopicConfig::new(BTreeMap::new(), &broker.config)?;
    let partitions = broker.config.default_partitions;
    match broker
        .topics
        .create(name, partitions, config, broker.recovery_options())
    {
        // Somebody else was faster.
        Err(TopicError::Exists(name)) => broker
            .topics
            .by_name(&name)
            .ok_or(TopicError::Unknown(name)),
        other => other,
    }
}

fn describe(call: &Call<'_>, topic: &Topic, request: &MetadataRequest) -> MetadataResponseTopic {
    let fault = call.fault_code(Some(&topic.name), None);
    let is_former = call.broker.faults.is_former_told(&topic.name);
    let nodes: Vec<_> = call.broker.nodes();
    let nodes: Vec<_> = nodes.iter().map(|&(id, ..)| BrokerId(id)).collect();
    let partition = |(index, partition): (usize, &Arc<Partition>)| {
        let leader = if is_former {
            partition.former_leader()
        } else {
            partition.leader()
        };
        MetadataResponsePartition::default()
            .with_partition_index(index as i32)
            .with_leader_id(BrokerId(leader.node))
            .with_leader_epoch(leader.epoch)
            .with_replica_nodes(nodes.clone())
            .with_isr_nodes(nodes.clone())
    };
    let partitions = match fault {
        None => topic.partitions.iter().enumerate().map(partition).collect(),
        Some(_) => Vec::new(),
    };
    let mut described = MetadataResponseTopic::default()
        .with_error_code(fault.unwrap_or(ErrorCode::NONE).0)
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id)
        .with_partitions(partitions);
    if request.include_topic_authorized_operations {
        described.topic_authorized_operations = TOPIC_OPERATIONS;
    }
    described
}
