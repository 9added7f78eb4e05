//! The topic as a load finds it: made if asked for, checked for what would go wrong later.

use std::time::{Duration, Instant};

use engine::control::{Control, ControlError, To};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, DescribeConfigsRequest, InitProducerIdRequest,
    ListOffsetsRequest, MetadataResponse, ProducerId, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use protocol::client::metadata::{AclOperation, AuthorizedOperations};
use protocol::error_code::ErrorCode;

use super::error::LoadError;
use crate::options::{CreateTopic, LoadOptions, Target};

/// The topic's `max.message.bytes` where it may not be asked: Kafka's default.
const MESSAGE_BYTES_MAX_DEFAULT: u64 = 1_048_588;
/// `producer.id.expiration.ms` where it may not be asked: Kafka's default.
const EXPIRATION_DEFAULT: Duration = Duration::from_secs(86_400);
/// Between two questions that wait for the cluster.
const PAUSE: Duration = Duration::from_millis(200);

/// What is known of the topic before anything is sent.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) cluster_id: String,
    pub(super) name: String,
    pub(super) id: [u8; 16],
    /// Leader and leader epoch of each partition, by number.
    pub(super) leaders: Vec<(i32, i32)>,
    /// The largest batch that it takes.
    pub(super) message_bytes_max: u64,
    /// `cleanup.policy`, where it may be asked.
    pub(super) cleanup_policy: Option<String>,
    /// How long the brokers remember a producer.
    pub(super) producer_expiration: Duration,
    /// Whether WRITE is allowed; `None` where the cluster does not say.
    pub(super) may_write: Option<bool>,
    pub(super) metadata: MetadataResponse,
}

impl Topic {
    pub(super) fn partitions(&self) -> u32 {
        u32::try_from(self.leaders.len()).expect("partitions are numbered by i32")
    }
}

/// Finds the topic, or makes it, and waits until its partitions have leaders.
pub(super) fn find(control: &mut Control, options: &LoadOptions) -> Result<Topic, LoadError> {
    let deadline = control.now() + options.producer.block_max;
    let mut was_created = false;
    loop {
        let response = control.until(deadline, |control| control.metadata(&options.topic))?;
        let topic = response.topics.first().cloned().unwrap_or_default();
        let error = ErrorCode(topic.error_code);
        let is_unknown = error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        match missing(&topic) {
            None => return describe(control, options, response, &topic),
            Some(_) if is_unknown && !was_created => {
                create(control, options)?;
                was_created = true;
            }
            Some(what) if !error.is_none() && !error.is_retriable() => {
                return Err(denied(options, error, what));
            }
            Some(what) if control.now() >= deadline => {
                let topic = options.topic.clone();
                let waited = options.producer.block_max;
                return Err(LoadError::TopicUnavailable {
                    topic,
                    what,
                    waited,
                });
            }
            Some(_) => control.pause(PAUSE)?,
        }
    }
}

/// As [`find`], but changes nothing and waits for nothing: `None` where the topic is missing and would be
/// made.
pub(super) fn look(
    control: &mut Control,
    options: &LoadOptions,
) -> Result<Option<Topic>, LoadError> {
    let deadline = control.now() + options.producer.block_max;
    let response = control.until(deadline, |control| control.metadata(&options.topic))?;
    let topic = response.topics.first().cloned().unwrap_or_default();
    let error = ErrorCode(topic.error_code);
    let would_create =
        options.create_topic.is_some() || matches!(options.target, Target::Embedded(_));
    match missing(&topic) {
        None => describe(control, options, response, &topic).map(Some),
        Some(_) if error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
            if would_create {
                return Ok(None);
            }
            Err(LoadError::TopicMissing {
                topic: options.topic.clone(),
            })
        }
        Some(what) if !error.is_none() && !error.is_retriable() => {
            Err(denied(options, error, what))
        }
        Some(what) => Err(LoadError::TopicRefused {
            topic: options.topic.clone(),
            what,
        }),
    }
}

/// What keeps the topic from being written to, if anything.
fn missing(topic: &MetadataResponseTopic) -> Option<String> {
    let error = ErrorCode(topic.error_code);
    if !error.is_none() {
        return Some(format!("{error}: {}", error.meaning()));
    }
    if topic.partitions.is_empty() {
        return Some("it has no partitions yet".to_owned());
    }
    let leaderless = topic
        .partitions
        .iter()
        .find(|partition| partition.leader_id.0 < 0)?;
    Some(format!(
        "partition {} has no leader",
        leaderless.partition_index
    ))
}

