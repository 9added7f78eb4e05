//! Members that come, wait, fall silent, go, and come back.

mod schedules;

use super::*;

const SESSION_MS: i64 = 10_000;
const REBALANCE_MS: i64 = 30_000;

/// A group and the time.
struct Stage {
    groups: Groups,
    now_ms: i64,
}

type JoinAnswer = Result<Joined, NotJoined>;

impl Stage {
    fn new() -> Self {
        Self::with_delay(0)
    }

    fn with_delay(initial_delay_ms: i64) -> Self {
        Self {
            groups: Groups::in_memory(initial_delay_ms),
            now_ms: 1_000_000,
        }
    }

    fn ask<T>(&self, ask: impl FnOnce(&mut Open<'_>) -> T) -> T {
        let mut groups = self.groups.at(self.now_ms);
        let answer = ask(&mut groups);
        groups.finish();
        answer
    }

    fn join(&self, request: &JoinRequest) -> Joining {
        self.ask(|groups| groups.join("g", request.clone()))
    }

    /// For one who need not wait.
    fn join_now(&self, request: &JoinRequest) -> JoinAnswer {
        answered(self.join(request)).unwrap()
    }

    fn poll(&self, joining: &Joining) -> Option<JoinAnswer> {
        let Joining::Wait(ticket) = joining else {
            panic!("{joining:?}");
        };
        answered(self.ask(|groups| groups.poll_join("g", ticket)))
    }

    fn sync(
        &self,
        joined: &Joined,
        assignments: &[(&str, &'static str)],
    ) -> Result<Syncing, ErrorCode> {
        let given = assignments.iter();
        let given = given.map(|&(id, what)| (id.to_owned(), Bytes::from_static(what.as_bytes())));
        self.ask(|groups| groups.sync("g", claim(joined), given.collect()))
    }

    fn assigned(&self, joined: &Joined) -> String {
        match self.sync(joined, &[]) {
            Ok(Syncing::Assigned(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn heartbeat(&self, joined: &Joined) -> ErrorCode {
        let heard = self.ask(|groups| groups.heartbeat("g", claim(joined)));
        heard.err().unwrap_or(ErrorCode::NONE)
    }

    fn state(&self) -> Option<State> {
        self.ask(|groups| groups.group("g").map(|group| group.state))
    }

    /// One member, stable, with all the work.
    fn alone(&self, request: &JoinRequest) -> Joined {
        let joined = self.join_now(request).unwrap();
        let id = joined.member_id.clone();
        let synced = self.sync(&joined, &[(&id, "all")]).unwrap();
        assert_eq!(synced, Syncing::Assigned(Bytes::from_static(b"all")));
        joined
    }
}

fn answered(joining: Joining) -> Option<JoinAnswer> {
    match joining {
        Joining::Joined(joined) => Some(Ok(joined)),
        Joining::Refused(not) => Some(Err(not)),
        Joining::Wait(_) => None,
    }
}

fn claim(joined: &Joined) -> Claim<'_> {
    Claim {
        member_id: &joined.member_id,
        instance: None,
        generation: joined.generation,
    }
}

/// One who comes for the first time, and does not know that it might have to come again.
fn somebody(name: &str) -> JoinRequest {
    JoinRequest {
        member_id: String::new(),
        instance: None,
        client_id: name.to_owned(),
        client_host: "/host".to_owned(),
        session_ms: SESSION_MS,
        rebalance_ms: REBALANCE_MS,
        protocol_type: "consumer".to_owned(),
        protocols: protocols(&["range"]),
        comes_again: false,
        may_skip: true,
    }
}

fn protocols(names: &[&str]) -> Vec<Protocol> {
    let protocol = |name: &&str| Protocol {
        name: (*name).to_owned(),
        metadata: Bytes::copy_from_slice(name.as_bytes()),
    };
    names.iter().map(protocol).collect()
}

fn again(request: &JoinRequest, joined: &Joined) -> JoinRequest {
    JoinRequest {
        member_id: joined.member_id.clone(),
        ..request.clone()
    }
}

fn instance(name: &str) -> JoinRequest {
    JoinRequest {
        instance: Some(name.to_owned()),
        ..somebody(name)
    }
}

fn code<T: std::fmt::Debug>(refused: Result<T, NotJoined>) -> ErrorCode {
    refused.unwrap_err().code
}

#[test]
fn who_is_alone_leads_and_gets_what_it_assigns_to_itself() {
    let stage = Stage::new();
    let request = somebody("a");
    let joined = stage.alone(&request);
    assert_eq!((joined.generation, &joined.leader), (1, &joined.member_id));
    assert_eq!((&joined.protocol[..], joined.members.len()), ("range", 1));
    assert!(joined.member_id.starts_with("a-"));
    assert_eq!(stage.heartbeat(&joined), ErrorCode::NONE);
    assert_eq!(stage.assigned(&joined), "all");
    assert_eq!(stage.state(), Some(State::Stable));
}

#[test]
fn a_second_member_makes_the_first_join_again() {
    let stage = Stage::new();
    let (first, second) = (somebody("a"), somebody("b"));
    let alone = stage.alone(&first);
    let waits = stage.join(&second);
    assert_eq!(stage.poll(&waits), None);
    assert_eq!(stage.heartbeat(&alone), ErrorCode::REBALANCE_IN_PROGRESS);
    let synced = stage.sync(&alone, &[]);
    assert_eq!(synced, Err(ErrorCode::REBALANCE_IN_PROGRESS));
    let leader = stage.join_now(&again(&first, &alone)).unwrap();
    let follower = stage.poll(&waits).unwrap().unwrap();
    assert_eq!((leader.generation, follower.generation), (2, 2));
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));
    assert_eq!(leader.leader, follower.leader);

    let Ok(Syncing::Wait(ticket)) = stage.sync(&follower, &[]) else {
        panic!("the leader has not assigned yet");
    };
    assert_eq!(stage.sync(&alone, &[]), Err(ErrorCode::ILLEGAL_GENERATION));
    let parts = [(&leader.member_id[..], "x"), (&follower.member_id[..], "y")];
    stage.sync(&leader, &parts).unwrap();
    let got = stage.ask(|groups| groups.poll_sync("g", ticket));
    assert_eq!(got, Ok(Syncing::Assigned(Bytes::from_static(b"y"))));
    assert_eq!(stage.assigned(&leader), "x");
}

#[test]
fn who_does_not_join_again_in_time_is_put_out() {
    let mut stage = Stage::new();
    let (first, second) = (somebody("a"), somebody("b"));
    let alone = stage.alone(&first);
    let waits = stage.join(&second);
    // It is heard from, but does not join.
    for _ in 0..5 {
        stage.now_ms += REBALANCE_MS / 5 - 1;
        assert_eq!(stage.poll(&waits), None);
        assert_eq!(stage.heartbeat(&alone), ErrorCode::REBALANCE_IN_PROGRESS);
    }
    stage.now_ms += 5;
    let joined = stage.poll(&waits).unwrap().unwrap();
    assert_eq!(
        (&joined.leader, joined.members.len()),
        (&joined.member_id, 1)
    );
    assert_eq!(stage.heartbeat(&alone), ErrorCode::UNKNOWN_MEMBER_ID);
    let late = stage.join_now(&again(&first, &alone));
    assert_eq!(code(late), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn who_falls_silent_is_put_out_and_the_rest_goes_on() {
    let mut stage = Stage::new();
    let joined = stage.alone(&somebody("a"));
    stage.now_ms += SESSION_MS - 1;
    assert_eq!(stage.heartbeat(&joined), ErrorCode::NONE);
    stage.now_ms += SESSION_MS - 1;
    let waits = stage.join(&somebody("b"));
    assert_eq!(stage.poll(&waits), None);
    // Nobody need ask: the wait ends when the first one's session does.
    let look = stage.ask(|groups| groups.ask_again_ms("g"));
    assert_eq!(look, stage.now_ms + 1);
    stage.now_ms += 1;
    assert_eq!(stage.poll(&waits).unwrap().unwrap().generation, 2);
    // Now this one never asks for its assignment, and a group of nobody is none after a while.
    stage.now_ms += REBALANCE_MS;
    assert_eq!(stage.state(), Some(State::Empty));
    stage.now_ms += 599_999;
    assert_eq!(stage.state(), Some(State::Empty));
    stage.now_ms += 1;
    assert_eq!(stage.state(), None);
}

#[test]
fn who_never_asks_for_its_assignment_is_put_out() {
    let mut stage = Stage::new();
    let (first, second) = (somebody("a"), somebody("b"));
    let alone = stage.alone(&first);
    let waits = stage.join(&second);
    let leader = stage.join_now(&again(&first, &alone)).unwrap();
    let lazy = stage.poll(&waits).unwrap().unwrap();
    stage.sync(&leader, &[]).unwrap();
    for _ in 0..6 {
        assert_eq!(stage.heartbeat(&leader), ErrorCode::NONE);
        assert_eq!(stage.heartbeat(&lazy), ErrorCode::NONE);
        stage.now_ms += REBALANCE_MS / 6;
    }
    assert_eq!(stage.heartbeat(&lazy), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(stage.heartbeat(&leader), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn who_is_told_its_id_must_come_again_with_it() {
    let mut stage = Stage::new();
    let stranger = JoinRequest {
        comes_again: true,
        ..somebody("a")
    };
    let told = stage.join_now(&stranger).unwrap_err();
    assert_eq!(told.code, ErrorCode::MEMBER_ID_REQUIRED);
    let known = JoinRequest {
        member_id: told.member_id.clone(),
        ..stranger.clone()
    };
    let joined = stage.join_now(&known).unwrap();
    assert_eq!(joined.member_id, told.member_id);
    let told = stage.join_now(&stranger).unwrap_err();
    stage.now_ms += SESSION_MS;
    let late = JoinRequest {
        member_id: told.member_id,
        ..stranger
    };
    assert_eq!(code(stage.join_now(&late)), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_member_whose_answer_was_lost_gets_it_again_and_a_change_makes_all_join() {
    let stage = Stage::new();
    let (first, second) = (somebody("a"), somebody("b"));
    let alone = stage.alone(&first);
    let waits = stage.join(&second);
    let leader = stage.join_now(&again(&first, &alone)).unwrap();
    let follower = stage.poll(&waits).unwrap().unwrap();
    let repeated = stage.join_now(&again(&second, &follower)).unwrap();
    assert_eq!(repeated, follower);
    stage.sync(&leader, &[]).unwrap();
    assert_eq!(
        stage.join_now(&again(&second, &follower)),
        Ok(follower.clone())
    );
    assert_eq!(stage.state(), Some(State::Stable));
    let changed = JoinRequest {
        protocols: protocols(&["range", "sticky"]),
        ..again(&second, &follower)
    };
    assert_eq!(answered(stage.join(&changed)), None);
    assert_eq!(stage.state(), Some(State::PreparingRebalance));
}

#[test]
fn a_leader_that_joins_again_assigns_anew() {
    let stage = Stage::new();
    let request = somebody("a");
    let joined = stage.alone(&request);
    let anew = stage.join_now(&again(&request, &joined)).unwrap();
    assert_eq!(anew.generation, 2);
}

#[test]
fn the_protocol_that_all_know_and_most_prefer_is_taken() {
    let knows = |name: &str, names: &[&str]| JoinRequest {
        protocols: protocols(names),
        ..somebody(name)
    };
    let stage = Stage::with_delay(3000);
    let a = stage.join(&knows("a", &["new", "range", "sticky"]));
    let b = stage.join(&knows("b", &["sticky", "range"]));
    let c = stage.join(&knows("c", &["sticky", "range", "new"]));
    let stranger = stage.join_now(&knows("d", &["new"]));
    assert_eq!(code(stranger), ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let other = JoinRequest {
        protocol_type: "connect".to_owned(),
        ..somebody("e")
    };
    let other = stage.join_now(&other);
    assert_eq!(code(other), ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let mut later = stage;
    later.now_ms += 3000;
    for waits in [a, b, c] {
        let joined = later.poll(&waits).unwrap().unwrap();
        assert_eq!((&joined.protocol[..], joined.generation), ("sticky", 1));
        for member in joined.members {
            assert_eq!(&member.metadata[..], b"sticky");
        }
    }
}

#[test]
fn a_new_group_waits_for_more_members_as_they_come() {
    let mut stage = Stage::with_delay(3000);
    let first = stage.join(&somebody("a"));
    stage.now_ms += 2000;
    let second = stage.join(&somebody("b"));
    stage.now_ms += 2999;
    assert_eq!(stage.poll(&first), None);
    stage.now_ms += 1;
    assert_eq!(stage.poll(&first).unwrap().unwrap().generation, 1);
    assert_eq!(stage.poll(&second).unwrap().unwrap().generation, 1);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let mut stage = Stage::new();
    let request = instance("i");
    let before = stage.alone(&request);
    stage.now_ms += SESSION_MS - 1;
    let after = stage.join_now(&request).unwrap();
    assert_ne!(after.member_id, before.member_id);
    assert_eq!((after.generation, after.skips_assignment), (1, true));
    assert_eq!((after.members.len(), &after.leader), (1, &after.member_id));
    assert_eq!(stage.assigned(&after), "all");
    // The one before is told so, by its instance; without, nobody knows it.
    let fenced = Claim {
        instance: Some("i"),
        ..claim(&before)
    };
    let heard = stage.ask(|groups| groups.heartbeat("g", fenced));
    assert_eq!(heard, Err(ErrorCode::FENCED_INSTANCE_ID));
    assert_eq!(stage.heartbeat(&before), ErrorCode::UNKNOWN_MEMBER_ID);
    // One that knows nothing of skipping is told that it does not lead.
    let old = JoinRequest {
        may_skip: false,
        ..request
    };
    let joined = stage.join_now(&old).unwrap();
    assert_eq!((joined.leader, joined.members.len()), (after.member_id, 0));
    stage.now_ms += SESSION_MS;
    assert_eq!(stage.state(), Some(State::Empty));
}

#[test]
fn a_static_member_with_another_protocol_makes_all_join() {
    let stage = Stage::new();
    let both = JoinRequest {
        protocols: protocols(&["range", "sticky"]),
        ..instance("i")
    };
    stage.alone(&both);
    let other = JoinRequest {
        protocols: protocols(&["sticky"]),
        ..instance("i")
    };
    let joined = stage.join_now(&other).unwrap();
    assert_eq!((joined.generation, &joined.protocol[..]), (2, "sticky"));
}

#[test]
fn who_waits_under_a_replaced_id_is_fenced() {
    let stage = Stage::with_delay(3000);
    let waits = stage.join(&instance("i"));
    assert_eq!(stage.poll(&waits), None);
    stage.join(&instance("i"));
    let fenced = stage.poll(&waits).unwrap();
    assert_eq!(code(fenced), ErrorCode::FENCED_INSTANCE_ID);
}

#[test]
fn a_rebalance_does_not_put_static_members_out() {
    let mut stage = Stage::new();
    let request = JoinRequest {
        session_ms: 100_000,
        ..instance("i")
    };
    stage.alone(&request);
    let waits = stage.join(&somebody("b"));
    stage.now_ms += REBALANCE_MS;
    let joined = stage.poll(&waits).unwrap().unwrap();
    assert_eq!(
        (&joined.leader, joined.members.len()),
        (&joined.member_id, 2)
    );
    let instances = joined
        .members
        .iter()
        .filter(|member| member.instance.is_some());
    assert_eq!(instances.count(), 1);
}

#[test]
fn who_leaves_is_gone_at_once() {
    let stage = Stage::new();
    let (first, second) = (somebody("a"), instance("i"));
    let alone = stage.alone(&first);
    let waits = stage.join(&second);
    let leave = |id: &str, instance: Option<&str>| {
        let left = stage.ask(|groups| groups.leave("g", id, instance));
        left.err().unwrap_or(ErrorCode::NONE)
    };
    assert_eq!(leave("nobody", None), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(leave(&alone.member_id, None), ErrorCode::NONE);
    let joined = stage.poll(&waits).unwrap().unwrap();
    assert_eq!((joined.generation, joined.members.len()), (2, 1));
    assert_eq!(leave("other", Some("i")), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(leave("", Some("j")), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(leave("", Some("i")), ErrorCode::NONE);
    assert_eq!(stage.state(), Some(State::Empty));
}

fn committed(offset: i64) -> Committed {
    Committed {
        offset,
        leader_epoch: -1,
        metadata: String::new(),
        at_ms: 0,
    }
}

#[test]
fn only_members_commit_while_there_are_any() {
    let stage = Stage::new();
    let none = ErrorCode::ILLEGAL_GENERATION;
    let check = |claim| stage.ask(|groups| groups.check_commit("g", claim, none));
    let by_hand = Claim {
        member_id: "",
        instance: None,
        generation: -1,
    };
    assert_eq!(check(by_hand), Ok(()));
    let stale = Claim {
        generation: 1,
        member_id: "x",
        ..by_hand
    };
    assert_eq!(check(stale), Err(ErrorCode::ILLEGAL_GENERATION));
    let request = somebody("a");
    let joined = stage.join_now(&request).unwrap();
    let midway = Err(ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(check(claim(&joined)), midway);
    stage.sync(&joined, &[]).unwrap();
    assert_eq!(check(claim(&joined)), Ok(()));
    assert_eq!(check(by_hand), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(check(stale), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    // Before it joins again it may still say how far it came.
    stage.join(&somebody("b"));
    assert_eq!(check(claim(&joined)), Ok(()));
}

#[test]
fn a_group_is_deleted_when_nobody_is_in_it() {
    let stage = Stage::new();
    let delete = || stage.ask(|groups| groups.delete("g"));
    assert_eq!(delete(), Err(ErrorCode::GROUP_ID_NOT_FOUND));
    let joined = stage.alone(&somebody("a"));
    let commit = vec![("t".to_owned(), 0, committed(5))];
    stage.ask(|groups| groups.commit("g", commit)).unwrap();
    assert_eq!(delete(), Err(ErrorCode::NON_EMPTY_GROUP));
    let id = &joined.member_id;
    stage.ask(|groups| groups.leave("g", id, None)).unwrap();
    // Its offsets keep it.
    assert_eq!(stage.state(), Some(State::Empty));
    assert_eq!(delete(), Ok(()));
    assert_eq!(stage.state(), None);
}

#[test]
fn offsets_of_subscribed_topics_stay() {
    let stage = Stage::new();
    let subscribed = Protocol {
        name: "range".to_owned(),
        metadata: Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b't']),
    };
    let request = JoinRequest {
        protocols: vec![subscribed],
        ..somebody("a")
    };
    stage.alone(&request);
    let partition = |topic: &str| (topic.to_owned(), 0);
    let commits = ["t", "u"].map(|topic| (topic.to_owned(), 0, committed(5)));
    stage
        .ask(|groups| groups.commit("g", commits.to_vec()))
        .unwrap();
    let asked = [partition("t"), partition("u")];
    let codes = stage.ask(|groups| groups.forget("g", &asked)).unwrap();
    let expected = [ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode::NONE];
    assert_eq!(codes, expected);
    let left = stage.ask(|groups| {
        let group = groups.group("g").unwrap();
        group.offsets.keys().cloned().collect::<Vec<_>>()
    });
    assert_eq!(left, [partition("t")]);
}

#[test]
fn offsets_survive_and_members_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Stage {
        groups: Groups::open(folder.path(), false, 0).unwrap(),
        now_ms: 5,
    };
    let stage = open();
    let joined = stage.alone(&somebody("a"));
    let commits = |offset| {
        vec![
            ("t".to_owned(), 0, committed(offset)),
            ("u".to_owned(), 1, committed(7)),
        ]
    };
    for offset in [3, 4] {
        stage
            .ask(|groups| groups.commit("g", commits(offset)))
            .unwrap();
        stage
            .ask(|groups| groups.commit("gone", commits(offset)))
            .unwrap();
    }
    stage.ask(|groups| groups.delete("gone")).unwrap();
    stage.ask(|groups| groups.forget_topic("u"));
    let again = open();
    again.ask(|groups| {
        assert_eq!(groups.all().count(), 1);
        let group = groups.group("g").unwrap();
        let offsets: Vec<_> = group.offsets.iter().collect();
        assert_eq!(offsets, [(&("t".to_owned(), 0), &committed(4))]);
        assert_eq!(
            (group.state, &group.protocol_type[..]),
            (State::Empty, "consumer")
        );
    });
    assert_eq!(again.heartbeat(&joined), ErrorCode::UNKNOWN_MEMBER_ID);
    stage.groups.close().unwrap();
    let refused = stage.ask(|groups| groups.commit("g", commits(9)));
    assert_eq!(refused, Err(ErrorCode::KAFKA_STORAGE_ERROR));
}
