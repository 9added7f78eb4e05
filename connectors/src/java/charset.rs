//! Character sets by the names that Java knows them by.
//!
//! Those of the standard are made here; the others are `encoding_rs`'s, whose tables are the web's:
//! where these differ from Java's, they are what the rest of the world reads.

use std::borrow::Cow;

/// A character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Utf8,
    Ascii,
    Latin1,
    /// Encodes big-endian with a mark, decodes what the mark says, big-endian without.
    Utf16,
    Utf16Be,
    Utf16Le,
    Utf32,
    Utf32Be,
    Utf32Le,
    Web(&'static encoding_rs::Encoding),
}

const NAMES: [(&str, Kind); 28] = [
    ("utf-8", Kind::Utf8),
    ("utf8", Kind::Utf8),
    ("unicode-1-1-utf-8", Kind::Utf8),
    ("us-ascii", Kind::Ascii),
    ("ascii", Kind::Ascii),
    ("ascii7", Kind::Ascii),
    ("iso646-us", Kind::Ascii),
    ("646", Kind::Ascii),
    ("ansi_x3.4-1968", Kind::Ascii),
    ("iso-8859-1", Kind::Latin1),
    ("iso8859_1", Kind::Latin1),
    ("iso8859-1", Kind::Latin1),
    ("iso_8859-1", Kind::Latin1),
    ("iso_8859_1", Kind::Latin1),
    ("8859_1", Kind::Latin1),
    ("latin1", Kind::Latin1),
    ("l1", Kind::Latin1),
    ("utf-16", Kind::Utf16),
    ("utf_16", Kind::Utf16),
    ("utf-16be", Kind::Utf16Be),
    ("utf_16be", Kind::Utf16Be),
    ("utf-16le", Kind::Utf16Le),
    ("utf_16le", Kind::Utf16Le),
    ("utf-32", Kind::Utf32),
    ("utf_32", Kind::Utf32),
    ("utf-32be", Kind::Utf32Be),
    ("utf-32le", Kind::Utf32Le),
    ("utf32", Kind::Utf32),
];

impl Charset {
    pub const UTF_8: Self = Self(Kind::Utf8);

    pub fn by_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        if let Some((_, kind)) = NAMES.iter().find(|(known, _)| *known == lower) {
            return Some(Self(*kind));
        }
        // The web takes names with blanks around them; Java does not.
        let is_legal = |c: char| c.is_ascii_alphanumeric() || "-+:_.".contains(c);
        if !name.chars().all(is_legal) {
            return None;
        }
        // What the web calls by these names is something else, or nothing.
        let web = encoding_rs::Encoding::for_label(lower.as_bytes())?;
        let is_other = [encoding_rs::REPLACEMENT, encoding_rs::X_USER_DEFINED].contains(&web);
        (!is_other).then_some(Self(Kind::Web(web)))
    }

    pub fn is_utf8(self) -> bool {
        self.0 == Kind::Utf8
    }

    /// Appends the text; what the set does not have becomes `?`.
    pub fn encode(self, text: &str, out: &mut Vec<u8>) {
        match self.0 {
            Kind::Utf8 => out.extend_from_slice(text.as_bytes()),
            Kind::Ascii => encode_below(text, 0x80, out),
            Kind::Latin1 => encode_below(text, 0x100, out),
            Kind::Utf16 => {
                // No text, no mark.
                if !text.is_empty() {
                    out.extend_from_slice(&[0xfe, 0xff]);
                }
                text.encode_utf16()
                    .for_each(|unit| out.extend_from_slice(&unit.to_be_bytes()));
            }
            Kind::Utf16Be => {
                text.encode_utf16()
                    .for_each(|unit| out.extend_from_slice(&unit.to_be_bytes()));
            }
            Kind::Utf16Le => {
                text.encode_utf16()
                    .for_each(|unit| out.extend_from_slice(&unit.to_le_bytes()));
            }
            Kind::Utf32 | Kind::Utf32Be => {
                text.chars()
                    .for_each(|c| out.extend_from_slice(&u32::from(c).to_be_bytes()));
            }
            Kind::Utf32Le => {
                text.chars()
                    .for_each(|c| out.extend_from_slice(&u32::from(c).to_le_bytes()));
            }
            Kind::Web(encoding) => encode_web(encoding, text, out),
        }
    }

    /// The text; what is malformed becomes U+FFFD.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self.0 {
            Kind::Utf8 => decode_utf8(bytes),
            Kind::Ascii => match str::from_utf8(bytes) {
                Ok(text) if bytes.is_ascii() => Cow::Borrowed(text),
                _ => bytes
                    .iter()
                    .map(|&byte| ascii(byte))
                    .collect::<String>()
                    .into(),
            },
            Kind::Latin1 => bytes
                .iter()
                .map(|&byte| char::from(byte))
                .collect::<String>()
                .into(),
            Kind::Utf16 => match bytes {
                [0xff, 0xfe, rest @ ..] => decode_utf16(rest, u16::from_le_bytes),
                [0xfe, 0xff, rest @ ..] => decode_utf16(rest, u16::from_be_bytes),
                rest => decode_utf16(rest, u16::from_be_bytes),
            },
            Kind::Utf16Be => decode_utf16(bytes, u16::from_be_bytes),
            Kind::Utf16Le => decode_utf16(bytes, u16::from_le_bytes),
            Kind::Utf32 => match bytes {
                [0xff, 0xfe, 0, 0, rest @ ..] => decode_utf32(rest, u32::from_le_bytes),
                [0, 0, 0xfe, 0xff, rest @ ..] => decode_utf32(rest, u32::from_be_bytes),
                rest => decode_utf32(rest, u32::from_be_bytes),
            },
            Kind::Utf32Be => decode_utf32(bytes, u32::from_be_bytes),
            Kind::Utf32Le => decode_utf32(bytes, u32::from_le_bytes),
            Kind::Web(encoding) => decode_web(encoding, bytes),
        }
    }
}

