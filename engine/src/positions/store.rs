//! The store: a locked, mapped state file, its header, its syncs.
//!
//! * [`Store::locate`] opens, locks, reads and verifies, and changes nothing yet: what the content
//!   means is judged first. [`Found::adopt`] then makes it this process's own.
//! * Stores go through [`SlotWriter`]s; they need no call here.
//! * A sync has three steps, so that a shard need not wait for a disk: [`Store::begin_sync`] copies
//!   the positions as they are now (microseconds), [`Checkpoint::write`] makes the copy durable (on
//!   any thread; whatever the positions count on is made durable before it), [`Store::end_sync`]
//!   looks at the result. [`Store::sync`] is the three in one, and waits for one under way.
//! * A write that fails is never tried again on the same file: the kernel reports a lost page once,
//!   then says "success". A new file is made from memory, read back with the cache dropped, and put
//!   in its place. If that fails too the store has failed, and says so at every later call.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::area;
use super::checkpoint::{Checkpoint, Stage, SyncStage, Written};
use super::error::{StateDamage, StateWarning, StoreError};
use super::identity::{BootId, FileId};
use super::layout::{Geometry, Preamble, SLOT_HEAD_BYTES};
use super::mapping::explain_bus_errors;
use super::medium;
use super::place::{StateFile, read_image};
use super::recover::{Origin, Recovered, recover};
use super::slot::SlotOwner;
use super::writer::{Live, Shared, SlotWriter};

/// How long a start waits for the lock: a killed process may keep it for some 30 ms while the
/// kernel ends its operations; a living one keeps it for good.
pub const LOCK_WAIT: Duration = Duration::from_secs(5);

/// How long a sync waits for another one that hangs on the same disk.
const SYNC_WAIT: Duration = Duration::from_secs(60);

/// What a new file begins with.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// What the file holds, so that a dump's is not taken for a load's.
    pub kind: u32,
    /// The application's header.
    pub header: Vec<u8>,
    /// How many positions.
    pub positions: u32,
    /// The payload of each at first; its length, rounded up to eight, is that of all later ones.
    pub initial: Vec<u8>,
}

/// An existing state file: locked, its sums verified, not changed yet.
#[derive(Debug)]
pub struct Found {
    file: StateFile,
    state: Recovered,
    boot: BootId,
}

/// An open position store.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    preamble: Preamble,
    header: Vec<u8>,
    shared: Arc<Shared>,
    writers: Vec<Option<SlotWriter>>,
    /// The last generation that was written.
    generation: u64,
    sync: Arc<SyncStage>,
    /// A slot's worth of memory to read into.
    slot: Vec<u8>,
    failed: Option<(String, String)>,
}

impl Found {
    /// The application's header.
    pub fn header(&self) -> &[u8] {
        &self.state.header
    }

    /// What kind of content the file was made for.
    pub fn kind(&self) -> u32 {
        self.state.preamble.geometry.kind
    }

    /// How many positions it has.
    pub fn positions(&self) -> u32 {
        self.state.preamble.geometry.positions
    }

    /// The payload of a position.
    pub fn payload(&self, index: u32) -> &[u8] {
        self.state.payload(index)
    }

    /// Whether the live slots counted or the last sync.
    pub fn origin(&self) -> Origin {
        self.state.origin
    }

