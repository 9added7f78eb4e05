//! What a dump's state file holds: the job in its header, an output file in each slot.
//!
//! A slot says how far an output is together with where each of its partitions goes on, so that the
//! two can never disagree. Read as [`super::super::content`] is: sums, bytecheck, then meaning.

use rkyv::rancor::Error;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

use crate::positions::content::TAIL_BYTES_MAX;
use crate::positions::writer::SlotWriter;

/// A dump: what was started, from where to where, and how it ended.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct DumpHeader {
    /// The cluster's id.
    pub cluster_id: String,
    /// The topic's name.
    pub topic: String,
    /// Its id; another one under the same name is another topic.
    pub topic_id: [u8; 16],
    /// What was asked for as output: an absolute path, or one with `%p` in it.
    pub output: String,
    /// What must not change while the job is under way, by the names a person uses.
    pub settings: Vec<FrozenSetting>,
    /// What is read.
    pub partitions: Vec<DumpPartition>,
    /// Where it goes: one file, or one for each partition, in the same order.
    pub outputs: Vec<DumpOutput>,
    /// When the job was first started, in milliseconds since 1970.
    pub started_ms: i64,
    /// When it finished; 0: it has not.
    pub finished_ms: i64,
    /// The exit code it finished with.
    pub exit_code: u8,
}

/// Something that was asked for at the first start.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct FrozenSetting {
    /// What a person calls it.
    pub name: String,
    /// What was asked for.
    pub value: String,
}

/// A partition that is read.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DumpPartition {
    /// Its number.
    pub number: u32,
    /// The first offset.
    pub start: i64,
    /// The offset behind the last one; −1: there is no end.
    pub end: i64,
}

/// A file that is written.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct DumpOutput {
    /// Its absolute path.
    pub path: String,
    /// Its inode.
    pub inode: u64,
    /// How long it was before the job, which is never touched.
    pub kept_bytes: u64,
}

/// How far an output file is.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputSlot {
    /// The bytes of the file that are ours or were there before: what counts ends here.
    pub length: u64,
    /// CRC-32C of its last [`TAIL_BYTES_MAX`] bytes (or fewer).
    pub tail_crc: u32,
    /// How many bytes that were.
    pub tail_bytes: u32,
    /// Records written by all runs.
    pub records: u64,
    /// Those of them whose value holds the delimiter.
    pub ambiguous: u64,
    /// Where each of its partitions goes on, in the header's order.
    pub positions: Vec<OutputPosition>,
}

/// Where a partition goes on.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputPosition {
    /// The next offset.
    pub offset: i64,
    /// The leader epoch of the record before it; −1: not known.
    pub epoch: i32,
}

impl DumpHeader {
    /// The header of a state file. An error says what would make no sense.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        self.check().map_err(str::to_owned)?;
        let bytes = rkyv::to_bytes::<Error>(self).map_err(|error| error.to_string())?;
        Ok(bytes.to_vec())
    }

    /// Takes a job out of a header whose sum holds.
    pub fn decode(header: &[u8]) -> Result<Self, String> {
        let aligned = align(header);
        let archived = rkyv::access::<ArchivedDumpHeader, Error>(&aligned)
            .map_err(|error| format!("the header is no archived dump ({error})"))?;
        let job: Self = rkyv::deserialize::<_, Error>(archived)
            .map_err(|error| format!("the header is no archived dump ({error})"))?;
        job.check().map_err(str::to_owned)?;
        Ok(job)
    }

    /// The partitions that go to an output.
    pub fn partitions_of(&self, output: usize) -> &[DumpPartition] {
        if self.outputs.len() == 1 {
            &self.partitions
        } else {
            &self.partitions[output..=output]
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.partitions.is_empty() {
            return Err("a dump of no partitions");
        }
        let mut numbers: Vec<u32> = self.partitions.iter().map(|p| p.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() != self.partitions.len() {
            return Err("a partition that is dumped twice");
        }
        if self.outputs.len() != 1 && self.outputs.len() != self.partitions.len() {
            return Err("another number of files than of partitions");
        }
        let is_possible = |p: &DumpPartition| p.start >= 0 && (p.end == -1 || p.end >= 0);
        if !self.partitions.iter().all(is_possible) {
            return Err("a partition with impossible offsets");
        }
        if self.outputs.iter().any(|o| o.kept_bytes > i64::MAX as u64) {
            return Err("a file of more bytes than a file can have");
        }
        if self.started_ms < 0 || self.finished_ms < 0 {
            return Err("a time before 1970");
        }
        Ok(())
    }
}

impl OutputSlot {
    /// The payload of a slot; as long for every slot with as many partitions.
    pub fn encode(&self) -> Vec<u8> {
        let bytes = rkyv::to_bytes::<Error>(self).expect("memory takes every byte");
        let mut payload = Vec::with_capacity(bytes.len() + 16);
        // The archive's root is at its end: the length says where that is behind the padding.
        payload.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        payload.extend_from_slice(&bytes);
        payload.resize(payload.len().next_multiple_of(8), 0);
        payload
    }

    /// Takes a slot out of a payload whose sum holds.
    pub fn decode(payload: &[u8]) -> Result<Self, String> {
        let senseless = || "a slot whose length makes no sense".to_owned();
        let (length, archive) = payload.split_first_chunk::<8>().ok_or_else(senseless)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| senseless())?;
        let archive = archive.get(..length).ok_or_else(senseless)?;
        let aligned = align(archive);
        let archived = rkyv::access::<ArchivedOutputSlot, Error>(&aligned)
            .map_err(|error| format!("a slot is no archived slot ({error})"))?;
        let slot: Self = rkyv::deserialize::<_, Error>(archived)
            .map_err(|error| format!("a slot is no archived slot ({error})"))?;
        slot.check().map_err(str::to_owned)?;
        Ok(slot)
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.tail_bytes > TAIL_BYTES_MAX || u64::from(self.tail_bytes) > self.length {
            return Err("an output has an impossible tail");
        }
        let counts = [self.length, self.records, self.ambiguous];
        if counts.into_iter().any(|count| count > i64::MAX as u64) {
            return Err("an output has an impossible count");
        }
        if self.positions.iter().any(|p| p.offset < 0 || p.epoch < -1) {
            return Err("an output has an impossible offset");
        }
        Ok(())
    }
}

