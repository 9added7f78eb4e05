//! What a state file holds: a job's header and a partition's position.

use engine::positions::{
    FrozenSettings, InputIdentity, JobDoubt, JobHeader, LaneProducer, PartitionSlot,
};

pub(super) mod job_header {
    use super::*;

    /// What is taken is encoded to bytes that are taken for the same.
    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let Ok(job) = JobHeader::decode(bytes) else {
            return false;
        };
        let again = job.encode().expect("it was found to make sense");
        assert_eq!(JobHeader::decode(&again).as_ref(), Ok(&job));
        true
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let job = JobHeader {
            cluster_id: "a-cluster-with-a-long-id".into(),
            topic: "events".into(),
            arguments: vec!["/data/*.log".into()],
            inputs: vec![
                InputIdentity {
                    path: "/data/a-file-with-a-long-name.log".into(),
                    size: 1_000,
                    ..InputIdentity::default()
                };
                2
            ],
            settings: FrozenSettings {
                partitions: 3,
                ..FrozenSettings::default()
            },
            lane_producers: vec![LaneProducer { id: 7, epoch: 0 }],
            previous_ends: vec![0],
            doubts: vec![JobDoubt {
                partition: 1,
                position: 5,
            }],
            started_ms: 1,
            ..JobHeader::default()
        };
        vec![job.encode().expect("it makes sense")]
    }
}

pub(super) mod partition_slot {
    use super::*;

    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let Ok(slot) = PartitionSlot::decode(bytes) else {
            return false;
        };
        assert_eq!(PartitionSlot::decode(&slot.encode()), Ok(slot));
        true
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let slot = PartitionSlot {
            producer_id: 9,
            epoch: 3,
            next_sequence: 70,
            position: 1_000,
            last_offset: 69,
            first_offset: 0,
            records: 70,
            bytes: 1_000,
            clean: true,
            ..PartitionSlot::default()
        };
        vec![slot.encode(), PartitionSlot::default().encode()]
    }
}
