//! The same odd questions to Apache Kafka and to the embedded broker: the answers' codes and
//! numbers are the same.

use std::io::Write;
use std::process::{Command, Stdio};

use broker::{Config, Server, Storage};
use bytes::Bytes;
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteGroupsRequest, DeleteRecordsRequest,
    DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    IncrementalAlterConfigsRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    ListGroupsRequest, ListOffsetsRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, OffsetForLeaderEpochRequest, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use protocol::error_code::ErrorCode;

use super::member::{has_kcat, until};
use super::peer::{Peer, assert_same};
use crate::kafka::cluster::{fresh_topic, shared_single};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A consumer's subscription to one topic.
fn subscription(topic: &str) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, 0, 1];
    bytes.extend((topic.len() as u16).to_be_bytes());
    bytes.extend(topic.as_bytes());
    bytes.extend([0, 0, 0, 0]);
    Bytes::from(bytes)
}

/// Who asks, about what.
struct Asker<'a> {
    peer: &'a mut Peer,
    group: &'a str,
    topic: &'a str,
}

impl Asker<'_> {
    fn group_id(&self) -> GroupId {
        GroupId(text(self.group))
    }

    fn name(&self) -> TopicName {
        TopicName(text(self.topic))
    }

    fn join(&self, member_id: &str, instance: Option<&str>) -> JoinGroupRequest {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(subscription(self.topic));
        JoinGroupRequest::default()
            .with_group_id(self.group_id())
            .with_member_id(text(member_id))
            .with_group_instance_id(instance.map(text))
            .with_session_timeout_ms(30_000)
            .with_rebalance_timeout_ms(30_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol])
    }

    /// Joins, and takes down all but what is made up at random.
    fn joins(&mut self, question: &str, request: &JoinGroupRequest) -> JoinGroupResponse {
        let answer = self.peer.ask(9, request);
        let members = answer.members.iter().map(|member| member.metadata.len());
        let said = (
            ErrorCode(answer.error_code).to_string(),
            answer.generation_id,
            answer.protocol_type.clone(),
            answer.protocol_name.clone(),
            answer.leader == answer.member_id,
            answer.skip_assignment,
            answer.member_id.is_empty(),
            members.collect::<Vec<_>>(),
        );
        self.peer.note(question, said);
        answer
    }

    fn syncs(&mut self, question: &str, generation: i32, member_id: &str, protocol: &str) {
        let given = SyncGroupRequestAssignment::default()
            .with_member_id(text(member_id))
            .with_assignment(Bytes::from_static(b"all"));
        let request = SyncGroupRequest::default()
            .with_group_id(self.group_id())
            .with_generation_id(generation)
            .with_member_id(text(member_id))
            .with_group_instance_id(None)
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text(protocol)))
            .with_assignments(vec![given]);
        let answer = self.peer.ask(5, &request);
        let code = ErrorCode(answer.error_code).to_string();
        let said = (code, answer.protocol_name, answer.assignment);
        self.peer.note(question, said);
    }

    fn beats(&mut self, question: &str, generation: i32, id: &str, instance: Option<&str>) {
        let request = HeartbeatRequest::default()
            .with_group_id(self.group_id())
            .with_generation_id(generation)
            .with_member_id(text(id))
            .with_group_instance_id(instance.map(text));
        let code = self.peer.ask(4, &request).error_code;
        self.peer.note_codes(question, [code]);
    }

    fn leaves(&mut self, question: &str, members: &[(&str, Option<&str>)]) {
        let member = |&(id, instance): &(&str, Option<&str>)| {
            MemberIdentity::default()
                .with_member_id(text(id))
                .with_group_instance_id(instance.map(text))
                .with_reason(None)
        };
        let request = LeaveGroupRequest::default()
            .with_group_id(self.group_id())
            .with_members(members.iter().map(member).collect());
        let answer = self.peer.ask(5, &request);
        let codes = answer.members.iter().map(|member| member.error_code);
        let codes: Vec<_> = [answer.error_code].into_iter().chain(codes).collect();
        self.peer.note_codes(question, codes);
    }

    fn commits(&mut self, question: &str, generation: i32, member_id: &str) {
        let partition = |index, metadata: &str| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset(5)
                .with_committed_metadata(Some(text(metadata)))
        };
        let large = "x".repeat(5000);
        let known = OffsetCommitRequestTopic::default()
            .with_name(self.name())
            .with_partitions(vec![
                partition(0, "m"),
                partition(1, &large),
                partition(99, ""),
            ]);
        let unknown = OffsetCommitRequestTopic::default()
            .with_name(TopicName(text("never-made")))
            .with_partitions(vec![partition(0, "")]);
        let request = OffsetCommitRequest::default()
            .with_group_id(self.group_id())
            .with_generation_id_or_member_epoch(generation)
            .with_member_id(text(member_id))
            .with_group_instance_id(None)
            .with_topics(vec![known, unknown]);
        let answer = self.peer.ask(9, &request);
        // Apache's puts what it refuses first behind the rest.
        let mut codes: Vec<_> = Vec::new();
        for topic in &answer.topics {
            let name = topic.name.as_str() == self.topic;
            let partitions = topic.partitions.iter();
            codes.extend(partitions.map(|partition| {
                let code = ErrorCode(partition.error_code).to_string();
                (name, partition.partition_index, code)
            }));
        }
        codes.sort_unstable();
        self.peer.note(question, codes);
    }

    fn fetches(&mut self, question: &str, group: &str, all: bool) {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(self.name())
            .with_partition_indexes(vec![0, 1, 99]);
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text(group)))
            .with_member_id(None)
            .with_member_epoch(-1)
            .with_topics((!all).then_some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![asked]);
        let answer = self.peer.ask(8, &request);
        let group = &answer.groups[0];
        let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
        let found = partitions.map(|found| {
            let code = ErrorCode(found.error_code).to_string();
            let metadata = found.metadata.clone();
            (
                found.partition_index,
                found.committed_offset,
                metadata,
                code,
            )
        });
        let found: Vec<_> = found.collect();
        let code = ErrorCode(group.error_code).to_string();
        self.peer.note(question, (code, found));
    }

    fn forgets(&mut self, question: &str) {
        let partition = OffsetDeleteRequestPartition::default();
        let topic = OffsetDeleteRequestTopic::default()
            .with_name(self.name())
            .with_partitions(vec![partition]);
        let request = OffsetDeleteRequest::default()
            .with_group_id(self.group_id())
            .with_topics(vec![topic]);
        let answer = self.peer.ask(0, &request);
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let codes = partitions.map(|partition| partition.error_code);
        let codes: Vec<_> = [answer.error_code].into_iter().chain(codes).collect();
        self.peer.note_codes(question, codes);
    }

    fn describes(&mut self, question: &str) {
        for version in [5, 6] {
            let request = DescribeGroupsRequest::default().with_groups(vec![self.group_id()]);
            let answer = self.peer.ask(version, &request);
            let group = &answer.groups[0];
            let members = group.members.iter().map(|member| {
                let instance = member.group_instance_id.clone();
                let sizes = (member.member_metadata.len(), member.member_assignment.len());
                (instance, member.client_id.clone(), sizes)
            });
            let said = (
                ErrorCode(group.error_code).to_string(),
                group.group_state.clone(),
                group.protocol_type.clone(),
                group.protocol_data.clone(),
                members.collect::<Vec<_>>(),
            );
            self.peer.note(question, said);
        }
    }

    fn lists(&mut self, question: &str, state: &str) {
        let request = ListGroupsRequest::default().with_states_filter(vec![text(state)]);
        let answer = self.peer.ask(5, &request);
        let ours = answer.groups.iter();
        let ours = ours.filter(|group| group.group_id == self.group_id());
        let ours = ours.map(|group| {
            let (state, kind) = (group.group_state.clone(), group.group_type.clone());
            (
                group.protocol_type.clone(),
                state,
                kind.to_ascii_lowercase(),
            )
        });
        let ours: Vec<_> = ours.collect();
        self.peer.note(question, ours);
    }

    fn deletes(&mut self, question: &str) {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![self.group_id()]);
        let answer = self.peer.ask(2, &request);
        self.peer
            .note_codes(question, [answer.results[0].error_code]);
    }
}

