//! A lane: some partitions and the connections to their leaders.

use std::collections::HashMap;
use std::time::Instant;

use protocol::client::producer::{PartitionProducer, Sequence};

use super::error::FlowError;
use crate::flow::config::{LoadConfig, PartitionStart};
use crate::flow::cut::Cursor;
use crate::flow::partition::{LinkId, Partition};
use crate::flow::piece::{LongValue, Piece};

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) partitions: Vec<Partition>,
    /// By broker. A partition's batches all go over one of them.
    pub(super) links: HashMap<i32, LinkId>,
}

impl Lane {
    pub(super) fn new(
        now: Instant,
        config: &LoadConfig,
        starts: Vec<PartitionStart>,
    ) -> Result<Self, FlowError> {
        let partitions = starts
            .into_iter()
            .map(|start| begin_partition(now, config, start))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            partitions,
            links: HashMap::new(),
        })
    }
}

/// A partition as it was left, with what may be in the log pushed but not sent.
fn begin_partition(
    now: Instant,
    config: &LoadConfig,
    start: PartitionStart,
) -> Result<Partition, FlowError> {
    let next = Sequence::new(start.slot.next_sequence.max(0)).expect("not negative");
    let mut producer = PartitionProducer::new(
        start.identity,
        next,
        start.is_known,
        config.in_flight_max,
        config.timing,
    );
    let mut position = start.slot.position;
    let mut refused = Vec::new();
    if let Some(unconfirmed) = start.unconfirmed {
        refused = unconfirmed.refused;
        for batch in unconfirmed.batches {
            position = batch.range.end;
            let mut piece = Piece::lines(batch.range, 0);
            piece.tail = batch.tail;
            piece.long = batch.is_long.then_some(LongValue { bytes: 0, crc: 0 });
            producer.push(batch.count, piece);
        }
        match unconfirmed.state {
            Some(state) => producer
                .handle_broker_state(now, Some(state))
                .map_err(|error| FlowError::producer(config, start.partition, error))?,
            None => producer.assume_sent(),
        }
    }
    let cursor = Cursor::new(&config.rules, start.partition, position);
    let mut partition = Partition::new(start.slot, start.writer, producer, cursor);
    partition.to_note = refused;
    Ok(partition)
}