    /// What was damaged and has a whole copy.
    pub fn warnings(&self) -> &[StateWarning] {
        &self.state.warnings
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Makes the file this process's own: damaged copies are written anew, the header says who
    /// runs in which boot, and what was recovered is synced.
    pub fn adopt(mut self) -> Result<Store, StoreError> {
        let adopted = medium::adopt(
            &mut &self.file,
            &mut self.state,
            self.boot,
            std::process::id(),
        );
        if let Err(first) = adopted {
            self.file = replace(&self.file, &first, &mut self.state)?;
        }
        Store::new(self.file, self.state)
    }

    /// Takes the file away, under its lock: what `--restart` does.
    pub fn remove(self) -> Result<(), StoreError> {
        self.file.remove()
    }
}

impl Store {
    /// Opens, locks and verifies what lies at `path`. `None`: nothing, or a file that is blank
    /// (which is then removed, under its lock).
    pub fn locate(path: &Path, wait: Duration) -> Result<Option<Found>, StoreError> {
        let Some(file) = StateFile::open(path, wait)? else {
            return Ok(None);
        };
        // An error of the last process's writes that nobody was told: ours to hear.
        file.file()
            .sync_data()
            .map_err(StoreError::io("sync", path))?;
        let boot = BootId::current();
        let image = read_image(file.file(), path)?;
        let state = recover(&image, boot).map_err(|damage| StoreError::unusable(path, damage))?;
        let Some(state) = state else {
            tracing::warn!(path = %path.display(), "{}", StateWarning::Blank);
            file.remove()?;
            return Ok(None);
        };
        Ok(Some(Found { file, state, boot }))
    }

    /// Takes away what lies at `path`, whatever it holds, once its lock is had.
    pub fn remove(path: &Path, wait: Duration) -> Result<(), StoreError> {
        StateFile::open(path, wait)?.map_or(Ok(()), StateFile::remove)
    }

    /// Makes a new file. `None`: somebody else made one meanwhile.
    pub fn create(path: &Path, fresh: &Fresh) -> Result<Option<Self>, StoreError> {
        let Fresh {
            kind,
            header,
            positions,
            initial,
        } = fresh;
        let geometry = Geometry::new(*kind, *positions, initial.len(), header.len());
        geometry
            .check()
            .map_err(|what| StoreError::unusable(path, StateDamage::Content { what }))?;
        let mut payload = initial.clone();
        payload.resize(geometry.payload_bytes(), 0);
        let mut state = Recovered {
            preamble: Preamble {
                id: FileId::random(),
                boot: BootId::current(),
                sequence: 0,
                geometry,
                header_bytes: 0,
                header_sum: 0,
                pid: std::process::id(),
            },
            header: header.clone(),
            sequences: vec![2; geometry.positions()],
            payloads: payload.repeat(geometry.positions()),
            generation: 0,
            origin: Origin::Live,
            warnings: Vec::new(),
        };
        let image = image(&mut state);
        let file = StateFile::create(path, &image)?;
        file.map(|file| Self::new(file, state)).transpose()
    }

    fn new(file: StateFile, state: Recovered) -> Result<Self, StoreError> {
        let path = file.path().to_path_buf();
        explain_bus_errors(&path).map_err(StoreError::io("watch the mapping of", &path))?;
        let preamble = state.preamble;
        let Preamble {
            id, boot, geometry, ..
        } = preamble;
        let live = Live::new(Arc::new(file), geometry).map_err(StoreError::io("map", &path))?;
        let shared = Shared::new(live);
        let owner = SlotOwner { id, boot };
        let writer = |index: u32| {
            let sequence = state.sequences[index as usize];
            Some(SlotWriter::new(
                &shared,
                owner,
                index,
                sequence,
                state.payload(index),
            ))
        };
        Ok(Self {
            writers: (0..geometry.positions).map(writer).collect(),
            path,
            preamble,
            header: state.header,
            generation: state.generation,
            sync: SyncStage::new(geometry.area_bytes()),
            slot: vec![0; geometry.slot_bytes()],
            failed: None,
            shared,
        })
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many positions it has.
    pub fn positions(&self) -> u32 {
        self.preamble.geometry.positions
    }

    /// The application's header.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Hands the writer of a position to whoever stores it, on whichever shard; once.
    pub fn take_writer(&mut self, index: u32) -> Option<SlotWriter> {
        self.writers.get_mut(index as usize)?.take()
    }

    /// The writer of a position that was not handed out.
    pub fn writer(&mut self, index: u32) -> Option<&mut SlotWriter> {
        self.writers.get_mut(index as usize)?.as_mut()
    }

    /// Changes the application's header. When this returns, the new one is durable; at every moment
    /// before, the file has the old one or the new one. Room is made if it has outgrown its own.
    pub fn put_header(&mut self, header: &[u8]) -> Result<(), StoreError> {
        self.check_not_failed()?;
        self.check_file()?;
        if header.len() > self.preamble.geometry.header_capacity as usize {
            return self.rewrite(header, &"its header has outgrown its room");
        }
        let file = Arc::clone(&self.shared.live().file);
        match medium::write_header(&mut file.as_ref(), &mut self.preamble, header) {
            Ok(()) => {
                self.header = header.to_vec();
                Ok(())
            }
            Err(error) => self.rewrite(header, &error),
        }
    }

    /// Makes the positions of this moment durable; waits for the disk, and before that for a sync
    /// that is under way on another thread.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        if !self.sync.wait(SYNC_WAIT) {
            return Err(StoreError::SyncUnderWay {
                path: self.path.clone(),
                waited: SYNC_WAIT,
            });
        }
        let checkpoint = self
            .begin_sync()?
            .expect("no checkpoint is out, and none is made but here");
        self.end_sync(checkpoint.write())
    }

