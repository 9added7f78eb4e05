//! Input whose every line can be recognised, and the verdict about what arrived of it.
//!
//! ```text
//! tttt ssssssss cccccccc payload        task, number of the line in its task, CRC-32 of the rest
//! ```
//!
//! Task and number are hexadecimal; 23 bytes are the least a line can have. [`Expected`] is made
//! from the very bytes that were loaded, up to the last line, so a lost tail is lost and not
//! unseen.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use super::records::{Dump, Record};

/// Task, number, CRC and the spaces behind them.
pub(crate) const HEAD: usize = 23;
const CRC: std::ops::Range<usize> = 14..22;

/// How long lines are, without their delimiter.
#[derive(Clone, Debug)]
pub(crate) enum Sizes {
    Fixed(usize),
    Between(RangeInclusive<usize>),
    /// Mostly short; one in a hundred up to 64 KiB.
    Mixed,
}

/// A recipe: the same one gives the same bytes.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    pub(crate) task: u16,
    pub(crate) seed: u64,
    pub(crate) count: u32,
    pub(crate) sizes: Sizes,
    pub(crate) delimiter: u8,
    /// Payloads of any bytes but the delimiter, rather than of letters.
    pub(crate) is_binary: bool,
    /// Whether the last line has its delimiter.
    pub(crate) is_ended: bool,
}

/// `count` lines of `sizes`, of letters, each with a newline.
pub(crate) fn generate(seed: u64, count: u32, sizes: Sizes) -> Lines {
    let (task, delimiter) = (1, b'\n');
    Lines {
        task,
        seed,
        count,
        sizes,
        delimiter,
        is_binary: false,
        is_ended: true,
    }
}

impl Lines {
    pub(crate) fn task(self, task: u16) -> Self {
        Self { task, ..self }
    }

    pub(crate) fn binary(self) -> Self {
        Self {
            is_binary: true,
            ..self
        }
    }

    pub(crate) fn without_last_delimiter(self) -> Self {
        Self {
            is_ended: false,
            ..self
        }
    }

    pub(crate) fn delimiter(self, delimiter: u8) -> Self {
        assert!(
            !b"0123456789abcdef ".contains(&delimiter),
            "line heads are made of these"
        );
        Self { delimiter, ..self }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut random = Random(self.seed);
        let mut bytes = Vec::new();
        for number in 0..self.count {
            self.append(number, &mut random, &mut bytes);
            bytes.push(self.delimiter);
        }
        if !self.is_ended {
            bytes.pop();
        }
        bytes
    }

    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.bytes())
    }

    fn append(&self, number: u32, random: &mut Random, bytes: &mut Vec<u8>) {
        let size = self.sizes.next(random);
        assert!(
            size >= HEAD,
            "a line of {size} bytes has no room for its head"
        );
        let start = bytes.len();
        bytes.extend_from_slice(format!("{:04x} {number:08x} ________ ", self.task).as_bytes());
        while bytes.len() < start + size {
            let word = random.next();
            let left = start + size - bytes.len();
            bytes.extend(
                word.to_le_bytes()
                    .into_iter()
                    .take(left)
                    .map(|byte| self.payload(byte)),
            );
        }
        let line = &mut bytes[start..];
        let crc = line_crc(line);
        line[CRC].copy_from_slice(format!("{crc:08x}").as_bytes());
    }

    fn payload(&self, byte: u8) -> u8 {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let byte = if self.is_binary {
            byte
        } else {
            LETTERS[usize::from(byte % 64)]
        };
        if byte == self.delimiter {
            b'.' ^ (byte & 1)
        } else {
            byte
        }
    }
}

impl Sizes {
    fn next(&self, random: &mut Random) -> usize {
        match self {
            Self::Fixed(size) => *size,
            Self::Between(range) => random.within(*range.start(), *range.end()),
            Self::Mixed if random.next().is_multiple_of(100) => random.within(HEAD, 64 << 10),
            Self::Mixed => random.within(HEAD, 300),
        }
    }
}

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn within(&mut self, least: usize, most: usize) -> usize {
        let span = u64::try_from(most - least + 1).expect("sizes are small");
        least + usize::try_from(self.next() % span).expect("smaller than the span")
    }
}

