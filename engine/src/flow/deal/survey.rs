//! Deals the input out without sending: what a resume needs to know about batches that may have arrived
//! before a crash. Blocking, for it runs before any shard does.

use std::fmt;
use std::ops::Range;

use protocol::records::crc::Crc32c;

use super::{DealRules, Dealer, Dealt, Effect, FrameMemory};
use crate::feed::{BLOCK_BYTES, Blocks, Feed, FeedError};
use crate::flow::config::{DealtRefusal, SurveyedBatch, TooLarge};
use crate::flow::piece::Tail;
use crate::flow::survey::{Cutting, Skipped, SurveyError, Surveyed};
use crate::memory::Buffer;
use crate::record::Grammar;

/// Memory of a survey's batches: they are let go at once.
const MEMORY_BYTES: usize = 16 << 20;

/// An input from some position on, and what finds records in it.
pub type Reading = (Box<dyn Feed>, Box<dyn Grammar>);

/// Reads the input anew from any position where a record begins.
pub trait Reread: fmt::Debug {
    /// The bytes from `position` on, and what finds records in them.
    fn reread(&self, position: u64) -> Result<Reading, FeedError>;
}

/// A survey of an input that one reader deals out.
#[derive(Debug)]
pub struct DealtSurvey<'a> {
    input: &'a dyn Reread,
    rules: DealRules,
}

/// What is dealt to one partition.
struct One {
    dealer: Dealer,
    blocks: Blocks,
    partition: u32,
}

enum Found {
    Batch(Dealt, Tail),
    Refused(TooLarge),
}

impl<'a> DealtSurvey<'a> {
    /// Reads `input` as `rules` deal it out.
    pub fn new(input: &'a dyn Reread, rules: DealRules) -> Self {
        Self { input, rules }
    }

    fn one(&self, partition: u32, position: u64) -> Result<One, FeedError> {
        let (feed, grammar) = self.input.reread(position)?;
        let mut from = vec![u64::MAX; self.rules.deal.partitions as usize];
        from[partition as usize] = position;
        let memory = FrameMemory::new(MEMORY_BYTES, 0);
        Ok(One {
            dealer: Dealer::new(self.rules, grammar, position, from, memory),
            blocks: Blocks::inline(feed),
            partition,
        })
    }
}

impl One {
    /// What comes next; `None` at the input's end.
    fn next(&mut self) -> Result<Option<Found>, FeedError> {
        loop {
            match self.dealer.poll() {
                Effect::NeedsBlock => {
                    if let Some(buffer) = self.dealer.take_spare() {
                        self.blocks.put(buffer);
                    }
                    self.dealer.give(self.blocks.wait()?);
                }
                Effect::Batch {
                    partition,
                    batch,
                    tail,
                } if partition == self.partition => return Ok(Some(Found::Batch(batch, tail))),
                Effect::Batch { batch, .. } => self.dealer.memory().put(batch.buffer),
                Effect::Refused(record) if record.partition == self.partition => {
                    return Ok(Some(Found::Refused(TooLarge {
                        value_bytes: record.range.end - record.range.start,
                        range: record.range,
                        dealt: Some(DealtRefusal {
                            reason: record.reason,
                            content: record.content,
                        }),
                    })));
                }
                Effect::Refused(_) | Effect::WindowEnd { .. } => {}
                Effect::Broken { position, reason } => {
                    return Err(FeedError(format!("at input position {position}: {reason}")));
                }
                Effect::InputEnd { .. } => return Ok(None),
            }
        }
    }
}

impl Cutting for DealtSurvey<'_> {
    fn crcs(&mut self, wanted: &[Range<u64>]) -> Result<Vec<u32>, SurveyError> {
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_by_key(|&index| wanted[index].start);
        let mut crcs = vec![Crc32c::new(); wanted.len()];
        let end = wanted.iter().map(|range| range.end).max().unwrap_or(0);
        let Some(start) = order.first().map(|&index| wanted[index].start) else {
            return Ok(Vec::new());
        };
        // Where no record need begin: bytes are only summed.
        let (mut feed, _) = self.input.reread(start)?;
        let mut buffer = Buffer::new(BLOCK_BYTES);
        let mut position = start;
        while position < end {
            let filled = feed.fill(&mut buffer)?;
            let range = filled.position..filled.position + filled.bytes as u64;
            for (wanted, crc) in wanted.iter().zip(&mut crcs) {
                let begin = wanted.start.max(range.start);
                let end = wanted.end.min(range.end);
                if begin < end {
                    let at = |place: u64| usize::try_from(place - range.start).expect("in a block");
                    crc.update(&buffer[at(begin)..at(end)]);
                }
            }
            position = range.end;
            if filled.ends_input {
                break;
            }
        }
        if position < end {
            let what = format!("the input ends at position {position}, before what was loaded");
            return Err(FeedError(what).into());
        }
        Ok(crcs.into_iter().map(Crc32c::value).collect())
    }

    fn batches(
        &mut self,
        partition: u32,
        position: u64,
        records: u64,
    ) -> Result<Surveyed, SurveyError> {
        let mut one = self.one(partition, position)?;
        let mut found = Surveyed::default();
        let mut left = records;
        while left > 0 {
            match one.next()? {
                Some(Found::Batch(batch, tail)) => {
                    left = left.saturating_sub(u64::from(batch.records));
                    found.batches.push(SurveyedBatch {
                        range: batch.range,
                        count: batch.records,
                        is_long: false,
                        tail,
                    });
                    one.dealer.memory().put(batch.buffer);
                }
                // It is found again: dealing goes on at the position, not behind the batches.
                Some(Found::Refused(_)) => {}
                None => break,
            }
        }
        Ok(found)
    }

    fn skip(
        &mut self,
        partition: u32,
        position: u64,
        records: u64,
    ) -> Result<Option<Skipped>, SurveyError> {
        let mut one = self.one(partition, position)?;
        let mut skipped = Skipped {
            position,
            ..Skipped::default()
        };
        let mut left = records;
        while left > 0 {
            match one.next()? {
                Some(Found::Batch(batch, tail)) => {
                    let count = u64::from(batch.records);
                    let taken = left.min(count);
                    let records = u32::try_from(taken).expect("of a batch");
                    skipped.position = batch.end_of(records);
                    skipped.bytes += batch.bytes_of(records);
                    skipped.tail = tail;
                    left -= taken;
                    one.dealer.memory().put(batch.buffer);
                }
                Some(Found::Refused(record)) => skipped.refused.push(record),
                None => return Ok(None),
            }
        }
        Ok(Some(skipped))
    }
}
