//! Format strings against what kcat 1.7.1 prints of the same records.

use super::*;
use crate::file::format::escapes::unescape;

type Headers<'a> = &'a [RecordHeader<'a>];

fn record<'a>(
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Headers<'a>,
) -> OutputRecord<'a, std::iter::Copied<std::slice::Iter<'a, RecordHeader<'a>>>> {
    OutputRecord {
        topic: "topic",
        partition: 2,
        broker: 1,
        offset: 1234,
        timestamp: 1_700_000_000_123,
        timestamp_type: TimestampType::Create,
        key,
        value,
        headers: headers.iter().copied(),
    }
}

const HEADERS: [RecordHeader<'static>; 3] = [
    RecordHeader {
        key: b"a",
        value: Some(b"1"),
    },
    RecordHeader {
        key: b"b",
        value: None,
    },
    RecordHeader {
        key: b"a",
        value: Some(b""),
    },
];

fn written(output: &Output, null: bool) -> Vec<u8> {
    let record = if null {
        record(None, None, &[])
    } else {
        record(Some(b"key"), Some(b"va\0lue"), &HEADERS)
    };
    let mut out = b"before".to_vec();
    output.write(&record, &mut out);
    assert!(out.starts_with(b"before"), "it is appended");
    let bytes = out.split_off(6);
    assert!(bytes.len() <= output.bytes_max(&record));
    bytes
}

#[track_caller]
fn check(format: &str, expected: &[u8], expected_of_nulls: &[u8]) {
    let output = Output::Format(Compiled::new(format, "").unwrap());
    assert_eq!(written(&output, false), expected, "{format}");
    assert_eq!(
        written(&output, true),
        expected_of_nulls,
        "{format}, of nulls"
    );
}

#[test]
fn every_verb_writes_what_kcat_writes() {
    check("%s", b"va\0lue", b"");
    check("%v", b"va\0lue", b"");
    check("%S", b"6", b"-1");
    check("%R", b"\0\0\0\x06", b"\xff\xff\xff\xff");
    check("%k", b"key", b"");
    check("%K", b"3", b"-1");
    check("%h", b"a=1,b=NULL,a=", b"");
    check("%t[%p]@%o", b"topic[2]@1234", b"topic[2]@1234");
    check("%T", b"1700000000123", b"1700000000123");
    check("%%", b"%", b"%");
    check("", b"", b"");
}

#[test]
fn text_between_verbs_may_have_escapes() {
    check(r"%k\t%s\n", b"key\tva\0lue\n", b"\t\n");
    check(
        r"100%%\x25\\\0é%p",
        "100%%\\\0é2".as_bytes(),
        "100%%\\\0é2".as_bytes(),
    );
}

#[test]
fn nulls_are_written_as_they_are_wanted() {
    let output = Output::Format(Compiled::new("%k=%s,%S %h", "∅").unwrap());
    assert_eq!(written(&output, true), "∅=∅,-1 ".as_bytes());
    let output = Output::Values {
        delimiter: unescape(r"\r\n").unwrap(),
        null: b"NULL".to_vec(),
    };
    assert_eq!(written(&output, true), b"NULL\r\n");
    assert_eq!(written(&output, false), b"va\0lue\r\n");
}

#[test]
fn format_strings_that_are_none_are_refused() {
    let check = |format: &str, expected: &str| {
        let error = Compiled::new(format, "").unwrap_err().to_string();
        assert!(error.starts_with(expected), "{format}: {error}");
    };
    check("%s %x", "unknown verb %x in the format string");
    check("%é", "unknown verb %é");
    check("100%", "the format string ends in a %");
    check(r"%s\q", r#"format string: unknown escape "\\q""#);
    check(r"\%s", r#"format string: unknown escape "\\""#);
}

#[test]
fn the_bound_holds_at_the_largest_numbers() {
    let mut record = record(None, None, &[]);
    record.offset = i64::MIN;
    record.timestamp = i64::MIN;
    record.partition = u32::MAX;
    record.broker = i32::MIN;
    let format = Compiled::new("%o%T%p%S%K%R", "").unwrap();
    for output in [Output::Format(format), Output::Envelope] {
        let mut out = Vec::new();
        output.write(&record, &mut out);
        assert!(out.len() <= output.bytes_max(&record), "{}", out.len());
    }
}
