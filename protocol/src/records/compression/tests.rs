//! Round trips, other implementations' framing, bombs, and bytes that nobody should have sent.

use std::io::{Read, Write};

use bytes::Bytes;
use kafka_protocol::records::{Compression as TheirCompression, RecordBatchDecoder};
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::records::builder::{Sealed, seal};
use crate::records::header::{Attributes, HEADER_BYTES};
use crate::records::kernel::{Bounds, Framer, Stop};
use crate::records::reader::Batch;

const LIMIT: usize = 1 << 20;

fn random_bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut random = Random(seed);
    (0..count).map(|_| random.next() as u8).collect()
}

/// Lines as loaders see them: alike, but not the same.
fn lines(seed: u64, bytes: usize) -> Vec<u8> {
    let mut random = Random(seed);
    let mut out = Vec::new();
    while out.len() < bytes {
        let number = random.next() % 1000;
        writeln!(
            out,
            "{{\"level\":\"info\",\"id\":{number},\"message\":\"all is well\"}}"
        )
        .unwrap();
    }
    out.truncate(bytes);
    out
}

fn compressed(compressor: &mut Compressor, input: &[u8]) -> Vec<u8> {
    let mut output = vec![0xee; compressor.bound(input.len())];
    let bytes = compressor.compress(input, &mut output).unwrap();
    output.truncate(bytes);
    output
}

fn levels(compression: Compression) -> Vec<Option<i32>> {
    match compression {
        Compression::None | Compression::Snappy => vec![None],
        Compression::Gzip => vec![None, Some(-1), Some(1), Some(6), Some(9)],
        Compression::Lz4 => vec![None, Some(9)],
        Compression::Zstd => vec![None, Some(-100), Some(-1), Some(1), Some(3), Some(12)],
    }
}

#[test]
fn every_codec_and_level_gives_back_what_it_was_given() {
    let mut decompressor = Decompressor::new();
    let sizes = [
        0, 1, 12, 13, 100, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 300_000,
    ];
    for compression in Compression::ALL {
        for level in levels(compression) {
            let mut compressor = Compressor::new(compression, level).unwrap();
            assert_eq!(compressor.compression(), compression);
            for size in sizes {
                for input in [random_bytes(7, size), lines(8, size), vec![0; size]] {
                    let output = compressed(&mut compressor, &input);
                    let back = decompressor.decompress(compression, &output, size).unwrap();
                    assert!(back == input, "{compression} {level:?} {size}");
                }
            }
        }
    }
}

#[test]
fn levels_that_a_codec_lacks_are_refused_by_name() {
    let check = |compression, level, text: &str| {
        let error = Compressor::new(compression, Some(level)).unwrap_err();
        assert_eq!(error.to_string(), text);
    };
    check(
        Compression::Gzip,
        0,
        "gzip has no level 0: expected -1 (the default) or 1 to 9",
    );
    check(
        Compression::Zstd,
        23,
        "zstd has no level 23: expected -131072 to 22",
    );
    check(
        Compression::Snappy,
        1,
        "snappy has no level 1: expected none, for it has no levels",
    );
    check(
        Compression::Lz4,
        17,
        "lz4 has no level 17: expected 9, the default; the others are not implemented",
    );
}

#[test]
fn too_little_room_is_an_error_that_leaves_the_compressor_usable() {
    for compression in Compression::ALL {
        let mut compressor = Compressor::new(compression, None).unwrap();
        for input in [random_bytes(3, 70_000), lines(3, 70_000)] {
            let expected = compressed(&mut compressor, &input);
            for room in [
                0,
                1,
                7,
                11,
                16,
                17,
                20,
                100,
                expected.len() - 1,
                expected.len(),
            ] {
                let mut output = vec![0; room];
                match compressor.compress(&input, &mut output) {
                    Ok(bytes) => assert!(output[..bytes] == expected),
                    Err(error) => {
                        let (input, output) = (input.len(), room);
                        let expected = CompressError::NoRoom {
                            compression,
                            input,
                            output,
                        };
                        assert_eq!(error, expected, "{compression}");
                    }
                }
            }
            assert!(compressed(&mut compressor, &input) == expected);
        }
    }
}

