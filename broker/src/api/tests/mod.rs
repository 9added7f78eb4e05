//! The APIs, driven in the test's own process with the generated messages.

mod changes;
mod faults;
mod fetch;
mod groups;
mod hostile;
mod idempotence;
mod leaders;
mod produce;
pub(crate) mod random;
mod topics;

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    CreateTopicsRequest, InitProducerIdRequest, ListOffsetsRequest, ProduceRequest, ProduceResponse,
};
use protocol::records::crc::crc32c;
use protocol::records::header::{Attributes, BatchHeader, CRC_FROM, HEADER_BYTES};

use super::*;
use crate::broker::NODE_ID;
use crate::clock::Clock;
use crate::config::{Config, Storage};
use crate::session::{Handled, Session};

/// 2026-01-01.
pub(crate) const NOW_MS: i64 = 1_767_225_600_000;

/// A client with a broker of its own.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) session: Session,
    pub(crate) reply: Vec<u8>,
    correlation_id: i32,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::with(Config::new(Storage::Memory))
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::of(Broker::with_clock(config, Clock::manual(NOW_MS)).unwrap())
    }

    pub(crate) fn of(broker: Arc<Broker>) -> Self {
        Self::at(broker, NODE_ID)
    }

    pub(crate) fn at(broker: Arc<Broker>, node: i32) -> Self {
        Self {
            session: broker.session_at(node),
            reply: Vec::new(),
            correlation_id: 77,
        }
    }

    pub(crate) fn broker(&self) -> &Broker {
        self.session.broker()
    }

    /// A request's frame without its length prefix.
    pub(crate) fn frame<R: Request>(&mut self, version: i16, request: &R) -> Vec<u8> {
        self.correlation_id += 1;
        let mut frame = Vec::new();
        frame::encode_request(request, version, self.correlation_id, "test", &mut frame).unwrap();
        frame.split_off(frame::SIZE_BYTES)
    }

    pub(crate) fn handle<R: Request>(&mut self, version: i16, request: &R) -> Handled {
        let frame = self.frame(version, request);
        self.session.handle(&frame, &mut self.reply)
    }

    /// The answer that lies in `reply`.
    pub(crate) fn answer<R: Request>(&self, version: i16) -> R::Response {
        let (size, frame) = self.reply.split_first_chunk::<4>().unwrap();
        assert_eq!(u32::from_be_bytes(*size) as usize, frame.len());
        let api = ApiKey::try_from(R::KEY).unwrap();
        let (correlation_id, body) = frame::read_response(api, version, frame).unwrap();
        assert_eq!(correlation_id, self.correlation_id);
        frame::decode_response::<R>(version, body).unwrap()
    }

    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        assert_eq!(
            self.handle(version, request),
            Handled::Reply,
            "version {version}"
        );
        self.answer::<R>(version)
    }

    pub(crate) fn create(&mut self, name: &str, partitions: i32, config: &[(&str, &str)]) -> Uuid {
        let configs = config.iter().map(|&(key, value)| {
            CreatableTopicConfig::default()
                .with_name(text(key))
                .with_value(Some(text(value)))
        });
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let response = self.send(7, &request);
        assert_eq!(response.topics[0].error_code, 0, "{response:?}");
        response.topics[0].topic_id
    }

    /// Produces to partition 0 and returns the partition's answer.
    pub(crate) fn produce(&mut self, topic: &str, batch: Vec<u8>) -> PartitionProduceResponse {
        let response = self.send(9, &produce_request(&[(topic, 0, batch)]));
        partition_answers(response).remove(0)
    }

    pub(crate) fn offset(&mut self, topic: &str, timestamp: i64) -> (i64, i64) {
        let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        let response = self.send(10, &ListOffsetsRequest::default().with_topics(vec![topic]));
        let answer = &response.topics[0].partitions[0];
        assert_eq!(answer.error_code, 0);
        (answer.offset, answer.timestamp)
    }

    pub(crate) fn end_offset(&mut self, topic: &str) -> i64 {
        self.offset(topic, -1).0
    }
}

