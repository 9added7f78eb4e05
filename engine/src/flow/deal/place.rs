//! Open batches, one a partition, and which of them a record goes into.

use std::collections::VecDeque;
use std::ops::Range;

use protocol::records::builder::put_record;
use protocol::records::header::HEADER_BYTES;

use super::DealRules;
use super::frame::{Dealt, FrameMemory, Placed as Place};
use crate::record::InputRecord;

/// A record that goes into no batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefusedRecord {
    pub(crate) partition: u32,
    pub(crate) range: Range<u64>,
    pub(crate) reason: String,
    /// Its bytes in the input, or the first of them where it was too long to be kept.
    pub(crate) content: Vec<u8>,
}

/// What is taken out of the table, in the order in which it came about.
#[derive(Debug)]
pub(super) enum Placed {
    Batch(u32, Dealt),
    Refused(RefusedRecord),
}

#[derive(Debug)]
pub(super) struct Table {
    rules: DealRules,
    /// Records of each partition that begin before this are left out.
    from: Vec<u64>,
    open: Vec<Option<Dealt>>,
    /// Partitions with an open batch, in the order of their first record.
    touched: Vec<u32>,
    /// What each partition's last batch came to: the room that the next one begins with.
    expected: Vec<usize>,
    done: VecDeque<Placed>,
    /// Whether a batch notes where its records lie.
    notes_begins: bool,
    pub(super) memory: FrameMemory,
    pub(super) now_ms: i64,
}

impl Table {
    pub(super) fn new(
        rules: DealRules,
        from: Vec<u64>,
        notes_begins: bool,
        memory: FrameMemory,
    ) -> Self {
        let partitions = rules.deal.partitions as usize;
        assert_eq!(
            from.len(),
            partitions,
            "each partition has a place to begin"
        );
        Self {
            rules,
            from,
            open: (0..partitions).map(|_| None).collect(),
            touched: Vec::new(),
            expected: vec![0; partitions],
            done: VecDeque::new(),
            notes_begins,
            memory,
            now_ms: 0,
        }
    }

    pub(super) fn from(&self, partition: u32) -> u64 {
        self.from[partition as usize]
    }

    pub(super) fn has_open(&self) -> bool {
        !self.touched.is_empty()
    }

    pub(super) fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    pub(super) fn take_done(&mut self) -> Option<Placed> {
        self.done.pop_front()
    }

    /// The open batch of whole lines, with room for a batch of any size.
    pub(super) fn open_whole(&mut self, partition: u32, position: u64) -> &mut Dealt {
        self.close_before_gap(partition, position);
        let bytes_max = self.rules.records_bytes_max();
        let open = self.open(partition, position, bytes_max);
        if open.capacity() < bytes_max {
            self.grow(partition, bytes_max);
        }
        self.open[partition as usize]
            .as_mut()
            .expect("it was just opened")
    }

    /// Whole lines of a batch lie side by side: the partition's next chunk begins another.
    fn close_before_gap(&mut self, partition: u32, position: u64) {
        let open = self.open[partition as usize].as_ref();
        if !self.notes_begins && open.is_some_and(|open| open.range.end != position) {
            self.close(partition);
        }
    }

    fn open(&mut self, partition: u32, position: u64, bytes: usize) -> &mut Dealt {
        let index = partition as usize;
        let Self {
            open,
            touched,
            memory,
            ..
        } = self;
        open[index].get_or_insert_with(|| {
            touched.push(partition);
            Dealt::new(memory.take(bytes), position)
        })
    }

    fn grow(&mut self, partition: u32, bytes: usize) {
        let open = self.open[partition as usize].take().expect("it is open");
        let buffer = self.memory.grow(open.buffer, open.written, bytes);
        self.open[partition as usize] = Some(Dealt { buffer, ..open });
    }

    pub(super) fn close(&mut self, partition: u32) {
        let Some(batch) = self.open[partition as usize].take() else {
            return;
        };
        self.touched.retain(|&touched| touched != partition);
        self.give_out(partition, batch);
    }

    pub(super) fn close_all(&mut self) {
        for partition in std::mem::take(&mut self.touched) {
            let batch = self.open[partition as usize].take();
            self.give_out(partition, batch.expect("what was touched is open"));
        }
    }

    fn give_out(&mut self, partition: u32, batch: Dealt) {
        if batch.records == 0 {
            self.memory.put(batch.buffer);
            return;
        }
        self.expected[partition as usize] = batch.written;
        self.done.push_back(Placed::Batch(partition, batch));
    }

    /// An open batch without records gives its buffer back.
    pub(super) fn drop_empty(&mut self, partition: u32) {
        let index = partition as usize;
        if self.open[index]
            .as_ref()
            .is_some_and(|batch| batch.records == 0)
        {
            self.close(partition);
        }
    }

    #[inline]
    fn partition_of(&self, record: &InputRecord<'_>, position: u64) -> u32 {
        let deal = &self.rules.deal;
        if let Some(fixed) = deal.fixed {
            return fixed;
        }
        if deal.partitions == 1 {
            return 0; // Whatever the key says.
        }
        let named = record
            .partition
            .filter(|&named| self.rules.takes_named_partition && named < deal.partitions);
        named
            .or_else(|| {
                self.rules
                    .partitioner
                    .partition(record.key, deal.partitions)
            })
            .unwrap_or_else(|| deal.partition(position / deal.chunk_bytes))
    }

