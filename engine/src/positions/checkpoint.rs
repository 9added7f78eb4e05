//! A sync on its way to the disk, on whichever thread; at most one at a time.
//!
//! The two synced areas are written in turn, so a sync may begin only when the one before it has
//! ended: two at once would leave no whole area to a loss of power. The generation is counted up
//! when an area was written, not before: one that was begun and dropped must not turn the next
//! against the last good area.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::area;
use super::layout::Geometry;
use super::medium::Medium;
use super::place::StateFile;

/// Where the sync is, and with it the buffer it copies the positions into.
#[derive(Debug)]
pub(crate) enum Stage {
    Idle(Vec<u8>),
    /// Copied; a [`Checkpoint`] has the buffer.
    Begun,
    /// On the disk, or not; nobody has looked yet.
    Written {
        area: Vec<u8>,
        generation: u64,
        result: io::Result<()>,
    },
}

/// The stage, shared by the store and the checkpoint.
#[derive(Debug)]
pub(crate) struct SyncStage {
    stage: Mutex<Stage>,
    changed: Condvar,
}

impl SyncStage {
    pub(crate) fn new(area_bytes: usize) -> Arc<Self> {
        let stage = Mutex::new(Stage::Idle(vec![0; area_bytes]));
        Arc::new(Self {
            stage,
            changed: Condvar::new(),
        })
    }

    /// The stage, left as "begun". Who takes another stage than that owes it back, or a checkpoint.
    pub(crate) fn take(&self) -> Stage {
        std::mem::replace(&mut *self.lock(), Stage::Begun)
    }

    pub(crate) fn set(&self, stage: Stage) {
        *self.lock() = stage;
        self.changed.notify_all();
    }

    /// Waits until no checkpoint is out. `false`: it still is.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        let is_begun = |stage: &mut Stage| matches!(stage, Stage::Begun);
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), at_most, is_begun);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        // Stages are replaced whole: a panic elsewhere leaves one or the other.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The positions as they were when the sync began. Dropped unwritten, there was no sync.
#[derive(Debug)]
#[must_use = "a checkpoint that is not written is no sync"]
pub struct Checkpoint {
    pub(super) file: Arc<StateFile>,
    pub(super) stage: Arc<SyncStage>,
    pub(super) generation: u64,
    pub(super) offset: usize,
    /// Empty once it was written.
    pub(super) area: Vec<u8>,
    pub(super) geometry: Geometry,
}

/// That a checkpoint was written; [`super::Store::end_sync`] says whether that worked.
#[derive(Debug)]
#[must_use = "only `end_sync` knows whether the sync worked"]
pub struct Written(());

impl Checkpoint {
    /// The position of this number as it was copied: what survives a loss of power once it is written.
    pub fn payload(&self, index: u32) -> &[u8] {
        area::entry(&self.geometry, &self.area, index)
    }

    /// Writes the copy into the file and waits for the disk. Whatever the copied positions count
    /// on (the file of rejects, a dump's output) must be durable before this is called.
    pub fn write(mut self) -> Written {
        let result = self.file.as_ref().write_durably(self.offset, &self.area);
        let area = std::mem::take(&mut self.area);
        self.stage.set(Stage::Written {
            area,
            generation: self.generation,
            result,
        });
        Written(())
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        if !self.area.is_empty() {
            self.stage.set(Stage::Idle(std::mem::take(&mut self.area)));
        }
    }
}
