//! The file itself: opened without following links, locked before it is looked at, put into its
//! place whole or not at all, and watched while it is used.
//!
//! Two starts at once are told apart by the lock alone, so it must be on the file that the path
//! names: a new file is locked before it gets its name, and who waited for a lock compares inode
//! and path afterwards and opens again if they differ.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FallocateFlags, FlockOperation, OFlags, RenameFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::error::{StateDamage, StoreError};
use super::layout::PREAMBLES_BYTES;
use super::medium::Medium;
use super::recover::{check_length, preambles, read_preambles};

/// Between two tries for a lock. flock(2) has no time-out of its own.
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// A state file, open and locked by us. The lock ends with the last descriptor.
#[derive(Debug)]
pub(crate) struct StateFile {
    file: File,
    path: PathBuf,
}

impl StateFile {
    /// Opens and locks what `path` names; `None` if there is nothing.
    pub(crate) fn open(path: &Path, wait: Duration) -> Result<Option<Self>, StoreError> {
        let begun = Instant::now();
        loop {
            let Some(file) = open_regular(path, true)? else {
                return Ok(None);
            };
            lock(&file, path, begun, wait)?;
            let held = Self {
                file,
                path: path.to_path_buf(),
            };
            // Whoever held the lock may have put another file here, or removed this one.
            if held
                .is_in_place()
                .map_err(StoreError::io("look at", path))?
            {
                return Ok(Some(held));
            }
            if begun.elapsed() >= wait {
                return Err(locked(path, begun));
            }
        }
    }

    /// Makes a file of these bytes under `path`; `None` if there is one already.
    pub(crate) fn create(path: &Path, image: &[u8]) -> Result<Option<Self>, StoreError> {
        let (file, temporary) = write_temporary(path, image)?;
        let named = name_new(&temporary, path);
        if named.is_err() {
            remove_quietly(&temporary);
        }
        match named {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(StoreError::io("create", path)(error)),
        }
        sync_directory(path)?;
        sync_ancestors(path);
        Ok(Some(Self {
            file,
            path: path.to_path_buf(),
        }))
    }

    /// Makes a file of these bytes and puts it in the place of this one, whose descriptor must not
    /// be written to any more. It is read back, with the cache dropped, before it takes the name.
    pub(crate) fn replace(&self, image: &[u8]) -> Result<Self, StoreError> {
        self.check()?;
        let (file, temporary) = write_temporary(&self.path, image)?;
        let result = verify(&file, image)
            .map_err(StoreError::io("read back", &temporary))
            .and_then(|()| {
                fs::rename(&temporary, &self.path)
                    .map_err(StoreError::io("put a new file in the place of", &self.path))
            });
        if result.is_err() {
            remove_quietly(&temporary);
        }
        result?;
        sync_directory(&self.path)?;
        Ok(Self {
            file,
            path: self.path.clone(),
        })
    }

    /// Takes the file away while its lock is held.
    pub(crate) fn remove(self) -> Result<(), StoreError> {
        fs::remove_file(&self.path).map_err(StoreError::io("remove", &self.path))?;
        sync_directory(&self.path)
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// That the file is still the one of its path, and as long as it was made.
    pub(crate) fn check_length(&self, expected: u64) -> Result<(), StoreError> {
        self.check()?;
        let found = self.metadata()?.len();
        if found == expected {
            return Ok(());
        }
        Err(self.disturbed(format!("it has {found} bytes instead of {expected}")))
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.metadata()?.nlink() == 0 {
            return Err(self.disturbed("it was removed".to_owned()));
        }
        match self.is_in_place() {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.disturbed("its path names another file now".to_owned())),
            Err(error) => Err(StoreError::io("look at", &self.path)(error)),
        }
    }

    fn metadata(&self) -> Result<fs::Metadata, StoreError> {
        self.file
            .metadata()
            .map_err(StoreError::io("look at", &self.path))
    }

    fn is_in_place(&self) -> io::Result<bool> {
        let held = self.file.metadata()?;
        match fs::symlink_metadata(&self.path) {
            Ok(named) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn disturbed(&self, what: String) -> StoreError {
        StoreError::Disturbed {
            path: self.path.clone(),
            what,
        }
    }
}

impl Medium for &StateFile {
    fn write_at(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset as u64)
    }

    /// `RWF_DSYNC` makes this range durable and leaves the mapped slots alone: an fdatasync of the
    /// whole file would write-protect their pages, and the next stores would wait on page faults.
    fn write_durably(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            let slice = [io::IoSlice::new(&bytes[done..])];
            let at = (offset + done) as u64;
            match rustix::io::pwritev2(&self.file, &slice, at, ReadWriteFlags::DSYNC) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(Errno::INTR) => {}
                // Not every filesystem has it.
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    self.file.write_all_at(&bytes[done..], at)?;
                    return self.file.sync_data();
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

/// Opens a regular file without following a link; `None` if there is none.
pub(crate) fn open_regular(path: &Path, write: bool) -> Result<Option<File>, StoreError> {
    // NONBLOCK so that a FIFO in its place is refused rather than waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let opened = File::options()
        .read(true)
        .write(write)
        .custom_flags(i32::try_from(flags).expect("open flags fit an int"))
        .open(path);
    let not_regular = |what| StoreError::NotRegular {
        path: path.to_path_buf(),
        what,
    };
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            return Err(not_regular("a directory"));
        }
        Err(error) => {
            let link = fs::symlink_metadata(path).is_ok_and(|named| named.is_symlink());
            let error = StoreError::io("open", path)(error);
            return Err(if link {
                not_regular("a symbolic link")
            } else {
                error
            });
        }
    };
    let kind = file
        .metadata()
        .map_err(StoreError::io("look at", path))?
        .file_type();
    match kind {
        kind if kind.is_file() => Ok(Some(file)),
        kind if kind.is_dir() => Err(not_regular("a directory")),
        kind if kind.is_fifo() => Err(not_regular("a FIFO")),
        _ => Err(not_regular("a device or socket")),
    }
}

/// The whole file in a private buffer, its length checked against its preamble first so that a
/// huge or sparse file is never read. An empty answer is a blank file.
pub(crate) fn read_image(file: &File, path: &Path) -> Result<Vec<u8>, StoreError> {
    let read = StoreError::io("read", path);
    let length = file
        .metadata()
        .map_err(StoreError::io("look at", path))?
        .len();
    let start = read_start(file, length, PREAMBLES_BYTES).map_err(read)?;
    let unusable = |damage| StoreError::unusable(path, damage);
    if start.iter().all(|byte| *byte == 0) && is_blank(file, length, path)? {
        return Ok(Vec::new());
    }
    let headers = read_preambles(&start).map_err(unusable)?;
    let geometry = headers.preamble.geometry;
    check_length(&geometry, length).map_err(unusable)?;
    let size = usize::try_from(length).expect("the geometry bounds it");
    read_start(file, length, size).map_err(StoreError::io("read", path))
}

/// Up to `bytes` bytes from the start of a file of `length` bytes.
pub(crate) fn read_start(file: &File, length: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let mut start = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(bytes)];
    file.read_exact_at(&mut start, 0)?;
    Ok(start)
}