    /// Copies the positions as they are now, and looks whether the file is still the one of its
    /// path. `None`: the sync before this one is still under way.
    pub fn begin_sync(&mut self) -> Result<Option<Checkpoint>, StoreError> {
        self.check_not_failed()?;
        self.settle()?;
        self.check_file()?;
        let mut area = match self.sync.take() {
            Stage::Idle(area) => area,
            Stage::Begun => return Ok(None),
            // It was written since `settle` looked; the next call sees to it.
            written @ Stage::Written { .. } => {
                self.sync.set(written);
                return Ok(None);
            }
        };
        let live = Arc::clone(&self.shared.live());
        if let Err(error) = self.copy_positions(&live, &mut area) {
            self.sync.set(Stage::Idle(area));
            return Err(error);
        }
        let generation = self.generation + 1;
        let Preamble {
            geometry, id, boot, ..
        } = self.preamble;
        area::seal(&geometry, &mut area, id, boot, generation);
        let offset = geometry.area_at((generation % 2) as usize);
        let (file, stage) = (Arc::clone(&live.file), Arc::clone(&self.sync));
        Ok(Some(Checkpoint {
            file,
            stage,
            generation,
            offset,
            area,
            geometry,
        }))
    }

    /// Looks at how a checkpoint's writing went. `Ok`: what it copied survives a loss of power.
    pub fn end_sync(&mut self, _: Written) -> Result<(), StoreError> {
        self.check_not_failed()?;
        self.settle()
    }

    /// Takes in the result of a checkpoint that was written, unless somebody did already.
    fn settle(&mut self) -> Result<(), StoreError> {
        match self.sync.take() {
            Stage::Begun => Ok(()),
            Stage::Idle(area) => {
                self.sync.set(Stage::Idle(area));
                Ok(())
            }
            Stage::Written {
                area,
                generation,
                result,
            } => {
                self.sync.set(Stage::Idle(area));
                let Err(error) = result else {
                    self.generation = generation;
                    return Ok(());
                };
                let header = self.header.clone();
                self.rewrite(&header, &error)
            }
        }
    }

    fn copy_positions(&mut self, live: &Live, area: &mut [u8]) -> Result<(), StoreError> {
        let geometry = self.preamble.geometry;
        for index in 0..geometry.positions {
            let sequence = self.read_slot(live, index)?;
            let (head, body) = area::entry_mut(&geometry, area, index);
            head.copy_from_slice(&sequence.to_le_bytes());
            body.copy_from_slice(&self.slot[SLOT_HEAD_BYTES..][..geometry.payload_bytes()]);
        }
        Ok(())
    }

