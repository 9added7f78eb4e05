//! Faults as a client meets them.

use std::time::Duration;

use kafka_protocol::messages::MetadataRequest;

use super::*;
use crate::faults::{Action, Fault, When};

fn client() -> Client {
    let mut client = Client::new();
    client.create("t", 2, &[]);
    client
}

fn entries() -> ProduceRequest {
    produce_request(&[
        ("t", 0, Batch::counted(3).bytes()),
        ("t", 1, Batch::counted(3).bytes()),
    ])
}

fn codes(client: &mut Client) -> Vec<ErrorCode> {
    let answers = partition_answers(client.send(10, &entries()));
    answers
        .iter()
        .map(|answer| ErrorCode(answer.error_code))
        .collect()
}

#[test]
fn an_error_hits_its_partition_before_or_after_the_append() {
    let mut client = client();
    let not_leader = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    for (when, appended) in [(When::Before, 0), (When::After, 3)] {
        let before = client.broker().end_offset("t", 1).unwrap();
        let error = Action::Error(not_leader, when);
        let id = client
            .broker()
            .faults()
            .add(Fault::new(ApiKey::Produce, error).partition(1));
        assert_eq!(codes(&mut client), [ErrorCode::NONE, not_leader]);
        assert_eq!(client.broker().end_offset("t", 1), Some(before + appended));
        assert_eq!(client.broker().faults().happened(id), 1);
        assert_eq!(codes(&mut client), [ErrorCode::NONE; 2]);
    }
}

#[test]
fn who_is_told_of_another_leader_is_told_who() {
    let mut client = client();
    let error = Action::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER, When::Before);
    client
        .broker()
        .faults()
        .add(Fault::new(ApiKey::Produce, error).partition(0));
    let response = client.send(10, &entries());
    assert_eq!(response.node_endpoints.len(), 1);
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(
        (
            answer.current_leader.leader_id.0,
            answer.current_leader.leader_epoch
        ),
        (NODE_ID, 0)
    );
}

#[test]
fn the_connection_is_cut_before_the_append_after_it_or_in_mid_reply() {
    let mut client = client();
    let check = |client: &mut Client, when, reply_bytes, sent: usize, appended| {
        let before = client.broker().end_offset("t", 0).unwrap();
        let cut = Action::Cut { when, reply_bytes };
        client
            .broker()
            .faults()
            .add(Fault::new(ApiKey::Produce, cut).topic("t").partition(0));
        assert_eq!(client.handle(9, &entries()), Handled::Close);
        assert_eq!(client.reply.len(), sent);
        assert_eq!(client.broker().end_offset("t", 0), Some(before + appended));
    };
    check(&mut client, When::Before, 10, 0, 0);
    check(&mut client, When::After, 0, 0, 3);
    check(&mut client, When::After, 10, 10, 3);
    assert_eq!(codes(&mut client), [ErrorCode::NONE; 2]);
}

#[test]
fn a_request_is_held_up_before_or_after_it_takes_effect() {
    let mut client = client();
    let by = Duration::from_millis(700);
    client
        .broker()
        .faults()
        .add(Fault::new(ApiKey::Produce, Action::Delay(by, When::Before)));
    let frame = client.frame(9, &entries());
    assert_eq!(
        client.session.handle(&frame, &mut client.reply),
        Handled::Wait(by)
    );
    assert_eq!(client.broker().end_offset("t", 0), Some(0));
    client.broker().clock().advance(699);
    let left = Handled::Wait(Duration::from_millis(1));
    assert_eq!(client.session.handle(&frame, &mut client.reply), left);
    client.broker().clock().advance(1);
    assert_eq!(
        client.session.handle(&frame, &mut client.reply),
        Handled::Reply
    );
    assert_eq!(client.broker().end_offset("t", 0), Some(3));

    client
        .broker()
        .faults()
        .add(Fault::new(ApiKey::Produce, Action::Delay(by, When::After)));
    assert_eq!(client.handle(9, &entries()), Handled::ReplyAfter(by));
    assert_eq!(client.broker().end_offset("t", 0), Some(6));
}

#[test]
fn silence_is_not_the_end_of_the_connection() {
    let mut client = client();
    for (when, end) in [(When::Before, 0), (When::After, 3)] {
        client
            .broker()
            .faults()
            .add(Fault::new(ApiKey::Produce, Action::Silence(when)));
        assert_eq!(client.handle(9, &entries()), Handled::Silence);
        assert!(client.reply.is_empty());
        assert_eq!(client.broker().end_offset("t", 0), Some(end));
    }
}

#[test]
fn other_apis_have_faults_too() {
    let mut client = client();
    let loading = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    let error = Action::Error(loading, When::Before);
    client
        .broker()
        .faults()
        .add(Fault::new(ApiKey::InitProducerId, error));
    let response = client.send(4, &init_producer_id());
    assert_eq!(ErrorCode(response.error_code), loading);
    assert_eq!(client.send(4, &init_producer_id()).error_code, 0);

    let error = Action::Error(ErrorCode::LEADER_NOT_AVAILABLE, When::Before);
    client
        .broker()
        .faults()
        .add(Fault::new(ApiKey::Metadata, error).topic("t").always());
    let all = MetadataRequest::default().with_topics(None);
    for _ in 0..3 {
        let response = client.send(12, &all);
        assert_eq!(
            ErrorCode(response.topics[0].error_code),
            ErrorCode::LEADER_NOT_AVAILABLE
        );
    }
    client.broker().faults().clear();
    assert_eq!(client.send(12, &all).topics[0].error_code, 0);
}
