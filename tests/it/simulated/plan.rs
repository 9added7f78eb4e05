//! How a load is to be done, and the input that it reads.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use connectors::file::feed::{Source, SourceFeed};
use connectors::file::format::Records;
use connectors::file::format::input::{Grammar, LineOptions, Parser};
use engine::feed::FeedError;
use engine::flow::config::Rate;
use engine::flow::{CutRules, DealRules, Reading, Reread};
use engine::input::{Deal, Input, InputFile};
use engine::positions::FrozenSettings;
use protocol::partitioner::Partitioner;
use protocol::records::header::Compression;
use tempfile::TempDir;

use crate::oracle;

/// How a load is to be done.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) rules: CutRules,
    /// A record's batch at most, as frozen when the job began.
    pub(crate) record_bytes_max: u64,
    /// The topic's `max.message.bytes`, where it was lowered since.
    pub(crate) topic_bytes_max: Option<u64>,
    /// The broker refuses records that hold these bytes.
    pub(crate) poison: Option<&'static [u8]>,
    pub(crate) lanes: u32,
    pub(crate) compression: Compression,
    pub(crate) idempotence: bool,
    pub(crate) in_flight_max: usize,
    pub(crate) rate: Option<Rate>,
    pub(crate) delivery: Duration,
    /// Where producers begin: near an end, so that it is passed.
    pub(crate) first_sequence: i32,
    pub(crate) first_epoch: Option<i16>,
    /// Where one reader deals records out: chunks of a window. 0: chunks are cut by themselves.
    pub(crate) window_chunks: u32,
}

impl Plan {
    /// Chunks of `chunk_bytes` into so many partitions; everything else as usual.
    pub(crate) fn new(chunk_bytes: u64, partitions: u32) -> Self {
        Self {
            rules: CutRules {
                deal: Deal {
                    chunk_bytes,
                    partitions,
                    base: 0,
                    fixed: None,
                },
                batch_bytes_max: 1000,
                delimiter: b'\n',
                crlf_strip: false,
            },
            record_bytes_max: 1_048_588,
            topic_bytes_max: None,
            poison: None,
            lanes: partitions.min(2),
            compression: Compression::None,
            idempotence: true,
            in_flight_max: 5,
            rate: None,
            delivery: Duration::from_secs(120),
            first_sequence: -1,
            first_epoch: None,
            window_chunks: 0,
        }
    }

    /// How one reader deals records out.
    pub(crate) fn deal_rules(&self) -> DealRules {
        DealRules {
            deal: self.rules.deal,
            window_chunks: u64::from(self.window_chunks),
            batch_bytes_max: self.rules.batch_bytes_max,
            record_bytes_max: self.record_bytes_max,
            partitioner: Partitioner::default(),
            takes_named_partition: false,
        }
    }

    /// Lines as split mode takes them.
    fn records(&self) -> Records {
        let grammar = Grammar::Lines {
            delimiter: vec![self.rules.delimiter],
            strip_cr: self.rules.crlf_strip,
        };
        let parser = Parser::line(LineOptions::default()).expect("the default can be meant");
        let bytes_max = usize::try_from(self.record_bytes_max).expect("small");
        Records::new(grammar, parser, bytes_max)
    }

    /// Whether the record cannot come into the topic.
    pub(crate) fn refuses(&self, value: &[u8]) -> bool {
        let bytes = oracle::batch_bytes(value);
        let holds = |needle: &[u8]| value.windows(needle.len()).any(|window| window == needle);
        bytes > self.record_bytes_max
            || self.topic_bytes_max.is_some_and(|max| bytes > max)
            || self.poison.is_some_and(holds)
    }

    /// As the state file freezes it.
    pub(crate) fn frozen(&self) -> FrozenSettings {
        let Deal {
            chunk_bytes,
            partitions,
            base,
            fixed,
        } = self.rules.deal;
        FrozenSettings {
            partitions,
            base,
            chunk_bytes,
            batch_bytes_max: self.rules.batch_bytes_max,
            record_bytes_max: u32::try_from(self.record_bytes_max).expect("limits are 32 bits"),
            delimiter: self.rules.delimiter,
            crlf_strip: self.rules.crlf_strip,
            fixed_partition: fixed.map_or(-1, u32::cast_signed),
            timestamps: 0,
            idempotence: self.idempotence,
            acks: -1,
            compression: self.compression.code(),
            lanes: self.lanes,
            window_chunks: self.window_chunks,
        }
    }
}

/// What one reader deals out.
#[derive(Debug)]
pub(crate) struct Dealt<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) input: &'a Input,
}

impl Reread for Dealt<'_> {
    fn reread(&self, position: u64) -> Result<Reading, FeedError> {
        let source = |file: &InputFile| Source::File {
            path: file.path.clone(),
            inode: file.inode,
            size: file.size,
            is_compressed: false,
        };
        let sources = self.input.files().iter().map(source).collect();
        let feed = SourceFeed::new(sources, position, 0);
        Ok((Box::new(feed), Box::new(self.plan.records())))
    }
}

/// Real files, and a place for the job's state beside them.
#[derive(Debug)]
pub(crate) struct Files {
    directory: TempDir,
    pub(crate) contents: Vec<Vec<u8>>,
    pub(crate) input: Arc<Input>,
}

impl Files {
    pub(crate) fn write(contents: Vec<Vec<u8>>) -> Self {
        let directory = scratch();
        let files = contents.iter().enumerate().map(|(index, content)| {
            let path = directory.path().join(format!("part-{index}"));
            fs::write(&path, content).expect("a file can be written");
            let metadata = fs::metadata(&path).expect("it was just written");
            InputFile {
                path,
                device: metadata.dev(),
                inode: metadata.ino(),
                size: content.len() as u64,
            }
        });
        let input = Arc::new(Input::new(files.collect()));
        Self {
            directory,
            contents,
            input,
        }
    }

    pub(crate) fn path(&self, index: usize) -> PathBuf {
        self.input.files()[index].path.clone()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("job.state")
    }
}

/// In memory where the machine has such a place: a simulation syncs often, and no power is lost.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a directory can be made")
}
