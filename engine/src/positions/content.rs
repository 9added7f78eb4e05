//! What a load's state file holds: the job in its header, a partition in each slot.
//!
//! Archived by rkyv; read only after the sums, through bytecheck, from a private copy, and then
//! asked whether it makes sense. The types hold integers, `bool`, arrays, `Vec` and `String` only.

use rkyv::rancor::Error;
use rkyv::ser::allocator::SubAllocator;
use rkyv::ser::writer::Buffer;
use rkyv::util::{Align, AlignedVec};
use rkyv::{Archive, Deserialize, Serialize};

use super::writer::SlotWriter;

/// The `kind` of a state file that a load or a dump keeps.
pub const KIND_JOB: u32 = 1;

/// [`JobHeader::direction`] of a load: files into a topic.
pub const DIRECTION_LOAD: u8 = 0;
/// [`JobHeader::direction`] of a dump: a topic into files.
pub const DIRECTION_DUMP: u8 = 1;

/// How much of an acknowledged batch's input is remembered, at most.
pub const TAIL_BYTES_MAX: u32 = 4096;

/// How far a partition is. "None" and "unknown" are −1 throughout.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionSlot {
    /// The producer id of this partition's current epoch.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The sequence acknowledged + 1 since the epoch began; −1: none yet in this epoch.
    pub next_sequence: i32,
    /// All records of this partition that begin before this place of the input are done.
    pub position: u64,
    /// CRC-32C of the last [`TAIL_BYTES_MAX`] bytes (or fewer) of the acknowledged batch's input.
    pub tail_crc: u32,
    /// How many bytes that were.
    pub tail_bytes: u32,
    /// Where in the input they begin.
    pub tail_position: u64,
    /// The partition's end offset before the first send.
    pub end_offset_at_start: i64,
    /// The first offset that was acknowledged to us.
    pub first_offset: i64,
    /// The last one.
    pub last_offset: i64,
    /// The first sequence of the last acknowledged batch.
    pub last_batch_first_sequence: i32,
    /// The newest timestamp sent.
    pub newest_timestamp: i64,
    /// Records acknowledged.
    pub records: u64,
    /// Bytes of input acknowledged.
    pub bytes: u64,
    /// Records refused and counted.
    pub rejects: u64,
    /// Whether everything sent was answered when this was stored.
    pub clean: bool,
    /// Whether a batch behind the position was cut smaller than the settings say, because the broker
    /// did not take it whole: then only the log tells where batches ended.
    pub is_recut: bool,
}

/// The archived size of a [`PartitionSlot`]: the payload of a slot.
pub const SLOT_PAYLOAD_BYTES: usize = size_of::<ArchivedPartitionSlot>();

/// A job: what was started, on what, and how it ended.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct JobHeader {
    /// The cluster's id.
    pub cluster_id: String,
    /// The topic's name.
    pub topic: String,
    /// Its id; another one under the same name is another topic.
    pub topic_id: [u8; 16],
    /// [`DIRECTION_LOAD`] or [`DIRECTION_DUMP`].
    pub direction: u8,
    /// What was asked for, as canonical absolute paths or patterns, in the order given.
    pub arguments: Vec<String>,
    /// The files that these were.
    pub inputs: Vec<InputIdentity>,
    /// What must not change while the job is under way.
    pub settings: FrozenSettings,
    /// How records are found in the input, in words; empty for lines as they are.
    pub reading: String,
    /// One a lane; empty until they were handed out.
    pub lane_producers: Vec<LaneProducer>,
    /// Places of the input where an earlier run ended, and where a batch is therefore cut.
    pub previous_ends: Vec<u64>,
    /// Where the brokers could not tell what had arrived: records from there on may lie in the log twice.
    pub doubts: Vec<JobDoubt>,
    /// When the job was first started, in milliseconds since 1970.
    pub started_ms: i64,
    /// When it finished; 0: it has not.
    pub finished_ms: i64,
    /// The exit code it finished with.
    pub exit_code: u8,
}

/// Which file an input was.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct InputIdentity {
    /// Its absolute path.
    pub path: String,
    /// The device it lies on. Told, not compared: device numbers change with a reboot.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// Its size when the job was started.
    pub size: u64,
    /// CRC-32C of its first KiB (of all of it, if shorter).
    pub first_kib_crc: u32,
}

