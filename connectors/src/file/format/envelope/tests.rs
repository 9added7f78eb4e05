//! What is written is read back, whatever the bytes; what others write is read; anything else is an
//! error.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use protocol::records::builder::RecordHeader;
use protocol::records::header::TimestampType;
use serde_json::Value;

use super::super::output::{Output, OutputRecord};
use super::*;

type Blob = Option<Vec<u8>>;

/// A record that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Owned {
    key: Blob,
    value: Blob,
    headers: Vec<(Vec<u8>, Blob)>,
    timestamp: Option<i64>,
    partition: Option<u32>,
}

impl Owned {
    fn line(&self, tstype: TimestampType) -> Vec<u8> {
        let headers: Vec<RecordHeader<'_>> = self
            .headers
            .iter()
            .map(|(key, value)| RecordHeader {
                key,
                value: value.as_deref(),
            })
            .collect();
        let record = OutputRecord {
            topic: "to\"pic",
            partition: self.partition.unwrap(),
            broker: 2,
            offset: 77,
            timestamp: self.timestamp.unwrap_or(-1),
            timestamp_type: tstype,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: headers.iter().copied(),
        };
        let mut line = Vec::new();
        Output::Envelope.write(&record, &mut line);
        assert!(line.len() <= Output::Envelope.bytes_max(&record));
        line
    }
}

fn read(line: &[u8]) -> Result<Owned, EnvelopeError> {
    let mut reader = EnvelopeReader::new();
    let record = reader.read(line)?;
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let headers = record.headers.iter();
    Ok(Owned {
        key: owned(record.key),
        value: owned(record.value),
        headers: headers
            .map(|(name, value)| (name.to_vec(), owned(value)))
            .collect(),
        timestamp: record.timestamp,
        partition: record.partition,
    })
}

fn headers(of: &[(&str, Option<&str>)]) -> Vec<(Vec<u8>, Blob)> {
    let bytes = |text: &str| text.as_bytes().to_vec();
    of.iter()
        .map(|(name, value)| (bytes(name), value.map(bytes)))
        .collect()
}

#[test]
fn fields_are_kcats() {
    let record = Owned {
        key: Some(b"k\x01\x1f".to_vec()),
        value: Some("é \u{7f}\"\\/\n\r\t\x08\x0c".as_bytes().to_vec()),
        headers: headers(&[("a", Some("1")), ("b", None), ("a", Some(""))]),
        timestamp: Some(1_700_000_000_123),
        partition: Some(3),
    };
    let line = String::from_utf8(record.line(TimestampType::Create)).unwrap();
    assert_eq!(
        line,
        "{\"topic\":\"to\\\"pic\",\"partition\":3,\"offset\":77,\"tstype\":\"create\",\
         \"ts\":1700000000123,\"broker\":2,\"headers\":[\"a\",\"1\",\"b\",null,\"a\",\"\"],\
         \"key\":\"k\\u0001\\u001F\",\"payload\":\"é \u{7f}\\\"\\\\/\\n\\r\\t\\b\\f\"}\n"
    );
    assert_eq!(read(line.as_bytes()), Ok(record));
}

#[test]
fn what_is_not_there_is_left_out_or_null() {
    let record = Owned {
        partition: Some(0),
        ..Owned::default()
    };
    let line = String::from_utf8(record.line(TimestampType::LogAppend)).unwrap();
    assert_eq!(
        line,
        "{\"topic\":\"to\\\"pic\",\"partition\":0,\"offset\":77,\"broker\":2,\"key\":null,\
         \"payload\":null}\n"
    );
    assert_eq!(read(line.as_bytes()), Ok(record));
}

#[test]
fn bytes_that_are_no_text_are_in_base64() {
    let record = Owned {
        key: Some(b"\xff".to_vec()),
        value: Some(b"\xc3\x28".to_vec()),
        headers: vec![
            (b"a".to_vec(), Some(b"\xfe".to_vec())),
            (b"b".to_vec(), None),
        ],
        timestamp: Some(5),
        partition: Some(0),
    };
    let line = String::from_utf8(record.line(TimestampType::LogAppend)).unwrap();
    assert_eq!(
        line,
        "{\"topic\":\"to\\\"pic\",\"partition\":0,\"offset\":77,\"tstype\":\"logappend\",\
         \"ts\":5,\"broker\":2,\"headers_base64\":[\"YQ==\",\"/g==\",\"Yg==\",null],\
         \"key_base64\":\"/w==\",\"payload_base64\":\"wyg=\"}\n"
    );
    assert_eq!(read(line.as_bytes()), Ok(record));
}

