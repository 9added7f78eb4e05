//! The inputs as they were, held against what they are.
//!
//! Nothing may differ but the end: the last file may have grown behind a record's end, and new
//! files may follow it. What lies before a partition's position is compared by whoever reads it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::InputIdentity;
use super::error::JobError;
use crate::positions::layout::crc32c;

const HEAD_BYTES: u64 = 1024;

/// What was appended to the input since its end was frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The end that was frozen.
    pub old_end: u64,
    /// The end as it is now.
    pub new_end: u64,
    /// The inputs as they are now.
    pub inputs: Vec<InputIdentity>,
}

/// `Ok(None)`: all is as it was. `delimiter`: what the last file ends in if it may have grown.
pub(super) fn compare(
    was: &[InputIdentity],
    is: &[InputIdentity],
    delimiter: Option<u8>,
) -> Result<Option<Growth>, JobError> {
    for (index, old) in was.iter().enumerate() {
        let Some(new) = is.get(index) else {
            return changed(&old.path, "it is no longer among the inputs".to_owned());
        };
        if new.path != old.path {
            return changed(&new.path, format!("it stands where {} was", old.path));
        }
        let is_last = index + 1 == was.len();
        compare_one(old, new, delimiter.filter(|_| is_last))?;
    }
    let end = |inputs: &[InputIdentity]| inputs.iter().map(|input| input.size).sum();
    let (old_end, new_end) = (end(was), end(is));
    let grown = is.len() > was.len() || new_end > old_end;
    Ok(grown.then(|| Growth {
        old_end,
        new_end,
        inputs: is.to_vec(),
    }))
}

/// `grows_behind`: the file may have grown, if this byte ended it before.
fn compare_one(
    old: &InputIdentity,
    new: &InputIdentity,
    grows_behind: Option<u8>,
) -> Result<(), JobError> {
    let path = &old.path;
    if new.inode != old.inode {
        return changed(
            path,
            format!("it is another file (inode {} → {})", old.inode, new.inode),
        );
    }
    if new.size < old.size {
        return changed(
            path,
            format!("it had {} bytes and has {}", old.size, new.size),
        );
    }
    let head = old.size.min(HEAD_BYTES);
    let crc = match new.size.min(HEAD_BYTES) == head {
        true => new.first_kib_crc,
        false => crc32c(&read(path, 0, head)?),
    };
    if crc != old.first_kib_crc {
        return changed(path, format!("its first {head} bytes are others"));
    }
    if new.size == old.size {
        return Ok(());
    }
    let Some(delimiter) = grows_behind else {
        let sizes = format!("{} → {} bytes", old.size, new.size);
        return changed(
            path,
            format!(
                "it has grown ({sizes}); only the last input may, and only where it is of lines"
            ),
        );
    };
    if old.size > 0 && read(path, old.size - 1, 1)? != [delimiter] {
        let what = format!(
            "it has grown in the middle of its last record (at byte {}), which was loaded",
            old.size
        );
        return changed(path, what);
    }
    Ok(())
}

fn changed<T>(path: &str, what: String) -> Result<T, JobError> {
    Err(JobError::Input {
        path: PathBuf::from(path),
        what,
    })
}

fn read(path: &str, at: u64, bytes: u64) -> Result<Vec<u8>, JobError> {
    let path = Path::new(path);
    let read = || -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; usize::try_from(bytes).expect("at most a KiB")];
        File::open(path)?.read_exact_at(&mut buffer, at)?;
        Ok(buffer)
    };
    read().map_err(|cause| JobError::InputUnreadable {
        path: path.to_path_buf(),
        cause,
    })
}
