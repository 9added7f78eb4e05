//! The rejects file: the records that were refused, one JSON object a line, to be read by people
//! and to be loaded again.
//!
//! ```text
//! {"file":"/data/a.log","input":1,"offset":17,"length":5,"reason":"…","content":"…"}
//! ```
//!
//! `content_base64` stands in place of `content` where the record is not UTF-8. `input` counts the
//! inputs from 1: a file may be named twice. [`Rejects::finish`] adds `line`.
//!
//! Where key and headers are taken from the input, `content` is the value alone, and behind it
//! stands what else the record had, as in an [envelope](super::format): `key`, `headers`, `ts`,
//! `partition`, or `key_base64` and `headers_base64`. So `load --input envelope` loads the record
//! again as it was. A record in which these were not found (its separator is missing, it is too
//! long) has `"unparsed":true` behind its content, which is then all of it, or null where it was
//! never in memory as a whole; such a line must be mended before it is loaded.
//!
//! * Lines are appended as refusals come. A line is whole before [`Rejects::write`] returns, and on
//!   the disk when [`Rejects::sync`] does: sync before the position that passes its record is
//!   synced.
//! * After a crash [`Rejects::resume`] removes what the positions do not cover, and a torn last
//!   line: those records are sent again and refused again.
//! * Contents are copied from the input through a small buffer, however long a record is.
//! * A file that is not ours is never written to, and the file is locked while it is ours.

mod content;
mod finish;
mod line;
mod sink;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use thiserror::Error;

use super::atomic::Replacement;
use super::format::input::ParsedRecord;
use super::inputs::{Change, InputFile};
use content::{Content, ContentError};
use line::{Head, Line, Lines};
use sink::Sink;

/// A dead process's files are closed some time after its death.
const LOCK_WITHIN: Duration = Duration::from_secs(5);
const LOCK_EVERY: Duration = Duration::from_millis(20);
/// A longer reason is cut: the head of a line must fit into a buffer when it is read again.
const REASON_BYTES_MAX: usize = 2048;

/// A record that was refused.
#[derive(Debug, Clone, Copy)]
pub struct Reject<'a> {
    /// Index into the inputs.
    pub input: usize,
    /// Of its first byte, in its file.
    pub offset: u64,
    /// Without the delimiter.
    pub length: u64,
    pub reason: &'a str,
}

/// What is there in memory of a record that was refused.
#[derive(Debug, Clone, Copy)]
pub enum RejectedContent<'a> {
    /// Key, value and headers.
    Parsed(ParsedRecord<'a>),
    /// It could not be parsed: its bytes as they stand in the input, if they are there.
    Unparsed(Option<&'a [u8]>),
}

/// Where a record of an input stands that one reader deals out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DealtPlace {
    /// The partition that it counts for.
    pub partition: u32,
    /// Of its first byte, in the whole input.
    pub position: u64,
}

/// An open rejects file.
#[derive(Debug)]
pub struct Rejects {
    path: PathBuf,
    file: File,
    /// Whole lines end here.
    end: u64,
    lines: u64,
    inputs: Vec<InputFile>,
    /// The input that was read last.
    source: Option<(usize, File)>,
}

#[derive(Debug, Error)]
pub enum RejectsError {
    #[error("cannot open the rejects file {path}: {source}", path = path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot read the rejects file {path}: {source}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write the rejects file {path}: {source}", path = path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{path} cannot hold rejects: it is no regular file", path = path.display())]
    NotRegular { path: PathBuf },
    #[error("{path} cannot hold rejects: it is an input", path = path.display())]
    IsInput { path: PathBuf },
    #[error("the rejects file {path} is in use by another process", path = path.display())]
    InUse { path: PathBuf },
    #[error(
        "the rejects file {path} holds rejects of an earlier load: move it away, name another, or \
         begin anew with --restart",
        path = path.display()
    )]
    NotEmpty { path: PathBuf },
    #[error(
        "{path}, line {line}: {why}; move the file away or name another for the rejects",
        path = path.display()
    )]
    Foreign {
        path: PathBuf,
        line: u64,
        why: &'static str,
    },
    #[error(
        "cannot read the rejected record at offset {offset} of {path}: {source}",
        path = path.display()
    )]
    Input {
        path: PathBuf,
        offset: u64,
        source: io::Error,
    },
    #[error("{path} was changed while its rejected records were copied", path = path.display())]
    InputChanged { path: PathBuf },
}

