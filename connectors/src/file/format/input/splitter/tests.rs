//! Against a naive splitter and the framing kernel, in windows of any size.

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::records::kernel::{Bounds, Framer, record_prefix};

use super::*;

/// What was found: a record's value, or the length of one that is too long.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Record(Option<Vec<u8>>),
    /// Where it began, and its length.
    TooLong(usize, u64),
}

fn value(bytes: &[u8]) -> Found {
    Found::Record(Some(bytes.to_vec()))
}

/// Reads like one who has a window as large as it may have to be, of which each read fills as much
/// as `reads` says in turn.
fn split(
    grammar: &Grammar,
    max: usize,
    input: &[u8],
    reads: &[usize],
) -> Result<Vec<Found>, SplitError> {
    let mut splitter = Splitter::new(grammar.clone(), max);
    let room = grammar.window_bytes_max(max);
    let mut reads = reads.iter().cycle();
    let (mut start, mut end) = (0, 0);
    let mut found = Vec::new();
    loop {
        let is_end = end == input.len();
        match splitter.next(&input[start..end], is_end)? {
            Next::Record { consumed, value } => {
                let value = value.map(|value| input[start..][value].to_vec());
                found.push(Found::Record(value));
                start += consumed;
            }
            Next::More { needed } => {
                assert!(
                    !is_end && needed > end - start,
                    "{needed} of {}",
                    end - start
                );
                assert!(
                    needed <= room,
                    "a window of {room} bytes is enough, not {needed}"
                );
                end = (end + reads.next().unwrap())
                    .min(input.len())
                    .min(start + room);
            }
            Next::Pass { consumed } | Next::Skip { consumed } => {
                assert!(consumed > 0);
                start += consumed;
            }
            Next::TooLong {
                consumed,
                passed,
                bytes,
            } => {
                found.push(Found::TooLong(start - passed as usize, bytes));
                start += consumed;
            }
            Next::End => {
                assert_eq!(start, input.len());
                return Ok(found);
            }
        }
    }
}

fn check(grammar: &Grammar, max: usize, input: &[u8], expected: &Result<Vec<Found>, SplitError>) {
    for reads in [&[usize::MAX / 2][..], &[1], &[2, 3], &[7]] {
        assert_eq!(
            split(grammar, max, input, reads),
            *expected,
            "{grammar:?} {reads:?}"
        );
    }
}

/// The rules in the plainest words.
fn naive_lines(delimiter: &[u8], strip_cr: bool, max: usize, input: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < input.len() {
        let rest = &input[start..];
        let end = (0..rest.len()).find(|at| rest[*at..].starts_with(delimiter));
        let line = &rest[..end.unwrap_or(rest.len())];
        let stripped = match line {
            [stripped @ .., b'\r'] if strip_cr => stripped,
            line => line,
        };
        found.push(if stripped.len() > max {
            Found::TooLong(start, stripped.len() as u64)
        } else {
            value(stripped)
        });
        start += line.len() + end.map_or(0, |_| delimiter.len());
    }
    found
}

#[test]
fn lines_end_where_their_delimiters_say() {
    let lines = |delimiter: &str, input: &str, expected: &[&str]| {
        let expected = Ok(expected.iter().map(|line| value(line.as_bytes())).collect());
        check(
            &Grammar::lines(delimiter.as_bytes()),
            100,
            input.as_bytes(),
            &expected,
        );
    };
    lines("\n", "", &[]);
    lines("\n", "a\nbc\n", &["a", "bc"]);
    lines("\n", "a\nbc", &["a", "bc"]);
    lines("\n", "\n\n", &["", ""]);
    lines("\n", "a\r\nb\r", &["a\r", "b\r"]);
    lines("\r\n", "a\nb\r\r\nc\r", &["a\nb\r", "c\r"]);
    lines("--", "a---b--", &["a", "-b"]);
    lines("aab", "aaab|aab", &["a", "|"]);
    lines("\0", "a\n\0b", &["a\n", "b"]);
}

#[test]
fn one_carriage_return_goes_where_that_is_asked_for() {
    let grammar = Grammar::Lines {
        delimiter: b"\n".to_vec(),
        strip_cr: true,
    };
    let expected = ["a", "\r", "b\rc", "", "d"].map(|line| value(line.as_bytes()));
    check(
        &grammar,
        3,
        b"a\r\n\r\r\nb\rc\n\r\nd\r",
        &Ok(expected.to_vec()),
    );
    let expected = vec![value(b"a"), value(b"b")];
    check(&Grammar::Envelope, 3, b"\n\na\r\n\r\nb\n\r", &Ok(expected));
}

#[test]
fn what_is_too_long_is_passed_over_and_told() {
    let grammar = Grammar::lines(b"\n");
    let input = b"abcd\nabcde\n0123456789012345678\nab";
    let expected = vec![
        value(b"abcd"),
        Found::TooLong(5, 5),
        Found::TooLong(11, 19),
        value(b"ab"),
    ];
    check(&grammar, 4, input, &Ok(expected));
    check(&grammar, 4, b"012345", &Ok(vec![Found::TooLong(0, 6)]));
    check(
        &Grammar::WholeFile,
        4,
        b"01234567",
        &Ok(vec![Found::TooLong(0, 8)]),
    );
    check(
        &Grammar::WholeFile,
        8,
        b"01234567",
        &Ok(vec![value(b"01234567")]),
    );
    check(&Grammar::WholeFile, 8, b"", &Ok(vec![]));
}

