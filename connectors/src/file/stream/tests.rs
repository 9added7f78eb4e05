//! Round trips through every codec in pieces of any size, and bytes that are not what they claim.

use std::io::Write;

use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const MEMORY: usize = 32 << 20;

/// Lines as loaders see them: alike, but not the same.
fn lines(seed: u64, bytes: usize) -> Vec<u8> {
    let mut random = Random(seed);
    let mut out = Vec::new();
    while out.len() < bytes {
        let number = random.next() % 1000;
        writeln!(
            out,
            "{{\"level\":\"info\",\"id\":{number},\"text\":\"all is well\"}}"
        )
        .unwrap();
    }
    out.truncate(bytes);
    out
}

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut random = Random(seed);
    (0..bytes).map(|_| random.next() as u8).collect()
}

/// xorshift64*: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// The seed of a run: `RINGMAIN_SEED`, or one for all.
fn seed() -> u64 {
    let given = std::env::var("RINGMAIN_SEED").ok();
    given.map_or(0x5eed, |seed| {
        seed.parse().expect("RINGMAIN_SEED is a number")
    })
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// With a checksum, as the command line tool writes it.
fn zstd(plain: &[u8], level: i32) -> Vec<u8> {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), level).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zstd_window(plain: &[u8], window_log: u32) -> Vec<u8> {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(window_log).unwrap();
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn lz4(plain: &[u8], info: FrameInfo) -> Vec<u8> {
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Every kind of lz4 frame: block sizes, linked or not, with and without each checksum and size.
fn lz4_infos(bytes: usize) -> Vec<FrameInfo> {
    let mut infos = Vec::new();
    let sizes = [
        BlockSize::Max64KB,
        BlockSize::Max256KB,
        BlockSize::Max1MB,
        BlockSize::Max4MB,
    ];
    for size in sizes {
        for bits in 0..16 {
            let mode = if bits & 1 == 0 {
                BlockMode::Independent
            } else {
                BlockMode::Linked
            };
            infos.push(
                FrameInfo::new()
                    .block_size(size)
                    .block_mode(mode)
                    .block_checksums(bits & 2 != 0)
                    .content_checksum(bits & 4 != 0)
                    .content_size((bits & 8 != 0).then_some(bytes as u64)),
            );
        }
    }
    infos
}

fn skippable(kind: u8, bytes: usize) -> Vec<u8> {
    let mut frame = vec![0x50 | kind, 0x2a, 0x4d, 0x18];
    frame.extend((bytes as u32).to_le_bytes());
    frame.resize(8 + bytes, 0xee);
    frame
}

/// Everything that comes out, with pieces of input and output of the sizes that `sizes` gives in
/// turn.
fn decompress_in(
    decompressor: &mut Decompressor,
    compressed: &[u8],
    sizes: &[(usize, usize)],
) -> Result<Vec<u8>, StreamError> {
    let mut plain = Vec::new();
    let mut at = 0;
    let mut sizes = sizes.iter().cycle();
    let mut room = vec![0; 5 << 20];
    loop {
        let &(input, output) = sizes.next().unwrap();
        let end = (at + input).min(compressed.len());
        let step = decompressor.read(&compressed[at..end], &mut room[..output])?;
        plain.extend_from_slice(&room[..step.produced]);
        at += step.consumed;
        match step.state {
            State::NeedsInput => assert_eq!(at, end, "what needs input has taken what there was"),
            State::NeedsRoom => assert_eq!(step.produced, output),
        }
        assert_eq!(decompressor.consumed(), at as u64);
        assert_eq!(decompressor.produced(), plain.len() as u64);
        if step.state == State::NeedsInput && at == compressed.len() {
            decompressor.finish()?;
            return Ok(plain);
        }
    }
}

fn decompress(compressed: &[u8]) -> Result<Vec<u8>, StreamError> {
    decompress_in(
        &mut Decompressor::new(MEMORY),
        compressed,
        &[(64 << 10, 256 << 10)],
    )
}

fn check(compressed: &[u8], plain: &[u8]) {
    let mut decompressor = Decompressor::new(MEMORY);
    let whole = (compressed.len().max(1), 5 << 20);
    for sizes in [
        vec![whole],
        vec![(1, 1 << 10)],
        vec![(4099, 1)],
        vec![(7, 4093), (1 << 20, 0), (70_000, 70_000)],
    ] {
        if plain.len() > 100_000 && sizes[0].1 == 1 {
            continue;
        }
        decompressor.reset();
        let actual = decompress_in(&mut decompressor, compressed, &sizes);
        assert!(actual.as_deref() == Ok(plain), "{sizes:?}");
    }
}

#[test]
fn every_codec_gives_back_what_it_was_given() {
    for plain in [
        Vec::new(),
        b"x".to_vec(),
        lines(1, 1000),
        noise(2, 70_000),
        lines(3, 900_000),
    ] {
        check(&gzip(&plain), &plain);
        for level in [-5, 1, 3, 19] {
            check(&zstd(&plain, level), &plain);
        }
        check(&::zstd::bulk::compress(&plain, 3).unwrap(), &plain);
        for info in lz4_infos(plain.len()) {
            check(&lz4(&plain, info), &plain);
        }
    }
}

#[test]
fn frames_follow_one_another_and_skippable_ones_are_skipped() {
    let (one, two, three) = (lines(1, 5000), noise(2, 3000), lines(3, 70_000));
    let plain = [&one[..], &two, &three].concat();
    let members = [gzip(&one), gzip(&two), gzip(&[]), gzip(&three)].concat();
    check(&members, &plain);
    let padded = [
        gzip(&one),
        vec![0; 5],
        gzip(&two),
        gzip(&three),
        vec![0; 512],
    ]
    .concat();
    check(&padded, &plain);
    let frames = [
        skippable(0, 17),
        zstd(&one, 1),
        skippable(15, 0),
        zstd(&[], 1),
        zstd(&two, 3),
        zstd(&three, 3),
        skippable(7, 100_000),
    ];
    check(&frames.concat(), &plain);
    let frames = [
        skippable(3, 1),
        lz4(&one, FrameInfo::new()),
        lz4(&two, FrameInfo::new()),
        skippable(4, 8),
        gzip(&three),
    ];
    check(&frames.concat(), &plain);
    check(&skippable(0, 3), b"");
}

#[test]
fn inputs_are_recognised_by_their_bytes_then_by_their_names() {
    let check = |head: &[u8], name: &str, expected| {
        assert_eq!(Kind::of(head, Some(Path::new(name))), expected, "{name}");
    };
    for compressed in [
        gzip(b"x"),
        zstd(b"x", 3),
        lz4(b"x", FrameInfo::new()),
        skippable(9, 1),
    ] {
        check(&compressed, "a.log", Kind::Compressed);
        assert_eq!(
            Kind::of(&compressed[..HEAD_BYTES.min(9)], None),
            Kind::Compressed
        );
    }
    for name in ["a.gz", "a.log.GZ", "a.zst", "dir.x/a.lz4"] {
        check(b"plain text", name, Kind::Compressed);
        check(b"", name, Kind::Compressed);
    }
    for name in ["a.log", "gz", ".gz", "a.gz/b"] {
        check(b"plain text", name, Kind::Plain);
        check(b"", name, Kind::Plain);
        check(b"BZh9 is how this line begins", name, Kind::Plain);
    }
    check(b"\xfd7zXZ\0\0\x04\xe6\xd6", "a", Kind::Unsupported("xz"));
    check(b"BZh91AY&SY", "a", Kind::Unsupported("bzip2"));
    check(
        b"\x02\x21\x4c\x18abcdef",
        "a",
        Kind::Unsupported("lz4's legacy format"),
    );
    check(b"x", "a.bz2", Kind::Unsupported("bzip2"));
}

#[test]
fn an_input_that_is_cut_off_is_told_wherever_it_ends() {
    let plain = lines(4, 3000);
    let info = FrameInfo::new().content_checksum(true);
    for (codec, compressed) in [
        (Codec::Gzip, gzip(&plain)),
        (Codec::Zstd, zstd(&plain, 3)),
        (Codec::Lz4, lz4(&plain, info)),
    ] {
        assert_eq!(decompress(&[]), Err(StreamError::Empty));
        for end in 1..compressed.len() {
            let offset = end as u64;
            let expected = Err(StreamError::Truncated { codec, offset });
            assert_eq!(decompress(&compressed[..end]), expected);
        }
    }
}

#[test]
fn what_follows_the_last_frame_is_no_data() {
    let plain = b"some lines\n";
    for compressed in [gzip(plain), zstd(plain, 3), lz4(plain, FrameInfo::new())] {
        let offset = compressed.len() as u64;
        let with = |rest: &[u8]| decompress(&[&compressed[..], rest].concat());
        for rest in [&b"garbage"[..], b"g", b"\x1f\x8c", b"\x28\xb5\x2f\xfe"] {
            assert_eq!(with(rest), Err(StreamError::Unknown { offset }));
        }
        let codec = Codec::Gzip;
        let offset = offset + 2;
        let cut_off = Err(StreamError::Truncated { codec, offset });
        assert_eq!(with(b"\x1f\x8b"), cut_off);
    }
}

/// All three have checksums here, so no broken byte may go unnoticed.
#[test]
fn a_broken_byte_is_told_wherever_it_is() {
    let plain = lines(5, 2000);
    let info = FrameInfo::new()
        .content_checksum(true)
        .content_size(Some(plain.len() as u64));
    for compressed in [gzip(&plain), zstd(&plain, 3), lz4(&plain, info)] {
        for at in 0..compressed.len() {
            for bit in 0..8 {
                let mut broken = compressed.clone();
                broken[at] ^= 1 << bit;
                match decompress(&broken) {
                    // Some bits say nothing (the time in gzip's head), some the same in another way
                    // (how far back the same bytes are found).
                    Ok(actual) => assert!(actual == plain, "byte {at}, bit {bit}"),
                    Err(StreamError::Corrupt { offset, reason, .. }) => {
                        assert!(offset <= broken.len() as u64 && !reason.is_empty());
                    }
                    Err(_) => {}
                }
            }
        }
    }
}

#[test]
fn a_frame_that_needs_too_much_memory_says_what_to_do() {
    let plain = lines(6, 3_000_000);
    let compressed = zstd_window(&plain, 21);
    let mut decompressor = Decompressor::new(1 << 20);
    let prefix = [skippable(0, 2), compressed].concat();
    let error = decompress_in(&mut decompressor, &prefix, &[(100, 100)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the zstd frame at compressed byte 10 takes 2490368 bytes of memory to decompress, and \
         1048576 are allowed: raise --memory"
    );
    decompressor.reset();
    let small = ::zstd::bulk::compress(b"small", 19).unwrap();
    let back = decompress_in(&mut decompressor, &small, &[(100, 100)]);
    assert_eq!(
        back.as_deref(),
        Ok(&b"small"[..]),
        "a small frame takes little at any level"
    );
    decompressor.reset();
    let info = FrameInfo::new().block_size(BlockSize::Max1MB);
    let error = decompress_in(&mut decompressor, &lz4(&plain, info), &[(100, 100)]).unwrap_err();
    assert!(matches!(
        error,
        StreamError::Memory {
            codec: Codec::Lz4,
            offset: 0,
            ..
        }
    ));
}

#[test]
fn dictionaries_are_refused() {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0b0000_0001, 0x50, 7];
    frame.extend([0; 20]);
    assert!(matches!(
        decompress(&frame),
        Err(StreamError::Dictionary {
            codec: Codec::Zstd,
            offset: 0
        })
    ));
}

/// Bytes that begin as a frame, or that were one until some of them changed, end in an error or in
/// an end; there is no third.
#[test]
fn hostile_bytes_end() {
    let seed = seed();
    let mut random = Random(seed | 1);
    let plain = lines(7, 700);
    let starts: [&[u8]; 4] = [
        &[0x1f, 0x8b, 8, 0],
        &[0x28, 0xb5, 0x2f, 0xfd],
        &[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82],
        &[0x50, 0x2a, 0x4d, 0x18],
    ];
    let whole = [
        gzip(&plain),
        zstd(&plain, 3),
        lz4(&plain, FrameInfo::new()),
        lz4(&plain, FrameInfo::new().block_mode(BlockMode::Linked)),
    ];
    let mut decompressor = Decompressor::new(4 << 20);
    let mut room = vec![0; 64 << 10];
    for round in 0..200_000 {
        let mut bytes = if round % 2 == 0 {
            starts[random.below(4)].to_vec()
        } else {
            whole[random.below(4)].clone()
        };
        if round % 2 == 0 {
            bytes.extend((0..random.below(60)).map(|_| random.next() as u8));
        } else {
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
        }
        decompressor.reset();
        let mut at = 0;
        let mut produced = 0;
        // Nothing of this size becomes more than some megabytes (zstd's runs of one byte).
        while produced < 64 << 20 {
            let Ok(step) = decompressor.read(&bytes[at..], &mut room) else {
                break;
            };
            at += step.consumed;
            produced += step.produced;
            if step.state == State::NeedsInput {
                assert_eq!(at, bytes.len(), "RINGMAIN_SEED={seed}, round {round}");
                break;
            }
        }
        drop(decompressor.finish());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_pieces_give_the_same(
        which in 0..64_usize,
        seed in any::<u64>(),
        bytes in 0..300_000_usize,
        sizes in vec((1..100_000_usize, 0..100_000_usize), 1..6),
    ) {
        let plain = if seed % 3 == 0 { noise(seed | 1, bytes) } else { lines(seed | 1, bytes) };
        let all = [
            gzip(&plain),
            zstd(&plain, 1),
            lz4(&plain, lz4_infos(bytes)[which].clone()),
        ];
        // Some room must come in turn, or nothing would move.
        let mut sizes = sizes;
        sizes.push((5000, 5000));
        let one_and_all = [(&all[0], 1), (&all[1], 1), (&all[2], 1), (&all.concat(), 3)];
        for (compressed, times) in one_and_all {
            let expected = plain.repeat(times);
            let actual = decompress_in(&mut Decompressor::new(MEMORY), compressed, &sizes);
            prop_assert!(actual == Ok(expected));
        }
    }
}
