//! Where we were, in a memory-mapped file: what a load or a dump needs to go on exactly.
//!
//! One file a job. Every position has two *live* slots in a shared mapping, stored in turn at each
//! acknowledgement: no system call, and whatever moment the process is killed at, the last
//! completed store is there. A loss of power is another matter, for the kernel writes mapped pages
//! when it likes and tears them where it likes. So once a second all positions are copied into one
//! of two *synced* areas, whole, under one sum, written around the mapping and made durable. The
//! header names the boot in which the live slots were written: after another boot they are not
//! even looked at, and the newest whole synced area counts.
//!
//! Invariants:
//! * Nothing is answered but a state that was stored: never older than the last completed store
//!   (same boot) or the last completed sync (another boot), or a refusal, and that only where both
//!   copies were damaged.
//! * The file is read with `pread` into a private buffer and judged there: sums, then bytecheck,
//!   then meaning. The shared mapping is seen as atomics only, and never validated in place.
//! * The lock is held by whoever can still store, and is on the file that the path names.
//! * A failed write is never tried again on the same file.
//!
//! What this does not cover: a device that loses writes without a reboot and without reporting an
//! error (pulled out and put back), and other machines that share the file over a network.

mod area;
mod checkpoint;
mod content;
mod dump;
mod error;
mod identity;
mod job;
mod layout;
mod mapping;
mod medium;
mod place;
mod recover;
mod slot;
mod store;
mod view;
mod writer;

pub use checkpoint::{Checkpoint, Written};
pub use content::{
    DIRECTION_DUMP, DIRECTION_LOAD, FrozenSettings, InputIdentity, JobDoubt, JobHeader, KIND_JOB,
    LaneProducer, PartitionSlot, SLOT_PAYLOAD_BYTES, TAIL_BYTES_MAX,
};
pub use dump::{
    DumpHeader, DumpJob, DumpOutput, DumpPartition, DumpView, FoundDump, FrozenSetting, KIND_DUMP,
    OutputPosition, OutputSlot,
};
pub use error::{StateDamage, StateWarning, StoreError};
pub use identity::{BootId, FileId};
pub use job::{
    AskedSettings, Growth, Job, JobError, JobRequest, JobStart, JobWarning, state_directory,
    state_file_name,
};
pub use layout::crc32c as tail_sum;
pub use recover::Origin;
pub use store::{Found, Fresh, LOCK_WAIT, Store};
pub use view::StateView;
pub use writer::SlotWriter;

#[cfg(test)]
mod tests;
