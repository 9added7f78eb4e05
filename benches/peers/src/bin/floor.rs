//! The floor under any loader: read a file, send as many bytes in as large pieces, nothing else.
//!
//! `floor FILE ADDRESS [read=786432] [send=880000] [in-flight=5] [lanes=1] [topic=floor]`
//!
//! For each piece of the file that it reads it sends one Produce request (version 9) of `send`
//! bytes, whose head was made once by hand: the piece lies behind the head where it was read, and
//! no byte is looked at or copied. What is in it is no record batch, so the other end must be one
//! that checks nothing: `ringmain broker --discard`. Replies are read and must say that all is
//! well. With `lanes=N`, N threads take turns at the pieces, each with a connection and a
//! partition of its own; the broker's `--partitions` must be as many. It measures nothing:
//! whoever starts it does.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str =
    "usage: floor FILE ADDRESS [read=BYTES] [send=BYTES] [in-flight=N] [lanes=N] [topic=NAME]";
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// What an answer may have in bytes; the longest is the metadata of a topic of 256 partitions.
const ANSWER_MAX: usize = 16 << 10;

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
struct Job {
    file: String,
    address: String,
    topic: String,
    read: usize,
    send: usize,
    in_flight: u32,
    lanes: u32,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Job::parse(&arguments).and_then(|job| job.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Job {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let [file, address, options @ ..] = arguments else {
            return Err(USAGE.into());
        };
        let mut job = Self {
            file: file.clone(),
            address: address.clone(),
            topic: "floor".into(),
            read: 768 << 10,
            send: 880_000,
            in_flight: 5,
            lanes: 1,
        };
        for option in options {
            match option.split_once('=').ok_or(USAGE)? {
                ("read", value) => job.read = value.parse()?,
                ("send", value) => job.send = value.parse()?,
                ("in-flight", value) => job.in_flight = value.parse()?,
                ("lanes", value) => job.lanes = value.parse()?,
                ("topic", value) => job.topic = value.into(),
                _ => return Err(USAGE.into()),
            }
        }
        if job.read == 0 || job.read > job.send || job.in_flight == 0 || job.lanes == 0 {
            return Err(
                "read must be above 0 and no more than send; in-flight and lanes above 0".into(),
            );
        }
        Ok(job)
    }

    fn run(&self) -> Result<(), Failure> {
        if self.lanes == 1 {
            return self.run_lane(0);
        }
        std::thread::scope(|scope| {
            let lanes: Vec<_> = (0..self.lanes)
                .map(|lane| scope.spawn(move || self.run_lane(lane)))
                .collect();
            lanes
                .into_iter()
                .try_for_each(|lane| lane.join().expect("a lane does not panic"))
        })
    }

    /// Every `lanes`th piece, from the one with this lane's number on.
    fn run_lane(&self, lane: u32) -> Result<(), Failure> {
        let file = File::open(&self.file)?;
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STALL_LIMIT))?;
        stream.set_write_timeout(Some(STALL_LIMIT))?;
        make_topic(&mut stream, &self.topic)?;
        let (mut request, piece) = request(&self.topic, lane, self.send, self.read)?;
        let error_at = self.topic.len() + ANSWER_TO_NAME + NAME_TO_ERROR;
        let mut waiting = 0;
        let mut at = u64::from(lane) * self.read as u64;
        while read_at(&file, &mut request[piece..piece + self.read], at)? > 0 {
            stream.write_all(&request)?;
            waiting += 1;
            if waiting == self.in_flight {
                take_answer(&mut stream, error_at)?;
                waiting -= 1;
            }
            at += u64::from(self.lanes) * self.read as u64;
        }
        (0..waiting).try_for_each(|_| take_answer(&mut stream, error_at))
    }
}

/// Fills `piece` as far as the file goes.
fn read_at(file: &File, piece: &mut [u8], at: u64) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < piece.len() {
        match file.read_at(&mut piece[filled..], at + filled as u64)? {
            0 => break,
            more => filled += more,
        }
    }
    Ok(filled)
}