/// The producer id a lane was given.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneProducer {
    /// The producer id.
    pub id: i64,
    /// The epoch it came with.
    pub epoch: i16,
}

/// A place from which on delivery is at least once.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobDoubt {
    /// The partition.
    pub partition: u32,
    /// The place in the input.
    pub position: u64,
}

/// What decides which bytes become which batch of which partition. Frozen at the first start.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrozenSettings {
    /// Partitions of the topic when the job was started.
    pub partitions: u32,
    /// The partition of chunk 0.
    pub base: u32,
    /// Bytes of a chunk.
    pub chunk_bytes: u64,
    /// The largest batch, framed, before compression.
    pub batch_bytes_max: u32,
    /// The largest record that the topic takes.
    pub record_bytes_max: u32,
    /// The byte that ends a record.
    pub delimiter: u8,
    /// Whether a CR before the delimiter is taken off.
    pub crlf_strip: bool,
    /// The one partition that everything goes to; −1: by chunk.
    pub fixed_partition: i32,
    /// Where records take their timestamps from.
    pub timestamps: u8,
    /// Whether records have sequences that the broker checks.
    pub idempotence: bool,
    /// −1 (all), 0 or 1.
    pub acks: i16,
    /// Kafka's number of the codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub compression: u8,
    /// How many lanes share the partitions.
    pub lanes: u32,
    /// Where one reader deals records out: chunks after which every batch ends. 0: chunks are cut by
    /// themselves.
    pub window_chunks: u32,
}

impl Default for PartitionSlot {
    /// Nothing sent, nothing known.
    fn default() -> Self {
        Self {
            producer_id: -1,
            epoch: -1,
            next_sequence: -1,
            position: 0,
            tail_crc: 0,
            tail_bytes: 0,
            tail_position: 0,
            end_offset_at_start: -1,
            first_offset: -1,
            last_offset: -1,
            last_batch_first_sequence: -1,
            newest_timestamp: -1,
            records: 0,
            bytes: 0,
            rejects: 0,
            clean: false,
            is_recut: false,
        }
    }
}

impl Default for FrozenSettings {
    /// One partition, one lane, lines, idempotent.
    fn default() -> Self {
        Self {
            partitions: 1,
            base: 0,
            chunk_bytes: 768 << 10,
            batch_bytes_max: 1_048_588,
            record_bytes_max: 1_048_588,
            delimiter: b'\n',
            crlf_strip: false,
            fixed_partition: -1,
            timestamps: 0,
            idempotence: true,
            acks: -1,
            compression: 0,
            lanes: 1,
            window_chunks: 0,
        }
    }
}

impl PartitionSlot {
    /// The payload of a slot, for a new file.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; SLOT_PAYLOAD_BYTES];
        self.encode_into(&mut bytes);
        bytes
    }

    /// Without allocating: `bytes` is as long as a slot's payload.
    fn encode_into(&self, bytes: &mut [u8]) {
        let (payload, rest) = bytes.split_at_mut(SLOT_PAYLOAD_BYTES);
        let allocator = SubAllocator::empty();
        let buffer = Buffer::from(payload);
        rkyv::api::low::to_bytes_in_with_alloc::<_, _, Error>(self, buffer, allocator)
            .expect("its archived form has a fixed size and needs no scratch");
        rest.fill(0);
    }

    /// Takes a slot out of a payload whose sum holds.
    pub fn decode(payload: &[u8]) -> Result<Self, String> {
        let mut aligned = Align([0; SLOT_PAYLOAD_BYTES]);
        let size = SLOT_PAYLOAD_BYTES.next_multiple_of(8);
        if payload.len() != size {
            return Err(format!(
                "a slot of {} bytes where {size} were written",
                payload.len()
            ));
        }
        aligned.copy_from_slice(&payload[..SLOT_PAYLOAD_BYTES]);
        let archived = rkyv::access::<ArchivedPartitionSlot, Error>(&aligned[..])
            .map_err(|error| format!("a slot is no archived slot ({error})"))?;
        let slot: Self = rkyv::deserialize::<_, Error>(archived)
            .map_err(|error| format!("a slot is no archived slot ({error})"))?;
        slot.check().map_err(str::to_owned)?;
        Ok(slot)
    }

    fn check(&self) -> Result<(), &'static str> {
        let known = |value: i64| value >= -1;
        let numbers = [
            self.end_offset_at_start,
            self.first_offset,
            self.last_offset,
        ];
        if !known(self.producer_id) || self.epoch < -1 {
            return Err("a partition has an impossible producer id or epoch");
        }
        if self.next_sequence < -1 || self.last_batch_first_sequence < -1 {
            return Err("a partition has an impossible sequence");
        }
        let has_both = self.first_offset >= 0 && self.last_offset >= 0;
        if !numbers.into_iter().all(known) || has_both && self.first_offset > self.last_offset {
            return Err("a partition has impossible offsets");
        }
        let tail_end = self.tail_position.checked_add(u64::from(self.tail_bytes));
        if self.tail_bytes > TAIL_BYTES_MAX || tail_end.is_none() {
            return Err("a partition has an impossible tail of its input");
        }
        // Places in the input are summed up later; files end far below.
        let counts = [
            self.position,
            self.tail_position,
            self.records,
            self.bytes,
            self.rejects,
        ];
        if counts.into_iter().any(|count| count > i64::MAX as u64) {
            return Err("a partition has an impossible count");
        }
        Ok(())
    }
}

