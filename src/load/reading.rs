//! Sequential mode: which loads one reader deals out, and what it reads.

use std::path::PathBuf;
use std::time::Duration;

use connectors::file::feed::{Source, SourceFeed};
use connectors::file::format::Records;
use connectors::file::format::input::{Grammar, Parser};
use connectors::file::inputs::{InputFile, InputKind, Inputs};
use engine::feed::{BLOCK_BYTES, FeedError};
use engine::flow::to_kafka::SequentialConfig;
use engine::flow::{DealRules, Reading, Reread};
use engine::limits::CHUNK_BYTES;
use engine::positions::{FrozenSettings, JobHeader};

use super::plan;
use crate::options::LoadOptions;

/// Of the memory that a load may take, a window's input takes this part: it frames to several times its
/// size at worst, and the batches of some windows are in flight.
const WINDOWS_IN_MEMORY: u64 = 16;
/// How long a pipe may be silent before what was read from it is sent: Kafka's own `linger.ms`.
const LINGER: Duration = Duration::from_millis(5);
/// Blocks that go round between the reader and the shard.
const BLOCKS_BYTES: usize = 4 * BLOCK_BYTES;

/// Whether the input is read by one reader from its beginning to its end.
pub(super) fn is_sequential(options: &LoadOptions, inputs: &Inputs) -> bool {
    let is_plain = |file: &InputFile| file.kind == InputKind::Plain;
    !options.reading.splits || !inputs.files.iter().all(is_plain)
}

/// Whether an interrupted load can be taken up.
pub(super) fn is_rereadable(inputs: &Inputs) -> bool {
    inputs.files.iter().all(InputFile::is_rereadable)
}

/// Whether what is appended to the last file begins with a record.
pub(super) fn may_grow(options: &LoadOptions, inputs: &Inputs) -> bool {
    let is_of_lines = matches!(
        options.reading.grammar,
        Grammar::Lines { .. } | Grammar::Envelope
    );
    is_of_lines
        && inputs
            .files
            .iter()
            .all(|file| file.kind == InputKind::Plain)
}

/// Chunks of a window; frozen in the state.
pub(super) fn window_chunks(options: &LoadOptions) -> u32 {
    let chunks = options.memory_bytes / WINDOWS_IN_MEMORY / CHUNK_BYTES;
    u32::try_from(chunks.clamp(1, 1 << 10)).expect("bounded here")
}

/// The input from its beginning, for a look at its first records.
pub(super) fn preview(options: &LoadOptions, inputs: &Inputs) -> Reading {
    let memory = usize::try_from(options.memory_bytes).unwrap_or(usize::MAX) / 2;
    let sources = inputs.files.iter().map(|file| source(file, file.size));
    let (grammar, parser) = (&options.reading.grammar, &options.reading.parser);
    (
        Box::new(SourceFeed::new(sources.collect(), 0, memory)),
        Box::new(Records::new(grammar.clone(), parser.clone(), memory)),
    )
}

/// An input that one reader deals out.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    sources: Vec<Source>,
    grammar: Grammar,
    parser: Parser,
    rules: DealRules,
    input_record_bytes_max: usize,
    frames_bytes: usize,
    decompressor_bytes: usize,
    is_rereadable: bool,
    linger: Duration,
}

impl Sources {
    /// `None`: the input is cut by position.
    pub(super) fn of(options: &LoadOptions, inputs: &Inputs, header: &JobHeader) -> Option<Self> {
        let settings = &header.settings;
        if settings.window_chunks == 0 {
            return None;
        }
        let memory = usize::try_from(options.memory_bytes).unwrap_or(usize::MAX);
        // Frozen when the job began: files that came later are loaded later.
        let files = inputs.files.iter().zip(&header.inputs);
        let sources: Vec<Source> = files
            .map(|(file, frozen)| source(file, frozen.size))
            .collect();
        let is_compressed = sources.iter().any(Source::may_be_compressed);
        let decompressor_bytes = if is_compressed { memory / 2 } else { 0 };
        let record_bytes_max = usize::try_from(settings.record_bytes_max).unwrap_or(usize::MAX);
        Some(Self {
            sources,
            grammar: options.reading.grammar.clone(),
            parser: options.reading.parser.clone(),
            rules: deal_rules(options, settings),
            input_record_bytes_max: record_bytes_max.min(memory / 4),
            frames_bytes: memory.saturating_sub(decompressor_bytes + BLOCKS_BYTES),
            decompressor_bytes,
            is_rereadable: is_rereadable(inputs),
            linger: LINGER,
        })
    }

    pub(super) fn rules(&self) -> DealRules {
        self.rules
    }

    /// Bytes of the input, where that is known beforehand.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.sources.iter().map(Source::bytes).sum()
    }

    /// What the shard reads from `position` on.
    pub(super) fn config(&self, position: u64) -> SequentialConfig {
        let (feed, grammar) = self.read(position);
        SequentialConfig {
            feed,
            is_threaded: true,
            grammar,
            rules: self.rules,
            position,
            memory_bytes: self.frames_bytes,
            is_rereadable: self.is_rereadable,
            linger: self.linger,
        }
    }

    pub(super) fn read(&self, position: u64) -> Reading {
        let feed = SourceFeed::new(self.sources.clone(), position, self.decompressor_bytes);
        let records = Records::new(
            self.grammar.clone(),
            self.parser.clone(),
            self.input_record_bytes_max,
        );
        (Box::new(feed), Box::new(records))
    }
}

impl Reread for Sources {
    fn reread(&self, position: u64) -> Result<Reading, FeedError> {
        Ok(self.read(position))
    }
}

fn source(file: &InputFile, size: u64) -> Source {
    match file.kind {
        InputKind::Plain | InputKind::Compressed => Source::File {
            path: file.path.clone(),
            inode: file.inode,
            size,
            is_compressed: file.kind == InputKind::Compressed,
        },
        InputKind::Once => Source::Once {
            path: PathBuf::from(&file.path),
        },
        InputKind::StandardInput => Source::StandardInput,
    }
}

fn deal_rules(options: &LoadOptions, settings: &FrozenSettings) -> DealRules {
    DealRules {
        deal: plan::cut_rules(settings).deal,
        window_chunks: u64::from(settings.window_chunks),
        batch_bytes_max: settings.batch_bytes_max,
        record_bytes_max: u64::from(settings.record_bytes_max),
        partitioner: options.reading.partitioner,
        takes_named_partition: options.reading.keeps_partitions,
    }
}