/// Where a refused record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index into the inputs.
    pub input: usize,
    /// In that file.
    pub offset: u64,
    /// In the input as one reader dealt it out, if it did.
    pub position: Option<u64>,
}

/// Where the refused records that a file holds begin, in no order. A file that is not there holds none.
pub fn places(path: &Path, inputs: &[InputFile]) -> Result<Vec<Place>, RejectsError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            let path = path.to_owned();
            return Err(RejectsError::Open { path, source });
        }
    };
    let rejects = Rejects {
        path: path.to_owned(),
        file,
        end: 0,
        lines: 0,
        inputs: inputs.to_vec(),
        source: None,
    };
    let mut places = Vec::new();
    rejects.scan(|line| {
        places.extend(line.head.as_ref().map(|head| Place {
            input: head.index(),
            offset: head.offset,
            position: head.position,
        }));
    })?;
    Ok(places)
}

impl Rejects {
    /// Begins with an empty file. Rejects that are there already are an error, unless they may be
    /// thrown away.
    pub fn create(path: &Path, inputs: &[InputFile], over: bool) -> Result<Self, RejectsError> {
        let mut rejects = Self::open(path, inputs)?;
        let mut lines = Lines::new(&rejects.file).map_err(|e| rejects.read_failed(e))?;
        let first = lines.next_line().map_err(|e| rejects.read_failed(e))?;
        if let Some(first) = first {
            if first.head.is_none() && !first.is_garbage {
                return Err(rejects.foreign(1, "no line that ringmain wrote"));
            }
            if !over {
                return Err(RejectsError::NotEmpty {
                    path: rejects.path.clone(),
                });
            }
            rejects
                .file
                .set_len(0)
                .map_err(|e| rejects.write_failed(e))?;
        }
        rejects.end = 0;
        Ok(rejects)
    }

    /// Goes on with the file of an interrupted load: keeps the lines of which `covered` says, by
    /// the record's input and offset, that its partition's position is behind the record.
    pub fn resume(
        path: &Path,
        inputs: &[InputFile],
        covered: impl FnMut(usize, u64) -> bool,
    ) -> Result<Self, RejectsError> {
        let mut covered = covered;
        let mut rejects = Self::open(path, inputs)?;
        rejects.retain(|head| covered(head.index(), head.offset))?;
        Ok(rejects)
    }

    /// As [`Rejects::resume`], of a load whose records were dealt out: `covered` is asked by the place
    /// that [`Rejects::write_dealt`] was given.
    pub fn resume_dealt(
        path: &Path,
        inputs: &[InputFile],
        mut covered: impl FnMut(DealtPlace) -> bool,
    ) -> Result<Self, RejectsError> {
        let mut rejects = Self::open(path, inputs)?;
        rejects.retain(|head| match (head.target_partition, head.position) {
            (Some(partition), Some(position)) => covered(DealtPlace {
                partition,
                position,
            }),
            _ => false,
        })?;
        Ok(rejects)
    }

    /// How many records it holds.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Appends a refused record. Should this fail, the file ends as it did before, as far as the
    /// system lets it.
    pub fn write(&mut self, reject: &Reject<'_>) -> Result<(), RejectsError> {
        let head = Head::new(&self.inputs[reject.input].path, reject);
        self.open_source(reject.input)?;
        let content = Content {
            source: self.source(),
            offset: reject.offset,
            length: reject.length,
        };
        let mut sink = Sink::new(&self.file, self.end);
        let appended = line::write(&mut sink, &head, &content)
            .and_then(|()| sink.finish().map_err(ContentError::Write));
        self.appended(reject, appended)
    }