impl JobHeader {
    /// The header of a state file. An error says what would make no sense.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        self.check().map_err(str::to_owned)?;
        let bytes = rkyv::to_bytes::<Error>(self).map_err(|error| error.to_string())?;
        Ok(bytes.to_vec())
    }

    /// Takes a job out of a header whose sum holds.
    pub fn decode(header: &[u8]) -> Result<Self, String> {
        let mut aligned: AlignedVec = AlignedVec::with_capacity(header.len());
        aligned.extend_from_slice(header);
        let archived = rkyv::access::<ArchivedJobHeader, Error>(&aligned)
            .map_err(|error| format!("the header is no archived job ({error})"))?;
        let job: Self = rkyv::deserialize::<_, Error>(archived)
            .map_err(|error| format!("the header is no archived job ({error})"))?;
        job.check().map_err(str::to_owned)?;
        Ok(job)
    }

    /// The bytes of all inputs together: the end that was frozen.
    pub fn input_bytes(&self) -> u64 {
        self.inputs.iter().map(|input| input.size).sum()
    }

    fn check(&self) -> Result<(), &'static str> {
        self.settings.check()?;
        if self.direction > DIRECTION_DUMP {
            return Err("a job that neither loads nor dumps");
        }
        let mut end = Some(0_u64);
        for input in &self.inputs {
            end = end.and_then(|end| end.checked_add(input.size));
        }
        let Some(end) = end.filter(|end| *end <= i64::MAX as u64) else {
            return Err("inputs of more bytes than a file can have");
        };
        if !self.previous_ends.is_sorted() || self.previous_ends.last().is_some_and(|x| *x > end) {
            return Err("ends of earlier runs that are out of order");
        }
        if self.started_ms < 0 || self.finished_ms < 0 {
            return Err("a time before 1970");
        }
        let lanes = self.lane_producers.len();
        if lanes != 0 && lanes != self.settings.lanes as usize {
            return Err("another number of producer ids than of lanes");
        }
        if self
            .lane_producers
            .iter()
            .any(|lane| lane.id < -1 || lane.epoch < -1)
        {
            return Err("a lane has an impossible producer id or epoch");
        }
        Ok(())
    }
}

impl FrozenSettings {
    fn check(&self) -> Result<(), &'static str> {
        if self.partitions == 0 || self.base >= self.partitions {
            return Err("a base partition that does not exist");
        }
        if self.fixed_partition < -1 || i64::from(self.fixed_partition) >= self.partitions.into() {
            return Err("a fixed partition that does not exist");
        }
        if self.chunk_bytes == 0 || self.chunk_bytes > i64::MAX as u64 {
            return Err("an impossible chunk size");
        }
        if self.batch_bytes_max == 0 || self.record_bytes_max == 0 {
            return Err("a batch or record limit of zero");
        }
        if self.lanes == 0 || self.lanes > self.partitions {
            return Err("more lanes than partitions, or none");
        }
        if !(-1..=1).contains(&self.acks) || self.compression > 4 {
            return Err("acks or a codec that Kafka does not have");
        }
        Ok(())
    }
}