/// A topic of two partitions, and a coordinator that is ready.
fn prepare(peer: &mut Peer, group: &str, topic: &str) {
    let topic = CreatableTopic::default()
        .with_name(TopicName(text(topic)))
        .with_num_partitions(2)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(30_000);
    assert_eq!(peer.ask(7, &request).topics[0].error_code, 0);
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(group)]);
    let described = DescribeGroupsRequest::default().with_groups(vec![GroupId(text(group))]);
    let is_ready = || {
        let found = peer.ask(4, &request).coordinators[0].error_code;
        found == 0 && peer.ask(5, &described).groups[0].error_code == 0
    };
    until("the coordinator is ready", is_ready, String::new);
}

fn one_member(asker: &mut Asker<'_>) {
    asker.describes("a group that is not there");
    asker.deletes("deleting it");
    asker.forgets("forgetting its offsets");
    asker.fetches("its offsets", asker.group, false);
    asker.fetches("all its offsets", asker.group, true);
    asker.beats("a heartbeat in it", 1, "nobody", None);
    asker.syncs("a sync in it", 1, "nobody", "range");
    asker.leaves("leaving it", &[("nobody", None), ("", Some("i"))]);
    asker.commits("a commit of one who was a member", 1, "nobody");
    let request = asker.join("nobody", None);
    asker.joins("somebody unknown joins", &request);
    let short = asker.join("", None).with_session_timeout_ms(5);
    asker.joins("a session too short", &short);
    let nothing = asker.join("", None).with_protocols(Vec::new());
    asker.joins("no protocols", &nothing);
    let no_type = asker.join("", None).with_protocol_type(text(""));
    asker.joins("no protocol type", &no_type);
    let no_group = asker.join("", None).with_group_id(GroupId(text("")));
    asker.joins("no group", &no_group);

    let request = asker.join("", None);
    let told = asker.joins("a stranger", &request);
    let id = told.member_id.to_string();
    asker.beats("a heartbeat of who was told its id", 0, &id, None);
    let request = asker.join(&id, None);
    let joined = asker.joins("the same again", &request);
    let generation = joined.generation_id;
    asker.beats("a heartbeat before the sync", generation, &id, None);
    asker.commits("a commit before the sync", generation, &id);
    asker.describes("before the sync");
    asker.syncs(
        "the sync of another generation",
        generation + 1,
        &id,
        "range",
    );
    asker.syncs("the sync of another protocol", generation, &id, "sticky");
    asker.syncs("the sync", generation, &id, "range");
    asker.syncs("the sync again", generation, &id, "range");
    asker.describes("a stable group");
    asker.lists("stable groups", "Stable");
    asker.lists("empty groups", "Empty");
    asker.beats("a heartbeat", generation, &id, None);
    asker.beats("a heartbeat of before", generation - 1, &id, None);
    asker.beats("a heartbeat with an instance", generation, &id, Some("i"));
    asker.commits("a commit", generation, &id);
    asker.commits("a commit of before", generation - 1, &id);
    asker.commits("a commit of another", generation, "other");
    asker.commits("a commit of nobody", -1, "");
    asker.fetches("what was committed", asker.group, false);
    asker.fetches("all that was committed", asker.group, true);
    asker.fetches("of another group", "never-made", false);
    asker.forgets("forgetting what is subscribed to");
    asker.deletes("deleting a group with a member");
    let other = asker.join("", None).with_protocol_type(text("connect"));
    asker.joins("another protocol type", &other);
    let request = asker.join(&id, None);
    let again = asker.joins("the leader again", &request);
    asker.syncs("its sync", again.generation_id, &id, "range");
    asker.leaves(
        "leaving",
        &[("other", None), (&id, Some("i")), (&id, None), (&id, None)],
    );
    asker.describes("an empty group");
    asker.lists("empty groups again", "Empty");
    asker.commits("a commit of nobody in an empty group", -1, "");
    asker.commits("a commit of who has left", again.generation_id, &id);
    asker.forgets("forgetting in an empty group");
    asker.fetches("what is left", asker.group, true);
}

