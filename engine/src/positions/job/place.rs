//! Where states lie: the directory, the file's name, and the other jobs' states beside it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::{JobError, JobWarning};
use super::{InputIdentity, JobHeader};
use crate::positions::view::read_job_header;

const SUFFIX: &str = ".state";
/// Of the topic's name; the hash tells jobs apart, this only helps the eye.
const TOPIC_CHARS_MAX: usize = 100;
/// A directory with more states than this is not searched to the end for a warning.
const STATES_LOOKED_AT_MAX: usize = 10_000;

/// `--state`, else `$XDG_STATE_HOME/ringmain`, else `~/.local/state/ringmain`.
pub fn state_directory(
    asked: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, JobError> {
    if let Some(directory) = asked {
        return Ok(directory.to_path_buf());
    }
    // The XDG specification: relative paths are invalid and to be ignored.
    let absolute = |name: &str| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = || Some(absolute("HOME")?.join(".local/state"));
    let base = absolute("XDG_STATE_HOME")
        .or_else(home)
        .ok_or(JobError::NoDirectory)?;
    Ok(base.join("ringmain"))
}

/// The topic's name, for the eye, and a hash of everything that makes it this job.
pub fn state_file_name(
    cluster_id: &str,
    topic: &str,
    direction: u8,
    arguments: &[String],
) -> String {
    let mut key = vec![direction];
    let parts = [cluster_id, topic]
        .into_iter()
        .chain(arguments.iter().map(String::as_str));
    for part in parts {
        // With its length: ["ab", "c"] is another job than ["a", "bc"].
        key.extend_from_slice(&(part.len() as u64).to_le_bytes());
        key.extend_from_slice(part.as_bytes());
    }
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let topic: String = topic.chars().map(safe).take(TOPIC_CHARS_MAX).collect();
    format!("{topic}-{:016x}{SUFFIX}", crc_fast::crc64_nvme(&key))
}

/// States name paths and topics: nobody else's business.
pub(in crate::positions) fn make_directory(directory: &Path) -> Result<(), JobError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory);
    made.map_err(|cause| JobError::Directory {
        path: directory.to_path_buf(),
        cause,
    })
}

/// Other jobs beside `own` that loaded one of our inputs into our topic. Reads headers only, takes
/// no lock; what cannot be read is not ours to complain about here.
pub(super) fn overlaps(own: &Path, header: &JobHeader) -> Vec<JobWarning> {
    let entries = own
        .parent()
        .and_then(|directory| fs::read_dir(directory).ok());
    let mut paths: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .take(STATES_LOOKED_AT_MAX)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path != own && path.to_string_lossy().ends_with(SUFFIX))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| overlap(path, header))
        .collect()
}

fn overlap(state: PathBuf, header: &JobHeader) -> Option<JobWarning> {
    let other = read_job_header(&state).ok()?;
    let target = |job: &JobHeader| (job.cluster_id.clone(), job.topic_id, job.direction);
    if target(&other) != target(header) || other.topic != header.topic {
        return None;
    }
    let is_same = |a: &InputIdentity, b: &InputIdentity| {
        a.path == b.path
            || (a.inode, a.device, a.first_kib_crc) == (b.inode, b.device, b.first_kib_crc)
    };
    let mut inputs = header.inputs.iter();
    let input = inputs.find(|input| other.inputs.iter().any(|old| is_same(input, old)))?;
    Some(JobWarning::AlsoLoaded {
        input: input.path.clone(),
        state,
        finished: other.finished_ms != 0,
    })
}
