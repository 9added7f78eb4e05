//! One connection through the proxy: two pumps, a fate, and an end.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use protocol::frame::SIZE_BYTES;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};

use super::alter::{self, Asked};
use super::fate::{Ending, Fate, Kind, Pace, Trouble};
use super::{Shared, lock};
use crate::kafka::lines::Random;

/// No frame of the tests is larger.
const FRAME_BYTES_MAX: usize = 128 << 20;
/// How long one who does not read is waited for.
const WRITE_LIMIT: Duration = Duration::from_secs(20);
/// How long a client may hold on to a connection that has vanished.
const VANISHED_LIMIT: Duration = Duration::from_secs(120);
/// A window through which bytes come slowly.
const SMALL_WINDOW: usize = 2_048;

/// The connection is at its end: nothing passes any more.
struct Over;

pub(super) struct Connection<'a> {
    client: TcpStream,
    broker: TcpStream,
    fate: Fate,
    deadline: Option<Instant>,
    shared: &'a Arc<Shared>,
    /// Requests without an answer, oldest first.
    asked: Mutex<VecDeque<Asked>>,
    random: Mutex<Random>,
    end: Mutex<End>,
    /// Its other end closes at the connection's end.
    ended: UnixStream,
}

struct End {
    ending: Option<Ending>,
    wake: Option<UnixStream>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(
        client: TcpStream,
        broker: TcpStream,
        fate: Fate,
        random: Random,
        shared: &'a Arc<Shared>,
    ) -> Self {
        for stream in [&client, &broker] {
            // A peer that is gone already does not mind.
            drop(stream.set_nodelay(true));
            stream
                .set_write_timeout(Some(WRITE_LIMIT))
                .expect("the limit is not zero");
        }
        let (wake, ended) = UnixStream::pair().expect("a pair of sockets is to be had");
        Self {
            client,
            broker,
            deadline: fate.life.map(|life| Instant::now() + life),
            fate,
            shared,
            asked: Mutex::default(),
            random: Mutex::new(random),
            end: Mutex::new(End {
                ending: None,
                wake: Some(wake),
            }),
            ended,
        }
    }

    /// Until its end. Both streams are closed by then.
    pub(super) fn run(self) {
        if matches!(self.fate.trouble, Trouble::Refused) {
            self.count(Kind::Refused);
            self.end(Ending::Reset);
        } else {
            thread::scope(|scope| {
                scope.spawn(|| self.pump_answers());
                self.pump_requests();
            });
        }
        let ending = lock(&self.end).ending;
        match ending.expect("a pump ends only with the connection") {
            Ending::Closed => {}
            Ending::Reset => {
                // What is not sent yet is thrown away, and the client reads a reset.
                set_socket_linger(&self.client, Some(Duration::ZERO)).expect("it is a socket");
            }
            Ending::Vanished => self.wait_until_given_up(),
        }
    }

    fn count(&self, kind: Kind) {
        lock(&self.shared.tally).count(kind);
    }

    /// Ends it, unless it has ended. The first one says how.
    fn end(&self, ending: Ending) -> Over {
        let mut end = lock(&self.end);
        if end.ending.is_none() {
            end.ending = Some(ending);
            end.wake = None;
        }
        Over
    }

    /// Ends it by its fate.
    fn strike(&self, kind: Kind) -> Over {
        let is_first = lock(&self.end).ending.is_none();
        if is_first {
            self.count(kind);
            lock(&self.shared.tally).count_ending(self.fate.ending);
        }
        self.end(self.fate.ending)
    }

    fn pump_requests(&self) {
        let mut frame = Vec::new();
        let mut produced = 0;
        if matches!(self.fate.trouble, Trouble::SlowRequests(_)) {
            self.narrow(&self.client);
        }
        for number in 0.. {
            let passed = self.read_frame(&self.client, &mut frame).and_then(|()| {
                let asked = Asked::read(&frame);
                let mut order = lock(&self.asked);
                order.push_back(asked);
                drop(order);
                self.pass_request(number, &mut produced, &mut frame)
            });
            if passed.is_err() {
                return;
            }
        }
    }

