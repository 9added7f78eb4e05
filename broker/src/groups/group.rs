//! One group: its members, and how they agree on who does what.
//!
//! ```text
//! Empty ──join──▶ PreparingRebalance ──all have joined, or time is up──▶ CompletingRebalance
//!                    ▲      ▲                                                   │
//!                    │      └── a member came, went, or changed its mind ───────┤
//!                    └────────── the same ──────────── Stable ◀──the leader's assignment
//! ```
//!
//! The rules are those of Apache's classic group coordinator, for any protocol type. Whom a
//! rebalance waits for too long is put out, but for static members (KIP-345): those go by their
//! session time-out alone. A member that came without an id and must come again with the one it
//! was given (KIP-394) is *pending*.
//!
//! Pure: no clock, no lock, no file. Who must wait gets a [`Ticket`] and asks again when there is
//! news ([`Group::has_news`]) or when [`Group::deadline`] is over.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use protocol::error_code::ErrorCode;

use super::Committed;

/// `offsets.retention.check.interval.ms`: when Apache's coordinator drops a group of nobody.
const KEPT_EMPTY_MS: i64 = 600_000;

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl State {
    /// As DescribeGroups tells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A way to assign that a member knows, and what it says for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub(crate) name: String,
    pub(crate) metadata: Bytes,
}

/// Something that a member waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Awaited<T> {
    Nothing,
    Waiting,
    Answered(Result<T, ErrorCode>),
}

impl<T> Awaited<T> {
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting)
    }

    /// The answer, if it is there; it is given once.
    pub(super) fn take(&mut self) -> Option<Result<T, ErrorCode>> {
        match std::mem::replace(self, Self::Nothing) {
            Self::Answered(answer) => Some(answer),
            other => {
                *self = other;
                None
            }
        }
    }
}

/// What a member learns by joining.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) member_id: String,
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    /// For the leader: who is there.
    pub(crate) members: Vec<JoinedMember>,
    /// The leader is to take the assignment as it is (KIP-814).
    pub(crate) skips_assignment: bool,
}

/// Another member, as the leader learns of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinedMember {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) metadata: Bytes,
}

/// Who waits for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) member_id: String,
    pub(crate) instance: Option<String>,
    pub(super) number: u64,
}

/// A member of a group.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    pub(super) session_ms: i64,
    pub(super) rebalance_ms: i64,
    /// It must be heard from until then, unless it waits.
    pub(super) deadline_ms: i64,
    pub(super) join: Awaited<Joined>,
    pub(super) sync: Awaited<Bytes>,
    /// The number of its last ticket: an older one is of no use.
    pub(super) ticket: u64,
}

impl Member {
    /// It was heard from.
    pub(super) fn touch(&mut self, now_ms: i64) {
        self.deadline_ms = now_ms.saturating_add(self.session_ms);
    }

    /// What it says for a protocol.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|own| own.name == protocol);
        found.map(|own| own.metadata.clone()).unwrap_or_default()
    }

    fn is_waiting(&self) -> bool {
        self.join.is_waiting() || self.sync.is_waiting()
    }
}

/// A group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) state: State,
    pub(crate) protocol_type: String,
    /// The way to assign that was agreed on.
    pub(crate) protocol: Option<String>,
    pub(crate) generation: i32,
    pub(crate) members: BTreeMap<String, Member>,
    /// By topic and partition.
    pub(crate) offsets: BTreeMap<(String, i32), Committed>,
    pub(super) leader: Option<String>,
    /// Static members' ids, by instance.
    pub(super) statics: BTreeMap<String, String>,
    /// Ids that were given out and not used yet, with the time that is left for it.
    pub(super) pending: BTreeMap<String, i64>,
    /// A rebalance ends no earlier, for more may come (`group.initial.rebalance.delay.ms`) …
    pub(super) not_before_ms: i64,
    /// … and no later.
    pub(super) join_deadline_ms: i64,
    /// Who has not asked for its assignment yet, and until when it may.
    pub(super) unsynced: BTreeSet<String>,
    pub(super) sync_deadline_ms: i64,
    pub(super) tickets: u64,
    /// Somebody who waits may have an answer.
    pub(super) has_news: bool,
    pub(super) initial_delay_ms: i64,
    /// When its last member went.
    empty_since_ms: i64,
}

