//! The floor under any consumer: ask for records, take what comes, look at nothing but where it ends.
//!
//! `fetch-floor ADDRESS TOPIC [partitions=1] [fetch=1048576] [lanes=1]`
//!
//! Each lane has a connection and every `lanes`th partition, and asks for up to `fetch` bytes of all
//! of them at a time (Fetch, version 4), or for as many whole batches as that holds, one request after
//! the other, the partition that was first last time last. An answer is received into one buffer; the heads of its batches say where the
//! next request begins. It ends where the partitions ended when they were first asked for, and
//! prints how many records there were and how many bytes came. It measures nothing: whoever starts
//! it does. The broker must lead all the partitions.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: fetch-floor ADDRESS TOPIC [partitions=N] [fetch=BYTES] [lanes=N]";
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// What an answer has beside records, of each partition at most (without aborted transactions).
const ANSWER_ROOM: usize = 1 << 10;
/// What an answer may have at most: the first batch comes whole, however large it is.
const ANSWER_MAX: usize = 1 << 30;

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
struct Job {
    address: String,
    topic: String,
    partitions: u32,
    fetch: u32,
    lanes: u32,
}

/// What came.
#[derive(Clone, Copy, Default)]
struct Total {
    records: i64,
    bytes: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Job::parse(&arguments).and_then(|job| job.run()) {
        Ok(Total { records, bytes }) => {
            println!("{records} records, {bytes} bytes");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("fetch-floor: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Job {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let [address, topic, options @ ..] = arguments else {
            return Err(USAGE.into());
        };
        let mut job = Self {
            address: address.clone(),
            topic: topic.clone(),
            partitions: 1,
            fetch: 1 << 20,
            lanes: 1,
        };
        for option in options {
            match option.split_once('=').ok_or(USAGE)? {
                ("partitions", value) => job.partitions = value.parse()?,
                ("fetch", value) => job.fetch = value.parse()?,
                ("lanes", value) => job.lanes = value.parse()?,
                _ => return Err(USAGE.into()),
            }
        }
        if job.fetch == 0 || job.fetch > i32::MAX.unsigned_abs() || job.lanes == 0 {
            return Err("fetch must be above 0 and below 2 GiB; lanes above 0".into());
        }
        Ok(job)
    }

    fn run(&self) -> Result<Total, Failure> {
        if self.lanes == 1 {
            return self.run_lane(0);
        }
        std::thread::scope(|scope| {
            let lanes: Vec<_> = (0..self.lanes)
                .map(|lane| scope.spawn(move || self.run_lane(lane)))
                .collect();
            let mut total = Total::default();
            for lane in lanes {
                let of_lane = lane.join().expect("a lane does not panic")?;
                total.records += of_lane.records;
                total.bytes += of_lane.bytes;
            }
            Ok(total)
        })
    }

    fn run_lane(&self, lane: u32) -> Result<Total, Failure> {
        let mine = (0..self.partitions).filter(|number| number % self.lanes == lane);
        let mut partitions: Vec<_> = mine.map(Partition::new).collect();
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STALL_LIMIT))?;
        stream.set_write_timeout(Some(STALL_LIMIT))?;
        let room = ANSWER_ROOM * (partitions.len() + 1);
        let mut answer = vec![0; self.fetch as usize + room];
        let mut total = Total::default();
        while !partitions.is_empty() {
            stream.write_all(&self.request(&partitions)?)?;
            let length = take_frame(&mut stream, &mut answer)?;
            total.bytes += length as u64;
            let before = total.records;
            total.records += read_answer(&answer[..length], &mut partitions)
                .ok_or("an answer is none to a Fetch request")??;
            let open = partitions.len();
            partitions.retain(|partition| !partition.is_done());
            if total.records == before && partitions.len() == open {
                return Err("an answer brought no record, and no partition to its end".into());
            }
            if let [_, _, ..] = partitions[..] {
                partitions.rotate_left(1);
            }
        }
        Ok(total)
    }

    /// A Fetch request, version 4.
    fn request(&self, partitions: &[Partition]) -> Result<Vec<u8>, Failure> {
        let mut bytes = vec![0, 0, 0, 0];
        bytes.extend([0, 1, 0, 4]); // Fetch, version 4
        bytes.extend(1_u32.to_be_bytes()); // correlation: one for all
        bytes.extend([0, 5]);
        bytes.extend(b"floor"); // client id
        bytes.extend((-1_i32).to_be_bytes()); // no replica
        bytes.extend(500_u32.to_be_bytes()); // wait so long in ms
        bytes.extend(1_u32.to_be_bytes()); // for so many bytes
        bytes.extend(self.fetch.to_be_bytes());
        bytes.push(0); // read uncommitted
        bytes.extend(1_u32.to_be_bytes()); // one topic
        bytes.extend(u16::try_from(self.topic.len())?.to_be_bytes());
        bytes.extend(self.topic.as_bytes());
        bytes.extend(u32::try_from(partitions.len())?.to_be_bytes());
        for partition in partitions {
            bytes.extend(partition.number.to_be_bytes());
            bytes.extend(partition.next.to_be_bytes());
            bytes.extend(partition.whole_batches(self.fetch).to_be_bytes());
        }
        let length = u32::try_from(bytes.len() - 4)?;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        Ok(bytes)
    }
}