/// Batches are compressed into as much room as they have: small ones once never fitted.
#[test]
fn what_gets_smaller_fits_into_the_room_of_its_input() {
    for compression in Compression::ALL {
        for length in [300, 2_000, 30_000, 33_000, 65_536, 70_000, 200_000] {
            let input = lines(4, length);
            let mut compressor = Compressor::new(compression, None).unwrap();
            let expected = compressed(&mut compressor, &input);
            let mut output = vec![0; input.len()];
            match compressor.compress(&input, &mut output) {
                Ok(bytes) => assert!(output[..bytes] == expected, "{compression}, {length}"),
                Err(error) => assert!(expected.len() > input.len(), "{length}: {error}"),
            }
        }
    }
}

#[test]
fn the_framing_is_kafkas() {
    let input = lines(1, 200_000);
    let mut gzip = Compressor::new(Compression::Gzip, None).unwrap();
    let bytes = compressed(&mut gzip, &input);
    assert_eq!(bytes[..3], [0x1f, 0x8b, 8]);
    let mut back = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..])
        .read_to_end(&mut back)
        .unwrap();
    assert!(back == input);

    let mut lz4 = Compressor::new(Compression::Lz4, None).unwrap();
    let bytes = compressed(&mut lz4, &input);
    assert_eq!(bytes[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    let mut back = Vec::new();
    // It verifies the header's checksum.
    FrameDecoder::new(&bytes[..])
        .read_to_end(&mut back)
        .unwrap();
    assert!(back == input);

    let mut snappy = Compressor::new(Compression::Snappy, None).unwrap();
    let bytes = compressed(&mut snappy, &input);
    assert_eq!(bytes[..16], *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
    let mut back = Vec::new();
    let mut rest = &bytes[16..];
    while let Some((length, blocks)) = rest.split_first_chunk() {
        let (block, next) = blocks.split_at(u32::from_be_bytes(*length) as usize);
        back.extend(snap::raw::Decoder::new().decompress_vec(block).unwrap());
        rest = next;
    }
    assert!(back == input);

    let mut zstd = Compressor::new(Compression::Zstd, None).unwrap();
    let bytes = compressed(&mut zstd, &input);
    assert_eq!(bytes[..4], [0x28, 0xb5, 0x2f, 0xfd]);
    assert!(::zstd::decode_all(&bytes[..]).unwrap() == input);
}

/// The whole way that a compressed batch takes: frame, compress behind the header's place, seal;
/// and back, by us and by the other implementation with our decompressor.
#[test]
fn compressed_batches_are_read_by_the_oracle() {
    let input = lines(4, 100_000);
    let mut section = vec![0; 200_000];
    let bounds = Bounds {
        begin_before: usize::MAX,
        input_ends: true,
        records_max: u32::MAX,
    };
    let framed = Framer::new(b'\n', false).frame(&input, bounds, &mut section, 0);
    assert_eq!(framed.stop, Stop::Bound);
    section.truncate(framed.written);
    let expected: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();

    for compression in Compression::ALL {
        let mut compressor = Compressor::new(compression, None).unwrap();
        let mut batch = vec![0; HEADER_BYTES + compressor.bound(section.len())];
        let bytes = compressor
            .compress(&section, &mut batch[HEADER_BYTES..])
            .unwrap();
        batch.truncate(HEADER_BYTES + bytes);
        let sealed = Sealed {
            attributes: Attributes::default().with_compression(compression),
            base_timestamp: 5,
            max_timestamp: 5,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            records_count: framed.records as i32,
        };
        seal(&mut batch, sealed);

        let read = Batch::read(&batch).unwrap();
        read.check_crc().unwrap();
        assert_eq!(read.compression(), Ok(compression));
        let mut decompressor = Decompressor::new();
        let back = decompressor
            .decompress(compression, read.section(), LIMIT)
            .unwrap();
        let ours = read
            .records_in(back)
            .unwrap()
            .map(|record| record.unwrap().value.unwrap());
        assert!(ours.eq(expected.iter().copied()), "{compression}");

        let decompress = |bytes: &mut Bytes, theirs: TheirCompression| {
            let compression = Compression::from_code(theirs as u8).unwrap();
            let mut decompressor = Decompressor::new();
            let back = decompressor.decompress(compression, bytes, LIMIT)?;
            Ok(Bytes::copy_from_slice(back))
        };
        let mut wire = Bytes::from(batch);
        let theirs =
            RecordBatchDecoder::decode_with_custom_compression(&mut wire, Some(decompress));
        let theirs = theirs.unwrap().records;
        let theirs = theirs.iter().map(|record| record.value.as_deref().unwrap());
        assert!(theirs.eq(expected.iter().copied()), "{compression}");
    }
}

proptest! {
    #[test]
    fn what_others_frame_differently_is_read_too(
        pieces in vec((any::<u64>(), 1..200_000_usize), 1..3),
        linked in any::<bool>(),
        block in prop::sample::select(vec![
            BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB,
        ]),
        checksums in any::<[bool; 3]>(),
    ) {
        let input: Vec<u8> = pieces.iter().flat_map(|(seed, size)| lines(*seed, *size)).collect();
        let mut decompressor = Decompressor::new();
        let mut check = |compression, bytes: &[u8]| {
            let back = decompressor.decompress(compression, bytes, LIMIT).unwrap();
            assert!(back == input, "{compression}");
        };

        let info = FrameInfo::new()
            .block_mode(if linked { BlockMode::Linked } else { BlockMode::Independent })
            .block_size(block)
            .block_checksums(checksums[0])
            .content_checksum(checksums[1])
            .content_size(checksums[2].then_some(input.len() as u64));
        let mut lz4 = FrameEncoder::with_frame_info(info, Vec::new());
        lz4.write_all(&input).unwrap();
        check(Compression::Lz4, &lz4.finish().unwrap());

        // One after the other, as writers that are flushed in between leave them.
        let (mut gzip, mut zstd, mut snappy) = (Vec::new(), Vec::new(), Vec::new());
        for (seed, size) in &pieces {
            let piece = lines(*seed, *size);
            let mut member = flate2::write::GzEncoder::new(&mut gzip, flate2::Compression::fast());
            member.write_all(&piece).unwrap();
            member.finish().unwrap();
            // As a stream: without the content's size.
            let mut frame = ::zstd::Encoder::new(&mut zstd, 3).unwrap();
            frame.write_all(&piece).unwrap();
            frame.finish().unwrap();
            let mut compressor = Compressor::new(Compression::Snappy, None).unwrap();
            snappy.extend(compressed(&mut compressor, &piece));
        }
        check(Compression::Gzip, &gzip);
        check(Compression::Zstd, &zstd);
        check(Compression::Snappy, &snappy);
        check(Compression::Snappy, &snap::raw::Encoder::new().compress_vec(&input).unwrap());
    }
}

#[test]
fn bombs_stop_at_the_limit_and_take_no_more_memory() {
    let input = vec![0; 40 << 20];
    for compression in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let mut compressor = Compressor::new(compression, None).unwrap();
        let bomb = compressed(&mut compressor, &input);
        let mut decompressor = Decompressor::new();
        for limit in [0, 1, 1000, LIMIT] {
            let error = decompressor
                .decompress(compression, &bomb, limit)
                .unwrap_err();
            assert_eq!(error, DecompressError::TooLarge { compression, limit });
            assert!(decompressor.buffer.len() <= limit + 1, "{compression}");
        }
        // At the limit exactly there is nothing to complain about.
        let small = compressed(&mut compressor, &input[..LIMIT]);
        assert_eq!(
            decompressor
                .decompress(compression, &small, LIMIT)
                .unwrap()
                .len(),
            LIMIT
        );
        let limit = LIMIT - 1;
        let error = decompressor
            .decompress(compression, &small, limit)
            .unwrap_err();
        assert_eq!(error, DecompressError::TooLarge { compression, limit });
    }
}

#[test]
fn claims_without_bytes_behind_them_take_no_memory() {
    let mut decompressor = Decompressor::new();
    let mut check = |compression, bytes: &[u8]| {
        let error = decompressor
            .decompress(compression, bytes, usize::MAX)
            .unwrap_err();
        assert!(matches!(error, DecompressError::Corrupt { .. }), "{error}");
        assert!(decompressor.buffer.len() < 100_000, "{compression}");
    };
    // A raw snappy buffer of 4 GiB − 1, by its own word; the same as a block.
    check(Compression::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
    let framed = [
        &b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x07"[..],
        &[0xff; 4],
        &[15, 0, 0],
    ];
    check(Compression::Snappy, &framed.concat());
    // A zstd frame with a content of 2^63 bytes, and one with a window of 64 GiB.
    check(
        Compression::Zstd,
        &[
            0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80, 1, 0, 0,
        ],
    );
    check(
        Compression::Zstd,
        &[0x28, 0xb5, 0x2f, 0xfd, 0, 0xd0, 1, 0, 0],
    );
    // An LZ4 block of 4 MiB of which five bytes are there.
    check(
        Compression::Lz4,
        &[
            4, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73, 0, 0, 0x40, 0, 1, 2, 3, 4, 5,
        ],
    );
}

#[test]
fn every_cut_is_an_error() {
    let input = lines(5, 3000);
    let mut decompressor = Decompressor::new();
    for compression in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let bytes = compressed(&mut Compressor::new(compression, None).unwrap(), &input);
        for end in 0..bytes.len() {
            // snappy-java's framing has no end: a cut right behind its header is an empty stream.
            let result = decompressor.decompress(compression, &bytes[..end], LIMIT);
            let empty = compression == Compression::Snappy && end == 16;
            assert_eq!(
                result.is_ok(),
                empty,
                "{compression} cut at {end} of {}",
                bytes.len()
            );
        }
        let longer = [&bytes[..], &[0x55; 3]].concat();
        assert!(
            decompressor
                .decompress(compression, &longer, LIMIT)
                .is_err(),
            "{compression}"
        );
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

#[test]
fn hostile_bytes_are_errors_at_worst() {
    let seed = std::env::var("RINGMAIN_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(0x9e37_79b9_7f4a_7c15);
    println!("seed {seed} (another: RINGMAIN_SEED)");
    let mut random = Random(seed);
    let limit = 20_000;
    for compression in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let mut decompressor = Decompressor::new();
        let mut compressor = Compressor::new(compression, None).unwrap();
        let samples: Vec<_> = [10, 300, 2000, 9000]
            .map(|size| compressed(&mut compressor, &lines(9, size)))
            .into();
        let mut broken = 0;
        for _ in 0..60_000 {
            let mut bytes = samples[random.below(samples.len())].clone();
            for _ in 0..=random.below(3) {
                // Headers matter most, so every other change is near the start.
                let end = if random.below(2) == 0 {
                    bytes.len().min(24)
                } else {
                    bytes.len()
                };
                let at = random.below(end);
                match random.below(4) {
                    0 => bytes[at] = random.next() as u8,
                    1 => bytes[at] ^= 1 << random.below(8),
                    2 => bytes[at] = 0xff,
                    _ => bytes.truncate(at.max(1)),
                }
            }
            match decompressor.decompress(compression, &bytes, limit) {
                Ok(out) => assert!(out.len() <= limit),
                Err(DecompressError::Corrupt { position, .. }) => {
                    assert!(position <= bytes.len());
                    broken += 1;
                }
                Err(DecompressError::TooLarge { .. }) => broken += 1,
            }
            assert!(decompressor.buffer.len() <= limit + 1);
        }
        assert!(
            (1000..60_000).contains(&broken),
            "{compression}: {broken} of 60,000 were broken"
        );
    }
}
