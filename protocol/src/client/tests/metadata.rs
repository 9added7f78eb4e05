use std::time::Instant;

use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{ApiKey, BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::Encodable;

use super::{ms, start, str_bytes};
use crate::api::SPOKEN;
use crate::client::metadata::*;
use crate::error_code::ErrorCode;
use crate::frame::{decode_request, decode_response};
use crate::hot::{LeaderHint, NodeEndpoint, TopicKey};

/// A random number in the middle: no jitter, but for rounding.
const MIDDLE: u64 = 1 << 63;

const ID: [u8; 16] = [7; 16];

fn broker(id: i32) -> MetadataResponseBroker {
    MetadataResponseBroker::default()
        .with_node_id(BrokerId(id))
        .with_host(str_bytes("localhost"))
        .with_port(9092 + id)
}

/// Partitions as (leader, epoch).
fn topic(id: [u8; 16], partitions: &[(i32, i32)]) -> MetadataResponseTopic {
    let partitions = partitions
        .iter()
        .enumerate()
        .map(|(index, (leader, epoch))| {
            MetadataResponsePartition::default()
                .with_partition_index(index as i32)
                .with_leader_id(BrokerId(*leader))
                .with_leader_epoch(*epoch)
                .with_replica_nodes(vec![BrokerId(1), BrokerId(2)])
                .with_isr_nodes(vec![BrokerId(1)])
        });
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(str_bytes("t"))))
        .with_topic_id(uuid::Uuid::from_bytes(id))
        .with_partitions(partitions.collect())
}

fn response(topics: Vec<MetadataResponseTopic>) -> MetadataResponse {
    MetadataResponse::default()
        .with_brokers(vec![broker(1), broker(2)])
        .with_cluster_id(Some(str_bytes("cluster")))
        .with_controller_id(BrokerId(2))
        .with_topics(topics)
}

fn with_error(error: ErrorCode) -> MetadataResponseTopic {
    topic([0; 16], &[]).with_error_code(error.0)
}

/// Metadata that wants the topic `t` and knows it with these partitions.
fn known(now: Instant, partitions: &[(i32, i32)]) -> Metadata {
    let mut metadata = Metadata::new(MetadataSettings::default());
    metadata.add_topic("t");
    ask(&mut metadata, now, &response(vec![topic(ID, partitions)]));
    metadata
}

fn ask(metadata: &mut Metadata, now: Instant, response: &MetadataResponse) -> Changes {
    assert!(metadata.poll_request(now).is_some(), "due");
    metadata
        .handle_response(now, MIDDLE, response)
        .expect("taken")
}

/// The pause until the next request.
fn pause(metadata: &Metadata, now: Instant) -> u128 {
    let at = metadata.poll_timeout(now).expect("nothing in flight");
    ((at - now).as_micros() + 500) / 1000
}

fn hint(leader_id: i32, leader_epoch: i32) -> LeaderHint {
    LeaderHint {
        leader_id,
        leader_epoch,
    }
}

#[test]
fn the_request_can_be_said_in_every_version() {
    let now = start();
    let mut metadata = Metadata::new(MetadataSettings::default());
    metadata.add_topic("t");
    let request = metadata.poll_request(now).expect("due at once");
    let row = SPOKEN
        .iter()
        .find(|row| row.api == ApiKey::Metadata)
        .expect("spoken");
    for version in row.min..=row.max {
        let mut body = Vec::new();
        request.encode(&mut body, version).expect("encodes");
        let read: MetadataRequest = decode_request(version, &body[..]).expect("reads");
        assert_eq!(read, request);
        assert!(!read.allow_auto_topic_creation);
        // The answer of this version, too, is one that is understood.
        let mut body = Vec::new();
        response(vec![topic(ID, &[(1, 3)])])
            .encode(&mut body, version)
            .expect("encodes");
        let answer = decode_response::<MetadataRequest>(version, &body[..]).expect("reads");
        let mut metadata = Metadata::new(MetadataSettings::default());
        metadata.add_topic("t");
        ask(&mut metadata, now, &answer);
        assert_eq!(metadata.leader("t", 0), Some(hint(1, 3)));
    }
}

