//! The broker over sockets and over restarts.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;

use kafka_protocol::messages::{ApiKey, MetadataRequest};
use kafka_protocol::protocol::Request;
use protocol::error_code::ErrorCode;
use protocol::frame;

use super::*;
use crate::api::tests::{Batch, partition_answers, produce_request};
use crate::config::Storage;
use crate::faults::{Action, Fault, When};

const PATIENCE: Duration = Duration::from_secs(20);

/// A client on a socket.
struct Socket {
    stream: TcpStream,
    correlation_id: i32,
}

impl Socket {
    fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            correlation_id: 0,
        }
    }

    fn write<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let mut frame = Vec::new();
        frame::encode_request(request, version, self.correlation_id, "test", &mut frame).unwrap();
        self.stream.write_all(&frame).unwrap();
    }

    fn read<R: Request>(&mut self, version: i16) -> io::Result<R::Response> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut frame)?;
        let api = ApiKey::try_from(R::KEY).unwrap();
        let (_, body) = frame::read_response(api, version, &frame).unwrap();
        Ok(frame::decode_response::<R>(version, body).unwrap())
    }

    fn send<R: Request>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        self.write(version, request);
        self.read::<R>(version)
    }

    /// Produces, and returns code and base offset.
    fn produce(&mut self, batch: &Batch) -> io::Result<(ErrorCode, i64)> {
        let request = produce_request(&[("t", 0, batch.bytes())]);
        let answer = partition_answers(self.send(9, &request)?).remove(0);
        Ok((ErrorCode(answer.error_code), answer.base_offset))
    }
}

fn all_topics() -> MetadataRequest {
    MetadataRequest::default().with_topics(None)
}

fn create_topic(socket: &mut Socket) {
    use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
    let topic = MetadataRequestTopic::default().with_name(Some(crate::api::topic_name("t")));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(true);
    assert_eq!(socket.send(9, &request).unwrap().topics[0].error_code, 0);
}

fn server(config: Config) -> (Server, Socket) {
    let server = Server::start(config).unwrap();
    let mut socket = Socket::connect(&server);
    create_topic(&mut socket);
    (server, socket)
}

/// The directory as a kill would leave it: copied while the broker runs.
fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let to = copy.path().join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&to).unwrap();
            for file in fs::read_dir(entry.path()).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
    copy
}

