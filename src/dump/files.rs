//! The files that a dump writes: made or taken over at the first start, found again at the next, cut
//! to what counts, and watched meanwhile.
//!
//! A file is locked (flock) on the descriptor that is written to, for as long as anything of it is
//! under way: the kernel may still be at work for a process that was killed, and must be done before
//! the file is cut to what that process had noted.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use engine::positions::{DumpOutput, OutputSlot, TAIL_BYTES_MAX, tail_sum};

use super::error::DumpError;
use super::options::{Existing, OutputTo};

/// How long another process's lock is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// An output file, open and locked.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Its last bytes up to what counts.
    pub(super) tail: Vec<u8>,
}

/// The absolute paths of the outputs, and what the job calls them.
pub(super) fn paths(
    output: &OutputTo,
    partitions: &[u32],
) -> Result<(String, Vec<PathBuf>), DumpError> {
    match output {
        OutputTo::Stdout => Ok(("-".to_owned(), Vec::new())),
        OutputTo::File(path) => {
            let path = absolute(path)?;
            Ok((utf8(&path)?.to_owned(), vec![path]))
        }
        OutputTo::EachPartition(before, behind) => {
            let name = |number: &str| PathBuf::from(format!("{before}{number}{behind}"));
            let each = partitions.iter().map(|p| absolute(&name(&p.to_string())));
            let each = each.collect::<Result<Vec<_>, _>>()?;
            let pattern =
                std::path::absolute(name("%p")).map_err(DumpError::file("find", &name("%p")))?;
            Ok((utf8(&pattern)?.to_owned(), each))
        }
    }
}

/// Whether the path names something that is there and is no regular file: a pipe, a device.
pub(super) fn is_stream(path: &Path) -> bool {
    let kind = fs::metadata(path).map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_char_device() || kind.is_socket())
}

fn utf8(path: &Path) -> Result<&str, DumpError> {
    path.to_str()
        .ok_or_else(|| DumpError::NotUtf8(path.to_owned()))
}

/// The path without links in it, so that one file has one name.
fn absolute(path: &Path) -> Result<PathBuf, DumpError> {
    match fs::canonicalize(path) {
        Ok(path) if path.is_dir() => return Err(DumpError::Directory(path)),
        Ok(path) => return Ok(path),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(DumpError::file("find", path)(error));
        }
        Err(_) => {}
    }
    let Some(name) = path.file_name() else {
        return Err(DumpError::Directory(path.to_owned()));
    };
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let directory = fs::canonicalize(directory).map_err(DumpError::file("find", directory))?;
    Ok(directory.join(name))
}

/// Takes a file over at the first start: makes it, or does with what is there what was asked for.
/// `ours`: a dump that is being forgotten wrote it, and this was in it before.
pub(super) fn take_over(
    path: &Path,
    existing: Existing,
    ours: Option<u64>,
) -> Result<(OpenFile, DumpOutput, OutputSlot), DumpError> {
    let made = options().create_new(true).open(path);
    let file = match made {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options()
            .open(path)
            .map_err(DumpError::file("open", path))?,
        Err(error) => return Err(DumpError::file("create", path)(error)),
    };
    lock(&file, path)?;
    let metadata = file.metadata().map_err(DumpError::file("look at", path))?;
    let found = metadata.len();
    let kept_bytes = match (existing, ours) {
        (_, Some(kept)) if kept <= found => {
            file.set_len(kept).map_err(DumpError::file("cut", path))?;
            kept
        }
        (Existing::Append, _) => found,
        (Existing::Overwrite, _) => 0,
        (Existing::Refuse, _) if found == 0 => 0,
        (Existing::Refuse, _) => return Err(DumpError::Exists(path.to_owned())),
    };
    sync_directory(path)?;
    let tail = read_tail(&file, kept_bytes).map_err(DumpError::file("read", path))?;
    let slot = OutputSlot {
        length: kept_bytes,
        tail_crc: tail_sum(&tail),
        tail_bytes: u32::try_from(tail.len()).expect("a tail is short"),
        ..OutputSlot::default()
    };
    let output = DumpOutput {
        path: utf8(path)?.to_owned(),
        inode: metadata.ino(),
        kept_bytes,
    };
    let path = path.to_owned();
    Ok((OpenFile { file, path, tail }, output, slot))
}

