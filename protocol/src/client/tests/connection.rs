use std::time::Instant;

use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, FetchRequest, InitProducerIdRequest,
    InitProducerIdResponse, MetadataRequest,
};
use kafka_protocol::protocol::Request;

use super::{ms, start, str_bytes};
use crate::api::VersionError;
use crate::client::connection::*;
use crate::error_code::ErrorCode;
use crate::frame::testing::Random;
use crate::frame::{FrameError, SIZE_BYTES, decode_request, encode_response, read_request};

fn settings() -> ConnectionSettings {
    ConnectionSettings {
        client_id: "test".to_owned(),
        connect_timeout: ms(10_000),
        request_timeout: ms(30_000),
        frame_bytes_max: 1_000_000,
    }
}

/// What a broker of today says that it speaks.
fn offered() -> ApiVersionsResponse {
    let ranges = [(0, 0, 13), (1, 4, 18), (3, 0, 13), (18, 0, 4), (22, 0, 6)];
    let keys = ranges.map(|(key, min, max)| {
        ApiVersion::default()
            .with_api_key(key)
            .with_min_version(min)
            .with_max_version(max)
    });
    ApiVersionsResponse::default().with_api_keys(keys.to_vec())
}

/// What the connection asks first: version and correlation id.
fn asked(connection: &mut Connection, now: Instant) -> (i16, i32) {
    let mut out = Vec::new();
    assert!(connection.poll_transmit(now, &mut out));
    assert!(!connection.poll_transmit(now, &mut out), "asked once");
    let frame = read_request(&out[SIZE_BYTES..]).expect("a request");
    assert_eq!((frame.api_key, frame.client_id), (18, Some("test")));
    let request: ApiVersionsRequest = decode_request(frame.version, frame.body).expect("reads");
    if frame.version >= 3 {
        assert_eq!(request.client_software_name, str_bytes("ringmain"));
    }
    (frame.version, frame.correlation_id)
}

fn response_bytes<R: Request>(response: &R::Response, version: i16, id: i32) -> Vec<u8> {
    let mut out = Vec::new();
    encode_response::<R>(response, version, id, &mut out).expect("encodes");
    out
}

fn ready(now: Instant) -> Connection {
    let mut connection = Connection::new(settings(), now);
    connection.handle_connected();
    let (version, id) = asked(&mut connection, now);
    let bytes = response_bytes::<ApiVersionsRequest>(&offered(), version, id);
    assert_eq!(connection.handle_bytes(&mut &bytes[..]), Ok(None));
    assert!(connection.is_ready());
    connection
}

fn unanswered(connection: &mut Connection) -> Vec<u64> {
    std::iter::from_fn(|| connection.poll_unanswered()).collect()
}

#[test]
fn nothing_is_sent_before_the_broker_said_what_it_speaks() {
    let now = start();
    let mut connection = Connection::new(settings(), now);
    let mut out = Vec::new();
    assert!(!connection.poll_transmit(now, &mut out));
    let request = MetadataRequest::default();
    for _ in 0..2 {
        let refused = connection.encode(&request, 1, now, &mut out);
        assert_eq!(refused, Err(RequestError::NotReady));
        let refused = connection.reserve(ApiKey::Produce, 1, now);
        assert_eq!(refused, Err(RequestError::NotReady));
        connection.handle_connected();
    }
    assert!(out.is_empty() && connection.in_flight() == 0);
    let connection = ready(now);
    assert_eq!(connection.version(ApiKey::Produce), Ok(13));
    assert_eq!(connection.version(ApiKey::InitProducerId), Ok(5));
    let api = ApiKey::DescribeProducers;
    let error = RequestError::Version(VersionError::NotOffered { api });
    assert_eq!(connection.version(api), Err(error));
}

#[test]
fn an_old_broker_is_asked_again_in_what_it_knows() {
    let unsupported =
        |keys: ApiVersionsResponse| keys.with_error_code(ErrorCode::UNSUPPORTED_VERSION.0);
    let knows_2 = vec![ApiVersion::default().with_api_key(18).with_max_version(2)];
    for (known, expected) in [(vec![], 0), (knows_2, 2)] {
        let now = start();
        let mut connection = Connection::new(settings(), now);
        connection.handle_connected();
        let (version, id) = asked(&mut connection, now);
        assert_eq!(version, 3);
        let refusal = unsupported(ApiVersionsResponse::default().with_api_keys(known));
        let bytes = response_bytes::<ApiVersionsRequest>(&refusal, 0, id);
        assert_eq!(connection.handle_bytes(&mut &bytes[..]), Ok(None));
        assert!(!connection.is_ready());
        let (version, id) = asked(&mut connection, now);
        assert_eq!(version, expected);
        let bytes = response_bytes::<ApiVersionsRequest>(&offered(), version, id);
        assert_eq!(connection.handle_bytes(&mut &bytes[..]), Ok(None));
        assert!(connection.is_ready());
    }
}

