//! A line of the rejects file: its head is parsed, its content is only ever copied.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::records::builder::RecordHeader;
use serde::{Deserialize, Serialize};

use super::content::{Content, ContentError};
use super::sink::Sink;
use super::{REASON_BYTES_MAX, Reject, RejectedContent};
use crate::file::format::envelope::{write_bytes, write_headers};
use crate::file::format::json;

/// Everything in front of the content: a path and a reason, each byte escaped at its worst.
const HEAD_BYTES_MAX: u64 = 64 << 10;
/// Begins the content. It cannot lie within the head: a quote within a JSON string has a `\`.
const CONTENT: &[u8] = b",\"content";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// A path that is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_base64: Option<String>,
    /// Counted from 1.
    input: u32,
    /// Counted from 1; known at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<u64>,
    /// The record's place in the whole input, where one reader deals records out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) position: Option<u64>,
    /// The partition that it counts for, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) target_partition: Option<u32>,
    pub(super) offset: u64,
    length: u64,
    reason: String,
}

impl Head {
    pub(super) fn new(path: &Path, reject: &Reject<'_>) -> Self {
        let mut reason = reject.reason.to_owned();
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        let (file, file_base64) = match path.to_str() {
            Some(path) => (Some(path.to_owned()), None),
            None => (None, Some(STANDARD.encode(path.as_os_str().as_bytes()))),
        };
        Self {
            file,
            file_base64,
            input: u32::try_from(reject.input + 1).expect("fewer inputs than 2³²"),
            line: None,
            position: None,
            target_partition: None,
            offset: reject.offset,
            length: reject.length,
            reason,
        }
    }

    /// Index into the inputs; out of range for a number that no input has.
    pub(super) fn index(&self) -> usize {
        usize::try_from(self.input).map_or(usize::MAX, |input| input.wrapping_sub(1))
    }

    pub(super) fn is_of(&self, path: &Path) -> bool {
        match (&self.file, &self.file_base64) {
            (Some(file), _) => path.to_str() == Some(file),
            (None, Some(encoded)) => *encoded == STANDARD.encode(path.as_os_str().as_bytes()),
            (None, None) => false,
        }
    }

    /// As JSON, without the brace at its end.
    pub(super) fn open_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).expect("strings and numbers are JSON");
        json.pop();
        json
    }

    pub(super) fn parse(open_json: &[u8]) -> Option<Self> {
        let mut json = open_json.to_vec();
        json.push(b'}');
        serde_json::from_slice(&json).ok()
    }
}

/// Writes a whole line of a record that is in memory.
pub(super) fn write_record(
    sink: &mut Sink<'_>,
    head: &Head,
    record: &RejectedContent<'_>,
) -> Result<(), ContentError> {
    let mut line = head.open_json();
    match record {
        RejectedContent::Parsed(record) => {
            write_bytes(CONTENT, record.value, &mut line);
            if record.key.is_some() {
                write_bytes(b",\"key", record.key, &mut line);
            }
            let header = |(key, value)| RecordHeader { key, value };
            write_headers(record.headers.iter().map(header), &mut line);
            let partition = record.partition.map(i64::from);
            let numbers = [
                (",\"ts\":", record.timestamp),
                (",\"partition\":", partition),
            ];
            for (name, value) in numbers {
                if let Some(value) = value {
                    line.extend_from_slice(name.as_bytes());
                    json::number(value, &mut line);
                }
            }
        }
        RejectedContent::Unparsed(bytes) => {
            write_bytes(CONTENT, *bytes, &mut line);
            line.extend_from_slice(b",\"unparsed\":true");
        }
    }
    line.extend_from_slice(b"}\n");
    sink.push(&line).map_err(ContentError::Write)
}

/// Writes a whole line of a record that is in the input.
pub(super) fn write(
    sink: &mut Sink<'_>,
    head: &Head,
    content: &Content<'_>,
) -> Result<(), ContentError> {
    let survey = content.survey()?;
    let mut before = head.open_json();
    before.extend_from_slice(CONTENT);
    before.extend_from_slice(if survey.is_utf8 {
        b"\":\""
    } else {
        b"_base64\":\""
    });
    sink.push(&before).map_err(ContentError::Write)?;
    content.write(sink, &survey)?;
    sink.push(b"\"}\n").map_err(ContentError::Write)
}

/// A line that was found in a file.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) start: u64,
    /// Where the content begins: the comma in front of its key.
    pub(super) content: u64,
    /// Behind the line end.
    pub(super) end: u64,
    /// `None` if it is not one of ours, or was never whole.
    pub(super) head: Option<Head>,
    /// It was never whole: torn at the end of the file, or with zeros in it as a power loss leaves
    /// them.
    pub(super) is_garbage: bool,
}

/// The lines of a file, however long.
pub(super) struct Lines<'a> {
    reader: BufReader<&'a File>,
    at: u64,
    head: Vec<u8>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(mut file: &'a File) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        Ok(Self {
            reader: BufReader::with_capacity(64 << 10, file),
            at: 0,
            head: Vec::new(),
        })
    }

    pub(super) fn next_line(&mut self) -> io::Result<Option<Line>> {
        let start = self.at;
        self.head.clear();
        let mut limited = self.reader.by_ref().take(HEAD_BYTES_MAX);
        self.at += limited.read_until(b'\n', &mut self.head)? as u64;
        if self.head.is_empty() {
            return Ok(None);
        }
        let mut is_whole = self.head.ends_with(b"\n");
        if !is_whole {
            is_whole = self.skip_line()?;
        }
        let mark = self
            .head
            .windows(CONTENT.len())
            .position(|window| window == CONTENT);
        let head = &self.head[..mark.unwrap_or(self.head.len())];
        let has_zeros = head.contains(&0);
        Ok(Some(Line {
            start,
            content: start + mark.unwrap_or(0) as u64,
            end: self.at,
            head: mark.filter(|_| is_whole).and_then(|_| Head::parse(head)),
            is_garbage: !is_whole || has_zeros,
        }))
    }

    /// Goes to behind the next line end; false if the file ends before it.
    fn skip_line(&mut self) -> io::Result<bool> {
        loop {
            let buffered = self.reader.fill_buf()?;
            if buffered.is_empty() {
                return Ok(false);
            }
            let end = buffered.iter().position(|b| *b == b'\n');
            let bytes = end.map_or(buffered.len(), |end| end + 1);
            self.reader.consume(bytes);
            self.at += bytes as u64;
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}
