//! `--dry-run`: everything but the sending. Looks at the inputs' heads, the cluster, the topic and the
//! right to write, and shows the first records.

use std::fs::File;
use std::io::{self, Read, Write};

use connectors::file::inputs::Inputs;
use engine::control::Control;

use super::error::LoadError;
use super::{plan, target};
use crate::options::{Exit, LoadOptions};

/// Records that are shown.
const SHOWN: usize = 10;
/// Bytes that are read for them.
const HEAD_BYTES: u64 = 64 << 10;

pub(super) fn run(
    control: &mut Control,
    options: &LoadOptions,
    inputs: &Inputs,
) -> Result<Exit, LoadError> {
    let sizes: u64 = inputs.files.iter().map(|file| file.size).sum();
    tracing::info!("{} file(s), {sizes} bytes", inputs.files.len());
    match target::look(control, options)? {
        Some(topic) => {
            plan::check_topic(options, &topic)?;
            tracing::info!(
                "topic {}: {} partition(s), batches of {} bytes at most, write {}",
                topic.name,
                topic.partitions(),
                topic.message_bytes_max,
                match topic.may_write {
                    Some(_) => "allowed",
                    None => "not known to be allowed: the cluster does not say",
                }
            );
        }
        None => tracing::info!(
            "topic {} does not exist and would be created",
            options.topic
        ),
    }
    let shown = show(options, inputs)
        .map_err(|(path, source)| connectors::file::inputs::InputError::Read { path, source })?;
    tracing::info!("dry run: {shown} record(s) shown, none sent");
    Ok(Exit::Done)
}

type Failed = (std::path::PathBuf, io::Error);

/// The first records as they would be sent, one a line, on standard output.
fn show(options: &LoadOptions, inputs: &Inputs) -> Result<usize, Failed> {
    let mut shown = 0;
    for file in &inputs.files {
        if shown >= SHOWN {
            break;
        }
        let failed = |error| (file.path.clone(), error);
        let mut head = Vec::new();
        let opened = File::open(&file.path).map_err(failed)?;
        opened
            .take(HEAD_BYTES)
            .read_to_end(&mut head)
            .map_err(failed)?;
        let is_whole = head.len() as u64 >= file.size;
        let mut rest = head.as_slice();
        while shown < SHOWN && !rest.is_empty() {
            let end = rest
                .iter()
                .position(|&byte| byte == options.reading.delimiter);
            let (record, behind) = match end {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None if is_whole => (rest, &rest[rest.len()..]),
                None => break,
            };
            let strip = options.reading.crlf_strip && record.last() == Some(&b'\r');
            let record = &record[..record.len() - usize::from(strip)];
            rest = behind;
            shown += 1;
            let mut line = record.to_vec();
            line.push(b'\n');
            io::stdout()
                .write_all(&line)
                .map_err(|error| ("standard output".into(), error))?;
        }
    }
    Ok(shown)
}