/// Finds a file again that an earlier run wrote, and cuts it to what counts.
pub(super) fn find_again(output: &DumpOutput, slot: &OutputSlot) -> Result<OpenFile, DumpError> {
    let path = PathBuf::from(&output.path);
    let foreign = |what: String| DumpError::Foreign {
        path: path.clone(),
        what,
    };
    let file = match options().open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(foreign("it is gone".to_owned()));
        }
        Err(error) => return Err(DumpError::file("open", &path)(error)),
    };
    lock(&file, &path)?;
    let metadata = file.metadata().map_err(DumpError::file("look at", &path))?;
    if metadata.ino() != output.inode {
        let what = format!("its inode was {} and is {}", output.inode, metadata.ino());
        return Err(foreign(what));
    }
    if metadata.len() < slot.length {
        let what = format!(
            "{} bytes of it were written, and it has {}",
            slot.length,
            metadata.len()
        );
        return Err(foreign(what));
    }
    let tail = read_tail(&file, slot.length).map_err(DumpError::file("read", &path))?;
    if tail.len() != slot.tail_bytes as usize || tail_sum(&tail) != slot.tail_crc {
        let what = format!(
            "its {} bytes before byte {} are others than were written",
            tail.len(),
            slot.length
        );
        return Err(foreign(what));
    }
    file.set_len(slot.length)
        .map_err(DumpError::file("cut", &path))?;
    // A process that was killed noted what it had written, not what was on the disk; the state is
    // about to be made durable, and counts on it.
    file.sync_all().map_err(DumpError::file("sync", &path))?;
    Ok(OpenFile { file, path, tail })
}

/// Cuts a file to what counts, and has that reach the disk.
pub(super) fn finish(file: &File, path: &Path, length: u64) -> Result<(), DumpError> {
    let found = file.metadata().map_err(DumpError::file("look at", path))?;
    if found.len() > length {
        file.set_len(length).map_err(DumpError::file("cut", path))?;
    }
    file.sync_all().map_err(DumpError::file("sync", path))
}

/// Whether the file is still the one of its path, and as long as what is in it; else what is wrong.
pub(super) fn disturbance(file: &File, path: &Path, length: u64) -> Option<String> {
    const KEPT: &str = "what was written is noted; --restart forgets it and begins again";
    let shown = path.display();
    let held = match file.metadata() {
        Ok(held) => held,
        Err(error) => {
            return Some(format!(
                "{shown} cannot be looked at any more: {error}; {KEPT}"
            ));
        }
    };
    let why = match fs::metadata(path) {
        _ if held.nlink() == 0 => format!("{shown} was removed while it was being written"),
        Err(error) => format!("{shown} cannot be looked at any more: {error}"),
        Ok(named) if (named.dev(), named.ino()) != (held.dev(), held.ino()) => {
            format!("{shown} was replaced by another file while it was being written")
        }
        Ok(_) if held.len() < length => format!(
            "{shown} was truncated while it was being written: it has {} bytes, {length} were \
             written",
            held.len()
        ),
        Ok(_) => return None,
    };
    Some(format!("{why}; {KEPT}"))
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

fn lock(file: &File, path: &Path) -> Result<(), DumpError> {
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_WAIT => {
                thread::park_timeout(LOCK_RETRY);
            }
            Err(TryLockError::WouldBlock) => return Err(DumpError::Locked(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(DumpError::file("lock", path)(error)),
        }
    }
}

/// The last bytes before `end`, as many as a slot remembers.
fn read_tail(file: &File, end: u64) -> io::Result<Vec<u8>> {
    let bytes = end.min(u64::from(TAIL_BYTES_MAX));
    let mut tail = vec![0; usize::try_from(bytes).expect("a tail is short")];
    file.read_exact_at(&mut tail, end - bytes)?;
    Ok(tail)
}

/// Makes a new file's name survive a power loss.
fn sync_directory(path: &Path) -> Result<(), DumpError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let sync = || File::open(directory)?.sync_all();
    sync().map_err(DumpError::file("sync", directory))
}