/// A whole request of `size` bytes, and where in it the piece begins.
fn request(
    topic: &str,
    partition: u32,
    size: usize,
    piece: usize,
) -> Result<(Vec<u8>, usize), Failure> {
    /// Three empty sets of tagged fields: the partition's, the topic's, the request's.
    const TAIL: usize = 3;
    /// The longest length of records that a request of ours can have, as a varint.
    const RECORDS_LENGTH: usize = 4;
    let name = u8::try_from(topic.len() + 1)
        .ok()
        .filter(|length| *length < 0x80);
    let name = name.ok_or("the topic's name must have fewer than 127 bytes")?;
    let mut bytes = u32::try_from(size - 4)?.to_be_bytes().to_vec();
    bytes.extend([0, 0, 0, 9]); // Produce, version 9
    bytes.extend(1_u32.to_be_bytes()); // correlation: one for all
    bytes.extend([0, 5]);
    bytes.extend(b"floor"); // client id
    bytes.push(0); // no tagged fields in the header
    bytes.push(0); // no transaction
    bytes.extend((-1_i16).to_be_bytes()); // acks: all
    bytes.extend(30_000_u32.to_be_bytes());
    bytes.extend([2, name]); // one topic
    bytes.extend(topic.as_bytes());
    bytes.push(2); // one partition
    bytes.extend(partition.to_be_bytes());
    let records = size.saturating_sub(bytes.len() + RECORDS_LENGTH + TAIL);
    if records < BATCH_HEAD.len() + piece || records + 1 >= 1 << (7 * RECORDS_LENGTH) {
        return Err("send must be a little more than read, and less than 256 MiB".into());
    }
    let length = records + 1; // a varint of four bytes, also where fewer would do
    bytes.extend((0..RECORDS_LENGTH).map(|place| {
        let bits = (length >> (7 * place)) & 0x7f;
        let more = if place + 1 < RECORDS_LENGTH { 0x80 } else { 0 };
        u8::try_from(bits | more).expect("eight bits")
    }));
    let batch = bytes.len();
    bytes.extend(BATCH_HEAD);
    let batch_length = u32::try_from(records - 12)?; // behind the offset and this length
    bytes[batch + 8..batch + 12].copy_from_slice(&batch_length.to_be_bytes());
    let piece = bytes.len();
    bytes.resize(size, 0);
    Ok((bytes, piece))
}

/// The head of a record batch of one record, without a right CRC or length.
const BATCH_HEAD: [u8; 61] = {
    let mut head = [0; 61];
    head[16] = 2; // magic
    let mut at = 43; // no producer: id, epoch and sequence are −1
    while at < 57 {
        head[at] = 0xff;
        at += 1;
    }
    head[60] = 1; // records
    head
};

/// Asks for the topic's metadata (version 4), which makes the topic where there is none.
fn make_topic(stream: &mut TcpStream, topic: &str) -> Result<(), Failure> {
    let mut body = vec![0, 3, 0, 4, 0, 0, 0, 1, 0, 5];
    body.extend(b"floor");
    body.extend(1_u32.to_be_bytes());
    body.extend(u16::try_from(topic.len())?.to_be_bytes());
    body.extend(topic.as_bytes());
    body.push(1);
    stream.write_all(&u32::try_from(body.len())?.to_be_bytes())?;
    stream.write_all(&body)?;
    take_frame(stream, &mut [0; ANSWER_MAX]).map(drop)
}

/// In an answer: correlation, tagged fields, number of topics, length of the name.
const ANSWER_TO_NAME: usize = 4 + 1 + 1 + 1;
/// Behind the name: number of partitions, the partition.
const NAME_TO_ERROR: usize = 1 + 4;

fn take_answer(stream: &mut TcpStream, error_at: usize) -> Result<(), Failure> {
    let mut answer = [0; ANSWER_MAX];
    let length = take_frame(stream, &mut answer)?;
    match answer[..length].get(error_at..error_at + 2) {
        Some([0, 0]) => Ok(()),
        Some(&[high, low]) => {
            Err(format!("refused: error code {}", i16::from_be_bytes([high, low])).into())
        }
        _ => Err(format!("an answer of {length} bytes is none to a Produce request").into()),
    }
}

fn take_frame(stream: &mut TcpStream, frame: &mut [u8]) -> Result<usize, Failure> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    let room = frame.len();
    let frame = frame
        .get_mut(..length)
        .ok_or_else(|| format!("an answer of {length} bytes, where {room} are the most"))?;
    stream.read_exact(frame)?;
    Ok(length)
}
