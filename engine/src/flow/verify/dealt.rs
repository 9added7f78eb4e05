//! The records of every partition as the input holds them, where one reader deals it out: one pass over
//! the input, and a fingerprint for each partition.

use std::sync::atomic::{AtomicBool, Ordering};

use protocol::records::hash::RecordHash;
use protocol::records::reader::Records;

use crate::feed::{Blocks, FeedError};
use crate::flow::deal::{DealRules, Dealer, Dealt, Effect, FrameMemory, Reread};

/// Memory of the batches that are dealt: they are let go at once.
const MEMORY_BYTES: usize = 16 << 20;

/// What an input holds for one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DealtPartition {
    /// The records but for those that were refused.
    pub hash: RecordHash,
    /// How many were left out.
    pub refused: u64,
}

/// Deals `input` out as `rules` say, and tells what each partition gets. Records that begin at one of the
/// positions `refused`, which are in order, are left out, as are those that are none or too large. `None`:
/// `stop` was set.
pub fn dealt_partitions(
    input: &dyn Reread,
    rules: DealRules,
    refused: &[u64],
    stop: &AtomicBool,
) -> Result<Option<Vec<DealtPartition>>, FeedError> {
    let (feed, grammar) = input.reread(0)?;
    let mut partitions = vec![DealtPartition::default(); rules.deal.partitions as usize];
    let from = vec![0; partitions.len()];
    let memory = FrameMemory::new(MEMORY_BYTES, 0);
    let mut dealer = Dealer::new(rules, grammar, 0, from, memory);
    let mut blocks = Blocks::inline(feed);
    loop {
        match dealer.poll() {
            Effect::NeedsBlock if stop.load(Ordering::Relaxed) => return Ok(None),
            Effect::NeedsBlock => {
                if let Some(buffer) = dealer.take_spare() {
                    blocks.put(buffer);
                }
                dealer.give(blocks.wait()?);
            }
            Effect::Batch {
                partition, batch, ..
            } => {
                add(&mut partitions[partition as usize], &batch, refused);
                dealer.memory().put(batch.buffer);
            }
            Effect::Refused(record) => partitions[record.partition as usize].refused += 1,
            Effect::WindowEnd { .. } => {}
            Effect::Broken { position, reason } => {
                return Err(FeedError(format!("at input position {position}: {reason}")));
            }
            Effect::InputEnd { .. } => return Ok(Some(partitions)),
        }
    }
}

fn add(partition: &mut DealtPartition, batch: &Dealt, refused: &[u64]) {
    let begin = refused.partition_point(|&position| position < batch.range.start);
    let end = refused.partition_point(|&position| position < batch.range.end);
    let refused = &refused[begin..end];
    let records = Records::of_section(batch.section(), batch.records).expect("we framed it");
    for (index, record) in (0..).zip(records) {
        let record = record.expect("we framed it");
        // Looked for only where it may be: finding where a record begins may walk the batch.
        if !refused.is_empty() && refused.binary_search(&batch.end_of(index)).is_ok() {
            partition.refused += 1;
            continue;
        }
        let headers = record.headers.map(|header| (header.key, header.value));
        partition.hash.add(record.key, record.value, headers);
    }
}