fn static_member(asker: &mut Asker<'_>) {
    let request = asker.join("", Some("i"));
    let first = asker.joins("a static member", &request);
    let (id, generation) = (first.member_id.to_string(), first.generation_id);
    asker.syncs("its sync", generation, &id, "range");
    let second = asker.joins("it comes back", &request);
    let new_id = second.member_id.to_string();
    asker.beats("who it was", generation, &id, Some("i"));
    asker.beats("who it was, without its instance", generation, &id, None);
    asker.beats("who it is", second.generation_id, &new_id, Some("i"));
    asker.beats("who it is not", generation, &new_id, Some("j"));
    asker.syncs("its sync again", second.generation_id, &new_id, "range");
    let old = asker.join(&id, Some("i"));
    asker.joins("who it was joins", &old);
    asker.describes("a group of a static member");
    let gone = [("", Some("j")), (&id[..], Some("i")), ("", Some("i"))];
    asker.leaves("sent away", &gone);
    asker.deletes("deleting the group");
    asker.deletes("deleting it again");
}

#[test]
fn groups_answer_as_apaches() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let ours = Server::start(Config::new(Storage::Memory)).unwrap();
    let address = ours.address().to_string();
    let mut peers = [&address[..], cluster.bootstrap()].map(Peer::connect);
    let (topic, group) = (fresh_topic("groups"), fresh_topic("group"));
    for peer in &mut peers {
        prepare(peer, &group, &topic);
        let mut asker = Asker {
            peer,
            group: &group,
            topic: &topic,
        };
        one_member(&mut asker);
        static_member(&mut asker);
    }
    assert_same(&peers[0], &peers[1]);
}

