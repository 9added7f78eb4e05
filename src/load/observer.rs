//! What shards report on the way: refused records, and the syncs that must come before the next send.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use connectors::file::rejects::{DealtPlace, Reject as RejectedRecord, RejectedContent, Rejects};
use engine::flow::CutRules;
use engine::flow::config::{LoadConfig, LoadObserver, Reject, RejectContent, TooLarge};
use engine::input::Input;
use engine::record::{Header, Headers, InputRecord};

use super::error::LoadError;
use super::kept::Kept;

/// Refused records that are named in the log when no file takes them; the rest are only counted.
const NAMED_MAX: u64 = 20;

/// Notes refused records, and stops the job at one too many.
#[derive(Debug)]
pub(super) struct Observer {
    input: Arc<Input>,
    rules: CutRules,
    job: Arc<Mutex<Kept>>,
    rejects: Mutex<Option<Rejects>>,
    count: AtomicU64,
    max_errors: u64,
}

impl Observer {
    /// `before`: how many records earlier runs of the job refused.
    pub(super) fn new(
        input: Arc<Input>,
        rules: CutRules,
        job: Arc<Mutex<Kept>>,
        rejects: Option<Rejects>,
        before: u64,
        max_errors: u64,
    ) -> Self {
        Self {
            input,
            rules,
            job,
            rejects: Mutex::new(rejects),
            count: AtomicU64::new(before),
            max_errors,
        }
    }

    /// Refused records of all runs.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The rejects file, when all shards are done.
    pub(super) fn take_rejects(&self) -> Option<Rejects> {
        self.rejects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// The bytes of the record itself: its range ends with its delimiter, unless the file ended first, and
/// maybe with a carriage return that is no part of it.
fn length(input: &Input, rules: &CutRules, range: &Range<u64>) -> Result<u64, String> {
    let raw = range.end - range.start;
    let (file, offset) = input.locate(range.start);
    let path = &input.files()[file].path;
    let mut end = [0; 2];
    let end = &mut end[..usize::try_from(raw.min(2)).expect("at most two")];
    File::open(path)
        .and_then(|file| file.read_exact_at(end, offset + raw - end.len() as u64))
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut content: &[u8] = end;
    if let Some((&last, rest)) = content.split_last()
        && last == rules.delimiter
    {
        content = rest;
    }
    if rules.crlf_strip && content.last() == Some(&b'\r') {
        content = &content[..content.len() - 1];
    }
    Ok(raw - (end.len() - content.len()) as u64)
}

/// Notes a record durably that an earlier run refused.
pub(super) fn note(
    rejects: &mut Rejects,
    config: &LoadConfig,
    record: &TooLarge,
) -> Result<(), LoadError> {
    let (input, offset) = config.input.locate(record.range.start);
    let length = length(&config.input, &config.rules, &record.range)
        .map_err(|why| LoadError::InputChanged { why })?;
    let reason = record.reason(config.record_bytes_max);
    rejects.write(&RejectedRecord {
        input,
        offset,
        length,
        reason: &reason,
    })?;
    rejects.sync()?;
    Ok(())
}

/// As [`note`], of an input that one reader deals out.
pub(super) fn note_dealt(
    rejects: &mut Rejects,
    config: &LoadConfig,
    partition: u32,
    record: &TooLarge,
) -> Result<(), LoadError> {
    let (input, offset) = config.input.locate(record.range.start);
    let dealt = record
        .dealt
        .as_ref()
        .expect("what one reader refuses comes with its bytes");
    let refused = RejectedRecord {
        input,
        offset,
        length: record.range.end - record.range.start,
        reason: &dealt.reason,
    };
    let place = DealtPlace {
        partition,
        position: record.range.start,
    };
    rejects.write_dealt(&refused, place, &unparsed(&record.range, &dealt.content))?;
    rejects.sync()?;
    Ok(())
}

/// What stood in the input, if all of it is there.
fn unparsed<'a>(range: &Range<u64>, content: &'a [u8]) -> RejectedContent<'a> {
    let is_whole = content.len() as u64 == range.end - range.start;
    RejectedContent::Unparsed(is_whole.then_some(content))
}

impl Observer {
    fn write(&self, rejects: &mut Rejects, reject: &Reject) -> Result<(), String> {
        let mut refused = RejectedRecord {
            input: reject.file,
            offset: reject.file_offset,
            length: reject.range.end - reject.range.start,
            reason: &reject.reason,
        };
        let Some(content) = &reject.content else {
            refused.length = length(&self.input, &self.rules, &reject.range)?;
            return rejects.write(&refused).map_err(|error| error.to_string());
        };
        let fixed: Vec<Header>;
        let content = match content {
            RejectContent::Input(bytes) => unparsed(&reject.range, bytes),
            RejectContent::Record {
                key,
                value,
                headers,
                timestamp,
            } => {
                let header = |(name, value): &(Vec<u8>, Option<Vec<u8>>)| Header {
                    name: name.clone(),
                    value: value.clone(),
                };
                fixed = headers.iter().map(header).collect();
                RejectedContent::Parsed(InputRecord {
                    key: key.as_deref(),
                    value: value.as_deref(),
                    headers: Headers::new(&fixed, &[], &[]),
                    timestamp: *timestamp,
                    partition: None,
                })
            }
        };
        let place = DealtPlace {
            partition: reject.partition,
            position: reject.range.start,
        };
        rejects
            .write_dealt(&refused, place, &content)
            .map_err(|error| error.to_string())
    }
}

impl LoadObserver for Observer {
    fn sync(&self) -> Result<(), String> {
        let mut job = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        job.sync().map_err(|error| error.to_string())
    }

    fn reject(&self, reject: &Reject) -> Result<(), String> {
        let path = self.input.files()[reject.file].path.display();
        let at = format!("{path}, byte {}", reject.file_offset);
        let mut rejects = self.rejects.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.count.load(Ordering::Relaxed) + 1;
        if count > self.max_errors {
            return Err(format!(
                "{at} (partition {}): {}; that is one refused record more than --max-errors {} allows",
                reject.partition, reject.reason, self.max_errors
            ));
        }
        match &mut *rejects {
            Some(rejects) => {
                self.write(rejects, reject)?;
                rejects.sync().map_err(|error| error.to_string())?;
            }
            None if count <= NAMED_MAX => {
                tracing::warn!(
                    "refused: {at} (partition {}): {}",
                    reject.partition,
                    reject.reason
                );
            }
            None => {}
        }
        self.count.store(count, Ordering::Relaxed);
        Ok(())
    }
}
