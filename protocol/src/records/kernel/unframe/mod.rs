//! What the walk from value to value is told, how far it came, and which body walks.

#[cfg(target_arch = "x86_64")]
pub(super) mod simd;

use memchr::memmem::Finder;

use super::Level;

/// The longest delimiter that the bodies write: a store of one number.
pub(in crate::records) const DELIMITER_BYTES_MAX: usize = size_of::<u64>();

/// Which records to walk through, and what to put behind each value.
pub(in crate::records) struct Job<'a> {
    /// The batch's records, not compressed.
    pub(in crate::records) section: &'a [u8],
    /// At most [`DELIMITER_BYTES_MAX`] bytes.
    pub(in crate::records) delimiter: &'a [u8],
    /// Finds the delimiter.
    pub(in crate::records) finder: &'a Finder<'a>,
    /// The records that are left in the batch.
    pub(in crate::records) records_max: u32,
    /// The largest offset delta that is wanted.
    pub(in crate::records) last: u32,
}

impl Job<'_> {
    /// Whether a value that holds the delimiter's first byte holds all of it.
    #[cfg(target_arch = "x86_64")]
    fn holds_delimiter(&self, value: &[u8]) -> bool {
        match self.delimiter.len() {
            0 => false,
            1 => true,
            _ => self.finder.find(value).is_some(),
        }
    }
}

/// How far a walk has come.
#[derive(Debug, Clone, Copy)]
pub(in crate::records) struct Progress {
    /// Where the next record begins in the section.
    pub(in crate::records) read: usize,
    /// Bytes of the output.
    pub(in crate::records) written: usize,
    /// Records whose values are written.
    pub(in crate::records) records: u32,
    /// The least that the next record's offset delta may be.
    pub(in crate::records) least: u32,
    /// How many of the values hold the delimiter.
    pub(in crate::records) holding: u32,
}

/// Walks through the records that are as usual, up to the first one that is not. None need be; at
/// [`Level::Scalar`] none is.
///
/// # Panics
///
/// If this processor has no such level, or the delimiter is too long.
pub(in crate::records) fn values(
    level: Level,
    job: &Job<'_>,
    output: &mut [u8],
    progress: &mut Progress,
) {
    assert!(level.is_available(), "this processor has no {level:?}");
    assert!(
        job.delimiter.len() <= DELIMITER_BYTES_MAX,
        "long delimiters are the caller's"
    );
    match level {
        Level::Scalar => {}
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was found to be available above.
        Level::Avx2 => unsafe { super::avx2::values(job, output, progress) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the same.
        Level::Avx512 => unsafe { super::avx512::values(job, output, progress) },
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx2 | Level::Avx512 => {}
    }
}
