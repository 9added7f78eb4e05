//! The null peer's way with Produce: everything is acknowledged, nothing is looked at.
//!
//! Of a request the fields around the records are read, and of each batch the 61 bytes in front,
//! for the count: an acknowledgement needs a base offset that grows. The rest is thrown away in the
//! kernel, without being copied.

use std::io;

use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use protocol::error_code::ErrorCode;
use protocol::frame;
use protocol::records::header::HEADER_BYTES;
use uuid::Uuid;

use crate::api::produce::request::{FLEXIBLE, TOPIC_IDS, claimed_count};
use crate::broker::Broker;
use crate::server::Frames;
use crate::topics::Topic;

/// What is to be done after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Reply,
    NoReply,
    Close,
}

/// The rest of one frame, taken off a connection piece by piece.
struct Body<'f, 's> {
    frames: &'f mut Frames<'s>,
    left: usize,
    is_flexible: bool,
}

/// Takes a Produce request off the connection and writes its answer.
pub(crate) fn produce(
    broker: &Broker,
    frames: &mut Frames<'_>,
    reply: &mut Vec<u8>,
) -> io::Result<Outcome> {
    let mut body = Body {
        frames,
        left: 4,
        is_flexible: false,
    };
    body.left = usize::try_from(body.i32()?).map_err(io::Error::other)?;
    let _api = body.i16()?;
    let version = body.i16()?;
    let correlation_id = body.i32()?;
    if !(3..=13).contains(&version) {
        return Ok(Outcome::Close);
    }
    let client_id = body.i16()?;
    body.skip(usize::try_from(client_id).unwrap_or(0))?;
    body.is_flexible = version >= FLEXIBLE;
    body.skip_tags()?;
    body.skip_text()?;
    let acks = body.i16()?;
    let _timeout_ms = body.i32()?;
    let topics = body.count()?;
    let mut responses = Vec::new();
    for _ in 0..topics {
        responses.push(produce_topic(broker, &mut body, version)?);
    }
    body.skip(body.left)?;
    if acks == 0 {
        return Ok(Outcome::NoReply);
    }
    let response = ProduceResponse::default().with_responses(responses);
    frame::encode_response::<ProduceRequest>(&response, version, correlation_id, reply)
        .map_err(io::Error::other)?;
    Ok(Outcome::Reply)
}

fn produce_topic(
    broker: &Broker,
    body: &mut Body<'_, '_>,
    version: i16,
) -> io::Result<TopicProduceResponse> {
    let mut response = TopicProduceResponse::default();
    let (topic, unknown) = if version >= TOPIC_IDS {
        let id = Uuid::from_slice(body.take(16)?).map_err(io::Error::other)?;
        response.topic_id = id;
        (broker.topics.by_id(id), ErrorCode::UNKNOWN_TOPIC_ID)
    } else {
        let length = body.text_length()?;
        let name = str::from_utf8(body.take(length)?)
            .map_err(io::Error::other)?
            .to_owned();
        let topic = broker.topics.by_name(&name);
        response.name = crate::api::topic_name(&name);
        (topic, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    };
    let partitions = body.count()?;
    for _ in 0..partitions {
        let answer = produce_partition(topic.as_deref(), unknown, body)?;
        response.partition_responses.push(answer);
    }
    body.skip_tags()?;
    Ok(response)
}

fn produce_partition(
    topic: Option<&Topic>,
    unknown: ErrorCode,
    body: &mut Body<'_, '_>,
) -> io::Result<PartitionProduceResponse> {
    let index = body.i32()?;
    let bytes = body.length()?;
    let head = body.take(bytes.min(HEADER_BYTES))?;
    let count = claimed_count(head);
    body.skip(bytes - bytes.min(HEADER_BYTES))?;
    body.skip_tags()?;
    let answer = PartitionProduceResponse::default().with_index(index);
    Ok(match topic.map(|topic| topic.partition(index)) {
        Some(Some(partition)) => answer
            .with_base_offset(partition.forget_records(count))
            .with_log_append_time_ms(-1)
            .with_log_start_offset(0),
        Some(None) => answer
            .with_error_code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0)
            .with_base_offset(-1),
        None => answer.with_error_code(unknown.0).with_base_offset(-1),
    })
}

impl Body<'_, '_> {
    fn spend(&mut self, count: usize) -> io::Result<()> {
        let left = self.left.checked_sub(count);
        self.left = left.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "a field does not lie inside its frame",
            )
        })?;
        Ok(())
    }

    fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        self.spend(count)?;
        self.frames.take(count)
    }

    fn skip(&mut self, count: usize) -> io::Result<()> {
        self.spend(count)?;
        self.frames.skip(count)
    }

    fn i16(&mut self) -> io::Result<i16> {
        let bytes = self.take(2)?;
        Ok(i16::from_be_bytes(
            bytes.try_into().expect("it is two bytes"),
        ))
    }

    fn i32(&mut self) -> io::Result<i32> {
        let bytes = self.take(4)?;
        Ok(i32::from_be_bytes(
            bytes.try_into().expect("it is four bytes"),
        ))
    }

    fn varint(&mut self) -> io::Result<usize> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.take(1)?[0];
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a varint is too long",
        ))
    }

    /// The length of bytes, 0 for null.
    fn length(&mut self) -> io::Result<usize> {
        if self.is_flexible {
            return Ok(self.varint()?.saturating_sub(1));
        }
        Ok(usize::try_from(self.i32()?).unwrap_or(0))
    }

    /// The count of an array, which cannot be larger than what is left.
    fn count(&mut self) -> io::Result<usize> {
        Ok(self.length()?.min(self.left))
    }

    fn text_length(&mut self) -> io::Result<usize> {
        if self.is_flexible {
            return self.length();
        }
        Ok(usize::try_from(self.i16()?).unwrap_or(0))
    }

    fn skip_text(&mut self) -> io::Result<()> {
        let length = self.text_length()?;
        self.skip(length)
    }

    fn skip_tags(&mut self) -> io::Result<()> {
        if !self.is_flexible {
            return Ok(());
        }
        let tags = self.varint()?;
        for _ in 0..tags {
            self.varint()?;
            let bytes = self.varint()?;
            self.skip(bytes)?;
        }
        Ok(())
    }
}
