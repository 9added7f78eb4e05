//! Elections: epochs, who is asked, who is told, and where logs part.

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    DescribeClusterRequest, FetchRequest, FetchResponse, MetadataRequest,
    OffsetForLeaderEpochRequest,
};

use super::*;
use crate::faults::{Action, Fault};

/// A broker that two nodes pretend to be.
fn two_nodes() -> (Client, Client) {
    let first = Client::new();
    let broker = Arc::clone(first.session.broker());
    broker.set_listener(NODE_ID, "one".to_owned(), 1);
    broker.set_listener(2, "two".to_owned(), 2);
    let second = Client::at(broker, 2);
    (first, second)
}

/// Leader and epoch of a topic's partitions.
fn leaders(client: &mut Client, topic: &str) -> Vec<(i32, i32)> {
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
    let request = MetadataRequest::default().with_topics(Some(vec![topic]));
    let response = client.send(13, &request);
    let partitions = response.topics[0].partitions.iter();
    partitions
        .map(|partition| (partition.leader_id.0, partition.leader_epoch))
        .collect()
}

fn fetch(client: &mut Client, version: i16, partition: FetchPartition) -> FetchResponse {
    let id = client.broker().topics.by_name("t").unwrap().id;
    let topic = FetchTopic::default()
        .with_topic(topic_name("t"))
        .with_topic_id(id)
        .with_partitions(vec![partition.with_partition_max_bytes(1 << 20)]);
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic]);
    client.send(version, &request)
}

