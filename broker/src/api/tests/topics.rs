//! Everything but records: each API in each of its versions, and what is refused.

use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiVersionsRequest, DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest,
    EndTxnRequest, MetadataRequest, TransactionalId,
};

use super::*;

#[test]
fn api_versions_lists_what_is_spoken() {
    let mut client = Client::new();
    for version in 0..=4 {
        let response = client.send(version, &ApiVersionsRequest::default());
        assert_eq!(response.error_code, 0);
        let rows: Vec<_> = response
            .api_keys
            .iter()
            .map(|row| (row.api_key, row.min_version, row.max_version))
            .collect();
        assert_eq!(
            rows,
            [
                (0, 0, 13),
                (1, 4, 18),
                (2, 1, 10),
                (3, 0, 13),
                (8, 2, 9),
                (9, 1, 9),
                (10, 0, 6),
                (11, 0, 9),
                (12, 0, 4),
                (13, 0, 5),
                (14, 0, 5),
                (15, 0, 6),
                (16, 0, 5),
                (18, 0, 4),
                (19, 2, 7),
                (20, 1, 6),
                (21, 0, 2),
                (22, 0, 5),
                (23, 2, 4),
                (32, 1, 4),
                (37, 0, 3),
                (42, 0, 2),
                (44, 0, 1),
                (47, 0, 0),
                (60, 0, 2),
                (61, 0, 0),
            ]
        );
    }
}

#[test]
fn a_newer_api_versions_is_answered_in_version_0() {
    let mut client = Client::new();
    let mut frame = client.frame(4, &ApiVersionsRequest::default());
    frame[2..4].copy_from_slice(&9i16.to_be_bytes());
    assert_eq!(
        client.session.handle(&frame, &mut client.reply),
        Handled::Reply
    );
    let response = client.answer::<ApiVersionsRequest>(0);
    assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION.0);
    let row = &response.api_keys[0];
    assert_eq!((row.api_key, row.min_version, row.max_version), (18, 0, 4));
}

#[test]
fn what_is_not_spoken_costs_the_connection() {
    let mut client = Client::new();
    assert_eq!(client.handle(0, &EndTxnRequest::default()), Handled::Close);
    let mut frame = client.frame(3, &produce_request(&[]));
    frame[2..4].copy_from_slice(&2i16.to_be_bytes());
    assert_eq!(
        client.session.handle(&frame, &mut client.reply),
        Handled::Close
    );
    frame[0..2].copy_from_slice(&999i16.to_be_bytes());
    assert_eq!(
        client.session.handle(&frame, &mut client.reply),
        Handled::Close
    );
    assert!(client.reply.is_empty());
}

