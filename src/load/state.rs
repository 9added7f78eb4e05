//! The job as the command line asks for it: from options, inputs and topic to its state file, and back to
//! the input that it froze.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

use connectors::file::inputs::{InputFile, InputKind, Inputs};
use engine::input::Input;
use engine::positions::{
    AskedSettings, DIRECTION_LOAD, InputIdentity, Job, JobHeader, JobRequest, LOCK_WAIT,
    PartitionSlot, state_directory,
};

use super::error::LoadError;
use super::kept::Kept;
use super::start::now_ms;
use super::target::Topic;
use super::{plan, reading};
use crate::options::LoadOptions;

/// Opens the state of this job, or makes it.
pub(super) fn open(
    options: &LoadOptions,
    inputs: &Inputs,
    topic: &Topic,
    restart: bool,
) -> Result<Kept, LoadError> {
    let directory = state_directory(options.state_dir.as_deref(), &|name| std::env::var_os(name))?;
    // Random, so that many small jobs do not all fill partition 0.
    let base = u32::try_from(RandomState::new().hash_one(0u8) >> 33).expect("31 bits");
    let identities: Result<_, _> = inputs.files.iter().map(identity).collect();
    let request = JobRequest {
        cluster_id: topic.cluster_id.clone(),
        topic: topic.name.clone(),
        topic_id: topic.id,
        direction: DIRECTION_LOAD,
        arguments: inputs.arguments.clone(),
        inputs: identities?,
        settings: plan::freeze(options, inputs, topic, base),
        asked: asked(options, topic),
        reading: options.reading.described.clone(),
        may_grow: reading::may_grow(options, inputs),
        now_ms: now_ms(),
        restart,
        lock_wait: LOCK_WAIT,
    };
    if !reading::is_rereadable(inputs) {
        tracing::info!(
            "what is read from a pipe cannot be read again: should this load be interrupted, what was \
             sent stays, and it cannot be taken up"
        );
        return Ok(Kept::nothing(header(request)));
    }
    let job = Job::open_or_create(&directory, &request)?;
    for warning in job.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(Kept::Job(Box::new(job)))
}

/// What is frozen of a load that leaves no state.
fn header(request: JobRequest) -> JobHeader {
    JobHeader {
        cluster_id: request.cluster_id,
        topic: request.topic,
        topic_id: request.topic_id,
        direction: request.direction,
        arguments: request.arguments,
        inputs: request.inputs,
        settings: request.settings,
        reading: request.reading,
        started_ms: request.now_ms,
        ..JobHeader::default()
    }
}

/// What a job that was begun before must agree with: what the command line says, or would say by
/// default. How many lanes it has only where that is said.
fn asked(options: &LoadOptions, topic: &Topic) -> AskedSettings {
    let producer = &options.producer;
    let at_most = if options.partition.is_some() {
        1
    } else {
        topic.partitions()
    };
    // One that does not lower the topic's limit says nothing.
    let record_bytes_max = producer
        .request_bytes_max
        .filter(|&bytes| u64::from(bytes) < topic.message_bytes_max);
    AskedSettings {
        record_bytes_max,
        delimiter: Some(options.reading.delimiter),
        crlf_strip: Some(options.reading.crlf_strip),
        fixed_partition: Some(options.partition.map_or(-1, u32::cast_signed)),
        idempotence: Some(producer.idempotence),
        acks: Some(producer.acks.code()),
        compression: Some(producer.compression.code()),
        lanes: options.lanes.map(|lanes| lanes.clamp(1, at_most)),
        ..AskedSettings::default()
    }
}

/// What is recorded of an input.
fn identity(file: &InputFile) -> Result<InputIdentity, LoadError> {
    let path = file.path.to_str().ok_or_else(|| LoadError::NotUtf8 {
        path: file.path.clone(),
    })?;
    Ok(InputIdentity {
        path: path.to_owned(),
        device: file.device,
        inode: file.inode,
        size: file.size,
        first_kib_crc: file.first_kib_crc,
    })
}

/// The input as it is loaded: each file as long as it was when its end was frozen.
pub(super) fn input(header: &JobHeader) -> Input {
    let files = header.inputs.iter().map(|known| engine::input::InputFile {
        path: PathBuf::from(&known.path),
        device: known.device,
        inode: known.inode,
        size: known.size,
    });
    Input::new(files.collect())
}

/// The same files, as the rejects file knows them.
pub(super) fn input_files(header: &JobHeader) -> Vec<InputFile> {
    let files = header.inputs.iter().map(|known| InputFile {
        path: PathBuf::from(&known.path),
        device: known.device,
        inode: known.inode,
        size: known.size,
        first_kib_crc: known.first_kib_crc,
        // What matters here is which file it is.
        kind: InputKind::Plain,
    });
    files.collect()
}

/// Whether the position of its partition has passed the record at `offset` of a file.
pub(super) fn covers(
    header: &JobHeader,
    slots: &[PartitionSlot],
    input: &Input,
    file: usize,
    offset: u64,
) -> bool {
    let Some(start) = input.start_of(file) else {
        return false;
    };
    let position = start + offset;
    let deal = plan::cut_rules(&header.settings).deal;
    let partition = deal.partition(position / deal.chunk_bytes);
    slots
        .get(partition as usize)
        .is_some_and(|slot| slot.position > position)
}
