//! What a dump's state file says, for `ringmain offsets show`.

use std::io::{self, Write};

use engine::positions::{DumpView, OutputSlot};
use serde_json::json;

use super::finish::outputs_json;

/// For people.
pub(crate) fn show_text(view: &DumpView, out: &mut dyn Write) -> io::Result<()> {
    for warning in &view.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    for (name, value) in facts(view) {
        writeln!(out, "{name:<14} {value}")?;
    }
    for (index, (output, slot)) in view.header.outputs.iter().zip(&view.slots).enumerate() {
        writeln!(out)?;
        writeln!(
            out,
            "{}: {} bytes, {} records",
            plain(&output.path),
            slot.length,
            slot.records
        )?;
        let partitions = view.header.partitions_of(index);
        writeln!(
            out,
            "{:>10}  {:>12}  {:>12}  {:>12}",
            "PARTITION", "FROM", "NEXT", "UNTIL"
        )?;
        for (partition, position) in partitions.iter().zip(&slot.positions) {
            let until = match partition.end {
                -1 => "-".to_owned(),
                end => end.to_string(),
            };
            let (number, from, next) = (partition.number, partition.start, position.offset);
            writeln!(out, "{number:>10}  {from:>12}  {next:>12}  {until:>12}")?;
        }
    }
    Ok(())
}

fn facts(view: &DumpView) -> Vec<(String, String)> {
    let header = &view.header;
    let records: u64 = view
        .slots
        .iter()
        .map(|slot: &OutputSlot| slot.records)
        .sum();
    let finished = match header.finished_ms {
        0 => "no".to_owned(),
        ms => format!("{}, exit code {}", time(ms), header.exit_code),
    };
    let mut facts = vec![
        ("job".to_owned(), "dump".to_owned()),
        ("topic".to_owned(), plain(&header.topic)),
        ("cluster".to_owned(), plain(&header.cluster_id)),
        ("output".to_owned(), plain(&header.output)),
        ("records".to_owned(), records.to_string()),
        ("started".to_owned(), time(header.started_ms)),
        ("finished".to_owned(), finished),
        (
            "file".to_owned(),
            format!("{}, last opened by process {}", view.id, view.pid),
        ),
    ];
    let settings = header.settings.iter();
    facts.extend(settings.map(|setting| (plain(&setting.name), plain(&setting.value))));
    facts
}

/// For programs.
pub(crate) fn show_json(view: &DumpView, out: &mut dyn Write) -> io::Result<()> {
    let header = &view.header;
    let settings = header.settings.iter();
    let settings: serde_json::Map<String, serde_json::Value> = settings
        .map(|setting| (setting.name.clone(), setting.value.clone().into()))
        .collect();
    let is_finished = header.finished_ms != 0;
    let value = json!({
        "path": view.path.to_string_lossy(),
        "file_id": view.id.to_string(),
        "pid": view.pid,
        "warnings": view.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "job": "dump",
        "cluster_id": header.cluster_id,
        "topic": header.topic,
        "output": header.output,
        "settings": settings,
        "outputs": outputs_json(header, &view.slots),
        "started_ms": header.started_ms,
        "finished_ms": is_finished.then_some(header.finished_ms),
        "exit_code": is_finished.then_some(header.exit_code),
    });
    serde_json::to_writer_pretty(&mut *out, &value)?;
    writeln!(out)
}

fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |t| t.to_string())
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
    use std::time::Duration;

    use engine::positions::{
        DumpHeader, DumpJob, DumpOutput, DumpPartition, FrozenSetting, OutputPosition,
    };

    use super::*;

    #[test]
    fn a_dumps_state_is_shown_as_a_table_and_as_json() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump.state");
        let header = DumpHeader {
            topic: "events".into(),
            output: "/data/\x1b[31mout".into(),
            settings: vec![FrozenSetting {
                name: "--from".into(),
                value: "beginning".into(),
            }],
            partitions: vec![DumpPartition {
                number: 3,
                start: 5,
                end: 99,
            }],
            outputs: vec![DumpOutput {
                path: "/data/out".into(),
                inode: 1,
                kept_bytes: 0,
            }],
            started_ms: 1_700_000_000_000,
            ..DumpHeader::default()
        };
        let slot = OutputSlot {
            length: 77,
            records: 12,
            positions: vec![OutputPosition {
                offset: 17,
                epoch: 0,
            }],
            ..OutputSlot::default()
        };
        let mut job = DumpJob::create(&path, header, &[slot]).unwrap().unwrap();
        let shown = |json: bool| {
            let view = DumpView::read(&path).unwrap();
            let mut out = Vec::new();
            let shown = if json { show_json } else { show_text };
            shown(&view, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = shown(false);
        assert!(text.contains(r"/data/\u{1b}[31mout"), "{text}");
        assert!(text.contains("/data/out: 77 bytes, 12 records"), "{text}");
        let last: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(last, ["3", "5", "17", "99"]);
        job.finish(1_700_000_009_000, 0).unwrap();
        drop(job);
        let value: serde_json::Value = serde_json::from_str(&shown(true)).unwrap();
        assert_eq!(value["finished_ms"], 1_700_000_009_000_i64);
        assert_eq!(value["outputs"][0]["partitions"][0]["next_offset"], 17);
        assert_eq!(value["settings"]["--from"], "beginning");
        assert!(DumpJob::find(&path, Duration::ZERO).unwrap().is_some());
    }
}
