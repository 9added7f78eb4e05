//! Every level against a definition that is plainer still, and against another implementation's
//! decoder.

use bytes::Bytes;
use kafka_protocol::records::RecordBatchDecoder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::records::builder::{BatchBuilder, Identity};
use crate::records::header::HEADER_BYTES;

/// What must come out, a byte at a time.
fn naive(
    framer: &Framer,
    input: &[u8],
    bounds: Bounds,
    room: usize,
    first: u32,
) -> (Framed, Vec<u8>) {
    let mut out = Vec::new();
    let mut consumed = 0;
    let mut records = 0;
    let stop = loop {
        let ended = consumed == input.len() && bounds.input_ends;
        if consumed >= bounds.begin_before || ended {
            break Stop::Bound;
        }
        if records == bounds.records_max || first.saturating_add(records) > i32::MAX as u32 {
            break Stop::Count;
        }
        let end = (consumed..input.len()).find(|&at| input[at] == framer.delimiter);
        let (end, next) = match end {
            Some(end) => (end, end + 1),
            None if bounds.input_ends => (input.len(), input.len()),
            None => break Stop::Unfinished,
        };
        let mut line = &input[consumed..end];
        if framer.strip_cr && line.last() == Some(&b'\r') {
            line = &line[..line.len() - 1];
        }
        let mut body = vec![0, 0];
        number(&mut body, i64::from(first + records));
        number(&mut body, -1);
        number(&mut body, line.len() as i64);
        body.extend_from_slice(line);
        body.push(0);
        let mut record = Vec::new();
        number(&mut record, body.len() as i64);
        record.extend_from_slice(&body);
        assert_eq!(record.len(), framed_bytes(line.len(), first + records));
        if out.len() + record.len() > room {
            break Stop::Full;
        }
        out.extend_from_slice(&record);
        records += 1;
        consumed = next;
    };
    (
        Framed {
            consumed,
            written: out.len(),
            records,
            stop,
        },
        out,
    )
}

