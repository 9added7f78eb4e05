//! Why a load is not verified. Each names the partition, and where in the log or in the input.

use std::io;
use std::path::PathBuf;

use protocol::error_code::ErrorCode;

use crate::control::ControlError;
use crate::feed::FeedError;

/// Why a partition is not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyFailure {
    /// Another number of records.
    #[error(
        "partition {partition}: {found} records of ours lie between offsets {first} and {last}, and \
         {sent} were sent"
    )]
    Count {
        /// The partition.
        partition: u32,
        /// Acknowledged.
        sent: u64,
        /// In the log.
        found: u64,
        /// The first offset.
        first: i64,
        /// The last one.
        last: i64,
    },
    /// Other records.
    #[error(
        "partition {partition}: the records at offsets {first} to {last} are not those that the input \
         holds from {place} on"
    )]
    Differs {
        /// The partition.
        partition: u32,
        /// Of the first batch that differs.
        first: i64,
        /// Its end.
        last: i64,
        /// Where in the input.
        place: String,
    },
    /// Other records somewhere.
    #[error(
        "partition {partition}: the {found} records of ours between offsets {first} and {last} are not \
         the {held} that the input holds"
    )]
    DigestDiffers {
        /// The partition.
        partition: u32,
        /// How many are in the log.
        found: u64,
        /// How many are in the input.
        held: u64,
        /// The first offset.
        first: i64,
        /// The last one.
        last: i64,
    },
    /// The input was longer.
    #[error(
        "partition {partition}: the input holds fewer records than the log: it ends before the record \
         at offset {offset}"
    )]
    InputEnds {
        /// The partition.
        partition: u32,
        /// Of the first batch that goes beyond it.
        offset: i64,
    },
    /// The input was shorter.
    #[error(
        "partition {partition}: the input holds more records than the {records} that were sent, from \
         {place} on"
    )]
    InputGoesOn {
        /// The partition.
        partition: u32,
        /// Sent.
        records: u64,
        /// Where the next one begins.
        place: String,
    },
    /// What was acknowledged is not there.
    #[error(
        "partition {partition}: the log ends at offset {end}, before {last}, the last one that was \
         acknowledged"
    )]
    Ends {
        /// The partition.
        partition: u32,
        /// The log's end.
        end: i64,
        /// Acknowledged.
        last: i64,
    },
    /// Retention, or somebody, took the beginning.
    #[error(
        "cannot verify partition {partition}: its log begins at offset {begin} by now, and what was \
         loaded at {first}: retention or a deletion of records has taken up to {} records of it",
        begin - first
    )]
    Gone {
        /// The partition.
        partition: u32,
        /// The log's first offset.
        begin: i64,
        /// Ours.
        first: i64,
    },
    /// Compaction took something.
    #[error(
        "cannot verify partition {partition}: {offsets} offsets between {first} and {last} hold \
         nothing any more, the first of them from {at} on: compaction has taken records"
    )]
    Compacted {
        /// The partition.
        partition: u32,
        /// How many, as far as was read.
        offsets: u64,
        /// The first that is missing.
        at: i64,
        /// Our first offset.
        first: i64,
        /// Our last one.
        last: i64,
    },
    /// Which records were refused is not known.
    #[error(
        "cannot verify the content of partition {partition}: {refused} records of the input were \
         refused, and only {known} of them are known; name the file that has them by --rejects, or \
         use --verify count"
    )]
    UnknownRefused {
        /// The partition.
        partition: u32,
        /// By the state.
        refused: u64,
        /// By their size, or by the rejects file.
        known: u64,
    },
    /// A batch that is damaged where it lies.
    #[error("partition {partition}: the batch at offset {offset} is damaged: {why}")]
    Damaged {
        /// The partition.
        partition: u32,
        /// The batch's first offset, or the one that was asked for.
        offset: i64,
        /// What does not hold.
        why: String,
    },
    /// The broker gives nothing of it.
    #[error("cannot verify partition {partition}: {error}: {}", error.meaning())]
    Refused {
        /// The partition.
        partition: u32,
        /// What the broker said.
        error: ErrorCode,
    },
    /// The cluster cannot be asked.
    #[error("cannot verify partition {partition}: {error}")]
    Control {
        /// The partition.
        partition: u32,
        /// Why not.
        error: ControlError,
    },
    /// The cluster cannot be reached at all.
    #[error("cannot verify partition {partition}: {why}")]
    Unreached {
        /// The partition.
        partition: u32,
        /// Why not.
        why: String,
    },
    /// The input cannot be read again.
    #[error("cannot verify partition {partition}: {error}")]
    Input {
        /// The partition.
        partition: u32,
        /// Why not.
        error: ExpectError,
    },
    /// It was told to stop.
    #[error("partition {partition}: the verification was stopped")]
    Stopped {
        /// The partition.
        partition: u32,
    },
}

/// Why an input cannot be read again.
#[derive(Debug, thiserror::Error)]
pub enum ExpectError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is shorter than it was.
    #[error("{} ends at byte {offset}, before what was loaded from it", .path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where it ends.
        offset: u64,
    },
    /// What is read from its beginning could not be read.
    #[error(transparent)]
    Feed(#[from] FeedError),
}
