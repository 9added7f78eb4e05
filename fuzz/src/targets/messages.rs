//! Whole messages, of every API in every version: the generated codec behind the walk of shapes, and
//! the two messages that are walked by hand.

use std::fmt::Debug;

use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest, DescribeProducersRequest,
    FetchRequest, FindCoordinatorRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest,
    ListOffsetsRequest, MetadataRequest, OffsetForLeaderEpochRequest, ProduceRequest,
};
use kafka_protocol::protocol::{Message, Request};
use protocol::frame::{
    SIZE_BYTES, decode_request, decode_response, encode_request, encode_response, read_request,
    read_response,
};

use super::samples;

macro_rules! of_api {
    ($api:expr, $run:ident($($argument:expr),*)) => {
        match $api {
            ApiKey::ApiVersions => $run::<ApiVersionsRequest>($($argument),*),
            ApiKey::CreatePartitions => $run::<CreatePartitionsRequest>($($argument),*),
            ApiKey::CreateTopics => $run::<CreateTopicsRequest>($($argument),*),
            ApiKey::DeleteRecords => $run::<DeleteRecordsRequest>($($argument),*),
            ApiKey::DeleteTopics => $run::<DeleteTopicsRequest>($($argument),*),
            ApiKey::DescribeCluster => $run::<DescribeClusterRequest>($($argument),*),
            ApiKey::DescribeConfigs => $run::<DescribeConfigsRequest>($($argument),*),
            ApiKey::DescribeProducers => $run::<DescribeProducersRequest>($($argument),*),
            ApiKey::Fetch => $run::<FetchRequest>($($argument),*),
            ApiKey::FindCoordinator => $run::<FindCoordinatorRequest>($($argument),*),
            ApiKey::IncrementalAlterConfigs => {
                $run::<IncrementalAlterConfigsRequest>($($argument),*)
            }
            ApiKey::InitProducerId => $run::<InitProducerIdRequest>($($argument),*),
            ApiKey::ListOffsets => $run::<ListOffsetsRequest>($($argument),*),
            ApiKey::Metadata => $run::<MetadataRequest>($($argument),*),
            ApiKey::OffsetForLeaderEpoch => $run::<OffsetForLeaderEpochRequest>($($argument),*),
            ApiKey::Produce => $run::<ProduceRequest>($($argument),*),
            _ => false,
        }
    };
}

/// Two bytes, API and version, then an answer's frame without its length.
pub(super) mod answers {
    use super::*;

    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let [api, version, frame @ ..] = bytes else {
            return false;
        };
        let Ok(api) = ApiKey::try_from(i16::from(*api)) else {
            return false;
        };
        let version = i16::from(*version % 20);
        let valid = api.valid_versions();
        if !(valid.min..=valid.max).contains(&version) {
            return false;
        }
        let Ok((_, body)) = read_response(api, version, frame) else {
            return false;
        };
        of_api!(api, answer(version, body))
    }

    /// What is decoded is encoded to bytes that are decoded to the same.
    fn answer<R: Request>(version: i16, body: &[u8]) -> bool
    where
        R::Response: Message + PartialEq + Debug,
    {
        let Ok(response) = decode_response::<R>(version, body) else {
            return false;
        };
        let api = ApiKey::try_from(R::KEY).expect("a key");
        let mut frame = Vec::new();
        encode_response::<R>(&response, version, 1, &mut frame).expect("it came from bytes");
        let (_, again) = read_response(api, version, &frame[SIZE_BYTES..]).expect("ours");
        assert_eq!(decode_response::<R>(version, again).as_ref(), Ok(&response));
        true
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let samples = samples::answers().into_iter();
        samples
            .map(|(api, version, frame)| {
                let head = [key(api), u8::try_from(version).expect("small")];
                [&head, &frame[SIZE_BYTES..]].concat()
            })
            .collect()
    }
}

fn key(api: ApiKey) -> u8 {
    u8::try_from(api as i16).expect("below 256")
}

/// A request's frame without its length.
pub(super) mod requests {
    use super::*;

