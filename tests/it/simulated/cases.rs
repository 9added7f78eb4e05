//! One list of loads that every body of the I/O contract must do alike: io_uring, io_uring without its
//! newer features, and mio over real sockets to the embedded broker; simulated, to its core.

use std::fs::OpenOptions;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::{Action, Broker, Config, Fault, Server, Storage, When};
use engine::flow::config::Rate;
use engine::flow::to_kafka::FlowError;
use engine::io::{Choice, Faults, Io};
use kafka_protocol::messages::ApiKey;
use protocol::client::producer::ProducerError;
use protocol::error_code::ErrorCode;
use protocol::records::header::Compression;

use crate::job::{End, Job, LifeError, Surroundings};
use crate::log::create_topic;
use crate::oracle;
use crate::peer::{Hazards, World};
use crate::plan::{Files, Plan};
use crate::seeds::check;

/// Which body.
#[derive(Debug, Clone, Copy)]
enum Body {
    Real(Choice),
    Simulated,
}

type Case = (&'static str, fn(Body));

const CASES: [Case; 20] = [
    ("an empty file", an_empty_file),
    ("one line", one_line),
    ("no last newline", no_last_newline),
    ("only newlines", only_newlines),
    ("carriage returns", carriage_returns),
    ("lines that end with NUL", lines_that_end_with_nul),
    ("bytes that are no text", bytes_that_are_no_text),
    ("a line of 2 MB", a_line_of_two_megabytes),
    ("a line too long", a_line_too_long),
    ("many files", many_files),
    ("a file's end in mid-chunk", a_files_end_in_mid_chunk),
    ("1, 3 and 256 partitions", partitions),
    ("one fixed partition", one_fixed_partition),
    ("every codec", every_codec),
    ("a file cut short meanwhile", a_file_cut_short_meanwhile),
    ("what a broker may answer", what_a_broker_may_answer),
    ("a batch refused among five", a_batch_refused_among_five),
    (
        "sequences and epochs at their ends",
        sequences_and_epochs_at_their_ends,
    ),
    ("a broker that never answers", a_broker_that_never_answers),
    ("a rate", a_rate),
];

#[test]
fn over_io_uring() {
    run_all(Body::Real(Choice::Uring));
}

#[test]
fn over_io_uring_without_its_newer_features() {
    run_all(Body::Real(Choice::UringBasic));
}

#[test]
fn over_mio() {
    run_all(Body::Real(Choice::Poll));
}

#[test]
fn simulated() {
    run_all(Body::Simulated);
}

fn run_all(body: Body) {
    if let Body::Real(choice) = body
        && let Err(error) = Io::new(choice)
    {
        println!("left out: {error}");
        return;
    }
    for (name, case) in CASES {
        let begun = Instant::now();
        case(body);
        println!("{name}: {} ms", begun.elapsed().as_millis());
    }
}

/// The broker and the way to it.
enum Way {
    Real(Choice, Server),
    Simulated(World),
}

/// A load that is ready to be run.
struct Stage {
    way: Way,
    job: Job,
    broker: Arc<Broker>,
}

impl Stage {
    fn new(body: Body, plan: Plan, contents: Vec<Vec<u8>>) -> Self {
        let way = match body {
            Body::Real(choice) => {
                let server = Server::start(Config::new(Storage::Memory));
                Way::Real(choice, server.expect("the broker listens on a free port"))
            }
            Body::Simulated => Way::Simulated(World::new(
                7,
                Hazards {
                    network: Faults::none(),
                    restarts: Vec::new(),
                    script: Vec::new(),
                    poison: None,
                    has_late_words: false,
                },
            )),
        };
        let broker = match &way {
            Way::Real(_, server) => Arc::clone(server.broker()),
            Way::Simulated(world) => world.settle(),
        };
        let partitions = plan.rules.deal.partitions;
        let topic_id = create_topic(&broker, partitions, plan.topic_bytes_max);
        Self {
            way,
            job: Job::new(plan, Files::write(contents), topic_id),
            broker,
        }
    }

    fn live(&mut self) -> End {
        self.job.live(&mut self.way)
    }

    /// Runs it to its end and compares everything.
    fn finish(mut self) -> Job {
        let end = self.live();
        assert!(matches!(end, End::Done), "{end:?}");
        self.broker.faults().clear();
        check(
            &self.job,
            &oracle::expect(&self.job.plan, &self.job.files.contents),
            &self.broker,
        );
        self.job
    }
}

impl Surroundings for Way {
    fn io(&mut self) -> Io {
        match self {
            Self::Real(choice, _) => Io::new(*choice).expect("it could be made before").0,
            Self::Simulated(world) => world.io(),
        }
    }

    fn bootstrap(&self) -> (String, u16) {
        match self {
            Self::Real(_, server) => ("127.0.0.1".to_owned(), server.address().port()),
            Self::Simulated(_) => ("127.0.0.1".to_owned(), 9092),
        }
    }

    fn dies(&mut self, _: u64) -> bool {
        false
    }
}

fn load(body: Body, plan: Plan, contents: &[&[u8]]) -> Job {
    let contents = contents.iter().map(|content| content.to_vec()).collect();
    Stage::new(body, plan, contents).finish()
}

fn records(job: &Job) -> u64 {
    job.slots().iter().map(|slot| slot.records).sum()
}

/// Numbered lines of some 30 bytes.
fn lines(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|n| format!("{n} of the lines of a file\n").into_bytes())
        .collect()
}

