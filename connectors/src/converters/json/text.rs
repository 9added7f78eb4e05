//! Strings and numbers as Jackson writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::java::{DoubleText, FloatText};

/// A string in quotes. What is beyond 16 bits is written as two escapes.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(text, out);
    out.push(b'"');
}

fn write_escaped(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut start = 0;
    loop {
        let at = start + plain_length(&bytes[start..]);
        out.extend_from_slice(&bytes[start..at]);
        let Some(&byte) = bytes.get(at) else {
            return;
        };
        start = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            0..0x20 => write_unit(byte.into(), out),
            _ => {
                let c = text[at..].chars().next().expect("a character starts here");
                c.encode_utf16(&mut [0; 2])
                    .iter()
                    .for_each(|&unit| write_unit(unit, out));
                start = at + 4;
            }
        }
    }
}

fn write_unit(unit: u16, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(b"\\u");
    out.extend([12, 8, 4, 0].map(|shift| HEX[usize::from(unit >> shift & 15)]));
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGHS: u64 = ONES << 7;

/// How many bytes from the start are written as they are.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let zero_in = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let quote = zero_in(word ^ (ONES * u64::from(b'"')));
        let backslash = zero_in(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        // All four high bits set: the first byte of a character beyond 16 bits.
        let long = word & word << 1 & word << 2 & word << 3 & HIGHS;
        let special = quote | backslash | control | long;
        if special != 0 {
            let first = index * 8 + special.trailing_zeros() as usize / 8;
            return first;
        }
    }
    let in_rest = rest
        .iter()
        .position(|&byte| is_special(byte))
        .unwrap_or(rest.len());
    words.len() * 8 + in_rest
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | ..0x20 | 0xf0..)
}

pub(super) fn write_int(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// What is no number is written as a string.
pub(super) fn write_float(number: f32, out: &mut Vec<u8>) {
    quoted_unless(number.is_finite(), out, |out| FloatText(number).write(out));
}

pub(super) fn write_double(number: f64, out: &mut Vec<u8>) {
    quoted_unless(number.is_finite(), out, |out| DoubleText(number).write(out));
}

fn quoted_unless(plain: bool, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if plain {
        return write(out);
    }
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// Base64 with padding, in quotes.
pub(super) fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    let length =
        base64::encoded_len(bytes.len(), true).expect("it fits memory four thirds as long");
    out.resize(start + length, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    written.expect("the length was computed");
    out.push(b'"');
}

/// Base64 as Jackson reads it: blanks around and between groups of four; padding is required, what
/// it leaves over is not looked at.
pub(super) fn read_base64(text: &str) -> Option<Vec<u8>> {
    if let Ok(bytes) = STANDARD.decode(text) {
        return Some(bytes);
    }
    let mut rest = text.bytes();
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    while let Some(first) = rest.find(|&byte| byte > b' ') {
        let mut next = || rest.next();
        let mut bits = sextet(first)? << 6 | sextet(next()?)?;
        match next()? {
            b'=' => {
                if next()? != b'=' {
                    return None;
                }
                out.push(low_byte(bits >> 4));
                continue;
            }
            third => bits = bits << 6 | sextet(third)?,
        }
        match next()? {
            b'=' => out.extend([low_byte(bits >> 10), low_byte(bits >> 2)]),
            fourth => {
                bits = bits << 6 | sextet(fourth)?;
                out.extend([low_byte(bits >> 16), low_byte(bits >> 8), low_byte(bits)]);
            }
        }
    }
    Some(out)
}

fn low_byte(bits: u32) -> u8 {
    bits.to_le_bytes()[0]
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}
