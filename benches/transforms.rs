//! How fast does a record of JSON go through a chain of transforms, from bytes to bytes?
//!
//! Ten members, JsonConverter, InsertField, ReplaceField, MaskField, and JsonConverter again, with an
//! envelope and without; against Apache's classes doing the same in a warm Java machine (Maven and a JDK
//! are needed for those). The aim is 20 times Java's records per second of CPU time.
#![expect(
    clippy::print_stdout,
    reason = "the ratios are what this program is for"
)]

mod measure;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use connectors::config::Props;
use connectors::converters::{Converter, ConverterType, JsonConverter};
use connectors::data::ConnectRecord;
use connectors::transforms::{self, Transform};
use criterion::{Criterion, Throughput};
use measure::report::{Aim, Report};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

const RECORDS: usize = 1_000;
const ROUNDS: usize = 5;
/// Seconds of CPU time: others may use the machine too.
const ROUND: f64 = 1.0;
const PACKAGE: &str = "org.apache.kafka.connect.transforms.";

/// The chain, as the Java side reads it too.
const CHAIN: [&str; 3] = [
    "InsertField$Value{static.field=site;static.value=north;topic.field=source}",
    "ReplaceField$Value{exclude=debug;renames=amount:total}",
    "MaskField$Value{fields=email,card}",
];

const ENVELOPE: &str = r#"{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"},{"type":"string","optional":false,"field":"name"},{"type":"string","optional":true,"field":"email"},{"type":"int64","optional":true,"field":"card"},{"type":"double","optional":false,"field":"amount"},{"type":"boolean","optional":false,"field":"active"},{"type":"string","optional":true,"field":"city"},{"type":"int64","optional":false,"field":"created"},{"type":"string","optional":true,"field":"note"},{"type":"string","optional":true,"field":"debug"}],"optional":false,"name":"customer"},"payload":"#;

