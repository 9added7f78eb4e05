//! The job's state file: where it lies, whether it is this job's, and whether the input still is.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use connectors::file::inputs::{InputFile, Inputs};
use engine::input::{Deal, Input};
use engine::positions::{
    DIRECTION_LOAD, Found, FrozenSettings, InputIdentity, JobHeader, KIND_JOB, LOCK_WAIT,
    PartitionSlot, Store,
};
use protocol::partitioner::murmur2;
use protocol::records::crc::crc32c;
use protocol::records::header::Compression;

use super::error::LoadError;
use super::plan;
use super::target::Topic;
use crate::options::LoadOptions;

/// A job that was begun, now or by an earlier run.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) header: JobHeader,
    pub(super) slots: Vec<PartitionSlot>,
    pub(super) is_new: bool,
    store: Option<Store>,
}

#[derive(Debug)]
pub(super) enum Opened {
    /// There is none: this is where it will lie.
    Fresh(PathBuf),
    Found(Box<Job>),
}

/// What the input has become since the job began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    /// There is something to load.
    Go,
    /// It has grown, and the old end is not reached yet.
    OldEndFirst,
    /// All of it is loaded.
    Finished,
}

/// Opens the state of this job, if it has one.
pub(super) fn open(
    options: &LoadOptions,
    inputs: &Inputs,
    topic: &Topic,
) -> Result<Opened, LoadError> {
    let directory = directory(options);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .map_err(|error| unusable(&directory, format!("cannot create the directory: {error}")))?;
    let path = directory.join(file_name(inputs, topic));
    if options.restart {
        Store::remove(&path, LOCK_WAIT)?;
    }
    let Some(found) = Store::locate(&path, LOCK_WAIT)? else {
        return Ok(Opened::Fresh(path));
    };
    for warning in found.warnings() {
        tracing::warn!("{}: {warning}", path.display());
    }
    let (header, slots) = read(&found)?;
    check_identity(&path, &header, inputs, topic)?;
    check_settings(options, &header.settings)?;
    let store = Some(found.adopt()?);
    Ok(Opened::Found(Box::new(Job {
        header,
        slots,
        is_new: false,
        store,
    })))
}

fn unusable(path: &Path, why: String) -> LoadError {
    LoadError::StateContent {
        path: path.to_owned(),
        why,
    }
}

