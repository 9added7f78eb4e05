//! The embedded broker's core at the other end of simulated connections, in virtual time: one that
//! dies, forgets, answers with errors, refuses records, and gets a dead client's words late.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use broker::{Broker, Clock, Config, Fault, Handled, Session, Storage};
use engine::io::{Ending, Faults, Io, Peer, Simulated};
use protocol::frame::SIZE_BYTES;
use tempfile::TempDir;

use crate::plan::scratch;
use crate::poison::refuse;
use crate::random::Random;

/// What may happen to the broker.
#[derive(Debug, Clone)]
pub(crate) struct Hazards {
    pub(crate) network: Faults,
    /// It dies after so many more requests, for each of these.
    pub(crate) restarts: Vec<u64>,
    /// What is armed at the beginning.
    pub(crate) script: Vec<Fault>,
    /// It refuses records that hold these bytes.
    pub(crate) poison: Option<&'static [u8]>,
    /// A dead client's last words may come while the next one is at work.
    pub(crate) has_late_words: bool,
}

/// The broker and its connections; clones are the same one.
#[derive(Clone)]
pub(crate) struct World(Rc<RefCell<Inner>>);

struct Inner {
    random: Random,
    hazards: Hazards,
    broker: Option<Arc<Broker>>,
    config: Config,
    /// Milliseconds since 1970 and microseconds more, by the broker's clock.
    clock: Duration,
    seen: Option<Instant>,
    talks: HashMap<u64, Talk>,
    is_dying: bool,
    late: Vec<(Instant, Talk)>,
    /// It is down until then.
    back_at: Option<Instant>,
    /// Connections have ended, which the network is to be told.
    tell_at: Option<Instant>,
    requests_left: Option<u64>,
    _directory: Option<TempDir>,
}

/// A client's side of the conversation.
struct Talk {
    session: Option<Session>,
    input: Vec<u8>,
    held: Option<Held>,
    ending: Option<Ending>,
    is_silent: bool,
}

enum Held {
    Reply(Instant, Vec<u8>),
    Again(Instant, Vec<u8>),
}

