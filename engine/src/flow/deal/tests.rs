//! Where batches begin and end is a function of the bytes: however blocks fall, and wherever dealing
//! goes on.

use proptest::prelude::*;
use protocol::records::builder::{Record, Sealed, record_bytes, seal};
use protocol::records::header::{Attributes, HEADER_BYTES};
use protocol::records::reader::Batch;

use super::*;
use crate::feed::Filled;
use crate::record::{Headers, InputRecord};

/// Lines with an optional `key:`; an empty one is no record; one that begins with `!` is refused;
/// more than 100 bytes, which the topic does not take either, are passed.
#[derive(Debug)]
struct Lines {
    is_whole: bool,
    is_passing: bool,
}

const LINE_BYTES_MAX: usize = 100;

impl Grammar for Lines {
    fn next<'a>(&'a mut self, window: &'a [u8], is_end: bool) -> Next<'a> {
        let end = window.iter().position(|&byte| byte == b'\n');
        let (line, bytes) = match end {
            Some(end) => (&window[..end], end + 1),
            None if is_end => (window, window.len()),
            None if self.is_passing || window.len() > LINE_BYTES_MAX => {
                self.is_passing = true;
                let bytes = window.len();
                return Next::Pass { bytes };
            }
            None => return Next::More,
        };
        if std::mem::take(&mut self.is_passing) || line.len() > LINE_BYTES_MAX {
            let reason = "too long".to_owned();
            return Next::Refused { bytes, reason };
        }
        if line.is_empty() && !self.is_whole {
            return Next::Skip { bytes };
        }
        if line.first() == Some(&b'!') && !self.is_whole {
            let reason = "refused".to_owned();
            return Next::Refused { bytes, reason };
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (key, value) = match colon.filter(|_| !self.is_whole) {
            Some(at) => (Some(&line[..at]), &line[at + 1..]),
            None => (None, line),
        };
        let record = InputRecord {
            key,
            value: Some(value),
            headers: Headers::default(),
            ..InputRecord::default()
        };
        Next::Record { bytes, record }
    }

    fn whole_lines(&self) -> Option<u8> {
        self.is_whole.then_some(b'\n')
    }
}

/// What was dealt, without the buffers.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Out {
    Batch {
        partition: u32,
        range: Range<u64>,
        count: u32,
        input_bytes: u64,
        section: Vec<u8>,
    },
    Refused(RefusedRecord),
}

impl Out {
    fn partition(&self) -> u32 {
        match self {
            Self::Batch { partition, .. } | Self::Refused(RefusedRecord { partition, .. }) => {
                *partition
            }
        }
    }

    fn end(&self) -> u64 {
        match self {
            Self::Batch { range, .. } | Self::Refused(RefusedRecord { range, .. }) => range.end,
        }
    }
}

fn rules(partitions: u32) -> DealRules {
    DealRules {
        deal: Deal {
            chunk_bytes: 50,
            partitions,
            base: 1 % partitions,
            fixed: None,
        },
        window_chunks: 3,
        batch_bytes_max: 61 + 80,
        record_bytes_max: 61 + 100,
        partitioner: Partitioner::default(),
        takes_named_partition: false,
    }
}

