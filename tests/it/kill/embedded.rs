//! Our own broker killed: nothing that it acknowledged is lost.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::job::Job;
use super::process::End;
use super::{between, seeded};
use crate::kafka::guarded::Guarded;
use crate::kafka::jars::{self, Version};
use crate::kafka::judge::Judge;
use crate::kafka::lines::{Sizes, generate};
use crate::kafka::node::answers_within;
use crate::kafka::ports::Port;

const LINE_BYTES: usize = 20_000;
const FLAGS: [&str; 4] = [
    "-X",
    "max.request.size=20000",
    "--create-topic",
    "partitions=3",
];

/// `ringmain broker`, ended with this process.
fn broker(port: u16, data: &Path, log: &Path) -> Guarded {
    let listen = format!("127.0.0.1:{port}");
    let command = [
        env!("CARGO_BIN_EXE_ringmain").to_owned(),
        "broker".to_owned(),
        "--listen".to_owned(),
        listen,
        "--data-dir".to_owned(),
        data.to_str().expect("our paths are text").to_owned(),
    ];
    let broker = Guarded::spawn(&command, log, data);
    let answers = answers_within(port, &broker, Duration::from_secs(30));
    assert!(answers, "no start\n{}", super::process::read_log(log));
    broker
}

fn kill(broker: Guarded) {
    broker.signal(Signal::KILL);
    assert!(
        broker.has_exited_within(Duration::from_secs(30)),
        "SIGKILL ends anybody"
    );
    broker.end_keeping_data();
}

#[test]
fn what_our_broker_acknowledged_survives_its_kills() {
    if jars::find(Version::Newest).is_none() {
        return;
    }
    let mut random = seeded("what_our_broker_acknowledged_survives_its_kills");
    let port = Port::free();
    let address = format!("127.0.0.1:{}", port.number());
    let lines = generate(random.next(), 20_000, Sizes::Between(23..=400));
    let job = Job::new("kept")
        .to(&address)
        .flags(&FLAGS)
        .file(&[lines], LINE_BYTES);
    let (data, log) = (job.path("data"), job.path("broker"));
    std::fs::create_dir(&data).unwrap();
    let mut running = broker(port.number(), &data, &log);
    let mut loader = job.spawn_with(&["--rate", "2MB"]);
    for round in 0..12 {
        loader.has_exited_within(between(&mut random, 0, 150));
        kill(running);
        if round % 3 == 0 {
            let end = loader.kill9();
            assert_eq!(end, End::Killed, "{}", job.log());
            running = broker(port.number(), &data, &log);
            loader = job.spawn_with(&["--rate", "2MB"]);
        } else {
            running = broker(port.number(), &data, &log);
        }
    }
    job.assert_done(loader.end_within(Duration::from_secs(60)));
    job.assert_exact(&Judge::of(&address));
    kill(running);
}

#[test]
fn kills_of_loader_and_broker_in_one_process() {
    if jars::find(Version::Newest).is_none() {
        return;
    }
    let mut random = seeded("kills_of_loader_and_broker_in_one_process");
    for io in ["uring", "poll"] {
        let lines = generate(random.next(), 20_000, Sizes::Between(23..=400));
        let job = Job::new("kept").flags(&FLAGS).file(&[lines], LINE_BYTES);
        let data = job.path("data");
        let embedded = format!("--embedded={}", data.display());
        let job = job.flags(&[&embedded, "--io", io, "--rate", "8MB"]);
        let killed = job.run_killed(&mut random, 12);
        eprintln!("--embedded over {io}: {killed} kills");

        let port = Port::free();
        let running = broker(port.number(), &data, &job.path("broker"));
        let judge = Judge::of(&format!("127.0.0.1:{}", port.number()));
        let verdict = job.verdict(&judge);
        assert!(verdict.is_clean(), "{verdict}\n{}", job.log());
        judge.forget();
        kill(running);
    }
}
