//! What is kept of a load: its state file, or nothing where its input cannot be read again.

use engine::positions::{
    Growth, Job, JobError, JobHeader, JobStart, PartitionSlot, SlotWriter, StoreError,
};
use std::sync::{Mutex, PoisonError};

/// A load's state.
#[derive(Debug)]
pub(super) enum Kept {
    /// In a file.
    Job(Box<Job>),
    /// Only while the load runs.
    Nothing {
        header: Box<JobHeader>,
        slots: Vec<PartitionSlot>,
    },
}

impl Kept {
    /// A load that is forgotten when it ends.
    pub(super) fn nothing(header: JobHeader) -> Self {
        let slots = vec![PartitionSlot::default(); header.settings.partitions as usize];
        let header = Box::new(header);
        Self::Nothing { header, slots }
    }

    pub(super) fn header(&self) -> &JobHeader {
        match self {
            Self::Job(job) => job.header(),
            Self::Nothing { header, .. } => header,
        }
    }

    pub(super) fn slots(&self) -> &[PartitionSlot] {
        match self {
            Self::Job(job) => job.slots(),
            Self::Nothing { slots, .. } => slots,
        }
    }

    pub(super) fn start(&self) -> JobStart {
        match self {
            Self::Job(job) => job.start(),
            Self::Nothing { .. } => JobStart::Fresh,
        }
    }

    pub(super) fn growth(&self) -> Option<&Growth> {
        match self {
            Self::Job(job) => job.growth(),
            Self::Nothing { .. } => None,
        }
    }

    pub(super) fn extend(&mut self) -> Result<(), JobError> {
        match self {
            Self::Job(job) => job.extend(),
            Self::Nothing { .. } => Ok(()),
        }
    }

    pub(super) fn update(&mut self, change: impl FnOnce(&mut JobHeader)) -> Result<(), JobError> {
        match self {
            Self::Job(job) => job.update(change),
            Self::Nothing { header, .. } => {
                change(header);
                Ok(())
            }
        }
    }

    pub(super) fn finish(&mut self, now_ms: i64, exit_code: u8) -> Result<(), JobError> {
        match self {
            Self::Job(job) => job.finish(now_ms, exit_code),
            Self::Nothing { .. } => Ok(()),
        }
    }

    /// Where a partition's position is stored; once each.
    pub(super) fn take_writer(&mut self, partition: u32) -> Option<SlotWriter> {
        match self {
            Self::Job(job) => {
                Some(job.store().take_writer(partition).expect(
                    "the state has a position for each partition, and each is dealt out once",
                ))
            }
            Self::Nothing { .. } => None,
        }
    }

    /// Makes durable what was stored.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Job(job) => job.store().sync(),
            Self::Nothing { .. } => Ok(()),
        }
    }
}

/// Makes durable what shards have stored, without holding them up.
pub(super) fn sync_aside(kept: &Mutex<Kept>) -> Result<(), StoreError> {
    let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = match &mut *lock() {
        Kept::Job(job) => job.store().begin_sync()?,
        Kept::Nothing { .. } => None,
    };
    let Some(checkpoint) = begun else {
        return Ok(());
    };
    let written = checkpoint.write();
    match &mut *lock() {
        Kept::Job(job) => job.store().end_sync(written),
        Kept::Nothing { .. } => Ok(()),
    }
}
