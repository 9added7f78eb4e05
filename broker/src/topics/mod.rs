//! The topics: by name and by id, their partitions and configuration.
//!
//! Invariants: a name belongs to at most one topic, an id never comes back. A topic stands in the
//! file before its folders are made and is struck from it before they are removed, so that a folder
//! without a line is left over from a death in between and is removed at the next start.

pub(crate) mod config;
mod file;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::{fs, io};

use protocol::error_code::ErrorCode;
use uuid::Uuid;

use crate::broker::NODE_ID;
use crate::config::Config;
use crate::error::BrokerError;
use crate::log::{DELETED_SUFFIX, LOG_START_FILE, PartitionLog, Place, RecoveryOptions};
use config::TopicConfig;
use file::TopicLine;

/// More would be somebody's mistake: each has a folder and a file.
pub(crate) const PARTITIONS_MAX: i32 = 100_000;

/// Who leads a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) node: i32,
    pub(crate) epoch: i32,
}

/// Who leads a partition, and who did before.
#[derive(Debug, Clone, Copy)]
struct Leaders {
    now: Leader,
    before: Leader,
}

/// A partition of a topic.
#[derive(Debug)]
pub(crate) struct Partition {
    place: Place,
    log: Mutex<PartitionLog>,
    /// Changed under the log's lock only; read without it, so that Metadata waits for no disk.
    leaders: Mutex<Leaders>,
    /// Records that the null peer took in and forgot.
    forgotten: AtomicI64,
}

impl Partition {
    fn new(place: Place, log: PartitionLog) -> Self {
        let leader = Leader {
            node: NODE_ID,
            epoch: log.leader_epoch(),
        };
        Self {
            place,
            log: Mutex::new(log),
            leaders: Mutex::new(Leaders {
                now: leader,
                before: leader,
            }),
            forgotten: AtomicI64::new(0),
        }
    }

    /// Who leads it.
    pub(crate) fn leader(&self) -> Leader {
        self.leaders().now
    }

    /// Who led it before the last election, as somebody knows it whom the news did not reach.
    pub(crate) fn former_leader(&self) -> Leader {
        self.leaders().before
    }

    /// Another leader, or the same again, in a new epoch; before that, what a truncation does.
    pub(crate) fn elect(&self, leader: Leader, elected: impl FnOnce(&mut PartitionLog)) {
        let mut log = self.log();
        elected(&mut log);
        log.lead(leader.epoch);
        let mut leaders = self.leaders();
        leaders.before = leaders.now;
        leaders.now = leader;
    }

    fn leaders(&self) -> MutexGuard<'_, Leaders> {
        self.leaders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, PartitionLog> {
        // A panic under the lock happens before anything is noted, so the log is still true.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts records that are forgotten, and returns the base offset they would have had.
    pub(crate) fn forget_records(&self, count: i64) -> i64 {
        self.forgotten.fetch_add(count, Ordering::Relaxed)
    }

    /// How many records were forgotten.
    pub(crate) fn forgotten(&self) -> i64 {
        self.forgotten.load(Ordering::Relaxed)
    }
}

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) config: TopicConfig,
    pub(crate) partitions: Vec<Arc<Partition>>,
}

impl Topic {
    pub(crate) fn partition(&self, index: i32) -> Option<&Arc<Partition>> {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.partitions.get(index))
    }

    fn line(&self) -> TopicLine {
        TopicLine {
            name: self.name.clone(),
            id: self.id,
            partitions: self.partitions.len() as i32,
            config: self.config.overrides().clone(),
        }
    }
}

/// Why a topic cannot be created or deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TopicError {
    #[error("topic {0:?} already exists")]
    Exists(String),
    #[error("topic name {0:?} is illegal: 1 to 249 of letters, digits, '.', '_' and '-'")]
    Name(String),
    #[error("{0} partitions: there must be 1 to {PARTITIONS_MAX}")]
    Partitions(i32),
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    #[error("topic {0:?} does not exist")]
    Unknown(String),
    #[error("topic {name:?} has {partitions} partitions; it can only get more, not {asked}")]
    NotMore {
        name: String,
        partitions: i32,
        asked: i32,
    },
    #[error("cannot store the topic: {0}")]
    Storage(String),
}

