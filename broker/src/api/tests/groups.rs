//! Groups over the wire, in every version.

use std::time::Duration;

use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteTopicsRequest, DescribeGroupsRequest, FindCoordinatorRequest,
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
    SyncGroupRequest,
};

use super::*;

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

pub(super) fn join(member_id: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"mine"));
    JoinGroupRequest::default()
        .with_group_id(group("g"))
        .with_member_id(text(member_id))
        .with_group_instance_id(None)
        .with_session_timeout_ms(10_000)
        .with_protocol_type(text("any"))
        .with_protocols(vec![protocol])
}

/// Joins, in the versions that ask for it twice.
fn joined(client: &mut Client, version: i16) -> JoinGroupResponse {
    let mut request = join("");
    if version >= 1 {
        request.rebalance_timeout_ms = 30_000;
    }
    let response = client.send(version, &request);
    if version < 4 {
        return response;
    }
    assert_eq!(
        ErrorCode(response.error_code),
        ErrorCode::MEMBER_ID_REQUIRED
    );
    request.member_id = response.member_id;
    client.send(version, &request)
}

pub(super) fn sync(joined: &JoinGroupResponse) -> SyncGroupRequest {
    let all = SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(Bytes::from_static(b"all"));
    SyncGroupRequest::default()
        .with_group_id(group("g"))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_group_instance_id(None)
        .with_protocol_type(None)
        .with_protocol_name(None)
        .with_assignments(vec![all])
}

fn heartbeat(client: &mut Client, version: i16, joined: &JoinGroupResponse) -> ErrorCode {
    let request = HeartbeatRequest::default()
        .with_group_id(group("g"))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_group_instance_id(None);
    ErrorCode(client.send(version, &request).error_code)
}

fn leave(client: &mut Client, version: i16, joined: &JoinGroupResponse) -> ErrorCode {
    let request = LeaveGroupRequest::default().with_group_id(group("g"));
    let id = joined.member_id.clone();
    let request = if version < 3 {
        request.with_member_id(id)
    } else {
        let member = MemberIdentity::default().with_member_id(id);
        request.with_members(vec![member.with_group_instance_id(None).with_reason(None)])
    };
    let response = client.send(version, &request);
    let member = response.members.first();
    ErrorCode(member.map_or(response.error_code, |member| member.error_code))
}

#[test]
fn the_broker_coordinates_groups_and_nothing_else() {
    let mut client = Client::new();
    client.broker().set_listener(NODE_ID, "here".to_owned(), 99);
    for version in 0..=6 {
        let mut ask = |key_type| {
            let mut request = FindCoordinatorRequest::default();
            if version >= 1 {
                request.key_type = key_type;
            }
            if version >= 4 {
                request.coordinator_keys = vec![text("g")];
            } else {
                request.key = text("g");
            }
            let response = client.send(version, &request);
            match response.coordinators.first() {
                Some(found) => (ErrorCode(found.error_code), found.node_id.0, found.port),
                None => (
                    ErrorCode(response.error_code),
                    response.node_id.0,
                    response.port,
                ),
            }
        };
        assert_eq!(ask(0), (ErrorCode::NONE, NODE_ID, 99));
        if version >= 1 {
            assert_eq!(ask(1), (ErrorCode::UNSUPPORTED_VERSION, -1, -1));
        }
    }
}

