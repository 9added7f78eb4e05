//! The fetcher over virtual time: brokers are functions that answer what is asked.

use kafka_protocol::messages::ListOffsetsResponse;
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData,
};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ApiKey, BrokerId, FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::{Encodable, StrBytes};

use super::*;
use crate::frame::{decode_request, read_request};
use crate::records::builder::{BatchBuilder, Identity, Record};
use crate::records::header::{Attributes, BatchHeader, HEADER_BYTES};

const ID: [u8; 16] = [7; 16];
const ONE: (usize, usize) = (0, 1);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can be had in no other way"
)]
fn start() -> Instant {
    Instant::now()
}

/// Records at these offsets, in one batch of a leader epoch.
fn batch(base: i64, count: u32, epoch: i32) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let mut builder = BatchBuilder::new(&mut buffer, 5);
    for _ in 0..count {
        let record = Record {
            timestamp: 5,
            key: None,
            value: Some(b"value"),
            headers: &[],
        };
        builder.write_record(&record).unwrap();
    }
    let (bytes, _) = builder.finish(Identity::NONE);
    buffer.truncate(bytes);
    buffer[..8].copy_from_slice(&base.to_be_bytes());
    buffer[12..16].copy_from_slice(&epoch.to_be_bytes());
    buffer
}

/// An answer for partition 0 of the topic.
fn data(records: &[u8], high_watermark: i64) -> PartitionData {
    PartitionData::default()
        .with_partition_index(0)
        .with_high_watermark(high_watermark)
        .with_last_stable_offset(high_watermark)
        .with_log_start_offset(0)
        .with_records(Some(records.to_vec().into()))
}

fn error(error: ErrorCode) -> PartitionData {
    data(&[], -1).with_error_code(error.0)
}

fn body(partitions: Vec<PartitionData>) -> Vec<u8> {
    let topic = FetchableTopicResponse::default()
        .with_topic_id(uuid::Uuid::from_bytes(ID))
        .with_partitions(partitions);
    let mut bytes = Vec::new();
    let response = FetchResponse::default().with_responses(vec![topic]);
    response.encode(&mut bytes, 17).unwrap();
    bytes
}

/// A fetcher of partition 0, led by broker 1, at offset 10.
struct Scene {
    now: Instant,
    fetcher: Fetcher,
    index: PartitionIndex,
}

impl Scene {
    fn new(settings: FetcherSettings, end: Option<i64>) -> Self {
        let now = start();
        let mut fetcher = Fetcher::new(settings, 1);
        let topic = fetcher.add_topic("t", ID);
        let index = fetcher.add_partition(now, topic, 0, Position::at(10), end);
        let mut scene = Self {
            now,
            fetcher,
            index,
        };
        scene.led_by(1, 5);
        scene
    }

    fn usual() -> Self {
        Self::new(FetcherSettings::default(), Some(100))
    }

    fn led_by(&mut self, leader_id: i32, leader_epoch: i32) {
        let hint = LeaderHint {
            leader_id,
            leader_epoch,
        };
        self.fetcher.handle_leader(self.now, self.index, Some(hint));
    }

    fn poll(&mut self) -> Option<FetchId> {
        self.fetcher.poll_fetch(self.now, 1, ONE)
    }

    /// What the next request asks for of partition 0: offset, last epoch, leader epoch.
    #[track_caller]
    fn asked(&mut self) -> (FetchId, (i64, i32, i32)) {
        let id = self.poll().expect("something is due");
        let mut bytes = Vec::new();
        self.fetcher.write(id, 17, 3, &mut bytes);
        let frame = read_request(&bytes[4..]).unwrap();
        assert_eq!(
            (frame.api_key, frame.correlation_id),
            (ApiKey::Fetch as i16, 3)
        );
        let request: FetchRequest = decode_request(17, frame.body).unwrap();
        let partition = &request.topics[0].partitions[0];
        let said = (
            partition.fetch_offset,
            partition.last_fetched_epoch,
            partition.current_leader_epoch,
        );
        (id, said)
    }

