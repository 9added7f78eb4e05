//! A million malformed answers, and more: each is an error or a message, never a panic, and never
//! takes more memory than a small multiple of its own size.
//!
//! The allocator of this test counts, for each thread, what is asked of it; so the bound is on what
//! is asked for, also where the system would have handed it out without a word.
#![allow(
    unsafe_code,
    reason = "an allocator that counts is unsafe by its trait, and only a test"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, CreateTopicsRequest,
    CreateTopicsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    DescribeProducersRequest, DescribeProducersResponse, FetchRequest, FetchResponse,
    InitProducerIdRequest, InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse,
    MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse, ProducerId, TopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};

use protocol::api::SPOKEN;
use protocol::frame::{SIZE_BYTES, Splitter, decode_response, encode_response, read_response};
use protocol::hot;

/// What one thread has asked for and not given back, and the most of it at one time.
#[derive(Clone, Copy)]
struct Taken {
    bytes: isize,
    most: isize,
}

thread_local! {
    static TAKEN: Cell<Taken> = const { Cell::new(Taken { bytes: 0, most: 0 }) };
}

fn count(bytes: isize) {
    // A cell without a destructor is there until the thread's very end.
    TAKEN.with(|taken| {
        let Taken {
            bytes: before,
            most,
        } = taken.get();
        let bytes = before + bytes;
        taken.set(Taken {
            bytes,
            most: most.max(bytes),
        });
    });
}

struct Counting;

// SAFETY: every call goes to the system's allocator with the arguments it came with; counting
// touches only a thread's own cell, which takes no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps `alloc`'s contract, which is the system allocator's too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: `pointer` came from `alloc` above, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most memory that `run` has at one time, beyond what was there before.
fn most_bytes(run: impl FnOnce()) -> usize {
    let before = TAKEN.get().bytes;
    TAKEN.set(Taken {
        bytes: before,
        most: before,
    });
    run();
    usize::try_from(TAKEN.get().most - before).expect("no less than before")
}

/// A small generator (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Breaks a message: lengths and counts blown up, bits flipped, bytes put in or taken out, the
    /// end cut off, now and then nothing left but noise.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        const LARGE: [&[u8]; 5] = [
            &[0x7f, 0xff, 0xff, 0xff],
            &[0x80, 0, 0, 0],
            &[0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0xff, 0xff, 0x03],
            &[0, 1, 0, 0],
        ];
        if self.below(50) == 0 {
            let count = self.below(100);
            *bytes = (0..count).map(|_| self.next() as u8).collect();
            return;
        }
        for _ in 0..1 + self.below(3) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.next() as u8),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                3 | 4 => {
                    let large = LARGE[self.below(LARGE.len())];
                    let end = (at + large.len()).min(bytes.len());
                    bytes.splice(at..end, large.iter().copied());
                }
                _ if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                _ => {}
            }
        }
    }
}

/// A well-formed answer in one version, with its length prefix and header, and the function that
/// reads a broken one.
struct Sample {
    api: ApiKey,
    version: i16,
    frame: Vec<u8>,
    read: fn(i16, &[u8]) -> bool,
}

fn generated<R: Request>(version: i16, body: &[u8]) -> bool {
    decode_response::<R>(version, body).is_ok()
}

fn by_hand_produce(version: i16, body: &[u8]) -> bool {
    let Ok(response) = hot::produce::ProduceResponse::read(version, body) else {
        return false;
    };
    let errors = response
        .partitions()
        .map(|partition| partition.record_errors.count());
    let _: usize = errors.sum::<usize>() + response.node_endpoints.count();
    true
}

fn by_hand_fetch(version: i16, body: &[u8]) -> bool {
    let Ok(response) = hot::fetch::FetchResponse::read(version, body) else {
        return false;
    };
    let sizes = response.partitions().map(|partition| {
        assert!(partition.records.len() <= body.len());
        partition.aborted_transactions.count()
    });
    let _: usize = sizes.sum::<usize>() + response.node_endpoints.count();
    true
}

fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    add::<ApiVersionsRequest>(
        &mut samples,
        |_| api_versions(),
        generated::<ApiVersionsRequest>,
    );
    add::<MetadataRequest>(&mut samples, |_| metadata(), generated::<MetadataRequest>);
    add::<ProduceRequest>(&mut samples, produce, generated::<ProduceRequest>);
    add::<ProduceRequest>(&mut samples, produce, by_hand_produce);
    add::<FetchRequest>(&mut samples, fetch, generated::<FetchRequest>);
    add::<FetchRequest>(&mut samples, fetch, by_hand_fetch);
    add::<ListOffsetsRequest>(
        &mut samples,
        |_| list_offsets(),
        generated::<ListOffsetsRequest>,
    );
    add::<InitProducerIdRequest>(
        &mut samples,
        |_| InitProducerIdResponse::default().with_producer_id(ProducerId(7)),
        generated::<InitProducerIdRequest>,
    );
    add::<DescribeProducersRequest>(
        &mut samples,
        |_| describe_producers(),
        generated::<DescribeProducersRequest>,
    );
    add::<DescribeConfigsRequest>(
        &mut samples,
        |_| describe_configs(),
        generated::<DescribeConfigsRequest>,
    );
    add::<CreateTopicsRequest>(
        &mut samples,
        create_topics,
        generated::<CreateTopicsRequest>,
    );
    samples
}

