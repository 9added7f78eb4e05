//! Who the broker is, across restarts, and the lock on its directory.
//!
//! ```text
//! DATA/.lock              locked while a broker runs; holds its process id
//! DATA/meta.properties    cluster.id, leader.epoch, next.producer.id, and a checksum
//! DATA/.clean             there after an orderly shutdown, gone while a broker runs
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str;

use rustix::fs::FlockOperation;

use crate::error::BrokerError;
use crate::sealed::{self, replace_file};
use crate::topics::random_id;

/// Producer ids are taken from the file so many at a time: a killed broker loses the rest of a
/// block, but never gives an id out twice.
const PRODUCER_ID_BLOCK: i64 = 1000;

/// Who the broker is.
#[derive(Debug)]
pub(crate) struct Identity {
    /// None keeps it in memory.
    path: Option<PathBuf>,
    pub(crate) cluster_id: String,
    /// The newest leader epoch that was given out here: every start takes one for all partitions,
    /// every election one for its own.
    pub(crate) leader_epoch: i32,
    next_producer_id: i64,
    /// The first producer id that is not ours to give out.
    producer_ids_end: i64,
}

impl Identity {
    pub(crate) fn in_memory() -> Self {
        Self {
            path: None,
            cluster_id: cluster_id(),
            leader_epoch: 0,
            next_producer_id: 0,
            producer_ids_end: 0,
        }
    }

    /// Reads who the broker is, or makes it up, and counts this start.
    pub(crate) fn open(folder: &Path) -> Result<Self, BrokerError> {
        let path = folder.join("meta.properties");
        let mut identity = match fs::read(&path) {
            Ok(bytes) => Self::parse(&path, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self {
                leader_epoch: -1,
                ..Self::in_memory()
            },
            Err(error) => return Err(BrokerError::file("read", &path)(error)),
        };
        identity.leader_epoch = identity.leader_epoch.saturating_add(1);
        identity.path = Some(path.clone());
        identity.write().map_err(BrokerError::file("write", path))?;
        Ok(identity)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, BrokerError> {
        let text = match sealed::open(bytes) {
            Ok(text) => text,
            // The first version had no checksum, and its last key is one that none is without.
            Err(_) if is_of_first_version(bytes) => str::from_utf8(bytes).unwrap_or_default(),
            Err(reason) => {
                return Err(BrokerError::Damaged {
                    path: path.to_owned(),
                    place: "its text".to_owned(),
                    reason: reason.to_owned(),
                });
            }
        };
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .map(str::trim)
                .filter(|value| !value.is_empty())
        };
        let damaged = |key: &str| BrokerError::Damaged {
            path: path.to_owned(),
            place: key.to_owned(),
            reason: "the key is missing or its value is none of ours".to_owned(),
        };
        let number = |key| {
            value(key)
                .and_then(|value| value.parse::<i64>().ok())
                .ok_or_else(|| damaged(key))
        };
        let next_producer_id = number("next.producer.id")?;
        let epoch = number("leader.epoch").or_else(|_| number("starts"))?;
        Ok(Self {
            path: None,
            cluster_id: value("cluster.id")
                .ok_or_else(|| damaged("cluster.id"))?
                .to_owned(),
            leader_epoch: i32::try_from(epoch).map_err(|_| damaged("leader.epoch"))?,
            next_producer_id,
            producer_ids_end: next_producer_id,
        })
    }

    /// A producer id that was never given out.
    pub(crate) fn next_producer_id(&mut self) -> io::Result<i64> {
        if self.next_producer_id == self.producer_ids_end {
            self.producer_ids_end += PRODUCER_ID_BLOCK;
            if let Err(error) = self.write() {
                self.producer_ids_end = self.next_producer_id;
                return Err(error);
            }
        }
        self.next_producer_id += 1;
        Ok(self.next_producer_id - 1)
    }

    /// A leader epoch newer than any before.
    pub(crate) fn next_leader_epoch(&mut self) -> io::Result<i32> {
        self.leader_epoch += 1;
        if let Err(error) = self.write() {
            self.leader_epoch -= 1;
            return Err(error);
        }
        Ok(self.leader_epoch)
    }

    fn write(&self) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let (cluster_id, epoch) = (&self.cluster_id, self.leader_epoch);
        let next = self.producer_ids_end;
        let text =
            format!("cluster.id={cluster_id}\nleader.epoch={epoch}\nnext.producer.id={next}\n");
        sealed::replace(path, text)
    }
}

