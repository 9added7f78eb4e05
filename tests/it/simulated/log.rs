//! What lies in the broker's log, read through its own Fetch and checked byte by byte.

use std::sync::Arc;

use broker::{Broker, Handled};
use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, FetchRequest, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};
use protocol::frame::{SIZE_BYTES, decode_response, encode_request, read_response};
use protocol::records::compression::Decompressor;
use protocol::records::reader::Batches;

pub(crate) const TOPIC: &str = "simulated";

/// Asks the broker in its own process, whatever the network is like.
pub(crate) fn ask<R: Request>(broker: &Arc<Broker>, version: i16, request: &R) -> R::Response {
    let mut frame = Vec::new();
    encode_request(request, version, 1, "judge", &mut frame).expect("the request can be written");
    let mut reply = Vec::new();
    let handled = broker.session().handle(&frame[SIZE_BYTES..], &mut reply);
    assert_eq!(handled, Handled::Reply, "the broker answers");
    let api = R::KEY
        .try_into()
        .expect("a message's key is one of the keys");
    let (_, body) = read_response(api, version, &reply[SIZE_BYTES..]).expect("an answer");
    let body = Bytes::copy_from_slice(body);
    decode_response::<R>(version, body).expect("the answer can be read")
}

/// Makes the topic. Answers its id.
pub(crate) fn create_topic(
    broker: &Arc<Broker>,
    partitions: u32,
    bytes_max: Option<u64>,
) -> [u8; 16] {
    let config = |bytes: u64| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_static_str("max.message.bytes"))
            .with_value(Some(StrBytes::from_string(bytes.to_string())))
    };
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
        .with_num_partitions(partitions.cast_signed())
        .with_replication_factor(1)
        .with_configs(bytes_max.map(config).into_iter().collect());
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(1000);
    let response = ask(broker, 7, &request);
    assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    *response.topics[0].topic_id.as_bytes()
}

pub(crate) fn end_offset(broker: &Arc<Broker>, partition: u32) -> u64 {
    let end = broker.end_offset(TOPIC, partition.cast_signed());
    u64::try_from(end.expect("the topic is there")).expect("offsets are not negative")
}

/// The values of a partition's records, in the log's order; checks offsets and sums on the way.
pub(crate) fn values(broker: &Arc<Broker>, partition: u32) -> Vec<Vec<u8>> {
    let end = end_offset(broker, partition);
    let mut values: Vec<Vec<u8>> = Vec::new();
    let mut decompressor = Decompressor::new();
    while (values.len() as u64) < end {
        let records = fetch(broker, partition, values.len() as i64);
        let before = values.len();
        for batch in Batches::new(&records) {
            let batch = batch.expect("the log holds right batches");
            batch.check_crc().expect("a batch's sum holds");
            assert_eq!(
                batch.header().base_offset,
                values.len() as i64,
                "offsets have no gap"
            );
            let codec = batch.compression().expect("a known codec");
            let section = decompressor.decompress(codec, batch.section(), 1 << 24);
            let section = section.expect("it can be decompressed").to_vec();
            for record in batch.records_in(&section).expect("records") {
                let record = record.expect("the log holds right records");
                assert!(record.key.is_none() && record.headers.count() == 0);
                values.push(record.value.expect("no record is a tombstone").to_vec());
            }
        }
        assert!(values.len() > before, "the log ends before its end");
    }
    values
}

fn fetch(broker: &Arc<Broker>, partition: u32, offset: i64) -> Bytes {
    let wanted = FetchPartition::default()
        .with_partition(partition.cast_signed())
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str(TOPIC)))
        .with_partitions(vec![wanted]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(0)
        .with_max_bytes(8 << 20)
        .with_topics(vec![topic]);
    let mut response = ask(broker, 12, &request);
    let fetched = &mut response.responses[0].partitions[0];
    assert_eq!(fetched.error_code, 0, "the log can be read");
    fetched
        .records
        .take()
        .expect("there is more before the end")
}
