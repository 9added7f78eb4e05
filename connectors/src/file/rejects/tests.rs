use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::file::format::input::{EnvelopeError, LineOptions, Parser};
use crate::file::inputs;

/// Inputs with these contents, named a, b, c …, and a place for a rejects file.
struct Rig {
    directory: TempDir,
    inputs: Vec<InputFile>,
}

impl Rig {
    fn new(contents: &[&[u8]]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut arguments = Vec::new();
        for (name, content) in ('a'..).zip(contents) {
            let path = directory.path().join(name.to_string());
            fs::write(&path, content).unwrap();
            arguments.push(path.to_str().unwrap().to_owned());
        }
        let inputs = inputs::collect(&arguments).unwrap().files;
        Self { directory, inputs }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("rejects.jsonl")
    }

    fn create(&self) -> Rejects {
        Rejects::create(&self.path(), &self.inputs, false).unwrap()
    }

    /// The lines, with the names of the inputs in place of their paths.
    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path()).unwrap();
        let parsed = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let named = parsed.map(|mut line: Value| {
            let file = Path::new(line["file"].as_str().unwrap());
            line["file"] = file.file_name().unwrap().to_str().unwrap().into();
            line
        });
        named.collect()
    }

    fn error(&self, result: Result<Rejects, RejectsError>) -> String {
        let root = fs::canonicalize(self.directory.path()).unwrap();
        result
            .unwrap_err()
            .to_string()
            .replace(root.to_str().unwrap(), "DIR")
    }
}

fn reject(input: usize, offset: u64, length: u64) -> Reject<'static> {
    Reject {
        input,
        offset,
        length,
        reason: "too large",
    }
}

#[test]
fn a_line_has_what_a_person_needs() {
    let rig = Rig::new(&[b"one\nt\"w\\o\n\xff\n"]);
    let mut rejects = rig.create();
    rejects.write(&reject(0, 4, 5)).unwrap();
    rejects.write(&reject(0, 10, 1)).unwrap();
    rejects.write(&reject(0, 0, 0)).unwrap();
    rejects.sync().unwrap();
    assert_eq!(rejects.lines(), 3);
    let line = |offset: u64, length: u64| {
        let mut line = json!({"file": "a", "input": 1, "reason": "too large"});
        line["offset"] = offset.into();
        line["length"] = length.into();
        line
    };
    let mut expected = [line(4, 5), line(10, 1), line(0, 0)];
    expected[0]["content"] = "t\"w\\o".into();
    expected[1]["content_base64"] = "/w==".into();
    expected[2]["content"] = "".into();
    assert_eq!(rig.lines(), expected);
}

#[test]
fn at_the_end_lines_are_in_order_and_numbered() {
    let rig = Rig::new(&[b"0\n2\n4\n6\n", b"0;2;4"]);
    let mut rejects = rig.create();
    for (input, offset) in [(1, 4), (0, 6), (0, 0), (1, 0), (0, 2), (0, 2)] {
        rejects.write(&reject(input, offset, 1)).unwrap();
    }
    assert_eq!(rejects.finish(b'\n').unwrap(), 5);
    let ordered = |line: &Value| {
        let content = line["content"].as_str().unwrap().to_owned();
        (line["file"] == "b", content, line["line"].as_u64().unwrap())
    };
    let found: Vec<_> = rig.lines().iter().map(ordered).collect();
    let expected = [
        (false, "0", 1),
        (false, "2", 2),
        (false, "6", 4),
        (true, "0", 1),
        (true, "4", 1),
    ]
    .map(|(is_b, content, line)| (is_b, content.to_owned(), line));
    assert_eq!(found, expected);
    // Again, with another delimiter: nothing but the numbers changes.
    let rejects = Rejects::resume(&rig.path(), &rig.inputs, |_, _| true).unwrap();
    assert_eq!(rejects.finish(b';').unwrap(), 5);
    let numbers: Vec<u64> = rig.lines().iter().map(|line| ordered(line).2).collect();
    assert_eq!(numbers, [1, 1, 1, 1, 3]);
}

