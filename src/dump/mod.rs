//! `ringmain dump`: a topic into files, exactly once across crashes.
//!
//! In this order: reach the cluster, look at the topic, open the job's state and its files (or make
//! them), run the shard, cut the files to what counts, say what came of it. Nothing is written before
//! the state that says so is durable.

mod drive;
mod error;
mod files;
mod finish;
mod job;
mod options;
mod progress;
mod show;
mod topic;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use connectors::file::format::output::{Output, OutputRecord};
use engine::cluster::Cluster;
use engine::flow::config::ClientConfig;
use engine::flow::from_kafka::{
    DumpConfig, DumpProgress, DumpRecord, Format, OutputStart, OutputTarget, PartitionRead,
    ReadConfig, RecordFormat,
};
use engine::limits;
use engine::positions::{DumpPartition, OutputPosition, OutputSlot};
use protocol::client::fetcher::{FetcherSettings, Position};

use crate::options::Exit;
use crate::reach::{Reached, reach};
use crate::signals::Signals;
use crate::summary;
use drive::{Drive, Shard, Watched};
pub(crate) use error::DumpError;
use finish::Finish;
use job::{Opened, Start};
pub(crate) use options::{DumpOptions, Existing, OutputTo, PartitionSet, Place, RecordsAs, Until};
pub(crate) use show::{show_json, show_text};
use topic::Topic;

pub(crate) fn run(options: &DumpOptions) -> Result<Exit, DumpError> {
    let begun = Instant::now();
    if let Some(path) = &options.summary {
        summary::check(path)?;
    }
    let cluster = &options.cluster;
    let Reached {
        mut control,
        client,
        io,
        embedded: _running,
    } = reach(&cluster.target, &cluster.producer, cluster.io)?;
    tracing::info!("I/O: {io}");
    let topic = topic::find(&mut control, options)?;
    let dump = Dump {
        options,
        topic: &topic,
        client: &client,
        begun,
    };
    if let Some(target) = stream(&options.output)? {
        let partitions = topic::range(&mut control, options, &topic)?;
        drop(control);
        return dump.into_stream(target, &partitions);
    }
    let start = job::open(&mut control, options, &topic)?;
    drop(control);
    match start {
        Start::Finished(found) => finish::already_dumped(options, &topic, &found),
        Start::Opened(opened) => dump.into_files(*opened),
    }
    // The embedded broker ends behind this.
}

/// Standard output, or a pipe or device that a path names.
fn stream(output: &OutputTo) -> Result<Option<OutputTarget>, DumpError> {
    let (file, name) = match output {
        OutputTo::Stdout => {
            let file = io::stdout().as_fd().try_clone_to_owned();
            let file = file.map_err(DumpError::file("open", "standard output".as_ref()))?;
            (File::from(file), "standard output")
        }
        OutputTo::File(path) if files::is_stream(path) => {
            let file = File::options().write(true).open(path);
            (file.map_err(DumpError::file("open", path))?, "the output")
        }
        _ => return Ok(None),
    };
    tracing::info!("{name} is at least once: run again, the dump begins again");
    Ok(Some(OutputTarget::Stream { file, name }))
}

/// A dump whose topic is known.
struct Dump<'a> {
    options: &'a DumpOptions,
    topic: &'a Topic,
    client: &'a ClientConfig,
    begun: Instant,
}