/// `--state`, else `$XDG_STATE_HOME/ringmain`, else `~/.local/state/ringmain`.
fn directory(options: &LoadOptions) -> PathBuf {
    if let Some(directory) = &options.state_dir {
        return directory.clone();
    }
    let of = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    of("XDG_STATE_HOME")
        .or_else(|| of("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
        .join("ringmain")
}

/// The topic's name for people, and a hash of what makes the job.
fn file_name(inputs: &Inputs, topic: &Topic) -> String {
    let mut key = Vec::new();
    let parts = [topic.cluster_id.as_str(), topic.name.as_str(), "load"];
    for part in parts
        .into_iter()
        .chain(inputs.arguments.iter().map(String::as_str))
    {
        key.extend_from_slice(&(part.len() as u64).to_le_bytes());
        key.extend_from_slice(part.as_bytes());
    }
    let name: String = topic.name.chars().take(60).collect();
    format!(
        "load-{name}-{:08x}{:08x}.state",
        crc32c(&key),
        murmur2(&key)
    )
}

fn read(found: &Found) -> Result<(JobHeader, Vec<PartitionSlot>), LoadError> {
    let bad = |why: String| unusable(found.path(), format!("{why}; --restart forgets it"));
    if found.kind() != KIND_JOB {
        return Err(bad(
            "it holds something else than a load's positions".to_owned()
        ));
    }
    let header = JobHeader::decode(found.header()).map_err(bad)?;
    let slots = (0..found.positions())
        .map(|index| PartitionSlot::decode(found.payload(index)).map_err(bad))
        .collect::<Result<Vec<_>, _>>()?;
    if slots.len() != header.settings.partitions as usize {
        return Err(bad(
            "it has another number of positions than of partitions".to_owned()
        ));
    }
    Ok((header, slots))
}

fn check_identity(
    path: &Path,
    header: &JobHeader,
    inputs: &Inputs,
    topic: &Topic,
) -> Result<(), LoadError> {
    let is_this = header.cluster_id == topic.cluster_id
        && header.topic == topic.name
        && header.direction == DIRECTION_LOAD
        && header.arguments == inputs.arguments;
    if !is_this {
        let why = format!(
            "it is another job's ({} into topic {} of cluster {})",
            header.arguments.join(" "),
            header.topic,
            header.cluster_id
        );
        return Err(unusable(path, why));
    }
    if header.topic_id != topic.id {
        let why = format!(
            "topic {} was deleted and made anew since it was loaded; --restart loads into the new one",
            topic.name
        );
        return Err(unusable(path, why));
    }
    Ok(())
}

/// What was frozen cannot be asked for differently.
fn check_settings(options: &LoadOptions, frozen: &FrozenSettings) -> Result<(), LoadError> {
    let codec = |code| {
        Compression::from_code(code)
            .unwrap_or(Compression::None)
            .name()
    };
    let partition = |p: i32| {
        if p < 0 {
            "by chunk".to_owned()
        } else {
            p.to_string()
        }
    };
    let byte = |b: u8| format!("{:?}", char::from(b));
    let crlf = |strip: bool| if strip { "strip" } else { "keep" }.to_owned();
    let producer = &options.producer;
    let asked_partition = options.partition.map_or(-1, u32::cast_signed);
    let lanes = options.lanes.map_or(frozen.lanes, |lanes| {
        let at_most = if options.partition.is_some() {
            1
        } else {
            frozen.partitions
        };
        lanes.clamp(1, at_most)
    });
    let rows = [
        (
            "--delimiter",
            byte(frozen.delimiter),
            byte(options.delimiter),
        ),
        ("--crlf", crlf(frozen.crlf_strip), crlf(options.crlf_strip)),
        (
            "--partition",
            partition(frozen.fixed_partition),
            partition(asked_partition),
        ),
        (
            "enable.idempotence",
            frozen.idempotence.to_string(),
            producer.idempotence.to_string(),
        ),
        (
            "acks",
            frozen.acks.to_string(),
            producer.acks.code().to_string(),
        ),
        (
            "--compression",
            codec(frozen.compression).to_owned(),
            producer.compression.name().to_owned(),
        ),
        ("--lanes", frozen.lanes.to_string(), lanes.to_string()),
    ];
    for (key, was, asked) in rows {
        if was != asked {
            let why = format!(
                "this load was begun with {key} {was} and cannot go on with {asked}; give the same \
                 again, or --restart to forget what was loaded"
            );
            return Err(LoadError::Frozen { why });
        }
    }
    Ok(())
}

impl Job {
    /// A job that begins now, its state on disk.
    pub(super) fn begun(header: JobHeader, slots: Vec<PartitionSlot>, store: Store) -> Self {
        Self {
            header,
            slots,
            is_new: true,
            store: Some(store),
        }
    }

    pub(super) fn store_mut(&mut self) -> &mut Store {
        self.store
            .as_mut()
            .expect("it is taken once, when the shards begin")
    }

    pub(super) fn take_store(&mut self) -> Store {
        self.store
            .take()
            .expect("it is taken once, when the shards begin")
    }

    /// The input as it is loaded: each file as long as it was when the job began.
    pub(super) fn input(&self) -> Input {
        let files = self
            .header
            .inputs
            .iter()
            .map(|known| engine::input::InputFile {
                path: PathBuf::from(&known.path),
                device: known.device,
                inode: known.inode,
                size: known.size,
            });
        Input::new(files.collect())
    }

    pub(super) fn input_files(&self) -> Vec<InputFile> {
        let files = self.header.inputs.iter().map(|known| InputFile {
            path: PathBuf::from(&known.path),
            device: known.device,
            inode: known.inode,
            size: known.size,
            first_kib_crc: known.first_kib_crc,
        });
        files.collect()
    }

    /// Whether the position of its partition has passed the record at `offset` of a file.
    pub(super) fn covers(&self, input: &Input, file: usize, offset: u64) -> bool {
        let Some(start) = input.start_of(file) else {
            return false;
        };
        let position = start + offset;
        let deal: Deal = plan::cut_rules(&self.header.settings).deal;
        let partition = deal.partition(position / deal.chunk_bytes);
        self.slots
            .get(partition as usize)
            .is_some_and(|slot| slot.position > position)
    }

    /// Compares the input with what it was. One that has grown is taken in as soon as its old end is
    /// loaded.
    pub(super) fn growth(&mut self, inputs: &Inputs) -> Result<Growth, LoadError> {
        let is_finished = self.header.finished_ms > 0;
        let Some(old_bytes) = self.grown_from(inputs)? else {
            return Ok(if is_finished {
                Growth::Finished
            } else {
                Growth::Go
            });
        };
        if !is_finished {
            return Ok(Growth::OldEndFirst);
        }
        self.header.inputs = inputs
            .files
            .iter()
            .map(identity)
            .collect::<Result<_, _>>()?;
        self.header.previous_ends.push(old_bytes);
        self.header.finished_ms = 0;
        let header = self.encode_header()?;
        self.store_mut().put_header(&header)?;
        tracing::info!("the input has grown: {old_bytes} bytes were loaded before");
        Ok(Growth::Go)
    }

    pub(super) fn encode_header(&self) -> Result<Vec<u8>, LoadError> {
        let path = self
            .store
            .as_ref()
            .map_or_else(PathBuf::new, |store| store.path().to_owned());
        self.header
            .encode()
            .map_err(|why| LoadError::StateContent { path, why })
    }

    /// The bytes of the old input, if it has grown; an error where it has changed otherwise.
    fn grown_from(&self, inputs: &Inputs) -> Result<Option<u64>, LoadError> {
        let known = &self.header.inputs;
        let old_bytes = self.header.input_bytes();
        if inputs.files.len() < known.len() {
            let missing = &known[inputs.files.len()].path;
            return Err(changed(missing, "is no longer among the files"));
        }
        for (index, (was, now)) in known.iter().zip(&inputs.files).enumerate() {
            let is_last = index + 1 == known.len();
            check_file(was, now, is_last, self.header.settings.delimiter)?;
        }
        let has_grown = inputs.files.len() > known.len()
            || known
                .last()
                .zip(inputs.files.get(known.len() - 1))
                .is_some_and(|(was, now)| now.size > was.size);
        Ok(has_grown.then_some(old_bytes))
    }
}

/// What is recorded of an input.
pub(super) fn identity(file: &InputFile) -> Result<InputIdentity, LoadError> {
    let path = file.path.to_str().ok_or_else(|| {
        changed(
            &file.path.display().to_string(),
            "has a name that is not UTF-8",
        )
    })?;
    Ok(InputIdentity {
        path: path.to_owned(),
        device: file.device,
        inode: file.inode,
        size: file.size,
        first_kib_crc: file.first_kib_crc,
    })
}

fn changed(path: &str, what: &str) -> LoadError {
    let why = format!(
        "the input changed since it was loaded: {path} {what}; --restart forgets what was loaded \
         and begins anew"
    );
    LoadError::InputChanged { why }
}

fn check_file(
    was: &InputIdentity,
    now: &InputFile,
    is_last: bool,
    delimiter: u8,
) -> Result<(), LoadError> {
    let path = &was.path;
    if Path::new(path) != now.path {
        return Err(changed(path, &format!("is now {}", now.path.display())));
    }
    if was.inode != now.inode {
        return Err(changed(path, "is another file now"));
    }
    if now.size < was.size {
        let what = format!("is {} bytes long and was {}", now.size, was.size);
        return Err(changed(path, &what));
    }
    let failed = |error: io::Error| changed(path, &format!("cannot be read: {error}"));
    let file = File::open(&now.path).map_err(failed)?;
    let mut head = vec![0; usize::try_from(was.size.min(1024)).expect("at most a KiB")];
    file.read_exact_at(&mut head, 0).map_err(failed)?;
    if crc32c(&head) != was.first_kib_crc {
        return Err(changed(path, "begins with other bytes"));
    }
    if now.size == was.size {
        return Ok(());
    }
    if !is_last {
        return Err(changed(path, "has grown, and other files follow it"));
    }
    let mut last = [delimiter];
    if was.size > 0 {
        file.read_exact_at(&mut last, was.size - 1)
            .map_err(failed)?;
    }
    if last[0] != delimiter {
        return Err(changed(
            path,
            "has grown in the middle of a record that was loaded",
        ));
    }
    Ok(())
}
