//! `ringmain offsets show FILE`: what a state file says, for people and as JSON.
//!
//! Takes no lock and changes nothing, so it may be asked while the job runs. What came out of the
//! file (paths, names) is shown with its control characters spelled out: a state file is data.

use std::io::{self, Write};
use std::path::Path;

use engine::positions::{
    DIRECTION_DUMP, DumpView, JobHeader, KIND_DUMP, Origin, PartitionSlot, StateDamage, StateView,
    StoreError,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

use crate::dump;
use crate::options::Exit;

#[derive(Debug, Error)]
pub(crate) enum OffsetsError {
    #[error(transparent)]
    State(#[from] StoreError),
    #[error("cannot write to stdout: {0}")]
    Output(#[source] io::Error),
}

impl OffsetsError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::State(_) => Exit::Usage,
            Self::Output(_) => Exit::Failed,
        }
    }
}

/// Shows the state file at `path`.
pub(crate) fn show(path: &Path, json: bool, out: &mut dyn Write) -> Result<(), OffsetsError> {
    let shown = match StateView::read(path) {
        Ok(view) if json => show_json(&view, out),
        Ok(view) => show_text(&view, out),
        Err(error) if is_dump(&error) => {
            let view = DumpView::read(path)?;
            if json {
                dump::show_json(&view, out)
            } else {
                dump::show_text(&view, out)
            }
        }
        Err(error) => return Err(error.into()),
    };
    match shown.and_then(|()| out.flush()) {
        // Whoever read the first lines and went away has what they wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(OffsetsError::Output(error)),
        _ => Ok(()),
    }
}

/// Whether the file is a state, but a dump's.
fn is_dump(error: &StoreError) -> bool {
    use StateDamage::OtherKind;
    matches!(
        error,
        StoreError::Unusable {
            damage: OtherKind {
                found: KIND_DUMP,
                ..
            },
            ..
        }
    )
}

fn show_text(view: &StateView, out: &mut dyn Write) -> io::Result<()> {
    for warning in &view.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    for (name, value) in facts(view) {
        writeln!(out, "{name:<12} {value}")?;
    }
    writeln!(out)?;
    let rows: Vec<[String; COLUMNS.len()]> = (0_u32..).zip(&view.slots).map(row).collect();
    let headings = COLUMNS.map(str::to_owned);
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(|column| {
        let cells = rows.iter().chain([&headings]).map(|row| row[column].len());
        cells.max().unwrap_or(0)
    });
    for row in [&headings].into_iter().chain(&rows) {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:>width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  "))?;
    }
    Ok(())
}

fn facts(view: &StateView) -> Vec<(&'static str, String)> {
    let JobHeader { settings, .. } = &view.header;
    let header = &view.header;
    let topic = format!("{} (id {})", plain(&header.topic), hex(&header.topic_id));
    let finished = match header.finished_ms {
        0 => "no".to_owned(),
        ms => format!("{}, exit code {}", time(ms), header.exit_code),
    };
    let delimiter = settings.delimiter.escape_ascii();
    let mut facts = vec![
        ("job", direction(header).to_owned()),
        ("topic", topic),
        ("cluster", plain(&header.cluster_id)),
        ("arguments", plain(&header.arguments.join(" "))),
        (
            "input",
            format!(
                "{} bytes in {} files",
                header.input_bytes(),
                header.inputs.len()
            ),
        ),
        ("started", time(header.started_ms)),
        ("finished", finished),
        (
            "chunks",
            format!(
                "{} bytes, from partition {}",
                settings.chunk_bytes, settings.base
            ),
        ),
        ("delimiter", format!("'{delimiter}'")),
        ("lanes", settings.lanes.to_string()),
        (
            "file",
            format!("{}, last opened by process {}", view.id, view.pid),
        ),
        ("counts", origin(view).to_owned()),
    ];
    if !header.previous_ends.is_empty() {
        let ends: Vec<String> = header.previous_ends.iter().map(u64::to_string).collect();
        facts.push(("ended at", ends.join(", ")));
    }
    facts
}