impl Group {
    pub(super) fn new(initial_delay_ms: i64) -> Self {
        Self {
            state: State::Empty,
            protocol_type: String::new(),
            protocol: None,
            generation: 0,
            members: BTreeMap::new(),
            offsets: BTreeMap::new(),
            leader: None,
            statics: BTreeMap::new(),
            pending: BTreeMap::new(),
            not_before_ms: 0,
            join_deadline_ms: 0,
            unsynced: BTreeSet::new(),
            sync_deadline_ms: 0,
            tickets: 0,
            has_news: false,
            initial_delay_ms,
            empty_since_ms: 0,
        }
    }

    /// Nobody would miss it: it never had a member, or none for a long time.
    pub(super) fn is_nothing(&self, now_ms: i64) -> bool {
        let idle_ms = now_ms.saturating_sub(self.empty_since_ms);
        self.state == State::Empty
            && self.pending.is_empty()
            && self.offsets.is_empty()
            && (self.generation == 0 || idle_ms >= KEPT_EMPTY_MS)
    }

    /// Carries out what is due.
    pub(super) fn tick(&mut self, now_ms: i64) {
        self.pending.retain(|_, deadline_ms| *deadline_ms > now_ms);
        let is_silent = |member: &Member| !member.is_waiting() && member.deadline_ms <= now_ms;
        self.put_out(now_ms, |_, member| is_silent(member));
        if !self.unsynced.is_empty() && self.sync_deadline_ms <= now_ms {
            let unsynced = std::mem::take(&mut self.unsynced);
            self.put_out(now_ms, |id, _| unsynced.contains(id));
        }
        self.try_complete_join(now_ms);
    }

    /// When something is due next.
    pub(crate) fn deadline(&self) -> i64 {
        let silent = self.members.values().filter(|member| !member.is_waiting());
        let mut next = silent
            .map(|member| member.deadline_ms)
            .min()
            .unwrap_or(i64::MAX);
        next = next.min(self.pending.values().copied().min().unwrap_or(i64::MAX));
        if !self.unsynced.is_empty() {
            next = next.min(self.sync_deadline_ms);
        }
        if self.state == State::PreparingRebalance {
            next = next.min(if self.have_all_joined() {
                self.not_before_ms
            } else {
                self.join_deadline_ms
            });
        }
        next
    }

    /// Removes members, and lets the others agree anew.
    fn put_out(&mut self, now_ms: i64, is_out: impl Fn(&str, &Member) -> bool) {
        let out = self
            .members
            .iter()
            .filter(|(id, member)| is_out(id, member));
        let out: Vec<_> = out.map(|(id, _)| id.clone()).collect();
        for id in out {
            tracing::info!(member = id, "a group's member was not heard from in time");
            self.remove(&id);
            self.rebalance(now_ms);
        }
    }

    /// Removes a member and every trace of it.
    pub(super) fn remove(&mut self, id: &str) {
        let Some(member) = self.members.remove(id) else {
            return;
        };
        if let Some(instance) = member.instance {
            self.statics.remove(&instance);
        }
        self.unsynced.remove(id);
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.has_news = true;
    }

    /// Somebody came, went or changed: all must join again.
    pub(super) fn rebalance(&mut self, now_ms: i64) {
        if self.state != State::PreparingRebalance {
            for member in self.members.values_mut() {
                if self.state == State::CompletingRebalance {
                    member.assignment = Bytes::new();
                }
                if member.sync.is_waiting() {
                    member.sync = Awaited::Answered(Err(ErrorCode::REBALANCE_IN_PROGRESS));
                    member.touch(now_ms);
                }
            }
            let delay_ms = match self.state {
                State::Empty => self.initial_delay_ms,
                _ => 0,
            };
            self.state = State::PreparingRebalance;
            self.unsynced.clear();
            self.not_before_ms = now_ms.saturating_add(delay_ms);
            self.join_deadline_ms = now_ms.saturating_add(self.rebalance_ms().max(delay_ms));
            self.has_news = true;
        }
        self.try_complete_join(now_ms);
    }

    /// The longest time that a member asks for.
    fn rebalance_ms(&self) -> i64 {
        let members = self.members.values();
        members.map(|member| member.rebalance_ms).max().unwrap_or(0)
    }

