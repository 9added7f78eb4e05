//! What does it cost to read a file and send it, body by body of the I/O contract, against a plain
//! loop?
//!
//! A cached file goes in pieces over loopback to a peer that reads and forgets. CPU time is the
//! whole process's less the peer's thread, so that helper threads and the kernel's workers count.
//! The bodies take turns, and the table shows the median of each.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use engine::io::{Choice, Completion, FileId, Io, Payload, Returned, SocketId, Token};
use engine::memory::Buffer;
use rustix::time::{ClockId, clock_gettime};

fn main() {
    let file = input();
    let ways = [
        None,
        Some(Choice::Uring),
        Some(Choice::UringBasic),
        Some(Choice::Poll),
    ];
    println!("{} MB over loopback, {ROUNDS} rounds, medians", TOTAL >> 20);
    println!(
        "{:>9} {:<12} {:>12} {:>8} {:>10}",
        "piece", "body", "CPU-s/GB", "GB/s", "calls/MB"
    );
    for piece in PIECES {
        let mut results = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for (way, results) in ways.iter().zip(&mut results) {
                results.extend(measure(*way, &file, piece));
            }
        }
        for (way, results) in ways.iter().zip(results) {
            let name = way.map_or("plain loop".to_owned(), |choice| choice.to_string());
            if results.is_empty() {
                println!("{piece:>9} {name:<12} left out: the host refuses it");
                continue;
            }
            let median = |value: fn(&Cost) -> f64| {
                let mut values: Vec<f64> = results.iter().map(value).collect();
                values.sort_by(f64::total_cmp);
                values[values.len() / 2]
            };
            let gigabytes = TOTAL as f64 / 1e9;
            println!(
                "{piece:>9} {name:<12} {:>12.3} {:>8.2} {:>10.2}",
                median(|cost| cost.cpu.as_secs_f64()) / gigabytes,
                gigabytes / median(|cost| cost.wall.as_secs_f64()),
                median(|cost| cost.calls as f64) / (TOTAL as f64 / 1e6),
            );
        }
    }
}

const TOTAL: usize = 512 << 20;
const ROUNDS: usize = 5;
const PIECES: [usize; 3] = [64 << 10, 256 << 10, 850 << 10];

#[derive(Clone)]
struct Cost {
    cpu: Duration,
    wall: Duration,
    calls: u64,
}

/// A file in the page cache.
fn input() -> File {
    let mut file = tempfile::tempfile().expect("a file of half a gigabyte fits");
    let block: Vec<u8> = (0..1 << 20).map(|index: u32| (index % 251) as u8).collect();
    for _ in 0..TOTAL / block.len() {
        file.write_all(&block)
            .expect("a file of half a gigabyte fits");
    }
    file
}

/// One run; `None` if the host refuses this body.
fn measure(way: Option<Choice>, file: &File, piece: usize) -> Option<Cost> {
    let (address, peer_cpu, peer) = start_peer();
    let descriptor = file.try_clone().expect("a descriptor is left").into();
    let mut io = match way {
        None => None,
        Some(choice) => Some(Io::new(choice).ok()?.0),
    };
    let (cpu, start) = (cpu_time(ClockId::ProcessCPUTime), Instant::now());
    let calls = match &mut io {
        None => send_plainly(file, address, piece),
        Some(io) => {
            let file = io.add_file(descriptor);
            Pump::new(io, file, address, piece).run();
            io.counters().system_calls
        }
    };
    drop(io);
    peer.join().expect("the peer reads to the end");
    let wall = start.elapsed();
    let all = cpu_time(ClockId::ProcessCPUTime) - cpu;
    let peers = Duration::from_nanos(peer_cpu.load(Ordering::Acquire));
    Some(Cost {
        cpu: all - peers,
        wall,
        calls,
    })
}

/// Reads and forgets; leaves the CPU time that this took.
fn start_peer() -> (SocketAddr, Arc<AtomicU64>, thread::JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there");
    let address = listener.local_addr().expect("it is bound");
    let cpu = Arc::new(AtomicU64::new(0));
    let theirs = Arc::clone(&cpu);
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        let mut bytes = vec![0; 1 << 20];
        let mut total = 0;
        while total < TOTAL {
            let count = stream.read(&mut bytes).expect("the stream is sound");
            assert_ne!(count, 0, "the stream ends after {total} bytes");
            total += count;
        }
        let nanos = u64::try_from(cpu_time(ClockId::ThreadCPUTime).as_nanos()).unwrap_or(u64::MAX);
        theirs.store(nanos, Ordering::Release);
    });
    (address, cpu, thread)
}

fn cpu_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn send_plainly(file: &File, address: SocketAddr, piece: usize) -> u64 {
    let mut stream = TcpStream::connect(address).expect("the peer listens");
    let mut bytes = vec![0; piece];
    let (mut position, mut calls) = (0, 0);
    while position < TOTAL {
        let count = piece.min(TOTAL - position);
        file.read_exact_at(&mut bytes[..count], position as u64)
            .expect("the file is sound");
        stream.write_all(&bytes[..count]).expect("the peer reads");
        position += count;
        calls += 2;
    }
    calls
}

/// Two buffers: one is read into while the other is sent.
struct Pump<'a> {
    io: &'a mut Io,
    file: FileId,
    socket: SocketId,
    piece: usize,
    free: Vec<Buffer>,
    ready: Option<(Buffer, usize)>,
    position: usize,
    reading: bool,
    sending: bool,
    sent: usize,
}

const READ: Token = Token(1);
const SEND: Token = Token(2);

impl<'a> Pump<'a> {
    fn new(io: &'a mut Io, file: FileId, address: SocketAddr, piece: usize) -> Self {
        let socket = io.connect(address, Token(0));
        let mut completions = Vec::new();
        while completions.is_empty() {
            io.reap(None, &mut completions).expect("reaping works");
        }
        completions.remove(0).result.expect("the peer listens");
        let free = vec![Buffer::new(piece), Buffer::new(piece)];
        let (ready, position, reading, sending, sent) = (None, 0, false, false, 0);
        Self {
            io,
            file,
            socket,
            piece,
            free,
            ready,
            position,
            reading,
            sending,
            sent,
        }
    }

    fn run(mut self) {
        let mut completions = Vec::new();
        while self.sent < TOTAL {
            self.ask();
            self.io.reap(None, &mut completions).expect("reaping works");
            for completion in completions.drain(..) {
                self.complete(completion);
            }
        }
        self.io.close_socket(self.socket);
    }

    fn ask(&mut self) {
        if !self.sending
            && let Some((buffer, count)) = self.ready.take()
        {
            self.sending = true;
            self.io
                .send(self.socket, Payload::one(buffer, 0, count), SEND);
        }
        let free = !self.reading && self.ready.is_none() && self.position < TOTAL;
        if free && let Some(buffer) = self.free.pop() {
            self.reading = true;
            let count = self.piece.min(TOTAL - self.position);
            self.io
                .read(self.file, self.position as u64, buffer, 0..count, READ);
        }
    }

    fn complete(&mut self, completion: Completion) {
        let count = completion.result.expect("nothing fails");
        match completion.buffers {
            Returned::Buffer(buffer) => {
                self.reading = false;
                self.position += count;
                self.ready = Some((buffer, count));
            }
            Returned::Payload(Payload::One { buffer, .. }) => {
                self.sending = false;
                self.sent += count;
                self.free.push(buffer);
            }
            Returned::Payload(Payload::Gather { .. }) | Returned::None => {
                unreachable!("only reads and plain sends are asked for")
            }
        }
    }
}
