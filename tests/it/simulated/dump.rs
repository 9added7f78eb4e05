//! Dumps by the thousand, each from a seed: what the log holds, how it is asked for and written, what
//! goes wrong, when the process dies or the power goes. In the end the files must hold every record
//! once, in each partition's order.
//!
//! `RINGMAIN_SEEDS=100000` runs so many of each kind, `RINGMAIN_SEED=7` that one alone.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use broker::{Action, Broker, Fault, When};
use bytes::Bytes;
use engine::cluster::{Cluster, ClusterError};
use engine::control::{Control, ControlError};
use engine::flow::config::ClientConfig;
use engine::flow::from_kafka::{
    DumpConfig, DumpError, Format, FromKafka, OutputStart, OutputTarget, PartitionRead, ReadConfig,
};
use engine::io::Faults;
use engine::positions::{
    DumpHeader, DumpJob, DumpOutput, DumpPartition, JobError, OutputPosition, OutputSlot,
    StoreError, TAIL_BYTES_MAX, tail_sum,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiKey, ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use protocol::client::fetcher::{FetcherSettings, Position};
use protocol::error_code::ErrorCode;
use protocol::records::builder::{BatchBuilder, Identity, Record};
use tempfile::TempDir;

use crate::log::{TOPIC, ask, create_topic, end_offset};
use crate::peer::{Hazards, World};
use crate::plan::scratch;
use crate::random::Random;

/// Simulated dumps of each kind.
const SEEDS: u64 = 1_000;
/// Lives after which a dump is taken never to end.
const LIVES_MAX: u32 = 80;
/// Turns after which it is taken to hang.
const TURNS_MAX: u64 = 200_000;

/// What mainly goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Network,
    Deaths,
    Everything,
}

#[test]
fn a_bad_network_leaves_the_files_right() {
    run_all(Kind::Network);
}

#[test]
fn deaths_at_any_moment_leave_the_files_right() {
    run_all(Kind::Deaths);
}

#[test]
fn everything_at_once_leaves_the_files_right() {
    run_all(Kind::Everything);
}

fn run_all(kind: Kind) {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let mut seen = Seen::default();
    if let Some(seed) = number("RINGMAIN_SEED") {
        seen.is_loud = true;
        return run(kind, seed, &mut seen);
    }
    let seeds = number("RINGMAIN_SEEDS").unwrap_or(SEEDS);
    for seed in 0..seeds {
        run(kind, seed, &mut seen);
    }
    println!("dump, {kind:?}: {seeds} seeds, {seen:?}");
    let has_deaths = kind == Kind::Network || seen.deaths > 0 && seen.power_losses > 0;
    assert!(
        seeds < 100 || has_deaths,
        "a fault that never happens tests nothing"
    );
}

/// What happened in many runs.
#[derive(Debug, Default)]
struct Seen {
    records: u64,
    deaths: u64,
    power_losses: u64,
    failures: u64,
    is_loud: bool,
}

