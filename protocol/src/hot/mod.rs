//! The two messages of the data path, whose bytes are written and walked in place: no allocation,
//! no copy of records. Everything else goes through the generated messages, which are the oracle
//! here.

pub mod fetch;
pub mod produce;

use crate::frame::wire::{Reader, WireResult};

/// A topic, as a version names it: by name up to Produce and Fetch 12, by id from 13 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TopicKey<'a> {
    /// Its name.
    Name(&'a str),
    /// Its id, which changes when the topic is made anew.
    Id([u8; 16]),
}

/// Who leads a partition, as an answer that went to the wrong broker says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaderHint {
    /// The broker's id.
    pub leader_id: i32,
    /// The epoch since which it leads.
    pub leader_epoch: i32,
}

/// Where the broker of a [`LeaderHint`] is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeEndpoint<'a> {
    /// The broker's id.
    pub node_id: i32,
    /// Its host.
    pub host: &'a str,
    /// Its port; any number can come.
    pub port: i32,
    /// Its rack.
    pub rack: Option<&'a str>,
}

/// The endpoints named in an answer, read one by one from its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NodeEndpoints<'a> {
    elements: Option<Elements<'a>>,
}

impl<'a> Iterator for NodeEndpoints<'a> {
    type Item = NodeEndpoint<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.elements.as_mut()?.next_with(NodeEndpoint::read)
    }
}

impl<'a> NodeEndpoints<'a> {
    /// Id, host, port, rack and the count of tagged fields.
    const BYTES_MIN: usize = 4 + 1 + 4 + 1 + 1;

    fn read(reader: &mut Reader<'a>) -> WireResult<Self> {
        let elements = Elements::read(reader, Self::BYTES_MIN, NodeEndpoint::read)?;
        Ok(Self {
            elements: Some(elements),
        })
    }
}

impl<'a> NodeEndpoint<'a> {
    fn read(reader: &mut Reader<'a>) -> WireResult<Self> {
        let endpoint = Self {
            node_id: reader.i32()?,
            host: reader.text_required(true)?,
            port: reader.i32()?,
            rack: reader.text(true)?,
        };
        reader.tagged_unknown()?;
        Ok(endpoint)
    }
}

impl LeaderHint {
    fn read(reader: &mut Reader<'_>) -> WireResult<Self> {
        let hint = Self {
            leader_id: reader.i32()?,
            leader_epoch: reader.i32()?,
        };
        reader.tagged_unknown()?;
        Ok(hint)
    }

    /// None where the broker knows no better.
    fn known(self) -> Option<Self> {
        (self.leader_id >= 0).then_some(self)
    }
}

/// The elements of an array that has been walked once, to be walked again and given out.
#[derive(Debug, Clone, Copy)]
struct Elements<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Elements<'a> {
    /// Walks an array (null is as good as empty) and checks each of its elements with `element`.
    fn read<T>(
        reader: &mut Reader<'a>,
        element_bytes_min: usize,
        mut element: impl FnMut(&mut Reader<'a>) -> WireResult<T>,
    ) -> WireResult<Self> {
        let left = reader.count(true, element_bytes_min)?.unwrap_or(0);
        let elements = Self {
            reader: *reader,
            left,
        };
        for _ in 0..left {
            element(reader)?;
        }
        Ok(elements)
    }

    /// The next element, by the same function that checked it.
    fn next_with<T>(
        &mut self,
        element: impl FnOnce(&mut Reader<'a>) -> WireResult<T>,
    ) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        Some(element(&mut self.reader).expect("the same bytes were read once before"))
    }
}

/// The partitions of an answer, which stand in it topic by topic.
#[derive(Debug, Clone, Copy)]
struct Topics<'a> {
    by_name: bool,
    partition_bytes_min: usize,
    topics: Elements<'a>,
    /// The topic that is being given out, and what is left of it.
    current: Option<(TopicKey<'a>, Elements<'a>)>,
}

impl<'a> Topics<'a> {
    /// Walks all topics and checks each of their partitions with `partition`.
    fn read<T>(
        reader: &mut Reader<'a>,
        by_name: bool,
        partition_bytes_min: usize,
        partition: impl Fn(TopicKey<'a>, &mut Reader<'a>) -> WireResult<T>,
    ) -> WireResult<Self> {
        // A name or an id, a count, the count of tagged fields.
        let topic_bytes_min = if by_name { 1 + 1 + 1 } else { 16 + 1 + 1 };
        let topics = Elements::read(reader, topic_bytes_min, |reader| {
            read_topic(reader, by_name, partition_bytes_min, &partition)
        })?;
        Ok(Self {
            by_name,
            partition_bytes_min,
            topics,
            current: None,
        })
    }

    /// The next partition, by the same function that checked it.
    fn next_with<T>(
        &mut self,
        partition: impl Fn(TopicKey<'a>, &mut Reader<'a>) -> WireResult<T>,
    ) -> Option<T> {
        loop {
            if let Some((topic, partitions)) = &mut self.current {
                let next = partitions.next_with(|reader| partition(*topic, reader));
                if next.is_some() {
                    return next;
                }
            }
            let (by_name, bytes_min) = (self.by_name, self.partition_bytes_min);
            self.current = Some(
                self.topics
                    .next_with(|reader| read_topic(reader, by_name, bytes_min, &partition))?,
            );
        }
    }
}

fn read_topic<'a, T>(
    reader: &mut Reader<'a>,
    by_name: bool,
    partition_bytes_min: usize,
    partition: impl Fn(TopicKey<'a>, &mut Reader<'a>) -> WireResult<T>,
) -> WireResult<(TopicKey<'a>, Elements<'a>)> {
    let topic = if by_name {
        TopicKey::Name(reader.text_required(true)?)
    } else {
        TopicKey::Id(reader.uuid()?)
    };
    let partitions = Elements::read(reader, partition_bytes_min, |reader| {
        partition(topic, reader)
    })?;
    reader.tagged_unknown()?;
    Ok((topic, partitions))
}

/// Writes fields one behind the other into a buffer that is large enough.
struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0 }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.put(&[value as u8 | 0x80]);
            value >>= 7;
        }
        self.put(&[value as u8]);
    }

    fn topic(&mut self, topic: TopicKey<'_>) {
        match topic {
            TopicKey::Name(name) => {
                self.varint(name.len() as u32 + 1);
                self.put(name.as_bytes());
            }
            TopicKey::Id(id) => self.put(&id),
        }
    }
}

#[cfg(test)]
mod tests;
