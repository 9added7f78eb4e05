//! Records into envelopes.

use std::str::from_utf8;

use protocol::records::builder::RecordHeader;
use protocol::records::header::TimestampType;

use super::super::json::{self, ESCAPED_BYTES_MAX};
use super::super::output::OutputRecord;

/// The names and numbers of an envelope whose strings are empty, at their longest.
const FIXED_BYTES_MAX: usize = 256;
/// The quotes and commas of a header.
const HEADER_BYTES_MAX: usize = 6;

/// Appends the record's line.
pub(in super::super) fn write_envelope<'a, H>(record: &OutputRecord<'a, H>, out: &mut Vec<u8>)
where
    H: Iterator<Item = RecordHeader<'a>> + Clone,
{
    out.extend_from_slice(b"{\"topic\":");
    json::string(record.topic, out);
    out.extend_from_slice(b",\"partition\":");
    json::number(record.partition.into(), out);
    out.extend_from_slice(b",\"offset\":");
    json::number(record.offset, out);
    if record.timestamp != -1 {
        out.extend_from_slice(match record.timestamp_type {
            TimestampType::Create => b",\"tstype\":\"create\",\"ts\":".as_slice(),
            TimestampType::LogAppend => b",\"tstype\":\"logappend\",\"ts\":",
        });
        json::number(record.timestamp, out);
    }
    out.extend_from_slice(b",\"broker\":");
    json::number(record.broker.into(), out);
    write_headers(record.headers.clone(), out);
    write_bytes(b",\"key", record.key, out);
    write_bytes(b",\"payload", record.value, out);
    out.extend_from_slice(b"}\n");
}

/// A field whose name is given with all that is before it but for the quote behind it.
pub(in crate::file) fn write_bytes(name: &[u8], bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    match bytes.map(|bytes| (bytes, from_utf8(bytes))) {
        None => out.extend_from_slice(b"\":null"),
        Some((_, Ok(text))) => {
            out.extend_from_slice(b"\":");
            json::string(text, out);
        }
        Some((bytes, Err(_))) => {
            out.extend_from_slice(b"_base64\":");
            json::base64(bytes, out);
        }
    }
}

/// The headers' field, if there are any.
pub(in crate::file) fn write_headers<'a>(
    headers: impl Iterator<Item = RecordHeader<'a>> + Clone,
    out: &mut Vec<u8>,
) {
    let is_text = |bytes: &[u8]| from_utf8(bytes).is_ok();
    let all_text = headers
        .clone()
        .all(|header| is_text(header.key) && header.value.is_none_or(is_text));
    let mut before: &[u8] = if all_text {
        b",\"headers\":["
    } else {
        b",\"headers_base64\":["
    };
    for header in headers {
        out.extend_from_slice(before);
        write_element(header.key, all_text, out);
        out.push(b',');
        match header.value {
            Some(value) => write_element(value, all_text, out),
            None => out.extend_from_slice(b"null"),
        }
        before = b",";
    }
    if before == b"," {
        out.push(b']');
    }
}

fn write_element(bytes: &[u8], is_text: bool, out: &mut Vec<u8>) {
    match from_utf8(bytes) {
        Ok(text) if is_text => json::string(text, out),
        _ => json::base64(bytes, out),
    }
}

/// No envelope of the record is longer.
pub(in super::super) fn envelope_bytes_max<'a, H>(record: &OutputRecord<'a, H>) -> usize
where
    H: Iterator<Item = RecordHeader<'a>> + Clone,
{
    let of_header = |header: RecordHeader<'_>| {
        let bytes = header.key.len() + header.value.map_or(4, <[u8]>::len);
        HEADER_BYTES_MAX + ESCAPED_BYTES_MAX * bytes
    };
    let strings = record.topic.len()
        + record.key.map_or(0, <[u8]>::len)
        + record.value.map_or(0, <[u8]>::len);
    FIXED_BYTES_MAX
        + ESCAPED_BYTES_MAX * strings
        + record.headers.clone().map(of_header).sum::<usize>()
}
