//! What a peer sends: frames, a connection's first words and its answers, the cluster's metadata.

use std::time::{Duration, Instant};

use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, MetadataRequest};
use protocol::client::connection::{Connection, ConnectionSettings};
use protocol::client::metadata::{Metadata, MetadataSettings};
use protocol::frame::{SIZE_BYTES, Splitter, decode_response, encode_response};

use super::samples;

/// No frame may be larger.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// The size of the pieces, then a stream of frames.
pub(super) mod frames {
    use super::*;

    /// In pieces as whole: the same frames, and the same bytes left over.
    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let Some((piece, stream)) = super::super::choice(bytes) else {
            return false;
        };
        let whole = split(stream.chunks(stream.len().max(1)));
        let pieces = split(stream.chunks(piece % 16 + 1));
        assert_eq!(whole, pieces);
        whole.ended_well && whole.frames > 0
    }

    #[derive(Debug, Default, PartialEq, Eq)]
    struct Split {
        frames: usize,
        /// Of lengths and contents.
        sum: u32,
        left: usize,
        ended_well: bool,
    }

    fn split<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Split {
        let mut splitter = Splitter::new(FRAME_BYTES_MAX);
        let mut split = Split::default();
        for mut piece in pieces {
            loop {
                match splitter.next(&mut piece) {
                    Ok(None) => break,
                    Ok(Some(frame)) => {
                        split.frames += 1;
                        let crc = protocol::records::crc::crc32c(frame);
                        split.sum = split.sum.rotate_left(5) ^ crc;
                    }
                    Err(_) => return split,
                }
            }
        }
        split.left = splitter.pending_bytes();
        split.ended_well = true;
        split
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let frame = |bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).expect("short");
            [&length.to_be_bytes(), bytes].concat()
        };
        let stream = [frame(b"one"), frame(b""), frame(&[7; 90]), frame(b"last")].concat();
        [0, 3, 15]
            .map(|piece| super::super::chosen(piece, &stream))
            .to_vec()
    }
}

/// Everything that a broker says on one connection.
pub(super) mod negotiated {
    use super::*;

    /// Each request is answered or listed as unanswered, and none both.
    pub(in super::super) fn run(stream: &[u8]) -> bool {
        const REQUESTS: u64 = 3;
        let now = Instant::now();
        let settings = ConnectionSettings {
            client_id: "me".to_owned(),
            connect_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_secs(1),
            frame_bytes_max: FRAME_BYTES_MAX,
        };
        let mut connection = Connection::new(settings, now);
        connection.handle_connected();
        let mut out = Vec::new();
        let (mut asked, mut answered) = (0, 0);
        // The first answer for itself: nothing can be asked before it is there.
        let first = stream
            .first_chunk()
            .map_or(0, |length| u32::from_be_bytes(*length) as usize);
        let (first, rest) = stream.split_at(stream.len().min(SIZE_BYTES.saturating_add(first)));
        for mut piece in first.chunks(64).chain(rest.chunks(64)) {
            // A version that the broker does not have is asked for once more.
            connection.poll_transmit(now, &mut out);
            loop {
                while asked < REQUESTS && connection.is_ready() {
                    if connection.reserve(ApiKey::Produce, asked, now).is_err() {
                        break;
                    }
                    asked += 1;
                }
                match connection.handle_bytes(&mut piece) {
                    Ok(None) => break,
                    Ok(Some(reply)) => {
                        assert_eq!(reply.token, answered, "in the order of asking");
                        answered += 1;
                    }
                    Err(_) => {
                        let left = std::iter::from_fn(|| connection.poll_unanswered()).count();
                        // What breaks a connection may be the head's own answer.
                        let is_each = left as u64 + answered <= asked + 1;
                        assert!(is_each && connection.closed().is_some());
                        return false;
                    }
                }
            }
        }
        connection.is_ready()
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let mut seeds = Vec::new();
        for most in [13, 30] {
            let key = |key| {
                ApiVersion::default()
                    .with_api_key(key)
                    .with_max_version(most)
            };
            let versions = ApiVersionsResponse::default().with_api_keys((0..62).map(key).collect());
            let mut frame = Vec::new();
            // The first question is in the newest version.
            encode_response::<ApiVersionsRequest>(&versions, 3, 0, &mut frame).expect("encodes");
            // Correlation ids count from 0.
            let numbered = |frame: &[u8], id: i32| {
                let mut frame = frame.to_vec();
                frame[SIZE_BYTES..SIZE_BYTES + 4].copy_from_slice(&id.to_be_bytes());
                frame
            };
            let answers = (1..=3).map(|id| numbered(&[0, 0, 0, 6, 0, 0, 0, 0, 0, 9], id));
            let stream: Vec<Vec<u8>> = std::iter::once(frame).chain(answers).collect();
            seeds.push(stream.concat());
        }
        seeds
    }
}

/// A version, then the bodies of two answers to Metadata, one behind the other.
pub(super) mod metadata {
    use super::*;

    /// What the cluster is taken to be makes sense, whatever it says.
    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let Some((choice, bodies)) = super::super::choice(bytes) else {
            return false;
        };
        let version = i16::try_from(choice % 4 + 10).expect("small");
        let now = Instant::now();
        let mut metadata = Metadata::new(MetadataSettings::default());
        metadata.add_topic("orders");
        let (first, second) = bodies.split_at(bodies.len() / 2);
        let mut is_taken = false;
        for body in [first, second, bodies] {
            let Ok(response) = decode_response::<MetadataRequest>(version, body) else {
                continue;
            };
            drop(metadata.poll_request(now));
            is_taken |= metadata.handle_response(now, 5, &response).is_ok();
            for partition in -1..4 {
                if let Some(leader) = metadata.leader("orders", partition) {
                    assert!(partition >= 0 && leader.leader_id >= 0);
                }
            }
        }
        is_taken
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let samples = samples::answers().into_iter();
        let metadata = samples.filter(|(api, ..)| *api == ApiKey::Metadata);
        metadata
            .map(|(api, version, frame)| {
                let frame = &frame[SIZE_BYTES..];
                let (_, body) = protocol::frame::read_response(api, version, frame).expect("ours");
                let choice = usize::try_from(version - 10).expect("from 10");
                super::super::chosen(choice, &[body, body].concat())
            })
            .collect()
    }
}