/// A sample in every version that is spoken.
fn add<R: Request>(
    samples: &mut Vec<Sample>,
    response: impl Fn(i16) -> R::Response,
    read: fn(i16, &[u8]) -> bool,
) {
    let api = ApiKey::try_from(R::KEY).expect("a key");
    let row = SPOKEN.iter().find(|row| row.api == api).expect("spoken");
    for version in row.min..=row.max {
        let mut frame = Vec::new();
        encode_response::<R>(&response(version), version, 77, &mut frame).expect("encodes");
        assert!(read(
            version,
            read_response(api, version, &frame[SIZE_BYTES..])
                .expect("reads")
                .1
        ));
        samples.push(Sample {
            api,
            version,
            frame,
            read,
        });
    }
}

#[test]
fn a_million_malformed_answers() {
    let seed = std::env::var("RINGMAIN_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("RINGMAIN_SEED={seed}");
    let mut random = Random(seed);
    let samples = samples();
    let rounds = 1_200_000_usize.div_ceil(samples.len());
    let (mut read, mut refused, mut worst) = (0u32, 0u32, 0f64);
    for sample in &samples {
        for _ in 0..rounds {
            let mut body = sample.frame[SIZE_BYTES..].to_vec();
            random.mutate(&mut body);
            let Sample { api, version, .. } = *sample;
            let mut is_read = false;
            let most = most_bytes(|| {
                if let Ok((_, body)) = read_response(api, version, &body) {
                    is_read = (sample.read)(version, body);
                }
            });
            *(if is_read { &mut read } else { &mut refused }) += 1;
            let bound = BYTES_FIXED + BYTES_PER_BYTE * body.len();
            assert!(
                most <= bound,
                "{api:?} {version}: {most} bytes for {} ({body:?})",
                body.len()
            );
            worst = worst.max(most as f64 / body.len().max(64) as f64);
        }
    }
    println!(
        "{read} still read, {refused} refused; at most {worst:.1} bytes taken for one received"
    );
    assert!(
        refused > 500_000 && read > 50_000,
        "mutations that neither break nor keep"
    );
}

/// What a decoded message may take for each byte that it has: its structs are larger than its
/// bytes, above all empty ones with room for tagged fields. (Measured: 11.)
const BYTES_PER_BYTE: usize = 16;

/// And what it may take however small it is: the maps of tagged fields come in nodes.
const BYTES_FIXED: usize = 2_048;

#[test]
fn the_splitter_takes_what_came() {
    let mut random = Random(RandomState::new().hash_one(0));
    println!("seed {}", random.0);
    for _ in 0..20_000 {
        let count = random.below(300);
        let mut stream: Vec<u8> = (0..count).map(|_| random.next() as u8).collect();
        // Most sizes as they come are beyond any bound; make many that are only large.
        if count >= 2 {
            stream[0] &= 0x80;
            stream[1] &= random.next() as u8;
        }
        let most = most_bytes(|| {
            let mut splitter = Splitter::new(100 * 1024 * 1024);
            for mut piece in stream.chunks(7) {
                while let Ok(Some(frame)) = splitter.next(&mut piece) {
                    assert!(frame.len() <= stream.len());
                }
            }
        });
        assert!(
            most <= 3 * stream.len() + 64,
            "{most} bytes for {}",
            stream.len()
        );
    }
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn topic_name() -> TopicName {
    TopicName(text("orders"))
}

fn topic_id() -> uuid::Uuid {
    uuid::Uuid::from_u128(0x1234_5678)
}

fn api_versions() -> ApiVersionsResponse {
    let keys = (0..40).map(|key| ApiVersion::default().with_api_key(key).with_max_version(9));
    let supported = SupportedFeatureKey::default().with_name(text("metadata.version"));
    let finalized = FinalizedFeatureKey::default().with_name(text("metadata.version"));
    ApiVersionsResponse::default()
        .with_api_keys(keys.collect())
        .with_throttle_time_ms(1)
        .with_supported_features(vec![supported])
        .with_finalized_features(vec![finalized])
        .with_finalized_features_epoch(5)
}

fn metadata() -> MetadataResponse {
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(1))
        .with_host(text("broker-1.example"))
        .with_port(9092)
        .with_rack(Some(text("a")));
    let partitions = (0..4).map(|index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(1))
            .with_leader_epoch(3)
            .with_replica_nodes(vec![BrokerId(1), BrokerId(2), BrokerId(3)])
            .with_isr_nodes(vec![BrokerId(1), BrokerId(2)])
            .with_offline_replicas(vec![BrokerId(3)])
    });
    let topic = MetadataResponseTopic::default()
        .with_name(Some(topic_name()))
        .with_topic_id(topic_id())
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(0xdf8);
    MetadataResponse::default()
        .with_brokers(vec![broker; 3])
        .with_cluster_id(Some(text("cluster")))
        .with_controller_id(BrokerId(1))
        .with_topics(vec![topic; 2])
}