impl Held {
    fn at(&self) -> Instant {
        match self {
            Self::Reply(at, _) | Self::Again(at, _) => *at,
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl World {
    pub(crate) fn new(seed: u64, hazards: Hazards) -> Self {
        let directory = (!hazards.restarts.is_empty()).then(scratch);
        let storage = match &directory {
            Some(directory) => Storage::Directory(directory.path().to_owned()),
            None => Storage::Memory,
        };
        let clock = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("it is after 1970");
        let mut inner = Inner {
            random: Random::new(seed),
            hazards,
            broker: None,
            config: Config::new(storage),
            clock,
            seen: None,
            talks: HashMap::new(),
            is_dying: false,
            late: Vec::new(),
            back_at: None,
            tell_at: None,
            requests_left: None,
            _directory: directory,
        };
        inner.hazards.restarts.reverse();
        inner.open();
        Self(Rc::new(RefCell::new(inner)))
    }

    /// A process's I/O, with this broker at its other end.
    pub(crate) fn io(&self) -> Io {
        let mut inner = self.0.borrow_mut();
        let seed = inner.random.next();
        let peer = Box::new(Handle(Rc::clone(&self.0)));
        let io = Io::Simulated(Box::new(Simulated::new(
            seed,
            inner.hazards.network.clone(),
            peer,
        )));
        let now = io.now();
        inner.talks.clear();
        inner.is_dying = false;
        let shift = |at: &mut Instant, random: &mut Random| {
            *at = now + Duration::from_micros(random.between(1, 60_000));
        };
        let Inner {
            late,
            random,
            back_at,
            tell_at,
            ..
        } = &mut *inner;
        late.iter_mut().for_each(|(at, _)| shift(at, random));
        back_at.iter_mut().for_each(|at| shift(at, random));
        *tell_at = None;
        inner.seen = Some(now);
        drop(inner);
        io
    }

    /// The process at the other end is about to be killed.
    pub(crate) fn prepare_death(&self) {
        self.0.borrow_mut().is_dying = true;
    }

    /// Everything that is still on its way arrives, and the broker is up.
    pub(crate) fn settle(&self) -> Arc<Broker> {
        let mut inner = self.0.borrow_mut();
        if inner.broker.is_none() {
            inner.open();
        }
        inner.back_at = None;
        let now = inner.seen.unwrap_or_else(Instant::now);
        let late = std::mem::take(&mut inner.late);
        for (_, mut talk) in late {
            inner.pump(&mut talk, now, &mut Vec::new());
        }
        Arc::clone(inner.broker.as_ref().expect("it was just opened"))
    }

    /// The broker, where it is not down.
    pub(crate) fn broker(&self) -> Option<Arc<Broker>> {
        self.0.borrow().broker.clone()
    }
}

impl Inner {
    fn open(&mut self) {
        let ms = i64::try_from(self.clock.as_millis()).expect("a date");
        let broker = Broker::with_clock(self.config.clone(), Clock::manual(ms));
        let broker = broker.expect("the broker's directory can be opened");
        // Again after each restart: what is forbidden stays so.
        for fault in &self.hazards.script {
            broker.faults().add(fault.clone());
        }
        self.broker = Some(broker);
        self.requests_left = self.hazards.restarts.pop();
    }

    /// The broker dies. What it acknowledged is on its disk.
    fn close(&mut self, now: Instant) {
        for talk in self.talks.values_mut() {
            talk.session = None;
            talk.held = None;
            talk.ending = Some(Ending::Reset);
        }
        self.late.clear();
        self.broker = None;
        self.back_at = Some(now + Duration::from_micros(self.random.between(1, 500_000)));
        self.tell_at = Some(now + Duration::from_micros(1));
    }

    fn tick(&mut self, now: Instant) {
        let seen = self.seen.unwrap_or(now);
        let before = self.clock.as_millis();
        self.clock += now.saturating_duration_since(seen);
        self.seen = Some(now.max(seen));
        let passed = i64::try_from(self.clock.as_millis() - before).expect("a short time");
        if let Some(broker) = &self.broker {
            broker.clock().advance(passed);
        }
    }

    /// Handles what a client has sent, as far as nothing is to be waited for.
    fn pump(&mut self, talk: &mut Talk, now: Instant, out: &mut Vec<u8>) {
        while talk.held.is_none() && talk.ending.is_none() && !talk.is_silent {
            if talk.session.is_none() {
                return;
            }
            let Some(frame) = take_frame(&mut talk.input) else {
                return;
            };
            self.handle(talk, now, frame, out);
        }
    }

    fn handle(&mut self, talk: &mut Talk, now: Instant, frame: Vec<u8>, out: &mut Vec<u8>) {
        if let Some(needle) = self.hazards.poison
            && let Some(refusal) = refuse(&frame, needle, &mut self.random)
        {
            out.extend(refusal);
            return;
        }
        let session = talk.session.as_mut().expect("the caller looked");
        let mut reply = Vec::new();
        match session.handle(&frame, &mut reply) {
            Handled::Reply => out.extend(reply),
            Handled::ReplyAfter(by) => talk.held = Some(Held::Reply(now + by, reply)),
            Handled::NoReply => {}
            Handled::Wait(by) => {
                let at = now + by + Duration::from_millis(1);
                talk.held = Some(Held::Again(at, frame));
            }
            Handled::Close => {
                out.extend(reply);
                talk.ending = Some(Ending::Orderly);
            }
            Handled::Silence => talk.is_silent = true,
        }
    }

    /// A request was handled: the broker's days may be numbered.
    fn count_request(&mut self, now: Instant) {
        if let Some(left) = &mut self.requests_left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.requests_left = None;
                self.close(now);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let held = self
            .talks
            .values()
            .filter_map(|talk| talk.held.as_ref().map(Held::at));
        let late = self.late.iter().map(|(at, _)| *at);
        held.chain(late)
            .chain(self.back_at)
            .chain(self.tell_at)
            .min()
    }

    fn handle_timeout(&mut self, now: Instant, replies: &mut Vec<(u64, Vec<u8>)>) {
        self.tick(now);
        self.tell_at = self.tell_at.filter(|&at| at > now);
        if self.back_at.is_some_and(|at| at <= now) {
            self.back_at = None;
            self.open();
        }
        let is_due = |talk: &Talk| talk.held.as_ref().is_some_and(|held| held.at() <= now);
        let due: Vec<u64> = self
            .talks
            .iter()
            .filter(|(_, talk)| is_due(talk))
            .map(|(&number, _)| number)
            .collect();
        for number in due {
            let mut talk = self.talks.remove(&number).expect("it was just found");
            let mut out = Vec::new();
            match talk.held.take() {
                Some(Held::Reply(_, reply)) => out.extend(reply),
                Some(Held::Again(_, frame)) => self.handle(&mut talk, now, frame, &mut out),
                None => {}
            }
            self.pump(&mut talk, now, &mut out);
            self.talks.insert(number, talk);
            replies.push((number, out));
        }
        let (due, later) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.late = later;
        let due: Vec<(Instant, Talk)> = due;
        for (_, mut talk) in due {
            self.pump(&mut talk, now, &mut Vec::new());
        }
    }
}

/// One simulation's way to the broker.
struct Handle(Rc<RefCell<Inner>>);

impl Peer for Handle {
    fn accept(&mut self, _: SocketAddr, connection: u64) -> bool {
        let mut inner = self.0.borrow_mut();
        let Some(broker) = &inner.broker else {
            return false;
        };
        let talk = Talk {
            session: Some(broker.session()),
            input: Vec::new(),
            held: None,
            ending: None,
            is_silent: false,
        };
        inner.talks.insert(connection, talk);
        true
    }

    fn receive(&mut self, now: Instant, connection: u64, bytes: &[u8], replies: &mut Vec<u8>) {
        let mut inner = self.0.borrow_mut();
        inner.tick(now);
        let Some(mut talk) = inner.talks.remove(&connection) else {
            return;
        };
        talk.input.extend_from_slice(bytes);
        if inner.is_dying {
            if inner.hazards.has_late_words && inner.random.chance(500) {
                inner.late.push((now, talk));
            } else {
                inner.pump(&mut talk, now, &mut Vec::new());
            }
            return;
        }
        inner.pump(&mut talk, now, replies);
        inner.talks.insert(connection, talk);
        inner.count_request(now);
    }

    fn poll_ending(&mut self, connection: u64) -> Option<Ending> {
        self.0
            .borrow_mut()
            .talks
            .get_mut(&connection)?
            .ending
            .take()
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.0.borrow().poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant, replies: &mut Vec<(u64, Vec<u8>)>) {
        self.0.borrow_mut().handle_timeout(now, replies);
    }

    fn disconnected(&mut self, connection: u64) {
        self.0.borrow_mut().talks.remove(&connection);
    }
}

fn take_frame(input: &mut Vec<u8>) -> Option<Vec<u8>> {
    let prefix = input.first_chunk::<SIZE_BYTES>()?;
    let end = SIZE_BYTES + usize::try_from(u32::from_be_bytes(*prefix)).ok()?;
    if input.len() < end {
        return None;
    }
    let rest = input.split_off(end);
    let frame = std::mem::replace(input, rest);
    Some(frame[SIZE_BYTES..].to_vec())
}