    /// Reads a position into `self.slot`.
    fn read_slot(&mut self, live: &Live, index: u32) -> Result<u64, StoreError> {
        let Preamble { id, boot, .. } = self.preamble;
        live.read(SlotOwner { id, boot }, index, &mut self.slot)
            .ok_or_else(|| {
                let what = format!("both copies of position {index} are damaged");
                StoreError::Disturbed {
                    path: self.path.clone(),
                    what,
                }
            })
    }

    fn check_file(&self) -> Result<(), StoreError> {
        self.shared
            .live()
            .file
            .check_length(self.preamble.geometry.file_bytes())
    }

    fn check_not_failed(&self) -> Result<(), StoreError> {
        match &self.failed {
            None => Ok(()),
            Some((first, second)) => Err(StoreError::Failed {
                path: self.path.clone(),
                first: first.clone(),
                second: second.clone(),
            }),
        }
    }

    /// Makes a new file from memory and moves everybody over to it.
    fn rewrite(&mut self, header: &[u8], why: &dyn std::fmt::Display) -> Result<(), StoreError> {
        tracing::warn!(path = %self.path.display(), %why, "making the state file anew");
        let result = self.try_rewrite(header);
        if let Err(error) = &result {
            self.failed = Some((why.to_string(), error.to_string()));
            return self.check_not_failed();
        }
        result
    }

    fn try_rewrite(&mut self, header: &[u8]) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        // Held until the new file has the name: a writer that is summoned waits for that.
        let mut current = shared.live();
        shared.summon_writers();
        let mut state = self.snapshot(&current, header)?;
        let image = image(&mut state);
        let file = Arc::new(current.file.replace(&image)?);
        let live = Live::new(file, state.preamble.geometry);
        *current = Arc::new(live.map_err(StoreError::io("map", &self.path))?);
        self.preamble = state.preamble;
        self.header = state.header;
        self.generation = state.generation;
        // A checkpoint that is out is of the old file, whose areas count no more.
        self.sync = SyncStage::new(self.preamble.geometry.area_bytes());
        Ok(())
    }

    fn snapshot(&mut self, live: &Live, header: &[u8]) -> Result<Recovered, StoreError> {
        let old = self.preamble.geometry;
        let mut geometry =
            Geometry::new(old.kind, old.positions, old.payload_bytes(), header.len());
        geometry.header_capacity = geometry.header_capacity.max(old.header_capacity);
        let check = geometry.check();
        check.map_err(|what| StoreError::unusable(&self.path, StateDamage::Content { what }))?;
        let mut sequences = Vec::with_capacity(geometry.positions());
        let mut payloads = Vec::with_capacity(geometry.positions() * geometry.payload_bytes());
        for index in 0..geometry.positions {
            sequences.push(self.read_slot(live, index)?);
            payloads.extend_from_slice(&self.slot[SLOT_HEAD_BYTES..][..geometry.payload_bytes()]);
        }
        Ok(Recovered {
            preamble: Preamble {
                geometry,
                ..self.preamble
            },
            header: header.to_vec(),
            sequences,
            payloads,
            generation: self.generation,
            origin: Origin::Live,
            warnings: Vec::new(),
        })
    }
}

/// The bytes of a whole file that holds `state`; its counters go up by what was written.
fn image(state: &mut Recovered) -> Vec<u8> {
    let bytes = state.preamble.geometry.file_bytes();
    let mut image = vec![0; usize::try_from(bytes).expect("the geometry bounds it")];
    medium::write_all(&mut image, state).expect("memory takes every byte");
    image
}

/// A new file in the place of one that did not take a write when it was opened.
fn replace(
    file: &StateFile,
    first: &io::Error,
    state: &mut Recovered,
) -> Result<StateFile, StoreError> {
    file.replace(&image(state))
        .map_err(|second| StoreError::Failed {
            path: file.path().to_path_buf(),
            first: first.to_string(),
            second: second.to_string(),
        })
}
