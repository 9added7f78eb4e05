//! Reads a partition's log between two offsets: whole batches with good checksums, from whoever leads it.
//! Blocking.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use protocol::error_code::ErrorCode;
use protocol::hot::fetch::{FetchPartition, FetchResponse, FetchedPartition};
use protocol::records::reader::Batches;

use super::{Answer, Sent, Verification, VerifyFailure, Watch};
use crate::control::Control;
use crate::flow::ask::{Ask, End};
use crate::io::Io;

/// Bytes of an answer, but for a batch that is larger.
const ANSWER_BYTES: i32 = 2 << 20;
/// What is acknowledged may be read; after a move of the leadership the new leader may need a moment to
/// know that.
const QUIET: Duration = Duration::from_secs(5);
/// Before a broker is asked once more.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What an answer came to.
enum Step {
    /// Batches came; the next one begins at this offset.
    Moved(i64),
    /// Nothing more is there yet.
    Idle { end: i64 },
    /// The next batch is larger than was asked for.
    Larger { bytes: i32 },
    /// A batch does not have its checksum.
    Damaged(VerifyFailure),
    /// Who is asked cannot answer now.
    Again(VerifyFailure),
}

/// Reads one partition after the other.
pub(super) struct LogReader<'a> {
    job: &'a Verification,
    watch: &'a Watch,
    control: Option<Control>,
    /// Why the cluster cannot be reached: found out once.
    unreached: Option<String>,
    /// Of the partition in hand.
    leader: Option<i32>,
    answer_bytes: i32,
}

impl<'a> LogReader<'a> {
    pub(super) fn new(job: &'a Verification, watch: &'a Watch) -> Self {
        Self {
            job,
            watch,
            control: None,
            unreached: None,
            leader: None,
            answer_bytes: ANSWER_BYTES,
        }
    }

    /// Hands over what lies between the first and the last offset, until that says that it wants no more.
    pub(super) fn read(
        &mut self,
        sent: &Sent,
        hand_over: &mut dyn FnMut(Answer) -> bool,
    ) -> Result<(), VerifyFailure> {
        let partition = sent.partition;
        if sent.first_offset < 0 {
            return Ok(());
        }
        let mut control = self.connect(partition)?;
        self.leader = None;
        let read = self.read_with(&mut control, sent, hand_over);
        self.control = Some(control);
        read
    }

