//! The records that the judge read, as it wrote them down: one file a partition.
//!
//! ```text
//! offset i64 | timestamp i64 | key | value | headers i32 | (name | value)…     all big endian
//! key, value, name:  length i32 (−1: null) | bytes
//! ```

use std::fs::File;
use std::io::{self, BufReader, Read};

use tempfile::TempDir;

use super::judge::PartitionRead;

/// A record, as Apache's consumer gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// A whole topic. Its files go with it.
#[derive(Debug)]
pub(crate) struct Dump {
    directory: TempDir,
    partitions: Vec<PartitionRead>,
}

impl Dump {
    pub(crate) fn new(directory: TempDir, partitions: Vec<PartitionRead>) -> Self {
        Self {
            directory,
            partitions,
        }
    }

    pub(crate) fn partitions(&self) -> &[PartitionRead] {
        &self.partitions
    }

    /// Each record, partition by partition, by offset.
    pub(crate) fn for_each(&self, mut see: impl FnMut(&Record)) {
        for read in &self.partitions {
            self.for_each_of(read, &mut see).unwrap_or_else(|error| {
                panic!(
                    "reading what the judge wrote of partition {}: {error}",
                    read.partition
                )
            });
        }
    }

    fn for_each_of(&self, read: &PartitionRead, see: &mut impl FnMut(&Record)) -> io::Result<()> {
        let path = self
            .directory
            .path()
            .join(format!("partition-{}", read.partition));
        let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
        let mut record = Record {
            partition: read.partition,
            ..Record::default()
        };
        for _ in 0..read.count {
            record.offset = i64::from_be_bytes(array(&mut file)?);
            record.timestamp = i64::from_be_bytes(array(&mut file)?);
            record.key = bytes(&mut file, record.key.take())?;
            record.value = bytes(&mut file, record.value.take())?;
            record.headers.clear();
            for _ in 0..i32::from_be_bytes(array(&mut file)?) {
                let name = bytes(&mut file, None)?.expect("a header has a name");
                record.headers.push((name, bytes(&mut file, None)?));
            }
            see(&record);
        }
        match file.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(io::Error::other("it holds more than the judge counted")),
        }
    }

    /// The values of one partition, by offset.
    pub(crate) fn values(&self, partition: i32) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        self.for_each(|record| {
            if record.partition == partition {
                values.push(record.value.clone().unwrap_or_default());
            }
        });
        values
    }
}

fn array<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads into `old`'s memory, if there is any.
fn bytes(file: &mut impl Read, old: Option<Vec<u8>>) -> io::Result<Option<Vec<u8>>> {
    let Ok(length) = usize::try_from(i32::from_be_bytes(array(file)?)) else {
        return Ok(None);
    };
    let mut bytes = old.unwrap_or_default();
    bytes.resize(length, 0);
    file.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}
