//! What all connections share: the topics, who the broker is, and the news of appends.
//!
//! Nothing in here knows of sockets: [`Session`](crate::session::Session) takes requests and gives
//! answers as bytes, so that tests drive a broker over whatever they like.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::error_code::ErrorCode;

use crate::clock::Clock;
use crate::config::{Config, Storage};
use crate::error::BrokerError;
use crate::faults::Faults;
use crate::groups::Groups;
use crate::identity::{DirectoryLock, Identity, put_clean_mark, take_clean_mark};
use crate::log::{PartitionLog, RecoveryOptions};
use crate::session::Session;
use crate::topics::{Leader, Topics};

/// The id of the node that a broker is, and that leads every partition until one is moved.
pub const NODE_ID: i32 = 1;

/// A broker without its sockets.
#[derive(Debug)]
pub struct Broker {
    pub(crate) config: Config,
    pub(crate) topics: Topics,
    pub(crate) groups: Groups,
    pub(crate) faults: Faults,
    clock: Clock,
    identity: Mutex<Identity>,
    cluster_id: String,
    /// Where clients are told to connect to, by node. There is one but where a test pretends that
    /// there are more.
    nodes: Mutex<BTreeMap<i32, (String, u16)>>,
    news: News,
    next_expiration_ms: AtomicI64,
    next_retention_ms: AtomicI64,
    /// None in memory, or when closed.
    directory: Mutex<Option<(PathBuf, DirectoryLock)>>,
}

/// How often something was appended, for those who wait for it.
#[derive(Debug, Default)]
struct News {
    count: AtomicU64,
    waiters: Mutex<u32>,
    changed: Condvar,
}

impl Broker {
    /// Opens the data directory, or begins an empty broker in memory.
    pub fn open(config: Config) -> Result<Arc<Self>, BrokerError> {
        Self::with_clock(config, Clock::System)
    }

    /// The same with a clock of the caller's.
    pub fn with_clock(config: Config, clock: Clock) -> Result<Arc<Self>, BrokerError> {
        let directory = match &config.storage {
            Storage::Directory(path) if !config.discard => Some(path.clone()),
            _ => None,
        };
        let delay_ms = millis(config.group_initial_rebalance_delay);
        let (identity, topics, groups, directory) = match directory {
            None => (
                Identity::in_memory(),
                Topics::in_memory(),
                Groups::in_memory(delay_ms),
                None,
            ),
            Some(path) => {
                let lock = DirectoryLock::take(&path)?;
                let is_clean = take_clean_mark(&path)?;
                let identity = Identity::open(&path)?;
                let options = RecoveryOptions {
                    is_clean,
                    now_ms: clock.now_ms(),
                    producer_id_expiration_ms: millis(config.producer_id_expiration),
                    leader_epoch: identity.leader_epoch,
                };
                (
                    identity,
                    Topics::open(&path, &config, options)?,
                    Groups::open(&path, config.sync_appends, delay_ms)?,
                    Some((path, lock)),
                )
            }
        };
        let advertised = config.advertised.clone();
        let advertised = advertised.unwrap_or(("127.0.0.1".to_owned(), 9092));
        let first_after =
            |interval| AtomicI64::new(clock.now_ms().saturating_add(millis(interval)));
        Ok(Arc::new(Self {
            nodes: Mutex::new(BTreeMap::from([(NODE_ID, advertised)])),
            next_expiration_ms: first_after(config.producer_id_expiration_check_interval),
            next_retention_ms: first_after(config.retention_check_interval),
            config,
            topics,
            groups,
            faults: Faults::default(),
            clock,
            cluster_id: identity.cluster_id.clone(),
            identity: Mutex::new(identity),
            news: News::default(),
            directory: Mutex::new(directory),
        }))
    }

    /// A connection's side of the conversation.
    pub fn session(self: &Arc<Self>) -> Session {
        self.session_at(NODE_ID)
    }

    /// The same with this node of those that the broker pretends to be.
    pub fn session_at(self: &Arc<Self>, node: i32) -> Session {
        Session::new(Arc::clone(self), node)
    }

