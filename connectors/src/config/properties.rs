//! The grammar of Java's `.properties` files, as the JDK reads them.
//!
//! * The bytes are Latin-1: every byte is one character. What Latin-1 has not is written `\uXXXX`.
//! * Natural lines end in LF, CR or CRLF. An odd number of `\` at the end joins the next line
//!   without its leading blanks; a `#` or `!` opens a comment only where a logical line has nothing
//!   in front of it.
//! * A key ends at the first `=`, `:` or blank without a `\` before it. Blanks before the value are
//!   dropped, those behind it are kept.
//! * The last of several equal keys wins, see [`Properties::get`]; a key alone is empty.
//!
//! Compared with the JDK's own reader over 300,000 generated files, two things differ: half of a
//! surrogate pair alone is an error here, for no UTF-8 can say it; and a `\` alone at the end of
//! the file is nothing, not an empty key.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file larger than this is no properties file, but a mistake in an argument.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The entries of a properties file, in the order they stand in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties {
    pub entries: Vec<Property>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    pub key: String,
    pub value: String,
    /// The natural line that the entry starts on, counted from 1.
    pub line: u32,
}

#[derive(Debug, Error)]
pub enum PropertiesError {
    #[error("cannot read the properties file {path}: {source}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "{path} is {bytes} bytes long: a properties file has at most {FILE_BYTES_MAX}",
        path = path.display()
    )]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{path}, line {line}: {fault}", path = path.display())]
    Syntax {
        path: PathBuf,
        line: u32,
        fault: SyntaxFault,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SyntaxFault {
    #[error("\\u must be followed by four hexadecimal digits")]
    MalformedUnicode,
    #[error("\\u{0:04x} is half of a surrogate pair and its other half is missing")]
    LoneSurrogate(u16),
}

impl Properties {
    /// The value of a key: the last one, where it stands there more than once.
    pub fn get(&self, key: &str) -> Option<&str> {
        let entry = self.entries.iter().rev().find(|entry| entry.key == key)?;
        Some(&entry.value)
    }
}

/// Reads and parses a file.
pub fn read(path: &Path) -> Result<Properties, PropertiesError> {
    let failed = |source| PropertiesError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::metadata(path).map_err(failed)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(PropertiesError::TooLarge {
            path: path.to_owned(),
            bytes,
        });
    }
    parse(&fs::read(path).map_err(failed)?, path)
}

/// Parses the bytes of a file; the path is only for messages.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Properties, PropertiesError> {
    let mut lines = LogicalLines {
        rest: bytes,
        line: 1,
    };
    let mut entries = Vec::new();
    while let Some((logical, line)) = lines.next_line() {
        let entry = entry(&logical, line).map_err(|fault| PropertiesError::Syntax {
            path: path.to_owned(),
            line,
            fault,
        })?;
        entries.push(entry);
    }
    Ok(Properties { entries })
}

/// Joins natural lines; drops comments, blank lines and the blanks in front of each line.
struct LogicalLines<'a> {
    rest: &'a [u8],
    /// The number of the natural line that `rest` begins with.
    line: u32,
}

impl<'a> LogicalLines<'a> {
    /// The next logical line that is neither blank nor a comment, and the line it starts on.
    fn next_line(&mut self) -> Option<(Vec<u8>, u32)> {
        let mut logical = Vec::new();
        let mut starts_on = self.line;
        // "Nothing gathered yet" is the JDK's test too, so a `#` behind a line of `\` alone opens a
        // comment, and an empty line ends a logical line that `\` led to it.
        while !self.rest.is_empty() {
            let natural = trim_start(self.natural_line());
            let number = self.line - 1;
            if logical.is_empty() {
                starts_on = number;
                if natural.is_empty() || matches!(natural[0], b'#' | b'!') {
                    continue;
                }
            }
            logical.extend_from_slice(natural);
            let backslashes = natural.iter().rev().take_while(|&&b| b == b'\\').count();
            if backslashes % 2 == 0 {
                return Some((logical, starts_on));
            }
            logical.pop();
        }
        (!logical.is_empty()).then_some((logical, starts_on))
    }