impl Dump<'_> {
    fn into_stream(
        self,
        target: OutputTarget,
        partitions: &[DumpPartition],
    ) -> Result<Exit, DumpError> {
        let first = |partition: &DumpPartition| OutputPosition {
            offset: partition.start,
            epoch: -1,
        };
        let slot = OutputSlot {
            positions: partitions.iter().map(first).collect(),
            ..OutputSlot::default()
        };
        let reads = reads(partitions, std::slice::from_ref(&slot));
        let output = OutputStart {
            target,
            slot,
            tail: Vec::new(),
            writer: None,
        };
        let signals = Signals::install().map_err(DumpError::Signals)?;
        let progress = Arc::new(DumpProgress::default());
        let drive = Drive {
            io: self.options.cluster.io,
            progress: Arc::clone(&progress),
            job: None,
            watched: &[],
            shown: self.shown(&reads),
            synced: Vec::new(),
            is_lost: false,
        };
        let outcome = drive.run(self.shard(reads, vec![output])?, &signals)?;
        self.finish(&progress, false).stream(outcome)
    }

    fn into_files(self, opened: Opened) -> Result<Exit, DumpError> {
        let Opened {
            mut job,
            slots,
            files,
            resumed,
        } = opened;
        let reads = reads(&job.header().partitions, &slots);
        let watched: Vec<Watched> = files
            .iter()
            .map(|open| {
                drive::watch(&open.file, &open.path).map_err(DumpError::file("open", &open.path))
            })
            .collect::<Result<_, _>>()?;
        let outputs = (0..).zip(files).zip(&slots).map(|((index, open), slot)| {
            let writer = job.store().take_writer(index);
            OutputStart {
                target: OutputTarget::File {
                    file: open.file,
                    path: open.path,
                },
                slot: slot.clone(),
                tail: open.tail,
                writer: Some(writer.expect("the state has a position for each output")),
            }
        });
        let outputs = outputs.collect();
        let signals = Signals::install().map_err(DumpError::Signals)?;
        let progress = Arc::new(DumpProgress::default());
        let drive = Drive {
            io: self.options.cluster.io,
            progress: Arc::clone(&progress),
            job: Some(&mut job),
            watched: &watched,
            shown: self.shown(&reads),
            synced: slots.clone(),
            is_lost: false,
        };
        let outcome = drive.run(self.shard(reads, outputs)?, &signals)?;
        self.finish(&progress, resumed)
            .files(outcome, &mut job, &slots, &watched)
    }

    fn finish<'a>(&'a self, progress: &'a DumpProgress, resumed: bool) -> Finish<'a> {
        Finish {
            options: self.options,
            topic: self.topic,
            progress,
            resumed,
            elapsed: self.begun.elapsed(),
        }
    }

    fn shown(&self, reads: &[PartitionRead]) -> progress::Shown {
        let left = |read: &PartitionRead| {
            let left = read.end? - read.position.offset;
            Some(u64::try_from(left).unwrap_or(0))
        };
        let total: Option<u64> = reads.iter().map(left).sum();
        let is_wanted = self.options.progress && !self.options.quiet;
        progress::Shown::start(is_wanted, Instant::now(), total)
    }

    fn shard(
        &self,
        partitions: Vec<PartitionRead>,
        outputs: Vec<OutputStart>,
    ) -> Result<Shard, DumpError> {
        let Self { options, topic, .. } = self;
        let client = &options.cluster.producer;
        let backoff = (client.retry_backoff, client.retry_backoff_max);
        let cluster = Cluster::new(
            Instant::now(),
            self.client,
            backoff,
            &topic.name,
            topic.id,
            &topic.metadata,
        )?;
        Ok(Shard {
            config: self.config(&partitions),
            cluster,
            partitions,
            outputs,
        })
    }

    fn config(&self, partitions: &[PartitionRead]) -> DumpConfig {
        let Self { options, topic, .. } = self;
        let consumer = &options.consumer;
        let client = &options.cluster.producer;
        let usual = limits::fetch_bytes(topic.leaders());
        let bytes = |asked: Option<u32>| {
            let bytes = asked.map_or(usual, |bytes| bytes as usize);
            i32::try_from(bytes).unwrap_or(i32::MAX)
        };
        let bytes_max = bytes(consumer.fetch_bytes_max);
        let receive_bytes = usize::try_from(bytes_max).unwrap_or(usual);
        let is_endless = partitions.iter().any(|partition| partition.end.is_none());
        let fetcher = FetcherSettings {
            client_id: client.client_id.clone(),
            bytes_max,
            partition_bytes_max: bytes(consumer.partition_bytes_max),
            bytes_min: i32::try_from(consumer.fetch_bytes_min).unwrap_or(i32::MAX),
            wait_max: consumer.fetch_wait_max.min(client.request_timeout / 2),
            isolation: consumer.isolation,
            reset: consumer.reset,
            backoff: client.retry_backoff,
            backoff_max: client.retry_backoff_max.max(Duration::from_millis(1)),
            timeout: (!is_endless).then_some(consumer.api_timeout),
        };
        DumpConfig {
            read: ReadConfig {
                topic: topic.name.clone(),
                topic_id: topic.id,
                client: self.client.clone(),
                fetcher,
                connections: 1,
                receive_bytes: receive_bytes.min(limits::RECEIVE_BYTES_KEPT)
                    + limits::FETCH_ROOM_BYTES,
            },
            format: format(&options.records),
            buffers: limits::WRITE_BUFFERS,
            buffer_bytes: limits::WRITE_BYTES,
        }
    }
}

fn format(records: &RecordsAs) -> Format {
    let output = match records.clone() {
        RecordsAs::Values { delimiter, null } => return Format::Values { delimiter, null },
        RecordsAs::Format { compiled, .. } => Output::Format(compiled),
        RecordsAs::Envelope => Output::Envelope,
    };
    Format::Records(Box::new(Written(output)))
}

/// A format of the connectors', as the engine wants it.
#[derive(Debug)]
struct Written(Output);

impl RecordFormat for Written {
    fn write(&mut self, record: &DumpRecord<'_>, out: &mut Vec<u8>) {
        let DumpRecord {
            topic,
            partition,
            broker,
            timestamp_type,
            record,
        } = *record;
        let record = OutputRecord {
            topic,
            partition,
            broker,
            offset: record.offset,
            timestamp: record.timestamp,
            timestamp_type,
            key: record.key,
            value: record.value,
            headers: record.headers,
        };
        self.0.write(&record, out);
    }
}

/// From where to where each partition is read: the outputs say where they are.
fn reads(partitions: &[DumpPartition], slots: &[OutputSlot]) -> Vec<PartitionRead> {
    let positions = slots.iter().flat_map(|slot| &slot.positions);
    let both = partitions.iter().zip(positions);
    both.map(|(partition, position)| PartitionRead {
        partition: partition.number,
        position: Position {
            offset: position.offset,
            epoch: position.epoch,
        },
        end: (partition.end >= 0).then_some(partition.end),
    })
    .collect()
}