pub(crate) fn produce_request(entries: &[(&str, i32, Vec<u8>)]) -> ProduceRequest {
    let mut topics = BTreeMap::<&str, Vec<PartitionProduceData>>::new();
    for (topic, index, batch) in entries {
        let data = PartitionProduceData::default()
            .with_index(*index)
            .with_records(Some(Bytes::from(batch.clone())));
        topics.entry(topic).or_default().push(data);
    }
    let topic = |(name, partitions)| {
        TopicProduceData::default()
            .with_name(topic_name(name))
            .with_partition_data(partitions)
    };
    let topics = topics.into_iter().map(topic).collect();
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(1000)
        .with_topic_data(topics)
}

/// Without a transactional id; the generated default is an empty one.
pub(crate) fn init_producer_id() -> InitProducerIdRequest {
    InitProducerIdRequest::default().with_transactional_id(None)
}

pub(crate) fn partition_answers(response: ProduceResponse) -> Vec<PartitionProduceResponse> {
    response
        .responses
        .into_iter()
        .flat_map(|topic| topic.partition_responses)
        .collect()
}

/// Key, value, and the timestamp less the base timestamp.
pub(crate) type Keyed<'a> = (Option<&'a [u8]>, &'a [u8], i64);

/// A batch in the making: fields for all that a test may want to be wrong.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) header: BatchHeader,
    pub(crate) records: Vec<u8>,
}

impl Batch {
    /// One record for each value.
    pub(crate) fn of(values: &[&[u8]]) -> Self {
        let keyed: Vec<_> = values.iter().map(|&value| (None, value, 0)).collect();
        Self::keyed(&keyed)
    }

    /// A number of records of a few bytes.
    pub(crate) fn counted(count: usize) -> Self {
        Self::of(&vec![&b"value"[..]; count])
    }

    /// Records of key, value and age against the newest.
    pub(crate) fn keyed(records: &[Keyed<'_>]) -> Self {
        let mut bytes = Vec::new();
        for (index, (key, value, timestamp)) in records.iter().enumerate() {
            bytes.extend(record(*timestamp, index as i64, *key, value));
        }
        let newest = records
            .iter()
            .map(|&(_, _, timestamp)| timestamp)
            .max()
            .unwrap_or(0);
        let header = BatchHeader {
            base_offset: 0,
            batch_length: 0,
            partition_leader_epoch: -1,
            magic: 2,
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: records.len() as i32 - 1,
            base_timestamp: NOW_MS,
            max_timestamp: NOW_MS + newest,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            records_count: records.len() as i32,
        };
        Self {
            header,
            records: bytes,
        }
    }

    pub(crate) fn sequenced(mut self, producer_id: i64, epoch: i16, sequence: i32) -> Self {
        self.header.producer_id = producer_id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = sequence;
        self
    }

    pub(crate) fn at(mut self, timestamp: i64) -> Self {
        self.header.max_timestamp += timestamp - self.header.base_timestamp;
        self.header.base_timestamp = timestamp;
        self
    }

    /// The bytes with right length and CRC.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut header = self.header;
        header.batch_length = (HEADER_BYTES - 12 + self.records.len()) as i32;
        let mut bytes = vec![0; HEADER_BYTES];
        bytes.extend(&self.records);
        header.write(bytes.first_chunk_mut().unwrap());
        header.crc = crc32c(&bytes[CRC_FROM..]);
        header.write(bytes.first_chunk_mut().unwrap());
        bytes
    }
}

pub(crate) fn record(timestamp: i64, offset: i64, key: Option<&[u8]>, value: &[u8]) -> Vec<u8> {
    let mut body = vec![0];
    varint(timestamp, &mut body);
    varint(offset, &mut body);
    varint(key.map_or(-1, |key| key.len() as i64), &mut body);
    body.extend(key.unwrap_or_default());
    varint(value.len() as i64, &mut body);
    body.extend(value);
    body.push(0);
    let mut record = Vec::new();
    varint(body.len() as i64, &mut record);
    record.extend(body);
    record
}

fn varint(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