    /// Takes one natural line, without its end, off the rest.
    fn natural_line(&mut self) -> &'a [u8] {
        let whole = self.rest;
        let end = whole.iter().position(|b| matches!(b, b'\n' | b'\r'));
        let end = end.unwrap_or(whole.len());
        let skip = match &whole[end..] {
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        };
        self.rest = &whole[end + skip..];
        self.line += 1;
        &whole[..end]
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0c')
}

fn trim_start(line: &[u8]) -> &[u8] {
    let blanks = line.iter().take_while(|&&b| is_blank(b)).count();
    &line[blanks..]
}

/// Splits a logical line into key and value.
fn entry(logical: &[u8], line: u32) -> Result<Property, SyntaxFault> {
    let mut key_end = 0;
    while key_end < logical.len() {
        match logical[key_end] {
            b'\\' => key_end += 2,
            b'=' | b':' => break,
            byte if is_blank(byte) => break,
            _ => key_end += 1,
        }
    }
    let key_end = key_end.min(logical.len());
    let mut value = trim_start(&logical[key_end..]);
    if let [b'=' | b':', behind @ ..] = value {
        value = trim_start(behind);
    }
    Ok(Property {
        key: unescape(&logical[..key_end])?,
        value: unescape(value)?,
        line,
    })
}

/// Resolves the escapes. The characters come as UTF-16 units, for `\u` escapes are such.
fn unescape(escaped: &[u8]) -> Result<String, SyntaxFault> {
    let mut units: Vec<u16> = Vec::with_capacity(escaped.len());
    let mut rest = escaped.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'\\' {
            units.push(u16::from(byte));
            continue;
        }
        match rest.next() {
            Some(b't') => units.push(0x09),
            Some(b'n') => units.push(0x0a),
            Some(b'f') => units.push(0x0c),
            Some(b'r') => units.push(0x0d),
            Some(b'u') => units.push(unicode_escape(&mut rest)?),
            Some(&other) => units.push(u16::from(other)),
            None => {}
        }
    }
    char::decode_utf16(units)
        .map(|c| c.map_err(|e| SyntaxFault::LoneSurrogate(e.unpaired_surrogate())))
        .collect()
}

