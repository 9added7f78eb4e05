//! Escapes in options: delimiters, separators and format strings.
//!
//! | written | means |
//! |---|---|
//! | `\n` `\r` `\t` | line feed, carriage return, tab |
//! | `\0` | the byte 0 |
//! | `\xNN` | the byte with that number, one or two hexadecimal digits |
//! | `\` and anything but a letter or a digit | that itself, so `\\` is a backslash |
//!
//! These are kcat's, `kcat(1)`, where it does not trip: 1.7.1 reads `\xff` as `ff` in `-f`, cuts
//! off what follows a `\0`, and goes on reading hexadecimal digits for as long as there are any.

use thiserror::Error;

/// An escape that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown escape {0:?}: \\n, \\r, \\t, \\0 and \\xNN are there, and \\\\ for a backslash")]
pub struct UnknownEscape(String);

/// The bytes that `text` stands for.
pub fn unescape(text: &str) -> Result<Vec<u8>, UnknownEscape> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let (byte, taken) = escape(&rest[at..])?;
        bytes.extend_from_slice(byte);
        rest = &rest[at + taken..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// What the escape at the start of `text` means, and how long it is.
fn escape(text: &str) -> Result<(&[u8], usize), UnknownEscape> {
    let unknown = || UnknownEscape(text.chars().take(4).collect());
    let letter = text[1..].chars().next().ok_or_else(unknown)?;
    match letter {
        'n' => Ok((b"\n", 2)),
        'r' => Ok((b"\r", 2)),
        't' => Ok((b"\t", 2)),
        // A digit more would be octal to some and decimal to others.
        '0' if !text[2..].starts_with(|c: char| c.is_ascii_digit()) => Ok((b"\0", 2)),
        'x' => {
            let is_digit = |c: &u8| c.is_ascii_hexdigit();
            let digits = text[2..].bytes().take(2).take_while(is_digit).count();
            let number = usize::from_str_radix(&text[2..2 + digits], 16).map_err(|_| unknown())?;
            Ok((&BYTES[number..=number], 2 + digits))
        }
        _ if letter.is_ascii_alphanumeric() => Err(unknown()),
        _ => Ok((
            &text.as_bytes()[1..1 + letter.len_utf8()],
            1 + letter.len_utf8(),
        )),
    }
}

/// Every byte.
static BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        bytes[byte] = byte as u8;
        byte += 1;
    }
    bytes
};

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[u8]) {
        assert_eq!(unescape(text).as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn escapes_become_bytes() {
        check("", b"");
        check("plain: é", "plain: é".as_bytes());
        check(r"\n\r\t\0", b"\n\r\t\0");
        check(r"\x54!\x45\x53T", b"T!EST");
        check(r"\x0a\xFF\xfg\x7", b"\n\xff\x0fg\x07");
        check(r"\x414", b"A4");
        check(r"a\\nb\|\é\%\ ", "a\\nb|é% ".as_bytes());
    }

    #[test]
    fn unknown_escapes_are_named() {
        for (text, name) in [
            (r"a\q", r"\q"),
            (r"a\", r"\"),
            (r"\x", r"\x"),
            (r"\xg1", r"\xg1"),
            (r"\01", r"\01"),
            (r"\7", r"\7"),
        ] {
            assert_eq!(unescape(text), Err(UnknownEscape(name.into())), "{text}");
        }
    }
}
