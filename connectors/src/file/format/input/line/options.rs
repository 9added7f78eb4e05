//! What is told about lines, and what cannot be meant.

use thiserror::Error;

use super::{Header, pattern};
/// How a line is read. The fields are LineMessageReader's properties and kcat's options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineOptions {
    /// `parse.key`.
    pub parse_key: bool,
    /// `key.separator`, or `-K`: a tab.
    pub key_separator: Vec<u8>,
    /// `parse.headers`.
    pub parse_headers: bool,
    /// `headers.delimiter`, which ends the headers: a tab.
    pub headers_delimiter: String,
    /// `headers.separator`, which stands between headers: a comma. It is one of Java's regular
    /// expressions, of those that stand for one text.
    pub headers_separator: String,
    /// `headers.key.separator`, which stands between a header's name and its value: a colon.
    pub headers_key_separator: String,
    /// `null.marker`.
    pub null_marker: Option<String>,
    /// `ignore.error`.
    pub ignore_error: bool,
    /// `-Z`: an empty value, or an empty key in the line, is null.
    pub empty_is_null: bool,
    /// `-k`: the key of records whose line has none.
    pub key: Option<Vec<u8>>,
    /// `-H`: headers of every record.
    pub headers: Vec<Header>,
}

impl Default for LineOptions {
    fn default() -> Self {
        Self {
            parse_key: false,
            key_separator: b"\t".to_vec(),
            parse_headers: false,
            headers_delimiter: "\t".to_owned(),
            headers_separator: ",".to_owned(),
            headers_key_separator: ":".to_owned(),
            null_marker: None,
            ignore_error: false,
            empty_is_null: false,
            key: None,
            headers: Vec::new(),
        }
    }
}

/// Options that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OptionsError {
    #[error("{0} and {1} may not be equal")]
    Equal(&'static str, &'static str),
    #[error(
        "headers.separator={0:?} is a regular expression for more than one text, which is not \
         supported: write a \\ before each of . | ? * + ^ $ ( ) [ {{ that is meant as it stands"
    )]
    Pattern(String),
    #[error("-H {0:?} is neither name=value nor a name alone")]
    Header(String),
}

impl LineOptions {
    /// Takes one of the console producer's reader properties; false if it has none of that name.
    pub fn set_property(&mut self, name: &str, value: &str) -> bool {
        let is_true = || value.trim().eq_ignore_ascii_case("true");
        let text = || value.to_owned();
        match name {
            "parse.key" => self.parse_key = is_true(),
            "key.separator" => self.key_separator = text().into_bytes(),
            "parse.headers" => self.parse_headers = is_true(),
            "headers.delimiter" => self.headers_delimiter = text(),
            "headers.separator" => self.headers_separator = text(),
            "headers.key.separator" => self.headers_key_separator = text(),
            "null.marker" => self.null_marker = Some(text()),
            "ignore.error" => self.ignore_error = is_true(),
            _ => return false,
        }
        true
    }

    /// Adds kcat's `-H name=value`; without `=` the value is null.
    pub fn add_header(&mut self, text: &str) -> Result<(), OptionsError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.as_bytes().to_vec())),
            None => (text, None),
        };
        if name.is_empty() {
            return Err(OptionsError::Header(text.to_owned()));
        }
        let name = name.as_bytes().to_vec();
        self.headers.push(Header { name, value });
        Ok(())
    }

    /// The rules of `LineMessageReader.configure`; returns the text between headers.
    pub(super) fn check(&self) -> Result<String, OptionsError> {
        let key = (&self.key_separator[..], "key.separator");
        let delimiter = (self.headers_delimiter.as_bytes(), "headers.delimiter");
        let separator = (self.headers_separator.as_bytes(), "headers.separator");
        let header_key = (
            self.headers_key_separator.as_bytes(),
            "headers.key.separator",
        );
        let marker = self.null_marker.as_deref();
        let may_not_be_equal = [
            (delimiter, Some(separator)),
            (delimiter, Some(header_key)),
            (separator, Some(header_key)),
            (key, None),
            (separator, None),
            (delimiter, None),
            (header_key, None),
        ];
        for ((text, name), other) in may_not_be_equal {
            let (other_text, other_name) = match (other, marker) {
                (Some(other), _) => other,
                (None, Some(marker)) => (marker.as_bytes(), "null.marker"),
                (None, None) => continue,
            };
            if text == other_text {
                return Err(OptionsError::Equal(name, other_name));
            }
        }
        pattern::literal(&self.headers_separator)
            .ok_or_else(|| OptionsError::Pattern(self.headers_separator.clone()))
    }
}
