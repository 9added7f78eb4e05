//! Which files are read: arguments (files, patterns, directories) become a list of regular files,
//! in the arguments' order, each with what it is recognised by later.
//!
//! * An argument that exists is a file or directory of that name, whatever characters it has; only
//!   then `*`, `?`, `[…]`, `{…,…}` make it a pattern. `*` and `?` do not cross a `/`, `**` does.
//! * What a pattern matches and what a directory holds, in all depths, is sorted by the bytes of
//!   its path. Names that begin with a dot are left out unless the pattern has that dot. Symbolic
//!   links are followed.
//! * `-` is standard input; a pipe may be named, by itself and not by a pattern.
//! * Nothing is skipped in silence: what a list would hold and cannot be read (a pipe in a directory, a
//!   file without the right to read, one compressed in a way that is not known) is an error that
//!   names it.

mod expand;
mod identity;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use identity::{Change, InputFile, InputKind};

/// What the arguments came to.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// In the order in which they are read; at least one.
    pub files: Vec<InputFile>,
    /// The arguments as absolute paths and patterns without symbolic links in them: the same
    /// however they are typed, so a job can be recognised by them.
    pub arguments: Vec<String>,
    /// Sentences for a person.
    pub warnings: Vec<String>,
}

#[derive(Debug, Error)]
pub enum InputError {
    #[error("cannot read {path}: {source}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the pattern {pattern:?} is malformed: {why}")]
    Pattern { pattern: String, why: String },
    #[error("no file matches the pattern {pattern:?}")]
    NoMatch { pattern: String },
    #[error(
        "the directory {path} holds no files (hidden ones are left out)",
        path = path.display()
    )]
    EmptyDirectory { path: PathBuf },
    #[error(
        "{path} is {what}: files, and pipes that are named, can be loaded",
        path = path.display()
    )]
    NotRegular { path: PathBuf, what: &'static str },
    #[error(
        "{path} is compressed ({format}), which is not supported: gzip, zstd and lz4 are; \
         decompress it first",
        path = path.display()
    )]
    Compressed { path: PathBuf, format: &'static str },
    #[error(
        "{path} is no file on a disk: what the kernel makes up cannot be loaded",
        path = path.display()
    )]
    Kernel { path: PathBuf },
    #[error(
        "the path of {path} is not UTF-8: its directory cannot be named",
        path = path.display()
    )]
    NotUtf8 { path: PathBuf },
    #[error("no input is named")]
    Nothing,
}

/// Finds, opens and recognises everything that the arguments name.
pub fn collect(arguments: &[String]) -> Result<Inputs, InputError> {
    let mut inputs = Inputs {
        files: Vec::new(),
        arguments: Vec::new(),
        warnings: Vec::new(),
    };
    for argument in arguments {
        if argument == "-" {
            inputs.arguments.push(argument.clone());
            inputs.files.push(InputFile::standard_input());
            continue;
        }
        let expanded = expand::expand(argument)?;
        inputs.arguments.push(expanded.canonical);
        for path in expanded.paths {
            inputs.files.push(if expanded.is_named {
                InputFile::named(&path)?
            } else {
                InputFile::open(&path)?.0
            });
        }
    }
    if inputs.files.is_empty() {
        return Err(InputError::Nothing);
    }
    inputs.warnings = repeated(&inputs.files);
    Ok(inputs)
}

impl Inputs {
    /// The argument that a file at `path` belongs to, be it there already or not: a directory that it lies
    /// in, or a pattern that matches it.
    pub fn would_read(&self, path: &Path) -> Option<&str> {
        let parent = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return None,
        };
        let path = std::fs::canonicalize(parent).ok()?.join(path.file_name()?);
        let mut arguments = self.arguments.iter();
        arguments
            .find(|argument| expand::would_take(argument, &path))
            .map(String::as_str)
    }
}

/// A file that is named twice is loaded twice; that is seldom meant.
fn repeated(files: &[InputFile]) -> Vec<String> {
    let mut seen: HashMap<(u64, u64), &Path> = HashMap::with_capacity(files.len());
    let mut warnings = Vec::new();
    for file in files.iter().filter(|file| file.is_rereadable()) {
        let path = file.path.display();
        match seen.insert((file.device, file.inode), &file.path) {
            None => {}
            Some(earlier) if earlier == file.path => {
                warnings.push(format!(
                    "{path} is named more than once and loaded each time"
                ));
            }
            Some(earlier) => warnings.push(format!(
                "{path} is the same file as {} and loaded each time",
                earlier.display()
            )),
        }
    }
    warnings
}

#[cfg(test)]
mod tests;