/// Names the seed if the run ends in a panic.
struct Named(Kind, u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("dump, {:?}: RINGMAIN_SEED={}", self.0, self.1);
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum LifeError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Dump(#[from] DumpError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the cluster is not ready: {0}")]
    NotReady(i16),
}

/// How a dump is to be done.
#[derive(Debug, Clone)]
struct Plan {
    partitions: u32,
    /// A file for each partition.
    has_many_files: bool,
    /// A file that is longer than the dump is overwritten in place.
    overwrites: bool,
    buffer_bytes: usize,
    buffers: usize,
    fetch_bytes: i32,
    receive_bytes: usize,
    connections: usize,
}

/// What survives a process, and what survives a loss of power.
struct Disk {
    directory: TempDir,
    plan: Plan,
    topic_id: [u8; 16],
    ends: Vec<i64>,
    /// Each file as it last reached the disk, and the slots that were stored durably after that.
    synced: Vec<(Vec<u8>, OutputSlot)>,
    header: Option<DumpHeader>,
}

impl Disk {
    fn state(&self) -> PathBuf {
        self.directory.path().join("dump.state")
    }

    fn path(&self, output: usize) -> PathBuf {
        self.directory.path().join(format!("out-{output}"))
    }

    fn outputs(&self) -> usize {
        if self.plan.has_many_files {
            self.plan.partitions as usize
        } else {
            1
        }
    }

    /// A new state and new files, as the front door makes them.
    fn create(&mut self) -> Result<(DumpJob, Vec<OutputSlot>), LifeError> {
        let partitions = (0..).zip(&self.ends).map(|(number, &end)| DumpPartition {
            number,
            start: 0,
            end,
        });
        let outputs = (0..self.outputs()).map(|output| {
            let path = self.path(output);
            let old = if self.plan.overwrites {
                vec![b'#'; 100_000]
            } else {
                Vec::new()
            };
            fs::write(&path, old).expect("the directory is ours");
            DumpOutput {
                path: path.to_str().expect("our paths are text").to_owned(),
                inode: 1,
                kept_bytes: 0,
            }
        });
        let header = DumpHeader {
            topic: TOPIC.to_owned(),
            topic_id: self.topic_id,
            partitions: partitions.collect(),
            outputs: outputs.collect(),
            started_ms: 1,
            ..DumpHeader::default()
        };
        let each = self.plan.partitions as usize / self.outputs();
        let slot = OutputSlot {
            positions: vec![
                OutputPosition {
                    offset: 0,
                    epoch: -1
                };
                each
            ],
            ..OutputSlot::default()
        };
        let slots = vec![slot; self.outputs()];
        let made = DumpJob::create(&self.state(), header.clone(), &slots)?;
        self.header = Some(header);
        self.note_synced(&slots);
        Ok((made.expect("nobody else makes it"), slots))
    }

    fn note_synced(&mut self, slots: &[OutputSlot]) {
        let read = |output| fs::read(self.path(output)).expect("it is there");
        self.synced = slots
            .iter()
            .enumerate()
            .map(|(output, slot)| (read(output), slot.clone()))
            .collect();
    }

    /// The state and the files as a start finds them: cut to what counts.
    fn open(&mut self) -> Result<(DumpJob, Vec<OutputSlot>), LifeError> {
        let Some(found) = DumpJob::find(&self.state(), Duration::ZERO)? else {
            return self.create();
        };
        let slots = found.slots.clone();
        for (output, slot) in slots.iter().enumerate() {
            let file = File::options().write(true).open(self.path(output));
            let file = file.expect("it is there");
            let length = file.metadata().expect("it is open").len();
            assert!(length >= slot.length, "the slot says more than is there");
            let tail = self.tail(output, slot.length);
            let sums = (tail_sum(&tail), u32::try_from(tail.len()).expect("short"));
            assert_eq!((slot.tail_crc, slot.tail_bytes), sums, "the bytes are ours");
            file.set_len(slot.length).expect("it can be cut");
        }
        self.note_synced(&slots);
        Ok((found.adopt()?, slots))
    }

    fn tail(&self, output: usize, end: u64) -> Vec<u8> {
        let bytes = end.min(u64::from(TAIL_BYTES_MAX));
        let mut tail = vec![0; usize::try_from(bytes).expect("short")];
        let file = File::open(self.path(output)).expect("it is there");
        file.read_exact_at(&mut tail, end - bytes)
            .expect("it is that long");
        tail
    }

    /// What a sync once a second does: the data, then the positions that were copied before.
    fn sync(&mut self, job: &mut DumpJob) -> Result<(), LifeError> {
        let checkpoint = job.store().begin_sync()?.expect("one at a time");
        let indices = 0..u32::try_from(self.outputs()).expect("few");
        let slots = indices.map(|index| OutputSlot::decode(checkpoint.payload(index)));
        let slots: Vec<OutputSlot> = slots.collect::<Result<_, _>>().expect("whole slots");
        let written = checkpoint.write();
        job.store().end_sync(written)?;
        self.note_synced(&slots);
        Ok(())
    }

    /// The power goes: of each file what was synced is there, of what was written since any blocks are.
    fn lose_power(&mut self, random: &mut Random) {
        const BLOCK: usize = 512;
        for output in 0..self.outputs() {
            let (synced, slot) = &self.synced[output];
            let counts = usize::try_from(slot.length).expect("short");
            let mut left = fs::read(self.path(output)).expect("it is there");
            for at in (0..left.len()).step_by(BLOCK) {
                let end = (at + BLOCK).min(left.len());
                if random.chance(500) {
                    continue;
                }
                for (index, byte) in (at..end).zip(&mut left[at..end]) {
                    *byte = synced.get(index).copied().unwrap_or(0);
                }
            }
            assert!(left.len() >= counts, "what was synced was written");
            left[..counts].copy_from_slice(&synced[..counts]);
            let length = random.length(counts, left.len().max(counts));
            fs::write(self.path(output), &left[..length]).expect("the directory is ours");
        }
        DumpJob::remove(&self.state(), Duration::ZERO).expect("nobody holds it");
        let header = self.header.clone().expect("it was begun");
        let slots: Vec<OutputSlot> = self.synced.iter().map(|(_, slot)| slot.clone()).collect();
        let made = DumpJob::create(&self.state(), header, &slots);
        drop(
            made.expect("the state can be made")
                .expect("nobody else makes it"),
        );
    }
}

/// Values of this shape tell where they belong: partition, offset, and something to fill them.
fn value(partition: u32, offset: u64, random: &mut Random) -> Vec<u8> {
    let fill = random.length(0, random.clone().pick(&[0, 20, 200, 3_000]));
    format!("{partition}:{offset}:{}", "x".repeat(fill)).into_bytes()
}

/// Fills the log with batches of a few records; gives what was written, by partition.
fn fill(broker: &Arc<Broker>, partitions: u32, random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for partition in 0..partitions {
        let mut values: Vec<Vec<u8>> = Vec::new();
        for _ in 0..random.between(0, 25) {
            let mut buffer = vec![0; 200_000];
            let mut builder = BatchBuilder::new(&mut buffer, 5);
            for _ in 0..random.between(1, 8) {
                let value = value(partition, values.len() as u64, random);
                let record = Record {
                    timestamp: 5,
                    key: None,
                    value: Some(&value),
                    headers: &[],
                };
                builder.write_record(&record).expect("there is room");
                values.push(value);
            }
            let (bytes, _) = builder.finish(Identity::NONE);
            produce(broker, partition, &buffer[..bytes]);
        }
        assert_eq!(end_offset(broker, partition), values.len() as u64);
        all.push(values);
    }
    all
}

fn produce(broker: &Arc<Broker>, partition: u32, batch: &[u8]) {
    let data = PartitionProduceData::default()
        .with_index(partition.cast_signed())
        .with_records(Some(Bytes::copy_from_slice(batch)));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(1000)
        .with_topic_data(vec![topic]);
    let response = ask(broker, 9, &request);
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

fn draw_plan(random: &mut Random) -> Plan {
    Plan {
        partitions: u32::try_from(random.between(1, 5)).expect("small"),
        has_many_files: random.chance(300),
        overwrites: random.chance(300),
        buffer_bytes: random.length(100, 5_000),
        buffers: random.length(1, 4),
        fetch_bytes: random.pick(&[1, 500, 5_000, 100_000]),
        receive_bytes: random.pick(&[600, 5_000, 100_000]),
        connections: random.length(1, 2),
    }
}

fn draw_hazards(kind: Kind, random: &mut Random) -> Hazards {
    let mut network = match kind {
        Kind::Deaths if random.chance(500) => Faults::none(),
        Kind::Deaths | Kind::Network => Faults::network(),
        Kind::Everything => Faults::all(),
    };
    if kind != Kind::Deaths {
        network.connections_lost = random.pick(&[2, 10, 30]);
    }
    let mut hazards = Hazards {
        network,
        restarts: Vec::new(),
        script: Vec::new(),
        poison: None,
        has_late_words: false,
    };
    if kind == Kind::Everything {
        hazards.restarts = (0..random.between(0, 2))
            .map(|_| random.between(8, 80))
            .collect();
        hazards.script = (0..random.between(0, 4))
            .map(|_| draw_fault(random))
            .collect();
    }
    hazards
}

fn draw_fault(random: &mut Random) -> Fault {
    use ErrorCode as E;
    let when = random.pick(&[When::Before, When::After]);
    let action = match random.between(0, 6) {
        0 => Action::Error(E::NOT_LEADER_OR_FOLLOWER, When::Before),
        1 => Action::Error(E::UNKNOWN_TOPIC_OR_PARTITION, When::Before),
        2 => Action::Error(E::KAFKA_STORAGE_ERROR, When::Before),
        3 => Action::Error(E::UNKNOWN_LEADER_EPOCH, When::Before),
        4 => Action::Delay(Duration::from_millis(random.between(1, 1_500)), when),
        5 => Action::Silence(when),
        _ => Action::Cut {
            when,
            reply_bytes: random.length(0, 500),
        },
    };
    let times = u32::try_from(random.between(1, 4)).expect("small");
    let skip = u32::try_from(random.between(0, 20)).expect("small");
    Fault::new(ApiKey::Fetch, action).times(times).skip(skip)
}

fn run(kind: Kind, seed: u64, seen: &mut Seen) {
    let _named = Named(kind, seed);
    let mut random = Random::new(seed ^ (kind as u64) << 56);
    let plan = draw_plan(&mut random);
    let world = World::new(random.next(), draw_hazards(kind, &mut random));
    let broker = world.settle();
    let topic_id = create_topic(&broker, plan.partitions, None);
    let expected = fill(&broker, plan.partitions, &mut random);
    drop(broker);
    let mut disk = Disk {
        directory: scratch(),
        topic_id,
        ends: expected.iter().map(|values| values.len() as i64).collect(),
        synced: Vec::new(),
        header: None,
        plan,
    };
    let dies = kind != Kind::Network;
    let mut deaths = if dies { random.between(1, 6) } else { 0 };
    for life in 1.. {
        assert!(life <= LIVES_MAX, "the dump never ends");
        let death = (deaths > 0).then(|| {
            let most = random.clone().pick(&[3, 10, 40, 150]);
            random.between(0, most)
        });
        deaths = deaths.saturating_sub(1);
        let lived = live(&world, &mut disk, death, &mut random);
        if seen.is_loud {
            println!("life {life}: {lived:?}");
        }
        match lived {
            Ok(true) => break,
            Ok(false) => seen.deaths += 1,
            Err(LifeError::Dump(DumpError::Write { .. })) | Err(LifeError::NotReady(_)) => {
                seen.failures += 1;
            }
            // The front door tries again until max.block.ms is over.
            Err(LifeError::Control(_)) => seen.failures += 1,
            Err(error) => panic!("life {life}: {error}: {error:?}"),
        }
        if dies && disk.header.is_some() && random.chance(250) {
            disk.lose_power(&mut random);
            seen.power_losses += 1;
        }
    }
    check(&disk, &expected);
    seen.records += expected
        .iter()
        .map(|values| values.len() as u64)
        .sum::<u64>();
}

fn check(disk: &Disk, expected: &[Vec<Vec<u8>>]) {
    let mut found: Vec<Vec<Vec<u8>>> = vec![Vec::new(); expected.len()];
    for output in 0..disk.outputs() {
        let written = fs::read(disk.path(output)).expect("it is there");
        assert!(
            written.is_empty() || written.ends_with(b"\n"),
            "whole records"
        );
        for line in written.split_inclusive(|&byte| byte == b'\n') {
            let line = &line[..line.len() - 1];
            let text = String::from_utf8_lossy(line);
            let partition: usize = text
                .split_once(':')
                .and_then(|(number, _)| number.parse().ok())
                .unwrap_or_else(|| panic!("no value of ours: {text:?}"));
            assert!(
                !disk.plan.has_many_files || partition == output,
                "in its own file"
            );
            found[partition].push(line.to_vec());
        }
    }
    for (partition, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(
            found.len(),
            expected.len(),
            "partition {partition}: {:?}",
            disk.plan
        );
        assert_eq!(found, expected, "partition {partition}");
    }
}

/// From the start of a process to its end: `true` if the dump is done, `false` if it was killed.
fn live(
    world: &World,
    disk: &mut Disk,
    death: Option<u64>,
    random: &mut Random,
) -> Result<bool, LifeError> {
    let client = ClientConfig {
        client_id: "simulated".to_owned(),
        bootstrap: vec![("127.0.0.1".to_owned(), 9092)],
        request_timeout: Duration::from_secs(2),
        connect_timeout: Duration::from_secs(1),
        reconnect_backoff: Duration::from_millis(5),
        reconnect_backoff_max: Duration::from_millis(200),
        metadata_max_age: Duration::from_secs(300),
    };
    let mut control = Control::connect(world.io(), client.clone(), Duration::from_secs(30))?;
    let metadata = control.metadata(TOPIC)?;
    if metadata.topics[0].error_code != 0 || metadata.topics[0].partitions.is_empty() {
        return Err(LifeError::NotReady(metadata.topics[0].error_code));
    }
    drop(control);
    let (mut job, slots) = disk.open()?;
    let io = world.io();
    let backoff = (Duration::from_millis(20), Duration::from_millis(200));
    let cluster = Cluster::new(io.now(), &client, backoff, TOPIC, disk.topic_id, &metadata)?;
    let (reads, outputs) = starts(disk, &mut job, &slots);
    let config = config(&disk.plan, client, disk.topic_id, backoff);
    let mut flow = FromKafka::new(io, config, cluster, reads, outputs, Arc::default())?;
    let sync_every = random.between(3, 40);
    for turn in 0.. {
        assert!(turn < TURNS_MAX, "the dump does not end");
        if death == Some(turn) {
            world.prepare_death();
            return Ok(false);
        }
        if turn % sync_every == sync_every - 1 {
            disk.sync(&mut job)?;
        }
        if !flow.turn()? {
            break;
        }
    }
    let report = flow.into_report();
    let mut failures = report.failures.into_iter();
    if let Some(error) = failures.next() {
        return Err(error.into());
    }
    assert!(!report.was_stopped, "nobody stopped it");
    for (output, slot) in report.slots.iter().enumerate() {
        let file = File::options().write(true).open(disk.path(output));
        let file = file.expect("it is there");
        file.set_len(slot.length).expect("it can be cut");
    }
    Ok(true)
}

fn starts(
    disk: &Disk,
    job: &mut DumpJob,
    slots: &[OutputSlot],
) -> (Vec<PartitionRead>, Vec<OutputStart>) {
    let positions = slots.iter().flat_map(|slot| &slot.positions);
    let reads = (0..)
        .zip(positions)
        .zip(&disk.ends)
        .map(|((partition, position), &end)| PartitionRead {
            partition,
            position: Position {
                offset: position.offset,
                epoch: position.epoch,
            },
            end: Some(end),
        });
    let outputs = (0..).zip(slots).map(|(index, slot)| {
        let path = disk.path(index as usize);
        let file = File::options().read(true).write(true).open(&path);
        OutputStart {
            target: OutputTarget::File {
                file: file.expect("it is there"),
                path,
            },
            tail: disk.tail(index as usize, slot.length),
            slot: slot.clone(),
            writer: job.store().take_writer(index),
        }
    });
    (reads.collect(), outputs.collect())
}

fn config(
    plan: &Plan,
    client: ClientConfig,
    topic_id: [u8; 16],
    backoff: (Duration, Duration),
) -> DumpConfig {
    let fetcher = FetcherSettings {
        bytes_max: plan.fetch_bytes,
        partition_bytes_max: plan.fetch_bytes,
        backoff: backoff.0,
        backoff_max: backoff.1,
        timeout: None,
        ..FetcherSettings::default()
    };
    DumpConfig {
        read: ReadConfig {
            topic: TOPIC.to_owned(),
            topic_id,
            client,
            fetcher,
            connections: plan.connections,
            receive_bytes: plan.receive_bytes,
        },
        format: Format::Values {
            delimiter: b"\n".to_vec(),
            null: Vec::new(),
        },
        buffers: plan.buffers,
        buffer_bytes: plan.buffer_bytes,
    }
}
