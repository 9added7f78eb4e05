//! The job as the command line asks for it: new, or found in its state and taken up.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use engine::control::Control;
use engine::positions::{
    DumpHeader, DumpJob, FoundDump, FrozenSetting, LOCK_WAIT, Origin, OutputPosition, OutputSlot,
    state_directory,
};
use protocol::hot::fetch::IsolationLevel;

use super::error::DumpError;
use super::files::{self, OpenFile};
use super::options::{DumpOptions, RecordsAs};
use super::topic::{self, Topic};

/// Somebody else may make or remove the state between our look and our try; not this often in a row.
const OPEN_TRIES: usize = 8;

/// A job whose files are open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) job: DumpJob,
    pub(super) slots: Vec<OutputSlot>,
    pub(super) files: Vec<OpenFile>,
    /// An earlier run had begun it.
    pub(super) resumed: bool,
}

/// What a start finds.
#[derive(Debug)]
pub(super) enum Start {
    Opened(Box<Opened>),
    /// It was finished before.
    Finished(Box<FoundDump>),
}

pub(super) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

/// Opens the job's state and its files, or makes them.
pub(super) fn open(
    control: &mut Control,
    options: &DumpOptions,
    topic: &Topic,
) -> Result<Start, DumpError> {
    let directory = state_directory(options.state_dir.as_deref(), &|name| std::env::var_os(name))?;
    let (output, paths) = files::paths(&options.output, &topic.partitions)?;
    let place = DumpJob::place(&directory, &topic.cluster_id, &topic.name, &output);
    let asked = DumpHeader {
        cluster_id: topic.cluster_id.clone(),
        topic: topic.name.clone(),
        topic_id: topic.id,
        output,
        settings: settings(options),
        started_ms: now_ms(),
        ..DumpHeader::default()
    };
    let mut forgotten = None;
    for _ in 0..OPEN_TRIES {
        if options.restart && forgotten.is_none() {
            forgotten = Some(forget(&place)?);
        }
        if let Some(found) = DumpJob::find(&place, LOCK_WAIT)? {
            found.check(&asked)?;
            return resume(found);
        }
        let ours = forgotten.clone().flatten();
        if let Some(opened) = create(
            control,
            options,
            topic,
            &place,
            &paths,
            &asked,
            ours.as_ref(),
        )? {
            return Ok(Start::Opened(Box::new(opened)));
        }
    }
    Err(DumpError::Contended(place))
}

/// Takes the state away; what it said of its files is not forgotten yet, where it can be read.
fn forget(place: &Path) -> Result<Option<DumpHeader>, DumpError> {
    match DumpJob::find(place, LOCK_WAIT) {
        Ok(Some(found)) => {
            let header = found.header.clone();
            found.remove()?;
            Ok(Some(header))
        }
        Ok(None) => Ok(None),
        Err(error) => {
            DumpJob::remove(place, LOCK_WAIT)?;
            tracing::warn!("{error}");
            Ok(None)
        }
    }
}

fn resume(found: FoundDump) -> Result<Start, DumpError> {
    for warning in found.warnings() {
        tracing::warn!("{warning}");
    }
    if found.header.finished_ms != 0 {
        return Ok(Start::Finished(Box::new(found)));
    }
    if found.origin() == Origin::Synced {
        tracing::warn!("the machine was restarted since; going on from what had reached the disk");
    }
    let both = found.header.outputs.iter().zip(&found.slots);
    let files = both.map(|(output, slot)| files::find_again(output, slot));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let slots = found.slots.clone();
    Ok(Start::Opened(Box::new(Opened {
        job: found.adopt()?,
        slots,
        files,
        resumed: true,
    })))
}

fn create(
    control: &mut Control,
    options: &DumpOptions,
    topic: &Topic,
    place: &Path,
    paths: &[PathBuf],
    asked: &DumpHeader,
    ours: Option<&DumpHeader>,
) -> Result<Option<Opened>, DumpError> {
    let mut header = asked.clone();
    header.partitions = topic::range(control, options, topic)?;
    let first: Vec<OutputPosition> = header
        .partitions
        .iter()
        .map(|partition| OutputPosition {
            offset: partition.start,
            epoch: -1,
        })
        .collect();
    let (mut files, mut slots) = (Vec::new(), Vec::new());
    for (index, path) in paths.iter().enumerate() {
        let kept = ours.and_then(|ours| kept_bytes(ours, path));
        let (file, output, mut slot) = files::take_over(path, options.existing, kept)?;
        slot.positions = if paths.len() == 1 {
            first.clone()
        } else {
            vec![first[index]]
        };
        files.push(file);
        header.outputs.push(output);
        slots.push(slot);
    }
    let Some(job) = DumpJob::create(place, header, &slots)? else {
        return Ok(None);
    };
    Ok(Some(Opened {
        job,
        slots,
        files,
        resumed: false,
    }))
}

/// What a file held before the dump that is forgotten, if it is that dump's.
fn kept_bytes(ours: &DumpHeader, path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let inode = std::fs::metadata(path).ok()?.ino();
    let output = ours.outputs.iter().find(|o| Path::new(&o.path) == path)?;
    (output.inode == inode).then_some(output.kept_bytes)
}

/// What must be asked for again in the same way.
fn settings(options: &DumpOptions) -> Vec<FrozenSetting> {
    let mut settings = Vec::new();
    let mut freeze = |name: &str, value: String| {
        settings.push(FrozenSetting {
            name: name.to_owned(),
            value,
        });
    };
    freeze("--from", options.from.to_string());
    freeze("--until", options.until.to_string());
    let partitions = options.partitions.as_ref();
    freeze(
        "--partitions",
        partitions.map_or_else(|| "all".to_owned(), ToString::to_string),
    );
    let isolation = match options.consumer.isolation {
        IsolationLevel::ReadCommitted => "read_committed",
        IsolationLevel::ReadUncommitted => "read_uncommitted",
    };
    freeze("isolation.level", isolation.to_owned());
    match &options.records {
        RecordsAs::Values { delimiter, null } => {
            freeze("--delimiter", format!("'{}'", delimiter.escape_ascii()));
            freeze("--null", format!("'{}'", null.escape_ascii()));
        }
        RecordsAs::Format { text, .. } => freeze("-f", format!("'{text}'")),
        RecordsAs::Envelope => freeze("--output", "envelope".to_owned()),
    }
    settings
}
