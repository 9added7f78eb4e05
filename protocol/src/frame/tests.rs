use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, DescribeProducersRequest, FetchRequest,
    FindCoordinatorRequest, HeartbeatRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest,
    ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, OffsetForLeaderEpochRequest, ProduceRequest, ResponseHeader,
    SyncGroupRequest,
};
use kafka_protocol::protocol::decode_request_header_from_buffer;

use super::shape::{Field, MessageShape, Shape};
use super::testing::Random;
use super::*;

/// Writes any message of a shape.
struct Maker<'a> {
    version: i16,
    flexible: bool,
    random: &'a mut Random,
    out: Vec<u8>,
}

impl Maker<'_> {
    fn make(shape: &MessageShape, version: i16, random: &mut Random) -> Vec<u8> {
        let flexible = version >= shape.flexible_since;
        let mut maker = Maker {
            version,
            flexible,
            random,
            out: Vec::new(),
        };
        maker.fields(shape.fields);
        maker.out
    }

    fn fields(&mut self, fields: &[Field]) {
        for field in fields {
            if let Some(shape) = field.shape(self.version) {
                self.value(shape, false);
            }
        }
        if !self.flexible {
            return;
        }
        let mut tags = Vec::new();
        for field in fields {
            match field {
                Field::Tagged(tag, since, shape)
                    if self.version >= *since && self.random.chance(2) =>
                {
                    tags.push((*tag, Some(shape)));
                }
                _ => {}
            }
        }
        if self.random.chance(8) {
            tags.push((7, None));
        }
        self.varint(tags.len() as u32);
        for (tag, shape) in tags {
            let before = std::mem::take(&mut self.out);
            match shape {
                Some(shape) => self.value(shape, true),
                None => self.out = self.random.bytes(3),
            }
            let field = std::mem::replace(&mut self.out, before);
            self.varint(tag);
            self.varint(field.len() as u32);
            self.out.extend(field);
        }
    }

    /// `unlike_default`: the encoder leaves out a tagged field that has its default.
    fn value(&mut self, shape: &Shape, unlike_default: bool) {
        match shape {
            // Booleans are among them: other numbers would come back as 1.
            Shape::Fixed(1) => {
                let byte = if unlike_default {
                    1
                } else {
                    self.random.below(2)
                };
                self.out.push(byte as u8);
            }
            Shape::Fixed(bytes) => self.out.extend(self.random.bytes(*bytes)),
            Shape::TextOrNull if !unlike_default && self.random.chance(3) => self.null(2),
            Shape::Text | Shape::TextOrNull => {
                let text = self.random.text(9);
                self.length(2, text.len());
                self.out.extend(text.bytes());
            }
            Shape::BytesOrNull | Shape::ArrayOrNull(_) if self.random.chance(3) => self.null(4),
            Shape::Bytes | Shape::BytesOrNull => {
                let count = self.random.below(20);
                self.length(4, count);
                self.out.extend(self.random.bytes(count));
            }
            Shape::Array(element) | Shape::ArrayOrNull(element) => {
                let count = self.random.below(3) + usize::from(unlike_default);
                self.length(4, count);
                (0..count).for_each(|_| self.value(element, false));
            }
            Shape::Struct(fields) => self.fields(fields),
        }
    }

    fn null(&mut self, bytes: usize) {
        let null: &[u8] = if self.flexible {
            &[0]
        } else {
            &[0xff; 4][..bytes]
        };
        self.out.extend(null);
    }

    fn length(&mut self, bytes: usize, length: usize) {
        match (self.flexible, bytes) {
            (true, _) => self.varint(length as u32 + 1),
            (false, 2) => self.out.extend((length as i16).to_be_bytes()),
            (false, _) => self.out.extend((length as i32).to_be_bytes()),
        }
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}

/// What a test does with a message type: its API, versions and shape, and how it is decoded and
/// encoded again.
struct Case {
    name: &'static str,
    versions: std::ops::RangeInclusive<i16>,
    shape: &'static MessageShape,
    recode: fn(i16, &[u8]) -> WireResult<Vec<u8>>,
}

fn request_case<R: Request + fmt::Debug>() -> Case {
    Case {
        name: std::any::type_name::<R>(),
        versions: R::VERSIONS.min..=R::VERSIONS.max,
        shape: shapes::request(R::KEY).expect("a shape"),
        recode: |version, body| {
            let message: R = decode_request(version, body)?;
            let mut out = Vec::new();
            message
                .encode(&mut out, version)
                .expect("what was decoded can be encoded");
            Ok(out)
        },
    }
}

fn response_case<R: Request>() -> Case {
    let versions = R::Response::VERSIONS;
    Case {
        name: std::any::type_name::<R::Response>(),
        versions: versions.min..=versions.max,
        shape: shapes::response(R::KEY).expect("a shape"),
        recode: |version, body| {
            let message = decode_response::<R>(version, body)?;
            let mut out = Vec::new();
            message
                .encode(&mut out, version)
                .expect("what was decoded can be encoded");
            Ok(out)
        },
    }
}