impl SlotWriter {
    /// Stores where a partition is. See [`SlotWriter::put_bytes`].
    ///
    /// # Panics
    ///
    /// On what no resume would accept: better to stop at the last good state than to bury it.
    pub fn put(&mut self, slot: &PartitionSlot) {
        let checked = slot.check();
        assert!(
            checked.is_ok(),
            "a slot must make sense: {checked:?} in {slot:?}"
        );
        slot.encode_into(self.payload_mut());
        self.put_payload();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> JobHeader {
        JobHeader {
            cluster_id: "MkU3OEVBNTcwNTJENDM2Qk".into(),
            topic: "events".into(),
            topic_id: *b"0123456789abcdef",
            arguments: vec!["/data/a.log".into(), "/data/*.csv".into()],
            inputs: vec![InputIdentity {
                path: "/data/a.log".into(),
                size: 77,
                ..<_>::default()
            }],
            lane_producers: vec![LaneProducer { id: 4001, epoch: 0 }],
            previous_ends: vec![12, 77],
            started_ms: 1_700_000_000_000,
            ..JobHeader::default()
        }
    }

    #[test]
    fn a_job_comes_back_as_it_was_written() {
        let bytes = header().encode().unwrap();
        assert_eq!(JobHeader::decode(&bytes), Ok(header()));
    }

    #[test]
    fn a_job_that_makes_no_sense_is_neither_written_nor_read() {
        let refused = |change: &dyn Fn(&mut JobHeader), what: &str| {
            let mut job = header();
            change(&mut job);
            assert!(job.encode().unwrap_err().contains(what), "{what}");
            // As a re-summed file could have it.
            let bytes = rkyv::to_bytes::<Error>(&job).unwrap();
            assert!(
                JobHeader::decode(&bytes).unwrap_err().contains(what),
                "{what}"
            );
        };
        refused(&|job| job.settings.base = 1, "base partition");
        refused(&|job| job.settings.lanes = 0, "lanes");
        refused(&|job| job.settings.fixed_partition = 1, "fixed partition");
        refused(&|job| job.direction = 2, "neither loads nor dumps");
        refused(&|job| job.inputs[0].size = u64::MAX, "more bytes");
        refused(&|job| job.previous_ends = vec![78], "out of order");
        refused(
            &|job| job.lane_producers.push(LaneProducer::default()),
            "producer ids",
        );
        refused(&|job| job.started_ms = -1, "1970");
    }

    prop_compose! {
        fn any_slot()(
            ids in (-1..i64::MAX, -1..i16::MAX, -1..i32::MAX, -1..i32::MAX),
            tail in (any::<u32>(), 0..=TAIL_BYTES_MAX, 0..=i64::MAX as u64),
            offsets in (-1..i64::MAX, 0..i64::MAX, any::<i64>(), 0..i64::MAX / 2),
            counts in prop::array::uniform4(0..=i64::MAX as u64),
            (clean, is_recut) in any::<(bool, bool)>(),
        ) -> PartitionSlot {
            PartitionSlot {
                producer_id: ids.0,
                epoch: ids.1,
                next_sequence: ids.2,
                last_batch_first_sequence: ids.3,
                tail_crc: tail.0,
                tail_bytes: tail.1,
                tail_position: tail.2,
                end_offset_at_start: offsets.0,
                first_offset: offsets.3,
                last_offset: offsets.3.saturating_add(offsets.1),
                newest_timestamp: offsets.2,
                position: counts[0],
                records: counts[1],
                bytes: counts[2],
                rejects: counts[3],
                clean,
                is_recut,
            }
        }
    }

    proptest! {
        #[test]
        fn a_slot_comes_back_as_it_was_written(slot in any_slot()) {
            prop_assert_eq!(PartitionSlot::decode(&slot.encode()), Ok(slot));
        }

        #[test]
        fn any_bytes_are_a_slot_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(slot) = PartitionSlot::decode(&bytes) {
                prop_assert_eq!(slot.encode(), bytes);
            }
        }

        #[test]
        fn any_bytes_are_a_job_or_an_error(
            at in any::<prop::sample::Index>(), value in any::<u64>(), cut in 0..400_usize,
        ) {
            let mut bytes = header().encode().unwrap();
            let at = at.index(bytes.len() - 8);
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            bytes.truncate(bytes.len().saturating_sub(cut % 3 * cut));
            if let Ok(job) = JobHeader::decode(&bytes) {
                prop_assert!(job.encode().is_ok());
            }
        }
    }
}