struct Partition {
    number: u32,
    /// The next offset.
    next: i64,
    /// The offset to stop at, once it is known.
    end: Option<i64>,
    /// What a batch of the last answer had on average.
    batch: usize,
}

impl Partition {
    fn new(number: u32) -> Self {
        Self {
            number,
            next: 0,
            end: None,
            batch: 0,
        }
    }

    fn is_done(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }

    /// What to ask for: a batch that an answer ends in has come for nothing.
    fn whole_batches(&self, fetch: u32) -> u32 {
        let batch = u32::try_from(self.batch + self.batch / 64 + 64).unwrap_or(u32::MAX);
        if batch <= fetch / 16 || batch > fetch {
            return fetch;
        }
        fetch / batch * batch
    }

    /// Goes on behind the whole batches in `records`, and returns how many offsets that is.
    fn advance(&mut self, mut records: &[u8]) -> i64 {
        let before = self.next;
        let (mut bytes, mut batches) = (0, 0);
        while let Some(head) = records.first_chunk::<BATCH_HEAD>() {
            let base = i64::from_be_bytes(piece(head, 0));
            let length = u32::from_be_bytes(piece(head, 8)) as usize + 12;
            let last_delta = i32::from_be_bytes(piece(head, 23));
            let Some(rest) = records.get(length.max(BATCH_HEAD)..) else {
                break;
            };
            self.next = self.next.max(base + i64::from(last_delta) + 1);
            records = rest;
            (bytes, batches) = (bytes + length, batches + 1);
        }
        if batches > 0 {
            self.batch = bytes / batches;
        }
        self.next - before
    }
}

/// Bytes of a record batch before its records.
const BATCH_HEAD: usize = 61;

fn piece<const N: usize>(head: &[u8; BATCH_HEAD], at: usize) -> [u8; N] {
    *head[at..].first_chunk().expect("it lies in the head")
}

/// Moves partitions over what is in an answer, and returns how many records that is. `None`: it is
/// shorter than it says.
fn read_answer(answer: &[u8], partitions: &mut [Partition]) -> Option<Result<i64, Failure>> {
    let mut rest = answer;
    take::<8>(&mut rest)?; // correlation, throttle time
    let mut records = 0;
    for _ in 0..number(&mut rest)? {
        let name = u16::from_be_bytes(*take::<2>(&mut rest)?);
        rest = rest.get(usize::from(name)..)?;
        for _ in 0..number(&mut rest)? {
            let partition_number = number(&mut rest)?;
            let error = i16::from_be_bytes(*take::<2>(&mut rest)?);
            if error != 0 {
                let text = format!("partition {partition_number}: error code {error}");
                return Some(Err(text.into()));
            }
            let high_watermark = i64::from_be_bytes(*take::<8>(&mut rest)?);
            take::<8>(&mut rest)?; // last stable offset
            // Aborted transactions; −1: none were asked for.
            let aborted = number(&mut rest)?.cast_signed().max(0) as usize;
            rest = rest.get(16 * aborted..)?;
            let bytes = number(&mut rest)?.cast_signed().max(0) as usize;
            let (of_partition, behind) = rest.split_at_checked(bytes)?;
            rest = behind;
            let mut asked = partitions.iter_mut();
            let Some(partition) = asked.find(|partition| partition.number == partition_number)
            else {
                let text = format!("partition {partition_number} was not asked for");
                return Some(Err(text.into()));
            };
            partition.end.get_or_insert(high_watermark);
            records += partition.advance(of_partition);
        }
    }
    Some(Ok(records))
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(taken)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*take::<4>(rest)?))
}

/// Receives an answer; a batch may be larger than what was asked for, and the buffer then is too.
fn take_frame(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<usize, Failure> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > ANSWER_MAX {
        return Err(format!("an answer of {length} bytes").into());
    }
    if length > answer.len() {
        answer.resize(length, 0);
    }
    stream.read_exact(&mut answer[..length])?;
    Ok(length)
}
