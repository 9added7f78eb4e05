//! A broker that does not take certain records: INVALID_RECORD before the append, naming the records
//! or not, as Apache's does with its `record_errors`.

use bytes::Bytes;
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ApiKey, ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::{Decodable, StrBytes};
use protocol::error_code::ErrorCode;
use protocol::frame::{encode_response, read_request};
use protocol::records::compression::Decompressor;
use protocol::records::reader::Batch;

use crate::random::Random;

/// The refusal, if the request holds a record with `needle` in it.
pub(crate) fn refuse(frame: &[u8], needle: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let head = read_request(frame).ok()?;
    if head.api_key != ApiKey::Produce as i16 {
        return None;
    }
    let mut body = Bytes::copy_from_slice(head.body);
    let request = ProduceRequest::decode(&mut body, head.version).expect("a right request");
    let topic = request.topic_data.first()?;
    let partition = topic.partition_data.first()?;
    let bad = bad_records(partition.records.as_ref()?, needle);
    if bad.is_empty() {
        return None;
    }
    let named = if random.chance(700) { bad } else { Vec::new() };
    let errors = named.into_iter().map(|index| {
        BatchIndexAndErrorMessage::default()
            .with_batch_index(index)
            .with_batch_index_error_message(Some(StrBytes::from_static_str("poison")))
    });
    let answer = PartitionProduceResponse::default()
        .with_index(partition.index)
        .with_error_code(ErrorCode::INVALID_RECORD.0)
        .with_base_offset(-1)
        .with_record_errors(errors.collect())
        .with_error_message(Some(StrBytes::from_static_str("a record is poison")));
    let answer = TopicProduceResponse::default()
        .with_name(topic.name.clone())
        .with_topic_id(topic.topic_id)
        .with_partition_responses(vec![answer]);
    let response = ProduceResponse::default().with_responses(vec![answer]);
    let mut reply = Vec::new();
    encode_response::<ProduceRequest>(&response, head.version, head.correlation_id, &mut reply)
        .expect("the answer can be written");
    Some(reply)
}

fn bad_records(records: &[u8], needle: &[u8]) -> Vec<i32> {
    let batch = Batch::read(records).expect("one right batch");
    let codec = batch.compression().expect("a known codec");
    let mut decompressor = Decompressor::new();
    let section = decompressor
        .decompress(codec, batch.section(), 1 << 24)
        .expect("it is sound");
    let has_needle = |value: &[u8]| value.windows(needle.len()).any(|window| window == needle);
    let records = batch.records_in(section).expect("records");
    (0..)
        .zip(records)
        .filter(|(_, record)| {
            has_needle(
                record
                    .as_ref()
                    .expect("a right record")
                    .value
                    .unwrap_or_default(),
            )
        })
        .map(|(index, _)| index)
        .collect()
}