const COLUMNS: [&str; 12] = [
    "PARTITION",
    "POSITION",
    "RECORDS",
    "BYTES",
    "REJECTS",
    "FIRST OFFSET",
    "LAST OFFSET",
    "PRODUCER ID",
    "EPOCH",
    "NEXT SEQUENCE",
    "NEWEST TIMESTAMP",
    "CLEAN",
];

fn row((partition, slot): (u32, &PartitionSlot)) -> [String; COLUMNS.len()] {
    [
        partition.to_string(),
        slot.position.to_string(),
        slot.records.to_string(),
        slot.bytes.to_string(),
        slot.rejects.to_string(),
        known(slot.first_offset),
        known(slot.last_offset),
        known(slot.producer_id),
        known(slot.epoch.into()),
        known(slot.next_sequence.into()),
        if slot.newest_timestamp < 0 {
            "-".into()
        } else {
            time(slot.newest_timestamp)
        },
        if slot.clean { "yes" } else { "no" }.to_owned(),
    ]
}

fn show_json(view: &StateView, out: &mut dyn Write) -> io::Result<()> {
    let JobHeader { settings, .. } = &view.header;
    let header = &view.header;
    let inputs = header.inputs.iter().map(|input| {
        json!({
            "path": input.path,
            "device": input.device,
            "inode": input.inode,
            "size": input.size,
            "first_kib_crc": input.first_kib_crc,
        })
    });
    let lanes = header.lane_producers.iter();
    let lanes = lanes.map(|lane| json!({"producer_id": lane.id, "epoch": lane.epoch}));
    let value = json!({
        "path": view.path.to_string_lossy(),
        "file_id": view.id.to_string(),
        "boot_id": view.boot.to_string(),
        "pid": view.pid,
        "from": match view.origin { Origin::Live => "live", Origin::Synced => "synced" },
        "syncs": view.generation,
        "warnings": view.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "job": direction(header),
        "cluster_id": header.cluster_id,
        "topic": header.topic,
        "topic_id": hex(&header.topic_id),
        "arguments": header.arguments,
        "inputs": inputs.collect::<Vec<_>>(),
        "input_bytes": header.input_bytes(),
        "previous_ends": header.previous_ends,
        "started_ms": header.started_ms,
        "finished_ms": (header.finished_ms != 0).then_some(header.finished_ms),
        "exit_code": (header.finished_ms != 0).then_some(header.exit_code),
        "settings": {
            "partitions": settings.partitions,
            "base": settings.base,
            "chunk_bytes": settings.chunk_bytes,
            "batch_bytes_max": settings.batch_bytes_max,
            "record_bytes_max": settings.record_bytes_max,
            "delimiter": settings.delimiter,
            "crlf_strip": settings.crlf_strip,
            "fixed_partition": (settings.fixed_partition >= 0).then_some(settings.fixed_partition),
            "timestamps": settings.timestamps,
            "idempotence": settings.idempotence,
            "acks": settings.acks,
            "compression": settings.compression,
            "lanes": settings.lanes,
        },
        "lanes": lanes.collect::<Vec<_>>(),
        "partitions": (0_u32..).zip(&view.slots).map(partition_json).collect::<Vec<_>>(),
    });
    serde_json::to_writer_pretty(&mut *out, &value)?;
    writeln!(out)
}

fn partition_json((partition, slot): (u32, &PartitionSlot)) -> Value {
    let known = |value: i64| (value >= 0).then_some(value);
    json!({
        "partition": partition,
        "position": slot.position,
        "records": slot.records,
        "bytes": slot.bytes,
        "rejects": slot.rejects,
        "first_offset": known(slot.first_offset),
        "last_offset": known(slot.last_offset),
        "end_offset_at_start": known(slot.end_offset_at_start),
        "producer_id": known(slot.producer_id),
        "epoch": known(slot.epoch.into()),
        "next_sequence": known(slot.next_sequence.into()),
        "last_batch_first_sequence": known(slot.last_batch_first_sequence.into()),
        "newest_timestamp": known(slot.newest_timestamp),
        "tail": {
            "position": slot.tail_position,
            "bytes": slot.tail_bytes,
            "crc": slot.tail_crc,
        },
        "clean": slot.clean,
        "is_recut": slot.is_recut,
    })
}

fn direction(header: &JobHeader) -> &'static str {
    if header.direction == DIRECTION_DUMP {
        "dump"
    } else {
        "load"
    }
}