impl SlotWriter {
    /// Stores how far an output is. See [`SlotWriter::put_bytes`].
    pub fn put_output(&mut self, slot: &OutputSlot) {
        self.put_bytes(&slot.encode());
    }
}

fn align(bytes: &[u8]) -> AlignedVec {
    let mut aligned = AlignedVec::with_capacity(bytes.len());
    aligned.extend_from_slice(bytes);
    aligned
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> DumpHeader {
        let partition = |number| DumpPartition {
            number,
            start: 5,
            end: 77,
        };
        DumpHeader {
            cluster_id: "cluster".into(),
            topic: "events".into(),
            output: "/data/out".into(),
            settings: vec![FrozenSetting {
                name: "--delimiter".into(),
                value: "\\n".into(),
            }],
            partitions: vec![partition(0), partition(3)],
            outputs: vec![DumpOutput {
                path: "/data/out".into(),
                inode: 7,
                kept_bytes: 0,
            }],
            started_ms: 1_700_000_000_000,
            ..DumpHeader::default()
        }
    }

    #[test]
    fn a_dump_comes_back_as_it_was_written() {
        let bytes = header().encode().unwrap();
        assert_eq!(DumpHeader::decode(&bytes), Ok(header()));
    }

    #[test]
    fn a_dump_that_makes_no_sense_is_neither_written_nor_read() {
        let refused = |change: &dyn Fn(&mut DumpHeader), what: &str| {
            let mut job = header();
            change(&mut job);
            assert!(job.encode().unwrap_err().contains(what), "{what}");
            // As a re-summed file could have it.
            let bytes = rkyv::to_bytes::<Error>(&job).unwrap();
            let error = DumpHeader::decode(&bytes).unwrap_err();
            assert!(error.contains(what), "{what}: {error}");
        };
        refused(&|job| job.partitions.clear(), "no partitions");
        refused(&|job| job.partitions[1].number = 0, "dumped twice");
        refused(&|job| job.outputs.clear(), "number of files");
        refused(&|job| job.partitions[0].start = -1, "impossible offsets");
        refused(&|job| job.partitions[0].end = -2, "impossible offsets");
        refused(&|job| job.outputs[0].kept_bytes = u64::MAX, "more bytes");
        refused(&|job| job.finished_ms = -1, "1970");
    }

    prop_compose! {
        fn any_slot()(
            length in 4096..=i64::MAX as u64,
            tail in (any::<u32>(), 0..=TAIL_BYTES_MAX),
            counts in (0..=i64::MAX as u64, 0..=i64::MAX as u64),
            positions in prop::collection::vec((0..=i64::MAX, -1..i32::MAX), 0..5),
        ) -> OutputSlot {
            let position = |(offset, epoch)| OutputPosition { offset, epoch };
            OutputSlot {
                length,
                tail_crc: tail.0,
                tail_bytes: tail.1,
                records: counts.0,
                ambiguous: counts.1,
                positions: positions.into_iter().map(position).collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn a_slot_comes_back_as_it_was_written(slot in any_slot()) {
            let payload = slot.encode();
            let none = OutputSlot { positions: slot.positions.clone(), ..OutputSlot::default() };
            prop_assert_eq!(payload.len(), none.encode().len(), "whatever the numbers");
            prop_assert_eq!(OutputSlot::decode(&payload), Ok(slot));
        }

        #[test]
        fn any_bytes_are_a_slot_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(OutputSlot::decode(&bytes));
        }

        #[test]
        fn a_changed_slot_is_a_slot_that_makes_sense_or_an_error(
            slot in any_slot(), at in any::<prop::sample::Index>(), value in any::<u64>(),
        ) {
            let mut payload = slot.encode();
            let at = at.index(payload.len() - 7);
            payload[at..at + 8].copy_from_slice(&value.to_le_bytes());
            if let Ok(slot) = OutputSlot::decode(&payload) {
                prop_assert!(slot.check().is_ok());
            }
        }

        #[test]
        fn a_changed_header_is_a_dump_that_makes_sense_or_an_error(
            at in any::<prop::sample::Index>(), value in any::<u64>(), cut in 0..400_usize,
        ) {
            let mut bytes = header().encode().unwrap();
            let at = at.index(bytes.len() - 7);
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            bytes.truncate(bytes.len().saturating_sub(cut % 3 * cut));
            if let Ok(job) = DumpHeader::decode(&bytes) {
                prop_assert!(job.encode().is_ok());
            }
        }
    }
}
