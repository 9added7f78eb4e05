//! What becomes of a kept batch that the broker refuses: it is cut, its one record goes to the rejects, or it is
//! sent anew behind a hole. All of it happens in the frames: the input is not read again.

use std::ops::Range;

use protocol::client::producer::Batch;
use protocol::hot::produce::TAIL_BYTES;
use protocol::records::builder::put_record;
use protocol::records::compression::Decompressor;
use protocol::records::reader::Batch as BatchView;

use super::batch::{BATCH_AT, RECORDS_AT};
use super::{FlowError, ToKafka};
use crate::flow::config::RejectContent;
use crate::flow::deal::{FrameMemory, RecordPlace};
use crate::flow::piece::{Kept, Piece};
use crate::memory::Buffer;

/// The most that a compressed batch of ours, found in memory, can become.
const SECTION_BYTES_MAX: usize = i32::MAX as usize;

impl ToKafka {
    /// Cuts a refused head before its record `at`.
    pub(super) fn split_kept(
        &mut self,
        lane: usize,
        index: usize,
        at: u32,
    ) -> Result<(), FlowError> {
        let sequential = self.sequential.as_mut().expect("the caller looked");
        let producer = &mut self.lanes[lane].partitions[index].producer;
        let (head, _) = producer.refused_head().expect("it is being split");
        let (id, count) = (head.id, head.count);
        let body = &mut producer.batch_mut(id).expect("it was just found").body;
        let (range, timestamp, tail) = (body.range.clone(), body.timestamp, body.tail);
        let kept = body.kept.take().expect("its frames are here");
        let places = places_of(&kept, &range, &mut sequential.decompressor);
        let middle = u64::from(places[at as usize].begin);
        let decompressor = &mut sequential.decompressor;
        let memory = sequential.dealer.memory();
        let mut parts = Vec::new();
        for (records, part) in [
            (0..at, range.start..range.start + middle),
            (at..count, range.start + middle..range.end),
        ] {
            let (buffer, section_bytes) =
                copy_records(&kept, records.clone(), decompressor, memory);
            let mut places = places[records.start as usize..records.end as usize].to_vec();
            let first = places[0].begin;
            places.iter_mut().for_each(|place| place.begin -= first);
            let piece = Piece {
                timestamp,
                tail,
                input_bytes: places.iter().map(|place| u64::from(place.bytes)).sum(),
                kept: Some(Kept {
                    buffer: Some(buffer),
                    section_bytes,
                    compression: None,
                    places,
                    timestamps: kept.timestamps,
                }),
                ..Piece::lines(part, timestamp)
            };
            parts.push((
                u32::try_from(records.len()).expect("fewer than were"),
                piece,
            ));
        }
        memory.put(kept.buffer.expect("its frames are here"));
        producer.split_head(parts);
        self.note_recut(lane, index)
    }

    /// The refused record, which is alone in its batch, for the rejects.
    pub(super) fn kept_record(
        &mut self,
        lane: usize,
        index: usize,
    ) -> Result<Option<RejectContent>, FlowError> {
        let Some(sequential) = &mut self.sequential else {
            return Ok(None);
        };
        let producer = &self.lanes[lane].partitions[index].producer;
        let (head, _) = producer.refused_head().expect("it was refused");
        let kept = head.body.kept.as_ref().expect("its frames are here");
        let batch = view(kept);
        let section = section(&batch, &mut sequential.decompressor);
        let mut records = batch.records_in(section).expect("we wrote it");
        let record = records.next().expect("it holds one").expect("we wrote it");
        let headers = record
            .headers
            .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)));
        Ok(Some(RejectContent::Record {
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: headers.collect(),
            timestamp: kept.timestamps.map(|_| record.timestamp),
        }))
    }

    /// A hole was made: what lay behind it goes out once more, as it is, from sequence 0. Says whether
    /// batches are left that the rules would cut otherwise.
    pub(super) fn send_under_new_epoch(
        &mut self,
        lane: usize,
        index: usize,
        left: Vec<Batch<Piece>>,
    ) -> bool {
        let mut left = left.into_iter();
        let refused = left.next().expect("the refused batch is the first");
        self.release_kept(vec![refused]);
        let producer = &mut self.lanes[lane].partitions[index].producer;
        let mut is_recut = false;
        for batch in left {
            is_recut = true;
            let mut piece = batch.body;
            piece.crc = None;
            producer.push(batch.count, piece);
        }
        is_recut
    }
}

/// A kept batch as it lies in its frame, whose header was written when it was first sent.
fn view(kept: &Kept) -> BatchView<'_> {
    let buffer = kept.buffer.as_ref().expect("its frames are here");
    let bytes = &buffer[BATCH_AT..RECORDS_AT + kept.section_bytes];
    BatchView::read(bytes).expect("we wrote it")
}

fn section<'a>(batch: &BatchView<'a>, decompressor: &'a mut Decompressor) -> &'a [u8] {
    let compression = batch.compression().expect("we wrote it");
    decompressor
        .decompress(compression, batch.section(), SECTION_BYTES_MAX)
        .expect("we wrote it")
}

/// Where the batch's records lie in the input.
fn places_of(kept: &Kept, range: &Range<u64>, decompressor: &mut Decompressor) -> Vec<RecordPlace> {
    if !kept.places.is_empty() {
        return kept.places.clone();
    }
    // Whole lines, side by side: each takes its value and a delimiter, which the last one may lack.
    let batch = view(kept);
    let mut begin = 0;
    let records = batch
        .records_in(section(&batch, decompressor))
        .expect("we wrote it");
    let places = records.map(|record| {
        let value = record.expect("we wrote it").value.map_or(0, <[u8]>::len);
        let bytes = u32::try_from(value).expect("lines fit into a batch") + 1;
        let place = RecordPlace { begin, bytes };
        begin += bytes;
        place
    });
    let mut places: Vec<RecordPlace> = places.collect();
    let last = places.last_mut().expect("a batch has records");
    let bytes = range.end - range.start - u64::from(last.begin);
    last.bytes = u32::try_from(bytes).expect("lines fit into a batch");
    places
}

/// Records of a batch in a frame of their own, and the bytes they take.
fn copy_records(
    kept: &Kept,
    wanted: Range<u32>,
    decompressor: &mut Decompressor,
    memory: &mut FrameMemory,
) -> (Buffer, usize) {
    let batch = view(kept);
    let base = batch.header().base_timestamp;
    let section = section(&batch, decompressor);
    let mut buffer = memory.take(section.len());
    let room = buffer.len() - TAIL_BYTES;
    let mut at = RECORDS_AT;
    let records = batch.records_in(section).expect("we wrote it");
    for (delta, record) in (0..).zip(records.skip(wanted.start as usize).take(wanted.len())) {
        let record = record.expect("we wrote it");
        let headers = record.headers.map(|header| (header.key, header.value));
        let timestamp = record.timestamp.wrapping_sub(base);
        at += put_record(
            &mut buffer[at..room],
            record.key,
            record.value,
            headers,
            timestamp,
            delta,
        )
        .expect("a part is no larger than the whole");
    }
    (buffer, at - RECORDS_AT)
}
