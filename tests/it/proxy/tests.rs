//! The proxy against our own broker: harm that does not happen would make every test behind it pass.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use broker::{Config, Server, Storage};
use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, DescribeClusterRequest, FetchRequest, FetchResponse,
    FindCoordinatorRequest, MetadataRequest, ProduceRequest,
};
use kafka_protocol::protocol::{Request, StrBytes};
use protocol::frame::{
    SIZE_BYTES, decode_response, encode_request, encode_response, read_response,
};

use super::Proxy;
use super::alter::{self, Asked, covered};
use super::fate::{Ending, Fate, Kind, Menu, Pace, Place, Trouble};
use crate::kafka::lines::Random;

fn server() -> Server {
    Server::start(Config::new(Storage::Memory)).expect("a port of loopback is free")
}

fn always(trouble: Trouble, ending: Ending) -> Menu {
    Menu::always(Fate {
        trouble,
        life: None,
        ending,
        latency: Duration::ZERO,
    })
}

fn through(server: &Server, menu: Menu) -> (Proxy, TcpStream) {
    let proxy = Proxy::start(&server.address().to_string(), menu, 1);
    let client = TcpStream::connect(proxy.bootstrap()).expect("it listens");
    let limit = Some(Duration::from_secs(30));
    client
        .set_read_timeout(limit)
        .expect("the limit is not zero");
    (proxy, client)
}

fn send<R: Request>(mut to: &TcpStream, request: &R, version: i16, id: i32) {
    let mut frame = Vec::new();
    encode_request(request, version, id, "test", &mut frame).expect("it can be said");
    to.write_all(&frame).expect("the proxy takes it");
}

/// A whole frame, with its length.
fn receive(mut from: &TcpStream) -> Vec<u8> {
    let mut frame = vec![0; SIZE_BYTES];
    from.read_exact(&mut frame).expect("an answer comes");
    let length = u32::from_be_bytes(frame[..].try_into().unwrap());
    frame.resize(SIZE_BYTES + length as usize, 0);
    from.read_exact(&mut frame[SIZE_BYTES..])
        .expect("the rest comes");
    frame
}

fn ask<R: Request>(to: &TcpStream, request: &R, version: i16) -> R::Response {
    send(to, request, version, 7);
    let frame = receive(to);
    let api = ApiKey::try_from(R::KEY).unwrap();
    let (id, body) = read_response(api, version, &frame[SIZE_BYTES..]).unwrap();
    assert_eq!(id, 7);
    decode_response::<R>(version, body).unwrap()
}

/// All that comes until the end; `None` at a reset.
fn rest(mut from: &TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match from.read_to_end(&mut bytes) {
        Ok(_) => Some(bytes),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
        Err(error) => panic!("no end came: {error}"),
    }
}

const VERSIONS: i16 = 2;

fn versions() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
}

#[test]
fn clients_are_told_its_own_port() {
    let server = server();
    let (proxy, client) = through(&server, Menu::CALM);
    let metadata = ask(&client, &MetadataRequest::default().with_topics(None), 12);
    let cluster = ask(&client, &DescribeClusterRequest::default(), 1);
    let key = StrBytes::from_static_str("group");
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![key]);
    let coordinators = ask(&client, &request, 4).coordinators;
    let mut named: Vec<String> = Vec::new();
    let brokers = metadata.brokers.iter();
    named.extend(brokers.map(|node| format!("{}:{}", node.host.as_str(), node.port)));
    let brokers = cluster.brokers.iter();
    named.extend(brokers.map(|node| format!("{}:{}", node.host.as_str(), node.port)));
    let found = coordinators.iter().filter(|found| found.error_code == 0);
    named.extend(found.map(|node| format!("{}:{}", node.host.as_str(), node.port)));
    assert!(named.len() >= 2);
    assert!(
        named.iter().all(|named| *named == proxy.bootstrap()),
        "{named:?}"
    );
}

#[test]
fn what_has_no_address_passes_as_it_is() {
    let server = server();
    let (_proxy, client) = through(&server, Menu::CALM);
    let direct = TcpStream::connect(server.address()).unwrap();
    for stream in [&client, &direct] {
        send(stream, &versions(), VERSIONS, 5);
    }
    assert_eq!(receive(&client), receive(&direct));
}

#[test]
fn an_answer_is_cut_at_its_byte() {
    let server = server();
    for (at, ending) in [(3, Ending::Closed), (9, Ending::Closed), (9, Ending::Reset)] {
        let place = Place::Head(at);
        let trouble = Trouble::CutAnswer {
            frame: 1,
            at: place,
        };
        let (proxy, client) = through(&server, always(trouble, ending));
        ask(&client, &versions(), VERSIONS);
        send(&client, &versions(), VERSIONS, 8);
        match rest(&client) {
            Some(bytes) => assert_eq!((bytes.len(), ending), (at, Ending::Closed)),
            None => assert_eq!(ending, Ending::Reset),
        }
        assert_eq!(proxy.tally().of(Kind::CutAnswer), 1);
        assert_eq!(proxy.tally().of_ending(ending), 1);
    }
}

#[test]
fn a_request_is_cut_before_the_broker_has_it() {
    let server = server();
    let trouble = Trouble::CutRequest {
        frame: 1,
        at: Place::Last,
    };
    let (proxy, client) = through(&server, always(trouble, Ending::Closed));
    ask(&client, &versions(), VERSIONS);
    send(&client, &versions(), VERSIONS, 8);
    assert_eq!(rest(&client), Some(Vec::new()));
    assert_eq!(proxy.tally().of(Kind::CutRequest), 1);
}