fn produce(version: i16) -> ProduceResponse {
    let error = BatchIndexAndErrorMessage::default()
        .with_batch_index(1)
        .with_batch_index_error_message(Some(text("no")));
    let mut partition = PartitionProduceResponse::default()
        .with_index(3)
        .with_error_code(6)
        .with_record_errors(vec![error; 2])
        .with_error_message(Some(text("not here")));
    if version >= 10 {
        partition.current_leader = LeaderIdAndEpoch::default()
            .with_leader_id(BrokerId(2))
            .with_leader_epoch(9);
    }
    let mut topic = TopicProduceResponse::default().with_partition_responses(vec![partition; 2]);
    if version <= 12 {
        topic.name = topic_name();
    } else {
        topic.topic_id = topic_id();
    }
    ProduceResponse::default().with_responses(vec![topic; 2])
}

fn fetch(version: i16) -> FetchResponse {
    let aborted = AbortedTransaction::default().with_producer_id(ProducerId(1));
    let mut data = PartitionData::default()
        .with_partition_index(2)
        .with_high_watermark(100)
        .with_aborted_transactions(Some(vec![aborted; 2]))
        .with_records(Some(Bytes::from_static(&[42; 61])));
    data.diverging_epoch.epoch = 4;
    data.snapshot_id.end_offset = 4;
    let mut topic = FetchableTopicResponse::default().with_partitions(vec![data; 2]);
    if version <= 12 {
        topic.topic = topic_name();
    } else {
        topic.topic_id = topic_id();
    }
    FetchResponse::default().with_responses(vec![topic; 2])
}

fn list_offsets() -> ListOffsetsResponse {
    let partition = ListOffsetsPartitionResponse::default()
        .with_offset(5)
        .with_leader_epoch(1);
    let topic = ListOffsetsTopicResponse::default()
        .with_name(topic_name())
        .with_partitions(vec![partition; 3]);
    ListOffsetsResponse::default().with_topics(vec![topic; 2])
}

fn describe_producers() -> DescribeProducersResponse {
    let state = ProducerState::default()
        .with_producer_id(ProducerId(8))
        .with_last_sequence(4);
    let partition = PartitionResponse::default()
        .with_partition_index(1)
        .with_error_message(Some(text("none")))
        .with_active_producers(vec![state; 3]);
    let topic = TopicResponse::default()
        .with_name(topic_name())
        .with_partitions(vec![partition; 2]);
    DescribeProducersResponse::default().with_topics(vec![topic])
}

fn describe_configs() -> DescribeConfigsResponse {
    let synonym = DescribeConfigsSynonym::default()
        .with_name(text("message.max.bytes"))
        .with_value(Some(text("1048588")));
    let config = DescribeConfigsResourceResult::default()
        .with_name(text("max.message.bytes"))
        .with_value(Some(text("1048588")))
        .with_synonyms(vec![synonym; 2]);
    let result = DescribeConfigsResult::default()
        .with_resource_type(2)
        .with_resource_name(text("orders"))
        .with_configs(vec![config; 3]);
    DescribeConfigsResponse::default().with_results(vec![result; 2])
}

fn create_topics(version: i16) -> CreateTopicsResponse {
    let config = CreatableTopicConfigs::default()
        .with_name(text("cleanup.policy"))
        .with_value(Some(text("delete")));
    let mut topic = CreatableTopicResult::default()
        .with_name(topic_name())
        .with_error_message(Some(text("none")))
        .with_num_partitions(8)
        .with_replication_factor(3)
        .with_configs(Some(vec![config; 2]))
        .with_topic_config_error_code(29);
    if version >= 7 {
        topic.topic_id = topic_id();
    }
    CreateTopicsResponse::default().with_topics(vec![topic; 2])
}