/// CRC-32 as zlib has it, of all parts one after the other.
pub(crate) fn crc32(parts: &[&[u8]]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut crc = index as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 {
                    (crc >> 1) ^ 0xedb8_8320
                } else {
                    crc >> 1
                };
                bit += 1;
            }
            table[index] = crc;
            index += 1;
        }
        table
    };
    !parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(!0, |crc, byte| {
            (crc >> 8) ^ TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)]
        })
}

fn line_crc(line: &[u8]) -> u32 {
    crc32(&[&line[..CRC.start], &line[CRC.end..]])
}

/// Task and number, if this is a whole and unaltered line of ours.
pub(crate) fn recognise(line: &[u8]) -> Option<(u16, u32)> {
    let text = |range| std::str::from_utf8(line.get(range)?).ok();
    let task = u16::from_str_radix(text(0..4)?, 16).ok()?;
    let number = u32::from_str_radix(text(5..13)?, 16).ok()?;
    let crc = u32::from_str_radix(text(CRC)?, 16).ok()?;
    (line.len() >= HEAD && crc == line_crc(line)).then_some((task, number))
}

/// What must be in the topic: the input, cut into lines.
#[derive(Debug)]
pub(crate) struct Expected {
    inputs: Vec<Vec<u8>>,
    /// Every line in the input's order: which input, and where in it.
    lines: Vec<(usize, std::ops::Range<usize>)>,
    by_name: HashMap<(u16, u32), usize>,
    refused: HashSet<usize>,
    /// The key of the line with that number in its input.
    key: Option<fn(usize) -> Vec<u8>>,
}

impl Expected {
    /// Lines have keys, by their numbers in their inputs.
    pub(crate) fn with_keys(self, key: fn(usize) -> Vec<u8>) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    /// The key of a line by its place in the input.
    fn key(&self, line: usize) -> Option<Vec<u8>> {
        let input = self.lines[line].0;
        let before = self.lines.partition_point(|(of, _)| *of < input);
        self.key.map(|key| key(line - before))
    }

    /// Inputs follow each other; each one's end ends a line.
    pub(crate) fn new(inputs: Vec<Vec<u8>>, delimiter: u8) -> Self {
        let (mut lines, mut by_name) = (Vec::new(), HashMap::new());
        for (index, input) in inputs.iter().enumerate() {
            let mut start = 0;
            while start < input.len() {
                let rest = &input[start..];
                let length = rest
                    .iter()
                    .position(|byte| *byte == delimiter)
                    .unwrap_or(rest.len());
                let name = recognise(&rest[..length]).unwrap_or_else(|| {
                    panic!("input {index} has at byte {start} a line that was not generated")
                });
                let old = by_name.insert(name, lines.len());
                assert!(old.is_none(), "{name:?} is twice in the input");
                lines.push((index, start..start + length));
                start += length + 1;
            }
        }
        Self {
            inputs,
            lines,
            by_name,
            refused: HashSet::new(),
            key: None,
        }
    }

    pub(crate) fn of_file(path: &Path) -> io::Result<Self> {
        Ok(Self::new(vec![std::fs::read(path)?], b'\n'))
    }

    /// A line that must not arrive: it was rejected.
    pub(crate) fn refuse(&mut self, task: u16, number: u32) {
        self.refused.insert(self.by_name[&(task, number)]);
    }

    pub(crate) fn count(&self) -> usize {
        self.lines.len()
    }

    fn line(&self, index: usize) -> &[u8] {
        let (input, range) = &self.lines[index];
        &self.inputs[*input][range.clone()]
    }
}

/// Where something was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) what: String,
}

/// What became of the input. Clean if nothing but the count is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) expected: usize,
    pub(crate) found: usize,
    /// Lines by their place in the input.
    pub(crate) lost: Vec<usize>,
    pub(crate) doubled: Vec<Finding>,
    /// Behind a later line of the same partition.
    pub(crate) reordered: Vec<Finding>,
    /// Not a line of ours, not its bytes, or with a key or headers.
    pub(crate) altered: Vec<Finding>,
    /// A whole line of ours that was rejected, or is of another input.
    pub(crate) foreign: Vec<Finding>,
}

