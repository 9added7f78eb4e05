//! What people's files and options hold.

use std::cell::RefCell;
use std::path::Path;

use connectors::config::properties as format;
use connectors::file::format::escapes::unescape;
use connectors::file::format::input::{
    Grammar, LengthPrefix, LineOptions, Next, Parser, SplitError, Splitter,
};
use connectors::file::stream::{Decompressor, State};

/// A properties file.
pub(super) mod properties {
    use super::*;

    /// Written out with every character escaped, it says the same.
    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let path = Path::new("client.properties");
        let Ok(read) = format::parse(bytes, path) else {
            return false;
        };
        let mut text = String::new();
        for entry in &read.entries {
            escape(&entry.key, &mut text);
            text.push('=');
            escape(&entry.value, &mut text);
            text.push('\n');
        }
        let again = format::parse(text.as_bytes(), path).expect("all of it is escaped");
        let said = |properties: &format::Properties| -> Vec<(String, String)> {
            let entries = properties.entries.iter();
            entries
                .map(|entry| (entry.key.clone(), entry.value.clone()))
                .collect()
        };
        assert_eq!(said(&again), said(&read));
        !read.entries.is_empty()
    }

    fn escape(text: &str, out: &mut String) {
        use std::fmt::Write;
        for unit in text.encode_utf16() {
            write!(out, "\\u{unit:04x}").expect("a String takes everything");
        }
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let seeds: [&[u8]; 5] = [
            b"bootstrap.servers=kafka:9092\nacks = all\n! a comment\n# another\nlinger.ms : 5\n",
            b"key\\ with\\ blanks=value \\\n   that goes on\n\nempty=\nno.value\n",
            b"unicode=\\u00e4\\u20ac\\ud83d\\ude00\\t\\n\\\\\n",
            b"a=1\r\nb=2\r\rc\\:d=3\n",
            "gr\u{fc}n=\u{20ac}\n".as_bytes(),
        ];
        seeds.map(<[u8]>::to_vec).to_vec()
    }
}

/// An option with escapes.
pub(super) mod escapes {
    use super::*;

    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return false;
        };
        let Ok(plain) = unescape(text) else {
            return false;
        };
        assert!(
            plain.len() <= text.len(),
            "an escape is longer than what it means"
        );
        if !text.contains('\\') {
            assert_eq!(plain, bytes);
        }
        true
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let seeds: [&[u8]; 3] = [b"\\n\\t\\\\x", b"\\x00\\xff, and text", b"plain"];
        seeds.map(<[u8]>::to_vec).to_vec()
    }
}

/// A grammar, the size of the pieces, then an input.
pub(super) mod lines {
    use super::*;

    /// The longest record that is taken.
    const RECORD_BYTES_MAX: usize = 40;

    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let [choice, piece, input @ ..] = bytes else {
            return false;
        };
        let grammar = grammar(*choice);
        let whole = split(grammar.clone(), input, input.len().max(1));
        let pieces = split(grammar, input, usize::from(*piece % 32) + 1);
        assert_eq!(whole, pieces, "the records are those of the bytes");
        whole.1.is_none() && !whole.0.is_empty()
    }

    fn grammar(choice: u8) -> Grammar {
        let lines = |delimiter: &[u8], strip_cr| Grammar::Lines {
            delimiter: delimiter.to_vec(),
            strip_cr,
        };
        match choice % 10 {
            0 => lines(b"\n", false),
            1 => lines(b"\n", true),
            2 => lines(b"\r\n", false),
            3 => lines(b"aab", true),
            4 => Grammar::LengthPrefixed(LengthPrefix::U8),
            5 => Grammar::LengthPrefixed(LengthPrefix::U16Le),
            6 => Grammar::LengthPrefixed(LengthPrefix::U32Be),
            7 => Grammar::LengthPrefixed(LengthPrefix::Varint),
            8 => Grammar::WholeFile,
            _ => Grammar::Envelope,
        }
    }

    /// What was found: a record's bytes, a null, or how long a record was that is too long.
    #[derive(Debug, PartialEq, Eq)]
    enum Found {
        Record(Option<Vec<u8>>),
        TooLong(u64),
    }

    fn split(grammar: Grammar, input: &[u8], piece: usize) -> (Vec<Found>, Option<SplitError>) {
        let mut splitter = Splitter::new(grammar, RECORD_BYTES_MAX);
        let mut found = Vec::new();
        let (mut begin, mut end) = (0, 0);
        loop {
            let is_end = end == input.len();
            let next = match splitter.next(&input[begin..end], is_end) {
                Ok(next) => next,
                Err(error) => return (found, Some(error)),
            };
            match next {
                Next::Record { consumed, value } => {
                    let value = value.map(|range| input[begin..end][range].to_vec());
                    found.push(Found::Record(value));
                    begin += consumed;
                }
                Next::TooLong {
                    consumed, bytes, ..
                } => {
                    found.push(Found::TooLong(bytes));
                    begin += consumed;
                }
                Next::Skip { consumed } | Next::Pass { consumed } => {
                    assert_ne!(consumed, 0, "it moves on");
                    begin += consumed;
                }
                Next::More { needed } => {
                    assert!(
                        !is_end && needed > end - begin,
                        "more is asked for where there is"
                    );
                    end = (end + piece).min(input.len());
                }
                Next::End => {
                    assert_eq!((begin, is_end), (end, true), "nothing is left over");
                    return (found, None);
                }
            }
        }
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let mut seeds = Vec::new();
        let text =
            b"one\ntwo\r\n\nthree aab four\r\r\naaab\nlonger than any record may be, by far\nend";
        for choice in [0, 1, 2, 3, 8, 9] {
            seeds.push([&[choice, 5][..], text].concat());
        }
        seeds.push(b"\x04\x03\x03one\x00\x02ab".to_vec());
        seeds.push(b"\x05\x03\x03\x00one\x00\x00\x02\x00ab".to_vec());
        seeds.push(b"\x06\x01\0\0\0\x03one\xff\xff\xff\xff\0\0\0\x01x".to_vec());
        seeds.push(b"\x07\x02\x03one\x80\x00\x01x".to_vec());
        seeds
    }
}

