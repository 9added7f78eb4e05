//! What members do between two rebalances: ask for their assignment, say that they are there, go.

use std::collections::HashMap;

use bytes::Bytes;
use protocol::error_code::ErrorCode;

use super::group::{Awaited, Group, State, Ticket};

/// A member and the generation that it believes in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance: Option<&'a str>,
    pub(crate) generation: i32,
}

/// What becomes of who asks for its assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Syncing {
    Assigned(Bytes),
    Wait(Ticket),
}

impl Group {
    /// Whether a claim is true.
    pub(super) fn check(&self, claim: Claim<'_>) -> Result<(), ErrorCode> {
        self.check_instance(claim.member_id, claim.instance)?;
        if !self.members.contains_key(claim.member_id) {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if claim.generation != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        Ok(())
    }

    /// A member asks for its assignment; the leader brings everybody's.
    pub(super) fn sync(
        &mut self,
        now_ms: i64,
        claim: Claim<'_>,
        assignments: Vec<(String, Bytes)>,
    ) -> Result<Syncing, ErrorCode> {
        self.check(claim)?;
        let id = claim.member_id;
        match self.state {
            State::Empty => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance => return Err(ErrorCode::REBALANCE_IN_PROGRESS),
            State::CompletingRebalance | State::Stable => {}
        }
        self.unsynced.remove(id);
        let member = self.members.get_mut(id).expect("the claim was checked");
        member.touch(now_ms);
        if self.state == State::Stable {
            return Ok(Syncing::Assigned(member.assignment.clone()));
        }
        member.sync = Awaited::Waiting;
        let ticket = self.ticket(id);
        if self.leader.as_deref() == Some(id) {
            self.assign(now_ms, assignments);
        }
        Ok(Syncing::Wait(ticket))
    }

    fn assign(&mut self, now_ms: i64, assignments: Vec<(String, Bytes)>) {
        let mut assignments: HashMap<_, _> = assignments.into_iter().collect();
        for (id, member) in &mut self.members {
            // Who was left out has nothing to do.
            member.assignment = assignments.remove(id).unwrap_or_default();
            if member.sync.is_waiting() {
                member.sync = Awaited::Answered(Ok(member.assignment.clone()));
                member.touch(now_ms);
            }
        }
        self.state = State::Stable;
        self.has_news = true;
    }

    /// What has become of who waits for its assignment; none if it still must.
    pub(super) fn poll_sync(&mut self, ticket: &Ticket) -> Option<Result<Bytes, ErrorCode>> {
        match self.holder(ticket) {
            Ok(member) => member.sync.take(),
            Err(code) => Some(Err(code)),
        }
    }

    /// A member says that it is there.
    pub(super) fn heartbeat(&mut self, now_ms: i64, claim: Claim<'_>) -> Result<(), ErrorCode> {
        self.check(claim)?;
        let member = self.members.get_mut(claim.member_id);
        member.expect("the claim was checked").touch(now_ms);
        match self.state {
            State::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            // It may be quicker with this than with asking for its assignment.
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }

    /// A member goes, or is sent: by its id, or (with an empty one) by its instance.
    pub(super) fn leave(
        &mut self,
        now_ms: i64,
        member_id: &str,
        instance: Option<&str>,
    ) -> Result<(), ErrorCode> {
        if self.pending.remove(member_id).is_some() {
            self.try_complete_join(now_ms);
            self.has_news = true;
            return Ok(());
        }
        let id = match instance {
            Some(instance) if member_id.is_empty() => {
                let held = self.statics.get(instance);
                held.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?.clone()
            }
            _ => member_id.to_owned(),
        };
        self.check_instance(&id, instance)?;
        if !self.members.contains_key(&id) {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.remove(&id);
        self.rebalance(now_ms);
        Ok(())
    }
}
