//! A Produce request read where it lies: records are not copied.
//!
//! ```text
//! transactional id · acks · time-out · topics [ name or id · partitions [ index · records ] ]
//! ```

use std::collections::HashMap;

use protocol::frame::wire::{Reader, WireResult};
use protocol::records::header::HEADER_BYTES;
use uuid::Uuid;

/// The first version with compact lengths and tagged fields.
pub(crate) const FLEXIBLE: i16 = 9;
/// The first version that names topics by id.
pub(crate) const TOPIC_IDS: i16 = 13;

/// A topic by name or by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TopicRef<'a> {
    Name(&'a str),
    Id(Uuid),
}

/// A partition's part of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) topic: TopicRef<'a>,
    pub(crate) partition: i32,
    pub(crate) records: Option<&'a [u8]>,
}

/// A Produce request.
#[derive(Debug)]
pub(crate) struct ProduceRequest<'a> {
    pub(crate) transactional_id: Option<&'a str>,
    pub(crate) acks: i16,
    entries: Vec<Entry<'a>>,
}

impl<'a> ProduceRequest<'a> {
    pub(crate) fn read(version: i16, body: &'a [u8]) -> WireResult<Self> {
        let flexible = version >= FLEXIBLE;
        let mut reader = Reader::new(body);
        let transactional_id = reader.text(flexible)?;
        let acks = reader.i16()?;
        let _timeout_ms = reader.i32()?;
        let mut entries = Vec::new();
        // A name and a count, or an id and a count, of the smallest.
        let topics = reader.count(flexible, 2)?.unwrap_or(0);
        for _ in 0..topics {
            let topic = if version >= TOPIC_IDS {
                TopicRef::Id(Uuid::from_bytes(reader.uuid()?))
            } else {
                TopicRef::Name(reader.text_required(flexible)?)
            };
            let partitions = reader.count(flexible, 5)?.unwrap_or(0);
            for _ in 0..partitions {
                let partition = reader.i32()?;
                let records = reader.bytes(flexible)?;
                if flexible {
                    reader.tagged_unknown()?;
                }
                entries.push(Entry {
                    topic,
                    partition,
                    records,
                });
            }
            if flexible {
                reader.tagged_unknown()?;
            }
        }
        if flexible {
            reader.tagged_unknown()?;
        }
        reader.finish()?;
        Ok(Self {
            transactional_id,
            acks,
            entries,
        })
    }

    /// The entries, of several for the same partition only the last.
    pub(crate) fn last_entries(&self) -> impl Iterator<Item = &Entry<'a>> {
        let mut last = HashMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            last.insert((entry.topic, entry.partition), at);
        }
        let is_last = move |&(at, entry): &(usize, &Entry<'a>)| {
            last.get(&(entry.topic, entry.partition)) == Some(&at)
        };
        self.entries
            .iter()
            .enumerate()
            .filter(is_last)
            .map(|(_, entry)| entry)
    }
}

/// How many records a batch's header claims, 0 if there is no header or it lies.
pub(crate) fn claimed_count(batch: &[u8]) -> i64 {
    let header = batch.first_chunk::<HEADER_BYTES>();
    let count = header.and_then(|header| header.last_chunk::<4>());
    count.map_or(0, |&count| i64::from(i32::from_be_bytes(count)).max(0))
}