#[test]
fn one_that_vanished_says_nothing_and_does_not_end() {
    let server = server();
    let trouble = Trouble::DroppedAnswer {
        number: 0,
        of_data: false,
    };
    let (proxy, client) = through(&server, always(trouble, Ending::Vanished));
    send(&client, &versions(), VERSIONS, 1);
    let limit = Some(Duration::from_millis(300));
    client.set_read_timeout(limit).unwrap();
    let error = (&client).read(&mut [0]).expect_err("nothing is to come");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!(proxy.tally().of_ending(Ending::Vanished), 1);
    drop(proxy); // and it does not wait for the client
    let limit = Some(Duration::from_secs(30));
    client.set_read_timeout(limit).unwrap();
    assert_eq!(rest(&client), Some(Vec::new()));
}

#[test]
fn a_slow_one_brings_all_in_the_end() {
    let server = server();
    let pace = Pace {
        piece: 1,
        pause: Duration::from_micros(10),
        slow_bytes: 200,
    };
    let plain = {
        let (_proxy, client) = through(&server, Menu::CALM);
        ask(&client, &versions(), VERSIONS)
    };
    for trouble in [Trouble::SlowRequests(pace), Trouble::SlowAnswers(pace)] {
        let (_proxy, client) = through(&server, always(trouble, Ending::Closed));
        assert_eq!(ask(&client, &versions(), VERSIONS), plain);
    }
}

#[test]
fn one_bit_of_the_length_or_of_the_id_is_another() {
    let server = server();
    let plain = {
        let (_proxy, client) = through(&server, Menu::CALM);
        send(&client, &versions(), VERSIONS, 5);
        receive(&client)
    };
    for (trouble, place) in [
        (Trouble::CorruptLength { frame: 0 }, 0..4),
        (Trouble::CorruptCorrelation { frame: 0 }, 4..8),
    ] {
        let (_proxy, client) = through(&server, always(trouble, Ending::Closed));
        send(&client, &versions(), VERSIONS, 5);
        let mut frame = vec![0; plain.len()];
        (&client).read_exact(&mut frame).unwrap();
        let other: Vec<usize> = (0..plain.len())
            .filter(|&at| frame[at] != plain[at])
            .collect();
        let [at] = other[..] else {
            panic!("bytes {other:?} are others");
        };
        assert!(place.contains(&at), "byte {at}");
        assert_eq!((frame[at] ^ plain[at]).count_ones(), 1);
    }
}

#[test]
fn a_life_ends_although_nothing_passes() {
    let server = server();
    let menu = Menu::always(Fate {
        trouble: Trouble::None,
        life: Some(Duration::from_millis(20)),
        ending: Ending::Closed,
        latency: Duration::ZERO,
    });
    let (proxy, client) = through(&server, menu);
    assert_eq!(rest(&client), Some(Vec::new()));
    assert_eq!(proxy.tally().of(Kind::ShortLife), 1);
}

#[test]
fn only_what_the_crc_covers_is_covered() {
    // Two whole batches and the begin of a third.
    let batch = |bytes: usize| {
        let mut batch = vec![0; bytes];
        let length = i32::try_from(bytes - 12).unwrap();
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch
    };
    let records = [batch(70), batch(61), batch(100)[..80].to_vec()].concat();
    assert_eq!(covered(&records, 1_000), [1_017..1_070, 1_087..1_131]);
    assert!(covered(&records[..60], 0).is_empty());
}

#[test]
fn the_same_seed_draws_the_same_fates() {
    let draw = |seed| {
        let mut random = Random(seed);
        let fates = (0..50).map(|_| Fate::draw(&mut random, &Menu::of(Kind::OF_LOADS)));
        format!("{:?}", fates.collect::<Vec<_>>())
    };
    assert_eq!(draw(3), draw(3));
    assert_ne!(draw(3), draw(4));
}

/// Bits are flipped where the CRC covers them, one at a time, in either direction.
#[test]
fn one_bit_of_a_batch_is_another() {
    let batch = [7; 90];
    let mut batch = batch.to_vec();
    batch[8..12].copy_from_slice(&78_i32.to_be_bytes());
    let data = PartitionProduceData::default().with_records(Some(Bytes::from(batch.clone())));
    let topic = TopicProduceData::default().with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_topic_data(vec![topic]);
    let mut sent = Vec::new();
    encode_request(&request, 9, 1, "test", &mut sent).unwrap();

    let data = PartitionData::default().with_records(Some(Bytes::from(batch)));
    let topic = FetchableTopicResponse::default().with_partitions(vec![data]);
    let response = FetchResponse::default().with_responses(vec![topic]);
    let mut given = Vec::new();
    encode_response::<FetchRequest>(&response, 12, 1, &mut given).unwrap();
    let asked = Asked {
        api: ApiKey::Fetch,
        version: 12,
        correlation_id: 1,
    };

    let mut random = Random(7);
    for _ in 0..200 {
        let mut altered = sent.clone();
        assert!(alter::corrupt_batch(&mut altered, &mut random));
        assert_one_covered_bit(&sent, &altered);
        let mut altered = given.clone();
        assert!(alter::corrupt_fetched(&asked, &mut altered, &mut random));
        assert_one_covered_bit(&given, &altered);
    }
}

#[track_caller]
fn assert_one_covered_bit(frame: &[u8], altered: &[u8]) {
    // The batch is the only place where six sevens follow each other.
    let batch = frame.windows(6).position(|bytes| bytes == [7; 6]).unwrap();
    let other: Vec<usize> = (0..frame.len())
        .filter(|&at| frame[at] != altered[at])
        .collect();
    let [at] = other[..] else {
        panic!("bytes {other:?} are others");
    };
    assert!(
        (batch + 17..batch + 90).contains(&at),
        "byte {at} of a batch at {batch}"
    );
    assert_eq!((frame[at] ^ altered[at]).count_ones(), 1);
}