#[test]
fn an_answer_is_remembered() {
    let now = start();
    let mut metadata = Metadata::new(MetadataSettings::default());
    metadata.add_topic("t");
    let changes = ask(
        &mut metadata,
        now,
        &response(vec![topic(ID, &[(1, 3), (2, 0)])]),
    );
    assert_eq!(
        changes,
        Changes {
            brokers: true,
            leaders: true,
            replaced: vec![]
        }
    );
    assert_eq!(metadata.cluster_id(), Some("cluster"));
    assert_eq!(metadata.controller_id(), Some(2));
    assert_eq!(metadata.brokers()[&1].port, 9093);
    let topic = metadata.topic("t").expect("wanted");
    assert_eq!((topic.id, topic.partitions.len()), (ID, 2));
    assert_eq!(
        (topic.partitions[&0].replicas, topic.partitions[&0].in_sync),
        (2, 1)
    );
    assert_eq!(metadata.topic_name(ID), Some("t"));
    assert_eq!(metadata.topic_name([0; 16]), None);
    assert_eq!(metadata.leader("t", 1), Some(hint(2, 0)));
    assert_eq!(metadata.leader("t", 2), None);
    assert_eq!(metadata.leader("u", 0), None);
}

#[test]
fn only_one_request_at_a_time() {
    let now = start();
    let mut metadata = Metadata::new(MetadataSettings::default());
    assert_eq!(metadata.poll_timeout(now), Some(now));
    assert!(metadata.poll_request(now).is_some());
    metadata.request_refresh();
    metadata.add_topic("t");
    assert_eq!(metadata.poll_timeout(now), None);
    assert_eq!(metadata.poll_request(now + ms(10_000_000)), None);
    metadata.handle_failure(now, MIDDLE);
    assert_eq!(pause(&metadata, now), 100);
}

#[test]
fn a_topic_wanted_while_an_answer_is_awaited_is_asked_for_next() {
    let now = start();
    let mut metadata = Metadata::new(MetadataSettings::default());
    assert!(metadata.poll_request(now).is_some());
    metadata.add_topic("t");
    metadata
        .handle_response(now, MIDDLE, &response(vec![]))
        .expect("taken");
    assert_eq!(pause(&metadata, now), 100);
    let request = metadata.poll_request(now + ms(101)).expect("due");
    assert_eq!(request.topics.map(|topics| topics.len()), Some(1));
}

#[test]
fn the_back_off_doubles_to_a_second_and_starts_over_with_news() {
    let mut now = start();
    let mut metadata = Metadata::new(MetadataSettings::default());
    for expected in [100, 200, 400, 800, 1000, 1000] {
        assert!(metadata.poll_request(now).is_some());
        metadata.handle_failure(now, MIDDLE);
        assert_eq!(pause(&metadata, now), expected);
        assert_eq!(metadata.poll_request(now + ms(expected as u64 - 1)), None);
        now += ms(expected as u64 + 1);
    }
    ask(&mut metadata, now, &response(vec![]));
    metadata.request_refresh();
    assert_eq!(pause(&metadata, now), 100, "the brokers were news");
    now += ms(101);
    ask(&mut metadata, now, &response(vec![]));
    metadata.request_refresh();
    assert_eq!(pause(&metadata, now), 200, "nothing new");
    now += ms(5_000);
    ask(&mut metadata, now, &response(vec![]));
    metadata.request_refresh();
    assert_eq!(
        pause(&metadata, now),
        100,
        "what was long ago does not count"
    );
}

#[test]
fn the_back_off_is_spread_by_a_fifth() {
    let now = start();
    for (random, expected) in [(0, 80), (u64::MAX, 120)] {
        let mut metadata = Metadata::new(MetadataSettings::default());
        assert!(metadata.poll_request(now).is_some());
        metadata.handle_failure(now, random);
        assert_eq!(pause(&metadata, now), expected);
    }
}