#[test]
fn metadata_names_the_listener() {
    let (server, mut socket) = server(Config::new(Storage::Memory));
    let response = socket.send(12, &all_topics()).unwrap();
    let node = &response.brokers[0];
    assert_eq!(node.host.as_str(), "127.0.0.1");
    assert_eq!(node.port, i32::from(server.address().port()));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    for discard in [false, true] {
        let mut config = Config::new(Storage::Memory);
        config.discard = discard;
        let (_server, mut socket) = server(config);
        let mut expected = 0;
        for n in 0..50usize {
            let batch = Batch::of(&vec![&vec![7; n * 50][..]; n + 1]);
            socket.write(
                3 + (n % 10) as i16,
                &produce_request(&[("t", 0, batch.bytes())]),
            );
            socket.write(12, &all_topics());
        }
        for n in 0..50i64 {
            let version = 3 + (n % 10) as i16;
            let response = socket
                .read::<kafka_protocol::messages::ProduceRequest>(version)
                .unwrap();
            let answer = partition_answers(response).remove(0);
            assert_eq!(
                (answer.error_code, answer.base_offset),
                (0, expected),
                "{discard} {n}"
            );
            expected += n + 1;
            assert_eq!(socket.read::<MetadataRequest>(12).unwrap().topics.len(), 1);
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_after_a_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new(Storage::Directory(folder.path().to_owned()));
    let (running, mut socket) = server(config.clone());
    // Older records would make the producer forgotten.
    let now_ms = running.broker().now_ms();
    let batch = |sequence| Batch::counted(10).sequenced(5, 0, sequence).at(now_ms);
    for n in 0..20 {
        let batch = batch(n * 10);
        assert_eq!(
            socket.produce(&batch).unwrap(),
            (ErrorCode::NONE, i64::from(n) * 10)
        );
    }
    let killed = copy_of(folder.path());
    let cluster_id = running.broker().cluster_id().to_owned();
    let in_use = Server::start(config.clone()).unwrap_err();
    assert!(matches!(in_use, BrokerError::Locked { .. }), "{in_use}");
    running.shutdown();
    for folder in [killed.path(), folder.path()] {
        let config = Config::new(Storage::Directory(folder.to_owned()));
        let (server, mut socket) = server(config);
        assert_eq!(server.broker().cluster_id(), cluster_id);
        assert_eq!(server.broker().end_offset("t", 0), Some(200));
        let response = socket.send(12, &all_topics()).unwrap();
        assert_eq!(response.topics[0].partitions[0].leader_epoch, 1);
        assert_eq!(socket.produce(&batch(190)).unwrap(), (ErrorCode::NONE, 190));
        assert_eq!(socket.produce(&batch(200)).unwrap(), (ErrorCode::NONE, 200));
    }
}

#[test]
fn what_is_left_of_a_deletion_is_removed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new(Storage::Directory(folder.path().to_owned()));
    let (running, _) = server(config.clone());
    running.shutdown();
    let segment = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("00000000000000000000.log"), b"").unwrap();
        path
    };
    let orphans = [segment("t-1"), segment("u-0"), segment("u-0-delete")];
    let mine = segment("holiday-2025");
    fs::write(mine.join("photo.jpg"), b"").unwrap();
    let server = Server::start(config).unwrap();
    assert!(orphans.iter().all(|path| !path.exists()));
    assert!(mine.exists() && folder.path().join("t-0").exists());
    assert_eq!(server.broker().topics.all().len(), 1);
}

#[test]
fn a_shutdown_wakes_those_who_wait() {
    use kafka_protocol::messages::FetchRequest;
    use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};

    let (server, mut socket) = server(Config::new(Storage::Memory));
    let mut delayed = Socket::connect(&server);
    let mut silent = Socket::connect(&server);
    for when in [When::Before, When::After] {
        let action = Action::Delay(Duration::from_secs(600), when);
        server.faults().add(Fault::new(ApiKey::Metadata, action));
    }
    delayed.write(9, &all_topics());
    let action = Action::Silence(When::After);
    server
        .faults()
        .add(Fault::new(ApiKey::InitProducerId, action));
    silent.write(4, &crate::api::tests::init_producer_id());
    let topic = FetchTopic::default()
        .with_topic(crate::api::topic_name("t"))
        .with_partitions(vec![
            FetchPartition::default().with_partition_max_bytes(100),
        ]);
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_bytes(1000)
        .with_min_bytes(1)
        .with_max_wait_ms(600_000)
        .with_topics(vec![topic]);
    socket.write(12, &request);
    let begin = Instant::now();
    server.shutdown();
    assert!(begin.elapsed() < PATIENCE);
    for socket in [&mut socket, &mut delayed, &mut silent] {
        let mut rest = Vec::new();
        // Reset or closed, but nothing was said.
        drop(socket.stream.read_to_end(&mut rest));
        assert!(rest.is_empty());
    }
}

#[test]
fn a_waiting_fetch_is_woken_by_an_append() {
    use kafka_protocol::messages::FetchRequest;
    use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};

    let (server, mut producer) = server(Config::new(Storage::Memory));
    let mut consumer = Socket::connect(&server);
    for n in 0..20 {
        let partition = FetchPartition::default()
            .with_fetch_offset(n)
            .with_partition_max_bytes(100_000);
        let topic = FetchTopic::default()
            .with_topic(crate::api::topic_name("t"))
            .with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_replica_id((-1).into())
            .with_max_bytes(100_000)
            .with_min_bytes(1)
            .with_max_wait_ms(600_000)
            .with_topics(vec![topic]);
        consumer.write(12, &request);
        assert_eq!(
            producer.produce(&Batch::counted(1)).unwrap(),
            (ErrorCode::NONE, n)
        );
        let response = consumer.read::<FetchRequest>(12).unwrap();
        let partition = &response.responses[0].partitions[0];
        assert_eq!((partition.error_code, partition.high_watermark), (0, n + 1));
        assert!(
            partition
                .records
                .as_ref()
                .is_some_and(|records| !records.is_empty())
        );
    }
}