impl Verdict {
    pub(crate) fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.is_at_least_once() && self.doubled.is_empty()
    }

    /// Nothing lost, altered or foreign; lines may be there again, and so out of order.
    pub(crate) fn is_at_least_once(&self) -> bool {
        let is_ordered = self.reordered.is_empty() || !self.doubled.is_empty();
        self.lost.is_empty() && self.altered.is_empty() && self.foreign.is_empty() && is_ordered
    }

    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        let Self {
            expected,
            found,
            lost,
            doubled,
            reordered,
            altered,
            foreign,
        } = self;
        write!(
            f,
            "{expected} lines expected, {found} records found, {} lost",
            lost.len()
        )?;
        if let (Some(first), Some(last)) = (lost.first(), lost.last()) {
            write!(f, " (lines {first} to {last} of the input)")?;
        }
        let kinds = [
            ("doubled", doubled),
            ("reordered", reordered),
            ("altered", altered),
            ("foreign", foreign),
        ];
        for (name, findings) in kinds {
            write!(f, ", {} {name}", findings.len())?;
            for Finding {
                partition,
                offset,
                what,
            } in findings.iter().take(SHOWN)
            {
                write!(
                    f,
                    "\n    {name} at partition {partition} offset {offset}: {what}"
                )?;
            }
        }
        Ok(())
    }
}

/// Holds what was read against what was loaded: every line exactly once, as it was, and within a
/// partition in the input's order.
pub(crate) fn check_lines(expected: &Expected, dump: &Dump) -> Verdict {
    let mut checker = Checker::new(expected);
    dump.for_each(|record| checker.see(record));
    checker.finish()
}

/// The same, record by record; those of one partition must come by offset.
#[derive(Debug)]
pub(crate) struct Checker<'a> {
    expected: &'a Expected,
    is_seen: Vec<bool>,
    /// The highest line of each partition.
    newest: HashMap<i32, usize>,
    verdict: Verdict,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(expected: &'a Expected) -> Self {
        let verdict = Verdict {
            expected: expected.count(),
            ..Verdict::default()
        };
        let is_seen = vec![false; expected.count()];
        Self {
            expected,
            is_seen,
            newest: HashMap::new(),
            verdict,
        }
    }

    pub(crate) fn see(&mut self, record: &Record) {
        self.verdict.found += 1;
        let finding = |what: String| Finding {
            partition: record.partition,
            offset: record.offset,
            what,
        };
        let value = record.value.as_deref().unwrap_or_default();
        let Some(name) = recognise(value) else {
            let head = String::from_utf8_lossy(&value[..value.len().min(40)]);
            let what = format!("{} bytes that begin with {head:?}", value.len());
            return self.verdict.altered.push(finding(what));
        };
        let Some(&line) = self.expected.by_name.get(&name) else {
            return self
                .verdict
                .foreign
                .push(finding(format!("{name:?} is not in the input")));
        };
        if self.expected.refused.contains(&line) {
            return self
                .verdict
                .foreign
                .push(finding(format!("line {line} was rejected")));
        }
        if value != self.expected.line(line) {
            let what = format!("line {line} with other bytes and a right CRC");
            self.verdict.altered.push(finding(what));
        } else if record.key != self.expected.key(line) || !record.headers.is_empty() {
            let what = format!("line {line} with another key, or headers");
            self.verdict.altered.push(finding(what));
        }
        if std::mem::replace(&mut self.is_seen[line], true) {
            self.verdict.doubled.push(finding(format!("line {line}")));
        }
        let newest = self.newest.entry(record.partition).or_insert(line);
        if line < *newest {
            let what = format!("line {line} behind line {newest}");
            self.verdict.reordered.push(finding(what));
        }
        *newest = line.max(*newest);
    }

    pub(crate) fn finish(mut self) -> Verdict {
        let unseen = self
            .is_seen
            .iter()
            .enumerate()
            .filter(|(_, is_seen)| !**is_seen);
        let lost = unseen
            .map(|(line, _)| line)
            .filter(|line| !self.expected.refused.contains(line));
        self.verdict.lost = lost.collect();
        self.verdict
    }
}
