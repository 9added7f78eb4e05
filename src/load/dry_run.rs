//! `--dry-run`: everything but the sending. Looks at the inputs' heads, the cluster, the topic and the
//! right to write, and shows the first records.

use std::io::{self, Write};

use connectors::file::inputs::{InputError, Inputs};
use engine::control::Control;
use engine::feed::{BLOCK_BYTES, FeedError};
use engine::flow::to_kafka::FlowError;
use engine::record::{InputRecord, Next};

use super::error::LoadError;
use super::{plan, reading, target};
use crate::options::{Exit, LoadOptions};

/// Records that are shown.
const SHOWN: usize = 10;

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
    let shown = show(options, inputs)?;
    tracing::info!("dry run: {shown} record(s) shown, none sent");
    Ok(Exit::Done)
}

/// The first records as they would be sent, on standard output, one a line: the key, if it has one, and a
/// tab before the value.
fn show(options: &LoadOptions, inputs: &Inputs) -> Result<usize, LoadError> {
    let (mut feed, mut grammar) = reading::preview(options, inputs);
    let mut buffer = vec![0; BLOCK_BYTES];
    let mut window = Vec::new();
    let mut shown = 0;
    while shown < SHOWN {
        let filled = feed.fill(&mut buffer).map_err(FlowError::Feed)?;
        window.extend_from_slice(&buffer[..filled.bytes]);
        let mut at = 0;
        while shown < SHOWN && at < window.len() {
            match grammar.next(&window[at..], filled.ends_file) {
                Next::Record { bytes, record } => {
                    print(&record).map_err(|source| InputError::Read {
                        path: "standard output".into(),
                        source,
                    })?;
                    at += bytes;
                    shown += 1;
                }
                Next::Pass { bytes } | Next::Skip { bytes } => at += bytes,
                Next::Refused { bytes, reason } => {
                    tracing::warn!("would be refused: {reason}");
                    at += bytes;
                }
                Next::Broken { reason } => return Err(FlowError::Feed(FeedError(reason)).into()),
                Next::More => break,
            }
        }
        window.drain(..at);
        if filled.ends_input {
            break;
        }
    }
    Ok(shown)
}

fn print(record: &InputRecord<'_>) -> io::Result<()> {
    let mut line = Vec::new();
    if let Some(key) = record.key {
        line.extend_from_slice(key);
        line.push(b'\t');
    }
    line.extend_from_slice(record.value.unwrap_or_default());
    line.push(b'\n');
    io::stdout().write_all(&line)
}
