//! Storing a position: the part of the store that runs at every acknowledgement.
//!
//! A [`SlotWriter`] owns the two slots of one position. Writers may live on different shards; they
//! share nothing but the mapping, each its own cache lines of it. Should the file have to be made
//! anew (its disk failed, its header grew), the store moves the mapping under them:
//!
//! * the store takes the lock, counts the generation up, copies every position's newest slot into
//!   the new file, puts that in its place, and lets the lock go;
//! * a writer looks at the generation *after* each store. If it was counted up, the writer takes
//!   the lock, which waits for all of that, and stores the same again into the new mapping.
//!
//! With a full fence on both sides either the writer sees the new generation or the store sees the
//! writer's slot. So a store that was completed is always in the file that has the name.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::layout::{Geometry, SLOT_HEAD_BYTES};
use super::mapping::Mapping;
use super::place::StateFile;
use super::slot::{self, SlotOwner};

/// The live slots of a file. Holds the file, and so its lock, for as long as anyone can store.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) file: Arc<StateFile>,
    mapping: Mapping,
    geometry: Geometry,
}

impl Live {
    pub(crate) fn new(file: Arc<StateFile>, geometry: Geometry) -> std::io::Result<Self> {
        let bytes = usize::try_from(geometry.file_bytes()).expect("the geometry bounds it");
        let mapping = Mapping::new(file.file(), bytes)?;
        Ok(Self {
            file,
            mapping,
            geometry,
        })
    }

    /// Copies the newest whole slot of a position into `slot` and answers its sequence.
    pub(crate) fn read(&self, owner: SlotOwner, index: u32, slot: &mut [u8]) -> Option<u64> {
        let words = self.geometry.slot_bytes() / 8;
        slot::read_pair(&self.words(index, 0)[..2 * words], owner, index, slot)
    }

    fn words(&self, index: u32, number: usize) -> &[AtomicU64] {
        let at = self.geometry.live_at() + self.geometry.slot_in_live(index, number);
        &self.mapping.words()[at / 8..]
    }
}

/// What the store and all writers share.
#[derive(Debug)]
pub(crate) struct Shared {
    generation: AtomicU64,
    live: Mutex<Arc<Live>>,
}

impl Shared {
    pub(crate) fn new(live: Live) -> Arc<Self> {
        Arc::new(Self {
            generation: AtomicU64::new(0),
            live: Mutex::new(Arc::new(live)),
        })
    }

    pub(crate) fn live(&self) -> MutexGuard<'_, Arc<Live>> {
        // A panic elsewhere leaves one whole mapping or the other here.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the writers to come over. The caller holds the lock until the new file has the name.
    pub(crate) fn summon_writers(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }
}

/// Stores one position. Two writers of one position never exist.
#[derive(Debug)]
pub struct SlotWriter {
    shared: Arc<Shared>,
    live: Arc<Live>,
    generation: u64,
    owner: SlotOwner,
    index: u32,
    sequence: u64,
    /// The sealed slot of the last store, 64-byte head and payload.
    slot: Box<[u8]>,
}

impl SlotWriter {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        owner: SlotOwner,
        index: u32,
        sequence: u64,
        payload: &[u8],
    ) -> Self {
        let live = Arc::clone(&shared.live());
        let mut slot = vec![0; live.geometry.slot_bytes()].into_boxed_slice();
        slot[SLOT_HEAD_BYTES..][..payload.len()].copy_from_slice(payload);
        let generation = shared.generation.load(Ordering::SeqCst);
        Self {
            shared: Arc::clone(shared),
            live,
            generation,
            owner,
            index,
            sequence,
            slot,
        }
    }

    /// Which position this writer stores.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Stores `payload`, exactly as long as the file's slots are. When this returns, the death of
    /// the process no longer takes it back; a loss of power does until the next sync. No system
    /// call, no allocation, no lock (but in the rare moment in which the file is made anew).
    pub fn put_bytes(&mut self, payload: &[u8]) {
        self.payload_mut().copy_from_slice(payload);
        self.put_payload();
    }

    /// Where the payload of the next store is made, in place.
    pub(crate) fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.slot[SLOT_HEAD_BYTES..][..self.live.geometry.payload_bytes()]
    }

    /// Stores what [`SlotWriter::payload_mut`] was filled with.
    pub(crate) fn put_payload(&mut self) {
        self.sequence += 1;
        slot::seal(&mut self.slot, self.owner, self.index, self.sequence);
        self.publish();
        fence(Ordering::SeqCst);
        while self.shared.generation.load(Ordering::SeqCst) != self.generation {
            self.follow();
        }
    }

    fn publish(&self) {
        let words = self.live.words(self.index, (self.sequence % 2) as usize);
        slot::publish(&words[..self.slot.len() / 8], &self.slot);
    }

    #[cold]
    fn follow(&mut self) {
        let shared = Arc::clone(&self.shared);
        let live = shared.live();
        // Under the lock: nobody moves the mapping, nobody else writes our slots.
        self.generation = shared.generation.load(Ordering::SeqCst);
        self.live = Arc::clone(&live);
        self.publish();
        fence(Ordering::SeqCst);
    }
}