fn denied(options: &LoadOptions, error: ErrorCode, what: String) -> LoadError {
    let topic = options.topic.clone();
    if error == ErrorCode::TOPIC_AUTHORIZATION_FAILED {
        LoadError::NoRight {
            topic,
            right: "DESCRIBE",
        }
    } else {
        LoadError::TopicRefused { topic, what }
    }
}

fn create(control: &mut Control, options: &LoadOptions) -> Result<(), LoadError> {
    let is_embedded = matches!(options.target, Target::Embedded(_));
    let wanted = match options.create_topic {
        Some(wanted) => wanted,
        None if is_embedded => CreateTopic {
            partitions: None,
            replication: None,
        },
        None => {
            return Err(LoadError::TopicMissing {
                topic: options.topic.clone(),
            });
        }
    };
    let partitions = wanted.partitions.map_or(-1, u32::cast_signed);
    let replication = wanted.replication.map_or(-1, u16::cast_signed);
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_string(options.topic.clone())))
        .with_num_partitions(partitions)
        .with_replication_factor(replication);
    let timeout = options.producer.request_timeout.as_millis();
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(i32::try_from(timeout).unwrap_or(i32::MAX));
    let deadline = control.now() + options.producer.block_max;
    loop {
        let response = control.until(deadline, |control| control.call(To::Any, &request))?;
        let Some(created) = response.topics.first() else {
            let what = "the answer names no topic".to_owned();
            return Err(LoadError::NotCreated {
                topic: options.topic.clone(),
                what,
            });
        };
        let error = ErrorCode(created.error_code);
        if error.is_none() || error == ErrorCode::TOPIC_ALREADY_EXISTS {
            tracing::info!("created topic {}", options.topic);
            return Ok(());
        }
        if !error.is_retriable() || control.now() >= deadline {
            let said = created
                .error_message
                .as_ref()
                .map_or_else(|| error.meaning().to_owned(), |message| message.to_string());
            let what = format!("{error}: {said}");
            return Err(LoadError::NotCreated {
                topic: options.topic.clone(),
                what,
            });
        }
        control.pause(PAUSE)?;
    }
}

fn describe(
    control: &mut Control,
    options: &LoadOptions,
    metadata: MetadataResponse,
    topic: &MetadataResponseTopic,
) -> Result<Topic, LoadError> {
    let mut leaders: Vec<(i32, i32, i32)> = topic
        .partitions
        .iter()
        .map(|p| (p.partition_index, p.leader_id.0, p.leader_epoch))
        .collect();
    leaders.sort_unstable();
    let deadline = control.now() + options.producer.block_max;
    let configs = configs(control, &options.topic, leaders[0].1, deadline)?;
    let value = |key: &str| {
        configs
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, v)| v.clone())
    };
    let number = |key: &str| value(key).and_then(|value| value.parse::<u64>().ok());
    let allowed = AuthorizedOperations(topic.topic_authorized_operations);
    Ok(Topic {
        cluster_id: metadata
            .cluster_id
            .as_ref()
            .map_or_else(String::new, |id| id.to_string()),
        name: options.topic.clone(),
        id: *topic.topic_id.as_bytes(),
        leaders: leaders
            .into_iter()
            .map(|(_, leader, epoch)| (leader, epoch))
            .collect(),
        message_bytes_max: number("max.message.bytes").unwrap_or(MESSAGE_BYTES_MAX_DEFAULT),
        cleanup_policy: value("cleanup.policy"),
        producer_expiration: number("producer.id.expiration.ms")
            .map_or(EXPIRATION_DEFAULT, Duration::from_millis),
        may_write: allowed.allows(AclOperation::Write),
        metadata,
    })
}

/// Kafka's resource types.
const RESOURCE_TOPIC: i8 = 2;
const RESOURCE_BROKER: i8 = 4;