fn delete_records(peer: &mut Peer, topic: &str) {
    let mut delete = |question: &str, topic: &str, index, offset| {
        let partition = DeleteRecordsPartition::default()
            .with_partition_index(index)
            .with_offset(offset);
        let asked = DeleteRecordsTopic::default()
            .with_name(TopicName(text(topic)))
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default()
            .with_topics(vec![asked])
            .with_timeout_ms(30_000);
        let answer = peer.ask(2, &request);
        let found = &answer.topics[0].partitions[0];
        let code = ErrorCode(found.error_code).to_string();
        peer.note(question, (code, found.low_watermark));
    };
    delete("deleting three", topic, 0, 3);
    delete("deleting two", topic, 0, 2);
    delete("deleting too many", topic, 0, 11);
    delete("deleting before the first", topic, 0, -2);
    delete("deleting where nothing is", topic, 9, 0);
    delete("deleting in no topic", "never-made", 0, 0);
    let mut listed = |question: &str, timestamp| {
        let partition = ListOffsetsPartition::default()
            .with_timestamp(timestamp)
            .with_current_leader_epoch(-1);
        let asked = ListOffsetsTopic::default()
            .with_name(TopicName(text(topic)))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![asked]);
        let answer = peer.ask(7, &request);
        let found = &answer.topics[0].partitions[0];
        let said = (found.error_code, found.offset, found.leader_epoch);
        peer.note(question, said);
    };
    listed("the first", -2);
    listed("the end", -1);
    listed("the first since 1970", 0);
    delete_all(peer, topic);
}

fn delete_all(peer: &mut Peer, topic: &str) {
    let partition = DeleteRecordsPartition::default().with_offset(-1);
    let asked = DeleteRecordsTopic::default()
        .with_name(TopicName(text(topic)))
        .with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default()
        .with_topics(vec![asked])
        .with_timeout_ms(30_000);
    let answer = peer.ask(1, &request);
    let found = &answer.topics[0].partitions[0];
    peer.note("deleting all", (found.error_code, found.low_watermark));
}

fn epochs(peer: &mut Peer, topic: &str) {
    for (current, epoch) in [(-1, 0), (-1, 5), (-1, -1), (0, 0), (9, 0)] {
        let asked = OffsetForLeaderPartition::default()
            .with_current_leader_epoch(current)
            .with_leader_epoch(epoch);
        let asked = OffsetForLeaderTopic::default()
            .with_topic(TopicName(text(topic)))
            .with_partitions(vec![asked]);
        let request = OffsetForLeaderEpochRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![asked]);
        let answer = peer.ask(4, &request);
        let found = &answer.topics[0].partitions[0];
        let code = ErrorCode(found.error_code).to_string();
        let said = (code, found.leader_epoch, found.end_offset);
        peer.note(&format!("epoch {epoch}, of {current}"), said);
    }
}

