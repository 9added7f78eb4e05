//! Faults on request, for tests: what a broker, its host or the network between might do.
//!
//! A fault is for one API, is armed with [`Faults::add`], and happens to the requests it fits, from
//! the one after [`Fault::skip`] on, as many times as [`Fault::times`] says. Several may be armed
//! at once; of those that fit the same request, each counts it, and the oldest one that is due
//! happens.
//!
//! [`Fault::topic`] and [`Fault::partition`] narrow errors of every API that speaks of topics, and
//! everything that happens to Produce. An error is counted each time it is given to a partition (or
//! topic, where the API has no partitions), everything else once a request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use protocol::error_code::ErrorCode;

/// Whether the request takes effect nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The fault comes first: nothing is appended, created or deleted.
    Before,
    /// The request takes effect first; only its answer suffers.
    After,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is answered with this code.
    Error(ErrorCode, When),
    /// It takes so much longer; the connection's next requests wait behind it.
    Delay(Duration, When),
    /// The connection is closed after so many bytes of the answer, its length prefix counted.
    Cut {
        /// Whether the request takes effect; without it there are no bytes of an answer.
        when: When,
        /// Bytes of the answer that are still sent.
        reply_bytes: usize,
    },
    /// Neither it nor anything behind it on its connection is answered; the connection stays open.
    Silence(When),
    /// Metadata tells of a topic who led its partitions before the last election, in the epoch of
    /// then. Counted by topic.
    FormerLeader,
}

/// What happens to new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Connects {
    /// They are served.
    #[default]
    Accept,
    /// They are accepted and never answered.
    HalfOpen,
    /// There is no listener: the kernel refuses them.
    Refuse,
}

/// A fault and the requests it happens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    api: ApiKey,
    topic: Option<String>,
    partition: Option<i32>,
    skip: u32,
    times: u32,
    action: Action,
}

impl Fault {
    /// Happens once, to the next request of this API.
    pub fn new(api: ApiKey, action: Action) -> Self {
        Self {
            api,
            topic: None,
            partition: None,
            skip: 0,
            times: 1,
            action,
        }
    }

    /// Only where this topic is spoken of.
    #[must_use]
    pub fn topic(mut self, topic: &str) -> Self {
        self.topic = Some(topic.to_owned());
        self
    }

    /// Only where this partition is spoken of.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Not to the first so many that it fits.
    #[must_use]
    pub fn skip(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    /// So many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Until it is removed.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }
}

/// A fault that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultId(u64);

#[derive(Debug)]
struct Armed {
    id: FaultId,
    fault: Fault,
    happened: u64,
}

#[derive(Debug, Default)]
struct Script {
    armed: Vec<Armed>,
    next_id: u64,
    connects: Connects,
}

/// The faults that are armed.
#[derive(Debug, Default)]
pub struct Faults {
    /// So that without faults no request takes the lock.
    is_armed: AtomicBool,
    script: Mutex<Script>,
}

/// What happens to one request, errors apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Effects {
    pub(crate) before: Option<Effect>,
    pub(crate) after: Option<Effect>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Delay(Duration),
    Cut { reply_bytes: usize },
    Silence,
}

impl Faults {
    /// Arms a fault.
    pub fn add(&self, fault: Fault) -> FaultId {
        let mut script = self.script();
        let id = FaultId(script.next_id);
        script.next_id += 1;
        script.armed.push(Armed {
            id,
            fault,
            happened: 0,
        });
        self.is_armed.store(true, Ordering::SeqCst);
        id
    }

    /// How often it has happened. A fault stays known when its times are over, until it is removed.
    pub fn happened(&self, id: FaultId) -> u64 {
        let script = self.script();
        script
            .armed
            .iter()
            .find(|armed| armed.id == id)
            .map_or(0, |armed| armed.happened)
    }

    /// Removes a fault.
    pub fn remove(&self, id: FaultId) {
        self.script().armed.retain(|armed| armed.id != id);
    }

    /// Removes every fault, and serves new connections.
    pub fn clear(&self) {
        let mut script = self.script();
        script.armed.clear();
        script.connects = Connects::Accept;
        self.is_armed.store(false, Ordering::SeqCst);
    }

    /// How new connections fare.
    pub(crate) fn connects(&self) -> Connects {
        self.script().connects
    }

    pub(crate) fn set_connects(&self, connects: Connects) {
        self.script().connects = connects;
    }

    pub(crate) fn is_armed(&self) -> bool {
        self.is_armed.load(Ordering::Relaxed)
    }