    fn have_all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.values().all(|member| member.join.is_waiting())
    }

    pub(super) fn try_complete_join(&mut self, now_ms: i64) {
        let is_complete = now_ms >= self.join_deadline_ms
            || now_ms >= self.not_before_ms && self.have_all_joined();
        if self.state == State::PreparingRebalance && is_complete {
            self.complete_join(now_ms);
        }
    }

    /// Begins the next generation with those who are there.
    fn complete_join(&mut self, now_ms: i64) {
        self.has_news = true;
        let late = self.members.iter();
        let late =
            late.filter(|(_, member)| member.instance.is_none() && !member.join.is_waiting());
        let late: Vec<_> = late.map(|(id, _)| id.clone()).collect();
        for id in late {
            tracing::info!(member = id, "a group's member did not join again in time");
            self.remove(&id);
        }
        if self.members.is_empty() {
            self.generation = self.generation.wrapping_add(1).max(0);
            self.state = State::Empty;
            self.empty_since_ms = now_ms;
            self.protocol = None;
            self.leader = None;
            return;
        }
        if !self.elect() {
            // Only static members are left, and none has come yet.
            self.join_deadline_ms = now_ms.saturating_add(self.rebalance_ms().max(1));
            return;
        }
        self.generation = self.generation.wrapping_add(1).max(0);
        self.protocol = self.vote();
        self.state = State::CompletingRebalance;
        self.unsynced = self.members.keys().cloned().collect();
        self.sync_deadline_ms = now_ms.saturating_add(self.rebalance_ms());
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id, false);
            let member = self.members.get_mut(&id).expect("nobody went");
            if member.join.is_waiting() {
                member.join = Awaited::Answered(Ok(joined));
                member.touch(now_ms);
            }
        }
    }

    /// Makes sure that the leader is one who has joined, if anybody has.
    fn elect(&mut self) -> bool {
        let has_joined = |id: &String| {
            let member = self.members.get(id);
            member.is_some_and(|member| member.join.is_waiting())
        };
        if !self.leader.as_ref().is_some_and(has_joined) {
            match self.members.keys().find(|id| has_joined(id)) {
                Some(id) => self.leader = Some(id.clone()),
                None => return false,
            }
        }
        true
    }

    /// Of the ways that all know the one that most would like best.
    pub(super) fn vote(&self) -> Option<String> {
        let is_known = |name: &str| {
            let mut members = self.members.values();
            members.all(|member| member.protocols.iter().any(|own| own.name == name))
        };
        let mut votes = Vec::<(&str, usize)>::new();
        for member in self.members.values() {
            let mut names = member.protocols.iter().map(|own| own.name.as_str());
            let Some(best) = names.find(|name| is_known(name)) else {
                continue;
            };
            match votes.iter_mut().find(|(name, _)| *name == best) {
                Some((_, count)) => *count += 1,
                None => votes.push((best, 1)),
            }
        }
        // Of several with the same count the first.
        let best = votes.iter().rev().max_by_key(|(_, count)| *count);
        best.map(|(name, _)| (*name).to_owned())
    }

    /// What a member learns of the generation that is.
    pub(super) fn joined(&self, id: &str, skips_assignment: bool) -> Joined {
        let protocol = self.protocol.clone().unwrap_or_default();
        let leader = self.leader.clone().unwrap_or_default();
        let member = |(id, member): (&String, &Member)| JoinedMember {
            id: id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(&protocol),
        };
        let members = if leader == id {
            self.members.iter().map(member).collect()
        } else {
            Vec::new()
        };
        Joined {
            member_id: id.to_owned(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol,
            leader,
            members,
            skips_assignment,
        }
    }

    /// A ticket for what a member waits for from now on.
    pub(super) fn ticket(&mut self, id: &str) -> Ticket {
        self.tickets += 1;
        let number = self.tickets;
        let member = self.members.get_mut(id);
        let instance = member.and_then(|member| {
            member.ticket = number;
            member.instance.clone()
        });
        Ticket {
            member_id: id.to_owned(),
            instance,
            number,
        }
    }

    /// The member that holds this ticket; or why nobody does any more.
    pub(super) fn holder(&mut self, ticket: &Ticket) -> Result<&mut Member, ErrorCode> {
        self.check_instance(&ticket.member_id, ticket.instance.as_deref())?;
        let member = self.members.get_mut(&ticket.member_id);
        let member = member.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        if member.ticket == ticket.number {
            Ok(member)
        } else {
            // The same member has asked again, on another connection most likely.
            Err(ErrorCode::REBALANCE_IN_PROGRESS)
        }
    }

    /// Whether a static member is still who it says it is.
    pub(super) fn check_instance(&self, id: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        let Some(instance) = instance else {
            return Ok(());
        };
        match self.statics.get(instance) {
            None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(held) if held == id => Ok(()),
            Some(_) => Err(ErrorCode::FENCED_INSTANCE_ID),
        }
    }
}
