//! What takes bytes from outside, each as one plain function of bytes.
//!
//! A function says whether the bytes were taken, and asserts what must be so whatever they are: what
//! was read is written back to the same bytes or read again to the same value, what is read in
//! pieces is what is read whole, and nothing comes out beyond its limit. Where an input needs more
//! than bytes (a version, a codec), its first bytes say which. `seeds` are whole inputs, for
//! changes to begin with.
//!
//! `fuzz/fuzz_targets/` gives these functions to libFuzzer, `tests/hostile/` a million inputs each
//! and an allocator that counts.

mod broker;
mod connection;
mod files;
mod messages;
mod records;
mod samples;
mod state;

/// A decoder to be fed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// As its file in `fuzz_targets/`.
    pub(crate) name: &'static str,
    /// Whether the bytes were taken.
    pub(crate) run: fn(&[u8]) -> bool,
    /// Whole inputs.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// The most memory that it may have at one time: so many bytes, and so many for each of the
    /// input's.
    pub(crate) bytes_fixed: usize,
    pub(crate) bytes_per_byte: usize,
}

/// The assertions need memory too: a second value, the bytes written back.
const SMALL: usize = 8 << 10;

macro_rules! targets {
    ($($name:ident: $module:ident, $fixed:expr, $per_byte:expr;)*) => {
        /// All of them.
        pub(crate) const ALL: &[Target] = &[$(Target {
            name: stringify!($name),
            run: $module::$name::run,
            seeds: $module::$name::seeds,
            bytes_fixed: $fixed,
            bytes_per_byte: $per_byte,
        },)*];
    };
}

targets! {
    answers: messages, SMALL, 64;
    requests: messages, SMALL, 64;
    produce_answer: messages, SMALL, 64;
    fetch_answer: messages, SMALL, 64;
    frames: connection, SMALL, 16;
    negotiated: connection, 64 << 10, 64;
    metadata: connection, 64 << 10, 64;
    batch_header: records, SMALL, 2;
    batches: records, 256 << 10, 16;
    gzip: records, 512 << 10, 64;
    snappy: records, 512 << 10, 64;
    lz4: records, 2 << 20, 64;
    zstd: records, 2 << 20, 64;
    unframed: records, 64 << 10, 16;
    properties: files, SMALL, 64;
    escapes: files, SMALL, 16;
    lines: files, SMALL, 16;
    records_in_lines: files, SMALL, 64;
    compressed_input: files, 4 << 20, 64;
    job_header: state, SMALL, 64;
    partition_slot: state, SMALL, 64;
    // A topic may have a hundred thousand partitions, of half a kilobyte each.
    served: broker, 160 << 20, 256;
    produced: broker, 4 << 20, 256;
}

/// Takes the first byte off: a choice.
fn choice(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    Some((usize::from(*first), rest))
}

/// Puts a choice in front.
fn chosen(choice: usize, bytes: &[u8]) -> Vec<u8> {
    let choice = u8::try_from(choice).expect("there are few to choose from");
    [&[choice], bytes].concat()
}
