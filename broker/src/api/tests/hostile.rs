//! Bytes from strangers: an answer or the end of the connection, never a panic, never memory for
//! what was only claimed. The seed is printed; `RINGMAIN_SEED` replays it.

use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    ApiVersionsRequest, CreatePartitionsRequest, DeleteGroupsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest, DescribeGroupsRequest,
    DescribeProducersRequest, FetchRequest, GroupId, HeartbeatRequest,
    IncrementalAlterConfigsRequest, LeaveGroupRequest, ListGroupsRequest, MetadataRequest,
    OffsetDeleteRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest,
};

use super::random::Random;
use super::*;

const FRAMES: usize = 200_000;

/// Requests of every API and version, full of elements.
fn good_frames(client: &mut Client, id: Uuid) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let batch = Batch::counted(3).sequenced(1, 0, 0).bytes();
    for version in 3..=13 {
        let mut request = produce_request(&[
            ("t", 0, batch.clone()),
            ("t", 1, batch.clone()),
            ("u", 0, Vec::new()),
        ]);
        if version >= 13 {
            request.topic_data[0].topic_id = id;
        }
        frames.push(client.frame(version, &request));
    }
    for version in 4..=18 {
        let partition = FetchPartition::default().with_partition_max_bytes(1000);
        let topic = FetchTopic::default()
            .with_topic(topic_name("t"))
            .with_topic_id(id)
            .with_partitions(vec![partition.clone(), partition]);
        let request = FetchRequest::default()
            .with_replica_id((-1).into())
            .with_max_bytes(1000)
            .with_topics(vec![topic.clone(), topic]);
        frames.push(client.frame(version, &request));
    }
    for version in 1..=10 {
        let partition = ListOffsetsPartition::default().with_timestamp(5);
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![partition.clone(), partition]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        frames.push(client.frame(version, &request));
    }
    for version in 0..=13 {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name("t")));
        let request = MetadataRequest::default().with_topics(Some(vec![topic.clone(), topic]));
        frames.push(client.frame(version, &request));
    }
    frames.extend(good_small_frames(client, id));
    frames.extend(good_changes(client));
    frames.extend(good_groups(client));
    frames
}

/// Requests of groups, by one who knows his id.
fn good_groups(client: &mut Client) -> Vec<Vec<u8>> {
    let member = client.send(3, &groups::join("").with_rebalance_timeout_ms(1000));
    let id = member.member_id.clone();
    let g = || GroupId(text("g"));
    let mut frames = Vec::new();
    for version in 0..=9 {
        frames.push(client.frame(
            version,
            &groups::join(if version % 2 == 0 { "" } else { &id }),
        ));
    }
    for version in 0..=5 {
        frames.push(client.frame(version, &groups::sync(&member)));
        let left = MemberIdentity::default()
            .with_member_id(id.clone())
            .with_group_instance_id(None);
        let request = LeaveGroupRequest::default().with_group_id(g());
        let request = match version {
            ..3 => request.with_member_id(id.clone()),
            3.. => request.with_members(vec![left.clone(), left]),
        };
        frames.push(client.frame(version, &request));
        frames.push(client.frame(version, &ListGroupsRequest::default()));
    }
    for version in 0..=4 {
        let request = HeartbeatRequest::default()
            .with_group_id(g())
            .with_member_id(id.clone())
            .with_generation_id(1);
        let request = request.with_group_instance_id(None);
        frames.push(client.frame(version, &request));
    }
    for version in 2..=9 {
        frames.push(client.frame(version, &groups::commit(3)));
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(g())
            .with_topics(None);
        let request = match version {
            ..8 => OffsetFetchRequest::default().with_group_id(g()),
            8.. => OffsetFetchRequest::default().with_groups(vec![asked.clone(), asked]),
        };
        frames.push(client.frame(version, &request));
    }
    for version in 0..=6 {
        let request = DescribeGroupsRequest::default().with_groups(vec![g(), g()]);
        frames.push(client.frame(version, &request));
    }
    for version in 0..=2 {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![g(), g()]);
        frames.push(client.frame(version, &request));
    }
    let partition = OffsetDeleteRequestPartition::default();
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition.clone(), partition]);
    let request = OffsetDeleteRequest::default()
        .with_group_id(g())
        .with_topics(vec![topic]);
    frames.push(client.frame(0, &request));
    frames
}