/// Options, then a line.
pub(super) mod records_in_lines {
    use super::*;

    /// What is found in a line lies in it.
    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let Some((choice, line)) = super::super::choice(bytes) else {
            return false;
        };
        let options = LineOptions {
            parse_key: choice & 1 != 0,
            parse_headers: choice & 2 != 0,
            ignore_error: choice & 4 != 0,
            empty_is_null: choice & 8 != 0,
            null_marker: (choice & 16 != 0).then(|| "NULL".to_owned()),
            key: (choice & 32 != 0).then(|| b"key".to_vec()),
            ..LineOptions::default()
        };
        let mut parser = Parser::line(options).expect("options that can be meant");
        let Ok(record) = parser.parse(Some(line)) else {
            return false;
        };
        let mut parts = record.value.map_or(0, <[u8]>::len);
        if choice & 32 == 0 {
            parts += record.key.map_or(0, <[u8]>::len);
        }
        for (name, value) in record.headers.iter() {
            parts += name.len() + value.map_or(0, <[u8]>::len);
        }
        assert!(parts <= line.len());
        true
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let line = b"a:1,b:NULL,c:\tkey\tvalue with \t a tab";
        let mut seeds: Vec<Vec<u8>> = (0..32)
            .map(|choice| super::super::chosen(choice, line))
            .collect();
        seeds.push(super::super::chosen(19, b"NULL\tNULL\tNULL"));
        seeds
    }
}

/// The sizes of pieces in and out, then a compressed file.
pub(super) mod compressed_input {
    use super::*;

    /// More than this is not read.
    const OUT_BYTES_MAX: usize = 64 << 10;

    thread_local! {
        static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new(1 << 20));
    }

    /// In pieces as whole: the same bytes and the same end.
    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let [choice, input @ ..] = bytes else {
            return false;
        };
        let whole = read(input, input.len().max(1), 4096);
        let (taken, given) = (
            usize::from(choice % 16) + 1,
            usize::from(choice / 16) * 9 + 1,
        );
        let pieces = read(input, taken, given);
        assert_eq!(pieces.1, whole.1);
        let common = pieces.0.len().min(whole.0.len());
        assert_eq!(pieces.0[..common], whole.0[..common]);
        if whole.1 {
            assert_eq!(pieces.0.len(), whole.0.len());
        }
        whole.1
    }

    /// What came out, and whether all of the input was as it should be.
    fn read(input: &[u8], taken: usize, given: usize) -> (Vec<u8>, bool) {
        DECOMPRESSOR.with_borrow_mut(|decompressor| {
            decompressor.reset();
            let mut out = Vec::new();
            let mut room = vec![0; given];
            for mut piece in input.chunks(taken) {
                loop {
                    let Ok(step) = decompressor.read(piece, &mut room) else {
                        return (out, false);
                    };
                    out.extend_from_slice(&room[..step.produced]);
                    if out.len() > OUT_BYTES_MAX {
                        return (out, false);
                    }
                    piece = &piece[step.consumed..];
                    if step.state == State::NeedsInput {
                        assert!(piece.is_empty());
                        break;
                    }
                    assert!(step.consumed + step.produced > 0, "it moves on");
                }
            }
            let is_whole = decompressor.finish().is_ok();
            (out, is_whole)
        })
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        use std::io::Write;
        let text = b"a line of text, and once more a line of text\n".repeat(10);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).expect("a Vec takes everything");
        let gzip = gzip.finish().expect("a Vec takes everything");
        let zstd = zstd::bulk::compress(&text, 1).expect("it is short");
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&text).expect("a Vec takes everything");
        let lz4 = lz4.finish().expect("a Vec takes everything");
        let two = [&gzip[..], &zstd].concat();
        [gzip, zstd, lz4, two]
            .map(|file| super::super::chosen(0x5a, &file))
            .to_vec()
    }
}