    /// A record at `position` that takes `content` of the input.
    #[inline]
    pub(super) fn place(&mut self, record: &InputRecord<'_>, position: u64, content: &[u8]) {
        if let Some(named) = record.partition
            && self.rules.takes_named_partition
            && named >= self.rules.deal.partitions
        {
            let count = self.rules.deal.partitions;
            let reason = format!(
                "the record names partition {named}, and the topic has partitions 0 to {}",
                count - 1
            );
            let range = position..position + content.len() as u64;
            return self.refuse_range(range, content.to_vec(), reason);
        }
        let partition = self.partition_of(record, position);
        if position < self.from(partition) {
            return;
        }
        self.close_before_gap(partition, position);
        if self
            .try_place(partition, record, position, content.len())
            .is_ok()
        {
            return;
        }
        // It does not fit behind what is there.
        self.close(partition);
        if let Err(needed) = self.try_place(partition, record, position, content.len()) {
            let reason = format!(
                "the record takes {} bytes with its batch header, more than the {} that the topic's \
                 max.message.bytes, or max.request.size, allows",
                HEADER_BYTES + needed,
                self.rules.record_bytes_max
            );
            let range = position..position + content.len() as u64;
            self.refuse(partition, range, content.to_vec(), reason);
        }
    }

    /// Writes the record into its partition's open batch. An error says how many bytes it would take alone,
    /// where the batch has no room for it.
    #[inline]
    fn try_place(
        &mut self,
        partition: u32,
        record: &InputRecord<'_>,
        position: u64,
        input_bytes: usize,
    ) -> Result<(), usize> {
        let bytes_max = self.rules.records_bytes_max();
        let record_bytes_max = self.rules.record_bytes_max;
        let now_ms = self.now_ms;
        let expected = self.expected[partition as usize];
        let notes_begins = self.notes_begins;
        loop {
            let open = self.open(partition, position, expected);
            let base = open.base_for(record, now_ms);
            let delta = match (record.timestamp, base) {
                (Some(own), Some(base)) => own.wrapping_sub(base),
                (None, Some(base)) => now_ms.wrapping_sub(base),
                (_, None) => 0,
            };
            let (InputRecord { key, value, .. }, records) = (record, open.records);
            let headers = record.headers.iter();
            match put_record(open.room(usize::MAX), *key, *value, headers, delta, records) {
                Ok(bytes) if open.records == 0 || open.written + bytes <= bytes_max => {
                    if records == 0 && (HEADER_BYTES + bytes) as u64 > record_bytes_max {
                        return Err(bytes);
                    }
                    open.base_timestamp = base;
                    if let Some(base) = base {
                        open.max_timestamp = open.max_timestamp.max(base.wrapping_add(delta));
                    }
                    open.add(bytes, position, input_bytes, notes_begins);
                    return Ok(());
                }
                Ok(bytes) => return Err(bytes),
                Err(full) => {
                    let whole = open.written + full.needed;
                    if open.records > 0 && whole > bytes_max {
                        return Err(full.needed);
                    }
                    if (HEADER_BYTES + full.needed) as u64 > record_bytes_max {
                        return Err(full.needed);
                    }
                    self.grow(partition, whole.max(2 * self.expected_or_open(partition)));
                }
            }
        }
    }

    fn expected_or_open(&self, partition: u32) -> usize {
        self.open[partition as usize]
            .as_ref()
            .map_or(0, |open| open.written)
            .min(self.rules.records_bytes_max() / 2)
    }

    /// What should have been a record. It counts as one of its chunk's partition.
    pub(super) fn refuse_range(&mut self, range: Range<u64>, content: Vec<u8>, reason: String) {
        let deal = &self.rules.deal;
        let partition = deal.partition(range.start / deal.chunk_bytes);
        self.refuse(partition, range, content, reason);
    }

    /// A batch ends at a refused record, so that positions pass both in order.
    fn refuse(&mut self, partition: u32, range: Range<u64>, content: Vec<u8>, reason: String) {
        if range.start < self.from(partition) {
            return;
        }
        self.close(partition);
        self.done.push_back(Placed::Refused(RefusedRecord {
            partition,
            range,
            reason,
            content,
        }));
    }
}

impl Dealt {
    /// The batch's base time once `record` is in it.
    #[inline]
    fn base_for(&self, record: &InputRecord<'_>, now_ms: i64) -> Option<i64> {
        match (self.base_timestamp, record.timestamp) {
            (Some(base), _) => Some(base),
            (None, None) => None,
            (None, Some(own)) if self.records == 0 => Some(own),
            // The records before have no time of their own: theirs is now.
            (None, Some(_)) => Some(now_ms),
        }
    }

    #[inline]
    fn add(&mut self, bytes: usize, position: u64, input_bytes: usize, notes_begin: bool) {
        if self.records == 0 {
            self.range.start = position;
        }
        if notes_begin {
            let begin = u32::try_from(position - self.range.start);
            let begin = begin.expect("a window is smaller than that");
            let bytes = u32::try_from(input_bytes).expect("records are smaller than that");
            self.places.push(Place { begin, bytes });
        }
        self.records += 1;
        self.written += bytes;
        self.input_bytes += input_bytes as u64;
        self.range.end = position + input_bytes as u64;
    }
}