    fn answer(&mut self, id: FetchId, data: PartitionData) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let body = body(vec![data]);
        self.fetcher
            .handle_response(self.now, id, 17, &body, &mut pieces)
            .unwrap();
        pieces
    }

    /// Asks, and is answered.
    #[track_caller]
    fn exchange(&mut self, data: PartitionData) -> Vec<Piece> {
        let (id, _) = self.asked();
        self.answer(id, data)
    }

    fn events(&mut self) -> Vec<FetchEvent> {
        std::iter::from_fn(|| self.fetcher.poll_event()).collect()
    }

    #[track_caller]
    fn failure(&mut self) -> FetchFailure {
        let stopped = self.events().into_iter().find_map(|event| match event {
            FetchEvent::Stopped { failure, .. } => Some(failure),
            _ => None,
        });
        assert!(self.fetcher.is_all_done());
        stopped.expect("it stopped")
    }

    fn offset(&self) -> i64 {
        self.fetcher.position(self.index).offset
    }

    /// The ends of the log, asked for one after the other.
    #[track_caller]
    fn locate(&mut self, start: i64, end: i64) {
        for (timestamp, offset) in [(-2, start), (-1, end)] {
            assert!(self.poll().is_none(), "not before it is known where");
            let polled = self.fetcher.poll_offsets(self.now, 1, ONE);
            let (id, request) = polled.expect("the ends are asked for");
            let asked = &request.topics[0].partitions[0];
            assert_eq!((asked.partition_index, asked.timestamp), (0, timestamp));
            let partition = ListOffsetsPartitionResponse::default().with_offset(offset);
            let topic = ListOffsetsTopicResponse::default()
                .with_name(TopicName(StrBytes::from_static_str("t")))
                .with_partitions(vec![partition]);
            let response = ListOffsetsResponse::default().with_topics(vec![topic]);
            self.fetcher.handle_offsets(self.now, id, &response);
        }
    }
}

#[test]
fn the_next_request_begins_behind_the_last_whole_batch() {
    let mut scene = Scene::usual();
    let (id, said) = scene.asked();
    assert_eq!(said, (10, -1, 5));
    assert!(scene.poll().is_none(), "one at a time");
    let mut records = [batch(8, 5, 3), batch(13, 4, 4)].concat();
    let whole = records.len();
    records.extend(&batch(17, 9, 4)[..70]);
    let pieces = scene.answer(id, data(&records, 50));
    let [piece] = &pieces[..] else {
        panic!("one partition, one piece");
    };
    assert_eq!(
        (piece.continues, piece.from, piece.end),
        (10, 10, Some(100))
    );
    assert_eq!(piece.range.len(), whole, "the cut one is left");
    let next = Position {
        offset: 17,
        epoch: 4,
    };
    assert_eq!(piece.next, next);
    assert_eq!(scene.fetcher.lag(scene.index), Some(33));
    assert_eq!(
        scene.asked().1,
        (17, 4, 5),
        "the epoch of the record before goes along"
    );
}

#[test]
fn it_ends_at_its_end_and_not_before() {
    let mut scene = Scene::new(FetcherSettings::default(), Some(15));
    let pieces = scene.exchange(data(&[batch(10, 3, 1), batch(13, 9, 1)].concat(), 22));
    assert_eq!(pieces[0].end, Some(15));
    assert!(scene.fetcher.is_all_done() && scene.poll().is_none());
    // A gap reaches over the end: nothing is wanted, and it is done.
    let mut scene = Scene::new(FetcherSettings::default(), Some(15));
    let pieces = scene.exchange(data(&batch(20, 3, 1), 23));
    assert_eq!((pieces[0].range.len(), pieces[0].next.offset), (0, 15));
    assert!(scene.fetcher.is_all_done());
    // Nothing to be read from the start.
    let scene = Scene::new(FetcherSettings::default(), Some(10));
    assert!(scene.fetcher.is_all_done());
}