fn main() {
    if !measure::is_asked_for() {
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut report = Report::new("transforms");
    println!("JSON → InsertField, ReplaceField, MaskField → JSON, records per second of CPU time:");
    for has_schemas in [false, true] {
        let name = if has_schemas {
            "with schemas"
        } else {
            "without schemas"
        };
        let lines = lines(has_schemas);
        let mut chain = Chain::new(has_schemas);
        measure(&mut criterion, name, &mut chain, &lines);
        let ours = ours(&mut chain, &lines);
        let first = chain.run(lines[0].as_bytes()).to_vec();
        match java(&lines) {
            Ok((output, theirs)) => {
                let same: serde_json::Value =
                    serde_json::from_slice(&first).expect("JSON came out");
                let wanted: serde_json::Value =
                    serde_json::from_str(&output).expect("JSON came out");
                assert_eq!(same, wanted, "both sides do the same");
                println!(
                    "  {name:<16} ours {ours:>10.0}  Java {theirs:>9.0}  {:5.1}",
                    ours / theirs
                );
                let what = format!("JSON through three transforms, {name}, / Java's classes");
                let (ours_text, theirs_text) = (
                    format!("{ours:.0} records/s"),
                    format!("{theirs:.0} records/s"),
                );
                report.add(
                    &what,
                    ours / theirs,
                    Aim::AtLeast(20.0),
                    ours_text,
                    theirs_text,
                );
            }
            Err(reason) => {
                println!("  {name:<16} ours {ours:>10.0}  Java left out: {reason}");
                report.leave_out(reason);
            }
        }
    }
    criterion.final_summary();
    report.finish();
}

/// Records whose members differ, in names as people give them.
fn lines(has_schemas: bool) -> Vec<String> {
    (0..RECORDS)
        .map(|n| {
            let payload = format!(
                r#"{{"id":{},"name":"Customer {n}","email":"customer{n}@example.org","card":{},"amount":{}.25,"active":{},"city":"Zürich","created":{},"note":"line one\nline {n}","debug":"trace {n} of many"}}"#,
                1_000_000 + n,
                4_000_000_000_000_000_u64 + n as u64 * 7,
                n % 500,
                n % 2 == 0,
                1_700_000_000_000_u64 + n as u64,
            );
            match has_schemas {
                true => format!("{ENVELOPE}{payload}}}"),
                false => payload,
            }
        })
        .collect()
}

/// Our side, from bytes to bytes.
struct Chain {
    reader: JsonConverter,
    writer: JsonConverter,
    transforms: Vec<Box<dyn Transform>>,
    out: Vec<u8>,
}

impl Chain {
    fn new(has_schemas: bool) -> Self {
        let props: Props = [("schemas.enable".to_owned(), has_schemas.to_string())].into();
        let converter = || {
            JsonConverter::new(&props, ConverterType::Value).expect("the configuration is right")
        };
        Self {
            reader: converter(),
            writer: converter(),
            transforms: CHAIN.map(transform).into(),
            out: Vec::new(),
        }
    }

    fn run(&mut self, bytes: &[u8]) -> &[u8] {
        let pair = self
            .reader
            .decode("topic", Some(bytes))
            .expect("it is JSON");
        let mut record = ConnectRecord::source("topic").with_value(pair.schema, pair.value);
        for transform in &self.transforms {
            let applied = transform.apply(record).expect("the record fits");
            record = applied.expect("nothing is dropped");
        }
        self.out.clear();
        let (schema, value) = (record.value_schema.as_ref(), &record.value);
        let encoded = self.writer.encode("topic", schema, value, &mut self.out);
        encoded.map(drop).expect("values can be written");
        &self.out
    }
}

fn transform(text: &str) -> Box<dyn Transform> {
    let (name, settings) = text.split_once('{').expect("a name and settings");
    let entry = |entry: &str| {
        let (key, value) = entry.split_once('=').expect("a key and a value");
        (key.to_owned(), value.to_owned())
    };
    let props = settings
        .trim_end_matches('}')
        .split(';')
        .map(entry)
        .collect();
    let class = transforms::CLASSES
        .iter()
        .find(|class| class.name.strip_prefix(PACKAGE) == Some(name));
    let made = (class.expect("the class is known").configure)(&props);
    made.expect("the configuration is right")
}

fn measure(criterion: &mut Criterion, name: &str, chain: &mut Chain, lines: &[String]) {
    let mut group = criterion.benchmark_group("transforms");
    group.throughput(Throughput::Elements(lines.len() as u64));
    group.sample_size(20).bench_function(name, |bencher| {
        bencher.iter(|| {
            lines
                .iter()
                .map(|line| chain.run(line.as_bytes()).len())
                .sum::<usize>()
        });
    });
    group.finish();
}

fn cpu_seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process has a usage");
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// Our records per second of CPU time, in the best round.
fn ours(chain: &mut Chain, lines: &[String]) -> f64 {
    let mut best: f64 = 0.0;
    for _ in 0..ROUNDS {
        let cpu = cpu_seconds();
        let mut count = 0;
        while cpu_seconds() - cpu < ROUND {
            for line in lines {
                assert!(!chain.run(line.as_bytes()).is_empty(), "nothing came out");
            }
            count += lines.len();
        }
        best = best.max(count as f64 / (cpu_seconds() - cpu));
    }
    best
}

/// What Java's classes make of the first record, and how many of them they take in a second of CPU time.
fn java(lines: &[String]) -> Result<(String, f64), String> {
    let recorder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorder/record");
    let file = write(lines);
    let output = Command::new(recorder)
        .arg("transform-speed")
        .arg(&file)
        .args(CHAIN)
        .output()
        .map_err(|cause| format!("tests/recorder/record cannot be run: {cause}"))?;
    if !output.status.success() {
        return Err("tests/recorder/record failed: it needs Maven and a JDK".to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let (record, rate) = text
        .trim_end()
        .rsplit_once('\n')
        .expect("two lines were printed");
    let rate = rate
        .trim()
        .parse()
        .map_err(|cause| format!("no number of records: {cause}"))?;
    Ok((record.to_owned(), rate))
}

fn write(lines: &[String]) -> PathBuf {
    let path = measure::scratch().join("transforms.jsonl");
    let mut file = std::fs::File::create(&path).expect("the scratch directory can be written");
    for line in lines {
        writeln!(file, "{line}").expect("the scratch directory can be written");
    }
    path
}
