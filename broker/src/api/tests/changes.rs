//! What changes topics that are there: partitions, configuration, records deleted.

use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{
    CreatePartitionsRequest, DeleteRecordsRequest, IncrementalAlterConfigsRequest,
};

use super::*;
use crate::topics::config::TOPIC_KEYS;

fn growth(name: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic::default()
        .with_name(topic_name(name))
        .with_count(count)
        .with_assignments(None)
}

#[test]
fn topics_get_more_partitions_and_keep_what_they_have() {
    let mut client = Client::new();
    let id = client.create("t", 1, &[]);
    client.produce("t", Batch::counted(3).bytes());
    let held = client.broker().topics.by_name("t").unwrap();
    for version in 0..=3 {
        let count = i32::from(version) + 2;
        let mut send = |topic| {
            let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
            ErrorCode(client.send(version, &request).results[0].error_code)
        };
        assert_eq!(send(growth("t", count)), ErrorCode::NONE);
        let refused = ErrorCode::INVALID_PARTITIONS;
        assert_eq!(send(growth("t", count)), refused);
        assert_eq!(send(growth("t", -1)), refused);
        assert_eq!(send(growth("t", i32::MAX)), refused);
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        assert_eq!(send(growth("u", 9)), unknown);
        let elsewhere = CreatePartitionsAssignment::default().with_broker_ids(vec![3.into()]);
        let assigned = growth("t", count + 1).with_assignments(Some(vec![elsewhere]));
        assert_eq!(send(assigned), ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    }
    let topic = client.broker().topics.by_id(id).unwrap();
    assert_eq!((topic.partitions.len(), client.end_offset("t")), (5, 3));
    let sent = client.send(9, &produce_request(&[("t", 4, Batch::counted(3).bytes())]));
    assert_eq!(partition_answers(sent)[0].error_code, 0);
    // Who holds the topic of before deletes all of it.
    client.broker().topics.delete(&held).unwrap();
    assert!(topic.partitions[4].log().closed().is_some());
}

#[test]
fn validating_makes_no_partition() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    let request = CreatePartitionsRequest::default()
        .with_topics(vec![growth("t", 3)])
        .with_validate_only(true);
    assert_eq!(client.send(3, &request).results[0].error_code, 0);
    let twice = request.with_topics(vec![growth("t", 3), growth("t", 4)]);
    let code = ErrorCode(client.send(3, &twice).results[1].error_code);
    assert_eq!(code, ErrorCode::INVALID_REQUEST);
    assert_eq!(
        client
            .broker()
            .topics
            .by_name("t")
            .unwrap()
            .partitions
            .len(),
        1
    );
}

#[test]
fn records_are_deleted_in_every_version() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    client.create("compacted", 1, &[("cleanup.policy", "compact")]);
    client.produce("t", Batch::counted(10).bytes());
    let mut delete = |version, topic, offset| {
        let partition = DeleteRecordsPartition::default().with_offset(offset);
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
        let response = client.send(version, &request);
        let answer = &response.topics[0].partitions[0];
        (ErrorCode(answer.error_code), answer.low_watermark)
    };
    let none = ErrorCode::NONE;
    assert_eq!(delete(0, "t", 3), (none, 3));
    assert_eq!(delete(1, "t", 2), (none, 3));
    let out = ErrorCode::OFFSET_OUT_OF_RANGE;
    assert_eq!(delete(2, "t", 11), (out, -1));
    assert_eq!(delete(2, "t", -1), (none, 10));
    let policy = ErrorCode::POLICY_VIOLATION;
    assert_eq!(delete(2, "compacted", 0), (policy, -1));
    assert_eq!(client.offset("t", -2), (10, -1));
    assert_eq!(
        client
            .produce("t", Batch::counted(1).bytes())
            .log_start_offset,
        10
    );
}

#[test]
fn retention_is_checked_between_requests() {
    let mut client = Client::new();
    let old = [("segment.bytes", "200"), ("retention.ms", "60000")];
    client.create("t", 1, &old);
    for _ in 0..3 {
        client.produce("t", Batch::counted(10).bytes());
    }
    let clock = client.broker().clock();
    clock.advance(299_000);
    assert_eq!(client.offset("t", -2).0, 0);
    client.broker().clock().advance(1000);
    assert_eq!(client.offset("t", -2).0, 30);
    assert_eq!(client.end_offset("t"), 30);
}

type Operation<'a> = (&'a str, i8, Option<&'a str>);

fn alter(client: &mut Client, version: i16, name: &str, changes: &[Operation<'_>]) -> ErrorCode {
    let change = |&(key, operation, value): &Operation<'_>| {
        AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(operation)
            .with_value(value.map(text))
    };
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(name))
        .with_configs(changes.iter().map(change).collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    ErrorCode(client.send(version, &request).responses[0].error_code)
}

fn value(client: &Client, key: &str) -> (String, bool) {
    let key = TOPIC_KEYS.iter().find(|row| row.name == key).unwrap();
    let topic = client.broker().topics.by_name("t").unwrap();
    topic.config.value(key)
}

#[test]
fn configurations_are_changed_key_by_key() {
    let mut client = Client::new();
    client.create("t", 1, &[("segment.bytes", "1000")]);
    let set = ("max.message.bytes", 0, Some("100"));
    let two = [set, ("cleanup.policy", 2, Some("compact"))];
    assert_eq!(alter(&mut client, 0, "t", &two), ErrorCode::NONE);
    let said = |text: &str| (text.to_owned(), true);
    assert_eq!(value(&client, "cleanup.policy"), said("delete,compact"));
    assert_eq!(value(&client, "segment.bytes"), said("1000"));
    let refused = client.produce("t", Batch::counted(10).bytes());
    assert_eq!(ErrorCode(refused.error_code), ErrorCode::MESSAGE_TOO_LARGE);
    let back = [
        ("max.message.bytes", 1, None),
        ("cleanup.policy", 3, Some("compact")),
    ];
    assert_eq!(alter(&mut client, 1, "t", &back), ErrorCode::NONE);
    assert_eq!(value(&client, "cleanup.policy"), said("delete"));
    assert_eq!(
        value(&client, "max.message.bytes"),
        ("1048588".to_owned(), false)
    );
    assert_eq!(
        client.produce("t", Batch::counted(10).bytes()).error_code,
        0
    );
}

#[test]
fn a_change_that_cannot_be_changes_nothing() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    let mut check = |name: &str, changes: &[Operation<'_>], expected| {
        let good = ("retention.ms", 0, Some("5"));
        let changes: Vec<_> = [good].into_iter().chain(changes.iter().copied()).collect();
        assert_eq!(
            alter(&mut client, 1, name, &changes),
            expected,
            "{changes:?}"
        );
        assert_eq!(
            value(&client, "retention.ms"),
            ("604800000".to_owned(), false)
        );
    };
    let config = ErrorCode::INVALID_CONFIG;
    check("t", &[("colour", 0, Some("red"))], config);
    check("t", &[("segment.bytes", 0, Some("few"))], config);
    check("t", &[("segment.bytes", 2, Some("5"))], config);
    check("t", &[("cleanup.policy", 2, Some("burn"))], config);
    check(
        "t",
        &[("cleanup.policy", 0, None)],
        ErrorCode::INVALID_REQUEST,
    );
    check(
        "t",
        &[("cleanup.policy", 9, Some("compact"))],
        ErrorCode::INVALID_REQUEST,
    );
    check("u", &[], ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}