    fn pass_request(
        &self,
        number: usize,
        produced: &mut usize,
        frame: &mut [u8],
    ) -> Result<(), Over> {
        match self.fate.trouble {
            Trouble::CutRequest { frame: cut, at } if cut == number => {
                self.write(&self.broker, &frame[..at.passing(frame.len())])?;
                return Err(self.strike(Kind::CutRequest));
            }
            Trouble::CorruptBatch { number: nth } if is_produce(frame) => {
                if *produced == nth && alter::corrupt_batch(frame, &mut lock(&self.random)) {
                    self.count(Kind::CorruptBatch);
                }
                *produced += 1;
            }
            Trouble::SlowRequests(pace) => {
                self.count(Kind::SlowRequests);
                return self.write_slowly(&self.broker, frame, pace);
            }
            _ => {}
        }
        self.write(&self.broker, frame)
    }

    fn pump_answers(&self) {
        let mut frame = Vec::new();
        let mut of_data = 0;
        if matches!(self.fate.trouble, Trouble::SlowAnswers(_)) {
            self.narrow(&self.broker);
        }
        for number in 0.. {
            let passed = self.read_frame(&self.broker, &mut frame).and_then(|()| {
                if !self.fate.latency.is_zero() {
                    self.pause(self.fate.latency)?;
                }
                let asked = self.take_asked(&frame);
                alter::advertise(&asked, &mut frame, &self.shared.addresses);
                let passed = self.pass_answer(&asked, (number, of_data), &mut frame);
                of_data += usize::from(asked.is_of_data());
                passed
            });
            if passed.is_err() {
                return;
            }
        }
    }

    /// The request that an answer belongs to. Those before it had none to come (acks=0).
    fn take_asked(&self, frame: &[u8]) -> Asked {
        let id = frame[SIZE_BYTES..]
            .first_chunk()
            .expect("frames are that long");
        let id = i32::from_be_bytes(*id);
        let mut order = lock(&self.asked);
        loop {
            let asked = order
                .pop_front()
                .unwrap_or_else(|| panic!("a broker answers {id}, which nobody asked"));
            if asked.correlation_id == id {
                return asked;
            }
        }
    }

    /// `numbers`: of this answer among all, and among those of Produce and Fetch.
    fn pass_answer(
        &self,
        asked: &Asked,
        numbers: (usize, usize),
        frame: &mut Vec<u8>,
    ) -> Result<(), Over> {
        let (number, data_number) = numbers;
        let is_nth_of_data = |nth| asked.is_of_data() && data_number == nth;
        match self.fate.trouble {
            Trouble::CutAnswer { frame: cut, at } if cut == number => {
                self.write(&self.client, &frame[..at.passing(frame.len())])?;
                return Err(self.strike(Kind::CutAnswer));
            }
            Trouble::SlowAnswers(pace) => {
                self.count(Kind::SlowAnswers);
                return self.write_slowly(&self.client, frame, pace);
            }
            Trouble::HeldAnswers { most } => {
                self.count(Kind::HeldAnswers);
                let most = usize::try_from(most.as_micros()).expect("it is short");
                let hold = lock(&self.random).within(0, most);
                self.pause(Duration::from_micros(hold as u64))?;
            }
            Trouble::DroppedAnswer {
                number: nth,
                of_data,
            } if is_nth_of_data(nth) || !of_data && nth == number => {
                return Err(self.strike(Kind::DroppedAnswer));
            }
            Trouble::SkippedAnswer { number: nth } if is_nth_of_data(nth) => {
                self.count(Kind::SkippedAnswer);
                return Ok(());
            }
            _ => {
                if let Some(kind) = self.alter_answer(asked, numbers, frame) {
                    self.count(kind);
                }
            }
        }
        self.write(&self.client, frame)
    }

    /// What was changed in an answer that passes, if anything.
    fn alter_answer(
        &self,
        asked: &Asked,
        (number, data_number): (usize, usize),
        frame: &mut Vec<u8>,
    ) -> Option<Kind> {
        let mut random = lock(&self.random);
        let (kind, is_altered) = match self.fate.trouble {
            Trouble::DoubtfulAnswer { number: nth } if data_number >= nth => {
                let is_altered = alter::make_doubtful(asked, frame, &mut random);
                (Kind::DoubtfulAnswer, is_altered)
            }
            Trouble::CorruptFetched { number: nth } if data_number == nth && is_fetch(asked) => {
                let is_altered = alter::corrupt_fetched(asked, frame, &mut random);
                (Kind::CorruptFetched, is_altered)
            }
            Trouble::ShortAnswer { number: nth } if asked.is_of_data() && data_number == nth => {
                (Kind::ShortAnswer, alter::shorten(frame, &mut random))
            }
            Trouble::CorruptLength { frame: nth } if nth == number => {
                alter::corrupt_length(frame, &mut random);
                (Kind::CorruptLength, true)
            }
            Trouble::CorruptCorrelation { frame: nth } if nth == number => {
                alter::corrupt_correlation(frame, &mut random);
                (Kind::CorruptCorrelation, true)
            }
            _ => return None,
        };
        is_altered.then_some(kind)
    }