#[test]
fn connections_are_refused_held_open_and_cut() {
    let (server, mut socket) = server(Config::new(Storage::Memory));
    server.set_connects(Connects::Refuse);
    let refused = TcpStream::connect(server.address()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    // Who is there is served on.
    assert_eq!(socket.send(9, &all_topics()).unwrap().topics.len(), 1);

    server.set_connects(Connects::HalfOpen);
    let mut half_open = Socket::connect(&server);
    half_open
        .stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let error = half_open.send(9, &all_topics()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);

    server.set_connects(Connects::Accept);
    let mut served = Socket::connect(&server);
    assert_eq!(served.send(9, &all_topics()).unwrap().topics.len(), 1);
    server.cut_connections();
    assert!(served.send(9, &all_topics()).is_err());
    assert!(socket.send(9, &all_topics()).is_err());
}

#[test]
fn a_reply_is_cut_in_the_middle() {
    let (server, mut socket) = server(Config::new(Storage::Memory));
    let cut = Action::Cut {
        when: When::After,
        reply_bytes: 9,
    };
    server.faults().add(Fault::new(ApiKey::Produce, cut));
    socket.write(9, &produce_request(&[("t", 0, Batch::counted(2).bytes())]));
    let mut reply = Vec::new();
    socket.stream.read_to_end(&mut reply).unwrap();
    assert_eq!(reply.len(), 9);
    assert_eq!(server.broker().end_offset("t", 0), Some(2));
}

#[test]
fn frames_that_are_none_cost_the_connection_and_no_memory() {
    for discard in [false, true] {
        let mut config = Config::new(Storage::Memory);
        config.discard = discard;
        let (server, mut socket) = server(config);
        let too_long = (100 << 20) + 1;
        for size in [-1, i32::MIN, too_long, i32::MAX] {
            let mut hostile = Socket::connect(&server);
            hostile.stream.write_all(&i32::to_be_bytes(size)).unwrap();
            let mut rest = Vec::new();
            hostile.stream.read_to_end(&mut rest).unwrap();
            assert!(rest.is_empty());
        }
        // Within its frame, but its fields are not.
        let mut frame = Vec::new();
        let request = produce_request(&[("t", 0, Batch::counted(2).bytes())]);
        frame::encode_request(&request, 9, 1, "test", &mut frame).unwrap();
        for at in 12..frame.len() {
            let mut hostile = Socket::connect(&server);
            let mut spoilt = frame.clone();
            spoilt[at] = 0xff;
            hostile.stream.write_all(&spoilt).unwrap();
            hostile.stream.shutdown(Shutdown::Write).unwrap();
            let mut rest = Vec::new();
            drop(hostile.stream.read_to_end(&mut rest));
        }
        assert_eq!(socket.send(9, &all_topics()).unwrap().topics.len(), 1);
    }
}

#[test]
fn connections_beyond_the_bound_are_closed() {
    let mut config = Config::new(Storage::Memory);
    config.connections_max = 2;
    let (server, mut first) = server(config);
    let mut second = Socket::connect(&server);
    assert!(second.send(9, &all_topics()).is_ok());
    let mut third = Socket::connect(&server);
    let mut rest = Vec::new();
    drop(third.stream.read_to_end(&mut rest));
    assert!(rest.is_empty());
    assert!(first.send(9, &all_topics()).is_ok());
}