/// The configuration of the topic and of the broker, as far as it may be asked.
fn configs(
    control: &mut Control,
    topic: &str,
    broker: i32,
    deadline: Instant,
) -> Result<Vec<(String, String)>, LoadError> {
    let resource = |kind, name: String, keys: &[&'static str]| {
        let keys = keys
            .iter()
            .map(|key| StrBytes::from_static_str(key))
            .collect();
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name))
            .with_configuration_keys(Some(keys))
    };
    let topic_keys = ["max.message.bytes", "cleanup.policy"];
    let resources = vec![
        resource(RESOURCE_TOPIC, topic.to_owned(), &topic_keys),
        resource(
            RESOURCE_BROKER,
            broker.to_string(),
            &["producer.id.expiration.ms"],
        ),
    ];
    // A broker answers for its own configuration only.
    let request = DescribeConfigsRequest::default().with_resources(resources);
    let response = control.until(deadline, |control| {
        control.call(To::Broker(broker), &request)
    })?;
    let mut values = Vec::new();
    for result in &response.results {
        let error = ErrorCode(result.error_code);
        if !error.is_none() {
            tracing::debug!(
                "configuration of {}: {error}",
                result.resource_name.as_str()
            );
        }
        let known = result.configs.iter().filter_map(|config| {
            let value = config.value.as_ref()?;
            Some((config.name.to_string(), value.to_string()))
        });
        values.extend(known);
    }
    Ok(values)
}

/// A producer id.
pub(super) fn init_producer_id(
    control: &mut Control,
    options: &LoadOptions,
) -> Result<(i64, i16), LoadError> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let deadline = control.now() + options.producer.block_max;
    loop {
        let response = control.until(deadline, |control| control.call(To::Any, &request))?;
        let error = ErrorCode(response.error_code);
        if error.is_none() {
            return Ok((response.producer_id.0, response.producer_epoch));
        }
        if error == ErrorCode::CLUSTER_AUTHORIZATION_FAILED {
            return Err(LoadError::NoRight {
                topic: options.topic.clone(),
                right: "WRITE",
            });
        }
        if !error.is_retriable() || control.now() >= deadline {
            return Err(LoadError::NoProducerId { error });
        }
        control.pause(PAUSE)?;
    }
}

/// The end offset of each partition.
pub(super) fn end_offsets(
    control: &mut Control,
    topic: &Topic,
    timeout: Duration,
) -> Result<Vec<i64>, LoadError> {
    let deadline = control.now() + timeout;
    let mut ends: Vec<Option<i64>> = vec![None; topic.leaders.len()];
    loop {
        let mut leaders: Vec<i32> = topic.leaders.iter().map(|leader| leader.0).collect();
        leaders.sort_unstable();
        leaders.dedup();
        let mut last_error = ErrorCode::NONE;
        for leader in leaders {
            control.until(deadline, |control| {
                ask_ends(control, topic, leader, &mut ends, &mut last_error)
            })?;
        }
        if ends.iter().all(Option::is_some) {
            return Ok(ends.into_iter().flatten().collect());
        }
        if !last_error.is_retriable() || control.now() >= deadline {
            let what = format!("end offsets: {last_error}: {}", last_error.meaning());
            return Err(LoadError::TopicRefused {
                topic: topic.name.clone(),
                what,
            });
        }
        control.pause(PAUSE)?;
    }
}

fn ask_ends(
    control: &mut Control,
    topic: &Topic,
    leader: i32,
    ends: &mut [Option<i64>],
    last_error: &mut ErrorCode,
) -> Result<(), ControlError> {
    const LATEST: i64 = -1;
    let asked: Vec<ListOffsetsPartition> = (0..)
        .zip(&topic.leaders)
        .zip(ends.iter())
        .filter(|((_, led), end)| led.0 == leader && end.is_none())
        .map(|((index, _), _)| {
            ListOffsetsPartition::default()
                .with_partition_index(index)
                .with_current_leader_epoch(-1)
                .with_timestamp(LATEST)
        })
        .collect();
    if asked.is_empty() {
        return Ok(());
    }
    let name = TopicName(StrBytes::from_string(topic.name.clone()));
    let listed = ListOffsetsTopic::default()
        .with_name(name)
        .with_partitions(asked);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![listed]);
    let response = control.call(To::Broker(leader), &request)?;
    for answer in response.topics.iter().flat_map(|topic| &topic.partitions) {
        let error = ErrorCode(answer.error_code);
        let end = usize::try_from(answer.partition_index)
            .ok()
            .and_then(|i| ends.get_mut(i));
        match end {
            Some(end) if error.is_none() => *end = Some(answer.offset),
            _ => *last_error = error,
        }
    }
    Ok(())
}