#[test]
fn metadata_is_asked_for_again_at_five_minutes() {
    let now = start();
    let mut metadata = known(now, &[(1, 0)]);
    assert_eq!(pause(&metadata, now), 300_000);
    assert_eq!(metadata.poll_request(now + ms(299_999)), None);
    assert!(metadata.poll_request(now + ms(300_000)).is_some());
}

#[test]
fn an_older_epoch_is_not_believed() {
    let now = start();
    let mut metadata = known(now, &[(1, 5), (1, 5), (1, 5)]);
    metadata.request_refresh();
    let now = now + ms(1000);
    let changes = ask(
        &mut metadata,
        now,
        &response(vec![topic(ID, &[(2, 4), (2, 6), (1, 5)])]),
    );
    assert!(changes.leaders);
    assert_eq!(metadata.leader("t", 0), Some(hint(1, 5)), "older");
    assert_eq!(metadata.leader("t", 1), Some(hint(2, 6)), "newer");
    assert_eq!(metadata.leader("t", 2), Some(hint(1, 5)), "the same");
    metadata.request_refresh();
    let now = now + ms(1000);
    let changes = ask(
        &mut metadata,
        now,
        &response(vec![topic(ID, &[(2, 4), (2, 6), (1, -1)])]),
    );
    assert_eq!(changes, Changes::default());
    assert_eq!(metadata.leader("t", 2), Some(hint(1, 5)), "no epoch");
}

#[test]
fn a_topic_made_anew_begins_at_its_own_epochs_and_is_told() {
    let now = start();
    let mut metadata = known(now, &[(1, 5), (2, 7)]);
    metadata.request_refresh();
    let changes = ask(
        &mut metadata,
        now + ms(1000),
        &response(vec![topic([8; 16], &[(2, 0)])]),
    );
    let replaced = ReplacedTopic {
        name: "t".to_owned(),
        known_id: ID,
        id: [8; 16],
    };
    assert_eq!(changes.replaced, [replaced]);
    assert_eq!(metadata.leader("t", 0), Some(hint(2, 0)));
    assert_eq!(
        metadata.leader("t", 1),
        None,
        "the new topic has one partition"
    );
}

#[test]
fn a_broker_that_tells_no_ids_replaces_nothing() {
    let now = start();
    let mut metadata = known(now, &[(1, 5)]);
    metadata.request_refresh();
    let changes = ask(
        &mut metadata,
        now + ms(1000),
        &response(vec![topic([0; 16], &[(2, 6)])]),
    );
    assert_eq!(changes.replaced, []);
    assert_eq!(metadata.topic("t").map(|topic| topic.id), Some(ID));
    assert_eq!(metadata.leader("t", 0), Some(hint(2, 6)));
}

#[test]
fn an_unknown_topic_is_asked_for_again_and_not_forgotten() {
    let mut now = start();
    let mut metadata = known(now, &[(1, 5)]);
    metadata.request_refresh();
    for error in [
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::LEADER_NOT_AVAILABLE,
    ] {
        now += ms(2_000);
        ask(&mut metadata, now, &response(vec![with_error(error)]));
        assert_eq!(metadata.leader("t", 0), Some(hint(1, 5)));
        let topic = metadata.topic("t").expect("wanted");
        assert_eq!((topic.error, topic.id), (error, ID));
        assert_eq!(pause(&metadata, now), 100, "{error}");
    }
    now += ms(2_000);
    ask(
        &mut metadata,
        now,
        &response(vec![with_error(ErrorCode::TOPIC_AUTHORIZATION_FAILED)]),
    );
    assert_eq!(pause(&metadata, now), 300_000, "asking again does not help");
}

#[test]
fn a_partition_without_leader_is_asked_for_again() {
    let now = start();
    let metadata = known(now, &[(1, 5), (-1, 6)]);
    assert_eq!(metadata.leader("t", 1), None);
    assert_eq!(pause(&metadata, now), 100);
}

