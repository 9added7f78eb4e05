//! A file's lines into a topic, as a program around librdkafka does it.
//!
//! `peer-rdkafka-load FILE TOPIC BOOTSTRAP PARTITIONS [key=value …]`
//!
//! Each line is one record without a key, without its newline. `PARTITIONS` above 0: line i goes
//! to partition i mod PARTITIONS; 0 leaves the choice to librdkafka (`partitioner=…`). What
//! follows are librdkafka's own properties. It ends when all is delivered and says how much that
//! was; it exits with 1 if anything was not. It measures nothing: whoever starts it does.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

const USAGE: &str =
    "usage: peer-rdkafka-load FILE TOPIC BOOTSTRAP PARTITIONS [librdkafka-property=value …]";

/// How long a full queue may stay full, and how long the last deliveries may take.
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// Counts what came to nothing. Successes are what was sent less that.
#[derive(Default)]
struct Failures {
    count: AtomicU64,
}

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result
            && self.count.fetch_add(1, Ordering::Relaxed) == 0
        {
            eprintln!("first failed delivery: {error}");
        }
    }
}

struct Job {
    file: String,
    topic: String,
    partitions: i32,
    config: ClientConfig,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Job::parse(&arguments).and_then(|job| job.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peer-rdkafka-load: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Job {
    fn parse(arguments: &[String]) -> Result<Self, Box<dyn Error>> {
        let [file, topic, bootstrap, partitions, properties @ ..] = arguments else {
            return Err(USAGE.into());
        };
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap);
        for property in properties {
            let (key, value) = property.split_once('=').ok_or(USAGE)?;
            config.set(key, value);
        }
        let (file, topic, partitions) = (file.clone(), topic.clone(), partitions.parse()?);
        Ok(Self {
            file,
            topic,
            partitions,
            config,
        })
    }

    fn run(&self) -> Result<(), Box<dyn Error>> {
        let producer: BaseProducer<Failures> =
            self.config.create_with_context(Failures::default())?;
        let mut input = BufReader::with_capacity(1 << 20, File::open(&self.file)?);
        let mut line = Vec::new();
        let (mut records, mut bytes) = (0_u64, 0_usize);
        let mut partition = 0;
        loop {
            line.clear();
            if input.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            let mut record = BaseRecord::<(), [u8]>::to(&self.topic).payload(&line);
            if self.partitions > 0 {
                record = record.partition(partition);
                partition = (partition + 1) % self.partitions;
            }
            send(&producer, record)?;
            records += 1;
            bytes += line.len();
            // Delivery reports wait in a queue until somebody takes them.
            if records.is_multiple_of(1_000) {
                producer.poll(Duration::ZERO);
            }
        }
        producer.flush(STALL_LIMIT)?;
        let failed = producer.context().count.load(Ordering::Relaxed);
        eprintln!("{records} records, {bytes} bytes sent, {failed} failed");
        if failed > 0 {
            Err("not everything was delivered".into())
        } else {
            Ok(())
        }
    }
}

/// Sends, and waits where librdkafka's queue is full.
fn send(
    producer: &BaseProducer<Failures>,
    mut record: BaseRecord<'_, (), [u8]>,
) -> Result<(), Box<dyn Error>> {
    let mut full_since = None;
    loop {
        let Err((error, back)) = producer.send(record) else {
            return Ok(());
        };
        if !matches!(
            error,
            KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)
        ) {
            return Err(error.into());
        }
        if full_since.get_or_insert_with(Instant::now).elapsed() > STALL_LIMIT {
            return Err(format!("the queue was full for {STALL_LIMIT:?}").into());
        }
        record = back;
        producer.poll(Duration::from_millis(10));
    }
}