#[test]
fn a_member_joins_lives_and_leaves_in_every_version() {
    let mut client = Client::new();
    for version in 0..=9 {
        let member = joined(&mut client, version);
        // A generation has one member, the next has none.
        let generation = 2 * i32::from(version) + 1;
        assert_eq!(
            (member.error_code, member.generation_id),
            (0, generation),
            "{version}"
        );
        assert_eq!(member.leader, member.member_id);
        assert_eq!(member.protocol_name.as_deref(), Some("range"));
        let told = (version >= 7).then_some("any");
        assert_eq!(member.protocol_type.as_deref(), told);
        assert_eq!(&member.members[0].metadata[..], b"mine");
        let sync_version = version.min(5);
        let mut request = sync(&member);
        if sync_version >= 5 {
            request.protocol_type = Some(text("other"));
            let refused = client.send(sync_version, &request);
            let code = ErrorCode(refused.error_code);
            assert_eq!(code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
            request.protocol_type = Some(text("any"));
        }
        let synced = client.send(sync_version, &request);
        assert_eq!(
            (synced.error_code, &synced.assignment[..]),
            (0, &b"all"[..])
        );
        let told = (sync_version >= 5).then_some("range");
        assert_eq!(synced.protocol_name.as_deref(), told);
        assert_eq!(
            heartbeat(&mut client, version.min(4), &member),
            ErrorCode::NONE
        );
        assert_eq!(leave(&mut client, version.min(5), &member), ErrorCode::NONE);
        let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
        assert_eq!(leave(&mut client, version.min(5), &member), unknown);
        assert_eq!(heartbeat(&mut client, version.min(4), &member), unknown);
    }
}

#[test]
fn who_joins_waits_for_the_others_and_for_the_leader() {
    let mut first = Client::new();
    let mut second = Client::of(Arc::clone(first.session.broker()));
    let leader = joined(&mut first, 3);
    first.send(3, &sync(&leader));
    let frame = second.frame(3, &join("").with_rebalance_timeout_ms(60_000));
    let waited = second.session.handle(&frame, &mut second.reply);
    // It is looked at again when the first one's session may be over.
    assert_eq!(waited, Handled::Wait(Duration::from_millis(10_000)));
    let rebalancing = ErrorCode::REBALANCE_IN_PROGRESS;
    assert_eq!(heartbeat(&mut first, 3, &leader), rebalancing);
    let seen = first.broker().news();
    let again = join(&leader.member_id).with_rebalance_timeout_ms(30_000);
    let leader = first.send(3, &again);
    assert_eq!((leader.generation_id, leader.members.len()), (2, 2));
    assert_ne!(first.broker().news(), seen, "who waits is woken");
    let answered = second.session.handle(&frame, &mut second.reply);
    assert_eq!(answered, Handled::Reply);
    let follower = second.answer::<JoinGroupRequest>(3);
    assert_eq!((follower.generation_id, follower.members.len()), (2, 0));

    let frame = second.frame(3, &sync(&follower).with_assignments(Vec::new()));
    let waited = second.session.handle(&frame, &mut second.reply);
    assert!(matches!(waited, Handled::Wait(_)), "{waited:?}");
    first.send(3, &sync(&leader));
    let answered = second.session.handle(&frame, &mut second.reply);
    assert_eq!(answered, Handled::Reply);
    let synced = second.answer::<SyncGroupRequest>(3);
    assert_eq!((synced.error_code, synced.assignment.len()), (0, 0));
}

#[test]
fn what_cannot_be_joined_says_why() {
    let mut client = Client::new();
    let mut check = |request: JoinGroupRequest, expected| {
        let code = ErrorCode(client.send(5, &request).error_code);
        assert_eq!(code, expected, "{request:?}");
    };
    check(
        join("").with_group_id(group("")),
        ErrorCode::INVALID_GROUP_ID,
    );
    let session = ErrorCode::INVALID_SESSION_TIMEOUT;
    check(join("").with_session_timeout_ms(5999), session);
    check(join("").with_session_timeout_ms(i32::MAX), session);
    check(join("nobody"), ErrorCode::UNKNOWN_MEMBER_ID);
    let inconsistent = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
    check(join("").with_protocols(Vec::new()), inconsistent);
    check(join("").with_protocol_type(text("")), inconsistent);
    let mut other = Client::at(Arc::clone(client.session.broker()), 2);
    let code = ErrorCode(other.send(5, &join("")).error_code);
    assert_eq!(code, ErrorCode::NOT_COORDINATOR);
}

pub(super) fn commit(offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("here")));
    let unknown = partition.clone().with_partition_index(7);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition, unknown]);
    OffsetCommitRequest::default()
        .with_group_id(group("g"))
        .with_generation_id_or_member_epoch(-1)
        .with_group_instance_id(None)
        .with_topics(vec![topic])
}

/// Code and offset of the group's partition 0, and how many are told of.
fn fetched(client: &mut Client, version: i16, all: bool) -> (ErrorCode, i64, usize) {
    let indices = vec![0, 1];
    if version >= 8 {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(topic_name("t"))
            .with_partition_indexes(indices);
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(group("g"))
            .with_member_id(None)
            .with_topics((!all).then_some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![asked]);
        let response = client.send(version, &request);
        let found = &response.groups[0];
        let topics = found.topics.iter().flat_map(|topic| &topic.partitions);
        let offsets: Vec<_> = topics.map(|partition| partition.committed_offset).collect();
        let first = offsets.first().copied().unwrap_or(-1);
        return (ErrorCode(found.error_code), first, offsets.len());
    }
    let topic = OffsetFetchRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partition_indexes(indices);
    let request = OffsetFetchRequest::default()
        .with_group_id(group("g"))
        .with_topics((!all).then_some(vec![topic]));
    let response = client.send(version, &request);
    let topics = response.topics.iter().flat_map(|topic| &topic.partitions);
    let offsets: Vec<_> = topics.map(|partition| partition.committed_offset).collect();
    let first = offsets.first().copied().unwrap_or(-1);
    (ErrorCode(response.error_code), first, offsets.len())
}

