//! The reader of the input against the naive splitter.

use proptest::prelude::*;
use protocol::records::hash::RecordHash;

use super::*;
use crate::input::{Deal, InputFile};

/// Files in a directory of their own.
struct Rig {
    _directory: tempfile::TempDir,
    input: Input,
    contents: Vec<Vec<u8>>,
}

impl Rig {
    fn new(contents: &[Vec<u8>]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = |(number, content): (usize, &Vec<u8>)| {
            let path = directory.path().join(number.to_string());
            std::fs::write(&path, content).unwrap();
            InputFile {
                path,
                device: 0,
                inode: 0,
                size: content.len() as u64,
            }
        };
        let files = contents.iter().enumerate().map(file).collect();
        Self {
            _directory: directory,
            input: Input::new(files),
            contents: contents.to_vec(),
        }
    }

    fn reader(
        &self,
        rules: CutRules,
        limit: u64,
        partition: u32,
        refused: &[u64],
    ) -> SplitRecords<'_> {
        SplitRecords::new(&self.input, rules, limit, partition, refused.to_vec())
    }

    /// Position and value of every record of a partition.
    fn naive(&self, rules: &CutRules, partition: u32) -> Vec<(u64, Vec<u8>)> {
        let mut found = Vec::new();
        let mut position = 0;
        for content in &self.contents {
            for line in content.split_inclusive(|&byte| byte == rules.delimiter) {
                let value = line.strip_suffix(&[rules.delimiter]).unwrap_or(line);
                let value = match value.strip_suffix(b"\r") {
                    Some(stripped) if rules.crlf_strip => stripped,
                    _ => value,
                };
                if rules.deal.partition(position / rules.deal.chunk_bytes) == partition {
                    found.push((position, value.to_vec()));
                }
                position += line.len() as u64;
            }
        }
        found
    }
}

fn rules() -> impl Strategy<Value = CutRules> {
    (1u64..300, 1u32..5, 0u32..4, any::<bool>(), any::<bool>()).prop_map(
        |(chunk_bytes, partitions, base, crlf_strip, is_fixed)| CutRules {
            deal: Deal {
                chunk_bytes,
                partitions,
                base: base % partitions,
                fixed: is_fixed.then_some(0),
            },
            batch_bytes_max: 1 << 20,
            delimiter: b'\n',
            crlf_strip,
        },
    )
}

fn contents() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let line = prop_oneof![
        4 => prop::collection::vec(prop_oneof![Just(b'x'), Just(b'\r')], 0..40),
        1 => prop::collection::vec(prop_oneof![4 => Just(b'y'), 1 => Just(b'\r')], 40..600),
    ];
    let file = (prop::collection::vec(line, 0..20), any::<bool>()).prop_map(|(lines, ends)| {
        let mut content = lines.join(&b'\n');
        content.extend(ends.then_some(b'\n'));
        content
    });
    prop::collection::vec(file, 1..4)
}

proptest! {
    #[test]
    fn records_are_those_of_the_naive_splitter(
        rules in rules(),
        contents in contents(),
        buffer_bytes in 1_usize..700,
        step in 1_u64..7,
        limit in 80_u64..800,
        refused_every in 1_usize..9,
    ) {
        let rig = Rig::new(&contents);
        for partition in 0..rules.deal.partitions {
            if !rules.deal.has_chunks(partition) {
                continue;
            }
            let naive = rig.naive(&rules, partition);
            let refused = naive.iter().map(|(position, _)| *position).step_by(refused_every);
            let refused: Vec<u64> = refused.collect();
            let fits = |value: &[u8]| (HEADER_BYTES + framed_bytes(value.len(), 0)) as u64 <= limit;
            let is_too_large = naive.iter().filter(|(_, value)| !fits(value)).count();
            let loaded: Vec<&Vec<u8>> = naive
                .iter()
                .filter(|(position, value)| fits(value) && !refused.contains(position))
                .map(|(_, value)| value)
                .collect();
            let mut reader = rig.reader(rules, limit, partition, &refused);
            reader.buffer_bytes = buffer_bytes;
            let (mut wanted, mut found) = (RecordHash::new(), RecordHash::new());
            for some in loaded.chunks(usize::try_from(step).unwrap()) {
                some.iter().for_each(|value| wanted.add_value(value));
                let added = reader.add_next(some.len() as u64, &mut found).unwrap();
                prop_assert_eq!(added, some.len() as u64);
                prop_assert_eq!(wanted, found);
            }
            prop_assert_eq!(reader.add_next(1, &mut found).unwrap(), 0);
            prop_assert_eq!(wanted, found);
            let known = refused.len() as u64 + is_too_large as u64;
            prop_assert_eq!(reader.refused(), known);
        }
    }
}

fn lines() -> CutRules {
    CutRules {
        deal: Deal {
            chunk_bytes: 100,
            partitions: 1,
            base: 0,
            fixed: None,
        },
        batch_bytes_max: 1 << 20,
        delimiter: b'\n',
        crlf_strip: false,
    }
}

#[test]
fn a_place_is_told_by_file_and_byte() {
    let rig = Rig::new(&[b"one\ntwo\n".to_vec(), b"three\nfour".to_vec()]);
    let mut reader = rig.reader(lines(), 1000, 0, &[]);
    let mut hash = RecordHash::new();
    let mut check = |records: u64, expected: &str| {
        reader.add_next(records, &mut hash).unwrap();
        let place = reader.place();
        assert!(place.starts_with(expected), "{place}");
    };
    check(1, "byte 4 of ");
    check(2, "byte 6 of ");
    check(9, "byte 10 of ");
}

#[test]
fn a_file_that_became_shorter_is_named() {
    let rig = Rig::new(&[b"one\ntwo\n".to_vec()]);
    let path = rig.input.files()[0].path.clone();
    std::fs::write(&path, b"one\nt").unwrap();
    let mut reader = rig.reader(lines(), 1000, 0, &[]);
    let error = reader.add_next(9, &mut RecordHash::new()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(path.to_str().unwrap()) && text.contains("byte 5"),
        "{text}"
    );
    std::fs::remove_file(&path).unwrap();
    let mut reader = rig.reader(lines(), 1000, 0, &[]);
    let text = reader
        .add_next(9, &mut RecordHash::new())
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("cannot read") && text.contains(path.to_str().unwrap()),
        "{text}"
    );
}