#[test]
fn a_resume_keeps_what_is_covered() {
    let rig = Rig::new(&[b"0123456789", b"0123456789"]);
    let mut rejects = rig.create();
    for (input, offset) in [(0, 9), (1, 3), (0, 2), (1, 8), (0, 4)] {
        rejects.write(&reject(input, offset, 1)).unwrap();
    }
    drop(rejects);
    let covered = |input: usize, offset: u64| offset < [5, 4][input];
    let mut rejects = Rejects::resume(&rig.path(), &rig.inputs, covered).unwrap();
    assert_eq!(rejects.lines(), 3);
    rejects.write(&reject(0, 9, 1)).unwrap();
    let found: Vec<_> = rig
        .lines()
        .iter()
        .map(|line| line["content"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(found, ["3", "2", "4", "9"]);
}

#[test]
fn whatever_a_death_leaves_of_the_last_line_goes() {
    let rig = Rig::new(&[b"0123456789"]);
    let mut rejects = rig.create();
    rejects.write(&reject(0, 1, 1)).unwrap();
    rejects.write(&reject(0, 2, 3)).unwrap();
    drop(rejects);
    let whole = fs::read(rig.path()).unwrap();
    let first = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
    for length in 0..whole.len() {
        fs::write(rig.path(), &whole[..length]).unwrap();
        let rejects = Rejects::resume(&rig.path(), &rig.inputs, |_, _| true).unwrap();
        let kept = if length < first { 0 } else { first };
        assert_eq!(fs::read(rig.path()).unwrap(), whole[..kept], "{length}");
        assert_eq!(rejects.lines(), u64::from(kept > 0));
    }
    // A power loss: blocks of zeros, behind or between what is there.
    for zeros in [&[0; 50][..], b"\0\0\0\0\n{}\0\n"] {
        fs::write(rig.path(), [&whole[..first], zeros].concat()).unwrap();
        let resumed = Rejects::resume(&rig.path(), &rig.inputs, |_, _| true);
        assert_eq!(resumed.unwrap().lines(), 1);
        assert_eq!(fs::read(rig.path()).unwrap(), whole[..first]);
    }
}

#[test]
fn a_file_that_is_not_ours_is_left_alone() {
    let rig = Rig::new(&[b"a record"]);
    for foreign in [
        "precious\n",
        "{\"file\":\"x\"}\n",
        "{\"content\":1}\nprecious",
    ] {
        fs::write(rig.path(), foreign).unwrap();
        let expected = "DIR/rejects.jsonl, line 1: no line that ringmain wrote; move the file away \
                        or name another for the rejects";
        let resumed = Rejects::resume(&rig.path(), &rig.inputs, |_, _| false);
        assert_eq!(rig.error(resumed), expected);
        let created = Rejects::create(&rig.path(), &rig.inputs, true);
        assert_eq!(rig.error(created), expected);
        assert_eq!(fs::read_to_string(rig.path()).unwrap(), foreign);
    }
}

#[test]
fn rejects_of_another_load_are_left_alone() {
    let (rig, other) = (Rig::new(&[b"a record"]), Rig::new(&[b"a record"]));
    let mut rejects = rig.create();
    rejects.write(&reject(0, 2, 3)).unwrap();
    drop(rejects);
    let found = fs::read(rig.path()).unwrap();
    let resumed = Rejects::resume(&rig.path(), &other.inputs, |_, _| false);
    assert!(
        rig.error(resumed)
            .contains("line 1: a record of another load")
    );
    let created = Rejects::create(&rig.path(), &rig.inputs, false);
    assert!(
        rig.error(created)
            .contains("holds rejects of an earlier load")
    );
    assert_eq!(fs::read(rig.path()).unwrap(), found);
    assert_eq!(
        Rejects::create(&rig.path(), &rig.inputs, true)
            .unwrap()
            .lines(),
        0
    );
    assert_eq!(fs::read(rig.path()).unwrap(), b"");
}

#[test]
fn what_cannot_hold_rejects_is_refused() {
    let rig = Rig::new(&[b"a record"]);
    let created = Rejects::create(&rig.directory.path().join("a"), &rig.inputs, true);
    assert_eq!(
        rig.error(created),
        "DIR/a cannot hold rejects: it is an input"
    );
    let created = Rejects::create(Path::new("/dev/null"), &rig.inputs, true);
    assert_eq!(
        rig.error(created),
        "/dev/null cannot hold rejects: it is no regular file"
    );
    let missing = rig.directory.path().join("missing/rejects");
    assert!(
        rig.error(Rejects::create(&missing, &rig.inputs, true))
            .contains("missing/rejects")
    );
}

#[test]
fn a_changed_input_is_not_copied_from() {
    let rig = Rig::new(&[b"a record\n"]);
    let mut rejects = rig.create();
    let error = rejects.write(&reject(0, 2, 100)).unwrap_err();
    assert!(
        matches!(error, RejectsError::InputChanged { .. }),
        "{error}"
    );
    assert_eq!(fs::read(rig.path()).unwrap(), b"");
    drop(rejects);
    fs::write(rig.directory.path().join("a"), "another").unwrap();
    let error = rig.create().write(&reject(0, 2, 3)).unwrap_err();
    assert!(
        matches!(error, RejectsError::InputChanged { .. }),
        "{error}"
    );
}

#[test]
fn records_larger_than_any_buffer_are_copied() {
    let text = "line: \u{20ac}\u{1}\"\\ ".repeat(20_000).into_bytes();
    let rig = Rig::new(&[&text]);
    let mut rejects = rig.create();
    let length = text.len() as u64;
    rejects.write(&reject(0, 0, length)).unwrap();
    rejects.write(&reject(0, 1, length - 1)).unwrap();
    // From the middle of a character: not UTF-8.
    rejects.write(&reject(0, 7, length - 7)).unwrap();
    rejects.finish(b'\n').unwrap();
    let lines = rig.lines();
    assert_eq!(lines[0]["content"].as_str().unwrap().as_bytes(), text);
    assert_eq!(lines[1]["content"].as_str().unwrap().as_bytes(), &text[1..]);
    use base64::Engine;
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(lines[2]["content_base64"].as_str().unwrap())
        .unwrap();
    assert_eq!(decoded, &text[7..]);
}

#[test]
fn one_process_at_a_time() {
    let rig = Rig::new(&[b"a record"]);
    let mut rejects = rig.create();
    rejects.write(&reject(0, 2, 3)).unwrap();
    let locked = |path: &Path| {
        let file = File::open(path).unwrap();
        flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
    };
    assert!(locked(&rig.path()));
    // The lock goes along with the rewriting.
    rejects.retain(|_| false).unwrap();
    assert!(locked(&rig.path()));
    drop(rejects);
    assert!(!locked(&rig.path()));
}

proptest! {
    // Each case syncs files and directories a few times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Written in any order, cut anywhere, resumed and written again: at the end every reject
    /// stands there once, in order.
    #[test]
    fn kills_lose_nothing_and_double_nothing(
        content in prop::collection::vec(any::<u8>(), 200),
        order in Just((0..40_u64).collect::<Vec<_>>()).prop_shuffle(),
        deaths in prop::collection::vec((0..40_usize, any::<prop::sample::Index>()), 0..4),
    ) {
        let rig = Rig::new(&[&content]);
        let mut rejects = rig.create();
        // What the positions cover, and when the process dies: in the middle of a line.
        let mut covered = BTreeSet::new();
        let mut deaths = deaths.into_iter();
        let mut death = deaths.next();
        let mut queue: Vec<u64> = order.clone();
        while let Some(number) = queue.pop() {
            let whole = fs::read(rig.path()).unwrap().len();
            rejects.write(&reject(0, number * 5, number % 6)).unwrap();
            if let Some((_, cut)) = death.filter(|(at, _)| *at == covered.len()) {
                drop(rejects);
                let now = fs::read(rig.path()).unwrap();
                fs::write(rig.path(), &now[..whole + cut.index(now.len() - whole + 1)]).unwrap();
                let is_covered = |_, offset| covered.contains(&(offset / 5));
                rejects = Rejects::resume(&rig.path(), &rig.inputs, is_covered).unwrap();
                prop_assert_eq!(rejects.lines(), covered.len() as u64);
                queue.push(number);
                death = deaths.next();
            } else {
                covered.insert(number);
            }
        }
        prop_assert_eq!(rejects.finish(b'\n').unwrap(), 40);
        let lines = rig.lines();
        for (number, line) in (0_usize..).zip(&lines) {
            let bytes = &content[number * 5..number * 5 + number % 6];
            prop_assert_eq!(line["offset"].as_u64(), Some(number as u64 * 5));
            let before = content[..number * 5].iter().filter(|b| **b == b'\n').count() as u64;
            prop_assert_eq!(line["line"].as_u64(), Some(before + 1));
            match std::str::from_utf8(bytes) {
                Ok(text) => prop_assert_eq!(line["content"].as_str(), Some(text)),
                Err(_) => prop_assert!(line["content_base64"].is_string()),
            }
        }
        prop_assert_eq!(lines.len(), 40);
    }
}

/// What `load --input envelope` makes of the file's lines.
fn loaded_again(rig: &Rig) -> Vec<Result<String, String>> {
    let text = fs::read(rig.path()).unwrap();
    let mut parser = Parser::envelope();
    let lines = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| match parser.parse(Some(line)) {
            Ok(record) => Ok(printed(&record)),
            Err(error) => Err(error.to_string()),
        })
        .collect()
}

fn printed(record: &ParsedRecord<'_>) -> String {
    let text = |bytes: Option<&[u8]>| {
        bytes.map_or("NULL".to_owned(), |bytes| bytes.escape_ascii().to_string())
    };
    let headers = record.headers.iter();
    let headers: Vec<String> = headers
        .map(|(name, value)| format!("{}={}", text(Some(name)), text(value)))
        .collect();
    let (key, value) = (text(record.key), text(record.value));
    let (at, partition) = (record.timestamp, record.partition);
    format!("{key} {value} {headers:?} {at:?} {partition:?}")
}

#[test]
fn records_with_keys_and_headers_can_be_loaded_again() {
    let rig = Rig::new(&[b"whatever"]);
    let mut rejects = rig.create();
    let mut parser = Parser::line(LineOptions {
        parse_headers: true,
        parse_key: true,
        null_marker: Some("~".to_owned()),
        ..LineOptions::default()
    })
    .unwrap();
    let lines: [&[u8]; 5] = [
        b"a:1,b:~,a:\tk\t\"v\x01\"",
        b"a:\xff\t\xfe\t\xfd",
        b"~\t~\t~",
        b"~\t\t",
        b"no separator, and \xff",
    ];
    let mut expected = Vec::new();
    for (number, line) in (1..).zip(lines) {
        let reject = reject(0, 10 - number, line.len() as u64);
        let content = match parser.parse(Some(line)) {
            Ok(record) => {
                expected.push(Ok(printed(&record)));
                RejectedContent::Parsed(record)
            }
            Err(_) => {
                expected.push(Err(EnvelopeError::Unparsed.to_string()));
                RejectedContent::Unparsed(Some(line))
            }
        };
        rejects
            .write_record(&reject, 10 - number, &content)
            .unwrap();
    }
    let mut envelopes = Parser::envelope();
    let envelope = br#"{"payload":"v","ts":5,"partition":3}"#;
    let record = envelopes.parse(Some(envelope)).unwrap();
    expected.push(Ok(printed(&record)));
    let content = RejectedContent::Parsed(record);
    rejects.write_record(&reject(0, 4, 1), 4, &content).unwrap();
    let too_long = RejectedContent::Unparsed(None);
    rejects
        .write_record(&reject(0, 0, 1 << 40), 1, &too_long)
        .unwrap();
    expected.push(Err(EnvelopeError::Unparsed.to_string()));
    assert_eq!(loaded_again(&rig), expected);
    assert_eq!(rejects.lines(), 7);
    drop(rejects);

    // What a resume keeps, and the end puts in order, is still the same.
    let covered = |_: usize, offset: u64| offset != 4;
    let rejects = Rejects::resume(&rig.path(), &rig.inputs, covered).unwrap();
    assert_eq!(rejects.lines(), 6);
    assert_eq!(rejects.finish_numbered().unwrap(), 6);
    drop(expected.remove(5));
    expected.reverse();
    assert_eq!(loaded_again(&rig), expected);
    let numbers: Vec<u64> = rig
        .lines()
        .iter()
        .map(|line| line["line"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [1, 5, 6, 7, 8, 9]);
}

#[test]
fn split_modes_lines_can_be_loaded_as_envelopes() {
    let rig = Rig::new(&[b"one\n\xff\n\"\n"]);
    let mut rejects = rig.create();
    for (offset, length) in [(0, 3), (4, 1), (6, 1)] {
        rejects.write(&reject(0, offset, length)).unwrap();
    }
    rejects.finish(b'\n').unwrap();
    let expected = ["one", "\\xff", "\\\""].map(|value| Ok(format!("NULL {value} [] None None")));
    assert_eq!(loaded_again(&rig), expected);
}

#[test]
fn places_are_read_without_touching_the_file() {
    let rig = Rig::new(&[b"one\ntwo\n", b"three\n"]);
    let found = || {
        let places = places(&rig.path(), &rig.inputs).unwrap();
        let place = |place: &Place| (place.input, place.offset);
        places.iter().map(place).collect::<Vec<_>>()
    };
    assert_eq!(found(), []);
    assert!(!rig.path().exists());
    let mut rejects = rig.create();
    rejects.write(&reject(1, 0, 5)).unwrap();
    rejects.write(&reject(0, 4, 3)).unwrap();
    // Also while it is in use.
    assert_eq!(found(), [(1, 0), (0, 4)]);
    rejects.finish(b'\n').unwrap();
    assert_eq!(found(), [(0, 4), (1, 0)]);
    fs::write(rig.path(), "no line of ours\n").unwrap();
    let text = places(&rig.path(), &rig.inputs).unwrap_err().to_string();
    assert!(text.contains("rejects.jsonl"), "{text}");
}