fn metadata(names: &[&str]) -> MetadataRequest {
    let topic = |&name: &&str| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    MetadataRequest::default()
        .with_topics(Some(names.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(true)
}

#[test]
fn metadata_describes_a_topic_in_every_version() {
    let mut client = Client::new();
    let id = client.create("here", 3, &[]);
    client
        .broker()
        .set_listener(NODE_ID, "host".to_owned(), 123);
    for version in 0..=13 {
        let mut request = metadata(&["here"]);
        request.include_topic_authorized_operations = version >= 8;
        let response = client.send(version, &request);
        let node = &response.brokers[0];
        assert_eq!(
            (node.node_id.0, node.host.as_str(), node.port),
            (NODE_ID, "host", 123)
        );
        let topic = &response.topics[0];
        assert_eq!((topic.error_code, topic.partitions.len()), (0, 3));
        assert_eq!(topic.topic_id, if version >= 10 { id } else { Uuid::nil() });
        assert_eq!(
            topic.topic_authorized_operations,
            if version >= 8 { 3576 } else { i32::MIN }
        );
        let partition = &topic.partitions[2];
        assert_eq!(
            (partition.partition_index, partition.leader_id.0),
            (2, NODE_ID)
        );
        assert_eq!(partition.leader_epoch, if version >= 7 { 0 } else { -1 });
    }
}

#[test]
fn metadata_finds_topics_by_id_and_all_topics() {
    let mut client = Client::new();
    let id = client.create("a", 1, &[]);
    client.create("b", 1, &[]);
    let by_id = |id| {
        MetadataRequestTopic::default()
            .with_topic_id(id)
            .with_name(None)
    };
    let request =
        MetadataRequest::default().with_topics(Some(vec![by_id(id), by_id(Uuid::from_u128(9))]));
    let response = client.send(12, &request);
    assert_eq!(response.topics[0].name.as_ref().unwrap().as_str(), "a");
    assert_eq!(response.topics[1].error_code, ErrorCode::UNKNOWN_TOPIC_ID.0);
    for version in 0..=13 {
        let all = if version == 0 { Some(Vec::new()) } else { None };
        let response = client.send(version, &MetadataRequest::default().with_topics(all));
        assert_eq!(response.topics.len(), 2);
        if version > 0 {
            let none = MetadataRequest::default().with_topics(Some(Vec::new()));
            assert_eq!(client.send(version, &none).topics.len(), 0);
        }
    }
}

#[test]
fn topics_come_into_being_by_being_asked_for_where_that_is_allowed() {
    let check = |is_on, asks, version, name: &str, expected: ErrorCode| {
        let mut config = Config::new(Storage::Memory);
        config.auto_create_topics = is_on;
        config.default_partitions = 5;
        let mut client = Client::with(config);
        let mut request = metadata(&[name]);
        request.allow_auto_topic_creation = asks || version < 4;
        let response = client.send(version, &request);
        assert_eq!(ErrorCode(response.topics[0].error_code), expected);
        assert_eq!(
            response.topics[0].partitions.len(),
            if expected.is_none() { 5 } else { 0 }
        );
    };
    check(true, true, 9, "new", ErrorCode::NONE);
    check(true, false, 1, "new", ErrorCode::NONE);
    check(true, false, 9, "new", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    check(false, true, 9, "new", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    check(
        true,
        true,
        9,
        "not/a/name",
        ErrorCode::INVALID_TOPIC_EXCEPTION,
    );
}

fn creation(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(replicas)
}

#[test]
fn topics_are_created_in_every_version() {
    let mut client = Client::new();
    for version in 2..=7 {
        let name = format!("topic-{version}");
        let request = CreateTopicsRequest::default().with_topics(vec![creation(&name, 4, 1)]);
        let response = client.send(version, &request);
        let result = &response.topics[0];
        assert_eq!(
            (result.error_code, result.name.as_str()),
            (0, name.as_str())
        );
        assert_eq!(result.num_partitions, if version >= 5 { 4 } else { -1 });
        assert_eq!(result.topic_id.is_nil(), version < 7);
        let again = client.send(version, &request);
        assert_eq!(
            again.topics[0].error_code,
            ErrorCode::TOPIC_ALREADY_EXISTS.0
        );
    }
}

#[test]
fn a_topic_that_cannot_be_is_refused() {
    let mut client = Client::new();
    let mut check = |topics: Vec<CreatableTopic>, expected: ErrorCode| {
        let request = CreateTopicsRequest::default().with_topics(topics);
        let response = client.send(7, &request);
        for result in &response.topics {
            assert_eq!(ErrorCode(result.error_code), expected, "{result:?}");
            assert!(result.error_message.is_some());
        }
    };
    let config = |key: &str, value: &str| {
        let config = CreatableTopicConfig::default()
            .with_name(text(key))
            .with_value(Some(text(value)));
        creation("x", 1, 1).with_configs(vec![config])
    };
    check(vec![creation("x", 0, 1)], ErrorCode::INVALID_PARTITIONS);
    check(
        vec![creation("x", 1, 3)],
        ErrorCode::INVALID_REPLICATION_FACTOR,
    );
    check(
        vec![creation("..", 1, 1)],
        ErrorCode::INVALID_TOPIC_EXCEPTION,
    );
    check(
        vec![creation(&"x".repeat(250), 1, 1)],
        ErrorCode::INVALID_TOPIC_EXCEPTION,
    );
    check(
        vec![creation("x", 1, 1), creation("x", 1, 1)],
        ErrorCode::INVALID_REQUEST,
    );
    check(vec![config("colour", "red")], ErrorCode::INVALID_CONFIG);
    check(
        vec![config("max.message.bytes", "many")],
        ErrorCode::INVALID_CONFIG,
    );
    assert!(client.broker().topics.all().is_empty());
}

#[test]
fn validating_creates_nothing() {
    let mut client = Client::new();
    let request = CreateTopicsRequest::default()
        .with_topics(vec![creation("x", -1, -1)])
        .with_validate_only(true);
    assert_eq!(client.send(7, &request).topics[0].error_code, 0);
    assert!(client.broker().topics.all().is_empty());
}

#[test]
fn topics_are_deleted_by_name_and_by_id_and_their_names_are_free() {
    let mut client = Client::new();
    for version in 1..=6 {
        let id = client.create("x", 2, &[]);
        let request = if version >= 6 {
            let topic = DeleteTopicState::default()
                .with_name(None)
                .with_topic_id(id);
            DeleteTopicsRequest::default().with_topics(vec![topic])
        } else {
            DeleteTopicsRequest::default().with_topic_names(vec![topic_name("x")])
        };
        let response = client.send(version, &request);
        assert_eq!(response.responses[0].error_code, 0);
        assert_eq!(response.responses[0].name.as_ref().unwrap().as_str(), "x");
        let unknown = if version >= 6 {
            ErrorCode::UNKNOWN_TOPIC_ID
        } else {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        };
        assert_eq!(
            client.send(version, &request).responses[0].error_code,
            unknown.0
        );
    }
}

#[test]
fn configurations_are_described() {
    let mut client = Client::new();
    client.create("x", 1, &[("max.message.bytes", "5000")]);
    let resource = |kind, name: &str| {
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None)
    };
    for version in 1..=4 {
        let only = vec![text("max.message.bytes"), text("cleanup.policy")];
        let request = DescribeConfigsRequest::default().with_resources(vec![
            resource(2, "x").with_configuration_keys(Some(only)),
            resource(2, "unknown"),
            resource(4, "1"),
        ]);
        let response = client.send(version, &request);
        let row = |row: &Row| {
            let value = row.value.as_ref().unwrap().to_string();
            (row.name.to_string(), value, row.config_source)
        };
        let rows: Vec<_> = response.results[0].configs.iter().map(row).collect();
        let expected = [
            ("cleanup.policy", "delete", 5),
            ("max.message.bytes", "5000", 1),
        ];
        let expected =
            expected.map(|(key, value, source)| (key.to_owned(), value.to_owned(), source));
        assert_eq!(rows, expected);
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        assert_eq!(ErrorCode(response.results[1].error_code), unknown);
        let broker: BTreeMap<_, _> = response.results[2]
            .configs
            .iter()
            .map(row)
            .map(|(key, value, _)| (key, value))
            .collect();
        assert_eq!(broker["producer.id.expiration.ms"], "86400000");
        assert_eq!(broker["message.max.bytes"], "1048588");
    }
}

type Row = kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;

#[test]
fn the_cluster_is_described() {
    let mut client = Client::new();
    for version in 0..=2 {
        let response = client.send(version, &DescribeClusterRequest::default());
        assert_eq!((response.error_code, response.brokers.len()), (0, 1));
        assert_eq!(response.cluster_id.as_str(), client.broker().cluster_id());
        assert_eq!(response.controller_id.0, NODE_ID);
    }
    let controllers = DescribeClusterRequest::default().with_endpoint_type(2);
    let response = client.send(1, &controllers);
    assert_eq!(
        ErrorCode(response.error_code),
        ErrorCode::UNSUPPORTED_ENDPOINT_TYPE
    );
}

#[test]
fn a_producer_always_gets_a_new_id() {
    let mut client = Client::new();
    let mut last = -1;
    for version in 0..=5 {
        let mut request = init_producer_id();
        if version >= 3 {
            request = request.with_producer_id(last.into()).with_producer_epoch(0);
        }
        let response = client.send(version, &request);
        assert_eq!((response.error_code, response.producer_epoch), (0, 0));
        assert!(response.producer_id.0 > last);
        last = response.producer_id.0;
    }
    let transactional = init_producer_id().with_transactional_id(Some(TransactionalId(text("t"))));
    let response = client.send(5, &transactional);
    assert_eq!(
        ErrorCode(response.error_code),
        ErrorCode::UNSUPPORTED_VERSION
    );
    assert_eq!(response.producer_id.0, -1);
}
