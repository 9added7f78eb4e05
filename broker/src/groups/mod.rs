//! Consumer groups, and groups of any other protocol type: who is in them, and what they committed.
//!
//! ```text
//! group    members and rebalances      join, sync    what members ask
//! offsets  who may commit              store         the file of committed offsets
//! ```
//!
//! Offsets survive the broker's death; members do not: they are told UNKNOWN_MEMBER_ID by the next
//! broker and join again, as clients do. A group without members and offsets is forgotten after ten
//! minutes. Offsets do not expire.
//!
//! Nothing here has a thread: what time-outs bring about is carried out when somebody asks, and
//! those who wait ask again when it is due.

mod group;
mod join;
mod offsets;
mod store;
mod sync;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use protocol::error_code::ErrorCode;

use crate::error::BrokerError;
use crate::topics::random_id;
use store::{Note, Store};

pub(crate) use group::{Group, Joined, JoinedMember, Member, Protocol, State, Ticket};
pub(crate) use join::{JoinRequest, Joining, NotJoined};
pub(crate) use store::Committed;
pub(crate) use sync::{Claim, Syncing};

/// Groups that there may be.
const GROUPS_MAX: usize = 100_000;
/// Who waits looks again after so long at the latest.
const LOOK_AGAIN_MS: i64 = 30_000;

/// An offset to commit.
pub(crate) type Commit = (String, i32, Committed);

/// All groups.
#[derive(Debug)]
pub(crate) struct Groups {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    by_name: BTreeMap<String, Group>,
    store: Store,
    /// `group.initial.rebalance.delay.ms`
    initial_delay_ms: i64,
}

/// The groups, locked, at a moment: what was due by then is done.
#[derive(Debug)]
pub(crate) struct Open<'a> {
    inner: MutexGuard<'a, Inner>,
    now_ms: i64,
}

impl Groups {
    pub(crate) fn in_memory(initial_delay_ms: i64) -> Self {
        Self::with(BTreeMap::new(), Store::in_memory(), initial_delay_ms)
    }

    /// The groups of a data directory.
    pub(crate) fn open(
        folder: &Path,
        syncs: bool,
        initial_delay_ms: i64,
    ) -> Result<Self, BrokerError> {
        let mut by_name = BTreeMap::<String, Group>::new();
        let mut take = |name: &str, note| {
            let group = by_name
                .entry(name.to_owned())
                .or_insert_with(|| Group::new(initial_delay_ms));
            match note {
                Note::Committed(topic, partition, committed) => {
                    group.offsets.insert((topic, partition), committed);
                }
                Note::Forgotten(topic, partition) => {
                    group.offsets.remove(&(topic, partition));
                }
                Note::ProtocolType(protocol_type) => group.protocol_type = protocol_type,
                Note::Gone => group.offsets.clear(),
            }
        };
        let store = Store::open(&folder.join("group-offsets"), syncs, &mut take)?;
        by_name.retain(|_, group| !group.is_nothing(0));
        Ok(Self::with(by_name, store, initial_delay_ms))
    }

    fn with(by_name: BTreeMap<String, Group>, store: Store, initial_delay_ms: i64) -> Self {
        Self {
            inner: Mutex::new(Inner {
                by_name,
                store,
                initial_delay_ms,
            }),
        }
    }

    /// Locks the groups and carries out what is due.
    pub(crate) fn at(&self, now_ms: i64) -> Open<'_> {
        // A panic under the lock leaves a member's state at worst, which its time-out repairs.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for group in inner.by_name.values_mut() {
            group.tick(now_ms);
        }
        inner.by_name.retain(|_, group| !group.is_nothing(now_ms));
        Open { inner, now_ms }
    }

    /// Makes what was committed survive a power loss. From now on nothing can be committed.
    pub(crate) fn close(&self) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.store.close()
    }
}