fn an_empty_file(body: Body) {
    assert_eq!(records(&load(body, Plan::new(512, 2), &[b""])), 0);
    assert_eq!(
        records(&load(body, Plan::new(512, 2), &[b"", b"x\n", b""])),
        1
    );
}

fn one_line(body: Body) {
    assert_eq!(records(&load(body, Plan::new(512, 1), &[b"hello\n"])), 1);
}

fn no_last_newline(body: Body) {
    assert_eq!(
        records(&load(body, Plan::new(512, 1), &[b"hello\nworld"])),
        2
    );
}

fn only_newlines(body: Body) {
    assert_eq!(
        records(&load(body, Plan::new(512, 3), &[&[b'\n'; 3000]])),
        3000
    );
}

fn carriage_returns(body: Body) {
    for crlf_strip in [false, true] {
        let mut plan = Plan::new(64, 2);
        plan.rules.crlf_strip = crlf_strip;
        let content = b"a\r\n\r\n\r\r\nb\n\rc\r\nlast\r".repeat(20);
        load(body, plan, &[&content]);
    }
}

fn lines_that_end_with_nul(body: Body) {
    let mut plan = Plan::new(64, 2);
    plan.rules.delimiter = 0;
    assert_eq!(records(&load(body, plan, &[b"a\nb\0\0c\r\n\0d"])), 4);
}

fn bytes_that_are_no_text(body: Body) {
    let all: Vec<u8> = (0..=255).cycle().take(20_000).collect();
    load(body, Plan::new(1024, 3), &[&all]);
}

fn a_line_of_two_megabytes(body: Body) {
    let mut plan = Plan::new(320 << 10, 2);
    plan.rules.batch_bytes_max = 1_000_000;
    plan.record_bytes_max = 4 << 20;
    plan.topic_bytes_max = Some(4 << 20);
    let mut content = vec![b'x'; 2_000_000];
    content.push(b'\n');
    content.extend(lines(10_000));
    assert_eq!(records(&load(body, plan, &[&content])), 10_001);
}

fn a_line_too_long(body: Body) {
    let mut plan = Plan::new(512, 2);
    plan.record_bytes_max = 1200;
    let mut content = lines(50);
    content.extend([b'y'; 1200]);
    content.push(b'\n');
    content.extend(lines(50));
    let job = load(body, plan, &[&content]);
    let rejects = job.rejects.lock().expect("nobody panicked");
    let reject = rejects.values().next().expect("one is refused");
    assert!(
        reject.reason.contains("1200 bytes long"),
        "{}",
        reject.reason
    );
}

fn many_files(body: Body) {
    let contents: Vec<Vec<u8>> = (0..200).map(|n| lines(n % 4)).collect();
    Stage::new(body, Plan::new(512, 3), contents).finish();
}

fn a_files_end_in_mid_chunk(body: Body) {
    let (one, two) = (lines(25), lines(40));
    load(body, Plan::new(512, 2), &[&one[..one.len() - 1], &two]);
}

fn partitions(body: Body) {
    for partitions in [1, 3, 256] {
        let content = lines(2000);
        assert_eq!(
            records(&load(body, Plan::new(128, partitions), &[&content])),
            2000
        );
    }
}

fn one_fixed_partition(body: Body) {
    let mut plan = Plan::new(128, 3);
    plan.rules.deal.fixed = Some(2);
    plan.lanes = 1;
    let job = load(body, plan, &[&lines(500)]);
    assert_eq!(job.slots()[2].records, 500);
}

fn every_codec(body: Body) {
    for compression in Compression::ALL {
        let plan = Plan {
            compression,
            ..Plan::new(2048, 2)
        };
        load(body, plan, &[&lines(500)]);
    }
}

fn a_file_cut_short_meanwhile(body: Body) {
    let mut stage = Stage::new(body, Plan::new(512, 2), vec![lines(10), lines(1000)]);
    let path = stage.job.files.path(1);
    let file = OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("the file is there");
    file.set_len(700).expect("it can be cut");
    let End::Failed(error) = stage.live() else {
        panic!("a part of the input is gone")
    };
    let text = error.to_string();
    assert!(
        text.contains(&path.display().to_string()) && text.contains("truncated"),
        "{text}"
    );
    // What was loaded stays loaded: with the file back, the rest follows.
    std::fs::write(&path, lines(1000)).expect("the file can be written");
    stage.finish();
}