    /// The same for a record that is in memory, the `number`-th of its input counted from 1: where
    /// the input cannot be read again, or records are more than their values.
    pub fn write_record(
        &mut self,
        reject: &Reject<'_>,
        number: u64,
        content: &RejectedContent<'_>,
    ) -> Result<(), RejectsError> {
        let mut head = Head::new(&self.inputs[reject.input].path, reject);
        head.line = Some(number);
        let mut sink = Sink::new(&self.file, self.end);
        let appended = line::write_record(&mut sink, &head, content)
            .and_then(|()| sink.finish().map_err(ContentError::Write));
        self.appended(reject, appended)
    }

    /// The same for a record of an input that one reader deals out.
    pub fn write_dealt(
        &mut self,
        reject: &Reject<'_>,
        place: DealtPlace,
        content: &RejectedContent<'_>,
    ) -> Result<(), RejectsError> {
        let mut head = Head::new(&self.inputs[reject.input].path, reject);
        head.position = Some(place.position);
        head.target_partition = Some(place.partition);
        let mut sink = Sink::new(&self.file, self.end);
        let appended = line::write_record(&mut sink, &head, content)
            .and_then(|()| sink.finish().map_err(ContentError::Write));
        self.appended(reject, appended)
    }

    fn appended(
        &mut self,
        reject: &Reject<'_>,
        appended: Result<u64, ContentError>,
    ) -> Result<(), RejectsError> {
        match appended {
            Ok(end) => {
                self.end = end;
                self.lines += 1;
                Ok(())
            }
            Err(error) => {
                // The error that is told is the first one.
                drop(self.file.set_len(self.end));
                Err(self.content_failed(reject, error))
            }
        }
    }

    /// Returns when every line that was written is on the disk.
    pub fn sync(&self) -> Result<(), RejectsError> {
        self.file.sync_data().map_err(|e| self.write_failed(e))
    }

