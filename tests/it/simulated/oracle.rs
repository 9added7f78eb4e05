//! What a load must do, said as simply as possible: which records there are, and where each belongs.

use engine::input::Deal;

use crate::plan::Plan;

/// A record by the naive splitter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Position of its first byte in the input.
    pub(crate) start: u64,
    pub(crate) value: Vec<u8>,
    /// Bytes of input, with the delimiter.
    pub(crate) bytes: u64,
}

/// The records of files one behind the other.
pub(crate) fn split(contents: &[Vec<u8>], delimiter: u8, crlf_strip: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut file_start = 0;
    for content in contents {
        let mut start = file_start;
        for piece in content.split_inclusive(|&byte| byte == delimiter) {
            let mut value = piece.strip_suffix(&[delimiter]).unwrap_or(piece);
            if crlf_strip {
                value = value.strip_suffix(b"\r").unwrap_or(value);
            }
            let bytes = piece.len() as u64;
            lines.push(Line {
                start,
                value: value.to_vec(),
                bytes,
            });
            start += bytes;
        }
        file_start += content.len() as u64;
    }
    lines
}

/// The partition of the record that begins at `start`.
pub(crate) fn partition(deal: &Deal, start: u64) -> u32 {
    let index = (u64::from(deal.base) + start / deal.chunk_bytes) % u64::from(deal.partitions);
    deal.fixed
        .unwrap_or(u32::try_from(index).expect("less than the partitions"))
}

/// The bytes of a batch that holds this one record, uncompressed: a header of 61 bytes, the record's
/// length, attributes, two deltas of 0, no key, the value's length, the value, no headers.
pub(crate) fn batch_bytes(value: &[u8]) -> u64 {
    let body = 1 + 1 + 1 + 1 + varint_bytes(value.len()) + value.len() + 1;
    (61 + varint_bytes(body) + body) as u64
}

fn varint_bytes(length: usize) -> usize {
    let mut zigzag = length * 2;
    let mut bytes = 1;
    while zigzag >= 128 {
        zigzag /= 128;
        bytes += 1;
    }
    bytes
}

/// What each partition must hold in the end, and which records must be refused.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) partitions: Vec<Vec<Line>>,
    pub(crate) refused: Vec<Line>,
}

pub(crate) fn expect(plan: &Plan, contents: &[Vec<u8>]) -> Expected {
    let mut expected = Expected {
        partitions: Vec::new(),
        refused: Vec::new(),
    };
    expected
        .partitions
        .resize(plan.rules.deal.partitions as usize, Vec::new());
    for line in split(contents, plan.rules.delimiter, plan.rules.crlf_strip) {
        if plan.refuses(&line.value) {
            expected.refused.push(line);
        } else {
            expected.partitions[partition(&plan.rules.deal, line.start) as usize].push(line);
        }
    }
    expected
}

#[test]
fn the_naive_splitter_knows_its_edges() {
    let check = |contents: &[&str], strip: bool, expected: &[(u64, &str)]| {
        let contents: Vec<Vec<u8>> = contents.iter().map(|c| c.as_bytes().to_vec()).collect();
        let lines = split(&contents, b'\n', strip);
        let found: Vec<_> = lines
            .iter()
            .map(|line| (line.start, std::str::from_utf8(&line.value).expect("text")))
            .collect();
        assert_eq!(found, expected);
    };
    check(
        &["", "a\n\nb", "c\r\n"],
        false,
        &[(0, "a"), (2, ""), (3, "b"), (4, "c\r")],
    );
    check(
        &["\r\n\r", "x\r\r\n"],
        true,
        &[(0, ""), (2, ""), (3, "x\r")],
    );
    assert_eq!(batch_bytes(b""), 61 + 7);
    assert_eq!(batch_bytes(&[0; 57]), 61 + 1 + 6 + 57);
    assert_eq!(batch_bytes(&[0; 58]), 61 + 2 + 6 + 58);
}