    fn connect(&mut self, partition: u32) -> Result<Control, VerifyFailure> {
        if let Some(control) = self.control.take() {
            return Ok(control);
        }
        if self.unreached.is_none() {
            // On this thread, which will use it.
            let connected = match Io::new(self.job.io) {
                Ok((io, _)) => {
                    Control::connect(io, self.job.client.clone(), self.job.connect_timeout)
                        .map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            match connected {
                Ok(control) => return Ok(control),
                Err(why) => self.unreached = Some(why),
            }
        }
        let why = self.unreached.clone().unwrap_or_default();
        Err(VerifyFailure::Unreached { partition, why })
    }

    fn read_with(
        &mut self,
        control: &mut Control,
        sent: &Sent,
        hand_over: &mut dyn FnMut(Answer) -> bool,
    ) -> Result<(), VerifyFailure> {
        let Sent {
            partition,
            last_offset: last,
            ..
        } = *sent;
        let mut offset = sent.first_offset;
        let mut damaged_at = None;
        let mut news = control.now();
        while offset <= last {
            if self.watch.stop.load(Ordering::Relaxed) {
                return Err(VerifyFailure::Stopped { partition });
            }
            let mut is_wanted = true;
            let step = self.step(control, sent, offset, &mut |answer| {
                is_wanted = hand_over(answer);
            })?;
            if !is_wanted {
                return Ok(());
            }
            match step {
                Step::Moved(next) => {
                    offset = next;
                    news = control.now();
                }
                Step::Larger { bytes } => self.answer_bytes = bytes,
                Step::Damaged(failure) if damaged_at == Some(offset) => return Err(failure),
                // It may have been altered on its way.
                Step::Damaged(_) => damaged_at = Some(offset),
                Step::Idle { end } if control.now() >= news + QUIET => {
                    let end = end.max(offset);
                    return Err(VerifyFailure::Ends {
                        partition,
                        end,
                        last,
                    });
                }
                Step::Idle { .. } => pause(control, partition)?,
                Step::Again(failure) if self.is_over(control.now(), news) => return Err(failure),
                Step::Again(failure) => {
                    tracing::info!("asking again: {failure}");
                    self.leader = None;
                    pause(control, partition)?;
                }
            }
        }
        Ok(())
    }

    fn is_over(&self, now: Instant, news: Instant) -> bool {
        now >= news + self.job.timeout
    }

    fn step(
        &mut self,
        control: &mut Control,
        sent: &Sent,
        offset: i64,
        hand_over: &mut dyn FnMut(Answer),
    ) -> Result<Step, VerifyFailure> {
        let partition = sent.partition;
        let leader = match self.leader {
            Some(leader) => leader,
            None => match self.find_leader(control, partition)? {
                Ok(leader) => leader,
                Err(failure) => return Ok(Step::Again(failure)),
            },
        };
        self.leader = Some(leader);
        let ask = Ask {
            topic: &self.job.topic,
            topic_id: self.job.topic_id,
            leader,
        };
        let wanted = FetchPartition {
            partition: partition.cast_signed(),
            current_leader_epoch: -1,
            fetch_offset: offset,
            last_fetched_epoch: -1,
            bytes_max: self.answer_bytes,
        };
        let (version, body) = match ask.fetch(control, &[wanted], self.answer_bytes) {
            Ok(answer) => answer,
            Err(error) => return Ok(Step::Again(VerifyFailure::Control { partition, error })),
        };
        let malformed = |why: String| {
            Ok(Step::Again(VerifyFailure::Damaged {
                partition,
                offset,
                why,
            }))
        };
        let response = match FetchResponse::read(version, &body) {
            Ok(response) => response,
            Err(error) => return malformed(error.to_string()),
        };
        let fetched = match response.partitions().next() {
            Some(fetched) if fetched.partition == partition.cast_signed() => fetched,
            None if !response.error.is_none() => {
                let error = response.error;
                return Ok(Step::Again(VerifyFailure::Refused { partition, error }));
            }
            _ => return malformed("the answer is of another partition".to_owned()),
        };
        if fetched.error == ErrorCode::OFFSET_OUT_OF_RANGE {
            return out_of_range(control, &ask, sent, offset);
        }
        let (step, good_bytes) = walk(sent, offset, &fetched)?;
        if good_bytes > 0 {
            hand_over(Answer {
                version,
                body,
                good_bytes,
            });
        }
        Ok(step)
    }

    fn find_leader(
        &self,
        control: &mut Control,
        partition: u32,
    ) -> Result<Result<i32, VerifyFailure>, VerifyFailure> {
        let response = match control.metadata(&self.job.topic) {
            Ok(response) => response,
            Err(error) => return Ok(Err(VerifyFailure::Control { partition, error })),
        };
        let refused = |error| VerifyFailure::Refused { partition, error };
        let topic = response.topics.first().cloned().unwrap_or_default();
        let error = ErrorCode(topic.error_code);
        if !error.is_none() && !error.is_retriable() {
            return Err(refused(error));
        }
        let id = *topic.topic_id.as_bytes();
        if error.is_none() && id != self.job.topic_id {
            // Made anew under the same name.
            return Err(refused(ErrorCode::INCONSISTENT_TOPIC_ID));
        }
        let mut partitions = topic.partitions.iter();
        let known = partitions.find(|known| known.partition_index == partition.cast_signed());
        Ok(match known.map(|known| known.leader_id.0) {
            Some(leader) if leader >= 0 => Ok(leader),
            _ if !error.is_none() => Err(refused(error)),
            _ => Err(refused(ErrorCode::LEADER_NOT_AVAILABLE)),
        })
    }
}

fn pause(control: &mut Control, partition: u32) -> Result<(), VerifyFailure> {
    let paused = control.pause(ASK_AGAIN_AFTER);
    paused.map_err(|error| VerifyFailure::Control { partition, error })
}

/// The whole batches with good checksums at the front of the records, and how many bytes they are.
fn walk(
    sent: &Sent,
    offset: i64,
    fetched: &FetchedPartition<'_>,
) -> Result<(Step, usize), VerifyFailure> {
    let partition = sent.partition;
    let error = fetched.error;
    if !error.is_none() {
        let failure = VerifyFailure::Refused { partition, error };
        return if error.is_retriable() {
            Ok((Step::Again(failure), 0))
        } else {
            Err(failure)
        };
    }
    let (mut next, mut good_bytes) = (offset, 0);
    let mut batches = Batches::new(fetched.records);
    for batch in &mut batches {
        let checked = batch.and_then(|batch| batch.check_crc().map(|()| batch));
        match checked {
            Ok(batch) => {
                good_bytes = batch.position() + batch.bytes().len();
                next = next.max(batch.header().last_offset().saturating_add(1));
            }
            // What is good before it is taken; then it is asked for again, alone.
            Err(_) if next > offset => return Ok((Step::Moved(next), good_bytes)),
            Err(error) => {
                let failure = VerifyFailure::Damaged {
                    partition,
                    offset,
                    why: error.to_string(),
                };
                return Ok((Step::Damaged(failure), 0));
            }
        }
    }
    if next > offset {
        return Ok((Step::Moved(next), good_bytes));
    }
    let needed = batches.partial().and_then(|partial| partial.needed);
    Ok(match needed.and_then(|bytes| i32::try_from(bytes).ok()) {
        Some(bytes) if bytes as usize > fetched.records.len() => (Step::Larger { bytes }, 0),
        _ => {
            let end = fetched.high_watermark;
            (Step::Idle { end }, 0)
        }
    })
}

/// The log does not hold the offset: it begins behind it, or ends before.
fn out_of_range(
    control: &mut Control,
    ask: &Ask<'_>,
    sent: &Sent,
    offset: i64,
) -> Result<Step, VerifyFailure> {
    let Sent {
        partition,
        first_offset: first,
        last_offset: last,
        ..
    } = *sent;
    let mut failure = VerifyFailure::Refused {
        partition,
        error: ErrorCode::OFFSET_OUT_OF_RANGE,
    };
    for end in [End::Earliest, End::Latest] {
        match (end, ask.end(control, partition, end)) {
            (End::Earliest, Ok(Some(Ok(begin)))) if begin > offset => {
                return Err(VerifyFailure::Gone {
                    partition,
                    begin,
                    first,
                });
            }
            (End::Latest, Ok(Some(Ok(end)))) if end < offset => {
                return Err(VerifyFailure::Ends {
                    partition,
                    end,
                    last,
                });
            }
            (_, Ok(Some(Err(error)))) => failure = VerifyFailure::Refused { partition, error },
            (_, Err(error)) => failure = VerifyFailure::Control { partition, error },
            (_, Ok(_)) => {}
        }
    }
    Ok(Step::Again(failure))
}
