//! A job: which state file it has, and whether what is asked now is what was begun then.
//!
//! Nothing of an existing file is changed before everything that was frozen in it has been held
//! against what is asked: a start that is refused leaves the state as it was.

mod error;
mod frozen;
mod inputs;
mod place;

use std::path::Path;
use std::time::Duration;

pub use error::{JobError, JobWarning};
pub use frozen::AskedSettings;
pub use inputs::Growth;
pub(super) use place::make_directory;
pub use place::{state_directory, state_file_name};

use super::content::{FrozenSettings, InputIdentity, JobHeader, KIND_JOB, PartitionSlot};
use super::error::{StateDamage, StoreError};
use super::recover::Origin;
use super::store::{Found, Fresh, LOCK_WAIT, Store};

/// Somebody else may take the name between our look and our try; not this often in a row.
const OPEN_TRIES: usize = 8;

/// What is asked of a job when it is started.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// The cluster's id.
    pub cluster_id: String,
    /// The topic's name.
    pub topic: String,
    /// Its id; zero where the cluster has none.
    pub topic_id: [u8; 16],
    /// A load's or a dump's.
    pub direction: u8,
    /// Canonical absolute paths or patterns, in the order given.
    pub arguments: Vec<String>,
    /// The files that these are now.
    pub inputs: Vec<InputIdentity>,
    /// What a new job freezes.
    pub settings: FrozenSettings,
    /// What a job that was begun before must agree with.
    pub asked: AskedSettings,
    /// How records are found in the input, likewise.
    pub reading: String,
    /// The last input may have grown: what is appended to it begins with a record.
    pub may_grow: bool,
    /// The time, in milliseconds since 1970.
    pub now_ms: i64,
    /// Forget what there is and begin again.
    pub restart: bool,
    /// How long to wait for another process's lock.
    pub lock_wait: Duration,
}

impl Default for JobRequest {
    fn default() -> Self {
        Self {
            cluster_id: String::new(),
            topic: String::new(),
            topic_id: [0; 16],
            direction: super::DIRECTION_LOAD,
            arguments: Vec::new(),
            inputs: Vec::new(),
            settings: FrozenSettings::default(),
            asked: AskedSettings::default(),
            reading: String::new(),
            may_grow: true,
            now_ms: 0,
            restart: false,
            lock_wait: LOCK_WAIT,
        }
    }
}

/// Where a job begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStart {
    /// There was no state.
    Fresh,
    /// It was begun before.
    Resumed {
        /// Whether every store counted or the last sync.
        from: Origin,
    },
    /// It was finished before; if the input has grown since, [`Job::growth`] says so.
    Finished {
        /// When, in milliseconds since 1970.
        at_ms: i64,
        /// With which exit code.
        exit_code: u8,
    },
}

/// An open job: its state file, locked, and what it held when it was opened.
#[derive(Debug)]
pub struct Job {
    store: Store,
    header: JobHeader,
    slots: Vec<PartitionSlot>,
    start: JobStart,
    growth: Option<Growth>,
    warnings: Vec<JobWarning>,
}

impl Job {
    /// Opens the job's state in `directory`, or makes it.
    pub fn open_or_create(directory: &Path, request: &JobRequest) -> Result<Self, JobError> {
        let name = state_file_name(
            &request.cluster_id,
            &request.topic,
            request.direction,
            &request.arguments,
        );
        let path = directory.join(name);
        let mut restart = request.restart;
        for _ in 0..OPEN_TRIES {
            if restart {
                Store::remove(&path, request.lock_wait)?;
                restart = false;
            }
            if let Some(found) = Store::locate(&path, request.lock_wait)? {
                return Self::resume(found, request);
            }
            make_directory(directory)?;
            if let Some(job) = Self::create(&path, request)? {
                return Ok(job);
            }
        }
        Err(JobError::Contended { path })
    }

    /// The job as it is frozen in the state.
    pub fn header(&self) -> &JobHeader {
        &self.header
    }

    /// The partitions as they were when the job was opened.
    pub fn slots(&self) -> &[PartitionSlot] {
        &self.slots
    }

    /// Where the job begins.
    pub fn start(&self) -> JobStart {
        self.start
    }

    /// What has been appended to the input since its end was frozen.
    pub fn growth(&self) -> Option<&Growth> {
        self.growth.as_ref()
    }

    /// What the person should know before it begins.
    pub fn warnings(&self) -> &[JobWarning] {
        &self.warnings
    }

    /// The store: writers of the partitions, syncs.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Where the state file lies.
    pub fn path(&self) -> &Path {
        self.store.path()
    }

    /// Changes the header; when this returns, the change is durable. Lanes' producer ids are noted
    /// so before their first use, and the end of the job.
    pub fn update(&mut self, change: impl FnOnce(&mut JobHeader)) -> Result<(), JobError> {
        let mut header = self.header.clone();
        change(&mut header);
        let bytes = header.encode().map_err(|what| content(self.path(), what))?;
        self.store.put_header(&bytes)?;
        self.header = header;
        Ok(())
    }

