//! Files and connections at random, against a model of both.
//!
//! Every operation completes once; what is read is what was written; what comes back from an echo
//! is a beginning of what was sent, or all of it; what was closed completes with ECANCELED. With
//! faults, operations may fail, and then less is known, but nothing of this stops being true.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;

use super::driver::{TIMEOUT, assert_cancelled, payload, returned_buffer};
use super::peers::{Manner, pattern};
use super::{Body, World};
use crate::io::simulated::Random;
use crate::io::{Completion, Faults, FileId, Io, Returned, SocketId, Token};
use crate::memory::Buffer;

pub(super) fn ten_thousand_operations(world: &mut World) {
    Mixed::new(world, false).run(10_000);
}

#[test]
fn faults_break_no_promise() {
    let first = super::seed();
    for seed in first..first + 300 {
        println!("seed {seed}");
        let mut world = World::new(Body::Simulated, seed);
        world.faults = if seed % 2 == 0 {
            Faults::network()
        } else {
            Faults::all()
        };
        Mixed::new(&mut world, true).run(1_000);
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let trace = |seed| {
        let mut world = World::new(Body::Simulated, seed);
        world.faults = Faults::all();
        let mut mixed = Mixed::new(&mut world, true);
        mixed.run(500);
        mixed.trace
    };
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}

struct Mixed {
    io: Io,
    random: Random,
    /// Whether operations may fail.
    faulty: bool,
    echo: SocketAddr,
    files: Vec<ModelFile>,
    lines: Vec<Line>,
    under_way: HashMap<u64, What>,
    /// Operations whose socket was closed.
    cancelled: HashSet<u64>,
    tokens: u64,
    /// What completed, in order, and how.
    trace: Vec<(u64, Result<usize, std::io::ErrorKind>)>,
}

struct ModelFile {
    id: FileId,
    /// What each block holds; nothing is known after a write that failed.
    blocks: Vec<Block>,
}

struct Block {
    contents: Option<Vec<u8>>,
    busy: bool,
}

/// A connection, or the place for one.
#[derive(Default)]
struct Line {
    socket: Option<SocketId>,
    connected: bool,
    broken: bool,
    sending: bool,
    receiving: bool,
    /// Sent and not yet received.
    expected: VecDeque<u8>,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Read {
        file: usize,
        block: usize,
    },
    Write {
        file: usize,
        block: usize,
        seed: usize,
    },
    Sync,
    Connect {
        line: usize,
    },
    Send {
        line: usize,
        bytes: usize,
    },
    Receive {
        line: usize,
        bytes: usize,
    },
}

const BLOCK: usize = 4096;
const UNDER_WAY_MAX: usize = 100;

impl Mixed {
    fn new(world: &mut World, faulty: bool) -> Self {
        let echo = world.peer(Manner::Echo);
        let mut io = world.io();
        let files = (0..4).map(|_| ModelFile::new(&mut io)).collect();
        Self {
            io,
            random: Random::new(world.seed),
            faulty,
            echo,
            files,
            lines: (0..8).map(|_| Line::default()).collect(),
            under_way: HashMap::new(),
            cancelled: HashSet::new(),
            tokens: 0,
            trace: Vec::new(),
        }
    }

    fn run(&mut self, operations: u64) {
        let mut turns = 0;
        while self.tokens < operations {
            for _ in 0..self.random.piece(20) {
                if self.under_way.len() < UNDER_WAY_MAX {
                    self.ask();
                }
            }
            self.turn();
            turns += 1;
            assert!(turns < 100 * operations, "no progress");
        }
        for line in 0..self.lines.len() {
            self.close(line);
        }
        while !self.under_way.is_empty() {
            self.turn();
        }
    }

    fn turn(&mut self) {
        // What files are asked completes by itself, and what is left when every line is closed.
        let sure =
            |what: &What| matches!(what, What::Read { .. } | What::Write { .. } | What::Sync);
        let closed = self.lines.iter().all(|line| line.socket.is_none());
        let wait = closed || self.under_way.values().any(sure);
        let until = if wait {
            self.io.now() + TIMEOUT
        } else {
            self.io.now()
        };
        let mut completions = Vec::new();
        self.io.reap(Some(until), &mut completions).unwrap();
        assert!(
            !wait || self.io.now() < until,
            "stuck: {:?}",
            self.under_way
        );
        for completion in completions {
            self.complete(completion);
        }
    }

    fn begin(&mut self, what: What) -> Token {
        self.tokens += 1;
        self.under_way.insert(self.tokens, what);
        Token(self.tokens)
    }

    fn ask(&mut self) {
        if self.random.below(2) == 0 {
            self.ask_file();
        } else {
            let line = self.random.below(self.lines.len());
            self.ask_line(line);
        }
    }

    fn ask_file(&mut self) {
        let file = self.random.below(self.files.len());
        let block = self.random.below(self.files[file].blocks.len());
        let (id, position) = (self.files[file].id, (block * BLOCK) as u64);
        if self.random.chance(50) {
            let token = self.begin(What::Sync);
            self.io.sync(id, token);
            return;
        }
        if std::mem::replace(&mut self.files[file].blocks[block].busy, true) {
            return;
        }
        let start = self.random.below(100);
        let mut buffer = Buffer::new(BLOCK + 100);
        if self.random.below(2) == 0 {
            let token = self.begin(What::Read { file, block });
            self.io.read(id, position, buffer, 0..BLOCK, token);
        } else {
            let seed = self.random.below(1 << 40);
            buffer[start..start + BLOCK].copy_from_slice(&block_contents(seed));
            let token = self.begin(What::Write { file, block, seed });
            self.io
                .write(id, position, buffer, start..start + BLOCK, token);
        }
    }

    fn ask_line(&mut self, line: usize) {
        let it = &self.lines[line];
        let Some(socket) = it.socket else {
            let token = self.begin(What::Connect { line });
            self.lines[line].socket = Some(self.io.connect(self.echo, token));
            return;
        };
        if it.broken || self.random.chance(10) {
            self.close(line);
            return;
        }
        if !it.connected {
            return;
        }
        if !it.receiving && self.random.below(2) == 0 {
            let bytes = self.random.piece(30_000);
            self.lines[line].receiving = true;
            let token = self.begin(What::Receive { line, bytes });
            self.io
                .receive(socket, Buffer::new(bytes + 10), 5..bytes + 5, token);
        } else if !it.sending && it.expected.len() < 100_000 {
            let bytes = self.random.piece(30_000);
            let start = self.random.below(1 << 40);
            let contents: Vec<u8> = (start..start + bytes).map(pattern).collect();
            self.lines[line].sending = true;
            self.lines[line].expected.extend(&contents);
            let token = self.begin(What::Send { line, bytes });
            self.io.send(socket, payload(&contents), token);
        }
    }

    fn close(&mut self, line: usize) {
        let Some(socket) = std::mem::take(&mut self.lines[line]).socket else {
            return;
        };
        for (token, what) in &self.under_way {
            match what {
                What::Connect { line: own } | What::Send { line: own, .. } if *own == line => {
                    self.cancelled.insert(*token)
                }
                What::Receive { line: own, .. } if *own == line => self.cancelled.insert(*token),
                _ => false,
            };
        }
        self.io.close_socket(socket);
    }

    fn complete(&mut self, completion: Completion) {
        let Completion {
            token,
            result,
            buffers,
        } = completion;
        let what = self
            .under_way
            .remove(&token.0)
            .expect("what was asked for completes once");
        let outcome = result
            .as_ref()
            .map(|count| *count)
            .map_err(std::io::Error::kind);
        self.trace.push((token.0, outcome));
        if self.cancelled.remove(&token.0) {
            assert_cancelled(&result);
            check_buffers(what, &buffers);
            return;
        }
        check_buffers(what, &buffers);
        let count = match result {
            Ok(count) => count,
            Err(error) => {
                assert!(self.faulty, "{what:?}: {error}");
                let forbidden = [
                    std::io::ErrorKind::Interrupted,
                    std::io::ErrorKind::WouldBlock,
                ];
                assert!(!forbidden.contains(&error.kind()), "{what:?}: {error}");
                self.failed(what);
                return;
            }
        };
        match what {
            What::Read { file, block } => {
                let block = &mut self.files[file].blocks[block];
                block.busy = false;
                assert!(
                    (1..=BLOCK).contains(&count),
                    "the file has all of its blocks"
                );
                if let Some(contents) = &block.contents {
                    assert!(returned_buffer(buffers)[..count] == contents[..count]);
                }
            }
            What::Write { file, block, seed } => {
                assert_eq!(count, BLOCK);
                let contents = Some(block_contents(seed));
                self.files[file].blocks[block] = Block {
                    contents,
                    busy: false,
                };
            }
            What::Sync => assert_eq!(count, 0),
            What::Connect { line } => self.lines[line].connected = true,
            What::Send { line, bytes } => {
                assert_eq!(count, bytes);
                self.lines[line].sending = false;
            }
            What::Receive { line, bytes } => self.received(line, bytes, count, buffers),
        }
    }

    fn received(&mut self, line: usize, bytes: usize, count: usize, buffers: Returned) {
        let line = &mut self.lines[line];
        line.receiving = false;
        assert!(count <= bytes);
        assert!(count > 0, "an echo does not end the stream");
        assert!(count <= line.expected.len(), "an echo says what it heard");
        let expected = line.expected.drain(..count);
        assert!(expected.eq(returned_buffer(buffers)[5..5 + count].iter().copied()));
    }

    fn failed(&mut self, what: What) {
        match what {
            What::Read { file, block } => self.files[file].blocks[block].busy = false,
            What::Write { file, block, .. } => {
                self.files[file].blocks[block] = Block {
                    contents: None,
                    busy: false,
                };
            }
            What::Sync => {}
            What::Connect { line } | What::Send { line, .. } | What::Receive { line, .. } => {
                self.lines[line].broken = true;
            }
        }
    }
}

impl ModelFile {
    fn new(io: &mut Io) -> Self {
        let file = tempfile::tempfile().unwrap();
        let blocks = 64;
        file.set_len((blocks * BLOCK) as u64).unwrap();
        let block = |_| Block {
            contents: Some(vec![0; BLOCK]),
            busy: false,
        };
        Self {
            id: io.add_file(file.into()),
            blocks: (0..blocks).map(block).collect(),
        }
    }
}

fn block_contents(seed: usize) -> Vec<u8> {
    (seed..seed + BLOCK).map(pattern).collect()
}

/// That an operation gives back what it was given.
fn check_buffers(what: What, buffers: &Returned) {
    match (what, buffers) {
        (What::Sync | What::Connect { .. }, Returned::None) => {}
        (What::Read { .. } | What::Write { .. }, Returned::Buffer(buffer)) => {
            assert_eq!(buffer.len(), BLOCK + 100);
        }
        (What::Receive { bytes, .. }, Returned::Buffer(buffer)) => {
            assert_eq!(buffer.len(), bytes + 10);
        }
        (What::Send { bytes, .. }, Returned::Payload(payload)) => {
            assert_eq!(payload.byte_len(), bytes);
        }
        (what, buffers) => panic!("{what:?} gives back {buffers:?}"),
    }
}