#[test]
fn hints_count_if_they_are_news() {
    let now = start();
    let mut metadata = known(now, &[(1, 5)]);
    let name = TopicKey::Name("t");
    assert!(!metadata.handle_leader_hint(name, 0, hint(2, 4)), "older");
    assert!(!metadata.handle_leader_hint(name, 0, hint(2, 5)), "known");
    assert!(!metadata.handle_leader_hint(name, 0, hint(-1, 9)), "nobody");
    assert!(
        !metadata.handle_leader_hint(name, 9, hint(2, 9)),
        "no such partition"
    );
    assert!(
        !metadata.handle_leader_hint(TopicKey::Id([8; 16]), 0, hint(2, 9)),
        "another topic"
    );
    assert_eq!(metadata.leader("t", 0), Some(hint(1, 5)));
    assert!(metadata.handle_leader_hint(TopicKey::Id(ID), 0, hint(2, 6)));
    assert_eq!(metadata.leader("t", 0), Some(hint(2, 6)));
    assert_eq!(pause(&metadata, now), 300_000, "broker 2 is known");
    assert!(metadata.handle_leader_hint(name, 0, hint(3, 7)));
    assert_eq!(
        pause(&metadata, now),
        100,
        "where broker 3 is must be asked"
    );

    let endpoint = NodeEndpoint {
        node_id: 3,
        host: "h",
        port: 1,
        rack: None,
    };
    assert_eq!(metadata.handle_endpoint(endpoint), Ok(()));
    assert_eq!(metadata.brokers()[&3].host, "h");
    let endpoint = NodeEndpoint {
        port: 70_000,
        ..endpoint
    };
    let error = metadata.handle_endpoint(endpoint).expect_err("no port");
    assert_eq!(
        error.to_string(),
        "broker 3 is advertised as h:70000, which is no address"
    );
}

#[test]
fn answers_that_cannot_be_taken_change_nothing() {
    let now = start();
    let mut metadata = known(now, &[(1, 5)]);
    let moved = response(vec![topic(ID, &[(2, 9)])]);
    let other = moved.clone().with_cluster_id(Some(str_bytes("other")));
    let no_port = moved.clone().with_brokers(vec![broker(1).with_port(0)]);
    let refused = moved.with_error_code(ErrorCode::REBOOTSTRAP_REQUIRED.0);
    for (answer, message) in [
        (
            other,
            "a broker of cluster other answered where cluster cluster did before",
        ),
        (
            no_port,
            "broker 1 is advertised as localhost:0, which is no address",
        ),
        (refused, "REBOOTSTRAP_REQUIRED(129)"),
    ] {
        metadata.request_refresh();
        assert!(metadata.poll_request(now + ms(2_000_000)).is_some());
        let error = metadata
            .handle_response(now, MIDDLE, &answer)
            .expect_err("not taken");
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(metadata.leader("t", 0), Some(hint(1, 5)));
        assert_eq!(metadata.brokers().len(), 2);
    }
}

#[test]
fn a_broker_that_knows_no_brokers_takes_none_away() {
    let now = start();
    let mut metadata = known(now, &[(1, 5)]);
    metadata.request_refresh();
    let changes = ask(
        &mut metadata,
        now + ms(1000),
        &response(vec![]).with_brokers(vec![]),
    );
    assert_eq!(changes, Changes::default());
    assert_eq!(metadata.brokers().len(), 2);
}

#[test]
fn operations_are_bits_by_code() {
    let check = |bits, operation, expected| {
        assert_eq!(
            AuthorizedOperations(bits).allows(operation),
            expected,
            "{operation:?}"
        );
    };
    // What Kafka answers for a topic where all is allowed: 3 to 8, 10 and 11.
    for operation in [
        AclOperation::Read,
        AclOperation::Write,
        AclOperation::AlterConfigs,
    ] {
        check(0b1101_1111_1000, operation, Some(true));
    }
    check(0b1101_1111_1000, AclOperation::ClusterAction, Some(false));
    check(1 << 4, AclOperation::Write, Some(true));
    check(1 << 4, AclOperation::Describe, Some(false));
    check(i32::MIN, AclOperation::Write, None);
}
