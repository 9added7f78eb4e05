//! A dump's job: which state file it has, and whether what is asked now is what was begun then.
//!
//! As with a load, nothing of an existing file is changed before everything that was frozen in it
//! has been held against what is asked. The output files are looked at by the caller between
//! [`DumpJob::find`] and [`FoundDump::adopt`].

mod content;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use content::{
    DumpHeader, DumpOutput, DumpPartition, FrozenSetting, OutputPosition, OutputSlot,
};

use super::content::DIRECTION_DUMP;
use super::error::{StateDamage, StateWarning, StoreError};
use super::identity::{BootId, FileId};
use super::job::{JobError, make_directory, state_file_name};
use super::place::{open_regular, read_image};
use super::recover::{Origin, recover};
use super::store::{Found, Fresh, Store};

/// The `kind` of a state file that a dump keeps.
pub const KIND_DUMP: u32 = 2;

/// An existing dump: locked, its sums verified, not changed yet.
#[derive(Debug)]
pub struct FoundDump {
    found: Found,
    /// The job as it is frozen in the state.
    pub header: DumpHeader,
    /// The outputs as they were left.
    pub slots: Vec<OutputSlot>,
}

/// An open dump: its state file, locked.
#[derive(Debug)]
pub struct DumpJob {
    store: Store,
    header: DumpHeader,
}

impl DumpJob {
    /// Where the state of a dump lies.
    pub fn place(directory: &Path, cluster_id: &str, topic: &str, output: &str) -> PathBuf {
        let arguments = [output.to_owned()];
        let name = state_file_name(cluster_id, topic, DIRECTION_DUMP, &arguments);
        directory.join(name)
    }

    /// Opens and locks what lies at `path`; `None`: nothing.
    pub fn find(path: &Path, lock_wait: Duration) -> Result<Option<FoundDump>, JobError> {
        let Some(found) = Store::locate(path, lock_wait)? else {
            return Ok(None);
        };
        let payloads = (0..found.positions()).map(|index| found.payload(index));
        let (header, slots) = decode(found.kind(), found.header(), payloads)
            .map_err(|damage| StoreError::unusable(path, damage))?;
        Ok(Some(FoundDump {
            found,
            header,
            slots,
        }))
    }

    /// Takes away what lies at `path`, whatever it holds.
    pub fn remove(path: &Path, lock_wait: Duration) -> Result<(), JobError> {
        Ok(Store::remove(path, lock_wait)?)
    }

    /// A new state; `None`: somebody else made one meanwhile.
    pub fn create(
        path: &Path,
        header: DumpHeader,
        slots: &[OutputSlot],
    ) -> Result<Option<Self>, JobError> {
        let senseless = |what| StoreError::unusable(path, StateDamage::Content { what });
        if let Some(directory) = path.parent() {
            make_directory(directory)?;
        }
        let first = slots.first().expect("a dump has an output");
        let fresh = Fresh {
            kind: KIND_DUMP,
            header: header.encode().map_err(senseless)?,
            positions: u32::try_from(slots.len()).unwrap_or(u32::MAX),
            initial: first.encode(),
        };
        let Some(mut store) = Store::create(path, &fresh)? else {
            return Ok(None);
        };
        for (index, slot) in (0..).zip(slots) {
            let writer = store.writer(index).expect("a writer an output");
            writer.put_output(slot);
        }
        store.sync()?;
        Ok(Some(Self { store, header }))
    }

    /// The job as it is frozen in the state.
    pub fn header(&self) -> &DumpHeader {
        &self.header
    }

    /// The store: writers of the outputs, syncs.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Where the state file lies.
    pub fn path(&self) -> &Path {
        self.store.path()
    }

    /// Changes the header; when this returns, the change is durable.
    pub fn update(&mut self, change: impl FnOnce(&mut DumpHeader)) -> Result<(), JobError> {
        let mut header = self.header.clone();
        change(&mut header);
        let senseless = |what| StoreError::unusable(self.path(), StateDamage::Content { what });
        let bytes = header.encode().map_err(senseless)?;
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
}

impl FoundDump {
    /// Whether the live slots counted or the last sync.
    pub fn origin(&self) -> Origin {
        self.found.origin()
    }

    /// What was damaged and has a whole copy.
    pub fn warnings(&self) -> &[StateWarning] {
        self.found.warnings()
    }