    /// Notes that the job is done.
    pub fn finish(&mut self, now_ms: i64, exit_code: u8) -> Result<(), JobError> {
        self.update(|header| {
            // Zero means "not finished", whatever a clock says.
            header.finished_ms = now_ms.max(1);
            header.exit_code = exit_code;
        })
    }

    /// Moves the end of the input on to what has been appended, once the old end is reached: the
    /// last batch before it ends there for good.
    pub fn extend(&mut self) -> Result<(), JobError> {
        let Some(growth) = self.growth.clone() else {
            return Ok(());
        };
        self.update(|header| {
            if header.previous_ends.last() != Some(&growth.old_end) {
                header.previous_ends.push(growth.old_end);
            }
            header.inputs = growth.inputs;
            header.finished_ms = 0;
            header.exit_code = 0;
        })?;
        self.growth = None;
        Ok(())
    }

    fn create(path: &Path, request: &JobRequest) -> Result<Option<Self>, JobError> {
        let header = JobHeader {
            cluster_id: request.cluster_id.clone(),
            topic: request.topic.clone(),
            topic_id: request.topic_id,
            direction: request.direction,
            arguments: request.arguments.clone(),
            inputs: request.inputs.clone(),
            settings: request.settings,
            reading: request.reading.clone(),
            started_ms: request.now_ms,
            ..JobHeader::default()
        };
        let fresh = Fresh {
            kind: KIND_JOB,
            header: header.encode().map_err(|what| content(path, what))?,
            positions: header.settings.partitions,
            initial: PartitionSlot::default().encode(),
        };
        let Some(store) = Store::create(path, &fresh)? else {
            return Ok(None);
        };
        let slots = vec![PartitionSlot::default(); header.settings.partitions as usize];
        let warnings = place::overlaps(path, &header);
        let start = JobStart::Fresh;
        Ok(Some(Self {
            store,
            header,
            slots,
            start,
            growth: None,
            warnings,
        }))
    }

    fn resume(found: Found, request: &JobRequest) -> Result<Self, JobError> {
        let path = found.path().to_path_buf();
        let (header, slots) = decode(&found).map_err(|damage| StoreError::Unusable {
            path: path.clone(),
            damage,
        })?;
        frozen::check(&path, &header, request)?;
        let delimiter = header.settings.delimiter;
        let ends_in = request.may_grow.then_some(delimiter);
        let growth = inputs::compare(&header.inputs, &request.inputs, ends_in)?;
        let mut warnings: Vec<JobWarning> = found
            .warnings()
            .iter()
            .map(|warning| JobWarning::State(warning.clone()))
            .collect();
        let start = match header.finished_ms {
            0 => JobStart::Resumed {
                from: found.origin(),
            },
            at_ms => JobStart::Finished {
                at_ms,
                exit_code: header.exit_code,
            },
        };
        if start
            == (JobStart::Resumed {
                from: Origin::Synced,
            })
            && !slots.iter().all(is_settled)
        {
            warnings.push(JobWarning::Restarted);
        }
        warnings.extend(place::overlaps(&path, &header));
        let store = found.adopt()?;
        Ok(Self {
            store,
            header,
            slots,
            start,
            growth,
            warnings,
        })
    }
}

/// The typed content of a state file whose sums hold.
pub(super) fn decode(found: &Found) -> Result<(JobHeader, Vec<PartitionSlot>), StateDamage> {
    let payloads = (0..found.positions()).map(|index| found.payload(index));
    decode_content(found.kind(), found.header(), payloads)
}

pub(super) fn decode_content<'a>(
    kind: u32,
    header: &[u8],
    payloads: impl Iterator<Item = &'a [u8]>,
) -> Result<(JobHeader, Vec<PartitionSlot>), StateDamage> {
    if kind != KIND_JOB {
        return Err(StateDamage::OtherKind {
            expected: KIND_JOB,
            found: kind,
        });
    }
    let senseless = |what| StateDamage::Content { what };
    let header = JobHeader::decode(header).map_err(senseless)?;
    let slots = payloads
        .map(PartitionSlot::decode)
        .collect::<Result<Vec<_>, _>>();
    let slots = slots.map_err(senseless)?;
    if header.settings.partitions as usize != slots.len() {
        let partitions = header.settings.partitions;
        let what = format!("{partitions} partitions, but {} positions", slots.len());
        return Err(StateDamage::Content { what });
    }
    Ok((header, slots))
}

/// Nothing of it can have been on its way.
fn is_settled(slot: &PartitionSlot) -> bool {
    slot.clean
}

fn content(path: &Path, what: String) -> JobError {
    StoreError::unusable(path, StateDamage::Content { what }).into()
}

#[cfg(test)]
mod tests;
