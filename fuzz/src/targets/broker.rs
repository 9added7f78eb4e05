//! What the embedded broker is asked.

use std::cell::RefCell;
use std::sync::Arc;

use ::broker::{Broker, Clock, Config, Handled, Session, Storage};
use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{ApiKey, CreateTopicsRequest, ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use protocol::frame::{SIZE_BYTES, decode_request, encode_request, read_request};

use super::records::sum_up;
use super::samples;

/// Requests that one broker is asked, before a new one takes its place: what was taken is kept.
const REQUESTS_MAX: u32 = 500;

thread_local! {
    static SERVED: RefCell<Option<Served>> = const { RefCell::new(None) };
}

struct Served {
    session: Session,
    reply: Vec<u8>,
    requests: u32,
}

impl Served {
    fn new() -> Self {
        let mut config = Config::new(Storage::Memory);
        // What is asked for must be there: a claim alone would make something.
        config.auto_create_topics = false;
        let broker: Arc<Broker> =
            Broker::with_clock(config, Clock::manual(1_000_000)).expect("nothing is on disk");
        let mut served = Self {
            session: broker.session(),
            reply: Vec::new(),
            requests: 0,
        };
        let topic = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_static_str("t")))
            .with_num_partitions(2)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let mut frame = Vec::new();
        encode_request(&request, 5, 1, "", &mut frame).expect("it can be said");
        assert!(served.handle(&frame[SIZE_BYTES..]), "the topic is made");
        served
    }

    /// Whether it was answered.
    fn handle(&mut self, frame: &[u8]) -> bool {
        self.requests += 1;
        match self.session.handle(frame, &mut self.reply) {
            Handled::Reply => {
                let (size, rest) = self.reply.split_first_chunk().expect("an answer");
                assert_eq!(u32::from_be_bytes(*size) as usize, rest.len());
                true
            }
            Handled::Close => {
                assert!(self.reply.is_empty());
                false
            }
            Handled::ReplyAfter(_) | Handled::NoReply | Handled::Wait(_) | Handled::Silence => true,
        }
    }
}

fn serve(frame: &[u8]) -> bool {
    SERVED.with_borrow_mut(|served| {
        let is_done = served
            .as_ref()
            .is_some_and(|served| served.requests >= REQUESTS_MAX);
        if is_done {
            *served = None;
        }
        served.get_or_insert_with(Served::new).handle(frame)
    })
}

/// A request's frame without its length: an answer or the end of the connection.
pub(super) mod served {
    use super::*;

    pub(in super::super) fn run(frame: &[u8]) -> bool {
        serve(frame)
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let frames = samples::requests().into_iter();
        frames.map(|frame| frame[SIZE_BYTES..].to_vec()).collect()
    }
}

/// A Produce request whose batches say their CRCs rightly: what they hold is looked into.
pub(super) mod produced {
    use super::*;

    pub(in super::super) fn run(frame: &[u8]) -> bool {
        let mut frame = frame.to_vec();
        let Ok(head) = read_request(&frame) else {
            return false;
        };
        if head.api_key != ApiKey::Produce as i16 {
            return false;
        }
        let (version, body) = (head.version, Bytes::copy_from_slice(head.body));
        let body_at = frame.len() - body.len();
        let Ok(request) = decode_request::<ProduceRequest>(version, body.clone()) else {
            return false;
        };
        let topics = request.topic_data.iter();
        for partition in topics.flat_map(|topic| &topic.partition_data) {
            if let Some(records) = &partition.records {
                let at = body_at + (records.as_ptr().addr() - body.as_ptr().addr());
                sum_up(&mut frame[at..at + records.len()]);
            }
        }
        serve(&frame)
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let frames = samples::requests().into_iter();
        let produce = frames.filter(|frame| frame[SIZE_BYTES..SIZE_BYTES + 2] == [0, 0]);
        produce.map(|frame| frame[SIZE_BYTES..].to_vec()).collect()
    }
}
