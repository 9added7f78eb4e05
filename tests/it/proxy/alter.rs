//! Frames as they pass: answers with our addresses in them, and bits and codes changed.

use std::net::SocketAddr;
use std::ops::Range;

use bytes::Bytes;
use kafka_protocol::messages::{
    ApiKey, DescribeClusterRequest, FetchRequest, FindCoordinatorRequest, MetadataRequest,
    ProduceRequest,
};
use kafka_protocol::protocol::{Request, StrBytes};
use protocol::frame::{
    SIZE_BYTES, decode_request, decode_response, encode_response, read_request, read_response,
};
use protocol::hot::fetch::FetchResponse;
use protocol::hot::produce::ProduceResponse;
use protocol::records::header::HEADER_BYTES;

use crate::kafka::lines::Random;

/// Which of our ports stands for which broker.
#[derive(Clone, Debug)]
pub(crate) struct Addresses(Vec<(SocketAddr, SocketAddr)>);

impl Addresses {
    /// Pairs of a broker's address and ours.
    pub(crate) fn new(pairs: impl Iterator<Item = (SocketAddr, SocketAddr)>) -> Self {
        Self(pairs.collect())
    }

    pub(crate) fn ours(&self) -> Vec<String> {
        self.0.iter().map(|(_, ours)| ours.to_string()).collect()
    }

    /// Puts ours in a broker's place. A broker that we do not stand before would be talked to
    /// directly, and every test would be worth nothing.
    fn replace(&self, host: &mut StrBytes, port: &mut i32) {
        if host.is_empty() && *port <= 0 {
            return; // no coordinator, no leader
        }
        let named = format!("{}:{port}", host.as_str());
        let is_ours = |pair: &&(SocketAddr, SocketAddr)| pair.0.to_string() == named;
        let Some((_, ours)) = self.0.iter().find(is_ours) else {
            panic!(
                "an answer names {named}, which is none of the brokers of {:?}",
                self.0
            );
        };
        *host = StrBytes::from_string(ours.ip().to_string());
        *port = i32::from(ours.port());
    }
}

/// A request whose answer is to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
}

impl Asked {
    /// From a whole frame.
    pub(crate) fn read(frame: &[u8]) -> Self {
        let request = read_request(&frame[SIZE_BYTES..])
            .unwrap_or_else(|error| panic!("a client's request has no header: {error}"));
        let api = ApiKey::try_from(request.api_key)
            .unwrap_or_else(|()| panic!("a client asks for API {}", request.api_key));
        Self {
            api,
            version: request.version,
            correlation_id: request.correlation_id,
        }
    }

    /// Whether records travel with it.
    pub(crate) fn is_of_data(&self) -> bool {
        matches!(self.api, ApiKey::Produce | ApiKey::Fetch)
    }

    fn body<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        let (_, body) = read_response(self.api, self.version, &frame[SIZE_BYTES..])
            .unwrap_or_else(|error| panic!("the answer to {self:?} has no header: {error}"));
        body
    }

    /// The answer, changed.
    fn rewrite<R: Request>(&self, frame: &mut Vec<u8>, change: impl FnOnce(&mut R::Response)) {
        let mut response = decode_response::<R>(self.version, self.body(frame))
            .unwrap_or_else(|error| panic!("the answer to {self:?}: {error}"));
        change(&mut response);
        frame.clear();
        encode_response::<R>(&response, self.version, self.correlation_id, frame)
            .unwrap_or_else(|error| panic!("the answer to {self:?}: {error}"));
    }
}

/// Replaces the brokers' addresses in an answer, if it has any.
pub(crate) fn advertise(asked: &Asked, frame: &mut Vec<u8>, addresses: &Addresses) {
    match asked.api {
        ApiKey::Metadata => asked.rewrite::<MetadataRequest>(frame, |response| {
            for broker in &mut response.brokers {
                addresses.replace(&mut broker.host, &mut broker.port);
            }
        }),
        ApiKey::DescribeCluster => asked.rewrite::<DescribeClusterRequest>(frame, |response| {
            for broker in &mut response.brokers {
                addresses.replace(&mut broker.host, &mut broker.port);
            }
        }),
        ApiKey::FindCoordinator => asked.rewrite::<FindCoordinatorRequest>(frame, |response| {
            addresses.replace(&mut response.host, &mut response.port);
            for coordinator in &mut response.coordinators {
                addresses.replace(&mut coordinator.host, &mut coordinator.port);
            }
        }),
        ApiKey::Produce if hints_at_leaders(asked, frame) => {
            asked.rewrite::<ProduceRequest>(frame, |response| {
                for node in &mut response.node_endpoints {
                    addresses.replace(&mut node.host, &mut node.port);
                }
            });
        }
        ApiKey::Fetch if hints_at_leaders(asked, frame) => {
            asked.rewrite::<FetchRequest>(frame, |response| {
                for node in &mut response.node_endpoints {
                    addresses.replace(&mut node.host, &mut node.port);
                }
            });
        }
        _ => {}
    }
}

/// Read by the walkers: decoding every answer with records would cost more than all else here.
fn hints_at_leaders(asked: &Asked, frame: &[u8]) -> bool {
    let body = asked.body(frame);
    let count = match asked.api {
        ApiKey::Produce => ProduceResponse::read(asked.version, body)
            .map(|response| response.node_endpoints.count()),
        _ => {
            FetchResponse::read(asked.version, body).map(|response| response.node_endpoints.count())
        }
    };
    count.unwrap_or_else(|error| panic!("the answer to {asked:?}: {error}")) > 0
}

