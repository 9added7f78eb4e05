//! What was frozen at the first start, held against what is asked now.

use std::fmt::Display;
use std::path::Path;

use super::error::JobError;
use super::{FrozenSettings, JobHeader, JobRequest};

/// What a start asks for by name. `None`: whatever the job was started with. What follows from the
/// cluster or the machine (partitions, base, limits, lanes) is asked for only if a person did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AskedSettings {
    /// Bytes of a chunk.
    pub chunk_bytes: Option<u64>,
    /// `batch.size`
    pub batch_bytes_max: Option<u32>,
    /// `max.request.size`
    pub record_bytes_max: Option<u32>,
    /// `--delimiter`
    pub delimiter: Option<u8>,
    /// `--crlf strip`
    pub crlf_strip: Option<bool>,
    /// `--partition`; −1: none.
    pub fixed_partition: Option<i32>,
    /// Where timestamps come from.
    pub timestamps: Option<u8>,
    /// `enable.idempotence`
    pub idempotence: Option<bool>,
    /// `acks`
    pub acks: Option<i16>,
    /// `--compression`
    pub compression: Option<u8>,
    /// `--lanes`
    pub lanes: Option<u32>,
}

/// That the state is this job's and that it is asked for as it was started.
pub(super) fn check(path: &Path, header: &JobHeader, request: &JobRequest) -> Result<(), JobError> {
    check_same_job(path, header, request)?;
    if header.topic_id != request.topic_id {
        return Err(JobError::OtherTopic {
            topic: header.topic.clone(),
        });
    }
    let mut differences = differences(&header.settings, &request.asked);
    if header.reading != request.reading {
        differences.push(Difference {
            frozen: reading_name(&header.reading),
            asked: reading_name(&request.reading),
        });
    }
    if differences.is_empty() {
        return Ok(());
    }
    let list = |side: fn(&Difference) -> &String| {
        differences
            .iter()
            .map(side)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ")
    };
    Err(JobError::Frozen {
        frozen: list(|both| &both.frozen),
        asked: list(|both| &both.asked),
    })
}

/// The file's name is a hash of these: another job behind the same name is rare but not unheard of.
fn check_same_job(path: &Path, header: &JobHeader, request: &JobRequest) -> Result<(), JobError> {
    let other = |what: String| {
        Err(JobError::OtherJob {
            path: path.to_path_buf(),
            what,
        })
    };
    if header.cluster_id != request.cluster_id {
        return other(format!(
            "of cluster {} where {} is asked for",
            header.cluster_id, request.cluster_id
        ));
    }
    if header.topic != request.topic || header.direction != request.direction {
        return other(format!(
            "of topic {} where {} is meant",
            header.topic, request.topic
        ));
    }
    if header.arguments != request.arguments {
        return other(format!("of {}", header.arguments.join(" ")));
    }
    Ok(())
}

struct Difference {
    frozen: String,
    asked: String,
}

fn differences(frozen: &FrozenSettings, asked: &AskedSettings) -> Vec<Difference> {
    let mut found = Vec::new();
    note(
        &mut found,
        "--delimiter ",
        frozen.delimiter,
        asked.delimiter,
        byte_name,
    );
    note(
        &mut found,
        "--crlf ",
        frozen.crlf_strip,
        asked.crlf_strip,
        crlf_name,
    );
    note(
        &mut found,
        "",
        frozen.fixed_partition,
        asked.fixed_partition,
        partition_name,
    );
    note(
        &mut found,
        "--compression ",
        frozen.compression,
        asked.compression,
        codec_name,
    );
    note(&mut found, "--lanes ", frozen.lanes, asked.lanes, plain);
    note(&mut found, "acks=", frozen.acks, asked.acks, acks_name);
    note(
        &mut found,
        "enable.idempotence=",
        frozen.idempotence,
        asked.idempotence,
        plain,
    );
    note(
        &mut found,
        "batch.size=",
        frozen.batch_bytes_max,
        asked.batch_bytes_max,
        plain,
    );
    let records = (frozen.record_bytes_max, asked.record_bytes_max);
    note(&mut found, "max.request.size=", records.0, records.1, plain);
    note(
        &mut found,
        "chunks of bytes: ",
        frozen.chunk_bytes,
        asked.chunk_bytes,
        plain,
    );
    note(
        &mut found,
        "timestamps of kind ",
        frozen.timestamps,
        asked.timestamps,
        plain,
    );
    found
}

fn note<T: PartialEq + Copy>(
    found: &mut Vec<Difference>,
    name: &str,
    frozen: T,
    asked: Option<T>,
    show: fn(T) -> String,
) {
    let Some(asked) = asked.filter(|asked| *asked != frozen) else {
        return;
    };
    let (frozen, asked) = (show(frozen), show(asked));
    found.push(Difference {
        frozen: format!("{name}{frozen}"),
        asked: format!("{name}{asked}"),
    });
}

fn reading_name(reading: &str) -> String {
    match reading {
        "" => "lines as they are".to_owned(),
        reading => reading.to_owned(),
    }
}

fn plain(value: impl Display) -> String {
    value.to_string()
}

fn byte_name(byte: u8) -> String {
    format!("'{}'", byte.escape_ascii())
}

fn crlf_name(strip: bool) -> String {
    if strip { "strip" } else { "keep" }.to_owned()
}

fn partition_name(partition: i32) -> String {
    match partition {
        -1 => "no --partition".to_owned(),
        partition => format!("--partition {partition}"),
    }
}

fn codec_name(codec: u8) -> String {
    let names = ["none", "gzip", "snappy", "lz4", "zstd"];
    names
        .get(usize::from(codec))
        .map_or_else(|| codec.to_string(), |&name| name.to_owned())
}

fn acks_name(acks: i16) -> String {
    match acks {
        -1 => "all".to_owned(),
        acks => acks.to_string(),
    }
}