#[test]
fn what_others_write_is_read() {
    let check = |line: &[u8], expected: Owned| assert_eq!(read(line), Ok(expected));
    let value = |value: &[u8]| Owned {
        value: Some(value.to_vec()),
        ..Owned::default()
    };
    // kcat's, of a record that is no UTF-8.
    check(
        b"{\"topic\":\"t\",\"partition\":0,\"offset\":0,\"tstype\":\"create\",\"ts\":-1,\
          \"broker\":-1,\"key\":null,\"payload\":\"\xff\xc3\"}",
        Owned {
            partition: Some(0),
            ..value(b"\xff\xc3")
        },
    );
    check(
        br#" { "payload" : "\u00e9\ud83d\ude00\/\u0000" , "x" : [ 1.5e3 , { "y" : [ ] } , -0 ] } "#,
        value("é😀/\0".as_bytes()),
    );
    check(
        br#"{"\u0070ayload":"a","key":null,"headers":null}"#,
        value(b"a"),
    );
    let with_headers = |of: &[(&str, Option<&str>)]| Owned {
        headers: headers(of),
        ..value(b"v")
    };
    let two = with_headers(&[("a", Some("1")), ("b", None)]);
    for line in [
        r#"{"headers":["a","1","b",null],"payload":"v"}"#,
        r#"{"headers":[["a","1"],["b",null]],"payload":"v"}"#,
        r#"{"headers":{"a":"1","b":null},"payload":"v"}"#,
        r#"{"headers":{"a":["1"],"c":[],"b":[null]},"payload":"v"}"#,
        r#"{"headers_base64":["YQ","MQ==","Yg\u003d=",null],"payload":"v"}"#,
    ] {
        check(line.as_bytes(), two.clone());
    }
    let again = with_headers(&[("a", Some("1")), ("b", None), ("a", Some("2"))]);
    check(
        br#"{"headers":{"a":"1","b":[null],"a":["2"]},"payload":"v"}"#,
        again,
    );
    check(br#"{"headers":[],"payload":"v"}"#, with_headers(&[]));
    check(br#"{"payload_base64":"\/w=="}"#, value(b"\xff"));
}

#[test]
fn rejects_are_read() {
    let line = br#"{"file":"/a","input":1,"line":2,"offset":3,"length":1,"reason":"r",
        "content":"v","key_base64":"/w==","headers":["a","1"],"ts":5,"partition":1}"#;
    let expected = Owned {
        key: Some(b"\xff".to_vec()),
        value: Some(b"v".to_vec()),
        headers: headers(&[("a", Some("1"))]),
        timestamp: Some(5),
        partition: Some(1),
    };
    assert_eq!(read(line), Ok(expected));
    let line =
        br#"{"file":"/a","input":1,"offset":3,"length":1,"reason":"r","content_base64":"/w=="}"#;
    assert_eq!(read(line).unwrap().value, Some(b"\xff".to_vec()));
    let unparsed = br#"{"unparsed":true,"content":"k v"}"#;
    assert_eq!(read(unparsed), Err(EnvelopeError::Unparsed));
    assert!(read(br#"{"unparsed":false,"content":"k v"}"#).is_ok());
}

#[test]
fn what_is_no_envelope_is_said_where() {
    let check = |line: &str, expected: &str| {
        let error = read(line.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{line}");
    };
    let expects = |line: &str, expected: &str, position: usize| {
        let expected =
            format!("the line is no JSON object: {expected} is expected at byte {position}");
        check(line, &expected);
    };
    expects("", "an opening brace", 0);
    expects("[1]", "an opening brace", 0);
    expects("{\"a\":1", "a comma or a closing brace", 6);
    expects("{\"payload\":\"a\"}x", "the line's end", 15);
    expects("{\"payload\":\"a", "a string's end", 13);
    expects("{\"a\":\"\\ud800\"}", "an escape", 6);
    expects("{\"a\":\"\\q\"}", "an escape", 6);
    expects(
        "{\"a\":\"\n\"}",
        "an escape in place of a control character",
        6,
    );
    expects("{\"a\":tru}", "a value", 5);
    check(
        "{\"payload\":1}",
        "the envelope's payload should be a string or null, at byte 11 of the line",
    );
    check(
        "{\"payload_base64\":\"a b\"}",
        "the envelope's payload should be base64, at byte 18 of the line",
    );
    check(
        "{\"payload\":\"a\",\"payload_base64\":\"YQ==\"}",
        "the envelope has more than one payload, at byte 32 of the line",
    );
    check(
        "{\"headers\":[\"a\"],\"payload\":\"\"}",
        "the envelope's headers should be names and values in turn, at byte 16 of the line",
    );
    assert_eq!(read(b"{\"key\":\"a\"}"), Err(EnvelopeError::NoPayload));
}

#[test]
fn fields_of_another_kind_are_refused() {
    let refused = |field: &str, values: &[&str]| {
        for value in values {
            let line = format!("{{\"payload\":\"\",\"{field}\":{value}}}");
            assert!(read(line.as_bytes()).is_err(), "{line}");
        }
    };
    let numbers = [
        "1.5",
        "01",
        "9223372036854775808",
        "1e3",
        "\"1\"",
        "null",
        "-",
        "",
    ];
    refused("ts", &numbers);
    refused("partition", &["-1", "2147483648", "1.0"]);
    refused("headers", &["[null,\"a\"]", "1", "{\"a\":1}", "[1,2]"]);
    refused(
        "headers",
        &["[[\"a\"]]", "[[\"a\",\"b\",\"c\"]]", "[[]]", "[[[\"a\"]]]"],
    );
    refused("key", &["{}", "true", "\"a"]);
    let deep = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!("{{\"payload\":null,\"a\":{open}{close}}}")
    };
    assert!(read(deep(60).as_bytes()).is_ok());
    let error = read(deep(100_000).as_bytes());
    assert!(matches!(error, Err(EnvelopeError::TooDeep { .. })));
    refused("headers", &[&"[".repeat(100_000)]);
}

/// xorshift64: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % end as u64) as usize
    }
}

/// A line that is an envelope, or once was one, or only looks so.
fn hostile_line(random: &mut Random) -> Vec<u8> {
    const PIECES: &str = "{ } [ ] , : \" \\ null true 1 - \"payload\": \"a\" \"key\": \"headers\": \
                          \"headers_base64\": \"ts\": \"payload_base64\": \"partition\": \
                          \"YQ==\" \\u00e9 \\ud83d \t é";
    const WHOLE: [&str; 3] = [
        r#"{"topic":"t","partition":1,"headers":["a","1",["b",null]],"key":"k","payload":"v"}"#,
        r#"{"headers_base64":["YQ==","MQ=="],"key_base64":"/w==","ts":7,"payload":"v\u00e9"}"#,
        r#"{"headers":{"a":["1",null]},"x":[{"y":[1,2,{}]}],"content":"v"}"#,
    ];
    let pieces: Vec<&str> = PIECES.split(' ').collect();
    let mut line = if random.below(2) == 0 {
        let pieces = (0..random.below(12)).map(|_| pieces[random.below(pieces.len())]);
        format!("{{{}", pieces.collect::<String>()).into_bytes()
    } else {
        WHOLE[random.below(WHOLE.len())].into()
    };
    for _ in 0..random.below(4) {
        let at = random.below(line.len());
        match random.below(3) {
            0 => line[at] = random.below(256) as u8,
            1 if line.len() > 1 => drop(line.remove(at)),
            _ => line.truncate(at + 1),
        }
    }
    line
}

#[test]
fn hostile_lines_are_errors() {
    let given = std::env::var("RINGMAIN_SEED").ok();
    let seed = given.map_or(0x5eed, |seed| {
        seed.parse().expect("RINGMAIN_SEED is a number")
    });
    let mut random = Random(seed | 1);
    let mut reader = EnvelopeReader::new();
    let mut taken = 0;
    for round in 0..1_000_000 {
        let line = hostile_line(&mut random);
        if let Ok(record) = reader.read(&line) {
            taken += 1;
            let bytes = record.value.map_or(0, <[u8]>::len) + record.key.map_or(0, <[u8]>::len);
            let is_bounded = bytes <= line.len() && record.headers.len() <= line.len();
            assert!(is_bounded, "RINGMAIN_SEED={seed}, round {round}");
        }
    }
    assert!(
        taken > 100_000,
        "only {taken} were taken: the rest tells little"
    );
}

fn blob() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        "\\PC{0,20}".prop_map(String::into_bytes),
        vec(0..0x80_u8, 0..40),
    ]
}