/// Whether these are the three lines that were written before there was a checksum.
fn is_of_first_version(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else {
        return false;
    };
    let keys = ["cluster.id=", "starts=", "next.producer.id="];
    let lines: Vec<_> = text.lines().collect();
    lines.len() == keys.len()
        && lines
            .iter()
            .zip(keys)
            .all(|(line, key)| line.starts_with(key))
}

/// The lock on a data directory, for as long as it lives; the kernel lets go of it with the
/// process.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock, or says who has it.
    pub(crate) fn take(folder: &Path) -> Result<Self, BrokerError> {
        fs::create_dir_all(folder).map_err(BrokerError::file("create", folder))?;
        let path = folder.join(".lock");
        let options = &mut OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options
            .open(&path)
            .map_err(BrokerError::file("open", &path))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let read = file.read_to_string(&mut holder);
                let holder = read.ok().and_then(|_| holder.trim().parse().ok());
                return Err(BrokerError::Locked {
                    path: folder.to_owned(),
                    holder,
                });
            }
            Err(error) => return Err(BrokerError::file("lock", &path)(error.into())),
        }
        let pid = std::process::id();
        let written = file.set_len(0).and_then(|()| writeln!(file, "{pid}"));
        written.map_err(BrokerError::file("write", &path))?;
        Ok(Self { _file: file })
    }
}

/// Whether the last broker was shut down in order. From now on it was not.
pub(crate) fn take_clean_mark(folder: &Path) -> Result<bool, BrokerError> {
    let path = folder.join(".clean");
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(BrokerError::file("remove", path)(error)),
    }
}

/// Says that everything is on disk.
pub(crate) fn put_clean_mark(folder: &Path) -> io::Result<()> {
    replace_file(&folder.join(".clean"), b"")
}

/// 22 characters of URL-safe base64, as Kafka makes them.
fn cluster_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = random_id().as_u128();
    let char = |index: u32| char::from(ALPHABET[(bits >> (index * 6)) as usize & 63]);
    (0..22).map(char).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producer_ids_are_never_given_out_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut last = -1;
        for start in 0..4 {
            // Dropped without a word, as by a kill.
            let mut identity = Identity::open(folder.path()).unwrap();
            assert_eq!(identity.leader_epoch, start);
            for _ in 0..1500 {
                let id = identity.next_producer_id().unwrap();
                assert!(id > last);
                last = id;
            }
        }
    }

    #[test]
    fn the_cluster_id_stays() {
        let folder = tempfile::tempdir().unwrap();
        let first = Identity::open(folder.path()).unwrap().cluster_id;
        assert_eq!(first.len(), 22);
        assert_eq!(Identity::open(folder.path()).unwrap().cluster_id, first);
        let path = folder.path().join("meta.properties");
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(Identity::open(folder.path()).is_err(), "{at}");
        }
        let old = "cluster.id=x\nstarts=4\nnext.producer.id=1000\n";
        fs::write(&path, old).unwrap();
        assert_eq!(Identity::open(folder.path()).unwrap().leader_epoch, 5);
        fs::write(
            folder.path().join("meta.properties"),
            "cluster.id=x\nstarts=y\nnext.producer.id=0\n",
        )
        .unwrap();
        let error = Identity::open(folder.path()).unwrap_err();
        assert!(matches!(error, BrokerError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_directory_has_one_broker() {
        let folder = tempfile::tempdir().unwrap();
        let lock = DirectoryLock::take(folder.path()).unwrap();
        let error = DirectoryLock::take(folder.path()).unwrap_err();
        let expected = std::process::id();
        assert!(matches!(error, BrokerError::Locked { holder: Some(pid), .. } if pid == expected));
        drop(lock);
        DirectoryLock::take(folder.path()).unwrap();
    }
}