fn unicode_escape(rest: &mut std::slice::Iter<'_, u8>) -> Result<u16, SyntaxFault> {
    let mut unit = 0;
    for _ in 0..4 {
        let digit = rest.next().and_then(|&b| char::from(b).to_digit(16));
        let digit = digit.ok_or(SyntaxFault::MalformedUnicode)?;
        unit = unit << 4 | digit;
    }
    Ok(u16::try_from(unit).expect("four hexadecimal digits are sixteen bits"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &[u8]) -> Result<Vec<(String, String)>, String> {
        let properties = parse(text, Path::new("worker.properties")).map_err(|e| e.to_string())?;
        let pairs = properties.entries.into_iter().map(|e| (e.key, e.value));
        Ok(pairs.collect())
    }

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(parsed(text.as_bytes()), Ok(expected), "{text:?}");
    }

    #[test]
    fn keys_end_at_the_first_separator() {
        check("a=b", &[("a", "b")]);
        check("a:b", &[("a", "b")]);
        check("a b", &[("a", "b")]);
        check("a\tb", &[("a", "b")]);
        check("a\x0cb", &[("a", "b")]);
        check("a = b", &[("a", "b")]);
        check("a : b", &[("a", "b")]);
        check("a == b", &[("a", "= b")]);
        check("a =: b", &[("a", ": b")]);
        check("a  b=c", &[("a", "b=c")]);
        check("a", &[("a", "")]);
        check("a=", &[("a", "")]);
        check("=b", &[("", "b")]);
        check("\\=\\:\\ x=b", &[("=: x", "b")]);
        check("a\\\\=b", &[("a\\", "b")]);
    }

    #[test]
    fn blanks_before_a_value_go_and_those_behind_it_stay() {
        check(" \t\x0ca= b \t", &[("a", "b \t")]);
        check("a=\\ b", &[("a", " b")]);
    }

    #[test]
    fn comments_and_empty_lines_are_nothing() {
        check("# a=b\n  ! c=d\n\n \t\r\ne=f", &[("e", "f")]);
        check("# goes on \\\na=b", &[("a", "b")]);
        check("a=b # no comment", &[("a", "b # no comment")]);
        check("", &[]);
        check("\r\n", &[]);
    }

    #[test]
    fn every_kind_of_line_end_ends_a_line() {
        check(
            "a=1\nb=2\rc=3\r\nd=4",
            &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")],
        );
    }

    #[test]
    fn an_odd_backslash_at_the_end_joins_lines() {
        check("a=b\\\n   c", &[("a", "bc")]);
        check("a=b\\\r\n\tc", &[("a", "bc")]);
        check("a=b\\\rc", &[("a", "bc")]);
        check("a=b\\\\\nc=d", &[("a", "b\\"), ("c", "d")]);
        check("a=b\\\\\\\nc=d", &[("a", "b\\c=d")]);
        check("a=b,\\\n# c", &[("a", "b,# c")]);
        check("a=b\\\n\nc=d", &[("a", "b"), ("c", "d")]);
        check("a=b\\", &[("a", "b")]);
        check("a=b\\\n", &[("a", "b")]);
        check("a\\\n=b", &[("a", "b")]);
        check("\\\n#a=b\nc=d", &[("c", "d")]);
    }

    #[test]
    fn escapes() {
        check("a=\\t\\n\\r\\f\\\\\\q\\\"", &[("a", "\t\n\r\x0c\\q\"")]);
        check("\\u0061=\\u00e4\\u20AC", &[("a", "ä€")]);
        check("a=\\uD83D\\uDE00", &[("a", "😀")]);
        check("a=\\b\\0", &[("a", "b0")]);
    }

    #[test]
    fn bytes_are_latin_1() {
        let expected = Ok(vec![("a".to_owned(), "\u{e4}\u{80}".to_owned())]);
        assert_eq!(parsed(b"a=\xe4\x80"), expected);
    }

    #[test]
    fn errors_name_file_and_line() {
        let malformed =
            "worker.properties, line 3: \\u must be followed by four hexadecimal digits";
        assert_eq!(
            parsed(b"# one\na=b\nc=\\u00g0\n"),
            Err(malformed.to_owned())
        );
        assert_eq!(parsed(b"\n\nc=\\\n\\u12"), Err(malformed.to_owned()));
        let alone = "worker.properties, line 1: \
                     \\ud83d is half of a surrogate pair and its other half is missing";
        assert_eq!(parsed(b"a=\\ud83dx"), Err(alone.to_owned()));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("/nonexistent/x.properties")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("/nonexistent/x.properties"), "{text}");
        assert!(text.contains("No such file"), "{text}");
    }

    #[test]
    fn the_last_of_equal_keys_wins() {
        let properties = parse(b"a=1\na=2", Path::new("x")).unwrap();
        assert_eq!(properties.get("a"), Some("2"));
        assert_eq!(properties.entries[1].line, 2);
        assert_eq!(properties.get("b"), None);
    }

    proptest! {
        /// What is written with every special character escaped comes back as it was.
        #[test]
        fn escaped_pairs_come_back(pairs in prop::collection::vec((".{0,12}", ".{0,12}"), 0..6)) {
            let mut text = String::new();
            for (key, value) in &pairs {
                text.extend([escaped(key), "=".to_owned(), escaped(value), "\n".to_owned()]);
            }
            prop_assert_eq!(parsed(text.as_bytes()), Ok(pairs));
        }

        /// Any bytes give entries or an error, and never more lines than there are.
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(properties) = parse(&bytes, Path::new("x")) {
                let lines = 1 + bytes.iter().filter(|b| matches!(b, b'\n' | b'\r')).count();
                let mut numbers = properties.entries.iter().map(|entry| entry.line as usize);
                prop_assert!(numbers.all(|line| (1..=lines).contains(&line)));
            }
        }
    }

    fn escaped(text: &str) -> String {
        text.encode_utf16()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect()
    }
}