/// What changes topics and asks for epochs.
fn good_changes(client: &mut Client) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for version in 0..=3 {
        let assignment = CreatePartitionsAssignment::default().with_broker_ids(vec![1.into()]);
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name("t"))
            .with_count(3)
            .with_assignments(Some(vec![assignment]));
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_validate_only(true);
        frames.push(client.frame(version, &request));
    }
    for version in 0..=2 {
        let partition = DeleteRecordsPartition::default().with_offset(2);
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![partition.clone(), partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
        frames.push(client.frame(version, &request));
    }
    for version in 2..=4 {
        let partition = OffsetForLeaderPartition::default();
        let topic = OffsetForLeaderTopic::default()
            .with_topic(topic_name("t"))
            .with_partitions(vec![partition.clone(), partition]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        frames.push(client.frame(version, &request));
    }
    for version in 0..=1 {
        let config = AlterableConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("5")));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("t"))
            .with_configs(vec![config.clone(), config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        frames.push(client.frame(version, &request));
    }
    frames
}

fn good_small_frames(client: &mut Client, id: Uuid) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for version in 0..=4 {
        frames.push(client.frame(version, &ApiVersionsRequest::default()));
    }
    for version in 2..=7 {
        let config = CreatableTopicConfig::default().with_name(text("segment.bytes"));
        let topic = CreatableTopic::default()
            .with_name(topic_name("new"))
            .with_num_partitions(2)
            .with_replication_factor(1)
            .with_configs(vec![config.with_value(Some(text("1000")))]);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        frames.push(client.frame(version, &request));
    }
    for version in 1..=6 {
        let mut request = DeleteTopicsRequest::default();
        if version >= 6 {
            let topic = DeleteTopicState::default()
                .with_topic_id(id)
                .with_name(None);
            request.topics = vec![topic];
        } else {
            request.topic_names = vec![topic_name("new")];
        }
        frames.push(client.frame(version, &request));
    }
    for version in 1..=4 {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("t"))
            .with_configuration_keys(Some(vec![text("cleanup.policy")]));
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        frames.push(client.frame(version, &request));
    }
    for version in 0..=2 {
        frames.push(client.frame(version, &DescribeClusterRequest::default()));
    }
    for version in 0..=5 {
        frames.push(client.frame(version, &init_producer_id()));
    }
    let topic = TopicRequest::default()
        .with_name(topic_name("t"))
        .with_partition_indexes(vec![0, 1, 2]);
    frames.push(client.frame(
        0,
        &DescribeProducersRequest::default().with_topics(vec![topic]),
    ));
    frames
}

/// Changes a few places: bits, extreme numbers, cuts, repeats.
fn spoil(random: &mut Random, frame: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(frame.len());
        match random.below(6) {
            0 => frame[at] ^= 1 << random.below(8),
            1 => frame[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 => {
                let extreme = [i32::MAX, i32::MIN, -1, 0x0fff_ffff][random.below(4)];
                let end = (at + 4).min(frame.len());
                frame[at..end].copy_from_slice(&extreme.to_be_bytes()[..end - at]);
            }
            3 => frame.truncate(at.max(1)),
            4 => {
                let end = at + random.below(frame.len() - at + 1);
                let piece = frame[at..end].to_vec();
                frame.splice(at..at, piece);
            }
            _ => frame.insert(at, random.next() as u8),
        }
    }
}

#[test]
fn malformed_frames_are_answered_or_cost_the_connection() {
    let mut random = Random::seeded();
    let mut config = Config::new(Storage::Memory);
    // What is asked for must be there, so that a claim alone would stand out.
    config.auto_create_topics = false;
    let mut client = Client::with(config);
    let id = client.create("t", 2, &[]);
    let frames = good_frames(&mut client, id);
    let mut closed = 0;
    for _ in 0..FRAMES {
        let mut frame = frames[random.below(frames.len())].clone();
        spoil(&mut random, &mut frame);
        match client.session.handle(&frame, &mut client.reply) {
            Handled::Close => closed += 1,
            Handled::Reply => {
                let (size, rest) = client.reply.split_first_chunk::<4>().unwrap();
                assert_eq!(u32::from_be_bytes(*size) as usize, rest.len());
            }
            Handled::ReplyAfter(_) | Handled::NoReply | Handled::Wait(_) | Handled::Silence => {}
        }
        assert!(client.reply.capacity() < 16 << 20, "{frame:?}");
        if random.below(1000) == 0 {
            // What spoilt creations left behind.
            for topic in client
                .broker()
                .topics
                .all()
                .iter()
                .filter(|topic| topic.name != "t")
            {
                client.broker().topics.delete(topic).unwrap();
            }
        }
    }
    println!("{closed} of {FRAMES} cost the connection");
    assert!(closed > FRAMES / 20, "most spoilt frames are no requests");
}