/// Deals files out from `position` on in blocks of those sizes, over and over.
fn deal(
    rules: DealRules,
    is_whole: bool,
    files: &[Vec<u8>],
    sizes: &[usize],
    position: u64,
    from: Vec<u64>,
) -> Vec<Out> {
    let grammar = Lines {
        is_whole,
        is_passing: false,
    };
    let memory = FrameMemory::new(1 << 20, 1 << 16);
    let mut dealer = Dealer::new(rules, Box::new(grammar), position, from, memory);
    let mut blocks = blocks(files, sizes, position).into_iter();
    let mut out = Vec::new();
    loop {
        match dealer.poll() {
            Effect::NeedsBlock => dealer.give(blocks.next().expect("the last ends the input")),
            Effect::Batch {
                partition,
                batch,
                tail,
            } => {
                let all = files.concat();
                let start = usize::try_from(tail.position).unwrap();
                assert_eq!(tail.crc, crc32c(&all[start..start + tail.bytes as usize]));
                out.push(Out::Batch {
                    partition,
                    range: batch.range.clone(),
                    count: batch.records,
                    input_bytes: batch.input_bytes,
                    section: batch.section().to_vec(),
                });
                dealer.memory().put(batch.buffer);
            }
            Effect::Refused(record) => out.push(Out::Refused(record)),
            Effect::WindowEnd { .. } => {}
            Effect::Broken { reason, .. } => panic!("{reason}"),
            Effect::InputEnd { position } => {
                assert_eq!(position, files.concat().len() as u64);
                assert!(dealer.is_over() && !dealer.has_open());
                return out;
            }
        }
    }
}

fn blocks(files: &[Vec<u8>], sizes: &[usize], position: u64) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut sizes = sizes.iter().cycle();
    let mut at = 0;
    for (file, content) in files.iter().enumerate() {
        let begin = at;
        at += content.len() as u64;
        if at < position {
            continue;
        }
        let mut offset = usize::try_from(position.saturating_sub(begin)).unwrap();
        loop {
            let bytes = (*sizes.next().unwrap()).min(content.len() - offset);
            let ends_file = offset + bytes == content.len();
            let mut buffer = Buffer::new(1024);
            buffer[..bytes].copy_from_slice(&content[offset..offset + bytes]);
            let filled = Filled {
                bytes,
                file,
                position: begin + offset as u64,
                file_offset: offset as u64,
                ends_file,
                ends_input: ends_file && file + 1 == files.len(),
            };
            blocks.push(Block { buffer, filled });
            offset += bytes;
            if ends_file {
                break;
            }
        }
    }
    blocks
}

type KeyValue = (Option<Vec<u8>>, Vec<u8>);

/// Keys and values of a batch, read by the reader of batches.
fn records(section: &[u8], count: u32) -> Vec<KeyValue> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes.extend_from_slice(section);
    let sealed = Sealed {
        attributes: Attributes::default(),
        base_timestamp: 0,
        max_timestamp: 0,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        records_count: count.cast_signed(),
    };
    seal(&mut bytes, sealed);
    let batch = Batch::read(&bytes).unwrap();
    let read = batch.records().unwrap().map(|record| {
        let record = record.unwrap();
        let key = record.key.map(<[u8]>::to_vec);
        (key, record.value.unwrap().to_vec())
    });
    read.collect()
}

/// What must come out, one record at a time: partition, key, value or the refused range.
fn expected(rules: &DealRules, is_whole: bool, files: &[Vec<u8>]) -> Vec<(u32, Option<KeyValue>)> {
    let mut position = 0;
    let mut found = Vec::new();
    for line in files
        .iter()
        .flat_map(|file| file.split_inclusive(|&byte| byte == b'\n'))
    {
        let chunk = position / rules.deal.chunk_bytes;
        position += line.len() as u64;
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let by_chunk = rules.deal.partition(chunk);
        if content.is_empty() && !is_whole {
            continue;
        }
        if content.len() > LINE_BYTES_MAX {
            found.push((by_chunk, None));
            continue;
        }
        if content.first() == Some(&b'!') && !is_whole {
            found.push((by_chunk, None));
            continue;
        }
        let colon = content.iter().position(|&byte| byte == b':');
        let (key, value) = match colon.filter(|_| !is_whole) {
            Some(at) => (Some(content[..at].to_vec()), content[at + 1..].to_vec()),
            None => (None, content.to_vec()),
        };
        let by_key = rules
            .partitioner
            .partition(key.as_deref(), rules.deal.partitions);
        let record = Record {
            timestamp: 0,
            key: key.as_deref(),
            value: Some(&value),
            headers: &[],
        };
        let fits = (HEADER_BYTES + record_bytes(&record, 0, 0)) as u64 <= rules.record_bytes_max;
        found.push((by_key.unwrap_or(by_chunk), fits.then_some((key, value))));
    }
    found
}

