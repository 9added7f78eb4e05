//! What `kcat -J` prints is read, and is what we print.

use connectors::file::format::input::{Grammar, Next, ParsedRecord, Parser, Splitter};
use connectors::file::format::output::{Output, OutputRecord};
use protocol::records::builder::RecordHeader;
use protocol::records::header::TimestampType;
use serde_json::Value;

use super::kcat;
use crate::kafka::cluster::{fresh_topic, shared_single};
use crate::kafka::judge::NewTopic;
use crate::kill::seeded;

/// Nothing that kcat's own input grammar would take apart.
fn bytes(random: &mut crate::kafka::lines::Random, is_text: bool) -> Vec<u8> {
    let letters = [
        "a", "é", "\"", "\\", "\t", "\u{1}", "\u{7f}", "/", "\u{8}", "😀", "\r",
    ];
    let count = random.within(1, 20);
    if is_text {
        let letters = (0..count).map(|_| letters[random.within(0, letters.len() - 1)]);
        return letters.collect::<String>().into_bytes();
    }
    let any = (0..count).map(|_| random.next() as u8);
    any.filter(|byte| !b"\n:\0".contains(byte))
        .chain([0xff])
        .collect()
}

/// Key and value, and whether they are UTF-8.
type Sent = (Vec<u8>, Vec<u8>, bool);

const HEADERS: [&str; 8] = ["-H", "a=1", "-H", "b", "-H", "a=", "-H", "é=\"x\""];

/// What kcat prints of these records, and of one behind them in which all is null.
fn printed(bootstrap: &str, topic: &str, records: &[Sent]) -> Option<Vec<u8>> {
    let input: Vec<u8> = records
        .iter()
        .flat_map(|(key, value, _)| [&key[..], b":", value, b"\n"].concat())
        .collect();
    let to = ["-P", "-b", bootstrap, "-t", topic, "-K", ":"];
    kcat(&[&to[..], &HEADERS].concat(), &input)?;
    kcat(&[&to[..], &["-Z"]].concat(), b":\n")?;
    kcat(&["-C", "-b", bootstrap, "-t", topic, "-e", "-q", "-J"], b"")
}

/// The record as our envelope; offset and broker are those of kcat's line.
fn ours(topic: &str, line: &[u8], record: &ParsedRecord<'_>) -> Vec<u8> {
    let json: Value = serde_json::from_slice(line).unwrap();
    let headers = record.headers.iter();
    let again = OutputRecord {
        topic,
        partition: record.partition.unwrap(),
        broker: json["broker"].as_i64().unwrap() as i32,
        offset: json["offset"].as_i64().unwrap(),
        timestamp: record.timestamp.expect("kcat's records have one"),
        timestamp_type: TimestampType::Create,
        key: record.key,
        value: record.value,
        headers: headers.map(|(key, value)| RecordHeader { key, value }),
    };
    let mut out = Vec::new();
    Output::Envelope.write(&again, &mut out);
    out
}

#[test]
fn what_kcat_prints_is_read_and_is_what_we_print() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let topic = fresh_topic("envelope");
    let new = NewTopic::new(&topic, 1);
    cluster.judge().create_topic(&new).unwrap();
    let mut random = seeded("formats::envelope");
    let records: Vec<Sent> = (0..300)
        .map(|index| {
            let is_text = index % 3 > 0;
            let mut bytes = || bytes(&mut random, is_text);
            (bytes(), bytes(), is_text)
        })
        .collect();
    let Some(printed) = printed(cluster.bootstrap(), &topic, &records) else {
        return;
    };
    let headers: [(&[u8], Option<&[u8]>); 4] = [
        (b"a", Some(b"1")),
        (b"b", None),
        (b"a", Some(b"")),
        ("é".as_bytes(), Some(b"\"x\"")),
    ];
    let mut splitter = Splitter::new(Grammar::Envelope, 1 << 20);
    let mut parser = Parser::envelope();
    let (mut at, mut count) = (0, 0);
    while let Next::Record { consumed, value } = splitter.next(&printed[at..], true).unwrap() {
        let line = &printed[at..][value.expect("a line has bytes")];
        let record = parser.parse(Some(line)).unwrap();
        let found: Vec<_> = record.headers.iter().collect();
        let sent = records.get(count);
        let (key, value) = sent.map(|(key, value, _)| (&key[..], &value[..])).unzip();
        assert_eq!((record.key, record.value), (key, value));
        assert_eq!(found, if sent.is_some() { &headers[..] } else { &[] });
        assert_eq!(record.partition, Some(0));
        // What is not UTF-8 is no JSON when kcat prints it, and base64 when we do.
        if sent.is_none_or(|(_, _, is_text)| *is_text) {
            assert_eq!(ours(&topic, line, &record), printed[at..at + consumed]);
        }
        at += consumed;
        count += 1;
    }
    assert_eq!(count, records.len() + 1);
}