impl Open<'_> {
    /// A group, if there is one.
    pub(crate) fn group(&self, name: &str) -> Option<&Group> {
        self.inner.by_name.get(name)
    }

    /// Every group, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &Group)> {
        self.inner.by_name.iter()
    }

    fn known(&mut self, name: &str, otherwise: ErrorCode) -> Result<&mut Group, ErrorCode> {
        self.inner.by_name.get_mut(name).ok_or(otherwise)
    }

    fn made(&mut self, name: &str) -> Result<&mut Group, ErrorCode> {
        let inner = &mut *self.inner;
        if inner.by_name.len() >= GROUPS_MAX && !inner.by_name.contains_key(name) {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        let group = inner.by_name.entry(name.to_owned());
        Ok(group.or_insert_with(|| Group::new(inner.initial_delay_ms)))
    }

    /// Takes a member in.
    pub(crate) fn join(&mut self, name: &str, request: JoinRequest) -> Joining {
        let now_ms = self.now_ms;
        let refused = |code, member_id: &str| {
            Joining::Refused(NotJoined {
                code,
                member_id: member_id.to_owned(),
            })
        };
        let member_id = request.member_id.clone();
        let group = if member_id.is_empty() {
            self.made(name)
        } else {
            self.known(name, ErrorCode::UNKNOWN_MEMBER_ID)
        };
        let group = match group {
            Ok(group) => group,
            Err(code) => return refused(code, &member_id),
        };
        let prefix = request.instance.as_ref().unwrap_or(&request.client_id);
        let new_id = format!("{prefix}-{}", random_id());
        match group.join(now_ms, request, new_id) {
            Joining::Wait(ticket) => match group.poll_join(&ticket) {
                Some(Ok(joined)) => Joining::Joined(joined),
                Some(Err(code)) => refused(code, &ticket.member_id),
                None => Joining::Wait(ticket),
            },
            done => done,
        }
    }

    /// What has become of who waits to join.
    pub(crate) fn poll_join(&mut self, name: &str, ticket: &Ticket) -> Joining {
        let polled = match self.known(name, ErrorCode::UNKNOWN_MEMBER_ID) {
            Ok(group) => group.poll_join(ticket),
            Err(code) => Some(Err(code)),
        };
        match polled {
            None => Joining::Wait(ticket.clone()),
            Some(Ok(joined)) => Joining::Joined(joined),
            Some(Err(code)) => Joining::Refused(NotJoined {
                code,
                member_id: ticket.member_id.clone(),
            }),
        }
    }

    /// A member asks for its assignment; the leader brings everybody's.
    pub(crate) fn sync(
        &mut self,
        name: &str,
        claim: Claim<'_>,
        assignments: Vec<(String, Bytes)>,
    ) -> Result<Syncing, ErrorCode> {
        let now_ms = self.now_ms;
        let group = self.known(name, ErrorCode::UNKNOWN_MEMBER_ID)?;
        let ticket = match group.sync(now_ms, claim, assignments)? {
            Syncing::Wait(ticket) => ticket,
            assigned => return Ok(assigned),
        };
        if group.state == State::Stable {
            let protocol_type = group.protocol_type.clone();
            self.remember(name, &[Note::ProtocolType(protocol_type)]);
        }
        self.poll_sync(name, ticket)
    }

    /// What has become of who waits for its assignment.
    pub(crate) fn poll_sync(&mut self, name: &str, ticket: Ticket) -> Result<Syncing, ErrorCode> {
        let group = self.known(name, ErrorCode::UNKNOWN_MEMBER_ID)?;
        match group.poll_sync(&ticket) {
            None => Ok(Syncing::Wait(ticket)),
            Some(assignment) => assignment.map(Syncing::Assigned),
        }
    }

    /// The protocol that a group agreed on.
    pub(crate) fn protocol(&self, name: &str) -> Option<(&str, &str)> {
        let group = self.group(name)?;
        Some((&group.protocol_type, group.protocol.as_deref()?))
    }

    /// When who waits in a group should ask again at the latest.
    pub(crate) fn ask_again_ms(&self, name: &str) -> i64 {
        let deadline = self.group(name).map_or(self.now_ms, Group::deadline);
        deadline.min(self.now_ms.saturating_add(LOOK_AGAIN_MS))
    }

    /// A member says that it is there.
    pub(crate) fn heartbeat(&mut self, name: &str, claim: Claim<'_>) -> Result<(), ErrorCode> {
        let now_ms = self.now_ms;
        let group = self.known(name, ErrorCode::UNKNOWN_MEMBER_ID)?;
        group.heartbeat(now_ms, claim)
    }

    /// A member goes, or is sent.
    pub(crate) fn leave(
        &mut self,
        name: &str,
        member_id: &str,
        instance: Option<&str>,
    ) -> Result<(), ErrorCode> {
        let now_ms = self.now_ms;
        let group = self.known(name, ErrorCode::UNKNOWN_MEMBER_ID)?;
        group.leave(now_ms, member_id, instance)
    }

    /// Whether who claims this may commit to the group; if there is none, a member is told
    /// `otherwise`.
    pub(crate) fn check_commit(
        &mut self,
        name: &str,
        claim: Claim<'_>,
        otherwise: ErrorCode,
    ) -> Result<(), ErrorCode> {
        let now_ms = self.now_ms;
        let group = if claim.generation < 0 {
            self.made(name)?
        } else {
            self.known(name, otherwise)?
        };
        group.check_commit(now_ms, claim)
    }

    /// Commits offsets, all or none.
    pub(crate) fn commit(&mut self, name: &str, commits: Vec<Commit>) -> Result<(), ErrorCode> {
        if commits.is_empty() {
            return Ok(());
        }
        let note = |(topic, partition, committed)| Note::Committed(topic, partition, committed);
        let notes: Vec<_> = commits.into_iter().map(note).collect();
        self.store(name, &notes)?;
        let group = self.made(name)?;
        for note in notes {
            if let Note::Committed(topic, partition, committed) = note {
                group.offsets.insert((topic, partition), committed);
            }
        }
        self.renew_if_worn();
        Ok(())
    }

    /// Forgets offsets of partitions; says of each whether it could.
    pub(crate) fn forget(
        &mut self,
        name: &str,
        partitions: &[(String, i32)],
    ) -> Result<Vec<ErrorCode>, ErrorCode> {
        let group = self.known(name, ErrorCode::GROUP_ID_NOT_FOUND)?;
        let subscribed = group.subscribed()?;
        let is_free = |(topic, _): &&(String, i32)| !subscribed.contains(topic);
        let free: Vec<_> = partitions.iter().filter(is_free).cloned().collect();
        let codes = partitions
            .iter()
            .map(|partition| match is_free(&partition) {
                true => ErrorCode::NONE,
                false => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
            });
        let codes = codes.collect();
        let note = |(topic, partition): &(String, i32)| Note::Forgotten(topic.clone(), *partition);
        let notes: Vec<_> = free.iter().map(note).collect();
        self.store(name, &notes)?;
        let group = self.known(name, ErrorCode::GROUP_ID_NOT_FOUND)?;
        for partition in free {
            group.offsets.remove(&partition);
        }
        Ok(codes)
    }

    /// Deletes a group without members, with its offsets.
    pub(crate) fn delete(&mut self, name: &str) -> Result<(), ErrorCode> {
        let group = self.known(name, ErrorCode::GROUP_ID_NOT_FOUND)?;
        if group.state != State::Empty || !group.pending.is_empty() {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        self.store(name, &[Note::Gone])?;
        self.inner.by_name.remove(name);
        Ok(())
    }

    /// A topic is deleted: no group has an offset in it any more.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        let mut notes = Vec::new();
        for (name, group) in &mut self.inner.by_name {
            group.offsets.retain(|(of, partition), _| {
                if of == topic {
                    notes.push((name.clone(), Note::Forgotten(of.clone(), *partition)));
                }
                of != topic
            });
        }
        let notes = notes.iter().map(|(name, note)| (name.as_str(), note));
        if let Err(error) = self.inner.store.append(notes) {
            tracing::warn!(topic, %error, "offsets of a deleted topic may come back");
        }
    }

    /// Ends what was asked; says whether somebody who waits may have an answer now.
    pub(crate) fn finish(mut self) -> bool {
        let now_ms = self.now_ms;
        let groups = &mut self.inner.by_name;
        groups.retain(|_, group| !group.is_nothing(now_ms));
        let mut has_news = false;
        for group in self.inner.by_name.values_mut() {
            has_news |= std::mem::take(&mut group.has_news);
        }
        has_news
    }

    fn store(&mut self, name: &str, notes: &[Note]) -> Result<(), ErrorCode> {
        let stored = self
            .inner
            .store
            .append(notes.iter().map(|note| (name, note)));
        stored.map_err(|error| {
            tracing::error!(group = name, %error, "cannot store what a group committed");
            ErrorCode::KAFKA_STORAGE_ERROR
        })
    }

    /// The same of what a restart may forget.
    fn remember(&mut self, name: &str, notes: &[Note]) {
        if let Err(code) = self.store(name, notes) {
            tracing::warn!(group = name, %code, "a restart will forget the protocol type");
        }
    }

    fn renew_if_worn(&mut self) {
        let Inner { by_name, store, .. } = &mut *self.inner;
        if !store.is_worn() {
            return;
        }
        let groups = by_name.iter().map(|(name, group)| {
            let of_type = Note::ProtocolType(group.protocol_type.clone());
            let offsets = group.offsets.iter().map(|((topic, partition), committed)| {
                Note::Committed(topic.clone(), *partition, committed.clone())
            });
            (
                name.as_str(),
                [of_type].into_iter().chain(offsets).collect::<Vec<_>>(),
            )
        });
        // It stays as it is then, and is tried again at the next commit.
        if let Err(error) = store.renew(groups) {
            tracing::warn!(%error, "cannot write the file of offsets anew");
        }
    }
}

#[cfg(test)]
mod tests;
