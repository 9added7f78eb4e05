//! Joining: as nobody known, as somebody who was told his id, as the static member again, and once
//! more after a rebalance has begun.

use bytes::Bytes;
use protocol::error_code::ErrorCode;

use super::group::{Awaited, Group, Joined, Member, Protocol, State, Ticket};

/// Members, and ids that were given out, that a group may have (`group.max.size`).
pub(super) const MEMBERS_MAX: usize = 1000;
/// How long a new member may wait for its first generation.
const FIRST_JOIN_MS: i64 = 300_000;

/// Who wants to join, and how.
#[derive(Debug, Clone)]
pub(crate) struct JoinRequest {
    /// Empty if it was never given one.
    pub(crate) member_id: String,
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_ms: i64,
    pub(crate) rebalance_ms: i64,
    pub(crate) protocol_type: String,
    pub(crate) protocols: Vec<Protocol>,
    /// It knows that it must come again with the id that it is given (v4).
    pub(crate) comes_again: bool,
    /// It knows of assignments that are not to be made anew (v9).
    pub(crate) may_skip: bool,
}

/// Why somebody may not join, and the id that it has or is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotJoined {
    pub(crate) code: ErrorCode,
    pub(crate) member_id: String,
}

/// What becomes of who wants to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Joining {
    Joined(Joined),
    Refused(NotJoined),
    Wait(Ticket),
}

impl Group {
    /// Takes a member in. `new_id` is the id for one who has none.
    pub(super) fn join(&mut self, now_ms: i64, request: JoinRequest, new_id: String) -> Joining {
        let id = request.member_id.clone();
        let refused = |code| {
            Joining::Refused(NotJoined {
                code,
                member_id: id.clone(),
            })
        };
        let is_new = id.is_empty();
        if is_new && self.members.len() + self.pending.len() >= MEMBERS_MAX {
            return refused(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if !self.agrees_with(&request) {
            return refused(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match (is_new, request.instance.clone()) {
            (true, Some(instance)) => self.join_static(now_ms, request, instance, new_id),
            (true, None) if request.comes_again => {
                let deadline_ms = now_ms.saturating_add(request.session_ms);
                self.pending.insert(new_id.clone(), deadline_ms);
                Joining::Refused(NotJoined {
                    code: ErrorCode::MEMBER_ID_REQUIRED,
                    member_id: new_id,
                })
            }
            (true, None) => self.take_in(now_ms, request, new_id),
            (false, _) => match self.join_again(now_ms, request) {
                Ok(joining) => joining,
                Err(code) => refused(code),
            },
        }
    }

    /// Whether there is a protocol that it and all others know.
    fn agrees_with(&self, request: &JoinRequest) -> bool {
        if self.members.is_empty() {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        let is_known = |protocol: &Protocol| {
            let mut members = self.members.values();
            members.all(|member| member.protocols.iter().any(|own| own.name == protocol.name))
        };
        request.protocol_type == self.protocol_type && request.protocols.iter().any(is_known)
    }

    fn take_in(&mut self, now_ms: i64, request: JoinRequest, id: String) -> Joining {
        if self.members.is_empty() {
            self.protocol_type = request.protocol_type;
        }
        if let Some(instance) = &request.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        let member = Member {
            instance: request.instance,
            client_id: request.client_id,
            client_host: request.client_host,
            protocols: request.protocols,
            assignment: Bytes::new(),
            session_ms: request.session_ms,
            rebalance_ms: request.rebalance_ms,
            deadline_ms: now_ms.saturating_add(FIRST_JOIN_MS),
            join: Awaited::Waiting,
            sync: Awaited::Nothing,
            ticket: 0,
        };
        self.members.insert(id.clone(), member);
        self.leader.get_or_insert_with(|| id.clone());
        if self.state == State::PreparingRebalance {
            // More may be on their way, and what this one asks for counts too.
            if now_ms < self.not_before_ms {
                let later_ms = now_ms.saturating_add(self.initial_delay_ms);
                self.not_before_ms = later_ms.min(self.join_deadline_ms);
            }
        }
        let ticket = self.ticket(&id);
        self.rebalance(now_ms);
        Joining::Wait(ticket)
    }

    fn join_again(&mut self, now_ms: i64, request: JoinRequest) -> Result<Joining, ErrorCode> {
        let id = request.member_id.clone();
        if self.pending.remove(&id).is_some() {
            return Ok(self.take_in(now_ms, request, id));
        }
        self.check_instance(&id, request.instance.as_deref())?;
        let is_leader = self.leader.as_deref() == Some(&id);
        let member = self.members.get_mut(&id);
        let member = member.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        member.touch(now_ms);
        let is_same = member.protocols == request.protocols;
        let goes_on = match self.state {
            State::Empty => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance => false,
            // It did not get the answer, perhaps.
            State::CompletingRebalance => is_same,
            // A leader that joins again wants to assign anew.
            State::Stable => is_same && !is_leader,
        };
        if goes_on {
            return Ok(Joining::Joined(self.joined(&id, false)));
        }
        member.protocols = request.protocols;
        member.session_ms = request.session_ms;
        member.rebalance_ms = request.rebalance_ms;
        member.join = Awaited::Waiting;
        let ticket = self.ticket(&id);
        self.rebalance(now_ms);
        Ok(Joining::Wait(ticket))
    }

    /// The same instance again, under another id: it takes the place of the one before, without a
    /// rebalance where nothing that matters has changed (KIP-345).
    fn join_static(
        &mut self,
        now_ms: i64,
        request: JoinRequest,
        instance: String,
        id: String,
    ) -> Joining {
        let Some(old_id) = self.statics.get(&instance).cloned() else {
            return self.take_in(now_ms, request, id);
        };
        let old = self.members.remove(&old_id);
        let old = old.expect("a static member is a member");
        let former_leader = self.leader.clone().unwrap_or_default();
        let is_leader = former_leader == old_id;
        if is_leader {
            self.leader = Some(id.clone());
        }
        self.statics.insert(instance, id.clone());
        if self.unsynced.remove(&old_id) {
            self.unsynced.insert(id.clone());
        }
        let mut member = Member {
            client_id: request.client_id,
            client_host: request.client_host,
            protocols: request.protocols,
            session_ms: request.session_ms,
            rebalance_ms: request.rebalance_ms,
            join: Awaited::Nothing,
            sync: Awaited::Nothing,
            ..old
        };
        member.touch(now_ms);
        self.members.insert(id.clone(), member);
        // Who waits under the old id learns that it is fenced.
        self.has_news = true;
        if self.state == State::Stable && self.vote() == self.protocol {
            let mut joined = self.joined(&id, is_leader && request.may_skip);
            if is_leader && !request.may_skip {
                // One that does not know better would assign: it is told that another leads.
                joined.members.clear();
                joined.leader = former_leader;
            }
            return Joining::Joined(joined);
        }
        let member = self.members.get_mut(&id).expect("it was put there");
        member.join = Awaited::Waiting;
        let ticket = self.ticket(&id);
        self.rebalance(now_ms);
        Joining::Wait(ticket)
    }

    /// What has become of who waits to join; none if it still must.
    pub(super) fn poll_join(&mut self, ticket: &Ticket) -> Option<Result<Joined, ErrorCode>> {
        match self.holder(ticket) {
            Ok(member) => member.join.take(),
            Err(code) => Some(Err(code)),
        }
    }
}