#[test]
fn offsets_are_committed_fetched_and_deleted_in_every_version() {
    let mut client = Client::new();
    client.create("t", 2, &[]);
    let none = ErrorCode::NONE;
    for version in 1..=9 {
        assert_eq!(fetched(&mut client, version, false), (none, -1, 2));
    }
    for version in 2..=9 {
        let offset = i64::from(version);
        let mut request = commit(offset);
        if version >= 6 {
            request.topics[0].partitions[0].committed_leader_epoch = 0;
        }
        let response = client.send(version, &request);
        let codes = response.topics[0].partitions.iter();
        let codes: Vec<_> = codes.map(|answer| ErrorCode(answer.error_code)).collect();
        assert_eq!(codes, [none, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
        for version in 1..=9 {
            assert_eq!(fetched(&mut client, version, false), (none, offset, 2));
            if version >= 2 {
                assert_eq!(fetched(&mut client, version, true), (none, offset, 1));
            }
        }
    }
    let mut large = commit(5);
    large.topics[0].partitions[0].committed_metadata = Some(text("x".repeat(4097)));
    let code = client.send(9, &large).topics[0].partitions[0].error_code;
    assert_eq!(ErrorCode(code), ErrorCode::OFFSET_METADATA_TOO_LARGE);
    let partition = OffsetDeleteRequestPartition::default();
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition]);
    let request = OffsetDeleteRequest::default()
        .with_group_id(group("g"))
        .with_topics(vec![topic]);
    let response = client.send(0, &request);
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
    assert_eq!(fetched(&mut client, 9, true), (none, -1, 0));
    let code = ErrorCode(client.send(0, &request).error_code);
    assert_eq!(code, ErrorCode::GROUP_ID_NOT_FOUND);
}

#[test]
fn offsets_go_with_their_topic() {
    let mut client = Client::new();
    client.create("t", 2, &[]);
    client.send(9, &commit(5));
    let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name("t")]);
    client.send(5, &request);
    client.create("t", 2, &[]);
    assert_eq!(fetched(&mut client, 9, false), (ErrorCode::NONE, -1, 2));
}

#[test]
fn groups_are_listed_described_and_deleted_in_every_version() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    client.send(9, &commit(5).with_group_id(group("idle")));
    let member = joined(&mut client, 9);
    client.send(5, &sync(&member));
    for version in 0..=5 {
        let mut list = |states: &[&str], types: &[&str]| -> Vec<String> {
            let texts = |texts: &[&str]| texts.iter().map(|&name| text(name)).collect();
            let request = ListGroupsRequest::default()
                .with_states_filter(texts(states))
                .with_types_filter(texts(types));
            let response = client.send(version, &request);
            let groups = response.groups.iter();
            groups.map(|group| group.group_id.to_string()).collect()
        };
        assert_eq!(list(&[], &[]), ["g", "idle"]);
        if version >= 4 {
            assert_eq!(list(&["stable"], &[]), ["g"]);
        }
        if version >= 5 {
            assert_eq!(list(&["Empty"], &["Classic"]), ["idle"]);
            assert_eq!(list(&[], &["consumer"]), [""; 0]);
        }
    }
    for version in 0..=6 {
        let names = ["g", "idle", "nobody"].map(group);
        let request = DescribeGroupsRequest::default().with_groups(names.to_vec());
        let response = client.send(version, &request);
        let states = response
            .groups
            .iter()
            .map(|group| group.group_state.to_string());
        assert_eq!(states.collect::<Vec<_>>(), ["Stable", "Empty", "Dead"]);
        let code = ErrorCode(response.groups[2].error_code);
        assert_eq!(code == ErrorCode::GROUP_ID_NOT_FOUND, version >= 6);
        let stable = &response.groups[0];
        let protocol = (stable.protocol_type.as_str(), stable.protocol_data.as_str());
        assert_eq!(protocol, ("any", "range"));
        let described = &stable.members[0];
        assert_eq!(described.member_id, member.member_id);
        let client = (described.client_id.as_str(), described.client_host.as_str());
        assert_eq!(client, ("test", "/127.0.0.1"));
        assert_eq!(&described.member_metadata[..], b"mine");
        assert_eq!(&described.member_assignment[..], b"all");
    }
    for version in 0..=2 {
        client.send(9, &commit(5).with_group_id(group("idle")));
        let names = ["g", "idle", "nobody", ""].map(group);
        let request = DeleteGroupsRequest::default().with_groups_names(names.to_vec());
        let response = client.send(version, &request);
        let codes = response
            .results
            .iter()
            .map(|result| ErrorCode(result.error_code));
        let expected = [
            ErrorCode::NON_EMPTY_GROUP,
            ErrorCode::NONE,
            ErrorCode::GROUP_ID_NOT_FOUND,
            ErrorCode::INVALID_GROUP_ID,
        ];
        assert_eq!(codes.collect::<Vec<_>>(), expected);
    }
}