    fn open(path: &Path, inputs: &[InputFile]) -> Result<Self, RejectsError> {
        let failed = |source| RejectsError::Open {
            path: path.to_owned(),
            source,
        };
        // Through a symbolic link: a rename must replace the file, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(RejectsError::NotRegular { path });
        }
        let file = open_locked(&path)?;
        let metadata = file.metadata().map_err(failed)?;
        let identity = (metadata.dev(), metadata.ino());
        if inputs
            .iter()
            .any(|input| (input.device, input.inode) == identity)
        {
            return Err(RejectsError::IsInput { path });
        }
        Ok(Self {
            path,
            file,
            end: metadata.len(),
            lines: 0,
            inputs: inputs.to_vec(),
            source: None,
        })
    }

    fn retain(&mut self, mut covered: impl FnMut(&Head) -> bool) -> Result<(), RejectsError> {
        let mut kept: Vec<Range<u64>> = Vec::new();
        let (mut lines, mut removed) = (0, 0);
        self.scan(|line| {
            let head = line.head.as_ref();
            if !head.is_some_and(&mut covered) {
                removed += 1;
                return;
            }
            lines += 1;
            match kept.last_mut() {
                Some(range) if range.end == line.start => range.end = line.end,
                _ => kept.push(line.start..line.end),
            }
        })?;
        self.lines = lines;
        if removed == 0 {
            return Ok(());
        }
        let replacement = Replacement::create(&self.path).map_err(|e| self.write_failed(e))?;
        let mut sink = Sink::new(replacement.file(), 0);
        let copied = kept
            .into_iter()
            .try_for_each(|range| sink.copy(&self.file, range));
        let end = copied
            .and_then(|()| sink.finish())
            .map_err(|e| self.write_failed(e))?;
        self.replace(replacement, end)
    }

    /// Walks all lines. Those that were never whole have no head; any other line that is not ours,
    /// or not of these inputs, is an error.
    fn scan(&self, mut each: impl FnMut(&Line)) -> Result<(), RejectsError> {
        let mut lines = Lines::new(&self.file).map_err(|e| self.read_failed(e))?;
        let mut number = 0;
        while let Some(line) = lines.next_line().map_err(|e| self.read_failed(e))? {
            number += 1;
            match &line.head {
                Some(head) => {
                    let input = self.inputs.get(head.index());
                    if !input.is_some_and(|input| head.is_of(&input.path)) {
                        return Err(self.foreign(number, "a record of another load"));
                    }
                }
                None if line.is_garbage => {}
                None => return Err(self.foreign(number, "no line that ringmain wrote")),
            }
            each(&line);
        }
        Ok(())
    }

    /// Puts a new file in the old one's place. The lock goes over before the name does.
    fn replace(&mut self, replacement: Replacement, end: u64) -> Result<(), RejectsError> {
        let locked = flock(replacement.file(), FlockOperation::NonBlockingLockExclusive);
        let file = locked
            .map_err(io::Error::from)
            .and_then(|()| replacement.commit());
        self.file = file.map_err(|e| self.write_failed(e))?;
        self.end = end;
        Ok(())
    }

    fn open_source(&mut self, input: usize) -> Result<(), RejectsError> {
        if self.source.as_ref().is_none_or(|(open, _)| *open != input) {
            let InputFile { path, .. } = &self.inputs[input];
            let file = File::open(path).map_err(|source| RejectsError::Input {
                path: path.clone(),
                offset: 0,
                source,
            })?;
            self.check_source(input, &file)?;
            self.source = Some((input, file));
        }
        Ok(())
    }

    /// The input that was opened last.
    fn source(&self) -> &File {
        &self.source.as_ref().expect("opened before it is read").1
    }

    fn check_source(&self, input: usize, file: &File) -> Result<(), RejectsError> {
        let input = &self.inputs[input];
        let path = input.path.clone();
        match input.changed(file) {
            Ok(None | Some(Change::Grown { .. })) => Ok(()),
            Ok(Some(_)) => Err(RejectsError::InputChanged { path }),
            Err(source) => Err(RejectsError::Input {
                path,
                offset: 0,
                source,
            }),
        }
    }

    fn content_failed(&self, reject: &Reject<'_>, error: ContentError) -> RejectsError {
        let path = self.inputs[reject.input].path.clone();
        match error {
            ContentError::Changed => RejectsError::InputChanged { path },
            ContentError::Write(source) => self.write_failed(source),
            ContentError::Read(source) => RejectsError::Input {
                path,
                offset: reject.offset,
                source,
            },
        }
    }

    fn read_failed(&self, source: io::Error) -> RejectsError {
        let path = self.path.clone();
        RejectsError::Read { path, source }
    }

    fn write_failed(&self, source: io::Error) -> RejectsError {
        let path = self.path.clone();
        RejectsError::Write { path, source }
    }

    fn foreign(&self, line: u64, why: &'static str) -> RejectsError {
        let path = self.path.clone();
        RejectsError::Foreign { path, line, why }
    }
}

/// Opens and locks the file that is at the path when the lock is had.
fn open_locked(path: &Path) -> Result<File, RejectsError> {
    let failed = |source| RejectsError::Open {
        path: path.to_owned(),
        source,
    };
    let give_up = Instant::now() + LOCK_WITHIN;
    loop {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let (ours, at_path) = (file.metadata().map_err(failed)?, fs::metadata(path));
                if at_path.is_ok_and(|m| (m.dev(), m.ino()) == (ours.dev(), ours.ino())) {
                    return Ok(file);
                }
                // It was replaced while we waited for its lock.
            }
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
        if Instant::now() >= give_up {
            let path = path.to_owned();
            return Err(RejectsError::InUse { path });
        }
        std::thread::park_timeout(LOCK_EVERY);
    }
}

#[cfg(test)]
mod tests;