/// Code, epoch and end of an epoch.
fn epoch_end(client: &mut Client, current: i32, epoch: i32) -> (ErrorCode, i32, i64) {
    let mut answers = (2..=4).map(|version| {
        let asked = OffsetForLeaderPartition::default()
            .with_current_leader_epoch(current)
            .with_leader_epoch(epoch);
        let topic = OffsetForLeaderTopic::default()
            .with_topic(topic_name("t"))
            .with_partitions(vec![asked]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        let response = client.send(version, &request);
        let answer = &response.topics[0].partitions[0];
        let code = ErrorCode(answer.error_code);
        (code, answer.leader_epoch, answer.end_offset)
    });
    let first = answers.next().unwrap();
    assert!(answers.all(|answer| answer == first), "in every version");
    first
}

#[test]
fn a_partition_that_moved_is_served_by_its_leader_only() {
    let (mut first, mut second) = two_nodes();
    first.create("t", 2, &[]);
    assert_eq!(leaders(&mut second, "t"), [(1, 0), (1, 0)]);
    let cluster = second.send(2, &DescribeClusterRequest::default());
    let hosts: Vec<_> = cluster.brokers.iter().map(|node| node.port).collect();
    assert_eq!(hosts, [1, 2]);

    let broker = Arc::clone(first.session.broker());
    assert_eq!(broker.elect("t", 0, 2).unwrap(), Some(1));
    assert_eq!(broker.elect("t", 7, 2).unwrap(), None);
    assert_eq!(leaders(&mut first, "t"), [(2, 1), (1, 0)]);

    let refused = first.send(10, &produce_request(&[("t", 0, Batch::counted(3).bytes())]));
    assert_eq!(refused.node_endpoints.len(), 2);
    let answer = &partition_answers(refused)[0];
    let not_leader = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    assert_eq!(ErrorCode(answer.error_code), not_leader);
    let leader = &answer.current_leader;
    assert_eq!((leader.leader_id.0, leader.leader_epoch), (2, 1));
    assert_eq!(second.produce("t", Batch::counted(3).bytes()).error_code, 0);

    for version in 4..=18 {
        let response = fetch(&mut first, version, FetchPartition::default());
        let answer = &response.responses[0].partitions[0];
        assert_eq!(ErrorCode(answer.error_code), not_leader);
        let leader = &answer.current_leader;
        let told = if version >= 12 { (2, 1) } else { (-1, -1) };
        assert_eq!((leader.leader_id.0, leader.leader_epoch), told, "{version}");
        let nodes = response.node_endpoints.iter().map(|node| node.node_id.0);
        let told = if version >= 16 { vec![1, 2] } else { vec![] };
        assert_eq!(nodes.collect::<Vec<_>>(), told, "{version}");
        let served = fetch(&mut second, version, FetchPartition::default());
        assert_eq!(served.responses[0].partitions[0].high_watermark, 3);
        assert!(served.node_endpoints.is_empty());
    }
}

#[test]
fn stale_metadata_tells_of_the_former_leader_so_many_times() {
    let (mut first, _) = two_nodes();
    first.create("t", 1, &[]);
    first.create("u", 1, &[]);
    let broker = Arc::clone(first.session.broker());
    broker.elect("t", 0, 2).unwrap();
    broker.elect("t", 0, 1).unwrap();
    let stale = Fault::new(ApiKey::Metadata, Action::FormerLeader);
    broker.faults().add(stale.topic("t").times(2));
    assert_eq!(leaders(&mut first, "u"), [(1, 0)]);
    let mut told = || leaders(&mut first, "t")[0];
    assert_eq!([told(), told(), told()], [(2, 1), (2, 1), (1, 2)]);
}

#[test]
fn epochs_that_a_client_believes_in_are_compared() {
    let (mut client, _) = two_nodes();
    client.create("t", 1, &[]);
    client.broker().elect("t", 0, 1).unwrap();
    let mut code = |epoch| {
        let asked = FetchPartition::default().with_current_leader_epoch(epoch);
        let response = fetch(&mut client, 12, asked);
        let answer = &response.responses[0].partitions[0];
        (
            ErrorCode(answer.error_code),
            answer.current_leader.leader_epoch,
        )
    };
    assert_eq!(code(0), (ErrorCode::FENCED_LEADER_EPOCH, 1));
    assert_eq!(code(1), (ErrorCode::NONE, -1));
    assert_eq!(code(2), (ErrorCode::UNKNOWN_LEADER_EPOCH, -1));
    let fenced = (ErrorCode::FENCED_LEADER_EPOCH, -1, -1);
    assert_eq!(epoch_end(&mut client, 0, 0), fenced);
}

#[test]
fn what_an_unclean_election_cost_is_found_by_epochs() {
    let (mut client, _) = two_nodes();
    client.create("t", 1, &[]);
    let broker = Arc::clone(client.session.broker());
    for _ in 0..2 {
        client.produce("t", Batch::counted(10).bytes());
    }
    // Somebody has read to 20 in epoch 0; what was behind 10 is gone, and others come.
    broker.elect_behind("t", 0, 1, 10).unwrap();
    client.produce("t", Batch::counted(15).bytes());
    assert_eq!(client.end_offset("t"), 25);
    assert_eq!(epoch_end(&mut client, -1, 0), (ErrorCode::NONE, 0, 10));
    assert_eq!(epoch_end(&mut client, 1, 1), (ErrorCode::NONE, 1, 25));
    assert_eq!(epoch_end(&mut client, -1, 2), (ErrorCode::NONE, -1, -1));
    let mut read = |epoch, offset| {
        let asked = FetchPartition::default()
            .with_last_fetched_epoch(epoch)
            .with_fetch_offset(offset);
        let response = fetch(&mut client, 13, asked);
        let answer = &response.responses[0].partitions[0];
        let parted = &answer.diverging_epoch;
        let bytes = answer.records.as_ref().map_or(0, |records| records.len());
        (
            ErrorCode(answer.error_code),
            (parted.epoch, parted.end_offset),
            bytes > 0,
        )
    };
    assert_eq!(read(0, 20), (ErrorCode::NONE, (0, 10), false));
    assert_eq!(read(0, 10), (ErrorCode::NONE, (-1, -1), true));
    assert_eq!(read(1, 20), (ErrorCode::NONE, (-1, -1), true));
    let out = ErrorCode::OFFSET_OUT_OF_RANGE;
    assert_eq!(read(2, 20), (out, (-1, -1), false));
}
