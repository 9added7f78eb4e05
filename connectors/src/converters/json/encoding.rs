//! In which encoding a JSON text is, as Jackson tells by its first bytes, and the text.

use std::borrow::Cow;

/// The text, without the mark that may stand before it; nothing if it is malformed.
///
/// UTF-8 that is malformed behind the first value does no harm, for nobody looks there: the text
/// then ends before it.
pub(super) fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    // One glance is enough for almost all: a text starts with two ASCII characters, or is too
    // short.
    if let [1..=0x7f, 1..=0x7f, ..] = bytes {
        return utf8(bytes).map(Cow::Borrowed);
    }
    match bytes {
        [0, 0, 0xfe, 0xff, rest @ ..] => utf32(rest, u32::from_be_bytes),
        [0xff, 0xfe, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes),
        [0xfe, 0xff, _, _, ..] => utf16(&bytes[2..], u16::from_be_bytes),
        [0xff, 0xfe, _, _, ..] => utf16(&bytes[2..], u16::from_le_bytes),
        [0xef, 0xbb, 0xbf, _, ..] => utf8(&bytes[3..]).map(Cow::Borrowed),
        [0, 0, 0, _, ..] => utf32(bytes, u32::from_be_bytes),
        [_, 0, 0, 0, ..] => utf32(bytes, u32::from_le_bytes),
        // Orders of bytes that nobody uses.
        [0, _, 0, 0, ..] | [0, 0, _, 0, ..] => None,
        [0, _, ..] => utf16(bytes, u16::from_be_bytes),
        [_, 0, ..] => utf16(bytes, u16::from_le_bytes),
        _ => utf8(bytes).map(Cow::Borrowed),
    }
}

/// As far as it is well-formed. Nothing if what is malformed belongs to the first value, as it does
/// when there is none yet or when a number or a word stands right before it.
fn utf8(bytes: &[u8]) -> Option<&str> {
    let valid = match str::from_utf8(bytes) {
        Ok(text) => return Some(text),
        Err(error) => &bytes[..error.valid_up_to()],
    };
    let is_apart = valid
        .last()
        .is_some_and(|last| !last.is_ascii_alphanumeric());
    if valid.trim_ascii().is_empty() || !is_apart {
        return None;
    }
    str::from_utf8(valid).ok()
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Cow<'_, str>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text: Result<String, _> =
        char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
    rest.is_empty().then(|| text.ok().map(Cow::Owned))?
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Option<Cow<'_, str>> {
    let (quads, rest) = bytes.as_chunks::<4>();
    let text: Option<String> = quads
        .iter()
        .map(|quad| char::from_u32(unit(*quad)))
        .collect();
    rest.is_empty().then(|| text.map(Cow::Owned))?
}