/// As Java replaces what is malformed: like everyone, but that half of a surrogate pair in three
/// bytes is one character, not three.
fn decode_utf8(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    // Bytes of a surrogate that may still come and then belong to the character that was written.
    let mut follow = 0;
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            follow = 0;
        }
        text.push_str(chunk.valid());
        match chunk.invalid() {
            [] => {}
            [0xed] => {
                follow = 2;
                text.push(char::REPLACEMENT_CHARACTER);
            }
            [0xa0..=0xbf] if follow == 2 => follow = 1,
            [0x80..=0xbf] if follow == 1 => follow = 0,
            _ => {
                follow = 0;
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
    text.into()
}

/// Java's Windows sets have holes where the web's have control characters.
fn decode_web<'a>(encoding: &'static encoding_rs::Encoding, bytes: &'a [u8]) -> Cow<'a, str> {
    let text = encoding.decode_without_bom_handling(bytes).0;
    let is_hole = |c: char| ('\u{80}'..='\u{9f}').contains(&c);
    if encoding.name().starts_with("windows-") && text.contains(is_hole) {
        return text.replace(is_hole, "\u{fffd}").into();
    }
    text
}

fn ascii(byte: u8) -> char {
    if byte.is_ascii() {
        char::from(byte)
    } else {
        char::REPLACEMENT_CHARACTER
    }
}

fn encode_below(text: &str, limit: u32, out: &mut Vec<u8>) {
    let byte = |c: char| {
        u8::try_from(u32::from(c))
            .ok()
            .filter(|_| u32::from(c) < limit)
    };
    out.extend(text.chars().map(|c| byte(c).unwrap_or(b'?')));
}

fn encode_web(encoding: &'static encoding_rs::Encoding, text: &str, out: &mut Vec<u8>) {
    let mut encoder = encoding.new_encoder();
    let mut rest = text;
    let mut piece = [0; 1024];
    loop {
        let (result, read, written) =
            encoder.encode_from_utf8_without_replacement(rest, &mut piece, true);
        out.extend_from_slice(&piece[..written]);
        rest = &rest[read..];
        match result {
            encoding_rs::EncoderResult::InputEmpty => return,
            encoding_rs::EncoderResult::OutputFull => {}
            encoding_rs::EncoderResult::Unmappable(_) => out.push(b'?'),
        }
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'static, str> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    let mut text: String = char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    if !rest.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text.into()
}

fn decode_utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Cow<'static, str> {
    let (quads, rest) = bytes.as_chunks::<4>();
    let chars = quads.iter().map(|quad| char::from_u32(unit(*quad)));
    let mut text: String = chars
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    if !rest.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text.into()
}
