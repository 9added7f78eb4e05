//! What all connections share: the topics, who the broker is, and the news of appends.
//!
//! Nothing in here knows of sockets: [`Session`](crate::session::Session) takes requests and gives
//! answers as bytes, so that tests drive a broker over whatever they like.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::error_code::ErrorCode;

use crate::clock::Clock;
use crate::config::{Config, Storage};
use crate::error::BrokerError;
use crate::faults::Faults;
use crate::identity::{DirectoryLock, Identity, put_clean_mark, take_clean_mark};
use crate::log::RecoveryOptions;
use crate::session::Session;
use crate::topics::Topics;

/// The id of the only node.
pub const NODE_ID: i32 = 1;

/// A broker without its sockets.
#[derive(Debug)]
pub struct Broker {
    pub(crate) config: Config,
    pub(crate) topics: Topics,
    pub(crate) faults: Faults,
    clock: Clock,
    identity: Mutex<Identity>,
    cluster_id: String,
    leader_epoch: i32,
    advertised: Mutex<(String, u16)>,
    news: News,
    next_expiration_ms: AtomicI64,
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
        let (identity, topics, directory) = match directory {
            None => (Identity::in_memory(), Topics::in_memory(), None),
            Some(path) => {
                let lock = DirectoryLock::take(&path)?;
                let options = RecoveryOptions {
                    is_clean: take_clean_mark(&path)?,
                    now_ms: clock.now_ms(),
                    producer_id_expiration_ms: millis(config.producer_id_expiration),
                };
                let identity = Identity::open(&path)?;
                (
                    identity,
                    Topics::open(&path, &config, options)?,
                    Some((path, lock)),
                )
            }
        };
        let advertised = config.advertised.clone();
        let check_interval = millis(config.producer_id_expiration_check_interval);
        let next_check = clock.now_ms().saturating_add(check_interval);
        Ok(Arc::new(Self {
            advertised: Mutex::new(advertised.unwrap_or(("127.0.0.1".to_owned(), 9092))),
            config,
            topics,
            faults: Faults::default(),
            clock,
            cluster_id: identity.cluster_id.clone(),
            leader_epoch: identity.starts,
            identity: Mutex::new(identity),
            news: News::default(),
            next_expiration_ms: AtomicI64::new(next_check),
            directory: Mutex::new(directory),
        }))
    }

    /// A connection's side of the conversation.
    pub fn session(self: &Arc<Self>) -> Session {
        Session::new(Arc::clone(self))
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
        let mut synced = Ok(());
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

    /// The epoch of every partition's leader: it grows with every start.
    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Where clients are told to connect to.
    pub(crate) fn advertised(&self) -> (String, u16) {
        self.advertised
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sets where clients are told to connect to, unless the configuration says it.
    pub(crate) fn set_listener(&self, host: String, port: u16) {
        if self.config.advertised.is_none() {
            *self
                .advertised
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = (host, port);
        }
    }

    /// A producer id that was never given out here.
    pub(crate) fn next_producer_id(&self) -> std::io::Result<i64> {
        self.identity
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next_producer_id()
    }

    /// What a new partition's log is opened with.
    pub(crate) fn recovery_options(&self) -> RecoveryOptions {
        RecoveryOptions {
            is_clean: true,
            now_ms: self.now_ms(),
            producer_id_expiration_ms: millis(self.config.producer_id_expiration),
        }
    }

    /// Forgets producers when the check interval is over. Asked before every request that could
    /// tell the difference, so that no thread is needed for it.
    pub(crate) fn expire_producers(&self) {
        let now = self.now_ms();
        let due = self.next_expiration_ms.load(Ordering::Relaxed);
        if now < due {
            return;
        }
        let interval = millis(self.config.producer_id_expiration_check_interval);
        let next = now.saturating_add(interval);
        let ours = self.next_expiration_ms.compare_exchange(
            due,
            next,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if ours.is_ok() {
            let expiration = millis(self.config.producer_id_expiration);
            for topic in self.topics.all() {
                for partition in &topic.partitions {
                    partition.log().expire_producers(now, expiration);
                }
            }
        }
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