    pub(in super::super) fn run(frame: &[u8]) -> bool {
        let Ok(head) = read_request(frame) else {
            return false;
        };
        let Ok(api) = ApiKey::try_from(head.api_key) else {
            return false;
        };
        of_api!(api, request(head.version, head.body))
    }

    fn request<R: Request + PartialEq + Debug>(version: i16, body: &[u8]) -> bool {
        let Ok(request) = decode_request::<R>(version, body) else {
            return false;
        };
        let mut frame = Vec::new();
        encode_request(&request, version, 1, "", &mut frame).expect("it came from bytes");
        let again = read_request(&frame[SIZE_BYTES..]).expect("ours").body;
        assert_eq!(decode_request::<R>(version, again).as_ref(), Ok(&request));
        true
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let frames = samples::requests().into_iter();
        frames.map(|frame| frame[SIZE_BYTES..].to_vec()).collect()
    }
}

/// A version, then the body of an answer to Produce.
pub(super) mod produce_answer {
    use protocol::hot::produce::{ProduceResponse, VERSIONS};

    use super::*;

    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let Some((version, body)) = versioned(bytes, &VERSIONS) else {
            return false;
        };
        let Ok(walked) = ProduceResponse::read(version, body) else {
            return false;
        };
        let count = walked.partitions().count();
        for partition in walked.partitions() {
            assert!(partition.record_errors.count() <= body.len());
        }
        assert!(walked.node_endpoints.count() <= body.len());
        // The generated decoder is the oracle, where it takes what the walk took.
        if let Ok(decoded) = decode_response::<ProduceRequest>(version, body) {
            let topics = decoded.responses.iter();
            let partitions = topics.flat_map(|topic| &topic.partition_responses);
            let codes = partitions.map(|partition| (partition.index, partition.error_code));
            let walked = walked.partitions();
            assert!(codes.eq(walked.map(|answer| (answer.partition, answer.error.0))));
        }
        count > 0
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        bodies(ApiKey::Produce, &VERSIONS)
    }
}

/// A version, then the body of an answer to Fetch.
pub(super) mod fetch_answer {
    use protocol::hot::fetch::{FetchResponse, VERSIONS};

    use super::*;

    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let Some((version, body)) = versioned(bytes, &VERSIONS) else {
            return false;
        };
        let Ok(walked) = FetchResponse::read(version, body) else {
            return false;
        };
        let mut records_bytes = 0;
        for partition in walked.partitions() {
            records_bytes += partition.records.len();
            assert!(partition.aborted_transactions.count() <= body.len());
        }
        assert!(records_bytes <= body.len(), "records lie side by side");
        assert!(walked.node_endpoints.count() <= body.len());
        if let Ok(decoded) = decode_response::<FetchRequest>(version, body) {
            let topics = decoded.responses.iter();
            let partitions = topics.flat_map(|topic| &topic.partitions);
            let read = partitions.map(|partition| {
                let records = partition.records.as_deref().unwrap_or_default().len();
                (partition.partition_index, partition.high_watermark, records)
            });
            let walked = walked.partitions();
            let walked = walked.map(|p| (p.partition, p.high_watermark, p.records.len()));
            assert!(read.eq(walked));
        }
        walked.partitions().count() > 0
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        bodies(ApiKey::Fetch, &VERSIONS)
    }
}

fn versioned<'a>(
    bytes: &'a [u8],
    versions: &std::ops::RangeInclusive<i16>,
) -> Option<(i16, &'a [u8])> {
    let (choice, body) = super::choice(bytes)?;
    let count = versions.clone().count();
    let version = versions.clone().nth(choice % count)?;
    Some((version, body))
}

fn bodies(api: ApiKey, versions: &std::ops::RangeInclusive<i16>) -> Vec<Vec<u8>> {
    let samples = samples::answers().into_iter();
    samples
        .filter(|(of, version, _)| *of == api && versions.contains(version))
        .map(|(api, version, frame)| {
            let (_, body) = read_response(api, version, &frame[SIZE_BYTES..]).expect("ours");
            let choice = usize::try_from(version - versions.start()).expect("in the range");
            super::chosen(choice, body)
        })
        .collect()
}