#[test]
fn lengths_are_read_as_they_were_written() {
    let prefixed = |name: &str, input: &[u8], expected: &[Option<&[u8]>]| {
        let grammar = Grammar::LengthPrefixed(name.parse().unwrap());
        let found = expected
            .iter()
            .map(|value| Found::Record(value.map(<[u8]>::to_vec)));
        check(&grammar, 300, input, &Ok(found.collect()));
    };
    let long = [b'x'; 300];
    let cat = |prefix: &[u8]| [prefix, &long, &[0; 8]].concat();
    prefixed(
        "u8",
        b"\x01a\0\x02bc",
        &[Some(b"a"), Some(b""), Some(b"bc")],
    );
    prefixed("u16", &cat(&[1, 44])[..302], &[Some(&long)]);
    prefixed("u16le", &cat(&[44, 1])[..302], &[Some(&long)]);
    prefixed(
        "u32",
        &cat(&[0, 0, 1, 44]),
        &[Some(&long), Some(b""), Some(b"")],
    );
    prefixed("u32le", &cat(&[44, 1, 0, 0])[..304], &[Some(&long)]);
    prefixed("u32be", b"\xff\xff\xff\xff\0\0\0\x01a", &[None, Some(b"a")]);
    prefixed("varint", &cat(&[0b1010_1100, 2])[..302], &[Some(&long)]);
    prefixed(
        "varint",
        b"\x01a\0\x81\0b",
        &[Some(b"a"), Some(b""), Some(b"b")],
    );
    prefixed("u32", b"", &[]);
    assert_eq!(LengthPrefix::default(), "u32be".parse().unwrap());
    let error = "u64".parse::<LengthPrefix>().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("unknown length prefix \"u64\"")
    );
}

#[test]
fn lengths_that_cannot_be_are_errors() {
    let prefixed = |name: &str, input: &[u8], expected: SplitError| {
        let grammar = Grammar::LengthPrefixed(name.parse().unwrap());
        check(&grammar, 300, input, &Err(expected));
    };
    prefixed("u32", b"\0\0\0", SplitError::LengthCutOff);
    prefixed("varint", b"\x80", SplitError::LengthCutOff);
    let cut = SplitError::RecordCutOff {
        declared: 5,
        there: 3,
    };
    prefixed("u32", b"\0\0\0\x05abc", cut);
    let declared = u64::from(u32::from_be_bytes(*b"{\"a\""));
    prefixed(
        "u32",
        b"{\"a\":1}",
        SplitError::LengthTooLarge { declared, max: 300 },
    );
    prefixed("varint", &[0xff; 12], SplitError::LengthEndless);
    let mut most = [0xff; 10];
    most[9] = 1;
    prefixed(
        "varint",
        &most,
        SplitError::LengthTooLarge {
            declared: u64::MAX,
            max: 300,
        },
    );
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    vec(
        prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'-'), Just(b'x')],
        0..200,
    )
}

proptest! {
    #[test]
    fn lines_are_those_of_the_naive_splitter(
        input in text(),
        delimiter in prop_oneof!["\n", "\r\n", "--", "-x-", "\n\n"],
        strip_cr in any::<bool>(),
        max in 0..20_usize,
        reads in vec(1..30_usize, 1..5),
    ) {
        let grammar = Grammar::Lines { delimiter: delimiter.clone().into_bytes(), strip_cr };
        let expected = naive_lines(delimiter.as_bytes(), strip_cr, max, &input);
        prop_assert_eq!(split(&grammar, max, &input, &reads), Ok(expected));
    }

    #[test]
    fn lines_are_those_of_split_mode(
        input in text(),
        strip_cr in any::<bool>(),
        reads in vec(1..300_usize, 1..5),
    ) {
        let grammar = Grammar::Lines { delimiter: b"\n".to_vec(), strip_cr };
        let mut ours = Vec::new();
        for (delta, found) in (0..).zip(split(&grammar, 1000, &input, &reads).unwrap()) {
            let Found::Record(Some(value)) = found else { panic!("{found:?}") };
            let mut prefix = [0; 32];
            let bytes = record_prefix(value.len(), delta, &mut prefix);
            ours.extend([&prefix[..bytes], &value, &[0]].concat());
        }
        let mut theirs = vec![0; 10_000];
        let bounds = Bounds { begin_before: usize::MAX, input_ends: true, records_max: u32::MAX };
        let framed = Framer::new(b'\n', strip_cr).frame(&input, bounds, &mut theirs, 0);
        prop_assert_eq!(framed.consumed, input.len());
        theirs.truncate(framed.written);
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn prefixed_records_come_back(
        records in vec(prop::option::of(vec(any::<u8>(), 0..40)), 0..10),
        reads in vec(1..30_usize, 1..5),
    ) {
        let mut input = Vec::new();
        for record in &records {
            let length = record.as_ref().map_or(-1, |record| record.len() as i32);
            input.extend(length.to_be_bytes());
            input.extend(record.iter().flatten());
        }
        let grammar = Grammar::LengthPrefixed(LengthPrefix::U32Be);
        let expected = records.into_iter().map(Found::Record).collect();
        prop_assert_eq!(split(&grammar, 40, &input, &reads), Ok(expected));
    }

    #[test]
    fn any_bytes_end_in_records_or_an_error(
        input in vec(any::<u8>(), 0..100),
        name in prop::sample::select(vec!["u8", "u16", "u16le", "u32", "u32le", "varint"]),
        reads in vec(1..30_usize, 1..5),
    ) {
        let grammar = Grammar::LengthPrefixed(name.parse().unwrap());
        let whole = split(&grammar, 50, &input, &[1000]);
        prop_assert_eq!(split(&grammar, 50, &input, &reads), whole);
    }
}