fn grow(peer: &mut Peer, topic: &str) {
    let mut grow = |question: &str, name: &str, count, elsewhere, only_validates| {
        let elsewhere = match elsewhere {
            0 => None,
            ids => Some(
                (0..ids)
                    .map(|_| CreatePartitionsAssignment::default().with_broker_ids(vec![77.into()]))
                    .collect(),
            ),
        };
        let asked = CreatePartitionsTopic::default()
            .with_name(TopicName(text(name)))
            .with_count(count)
            .with_assignments(elsewhere);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![asked])
            .with_timeout_ms(30_000)
            .with_validate_only(only_validates);
        let answer = peer.ask(3, &request);
        peer.note_codes(question, [answer.results[0].error_code]);
    };
    grow("fewer partitions", topic, 1, 0, false);
    grow("as many", topic, 2, 0, false);
    grow("none", topic, 0, 0, false);
    grow("partitions of no topic", "never-made", 3, 0, false);
    grow("on an unknown broker", topic, 3, 1, false);
    grow("more assignments than partitions", topic, 3, 2, false);
    grow("only validated", topic, 3, 0, true);
    grow("one more", topic, 3, 0, false);
    grow("the same again", topic, 3, 0, false);
}

fn reconfigure(peer: &mut Peer, topic: &str) {
    let mut alter = |name: &str, key: &str, operation, value: Option<&str>| {
        let config = AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(operation)
            .with_value(value.map(text));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text(name))
            .with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let code = peer.ask(1, &request).responses[0].error_code;
        let question = format!("operation {operation} on {key} with {value:?}");
        peer.note_codes(&question, [code]);
    };
    alter(topic, "retention.ms", 0, Some("5000000000"));
    alter(topic, "retention.ms", 0, Some("long"));
    alter(topic, "retention.ms", 0, None);
    alter(topic, "retention.ms", 2, Some("5"));
    alter(topic, "retention.ms", 1, None);
    alter(topic, "retention.ms", 1, None);
    alter(topic, "colour", 0, Some("red"));
    alter(topic, "cleanup.policy", 2, Some("compact"));
    alter(topic, "cleanup.policy", 2, Some("burn"));
    alter(topic, "cleanup.policy", 3, Some("delete"));
    alter(topic, "cleanup.policy", 3, Some("delete"));
    alter("never-made", "retention.ms", 0, Some("5"));
}

/// Ten records into partition 0.
fn fill(address: &str, topic: &str) {
    let flags = ["60", "kcat", "-P", "-b", address, "-t", topic, "-p", "0"];
    let mut kcat = Command::new("timeout")
        .args(flags)
        .stdin(Stdio::piped())
        .spawn()
        .expect("timeout is of coreutils");
    let mut stdin = kcat.stdin.take().expect("it is piped");
    stdin.write_all(&b"line\n".repeat(10)).expect("kcat reads");
    drop(stdin);
    assert!(kcat.wait().expect("it is our child").success());
}

#[test]
fn changes_of_topics_are_answered_as_apaches() {
    let Some(cluster) = shared_single().filter(|_| has_kcat()) else {
        return;
    };
    let ours = Server::start(Config::new(Storage::Memory)).unwrap();
    let address = ours.address().to_string();
    let mut peers = [&address[..], cluster.bootstrap()].map(Peer::connect);
    let topic = fresh_topic("changed");
    for (peer, address) in peers.iter_mut().zip([&address[..], cluster.bootstrap()]) {
        prepare(peer, "none", &topic);
        fill(address, &topic);
        epochs(peer, &topic);
        delete_records(peer, &topic);
        epochs(peer, &topic);
        grow(peer, &topic);
        reconfigure(peer, &topic);
    }
    assert_same(&peers[0], &peers[1]);
}