fn number(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Frames with every level, into outputs that begin at `skew`, with guard bytes around them.
fn check(
    delimiter: u8,
    strip: bool,
    input: &[u8],
    bounds: Bounds,
    room: usize,
    first: u32,
    skew: usize,
) {
    const GUARD: usize = 300;
    for level in Level::available() {
        let framer = Framer::with_level(delimiter, strip, level);
        let (expected, bytes) = naive(&framer, input, bounds, room, first);
        // The input is moved too, to the very end of its allocation.
        let mut moved = vec![delimiter; skew];
        moved.extend_from_slice(input);
        moved.shrink_to_fit();
        let mut output = vec![0xee; GUARD + skew + room + GUARD];
        let place = &mut output[GUARD + skew..][..room];
        let framed = framer.frame(&moved[skew..], bounds, place, first);
        assert_eq!(framed, expected, "{level:?}");
        assert!(
            place[..framed.written] == bytes,
            "{level:?} writes other bytes"
        );
        let guards = output[..GUARD + skew]
            .iter()
            .chain(&output[GUARD + skew + room..]);
        assert!(
            guards.copied().all(|byte| byte == 0xee),
            "{level:?} wrote outside of its output"
        );
    }
}

fn lines(length: impl Strategy<Value = usize> + Clone) -> impl Strategy<Value = Vec<u8>> {
    let line = (
        length,
        any::<u8>(),
        select(vec!["\n", "\r\n", "\n", "\n\n", "\r\r\n", "\r"]),
    );
    vec(line, 0..40).prop_map(|lines| {
        let mut bytes = Vec::new();
        for (length, seed, end) in lines {
            bytes.extend((0..length).map(|i| b'a' + (i as u8).wrapping_add(seed) % 26));
            bytes.extend_from_slice(end.as_bytes());
        }
        bytes
    })
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        lines(0..20_usize),
        lines(90..110_usize),
        lines(prop_oneof![
            0..5_usize,
            40..70_usize,
            120..140_usize,
            250..300_usize
        ]),
        lines(prop_oneof![0..5_usize, 8100..8200_usize]),
        vec(select(b"\n\r\0ab".to_vec()), 0..400),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_level_does_what_the_definition_says(
        input in input(),
        delimiter in select(b"\n\r\0a".to_vec()),
        strip in any::<bool>(),
        begin in prop_oneof![Just(usize::MAX), 0..4000_usize],
        input_ends in any::<bool>(),
        records_max in prop_oneof![Just(u32::MAX), 0..60_u32],
        room in prop_oneof![Just(400_000), 0..6000_usize],
        first in prop_oneof![
            0..70_u32, 8150..8200_u32, 1_048_540..1_048_600_u32, 134_217_700..134_217_730_u32,
            i32::MAX as u32 - 10..=i32::MAX as u32 + 3, any::<u32>(),
        ],
        skew in 0..65_usize,
    ) {
        let bounds = Bounds { begin_before: begin, input_ends, records_max };
        check(delimiter, strip, &input, bounds, room, first, skew);
    }

    #[test]
    fn the_oracle_reads_the_lines(input in input(), base in 0..1_i64 << 45) {
        let mut expected: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
        if expected.last() == Some(&&b""[..]) {
            expected.pop();
        }
        prop_assume!(!expected.is_empty());
        for level in Level::available() {
            let framer = Framer::with_level(b'\n', false, level);
            let mut buffer = vec![0; 400_000];
            let mut builder = BatchBuilder::new(&mut buffer, base);
            let bounds =
                Bounds { begin_before: usize::MAX, input_ends: true, records_max: u32::MAX };
            let framed = builder.frame_lines(&framer, &input, bounds);
            prop_assert_eq!((framed.stop, framed.consumed), (Stop::Bound, input.len()));
            let (bytes, _) = builder.finish(Identity::NONE);
            prop_assert_eq!(bytes, HEADER_BYTES + framed.written);
            let mut wire = Bytes::copy_from_slice(&buffer[..bytes]);
            let decoded = RecordBatchDecoder::decode(&mut wire).unwrap().records;
            prop_assert_eq!(decoded.len(), expected.len());
            for (index, (record, line)) in decoded.iter().zip(&expected).enumerate() {
                prop_assert_eq!(record.offset, index as i64);
                prop_assert_eq!(record.timestamp, base);
                prop_assert_eq!(record.value.as_deref(), Some(*line));
                prop_assert!(record.key.is_none() && record.headers.is_empty());
            }
        }
    }
}

#[test]
fn every_place_of_the_line_end_and_every_room_around_it() {
    let bounds = Bounds {
        begin_before: usize::MAX,
        input_ends: false,
        records_max: u32::MAX,
    };
    for length in (0..270).chain(8120..8200) {
        let mut input = vec![b'x'; length];
        input.push(b'\n');
        input.extend_from_slice(b"yy\n");
        let exact = framed_bytes(length, 0) + framed_bytes(2, 1);
        for room in [
            exact - 1,
            exact,
            exact + 1,
            exact + 63,
            exact + 64,
            exact + 65,
            exact + 500,
        ] {
            check(b'\n', false, &input, bounds, room, 0, length % 7);
        }
    }
}

#[test]
fn outputs_of_every_size_are_filled_and_not_overrun() {
    let bounds = Bounds {
        begin_before: usize::MAX,
        input_ends: false,
        records_max: u32::MAX,
    };
    for length in [0, 1, 30, 62, 63, 64, 65, 100, 127, 128, 200] {
        let line: Vec<u8> = (0..length)
            .map(|i| b'a' + (i % 26) as u8)
            .chain([b'\n'])
            .collect();
        let input = line.repeat(4000 / line.len() + 200 / line.len() + 3);
        for room in 0..3000 {
            check(b'\n', false, &input, bounds, room, 60, 0);
        }
    }
}

#[test]
fn offset_deltas_grow_through_every_size() {
    let input = vec![b'\n'; 70];
    let bounds = Bounds {
        begin_before: usize::MAX,
        input_ends: true,
        records_max: u32::MAX,
    };
    for size in [1_u32 << 6, 1 << 13, 1 << 20, 1 << 27, 1 << 31] {
        check(b'\n', false, &input, bounds, 4000, size - 35, 0);
    }
}

#[test]
fn stops_are_told_in_their_order() {
    let framer = Framer::new(b'\n', false);
    let mut output = [0; 100];
    let mut stop = |input: &[u8], begin_before, input_ends, records_max| {
        let bounds = Bounds {
            begin_before,
            input_ends,
            records_max,
        };
        framer.frame(input, bounds, &mut output, 0).stop
    };
    assert_eq!(stop(b"", 0, false, 0), Stop::Bound);
    assert_eq!(stop(b"", 1, true, 0), Stop::Bound);
    assert_eq!(stop(b"", 1, false, 0), Stop::Count);
    assert_eq!(stop(b"", 1, false, 1), Stop::Unfinished);
    assert_eq!(stop(b"a", 1, false, 0), Stop::Count);
    assert_eq!(stop(b"a", 1, true, 1), Stop::Bound);
    assert_eq!(stop(b"a\nb\n", 2, true, 9), Stop::Bound);
    assert_eq!(stop(b"a\nb\n", 3, true, 1), Stop::Count);
    assert_eq!(stop(&[b'a'; 200], 1, true, 1), Stop::Full);
    assert_eq!(stop(&[b'a'; 200], 1, false, 1), Stop::Unfinished);
}

#[test]
fn the_prefix_and_one_byte_frame_a_value_of_any_length() {
    for length in [
        0,
        1,
        56,
        57,
        63,
        64,
        8191,
        8192,
        1 << 20,
        1 << 27,
        VALUE_BYTES_MAX,
    ] {
        for delta in [0, 63, 64, 8192, 1 << 20, 1 << 27, i32::MAX as u32] {
            let mut prefix = [0; 32];
            let bytes = record_prefix(length, delta, &mut prefix);
            assert!(bytes <= PREFIX_BYTES_MAX);
            assert_eq!(bytes + length + 1, framed_bytes(length, delta));
        }
    }
}

#[test]
fn find_is_the_first_delimiter() {
    let framer = Framer::new(b';', true);
    assert_eq!(framer.find(b"ab;c;"), Some(2));
    assert_eq!(framer.find(b"ab"), None);
}
