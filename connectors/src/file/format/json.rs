//! The pieces of JSON that envelopes and rejects are made of, written without allocating.
//!
//! Strings are escaped as yajl does, and so kcat: `\b \f \n \r \t \" \\`, and `\u00XX` in capitals
//! for the other control characters.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// What a byte of a string becomes at its worst.
pub(super) const ESCAPED_BYTES_MAX: usize = 6;

/// How many bytes come before the first that does not stand for itself in a string: a quote, a
/// backslash, a control character.
pub(super) fn plain_bytes(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // In each, the lowest flag is exact: a borrow only ever runs upwards.
        let below_space = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = (word ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES) & !(word ^ (ONES * 0x22));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        let backslash = backslash.wrapping_sub(ONES) & !backslash;
        let found = (below_space | quote | backslash) & HIGHS;
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let in_tail = tail.iter().position(|&byte| is_special(byte));
    words.len() * 8 + in_tail.unwrap_or(tail.len())
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}

/// Appends what stands between the quotes of a string.
pub(super) fn escape(text: &str, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_bytes(rest));
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = special.split_first() else {
            return;
        };
        rest = behind;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend([byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
            }
        }
    }
}

/// Appends a string.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// Appends a string of bytes in base64.
pub(super) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let from = out.len();
    out.resize(from + bytes.len().div_ceil(3) * 4, 0);
    STANDARD
        .encode_slice(bytes, &mut out[from..])
        .expect("four bytes for each three");
    out.push(b'"');
}

/// Appends a number.
pub(in crate::file) fn number(number: i64, out: &mut Vec<u8>) {
    // 2⁶³ has 19 digits, and there may be a sign.
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn plain_bytes_are_counted_as_one_by_one(
            bytes in prop::collection::vec(
                prop_oneof![8 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'!'), 1 => Just(0x1f)],
                0..40,
            ),
            from in 0..8_usize,
        ) {
            let bytes = &bytes[from.min(bytes.len())..];
            let naive = bytes.iter().take_while(|byte| !is_special(**byte)).count();
            prop_assert_eq!(plain_bytes(bytes), naive);
        }

        #[test]
        fn strings_are_json(text in "\\PC{0,20}[\\x00-\\x7f]{0,40}") {
            let mut json = Vec::new();
            string(&text, &mut json);
            prop_assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
        }

        #[test]
        fn numbers_are_decimal(value in any::<i64>()) {
            let mut json = Vec::new();
            number(value, &mut json);
            prop_assert_eq!(String::from_utf8(json).unwrap(), value.to_string());
        }
    }

    #[test]
    fn long_clean_text_is_found_to_be_clean() {
        for at in 0..100 {
            let mut bytes = vec![b'a'; 100];
            assert_eq!(plain_bytes(&bytes), 100);
            for special in [b'"', b'\\', 0, 0x1f] {
                bytes[at] = special;
                assert_eq!(plain_bytes(&bytes), at);
            }
        }
        for value in [i64::MIN, -1, 0, 9, 10, i64::MAX] {
            let mut json = Vec::new();
            number(value, &mut json);
            assert_eq!(json, value.to_string().into_bytes());
        }
    }
}