fn is_blank(file: &File, length: u64, path: &Path) -> Result<bool, StoreError> {
    let mut piece = vec![0; 64 << 10];
    let mut at = 0;
    // Who made a blank file larger than any state file can be did not mean a state file.
    if length > super::layout::FILE_BYTES_MAX {
        return Err(StoreError::unusable(path, StateDamage::Foreign));
    }
    while at < length {
        let read = file
            .read_at(&mut piece, at)
            .map_err(StoreError::io("read", path))?;
        if read == 0 || piece[..read].iter().any(|byte| *byte != 0) {
            return Ok(read == 0);
        }
        at += read as u64;
    }
    Ok(true)
}

fn lock(file: &File, path: &Path, begun: Instant, wait: Duration) -> Result<(), StoreError> {
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK | Errno::INTR) if begun.elapsed() < wait => {
                std::thread::park_timeout(LOCK_RETRY);
            }
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Err(locked(path, begun)),
            Err(errno) => return Err(StoreError::io("lock", path)(errno.into())),
        }
    }
}

/// Names the process that wrote itself into the file when it opened it.
fn locked(path: &Path, begun: Instant) -> StoreError {
    let pid = || {
        let file = open_regular(path, false).ok()??;
        let length = file.metadata().ok()?.len();
        let start = read_start(&file, length, PREAMBLES_BYTES).ok()?;
        Some(preambles(&start).ok()??.preamble.pid)
    };
    StoreError::Locked {
        path: path.to_path_buf(),
        pid: pid(),
        waited: begun.elapsed(),
    }
}

/// A new file beside `path`, locked, allocated, written and durable, but not yet of that name.
fn write_temporary(path: &Path, image: &[u8]) -> Result<(File, PathBuf), StoreError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_file_name(format!(".{name}.{}.{number}.new", std::process::id()));
    remove_quietly(&temporary); // of a process of our pid that died here
    let create = || {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, image.len() as u64) {
            // The write below allocates as well, where files are not overwritten elsewhere.
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno.into()),
        }
        file.write_all_at(image, 0)?;
        file.sync_all()?;
        Ok(file)
    };
    match create() {
        Ok(file) => Ok((file, temporary)),
        Err(error) => {
            remove_quietly(&temporary);
            Err(StoreError::io("write a new state file beside", path)(error))
        }
    }
}

/// Gives a new file its name unless that is taken.
fn name_new(temporary: &Path, path: &Path) -> io::Result<()> {
    let here = rustix::fs::CWD;
    match rustix::fs::renameat_with(here, temporary, here, path, RenameFlags::NOREPLACE) {
        // Filesystems without NOREPLACE have links, which never replace anything.
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::linkat(here, temporary, here, path, AtFlags::empty())?;
            fs::remove_file(temporary)
        }
        other => Ok(other?),
    }
}

/// That the disk, not the cache, has these bytes: what an earlier error took is gone from the disk
/// while the cache still shows it.
fn verify(file: &File, image: &[u8]) -> io::Result<()> {
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?;
    let mut back = vec![0; image.len()];
    file.read_exact_at(&mut back, 0)?;
    if back == image {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "it does not hold what was written",
    ))
}

/// Makes the names in a file's directory durable.
fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory = directory_of(path);
    let sync = || File::open(directory)?.sync_all();
    sync().map_err(StoreError::io("sync the directory", directory))
}

/// The directory may be as new as the file: without its own name, and its parents', a loss of
/// power would take the whole state, and the job would begin again as if nothing had been sent.
/// A parent that may not be opened is not one that was made for us.
fn sync_ancestors(path: &Path) {
    for ancestor in directory_of(path).ancestors().skip(1) {
        let ancestor = if ancestor == Path::new("") {
            Path::new(".")
        } else {
            ancestor
        };
        if File::open(ancestor)
            .and_then(|directory| directory.sync_all())
            .is_err()
        {
            return;
        }
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Removes a temporary file of ours; if even that fails, it is only in the way of nobody.
fn remove_quietly(path: &Path) {
    fs::remove_file(path).ok();
}