#[test]
fn answers_to_another_offset_or_about_something_else_do_not_count() {
    let mut scene = Scene::usual();
    let pieces = scene.exchange(data(&batch(10, 5, 1), 50));
    let (id, _) = scene.asked();
    // What was given out turns out to be damaged: the request under way asks for the wrong place.
    let at = Position::at(12);
    scene
        .fetcher
        .handle_corrupt(pieces[0].partition, at, &"bad");
    let late = scene.answer(id, data(&batch(15, 5, 1), 50));
    assert!(late.is_empty());
    let (id, said) = scene.asked();
    assert_eq!(said, (12, -1, 5));
    let other = data(&batch(10, 5, 1), 50).with_partition_index(9);
    assert!(scene.answer(id, other).is_empty());
    assert_eq!(scene.offset(), 12);
    let again = {
        scene.now += ms(1_000);
        scene.exchange(data(&batch(10, 5, 1), 50))
    };
    assert_eq!((again[0].continues, again[0].from), (12, 12));
}

#[test]
fn a_damaged_batch_is_fetched_once_more_and_then_stops_its_partition() {
    let mut scene = Scene::usual();
    let pieces = scene.exchange(data(&batch(10, 5, 1), 50));
    scene
        .fetcher
        .handle_corrupt(pieces[0].partition, Position::at(10), &"bad sum");
    assert_eq!(scene.asked().1.0, 10);
    scene
        .fetcher
        .handle_corrupt(pieces[0].partition, Position::at(10), &"bad sum");
    let failure = scene.failure();
    let text = "the batch at offset 10 cannot be read: bad sum; it was fetched twice";
    assert_eq!(failure.to_string(), text);
}

#[test]
fn headers_that_make_no_sense_are_damage_too() {
    let mut backwards = [batch(10, 5, 1), batch(12, 5, 1)].concat();
    let mut magic = batch(10, 5, 1);
    magic[16] = 1;
    for (records, before) in [(&mut backwards, 15), (&mut magic, 10)] {
        let mut scene = Scene::usual();
        scene.exchange(data(records, 50));
        assert_eq!(scene.offset(), before, "what was whole counts");
        let (id, said) = scene.asked();
        assert_eq!(said.0, before);
        let rest = if before == 15 {
            &records[records.len() / 2..]
        } else {
            &records[..]
        };
        scene.answer(id, data(rest, 50));
        let failure = scene.fetcher.poll_event();
        let is_stop = matches!(failure, Some(FetchEvent::Stopped { .. }));
        assert_eq!(is_stop, before == 10, "{failure:?}");
    }
}

#[test]
fn a_batch_that_does_not_come_whole_is_asked_for_with_more_room() {
    let settings = FetcherSettings {
        partition_bytes_max: 10,
        ..FetcherSettings::default()
    };
    let mut scene = Scene::new(settings, Some(100));
    let whole = batch(10, 20, 1);
    assert!(scene.exchange(data(&whole[..80], 50)).is_empty());
    let id = scene.poll().unwrap();
    let mut bytes = Vec::new();
    scene.fetcher.write(id, 17, 0, &mut bytes);
    let frame = read_request(&bytes[4..]).unwrap();
    let request: FetchRequest = decode_request(17, frame.body).unwrap();
    let asked = request.topics[0].partitions[0].partition_max_bytes;
    assert_eq!(asked as usize, whole.len());
}