    /// The error that a partition's (or topic's) part of an answer is to have.
    pub(crate) fn error(
        &self,
        api: ApiKey,
        topic: Option<&str>,
        partition: Option<i32>,
    ) -> Option<(ErrorCode, When)> {
        if !self.is_armed() {
            return None;
        }
        let fits = |fault: &Fault| {
            matches!(fault.action, Action::Error(..))
                && fault.api == api
                && fault
                    .topic
                    .as_deref()
                    .is_none_or(|wanted| topic == Some(wanted))
                && fault
                    .partition
                    .is_none_or(|wanted| partition == Some(wanted))
        };
        match self.next(fits)? {
            Action::Error(code, when) => Some((code, when)),
            _ => None,
        }
    }

    /// Whether Metadata is to tell of this topic what was true before the last election.
    pub(crate) fn is_former_told(&self, topic: &str) -> bool {
        let fits = |fault: &Fault| {
            fault.action == Action::FormerLeader
                && fault.api == ApiKey::Metadata
                && fault.topic.as_deref().is_none_or(|wanted| wanted == topic)
        };
        self.is_armed() && self.next(fits).is_some()
    }

    /// What else happens to a request that speaks of these partitions.
    pub(crate) fn effects(&self, api: ApiKey, targets: &[(String, i32)]) -> Effects {
        if !self.is_armed() {
            return Effects::default();
        }
        let fits = |fault: &Fault, wanted: When| {
            let is_narrow = fault.topic.is_some() || fault.partition.is_some();
            let is_target = |(topic, partition): &(String, i32)| {
                fault.topic.as_ref().is_none_or(|wanted| topic == wanted)
                    && fault.partition.is_none_or(|wanted| *partition == wanted)
            };
            let when = match fault.action {
                Action::Error(..) | Action::FormerLeader => None,
                Action::Delay(_, when) | Action::Cut { when, .. } | Action::Silence(when) => {
                    Some(when)
                }
            };
            fault.api == api
                && when == Some(wanted)
                && (!is_narrow || targets.iter().any(is_target))
        };
        let effect = |when| {
            self.next(|fault| fits(fault, when))
                .and_then(|action| match action {
                    Action::Error(..) | Action::FormerLeader => None,
                    Action::Delay(by, _) => Some(Effect::Delay(by)),
                    Action::Cut { reply_bytes, .. } => Some(Effect::Cut { reply_bytes }),
                    Action::Silence(_) => Some(Effect::Silence),
                })
        };
        Effects {
            before: effect(When::Before),
            after: effect(When::After),
        }
    }

    /// Counts a request with every fault it fits; the oldest that is due happens.
    fn next(&self, fits: impl Fn(&Fault) -> bool) -> Option<Action> {
        let mut script = self.script();
        let mut due = None;
        for armed in script.armed.iter_mut().filter(|armed| fits(&armed.fault)) {
            if armed.fault.skip > 0 {
                armed.fault.skip -= 1;
            } else if armed.fault.times > 0 && due.is_none() {
                if armed.fault.times != u32::MAX {
                    armed.fault.times -= 1;
                }
                armed.happened += 1;
                due = Some(armed.fault.action);
            }
        }
        due
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_after_its_skips_and_as_often_as_it_says() {
        let faults = Faults::default();
        let error = Action::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER, When::Before);
        let id = faults.add(
            Fault::new(ApiKey::Produce, error)
                .topic("t")
                .skip(1)
                .times(2),
        );
        let ask = |topic| {
            faults
                .error(ApiKey::Produce, Some(topic), Some(0))
                .is_some()
        };
        let happened = [ask("t"), ask("u"), ask("t"), ask("t"), ask("t")];
        assert_eq!(happened, [false, false, true, true, false]);
        assert_eq!(faults.happened(id), 2);
        assert_eq!(faults.error(ApiKey::Fetch, Some("t"), Some(0)), None);
        faults.clear();
        assert!(!ask("t"));
    }

    #[test]
    fn effects_are_counted_by_request_and_may_be_narrowed() {
        let faults = Faults::default();
        let cut = Action::Cut {
            when: When::After,
            reply_bytes: 3,
        };
        faults.add(Fault::new(ApiKey::Produce, cut).partition(7));
        faults.add(
            Fault::new(ApiKey::Produce, Action::Silence(When::Before))
                .skip(1)
                .always(),
        );
        let of = |partition| faults.effects(ApiKey::Produce, &[("t".to_owned(), partition)]);
        assert_eq!(of(1), Effects::default());
        let after = Some(Effect::Cut { reply_bytes: 3 });
        assert_eq!(
            of(7),
            Effects {
                before: Some(Effect::Silence),
                after
            }
        );
        assert_eq!(
            of(7),
            Effects {
                before: Some(Effect::Silence),
                after: None
            }
        );
    }
}