#[test]
fn asking_for_versions_ends() {
    let now = start();
    let mut connection = Connection::new(settings(), now);
    connection.handle_connected();
    for round in 0.. {
        assert!(round < 4, "asked forever");
        let (version, id) = asked(&mut connection, now);
        let refusal = offered().with_error_code(ErrorCode::UNSUPPORTED_VERSION.0);
        let bytes = response_bytes::<ApiVersionsRequest>(&refusal, 0, id);
        match connection.handle_bytes(&mut &bytes[..]) {
            Ok(None) => assert!(version > 0),
            Ok(Some(reply)) => panic!("{reply:?} was not asked by anyone"),
            Err(error) => {
                let refused = ConnectionError::Negotiation(ErrorCode::UNSUPPORTED_VERSION);
                assert_eq!((version, error), (0, refused));
                break;
            }
        }
    }
}

#[test]
fn a_broker_that_is_too_old_is_refused_with_a_sentence() {
    let now = start();
    let mut connection = Connection::new(settings(), now);
    connection.handle_connected();
    let (version, id) = asked(&mut connection, now);
    let mut offered = offered();
    offered.api_keys[2].max_version = 9;
    let bytes = response_bytes::<ApiVersionsRequest>(&offered, version, id);
    let error = connection
        .handle_bytes(&mut &bytes[..])
        .expect_err("too old");
    assert!(
        error.to_string().contains("older than Apache Kafka 2.8"),
        "{error}"
    );
    assert_eq!(connection.closed(), Some(&error));
    assert_eq!(
        unanswered(&mut connection),
        [],
        "our own question is nobody's request"
    );
}

/// Three requests, of which the second is written by hand.
fn three_requests(connection: &mut Connection, now: Instant) -> Vec<i32> {
    let mut out = Vec::new();
    let request = InitProducerIdRequest::default().with_transactional_id(None);
    connection
        .encode(&request, 101, now, &mut out)
        .expect("encodes");
    let by_hand = connection
        .reserve(ApiKey::Produce, 102, now)
        .expect("ready");
    let second = out.len();
    connection
        .encode(&request, 103, now, &mut out)
        .expect("encodes");
    assert_eq!(connection.in_flight(), 3);
    let id = |bytes: &[u8]| {
        read_request(&bytes[SIZE_BYTES..])
            .expect("a request")
            .correlation_id
    };
    vec![id(&out), by_hand, id(&out[second..])]
}

fn answers(ids: &[i32]) -> Vec<u8> {
    let response = InitProducerIdResponse::default();
    let mut bytes = response_bytes::<InitProducerIdRequest>(&response, 5, ids[0]);
    // Produce, in response header 1: id, no tagged fields, a body of two bytes.
    bytes.extend([0, 0, 0, 7]);
    bytes.extend(ids[1].to_be_bytes());
    bytes.extend([0, 8, 9]);
    bytes.extend(response_bytes::<InitProducerIdRequest>(
        &response, 5, ids[2],
    ));
    bytes
}

#[test]
fn answers_find_their_requests_however_they_are_cut() {
    let mut random = Random::seeded();
    let now = start();
    for _ in 0..200 {
        let mut connection = ready(now);
        let ids = three_requests(&mut connection, now);
        let bytes = answers(&ids);
        let mut tokens = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (mut piece, left) = rest.split_at(1 + random.below(rest.len()));
            rest = left;
            while let Some(reply) = connection.handle_bytes(&mut piece).expect("well-formed") {
                tokens.push(reply.token);
                if reply.token == 102 {
                    assert_eq!((reply.api, reply.version), (ApiKey::Produce, 13));
                    assert_eq!(reply.body, [8, 9]);
                }
            }
        }
        assert_eq!(tokens, [101, 102, 103]);
        assert_eq!(
            (connection.in_flight(), connection.poll_timeout()),
            (0, None)
        );
    }
}

/// Whether `bytes`, in answer to three requests, close the connection with `expected`, and which of
/// the requests are then unanswered.
fn check_closed(bytes: &[u8], expected: &ConnectionError, left: &[u64]) {
    let now = start();
    let mut connection = ready(now);
    three_requests(&mut connection, now);
    let mut input = bytes;
    let error = loop {
        match connection.handle_bytes(&mut input) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("{expected} was not noticed"),
            Err(error) => break error,
        }
    };
    assert_eq!(&error, expected);
    assert_eq!(
        connection.handle_bytes(&mut &[0; 9][..]),
        Err(error),
        "closed for good"
    );
    assert_eq!(unanswered(&mut connection), left);
    assert_eq!(connection.poll_timeout(), None);
    assert_eq!(
        connection.reserve(ApiKey::Produce, 1, now),
        Err(RequestError::NotReady)
    );
}