fn what_a_broker_may_answer(body: Body) {
    use ErrorCode as E;
    let stage = Stage::new(body, Plan::new(512, 2), vec![lines(2000)]);
    let answers = [
        Action::Error(E::NOT_LEADER_OR_FOLLOWER, When::Before),
        Action::Error(E::NOT_ENOUGH_REPLICAS, When::Before),
        Action::Error(E::NOT_ENOUGH_REPLICAS_AFTER_APPEND, When::After),
        Action::Error(E::REQUEST_TIMED_OUT, When::After),
        Action::Error(E::UNKNOWN_SERVER_ERROR, When::Before),
        Action::Error(E::KAFKA_STORAGE_ERROR, When::After),
        Action::Cut {
            when: When::Before,
            reply_bytes: 0,
        },
        Action::Cut {
            when: When::After,
            reply_bytes: 11,
        },
        Action::Delay(Duration::from_millis(30), When::Before),
        Action::Silence(When::After),
    ];
    let faults = stage.broker.faults();
    let armed: Vec<_> = (0..)
        .zip(answers)
        .map(|(index, action)| faults.add(Fault::new(ApiKey::Produce, action).skip(index * 7)))
        .collect();
    let broker = Arc::clone(&stage.broker);
    let mut stage = stage;
    let end = stage.live();
    let happened = armed
        .iter()
        .filter(|&&id| broker.faults().happened(id) > 0)
        .count();
    if let End::Failed(LifeError::Flow(FlowError::Partition { error, .. })) = &end {
        // Nothing but what the rules call final may end it.
        assert!(
            matches!(error, ProducerError::Fatal(E::UNKNOWN_SERVER_ERROR)),
            "{end:?}"
        );
        stage.finish();
        return;
    }
    assert_eq!(happened, armed.len(), "{end:?}");
    stage.finish();
}

fn a_batch_refused_among_five(body: Body) {
    for code in [ErrorCode::MESSAGE_TOO_LARGE, ErrorCode::INVALID_RECORD] {
        let stage = Stage::new(body, Plan::new(4096, 1), vec![lines(2000)]);
        let refused = Fault::new(ApiKey::Produce, Action::Error(code, When::Before));
        stage.broker.faults().add(refused.skip(12));
        let job = stage.finish();
        // Refused once it goes in halves, and nothing is left out.
        assert!(job.slots()[0].is_recut, "{code}: no batch was cut in two");
    }
}

fn sequences_and_epochs_at_their_ends(body: Body) {
    let mut plan = Plan::new(1024, 2);
    plan.first_sequence = i32::MAX - 30;
    let job = load(body, plan.clone(), &[&lines(500)]);
    assert!(
        job.slots()[0].next_sequence < 1000,
        "the sequences went over their end"
    );

    // Two records that the topic does not take: 32,766 is the last epoch, then comes another id.
    plan.first_epoch = Some(32_765);
    plan.topic_bytes_max = Some(700);
    plan.rules.batch_bytes_max = 600;
    plan.record_bytes_max = 1000;
    plan.rules.deal.partitions = 1;
    plan.lanes = 1;
    let long = [vec![b'z'; 800], b"\n".to_vec()].concat();
    let content = [lines(20), long.clone(), lines(20), long, lines(20)].concat();
    let job = load(body, plan, &[&content]);
    let slot = &job.slots()[0];
    assert_eq!(
        (slot.rejects, slot.epoch),
        (2, 0),
        "the new id begins with epoch 0"
    );
}

fn a_broker_that_never_answers(body: Body) {
    let mut plan = Plan::new(512, 1);
    plan.delivery = Duration::from_secs(2);
    let mut stage = Stage::new(body, plan, vec![lines(100)]);
    let faults = Arc::clone(&stage.broker);
    faults
        .faults()
        .add(Fault::new(ApiKey::Produce, Action::Silence(When::Before)).always());
    let End::Failed(LifeError::Flow(FlowError::Partition { error, .. })) = stage.live() else {
        panic!("it cannot be loaded");
    };
    assert!(
        matches!(error, ProducerError::DeliveryTimeout { .. }),
        "{error}"
    );
    faults.faults().clear();
    stage.finish();
}

fn a_rate(body: Body) {
    let mut plan = Plan::new(512, 2);
    plan.rate = Some(Rate::Records(2000.0));
    let stage = Stage::new(body, plan, vec![lines(1000)]);
    let begun = Instant::now();
    let clock_ms = stage.broker.clock().now_ms();
    let broker = Arc::clone(&stage.broker);
    stage.finish();
    let taken = match body {
        Body::Real(_) => begun.elapsed().as_millis(),
        Body::Simulated => (broker.clock().now_ms() - clock_ms).unsigned_abs().into(),
    };
    assert!(
        (350..5000).contains(&taken),
        "1000 records at 2000 a second took {taken} ms"
    );
}