    /// Whether the job is the one that is asked for; an error names what differs.
    pub fn check(&self, asked: &DumpHeader) -> Result<(), JobError> {
        let path = self.found.path().to_path_buf();
        let of = |header: &DumpHeader| {
            let DumpHeader {
                cluster_id,
                topic,
                output,
                ..
            } = header;
            format!("of topic {topic} of cluster {cluster_id} into {output}")
        };
        if of(&self.header) != of(asked) {
            let what = of(&self.header);
            return Err(JobError::OtherJob { path, what });
        }
        if self.header.topic_id != asked.topic_id {
            let topic = asked.topic.clone();
            return Err(JobError::OtherDumpedTopic { topic });
        }
        let value = |settings: &[FrozenSetting], name: &str| {
            let found = settings.iter().find(|setting| setting.name == name);
            found.map_or_else(|| format!("no {name}"), |s| format!("{name} {}", s.value))
        };
        let mut names: Vec<&str> = Vec::new();
        for setting in self.header.settings.iter().chain(&asked.settings) {
            if !names.contains(&setting.name.as_str()) {
                names.push(&setting.name);
            }
        }
        let both = names.iter().map(|name| {
            let frozen = value(&self.header.settings, name);
            (frozen, value(&asked.settings, name))
        });
        let different: Vec<_> = both.filter(|(frozen, asked)| frozen != asked).collect();
        if different.is_empty() {
            return Ok(());
        }
        let (frozen, asked): (Vec<_>, Vec<_>) = different.into_iter().unzip();
        Err(JobError::Frozen {
            frozen: frozen.join(", "),
            asked: asked.join(", "),
        })
    }

    /// Makes the state this process's own.
    pub fn adopt(self) -> Result<DumpJob, JobError> {
        Ok(DumpJob {
            store: self.found.adopt()?,
            header: self.header,
        })
    }

    /// Takes the state away, under its lock.
    pub fn remove(self) -> Result<(), JobError> {
        Ok(self.found.remove()?)
    }
}

fn decode<'a>(
    kind: u32,
    header: &[u8],
    payloads: impl Iterator<Item = &'a [u8]>,
) -> Result<(DumpHeader, Vec<OutputSlot>), StateDamage> {
    if kind != KIND_DUMP {
        return Err(StateDamage::OtherKind {
            expected: KIND_DUMP,
            found: kind,
        });
    }
    let senseless = |what| StateDamage::Content { what };
    let header = DumpHeader::decode(header).map_err(senseless)?;
    let slots = payloads.map(OutputSlot::decode);
    let slots = slots.collect::<Result<Vec<_>, _>>().map_err(senseless)?;
    let fits = |(output, slot): (usize, &OutputSlot)| {
        slot.positions.len() == header.partitions_of(output).len()
    };
    if slots.len() != header.outputs.len() || !slots.iter().enumerate().all(fits) {
        let what = "another number of outputs or partitions than its header says".to_owned();
        return Err(StateDamage::Content { what });
    }
    Ok((header, slots))
}

/// What a dump's state file says, to a reader who takes no lock.
#[derive(Clone, Debug)]
pub struct DumpView {
    /// Where it lies.
    pub path: PathBuf,
    /// The file's own id.
    pub id: FileId,
    /// The process that opened it last.
    pub pid: u32,
    /// Whether the live slots count or the last sync.
    pub origin: Origin,
    /// The job.
    pub header: DumpHeader,
    /// Its outputs.
    pub slots: Vec<OutputSlot>,
    /// What was damaged and has a whole copy.
    pub warnings: Vec<StateWarning>,
}

impl DumpView {
    /// Reads the file at `path` as a start in this boot would. A torn read of a running job's file
    /// is the caller's to repeat.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let absent = || StoreError::io("open", path)(std::io::ErrorKind::NotFound.into());
        let file = open_regular(path, false)?.ok_or_else(absent)?;
        let image = read_image(&file, path)?;
        let unusable = |damage| StoreError::unusable(path, damage);
        let state = recover(&image, BootId::current()).map_err(unusable)?;
        let state = state.ok_or_else(|| unusable(StateDamage::Blank))?;
        let geometry = state.preamble.geometry;
        let payloads = (0..geometry.positions).map(|index| state.payload(index));
        let (header, slots) = decode(geometry.kind, &state.header, payloads).map_err(unusable)?;
        Ok(Self {
            path: path.to_path_buf(),
            id: state.preamble.id,
            pid: state.preamble.pid,
            origin: state.origin,
            header,
            slots,
            warnings: state.warnings,
        })
    }
}