macro_rules! cases {
    ($($request:ty),* $(,)?) => {
        vec![$(request_case::<$request>(), response_case::<$request>()),*]
    };
}

fn cases() -> Vec<Case> {
    cases![
        ProduceRequest,
        FetchRequest,
        ListOffsetsRequest,
        MetadataRequest,
        FindCoordinatorRequest,
        ApiVersionsRequest,
        CreateTopicsRequest,
        DeleteTopicsRequest,
        InitProducerIdRequest,
        DescribeConfigsRequest,
        DescribeClusterRequest,
        CreatePartitionsRequest,
        DeleteRecordsRequest,
        DescribeProducersRequest,
        IncrementalAlterConfigsRequest,
        OffsetForLeaderEpochRequest,
        CreatePartitionsRequest,
        DeleteRecordsRequest,
        OffsetForLeaderEpochRequest,
        IncrementalAlterConfigsRequest,
        JoinGroupRequest,
        SyncGroupRequest,
        HeartbeatRequest,
        LeaveGroupRequest,
        OffsetCommitRequest,
        OffsetFetchRequest,
        OffsetDeleteRequest,
        ListGroupsRequest,
        DescribeGroupsRequest,
        DeleteGroupsRequest,
    ]
}

#[test]
fn every_shape_is_what_the_generated_code_reads_and_writes() {
    let mut random = Random::seeded();
    for case in cases() {
        for version in case.versions.clone() {
            for _ in 0..100 {
                let bytes = Maker::make(case.shape, version, &mut random);
                let again = (case.recode)(version, &bytes);
                assert_eq!(
                    again.as_ref(),
                    Ok(&bytes),
                    "{} version {version}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn broken_messages_are_errors() {
    let mut random = Random::seeded();
    let (mut accepted, mut refused) = (0, 0);
    for case in cases() {
        for version in case.versions.clone() {
            for _ in 0..2_000 {
                let mut bytes = Maker::make(case.shape, version, &mut random);
                random.mutate(&mut bytes);
                match (case.recode)(version, &bytes) {
                    Ok(_) => accepted += 1,
                    Err(_) => refused += 1,
                }
            }
        }
    }
    println!("{accepted} still messages, {refused} refused");
    assert!(
        accepted > 10_000 && refused > 10_000,
        "mutations that neither break nor keep"
    );
}

#[test]
fn a_count_that_would_end_the_process_is_refused() {
    // Null error, then 2³² − 2 API keys: the generated decoder would reserve 128 GiB for them.
    let body: &[u8] = &[0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0, 0];
    let error = WireError::Count {
        position: 2,
        count: u32::MAX as usize - 1,
        left: 5,
    };
    assert_eq!(decode_response::<ApiVersionsRequest>(3, body), Err(error));
    let body: &[u8] = &[0, 0, 0x7f, 0xff, 0xff, 0xff];
    let error = WireError::Count {
        position: 2,
        count: i32::MAX as usize,
        left: 0,
    };
    assert_eq!(decode_response::<ApiVersionsRequest>(0, body), Err(error));
}

#[test]
fn messages_end_where_their_bytes_end() {
    let mut bytes = Vec::new();
    ApiVersionsResponse::default()
        .encode(&mut bytes, 3)
        .expect("encodes");
    assert!(decode_response::<ApiVersionsRequest>(3, &bytes[..]).is_ok());
    bytes.push(0);
    let error = WireError::Trailing {
        position: bytes.len() - 1,
        left: 1,
    };
    assert_eq!(
        decode_response::<ApiVersionsRequest>(3, &bytes[..]),
        Err(error)
    );
    let error = WireError::Version {
        api: 18,
        version: 5,
    };
    assert_eq!(
        decode_response::<ApiVersionsRequest>(5, &bytes[..]),
        Err(error)
    );
}

#[test]
fn requests_are_framed_as_others_read_them() {
    let request = MetadataRequest::default().with_topics(None);
    for (version, flexible) in [(8, false), (12, true)] {
        let mut out = BytesMut::from(&b"before"[..]);
        let bytes = encode_request(&request, version, 77, "me", &mut out).expect("encodes");
        assert_eq!(out.len(), 6 + bytes);
        let frame = out.split_off(6);
        let (size, frame) = frame.split_first_chunk().expect("a size");
        assert_eq!(u32::from_be_bytes(*size) as usize, frame.len());

        let mut theirs = Bytes::copy_from_slice(frame);
        let header = decode_request_header_from_buffer(&mut theirs).expect("a header");
        assert_eq!((header.request_api_key, header.correlation_id), (3, 77));
        let ours = read_request(frame).expect("a header");
        assert_eq!(ours.body, &theirs[..], "flexible: {flexible}");
        assert_eq!(
            (ours.api_key, ours.version, ours.correlation_id),
            (3, version, 77)
        );
        assert_eq!(ours.client_id, Some("me"));
        assert_eq!(
            decode_request::<MetadataRequest>(version, ours.body),
            Ok(request.clone())
        );
    }
}

#[test]
fn responses_are_framed_as_others_read_them() {
    let response = ApiVersionsResponse::default().with_throttle_time_ms(5);
    let mut out = Vec::new();
    encode_response::<ApiVersionsRequest>(&response, 3, 9, &mut out).expect("encodes");
    let (id, body) = read_response(ApiKey::ApiVersions, 3, &out[SIZE_BYTES..]).expect("a header");
    assert_eq!(id, 9, "ApiVersions is answered with header 0, always");
    assert_eq!(decode_response::<ApiVersionsRequest>(3, body), Ok(response));

    let mut frame = Vec::new();
    let header = ResponseHeader::default().with_correlation_id(-4);
    header.encode(&mut frame, 1).expect("encodes");
    frame.extend([1, 2, 3]);
    let read = read_response(ApiKey::Metadata, 9, &frame);
    assert_eq!(read, Ok((-4, &[1, 2, 3][..])));
}

#[test]
fn what_a_version_cannot_say_is_an_error_and_leaves_nothing_behind() {
    let request = MetadataRequest::default().with_include_topic_authorized_operations(true);
    let mut out = vec![1, 2, 3];
    let error = encode_request(&request, 4, 1, "me", &mut out).expect_err("no such field in 4");
    assert_eq!((error.api, error.version), (ApiKey::Metadata, 4));
    assert_eq!(out, [1, 2, 3]);
}

/// Feeds `stream` cut at random, and gives the frames that came out.
fn split(stream: &[u8], splitter: &mut Splitter, random: &mut Random) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let (mut piece, left) = rest.split_at(1 + random.below(rest.len().min(40)));
        rest = left;
        while let Some(frame) = splitter.next(&mut piece).expect("well-formed") {
            frames.push(frame.to_vec());
        }
        assert!(piece.is_empty(), "all of a piece is taken");
    }
    frames
}

#[test]
fn frames_come_out_whole_however_the_stream_is_cut() {
    let mut random = Random::seeded();
    for _ in 0..2_000 {
        let frames: Vec<_> = (0..random.below(6))
            .map(|_| {
                let count = random.below(30);
                random.bytes(count)
            })
            .collect();
        let mut stream = Vec::new();
        for frame in &frames {
            stream.extend((frame.len() as u32).to_be_bytes());
            stream.extend(frame);
        }
        let mut splitter = Splitter::new(30);
        assert_eq!(split(&stream, &mut splitter, &mut random), frames);
        assert_eq!(splitter.pending_bytes(), 0);
    }
}

#[test]
fn a_frame_that_lies_whole_in_the_input_is_not_copied() {
    let stream = [0, 0, 0, 2, 8, 9, 0, 0, 0, 1, 7];
    let mut input = &stream[..];
    let mut splitter = Splitter::new(100);
    let frame = splitter
        .next(&mut input)
        .expect("well-formed")
        .expect("whole");
    assert!(std::ptr::eq(frame, &stream[4..6]));
    let frame = splitter
        .next(&mut input)
        .expect("well-formed")
        .expect("whole");
    assert!(std::ptr::eq(frame, &stream[10..]));
    assert_eq!(splitter.partial.capacity(), 0);
}

#[test]
fn memory_follows_what_came_not_what_was_announced() {
    let mut splitter = Splitter::new(usize::MAX);
    assert_eq!(splitter.next(&mut &[0x7f, 0xff, 0xff, 0xff][..]), Ok(None));
    for received in 1..100_000 {
        assert_eq!(splitter.next(&mut &[0][..]), Ok(None));
        assert!(
            splitter.partial.capacity() <= 16 + 2 * received,
            "{received}"
        );
    }
}

#[test]
fn sizes_out_of_bounds_are_named() {
    let check = |stream: &[u8], expected| {
        assert_eq!(
            Splitter::new(1000).next(&mut &stream[..]).map(|_| ()),
            Err(expected)
        );
        let mut bytewise = Splitter::new(1000);
        let mut last = Ok(None);
        for byte in stream {
            last = bytewise
                .next(&mut std::slice::from_ref(byte))
                .map(|_| None::<&[u8]>);
        }
        assert_eq!(last, Err(expected));
    };
    check(
        &1001u32.to_be_bytes(),
        FrameError::TooLarge {
            bytes: 1001,
            bytes_max: 1000,
        },
    );
    // The first bytes of a TLS alert.
    check(
        &[0x15, 3, 3, 0],
        FrameError::TooLarge {
            bytes: 0x1503_0300,
            bytes_max: 1000,
        },
    );
    check(
        &[0xff, 0xff, 0xff, 0xff],
        FrameError::Negative { bytes: -1 },
    );
}
