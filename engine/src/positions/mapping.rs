//! The shared mapping of a state file, and what happens when the disk under it goes away.
//!
//! The only unsafe code of the positions. The mapping is seen as `AtomicU64`s and as nothing else:
//! several shards store into it (each into its own slots), the sync reads beside them, and nobody
//! may assume that another process keeps its hands off the file.
#![allow(
    unsafe_code,
    reason = "mmap, and the handler of the signal that a mapping can raise"
)]

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::ptr::{NonNull, null_mut};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A file, mapped shared, readable and writable, from its first byte to its last.
pub(crate) struct Mapping {
    base: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the mapping belongs to no thread: `base` is valid until `drop`, which needs the only
// owner, whichever thread that is.
unsafe impl Send for Mapping {}

// SAFETY: a shared reference gives out `&[AtomicU64]` and nothing else; atomics may be shared.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes` bytes of `file`, a multiple of eight that the file has, allocated.
    pub(crate) fn new(file: &File, bytes: usize) -> io::Result<Self> {
        assert!(
            bytes > 0 && bytes.is_multiple_of(8),
            "a state file is made of words"
        );
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory that is ours.
        // What lies under it can change through the file; that is why only atomics look at it.
        let base = unsafe { mmap(null_mut(), bytes, protection, flags, file, 0) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self {
            base,
            words: bytes / 8,
        })
    }

    /// The whole mapping.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: `new` mapped `words` words at `base`, page-aligned, readable and writable, and
        // they stay mapped until `drop`, which outlives this borrow; any bits are a valid word.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.words) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `new` mapped; `&mut self` shows that no borrow is left.
        let result = unsafe { munmap(self.base.as_ptr().cast(), self.words * 8) };
        assert!(result.is_ok(), "a mapping of ours can be unmapped");
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping({} bytes)", self.words * 8)
    }
}

/// What the handler says; made before it can run, for it may not allocate.
static LAST_WORDS: OnceLock<String> = OnceLock::new();

/// From now on a store into a mapping whose file was cut, or whose disk is gone or full, ends the
/// process with one line and exit code 1 instead of a silent death by SIGBUS. Nothing is lost by
/// it: the state ends at the last store that was completed. Only the first call does anything.
pub(crate) fn explain_bus_errors(path: &Path) -> io::Result<()> {
    let mut first = false;
    LAST_WORDS.get_or_init(|| {
        first = true;
        format!(
            "ringmain: a page of the mapped state file {} cannot be reached (SIGBUS): the file \
             was cut, or its disk failed or is full; stopped, everything stored before counts\n",
            path.display()
        )
    });
    if !first {
        return Ok(());
    }
    let handler = || {
        let words = LAST_WORDS.get().map_or(&b""[..], String::as_bytes);
        // SAFETY: descriptor 2 is borrowed for one write; if it is closed, that write fails.
        let stderr = unsafe { BorrowedFd::borrow_raw(2) };
        rustix::io::write(stderr, words).ok();
        signal_hook::low_level::exit(1);
    };
    // SAFETY: the handler does what a signal handler may: one atomic load, one write(2) from
    // memory made before, _exit(2). It takes no lock and does not allocate.
    unsafe { signal_hook::low_level::register(signal_hook::consts::SIGBUS, handler) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::os::unix::process::ExitStatusExt;
    use std::path::PathBuf;
    use std::process::Command;
    use std::sync::atomic::Ordering;

    use super::*;

    const CUT: &str = "RINGMAIN_TEST_CUT_FILE";

    #[test]
    fn what_is_stored_in_the_mapping_is_read_from_the_file() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8192).unwrap();
        let mapping = Mapping::new(&file, 8192).unwrap();
        mapping.words()[3].store(0x0102_0304_0506_0708, Ordering::Relaxed);
        let mut bytes = [0; 8];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 24).unwrap();
        assert_eq!(u64::from_ne_bytes(bytes), 0x0102_0304_0506_0708);
    }

    /// Not a test of its own: the process that the next test starts and watches die.
    #[test]
    fn cut_file_child() {
        let Some(path) = env::var_os(CUT).map(PathBuf::from) else {
            return;
        };
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let mapping = Mapping::new(&file, 8192).unwrap();
        explain_bus_errors(&path).unwrap();
        file.set_len(0).unwrap();
        mapping.words()[600].store(1, Ordering::Relaxed);
        panic!("the store behind the end of the file raises SIGBUS");
    }

    #[test]
    fn a_cut_file_ends_the_process_with_a_line_instead_of_a_signal() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8192).unwrap();
        let output = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "positions::mapping::tests::cut_file_child",
                "--nocapture",
            ])
            .env(CUT, file.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), output.status.signal()),
            (Some(1), None),
            "{stderr}"
        );
        assert!(stderr.contains("cannot be reached (SIGBUS)"), "{stderr}");
        assert!(stderr.contains(&*file.path().to_string_lossy()), "{stderr}");
    }
}