/// Errors of Produce that may come although the batch was appended.
const DOUBTFUL_PRODUCE: [i16; 4] = [
    6,  // NOT_LEADER_OR_FOLLOWER
    7,  // REQUEST_TIMED_OUT
    20, // NOT_ENOUGH_REPLICAS_AFTER_APPEND
    56, // KAFKA_STORAGE_ERROR
];

/// Errors of Fetch that pass.
const PASSING_FETCH: [i16; 4] = [
    6,  // NOT_LEADER_OR_FOLLOWER
    56, // KAFKA_STORAGE_ERROR
    75, // UNKNOWN_LEADER_EPOCH
    78, // OFFSET_NOT_AVAILABLE
];

/// Puts an error into every partition of an answer to Produce or Fetch. `false`: it is another's, or
/// says an error already.
pub(crate) fn make_doubtful(asked: &Asked, frame: &mut Vec<u8>, random: &mut Random) -> bool {
    let mut is_changed = false;
    match asked.api {
        ApiKey::Produce => {
            let error = DOUBTFUL_PRODUCE[random.within(0, DOUBTFUL_PRODUCE.len() - 1)];
            asked.rewrite::<ProduceRequest>(frame, |response| {
                let topics = response.responses.iter_mut();
                for partition in topics.flat_map(|topic| &mut topic.partition_responses) {
                    if partition.error_code == 0 {
                        partition.error_code = error;
                        partition.base_offset = -1;
                        is_changed = true;
                    }
                }
            });
        }
        ApiKey::Fetch => {
            let error = PASSING_FETCH[random.within(0, PASSING_FETCH.len() - 1)];
            asked.rewrite::<FetchRequest>(frame, |response| {
                let topics = response.responses.iter_mut();
                for partition in topics.flat_map(|topic| &mut topic.partitions) {
                    if partition.error_code == 0 {
                        partition.error_code = error;
                        partition.high_watermark = -1;
                        partition.records = None;
                        is_changed = true;
                    }
                }
            });
        }
        _ => {}
    }
    is_changed
}

/// Flips a bit that a batch's CRC covers, in a whole Produce request. `false`: there is none.
pub(crate) fn corrupt_batch(frame: &mut [u8], random: &mut Random) -> bool {
    let request = read_request(&frame[SIZE_BYTES..]).expect("it was read before");
    let body_at = frame.len() - request.body.len();
    let body = Bytes::copy_from_slice(request.body);
    let decoded = decode_request::<ProduceRequest>(request.version, body.clone())
        .unwrap_or_else(|error| panic!("a client's Produce request: {error}"));
    let partitions = decoded
        .topic_data
        .iter()
        .flat_map(|topic| &topic.partition_data);
    let records = partitions.filter_map(|partition| partition.records.as_ref());
    let covered: Vec<Range<usize>> = records
        .flat_map(|records| covered(records, body_at + distance(&body, records)))
        .collect();
    flip_one(frame, &covered, random)
}

/// The same in a whole answer to Fetch.
pub(crate) fn corrupt_fetched(asked: &Asked, frame: &mut [u8], random: &mut Random) -> bool {
    let response = FetchResponse::read(asked.version, asked.body(frame))
        .unwrap_or_else(|error| panic!("the answer to {asked:?}: {error}"));
    let covered: Vec<Range<usize>> = response
        .partitions()
        .flat_map(|partition| covered(partition.records, distance(frame, partition.records)))
        .collect();
    flip_one(frame, &covered, random)
}

/// Leaves the end of an answer out. Its length is that of what is left. `false`: it has no body.
pub(crate) fn shorten(frame: &mut Vec<u8>, random: &mut Random) -> bool {
    const HEAD_BYTES: usize = SIZE_BYTES + 4;
    if frame.len() <= HEAD_BYTES {
        return false;
    }
    let left = random.within(HEAD_BYTES, frame.len() - 1);
    frame.truncate(left);
    let length = u32::try_from(left - SIZE_BYTES).expect("shorter than it was");
    frame[..SIZE_BYTES].copy_from_slice(&length.to_be_bytes());
    true
}

/// Flips a bit of a frame's length.
pub(crate) fn corrupt_length(frame: &mut [u8], random: &mut Random) {
    flip(frame, 0..SIZE_BYTES, random);
}

/// Flips a bit of an answer's correlation id.
pub(crate) fn corrupt_correlation(frame: &mut [u8], random: &mut Random) {
    flip(frame, SIZE_BYTES..SIZE_BYTES + 4, random);
}

/// How far `part` begins behind the begin of `whole`, of which it is a part.
fn distance(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

/// What the CRCs of the whole batches in `records` cover, and those CRCs. `begin` is where the
/// records lie.
pub(super) fn covered(records: &[u8], begin: usize) -> Vec<Range<usize>> {
    /// Offset and length; the length counts what follows.
    const LENGTH_END: usize = 12;
    const CRC_AT: usize = 17;
    let mut ranges = Vec::new();
    let mut at = 0;
    while records.len() - at >= HEADER_BYTES {
        let length = records[at + 8..at + LENGTH_END]
            .try_into()
            .expect("four bytes");
        let length = usize::try_from(i32::from_be_bytes(length)).expect("a broker's batch");
        let end = at + LENGTH_END + length;
        if end > records.len() {
            break; // the rest of it was not asked for
        }
        ranges.push(begin + at + CRC_AT..begin + end);
        at = end;
    }
    ranges
}

fn flip_one(frame: &mut [u8], covered: &[Range<usize>], random: &mut Random) -> bool {
    if covered.is_empty() {
        return false;
    }
    let range = covered[random.within(0, covered.len() - 1)].clone();
    flip(frame, range, random);
    true
}

fn flip(frame: &mut [u8], range: Range<usize>, random: &mut Random) {
    let at = random.within(range.start, range.end - 1);
    frame[at] ^= 1 << random.within(0, 7);
}