    /// Faults on request.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The clock that everything here goes by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The cluster's id, which stays with the data directory.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The offset that the next record of a partition gets; none if there is no such partition.
    pub fn end_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        let topic = self.topics.by_name(topic)?;
        let partition = topic.partition(partition)?;
        let end = partition.log().next_offset() + partition.forgotten();
        Some(end)
    }

    /// Forgets what is known of every producer, as if `producer.id.expiration.ms` were over.
    pub fn forget_producers(&self) {
        for topic in self.topics.all() {
            for partition in &topic.partitions {
                partition.log().forget_producers();
            }
        }
    }

    /// Moves the leadership of a partition to `node` (or leaves it there) in a new leader epoch, and
    /// returns the epoch; none if there is no such partition.
    ///
    /// What is simulated is an election among replicas that have everything: all nodes that the
    /// broker pretends to be read and write the same log, and a node that does not lead a partition
    /// refuses what is asked of it with NOT_LEADER_OR_FOLLOWER.
    pub fn elect(&self, topic: &str, partition: i32, node: i32) -> std::io::Result<Option<i32>> {
        self.elect_after(topic, partition, node, |_| Ok(()))
    }

    /// The same of a replica that was behind (an unclean election): the log's records from the
    /// batch that holds `offset` on are lost.
    pub fn elect_behind(
        &self,
        topic: &str,
        partition: i32,
        node: i32,
        offset: i64,
    ) -> std::io::Result<Option<i32>> {
        let now_ms = self.now_ms();
        self.elect_after(topic, partition, node, |log| log.truncate(offset, now_ms))
    }

    fn elect_after(
        &self,
        topic: &str,
        partition: i32,
        node: i32,
        before: impl FnOnce(&mut PartitionLog) -> std::io::Result<()>,
    ) -> std::io::Result<Option<i32>> {
        let topic = self.topics.by_name(topic);
        let Some(partition) = topic.as_ref().and_then(|topic| topic.partition(partition)) else {
            return Ok(None);
        };
        let epoch = self.identity().next_leader_epoch()?;
        let mut done = Ok(());
        partition.elect(Leader { node, epoch }, |log| done = before(log));
        // Who waits for records learns that he waits at the wrong place.
        self.announce();
        done.map(|()| Some(epoch))
    }

    /// Brings everything to disk and lets go of the data directory. Nothing is appended any more,
    /// so that another broker may open it even if somebody still holds this one.
    pub fn close(&self) {
        let directory = self
            .directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some((path, _lock)) = directory else {
            return;
        };
        let mut synced = self.groups.close();
        for topic in self.topics.all() {
            for partition in &topic.partitions {
                let mut log = partition.log();
                synced = synced.and(log.sync());
                log.close(ErrorCode::KAFKA_STORAGE_ERROR);
            }
        }
        if let Err(error) = synced.and_then(|()| put_clean_mark(&path)) {
            // The next start compares CRCs then.
            tracing::warn!(path = %path.display(), %error, "not shut down in order");
        }
    }

    /// How often something was appended so far: what [`Self::wait_for_news`] wants to hear.
    pub fn news(&self) -> u64 {
        self.news.count.load(Ordering::SeqCst)
    }

    /// Waits until something was appended since `seen`, at most so long.
    pub fn wait_for_news(&self, seen: u64, at_most: Duration) {
        let mut waiters = self.waiters();
        *waiters += 1;
        let unchanged = |_: &mut u32| self.news() == seen;
        let waited = self
            .news
            .changed
            .wait_timeout_while(waiters, at_most, unchanged);
        let (mut waiters, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *waiters -= 1;
    }

    /// Tells those who wait that something was appended, or that it is time to go.
    pub(crate) fn announce(&self) {
        self.news.count.fetch_add(1, Ordering::SeqCst);
        // Who counted himself before looking at the count is woken; who did not will see the count.
        if *self.waiters() > 0 {
            self.news.changed.notify_all();
        }
    }

    fn waiters(&self) -> MutexGuard<'_, u32> {
        self.news
            .waiters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The nodes, and where clients are told to connect to, by id.
    pub(crate) fn nodes(&self) -> Vec<(i32, String, u16)> {
        let node = |(&id, (host, port)): (&i32, &(String, u16))| (id, host.clone(), *port);
        self.known_nodes().iter().map(node).collect()
    }

    /// Sets where clients are told to find a node, unless the configuration says it.
    pub(crate) fn set_listener(&self, node: i32, host: String, port: u16) {
        if node != NODE_ID || self.config.advertised.is_none() {
            self.known_nodes().insert(node, (host, port));
        }
    }

    /// A node that was only pretended is no more. What it led has no leader that could be reached.
    pub(crate) fn remove_listener(&self, node: i32) {
        if node != NODE_ID {
            self.known_nodes().remove(&node);
        }
    }

    fn known_nodes(&self) -> MutexGuard<'_, BTreeMap<i32, (String, u16)>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn identity(&self) -> MutexGuard<'_, Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A producer id that was never given out here.
    pub(crate) fn next_producer_id(&self) -> std::io::Result<i64> {
        self.identity().next_producer_id()
    }

    /// What a new partition's log is opened with.
    pub(crate) fn recovery_options(&self) -> RecoveryOptions {
        RecoveryOptions {
            is_clean: true,
            now_ms: self.now_ms(),
            producer_id_expiration_ms: millis(self.config.producer_id_expiration),
            leader_epoch: self.identity().leader_epoch,
        }
    }

    /// Forgets producers when the check interval is over. Asked before every request that could
    /// tell the difference, so that no thread is needed for it.
    pub(crate) fn expire_producers(&self) {
        let interval = self.config.producer_id_expiration_check_interval;
        let Some(now) = self.is_due(&self.next_expiration_ms, interval) else {
            return;
        };
        let expiration = millis(self.config.producer_id_expiration);
        for topic in self.topics.all() {
            for partition in &topic.partitions {
                partition.log().expire_producers(now, expiration);
            }
        }
    }

    /// Removes what is too old or too much, when the check interval is over. Asked before every
    /// request and by the acceptor while there are none, so that no thread is needed for it.
    pub(crate) fn check_retention(&self) {
        let interval = self.config.retention_check_interval;
        let Some(now) = self.is_due(&self.next_retention_ms, interval) else {
            return;
        };
        for topic in self.topics.all() {
            for partition in &topic.partitions {
                partition.log().retain(topic.config.log, now);
            }
        }
    }

    /// The time, if what happens every `interval` is due; only one who asks is told so.
    fn is_due(&self, next: &AtomicI64, interval: Duration) -> Option<i64> {
        let now = self.now_ms();
        let due = next.load(Ordering::Relaxed);
        if now < due {
            return None;
        }
        let after = now.saturating_add(millis(interval));
        next.compare_exchange(due, after, Ordering::Relaxed, Ordering::Relaxed)
            .ok()
            .map(|_| now)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.close();
    }
}

/// Whole milliseconds, as the protocol counts time.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