#[test]
fn nonsense_closes_the_connection_and_leaves_all_requests_ambiguous() {
    let now = start();
    let mut ids = three_requests(&mut ready(now), now);
    let mut mismatch = ids.clone();
    mismatch[1] = 99;
    let expected = ConnectionError::Correlation {
        expected: ids[1],
        got: 99,
    };
    check_closed(&answers(&mismatch), &expected, &[102, 103]);

    let mut too_much = answers(&ids);
    too_much.extend([0, 0, 0, 4, 1, 2, 3, 4]);
    check_closed(&too_much, &ConnectionError::Unasked { bytes: 4 }, &[]);

    let oversize = FrameError::TooLarge {
        bytes: 1_000_001,
        bytes_max: 1_000_000,
    };
    check_closed(
        &1_000_001u32.to_be_bytes(),
        &oversize.into(),
        &[101, 102, 103],
    );

    ids.reverse();
    let expected = ConnectionError::Correlation {
        expected: ids[2],
        got: ids[0],
    };
    check_closed(&answers(&ids), &expected, &[101, 102, 103]);
}

#[test]
fn a_lost_connection_lists_its_requests_once() {
    let now = start();
    let mut connection = ready(now);
    three_requests(&mut connection, now);
    assert_eq!(connection.poll_unanswered(), None, "not closed yet");
    connection.handle_lost();
    assert_eq!(connection.closed(), Some(&ConnectionError::Lost));
    assert_eq!(unanswered(&mut connection), [101, 102, 103]);
    assert_eq!(unanswered(&mut connection), []);
}

#[test]
fn what_does_not_come_in_time_closes_the_connection() {
    let t0 = start();
    let mut connection = Connection::new(settings(), t0);
    assert_eq!(connection.poll_timeout(), Some(t0 + ms(10_000)));
    assert_eq!(connection.handle_timeout(t0 + ms(9_999)), Ok(()));
    let error = connection
        .handle_timeout(t0 + ms(10_000))
        .expect_err("late");
    assert_eq!(error.to_string(), "no connection within 10000 ms");

    let mut connection = Connection::new(settings(), t0);
    connection.handle_connected();
    asked(&mut connection, t0);
    let error = connection
        .handle_timeout(t0 + ms(30_000))
        .expect_err("late");
    assert_eq!(
        error.to_string(),
        "no answer to ApiVersions within 30000 ms"
    );

    let mut connection = ready(t0);
    connection
        .reserve(ApiKey::Fetch, 1, t0 + ms(5))
        .expect("ready");
    connection
        .reserve(ApiKey::Produce, 2, t0 + ms(7))
        .expect("ready");
    assert_eq!(connection.poll_timeout(), Some(t0 + ms(30_005)));
    assert_eq!(connection.handle_timeout(t0 + ms(30_004)), Ok(()));
    let error = connection
        .handle_timeout(t0 + ms(30_006))
        .expect_err("late");
    assert_eq!(error.to_string(), "no answer to Fetch within 30000 ms");
    assert_eq!(unanswered(&mut connection), [1, 2]);
}

#[test]
fn a_request_that_nobody_answers_is_not_in_flight() {
    let now = start();
    let mut connection = ready(now);
    let first = connection
        .reserve_unanswered(ApiKey::Produce)
        .expect("ready");
    let second = connection.reserve(ApiKey::Produce, 5, now).expect("ready");
    assert_eq!(second, first + 1);
    assert_eq!(connection.in_flight(), 1);
    let mut bytes = vec![0, 0, 0, 5];
    bytes.extend(second.to_be_bytes());
    bytes.push(0);
    let mut input = &bytes[..];
    let reply = connection
        .handle_bytes(&mut input)
        .expect("well-formed")
        .expect("whole");
    assert_eq!(reply.token, 5);
}

#[test]
fn a_request_that_cannot_be_said_leaves_no_trace() {
    let now = start();
    let mut connection = ready(now);
    let request = FetchRequest::default().with_replica_id(BrokerId(5));
    let mut out = vec![1];
    let error = connection
        .encode(&request, 1, now, &mut out)
        .expect_err("not in version 18");
    assert!(matches!(error, RequestError::Encode(_)), "{error}");
    assert_eq!((out, connection.in_flight()), (vec![1], 0));
}

#[test]
fn bytes_of_any_kind_never_panic() {
    let mut random = Random::seeded();
    let now = start();
    for round in 0..20_000 {
        let mut connection = if round % 2 == 0 {
            ready(now)
        } else {
            let mut connection = Connection::new(settings(), now);
            connection.handle_connected();
            asked(&mut connection, now);
            connection
        };
        let mut bytes = if round % 2 == 0 {
            let ids = three_requests(&mut connection, now);
            answers(&ids)
        } else {
            response_bytes::<ApiVersionsRequest>(&offered(), 3, 0)
        };
        random.mutate(&mut bytes);
        let mut input = &bytes[..];
        for step in 0.. {
            assert!(step < 100, "no progress");
            match connection.handle_bytes(&mut input) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    assert!(connection.closed().is_some());
                    break;
                }
            }
        }
    }
}