impl TopicError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Exists(_) => ErrorCode::TOPIC_ALREADY_EXISTS,
            Self::Name(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
            Self::Partitions(_) | Self::NotMore { .. } => ErrorCode::INVALID_PARTITIONS,
            Self::Config(_) => ErrorCode::INVALID_CONFIG,
            Self::Unknown(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Self::Storage(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Topics {
    /// None keeps everything in memory.
    folder: Option<PathBuf>,
    known: RwLock<Known>,
    /// Held while topics are created and deleted, so that readers wait for no disk.
    changing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    by_name: BTreeMap<String, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

impl Topics {
    /// No topics, kept in memory.
    pub(crate) fn in_memory() -> Self {
        Self {
            folder: None,
            known: RwLock::default(),
            changing: Mutex::new(()),
        }
    }

    /// The topics of a data directory.
    pub(crate) fn open(
        folder: &Path,
        config: &Config,
        options: RecoveryOptions,
    ) -> Result<Self, BrokerError> {
        let topics = Self {
            folder: Some(folder.to_owned()),
            ..Self::in_memory()
        };
        let path = topics_path(folder);
        let lines = file::read(&path)?;
        remove_orphans(folder, &lines).map_err(BrokerError::file("clean up", folder))?;
        for line in lines {
            let damaged = |reason: String| BrokerError::Damaged {
                path: path.clone(),
                place: format!("topic {}", line.name),
                reason,
            };
            let topic_config = TopicConfig::new(line.config, config);
            let topic_config = topic_config.map_err(|error| damaged(error.to_string()))?;
            let mut partitions = Vec::new();
            for index in 0..line.partitions {
                let folder = partition_folder(folder, &line.name, index);
                let log = PartitionLog::open(&folder, options)?;
                partitions.push(Arc::new(Partition::new(Place::Folder(folder), log)));
            }
            let (name, id) = (line.name, line.id);
            topics.publish(Topic {
                name,
                id,
                config: topic_config,
                partitions,
            });
        }
        Ok(topics)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<Topic>> {
        self.known().by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.known().by_id.get(&id).cloned()
    }

    /// Every topic, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.known().by_name.values().cloned().collect()
    }

    /// Checks what [`Self::create`] would refuse.
    pub(crate) fn check(&self, name: &str, partitions: i32) -> Result<(), TopicError> {
        if !is_legal(name) {
            return Err(TopicError::Name(name.to_owned()));
        }
        if self.by_name(name).is_some() {
            return Err(TopicError::Exists(name.to_owned()));
        }
        if !(1..=PARTITIONS_MAX).contains(&partitions) {
            return Err(TopicError::Partitions(partitions));
        }
        Ok(())
    }

    /// Creates a topic.
    pub(crate) fn create(
        &self,
        name: &str,
        partitions: i32,
        config: TopicConfig,
        options: RecoveryOptions,
    ) -> Result<Arc<Topic>, TopicError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.check(name, partitions)?;
        let id = random_id();
        let overrides = config.overrides().clone();
        let line = TopicLine {
            name: name.to_owned(),
            id,
            partitions,
            config: overrides,
        };
        let mut lines = self.lines();
        lines.push(line.clone());
        let storage = |error: &dyn std::error::Error| TopicError::Storage(error.to_string());
        self.write(&lines).map_err(|error| storage(&error))?;
        match self.make_partitions(&line, 0, options) {
            Ok(partitions) => Ok(self.publish(Topic {
                name: line.name,
                id,
                config,
                partitions,
            })),
            Err(error) => {
                // What folders there are now are removed at the next start.
                self.write(&self.lines()).map_err(|error| storage(&error))?;
                Err(storage(&error))
            }
        }
    }

    /// Makes the partitions of a topic from `first` on.
    fn make_partitions(
        &self,
        line: &TopicLine,
        first: i32,
        options: RecoveryOptions,
    ) -> Result<Vec<Arc<Partition>>, BrokerError> {
        let make = |index| match &self.folder {
            None => Ok(Partition::new(
                Place::Memory,
                PartitionLog::in_memory(options),
            )),
            Some(folder) => {
                let folder = partition_folder(folder, &line.name, index);
                let log = PartitionLog::open(&folder, options)?;
                Ok(Partition::new(Place::Folder(folder), log))
            }
        };
        let partitions = (first..line.partitions).map(|index| make(index).map(Arc::new));
        partitions.collect()
    }

    /// Checks what [`Self::grow`] would refuse, and says which topic it is about.
    pub(crate) fn check_growth(&self, name: &str, asked: i32) -> Result<Arc<Topic>, TopicError> {
        let unknown = || TopicError::Unknown(name.to_owned());
        let topic = self.by_name(name).ok_or_else(unknown)?;
        let partitions = topic.partitions.len() as i32;
        if asked > PARTITIONS_MAX {
            return Err(TopicError::Partitions(asked));
        }
        if asked <= partitions {
            let name = name.to_owned();
            return Err(TopicError::NotMore {
                name,
                partitions,
                asked,
            });
        }
        Ok(topic)
    }

    /// Gives a topic more partitions. Who still holds the topic as it was goes on with those.
    pub(crate) fn grow(
        &self,
        name: &str,
        partitions: i32,
        options: RecoveryOptions,
    ) -> Result<(), TopicError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let topic = self.check_growth(name, partitions)?;
        let first = topic.partitions.len() as i32;
        let line = TopicLine {
            partitions,
            ..topic.line()
        };
        let storage = |error: &dyn std::error::Error| TopicError::Storage(error.to_string());
        self.write_with(&line).map_err(|error| storage(&error))?;
        let added = match self.make_partitions(&line, first, options) {
            Ok(added) => added,
            Err(error) => {
                // What folders there are now are removed at the next start.
                self.write(&self.lines()).map_err(|error| storage(&error))?;
                return Err(storage(&error));
            }
        };
        self.publish(Topic {
            partitions: topic.partitions.iter().cloned().chain(added).collect(),
            name: line.name,
            id: topic.id,
            config: topic.config.clone(),
        });
        Ok(())
    }

    /// Changes a topic's configuration.
    pub(crate) fn reconfigure(
        &self,
        name: &str,
        change: impl FnOnce(&TopicConfig) -> Result<TopicConfig, TopicError>,
    ) -> Result<(), TopicError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || TopicError::Unknown(name.to_owned());
        let topic = self.by_name(name).ok_or_else(unknown)?;
        let config = change(&topic.config)?;
        let line = TopicLine {
            config: config.overrides().clone(),
            ..topic.line()
        };
        self.write_with(&line)
            .map_err(|error| TopicError::Storage(error.to_string()))?;
        self.publish(Topic {
            name: line.name,
            id: topic.id,
            config,
            partitions: topic.partitions.clone(),
        });
        Ok(())
    }

    /// Writes the topics with this line in the place of the topic's.
    fn write_with(&self, line: &TopicLine) -> io::Result<()> {
        let mut lines = self.lines();
        lines.retain(|other| other.name != line.name);
        lines.push(line.clone());
        self.write(&lines)
    }

    /// Deletes a topic and what is in it. Who still holds it is refused from now on.
    pub(crate) fn delete(&self, topic: &Topic) -> Result<(), TopicError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        // The caller's may be from before it grew.
        let unknown = || TopicError::Unknown(topic.name.clone());
        let topic = self.by_id(topic.id).ok_or_else(unknown)?;
        let mut lines = self.lines();
        lines.retain(|line| line.id != topic.id);
        self.write(&lines)
            .map_err(|error| TopicError::Storage(error.to_string()))?;
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.by_name.remove(&topic.name);
            known.by_id.remove(&topic.id);
        }
        for partition in &topic.partitions {
            partition.log().close(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            if let Err(error) = partition.place.remove() {
                tracing::warn!(topic = topic.name, %error, "cannot remove a deleted partition");
            }
        }
        Ok(())
    }

    fn publish(&self, topic: Topic) -> Arc<Topic> {
        let topic = Arc::new(topic);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.by_id.insert(topic.id, Arc::clone(&topic));
        known.by_name.insert(topic.name.clone(), Arc::clone(&topic));
        topic
    }

    fn lines(&self) -> Vec<TopicLine> {
        self.known()
            .by_name
            .values()
            .map(|topic| topic.line())
            .collect()
    }

    fn write(&self, lines: &[TopicLine]) -> io::Result<()> {
        match &self.folder {
            None => Ok(()),
            Some(folder) => file::write(&topics_path(folder), lines),
        }
    }

    fn known(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An id that no other topic has: 122 random bits, version 4.
pub(crate) fn random_id() -> Uuid {
    use std::hash::{BuildHasher, RandomState};
    // The only source of randomness in the standard library; every call gives other keys.
    let half = || u128::from(RandomState::new().hash_one(0));
    uuid::Builder::from_random_bytes(((half() << 64) | half()).to_be_bytes()).into_uuid()
}

/// Apache's rule for names.
fn is_legal(name: &str) -> bool {
    let is_legal_char = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=249).contains(&name.len())
        && name != "."
        && name != ".."
        && name.bytes().all(is_legal_char)
}

fn topics_path(folder: &Path) -> PathBuf {
    folder.join("topics")
}

fn partition_folder(folder: &Path, topic: &str, index: i32) -> PathBuf {
    folder.join(format!("{topic}-{index}"))
}

/// Removes folders of partitions that belong to no topic: left by a death in a creation or
/// deletion. Only folders that hold nothing but what a log has are touched.
fn remove_orphans(folder: &Path, lines: &[TopicLine]) -> io::Result<()> {
    let is_known = |name: &str| {
        name.rsplit_once('-').is_some_and(|(topic, index)| {
            let index = index.parse::<i32>().unwrap_or(-1);
            lines
                .iter()
                .any(|line| line.name == topic && (0..line.partitions).contains(&index))
        })
    };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|_| entry.path().is_dir()) else {
            continue;
        };
        let of_partition = name.strip_suffix(DELETED_SUFFIX).unwrap_or(name);
        let looks_like_ours = of_partition
            .rsplit_once('-')
            .is_some_and(|(topic, index)| is_legal(topic) && index.parse::<i32>().is_ok());
        if looks_like_ours && !is_known(name) && holds_only_a_log(&entry.path())? {
            tracing::info!(
                folder = name,
                "removing what is left of a deleted partition"
            );
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn holds_only_a_log(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_str().unwrap_or_default();
        let is_start = name.strip_suffix(".new").unwrap_or(name) == LOG_START_FILE;
        let number = name.strip_suffix(".log");
        let is_segment =
            number.is_some_and(|number| number.len() == 20 && number.parse::<i64>().is_ok());
        if !is_start && !is_segment {
            return Ok(false);
        }
    }
    Ok(true)
}