fn origin(view: &StateView) -> &'static str {
    match view.origin {
        Origin::Live => "every acknowledgement that was stored",
        Origin::Synced => "the last sync: the machine was restarted since the file was opened",
    }
}

fn known(value: i64) -> String {
    if value < 0 {
        "-".to_owned()
    } else {
        value.to_string()
    }
}

fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |time| time.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text from the file that cannot move the cursor or colour the terminal.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use engine::positions::{FrozenSettings, InputIdentity, Job, JobRequest};

    use super::*;

    fn job(directory: &Path) -> Job {
        let request = JobRequest {
            cluster_id: "a-cluster".into(),
            topic: "events".into(),
            arguments: vec!["/data/\x1b[31m*.log".into()],
            inputs: vec![InputIdentity {
                path: "/data/a.log".into(),
                size: 900,
                ..<_>::default()
            }],
            settings: FrozenSettings {
                partitions: 2,
                ..FrozenSettings::default()
            },
            now_ms: 1_700_000_000_000,
            ..JobRequest::default()
        };
        let mut job = Job::open_or_create(directory, &request).unwrap();
        let slot = PartitionSlot {
            position: 500,
            records: 12,
            first_offset: 7,
            last_offset: 18,
            newest_timestamp: 1_700_000_000_123,
            ..PartitionSlot::default()
        };
        job.store().writer(1).unwrap().put(&slot);
        job
    }

    fn shown(path: &Path, json: bool) -> String {
        let mut out = Vec::new();
        show(path, json, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn cells(line: &str) -> Vec<&str> {
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect()
    }

    #[test]
    fn a_running_jobs_positions_are_shown_as_a_table() {
        let directory = tempfile::tempdir().unwrap();
        let job = job(directory.path());
        let text = shown(job.path(), false);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines.contains(&"started      2023-11-14T22:13:20Z"),
            "{text}"
        );
        assert!(
            lines.contains(&"input        900 bytes in 1 files"),
            "{text}"
        );
        assert!(
            text.contains(r"/data/\u{1b}[31m*.log"),
            "no escapes to the terminal: {text}"
        );
        let table = &lines[lines.len() - 3..];
        assert_eq!(cells(table[0]), COLUMNS);
        let zero = ["0", "0", "0", "0", "0", "-", "-", "-", "-", "-", "-", "no"];
        assert_eq!(cells(table[1]), zero);
        let time = "2023-11-14T22:13:20.123Z";
        let one = [
            "1", "500", "12", "0", "0", "7", "18", "-", "-", "-", time, "no",
        ];
        assert_eq!(cells(table[2]), one);
        assert!(
            table.iter().all(|line| line.len() == table[0].len()),
            "{text}"
        );
    }

    #[test]
    fn the_same_is_there_as_json() {
        let directory = tempfile::tempdir().unwrap();
        let mut job = job(directory.path());
        let value: Value = serde_json::from_str(&shown(job.path(), true)).unwrap();
        assert_eq!(value["partitions"][1]["last_offset"], 18);
        assert_eq!(value["partitions"][0]["last_offset"], Value::Null);
        assert_eq!(
            (&value["topic"], &value["exit_code"]),
            (&json!("events"), &Value::Null)
        );
        assert_eq!(value["from"], "live");
        job.finish(1_700_000_009_000, 3).unwrap();
        let value: Value = serde_json::from_str(&shown(job.path(), true)).unwrap();
        assert_eq!(
            (&value["finished_ms"], &value["exit_code"]),
            (&json!(1_700_000_009_000_i64), &json!(3))
        );
    }

    #[test]
    fn a_file_that_is_no_state_is_refused_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let check = |path: PathBuf, what: &str| {
            let error = show(&path, false, &mut Vec::new()).unwrap_err();
            assert_eq!(error.exit().code(), 2);
            assert!(error.to_string().contains(what), "{error}");
        };
        check(directory.path().join("none"), "cannot open");
        check(directory.path().to_path_buf(), "a directory");
        let path = directory.path().join("text");
        std::fs::write(&path, "hello\n").unwrap();
        check(path.clone(), "no state file of ringmain");
        std::fs::write(&path, "").unwrap();
        check(path, "empty");
    }
}