proptest! {
    #[test]
    fn every_record_comes_back(
        key in option::of(blob()),
        value in option::of(blob()),
        headers in vec((blob(), option::of(blob())), 0..4),
        timestamp in option::of(any::<i64>()),
        partition in 0..=i32::MAX as u32,
    ) {
        let timestamp = timestamp.filter(|timestamp| *timestamp != -1);
        let record = Owned { key, value, headers, timestamp, partition: Some(partition) };
        let line = record.line(TimestampType::Create);
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let json: Value = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(json["offset"].as_i64(), Some(77));
        if let Some(text) = json["payload"].as_str() {
            prop_assert_eq!(Some(text.as_bytes()), record.value.as_deref());
        }
        prop_assert_eq!(read(&line[..line.len() - 1]), Ok(record));
    }

    /// JSON of other writers, as serde_json makes it of any text, with and without other letters
    /// than ASCII's.
    #[test]
    fn strings_are_read_as_serde_json_reads_them(
        text in "\\PC{0,20}[\\x00-\\x7f]{0,20}",
        is_ascii in any::<bool>(),
    ) {
        let mut line = serde_json::to_string(&serde_json::json!({ "payload": text })).unwrap();
        if is_ascii {
            let ascii = |letter: char| match letter {
                ' '..='~' => letter.to_string(),
                _ => {
                    let mut units = [0; 2];
                    let units = letter.encode_utf16(&mut units).iter();
                    units.map(|unit| format!("\\u{unit:04x}")).collect()
                }
            };
            line = line.chars().map(ascii).collect();
        }
        prop_assert_eq!(read(line.as_bytes()).unwrap().value, Some(text.into_bytes()));
    }
}