fn check(rules: DealRules, is_whole: bool, files: &[Vec<u8>], sizes: &[usize]) {
    let all_from = vec![0; rules.deal.partitions as usize];
    let reference = deal(rules, is_whole, files, &[1024], 0, all_from.clone());
    let out = deal(rules, is_whole, files, sizes, 0, all_from);
    assert_eq!(out, reference, "blocks do not matter");
    let expected = expected(&rules, is_whole, files);
    for partition in 0..rules.deal.partitions {
        let of = out.iter().filter(|out| out.partition() == partition);
        let mut got = Vec::new();
        for out in of.clone() {
            match out {
                Out::Batch { section, count, .. } => {
                    got.extend(records(section, *count).into_iter().map(Some));
                }
                Out::Refused(_) => got.push(None),
            }
        }
        let want: Vec<_> = expected
            .iter()
            .filter(|(to, _)| *to == partition)
            .map(|(_, record)| record.clone())
            .collect();
        assert_eq!(got, want, "partition {partition}");
        // Going on behind any batch gives the batches that would have come.
        let of: Vec<_> = of.collect();
        for (index, done) in of.iter().enumerate() {
            let mut from = vec![u64::MAX; rules.deal.partitions as usize];
            from[partition as usize] = done.end();
            let rest = deal(rules, is_whole, files, sizes, done.end(), from);
            let want: Vec<_> = of[index + 1..].iter().map(|&out| out.clone()).collect();
            assert_eq!(rest, want, "partition {partition} from {}", done.end());
        }
    }
    let taken: u64 = out
        .iter()
        .map(|out| match out {
            Out::Batch { input_bytes, .. } => *input_bytes,
            Out::Refused(record) => record.range.end - record.range.start,
        })
        .sum();
    let lines = files
        .iter()
        .flat_map(|file| file.split_inclusive(|&byte| byte == b'\n'));
    let skipped = lines.filter(|line| *line == b"\n" && !is_whole).count();
    assert_eq!(taken + skipped as u64, files.concat().len() as u64);
}

fn files() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let line = prop_oneof![
        6 => "[ab]{0,2}:?[a-z]{0,30}",
        1 => "",
        1 => "![a-z]{0,10}",
        1 => "[a-z]{50,200}",
    ];
    let file = (prop::collection::vec(line, 0..30), any::<bool>()).prop_map(|(lines, ends)| {
        let mut content = lines.join("\n").into_bytes();
        content.extend((ends && !content.is_empty()).then_some(b'\n'));
        content
    });
    prop::collection::vec(file, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn batches_are_those_of_the_bytes_wherever_blocks_end_and_dealing_begins(
        files in files(),
        partitions in 1u32..4,
        sizes in prop::collection::vec(1usize..200, 1..6),
        is_whole in any::<bool>(),
    ) {
        check(rules(partitions), is_whole, &files, &sizes);
    }
}

#[test]
fn records_keep_their_own_times() {
    let grammar = Lines {
        is_whole: false,
        is_passing: false,
    };
    let memory = FrameMemory::new(1 << 20, 1 << 16);
    let mut dealer = Dealer::new(rules(1), Box::new(grammar), 0, vec![0], memory);
    dealer.set_now(1000);
    let record = |timestamp| InputRecord {
        timestamp,
        value: Some(b"v"),
        ..InputRecord::default()
    };
    for (position, timestamp) in [(0, None), (1, Some(900)), (2, None), (3, Some(2000))] {
        dealer.table.place(&record(timestamp), position, b"v");
    }
    dealer.flush();
    let Effect::Batch { batch, .. } = dealer.poll() else {
        panic!("a batch was flushed");
    };
    assert_eq!(batch.base_timestamp, Some(1000));
    assert_eq!(batch.max_timestamp, 2000);
}