#[test]
fn errors_that_pass_are_tried_again_after_a_growing_pause() {
    for passing in [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
        ErrorCode::UNKNOWN_TOPIC_ID,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::OFFSET_NOT_AVAILABLE,
    ] {
        let mut scene = Scene::usual();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            assert!(scene.exchange(error(passing)).is_empty());
            assert!(scene.poll().is_none(), "{passing}: not at once");
            assert!(scene.events().contains(&FetchEvent::RefreshMetadata));
            let at = scene.fetcher.poll_timeout().unwrap();
            pauses.push(at - scene.now);
            scene.now = at;
        }
        assert!(pauses[0] >= ms(80) && pauses[0] <= ms(120), "{pauses:?}");
        assert!(pauses[5] >= ms(800) && pauses[5] <= ms(1_200), "{pauses:?}");
        assert_eq!(
            scene.exchange(data(&batch(10, 5, 1), 50)).len(),
            1,
            "{passing}"
        );
        assert!(scene.poll().is_some(), "no pause behind a success");
    }
}

#[test]
fn what_never_passes_ends() {
    let mut scene = Scene::usual();
    let begun = scene.now;
    while !scene.fetcher.is_all_done() {
        scene.now += ms(100);
        assert!(scene.now < begun + ms(70_000), "it ends");
        scene.fetcher.handle_timeout(scene.now);
        if scene.fetcher.has_work(scene.now, 1, ONE) {
            scene.exchange(error(ErrorCode::UNKNOWN_TOPIC_ID));
        }
    }
    let failure = scene.failure().to_string();
    assert!(
        failure.starts_with("nothing could be read for 60 s: broker 1 answers UNKNOWN_TOPIC_ID")
    );
    assert!(scene.now >= begun + ms(60_000));
}