    fn narrow(&self, stream: &TcpStream) {
        set_socket_recv_buffer_size(stream, SMALL_WINDOW).expect("it is a socket");
    }

    /// Reads a whole frame, with its length.
    fn read_frame(&self, from: &TcpStream, frame: &mut Vec<u8>) -> Result<(), Over> {
        frame.clear();
        frame.resize(SIZE_BYTES, 0);
        self.read(from, frame)?;
        let length = i32::from_be_bytes(frame[..].try_into().expect("four bytes"));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        assert!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
        frame.resize(SIZE_BYTES + length, 0);
        self.read(from, &mut frame[SIZE_BYTES..])
    }

    fn read(&self, mut from: &TcpStream, mut room: &mut [u8]) -> Result<(), Over> {
        while !room.is_empty() {
            self.wait(Some(from), None)?;
            match from.read(room) {
                Ok(0) => return Err(self.end(Ending::Closed)),
                Ok(bytes) => room = &mut room[bytes..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(self.end(Ending::Reset)), // it was reset
            }
        }
        Ok(())
    }

    fn write(&self, mut to: &TcpStream, bytes: &[u8]) -> Result<(), Over> {
        let is_over = lock(&self.end).ending.is_some();
        if is_over {
            return Err(Over);
        }
        to.write_all(bytes).map_err(|_| self.end(Ending::Closed))
    }

    fn write_slowly(&self, to: &TcpStream, frame: &[u8], pace: Pace) -> Result<(), Over> {
        let (slow, rest) = frame.split_at(pace.slow_bytes.min(frame.len()));
        for piece in slow.chunks(pace.piece) {
            self.write(to, piece)?;
            self.pause(pace.pause)?;
        }
        self.write(to, rest)
    }

    fn pause(&self, pause: Duration) -> Result<(), Over> {
        self.wait(None, Some(Instant::now() + pause))
    }

    /// Waits for bytes, or until a time. What ends the connection ends the wait.
    fn wait(&self, from: Option<&TcpStream>, until: Option<Instant>) -> Result<(), Over> {
        loop {
            let now = Instant::now();
            if self.deadline.is_some_and(|deadline| now >= deadline) {
                return Err(self.strike(Kind::ShortLife));
            }
            if until.is_some_and(|until| now >= until) {
                return Ok(());
            }
            let earliest = [self.deadline, until].into_iter().flatten().min();
            let mut wanted = vec![
                PollFd::new(&self.ended, PollFlags::IN),
                PollFd::new(&self.shared.stopped, PollFlags::IN),
            ];
            wanted.extend(from.map(|stream| PollFd::new(stream, PollFlags::IN)));
            poll_until(&mut wanted, earliest.map(|at| at - now));
            if !wanted[0].revents().is_empty() {
                return Err(Over);
            }
            if !wanted[1].revents().is_empty() {
                return Err(self.end(Ending::Closed));
            }
            if wanted
                .get(2)
                .is_some_and(|stream| !stream.revents().is_empty())
            {
                return Ok(());
            }
        }
    }

    /// Half open: nobody reads, nobody answers, until the client does not wait any longer.
    fn wait_until_given_up(&self) {
        let mut wanted = [
            PollFd::new(&self.shared.stopped, PollFlags::IN),
            PollFd::new(&self.client, PollFlags::RDHUP),
        ];
        poll_until(&mut wanted, Some(VANISHED_LIMIT));
    }
}

fn poll_until(wanted: &mut [PollFd<'_>], limit: Option<Duration>) {
    let limit = limit.map(|limit| Timespec::try_from(limit).expect("time-outs are short"));
    match poll(wanted, limit.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => panic!("waiting at a connection: {errno}"),
    }
}

fn is_produce(frame: &[u8]) -> bool {
    Asked::read(frame).api == kafka_protocol::messages::ApiKey::Produce
}

fn is_fetch(asked: &Asked) -> bool {
    asked.api == kafka_protocol::messages::ApiKey::Fetch
}
