//! Members that do right, under any order of steps, pauses, deaths and returns.
//!
//! In every generation there is one leader and one protocol, what a member is assigned comes from
//! the leader of its own generation, and when nothing more goes wrong, all who live end up in one
//! stable generation, and nobody else.

use super::*;
use crate::api::tests::random::Random;

const RUNS: usize = 200;
const STEPS: usize = 400;

/// One client of the group.
struct Client {
    request: JoinRequest,
    doing: Doing,
}

enum Doing {
    Outside,
    Joining(Ticket),
    Syncing(Joined, Ticket),
    Working(Joined),
}

/// What each generation was: its leader, by which no two differ.
#[derive(Default)]
struct History {
    leaders: BTreeMap<i32, (String, String)>,
    newest: i32,
}

impl History {
    fn note(&mut self, joined: &Joined) {
        let said = (joined.leader.clone(), joined.protocol.clone());
        let known = self
            .leaders
            .entry(joined.generation)
            .or_insert_with(|| said.clone());
        // A static leader that came back leads on under another id.
        let is_static = |id: &str| id.starts_with("static");
        assert!(*known == said || is_static(&known.0) && is_static(&said.0));
        self.newest = self.newest.max(joined.generation);
    }
}

impl Client {
    fn new(index: usize) -> Self {
        let name = format!("{}-{index}", if index < 2 { "static" } else { "client" });
        let request = JoinRequest {
            instance: (index < 2).then(|| name.clone()),
            comes_again: index.is_multiple_of(2),
            protocols: protocols(if index < 3 { &["a", "b"] } else { &["b", "c"] }),
            ..somebody(&name)
        };
        Self {
            request,
            doing: Doing::Outside,
        }
    }

    /// It begins anew and remembers nothing.
    fn die(&mut self) {
        self.request.member_id.clear();
        self.doing = Doing::Outside;
    }

    fn step(&mut self, stage: &Stage, history: &mut History) {
        self.doing = match std::mem::replace(&mut self.doing, Doing::Outside) {
            Doing::Outside => self.joining(stage, stage.join(&self.request), history),
            Doing::Joining(ticket) => {
                let polled = stage.ask(|groups| groups.poll_join("g", &ticket));
                self.joining(stage, polled, history)
            }
            Doing::Syncing(joined, ticket) => {
                let polled = stage.ask(|groups| groups.poll_sync("g", ticket));
                self.syncing(joined, polled)
            }
            Doing::Working(joined) => {
                match stage.ask(|groups| groups.heartbeat("g", self.claim(&joined))) {
                    Ok(()) => Doing::Working(joined),
                    Err(code) => self.outside(code),
                }
            }
        };
    }

    fn claim<'a>(&'a self, joined: &'a Joined) -> Claim<'a> {
        Claim {
            instance: self.request.instance.as_deref(),
            ..claim(joined)
        }
    }

    fn joining(&mut self, stage: &Stage, joining: Joining, history: &mut History) -> Doing {
        match joining {
            Joining::Wait(ticket) => {
                self.request.member_id = ticket.member_id.clone();
                Doing::Joining(ticket)
            }
            Joining::Refused(not) if not.code == ErrorCode::MEMBER_ID_REQUIRED => {
                self.request.member_id = not.member_id;
                Doing::Outside
            }
            Joining::Refused(not) => self.outside(not.code),
            Joining::Joined(joined) => {
                history.note(&joined);
                self.request.member_id = joined.member_id.clone();
                let work = Bytes::from(joined.generation.to_string());
                let members = joined.members.iter().filter(|_| !joined.skips_assignment);
                let given = members
                    .map(|member| (member.id.clone(), work.clone()))
                    .collect();
                let claim = self.claim(&joined);
                let synced = stage.ask(|groups| groups.sync("g", claim, given));
                self.syncing(joined, synced)
            }
        }
    }

    fn syncing(&mut self, joined: Joined, synced: Result<Syncing, ErrorCode>) -> Doing {
        match synced {
            Ok(Syncing::Wait(ticket)) => Doing::Syncing(joined, ticket),
            Ok(Syncing::Assigned(work)) => {
                let expected = joined.generation.to_string();
                // Who came back under another id was left out by a leader that knew the old one.
                let is_left_out = work.is_empty() && self.request.instance.is_some();
                assert!(
                    work == expected.as_bytes() || is_left_out,
                    "{joined:?} {work:?}"
                );
                Doing::Working(joined)
            }
            Err(code) => self.outside(code),
        }
    }

    /// What a client makes of an error.
    fn outside(&mut self, code: ErrorCode) -> Doing {
        match code {
            ErrorCode::REBALANCE_IN_PROGRESS | ErrorCode::ILLEGAL_GENERATION => {}
            ErrorCode::UNKNOWN_MEMBER_ID => self.request.member_id.clear(),
            other => panic!("{other}"),
        }
        Doing::Outside
    }
}

#[test]
fn whatever_happens_those_who_live_end_in_one_generation() {
    let mut random = Random::seeded();
    for run in 0..RUNS {
        let mut stage = Stage::with_delay(if run % 3 == 0 { 3000 } else { 0 });
        let mut clients: Vec<_> = (0..random.between(1, 5)).map(Client::new).collect();
        let mut history = History::default();
        for _ in 0..STEPS {
            stage.now_ms += random.below(1500) as i64;
            if stage.state().is_none() {
                // A group that was forgotten counts from the beginning.
                history = History::default();
            }
            let at = random.below(clients.len());
            match random.below(30) {
                0 => clients[at].die(),
                1 => {
                    let id = clients[at].request.member_id.clone();
                    // Nobody is told whether it was one.
                    let left = stage.ask(|groups| groups.leave("g", &id, None));
                    assert!(left.is_ok() || left == Err(ErrorCode::UNKNOWN_MEMBER_ID));
                    clients[at].die();
                }
                2 => stage.now_ms += 12_000,
                _ => clients[at].step(&stage, &mut history),
            }
            let generation = stage.ask(|groups| groups.group("g").map(|group| group.generation));
            let newest = history.newest;
            assert!(
                generation.is_none_or(|now| now >= newest),
                "{generation:?} {newest}"
            );
        }
        // From now on all goes well; who is gone is put out in time.
        for _ in 0..400 {
            stage.now_ms += 250;
            clients
                .iter_mut()
                .for_each(|client| client.step(&stage, &mut history));
        }
        stage.ask(|groups| {
            let group = groups.group("g").expect("somebody lives");
            assert_eq!(group.state, State::Stable);
            assert_eq!(group.members.len(), clients.len());
            for client in &clients {
                let Doing::Working(joined) = &client.doing else {
                    panic!("run {run}: {:?} does not work", client.request);
                };
                assert_eq!(joined.generation, group.generation);
                assert!(group.members.contains_key(&joined.member_id));
            }
        });
    }
}