#[test]
fn an_error_that_does_not_pass_stops_at_once() {
    let mut scene = Scene::usual();
    scene.exchange(error(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    let error = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    assert_eq!(scene.failure(), FetchFailure::Refused { error });
}

#[test]
fn a_new_leader_is_asked_without_a_pause_and_hints_are_told() {
    let mut scene = Scene::usual();
    let leader = LeaderIdAndEpoch::default()
        .with_leader_id(BrokerId(2))
        .with_leader_epoch(6);
    let moved = error(ErrorCode::NOT_LEADER_OR_FOLLOWER).with_current_leader(leader);
    scene.exchange(moved);
    let hint = LeaderHint {
        leader_id: 2,
        leader_epoch: 6,
    };
    let partition = scene.index;
    assert!(
        scene
            .events()
            .contains(&FetchEvent::Leader { partition, hint })
    );
    scene.led_by(2, 6);
    assert!(
        scene.poll().is_none(),
        "broker 1 has nothing to say any more"
    );
    assert!(scene.fetcher.poll_fetch(scene.now, 2, ONE).is_some());
}

#[test]
fn a_lost_connection_costs_the_answer_and_nothing_else() {
    let mut scene = Scene::usual();
    let (id, _) = scene.asked();
    scene.fetcher.handle_lost(scene.now, id);
    assert_eq!(scene.events(), [FetchEvent::RefreshMetadata]);
    assert_eq!(scene.asked().1.0, 10);
}

#[test]
fn offsets_that_are_gone_stop_it_or_are_reset() {
    let run = |reset, start: i64, end: i64| {
        let settings = FetcherSettings {
            reset,
            ..FetcherSettings::default()
        };
        let mut scene = Scene::new(settings, None);
        scene.exchange(error(ErrorCode::OFFSET_OUT_OF_RANGE));
        scene.locate(start, end);
        scene
    };
    let below = FetchFailure::BelowStart {
        offset: 10,
        start: 20,
    };
    assert_eq!(run(OffsetReset::Fail, 20, 30).failure(), below);
    let behind = FetchFailure::BehindEnd { offset: 10, end: 7 };
    assert_eq!(run(OffsetReset::Fail, 0, 7).failure(), behind);
    for (reset, to) in [(OffsetReset::Earliest, 20), (OffsetReset::Latest, 30)] {
        let mut scene = run(reset, 20, 30);
        let partition = scene.index;
        let from = 10;
        assert_eq!(
            scene.events(),
            [FetchEvent::Reset {
                partition,
                from,
                to
            }]
        );
        let pieces = scene.exchange(data(&batch(to, 5, 1), 50));
        assert_eq!(
            (pieces[0].continues, pieces[0].from),
            (10, to),
            "after what came before"
        );
    }
    // It is there by now: a leader elected just now did not know its end.
    let mut scene = run(OffsetReset::Fail, 0, 30);
    assert_eq!(scene.asked().1.0, 10);
}

#[test]
fn a_truncated_log_is_found_out() {
    let part = EpochEndOffset::default().with_epoch(3).with_end_offset(12);
    let diverging = || data(&[], 12).with_diverging_epoch(part.clone());
    let mut scene = Scene::usual();
    scene.exchange(data(&batch(10, 5, 4), 50));
    let (id, said) = scene.asked();
    assert_eq!(said, (15, 4, 5));
    assert!(scene.answer(id, diverging()).is_empty());
    let truncated = FetchFailure::Truncated {
        offset: 15,
        epoch: 4,
        at: 12,
    };
    assert_eq!(scene.failure(), truncated);
    let settings = FetcherSettings {
        reset: OffsetReset::Latest,
        ..FetcherSettings::default()
    };
    let mut scene = Scene::new(settings, None);
    scene.exchange(data(&batch(10, 5, 4), 50));
    scene.exchange(diverging());
    assert_eq!(
        scene.asked().1,
        (12, 3, 5),
        "where the logs part, whatever the policy says"
    );
}

#[test]
fn a_log_that_stays_short_of_its_end_is_told() {
    let mut scene = Scene::usual();
    let begun = scene.now;
    while !scene.fetcher.is_all_done() {
        scene.exchange(data(&[], 10));
        scene.now += ms(500);
        scene.fetcher.handle_timeout(scene.now);
        assert!(scene.now < begun + ms(70_000), "it ends");
    }
    let short = FetchFailure::Short {
        end: 100,
        found: 10,
    };
    assert_eq!(scene.failure(), short);
}

#[test]
fn aborted_transactions_come_with_their_piece_where_they_are_asked_for() {
    let aborted = AbortedTransaction::default()
        .with_producer_id(9.into())
        .with_first_offset(10);
    for isolation in [
        IsolationLevel::ReadCommitted,
        IsolationLevel::ReadUncommitted,
    ] {
        let settings = FetcherSettings {
            isolation,
            ..FetcherSettings::default()
        };
        let mut scene = Scene::new(settings, None);
        let answer = data(&batch(10, 5, 1), 50)
            .with_last_stable_offset(15)
            .with_aborted_transactions(Some(vec![aborted.clone()]));
        let pieces = scene.exchange(answer);
        let is_committed = isolation == IsolationLevel::ReadCommitted;
        assert_eq!(pieces[0].aborted.is_some(), is_committed);
        let lag = if is_committed { 0 } else { 35 };
        assert_eq!(
            scene.fetcher.lag(scene.index),
            Some(lag),
            "what may be read ends there"
        );
    }
}

#[test]
fn who_got_records_is_asked_last_and_few_that_have_many_at_a_time() {
    let now = start();
    let mut fetcher = Fetcher::new(FetcherSettings::default(), 1);
    let topic = fetcher.add_topic("t", ID);
    let hint = LeaderHint {
        leader_id: 1,
        leader_epoch: 1,
    };
    for number in 0..20 {
        let index = fetcher.add_partition(now, topic, number, Position::at(0), None);
        fetcher.handle_leader(now, index, Some(hint));
    }
    let asked = |fetcher: &mut Fetcher, lane| {
        let id = fetcher.poll_fetch(now, 1, lane).unwrap();
        let mut bytes = Vec::new();
        fetcher.write(id, 17, 0, &mut bytes);
        let frame = read_request(&bytes[4..]).unwrap();
        let request: FetchRequest = decode_request(17, frame.body).unwrap();
        let partitions = request.topics[0].partitions.iter();
        (id, partitions.map(|p| p.partition).collect::<Vec<_>>())
    };
    let (id, first) = asked(&mut fetcher, (0, 1));
    assert_eq!(
        first,
        (0..20).collect::<Vec<_>>(),
        "nothing is known of any"
    );
    let mut answers: Vec<PartitionData> = (0..20)
        .map(|number| data(&[], 1_000).with_partition_index(number))
        .collect();
    answers[0] = data(&batch(0, 5, 1), 1_000);
    let mut pieces = Vec::new();
    fetcher
        .handle_response(now, id, 17, &body(answers), &mut pieces)
        .unwrap();
    assert_eq!(pieces.len(), 1);
    let (id, second) = asked(&mut fetcher, (0, 1));
    assert_eq!(
        second,
        (1..9).collect::<Vec<_>>(),
        "as many as fill an answer"
    );
    fetcher.handle_lost(now, id);
    let (_, odd) = asked(&mut fetcher, (1, 2));
    assert_eq!(
        odd,
        [1, 3, 5, 7, 9, 11, 13, 15],
        "a partition stays on its connection"
    );
}

#[test]
fn an_answer_that_cannot_be_read_costs_a_pause() {
    let mut scene = Scene::usual();
    let (id, _) = scene.asked();
    let mut pieces = Vec::new();
    let result = scene
        .fetcher
        .handle_response(scene.now, id, 17, &[1, 2, 3], &mut pieces);
    assert!(result.is_err() && pieces.is_empty());
    assert!(scene.poll().is_none());
    scene.now += ms(200);
    assert_eq!(scene.asked().1.0, 10);
}

/// Whatever answers come, offsets that are given out follow each other, and nothing hangs or panics.
#[test]
fn any_answers_give_offsets_that_follow_each_other() {
    let mut random = 88_172_645_463_325_252_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for _ in 0..2_000 {
        let mut scene = Scene::new(FetcherSettings::default(), Some(60));
        let mut expected = 10;
        for _ in 0..20 {
            if scene.fetcher.is_all_done() {
                break;
            }
            if let Some((id, _)) = scene.fetcher.poll_offsets(scene.now, 1, ONE) {
                scene.fetcher.handle_lost(scene.now, id);
            }
            let Some(id) = scene.poll() else {
                scene.now += ms(500);
                continue;
            };
            let answer = match next(6) {
                0 => error(ErrorCode(i16::try_from(next(120)).unwrap())),
                1 => data(&[], i64::try_from(next(70)).unwrap()),
                _ => {
                    let mut base = scene.offset() - i64::try_from(next(3)).unwrap();
                    let mut records = Vec::new();
                    for _ in 0..next(4) {
                        let count = 1 + u32::try_from(next(6)).unwrap();
                        records.extend(batch(base.max(0), count, 1));
                        base = base.max(0) + i64::from(count) + i64::try_from(next(3)).unwrap();
                    }
                    if next(4) == 0 && !records.is_empty() {
                        let at = usize::try_from(next(records.len() as u64)).unwrap();
                        records[at] ^= 1 << next(8);
                    }
                    records.truncate(
                        records
                            .len()
                            .saturating_sub(usize::try_from(next(90)).unwrap()),
                    );
                    data(&records, 60)
                }
            };
            for piece in scene.answer(id, answer) {
                assert_eq!((piece.continues, piece.from), (expected, expected));
                assert!(piece.next.offset > expected, "forward");
                expected = piece.next.offset;
                if next(8) == 0 {
                    expected -= 1;
                    let at = Position::at(expected);
                    scene.fetcher.handle_corrupt(piece.partition, at, &"bad");
                }
            }
        }
    }
}

/// The header bits that this file sets by hand are where it thinks they are.
#[test]
fn the_batches_of_these_tests_are_batches() {
    let bytes = batch(77, 3, 9);
    let header = BatchHeader::read(&bytes[..HEADER_BYTES]).unwrap();
    let said = (
        header.base_offset,
        header.partition_leader_epoch,
        header.last_offset(),
    );
    assert_eq!(said, (77, 9, 79));
    assert_eq!(header.attributes, Attributes(0));
}
