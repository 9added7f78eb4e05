//! One argument becomes paths.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use walkdir::{DirEntry, WalkDir};

use super::InputError;
use super::identity::refuse_irregular;

/// Deeper than this is a mistake, not a place where people keep files.
const DEPTH_MAX: usize = 64;

pub(super) struct Expanded {
    /// The argument, absolute and without symbolic links as far as it is no pattern.
    pub(super) canonical: String,
    /// Sorted by bytes.
    pub(super) paths: Vec<PathBuf>,
    /// The argument is the path.
    pub(super) is_named: bool,
}

pub(super) fn expand(argument: &str) -> Result<Expanded, InputError> {
    let path = Path::new(argument);
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => expand_directory(path),
        Ok(metadata) => {
            let is_pipe = metadata.file_type().is_fifo();
            if !is_pipe {
                refuse_irregular(path, &metadata)?;
            }
            Ok(Expanded {
                canonical: if is_pipe {
                    argument.to_owned()
                } else {
                    canonical(path)?
                },
                paths: vec![path.to_owned()],
                is_named: true,
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_pattern(argument) => {
            expand_pattern(argument)
        }
        Err(error) => Err(failed(path, error)),
    }
}

/// Whether an argument, as [`Expanded::canonical`] has it, would be read as `path` too, were that there: a
/// file below a directory, or one that a pattern matches.
pub(super) fn would_take(canonical: &str, path: &Path) -> bool {
    let is_visible = |path: &Path| !path.iter().any(is_hidden);
    if canonical.ends_with('/') {
        return path.strip_prefix(canonical).is_ok_and(is_visible);
    }
    if !is_pattern(canonical) || Path::new(canonical).exists() {
        return false;
    }
    let (root, rest) = split_pattern(canonical);
    let (Ok(matcher), Ok(relative)) = (Matcher::new(rest), path.strip_prefix(root)) else {
        return false;
    };
    // Or it lies below a directory that the pattern matches.
    relative.ancestors().any(|above| {
        let below = relative.strip_prefix(above);
        matcher.is_match(above) && below.is_ok_and(is_visible)
    })
}

fn is_pattern(argument: &str) -> bool {
    argument.contains(['*', '?', '[', '{'])
}

fn expand_directory(directory: &Path) -> Result<Expanded, InputError> {
    let paths = files_below(directory)?;
    if paths.is_empty() {
        return Err(InputError::EmptyDirectory {
            path: directory.to_owned(),
        });
    }
    // A slash at the end keeps a directory apart from a file that may take its place.
    let canonical = format!("{}/", canonical(directory)?.trim_end_matches('/'));
    Ok(Expanded {
        canonical,
        paths: sorted(paths),
        is_named: false,
    })
}

fn expand_pattern(pattern: &str) -> Result<Expanded, InputError> {
    let (root, rest) = split_pattern(pattern);
    let no_match = || InputError::NoMatch {
        pattern: pattern.to_owned(),
    };
    let matcher = Matcher::new(rest).map_err(|error| InputError::Pattern {
        pattern: pattern.to_owned(),
        why: error.kind().to_string(),
    })?;
    if !root.is_dir() {
        return Err(no_match());
    }
    let relative = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_owned();
    let leads_on = |entry: &DirEntry| matcher.may_lead_to_match(&relative(entry.path()));
    let mut paths = Vec::new();
    for entry in walk(root, matcher.depth_max(), leads_on) {
        let entry = entry.map_err(|error| walk_failed(root, error))?;
        if !matcher.is_match(&relative(entry.path())) {
            continue;
        }
        // As if the shell had expanded the pattern and given us the directory.
        if entry.file_type().is_dir() {
            paths.extend(files_below(entry.path())?);
        } else {
            paths.push(entry.into_path());
        }
    }
    if paths.is_empty() {
        return Err(no_match());
    }
    let canonical = format!("{}/{rest}", canonical(root)?.trim_end_matches('/'));
    Ok(Expanded {
        canonical,
        paths: sorted(paths),
        is_named: false,
    })
}

/// Cuts a pattern into the directory before its first special character, and what is behind.
fn split_pattern(pattern: &str) -> (&Path, &str) {
    let special = pattern
        .find(['*', '?', '[', '{', '\\'])
        .unwrap_or(pattern.len());
    match pattern[..special].rfind('/') {
        None => (Path::new("."), pattern),
        Some(0) => (Path::new("/"), &pattern[1..]),
        Some(slash) => (Path::new(&pattern[..slash]), &pattern[slash + 1..]),
    }
}

/// What a pattern matches, given as paths relative to its directory.
struct Matcher {
    whole: GlobMatcher,
    /// The pattern's first name, its first two, and so on; empty where the pattern cannot be cut
    /// into names, for it has `**` or a `/` within braces.
    beginnings: Vec<GlobMatcher>,
    /// For each name of the pattern, or for all names together, whether hidden files are meant.
    hidden: Vec<bool>,
}

impl Matcher {
    fn new(pattern: &str) -> Result<Self, globset::Error> {
        let whole = glob(pattern)?;
        if pattern.contains("**") || has_slash_in_braces(pattern) {
            return Ok(Self {
                whole,
                beginnings: Vec::new(),
                hidden: vec![pattern.starts_with('.') || pattern.contains("/.")],
            });
        }
        let ends = pattern.match_indices('/').map(|(at, _)| at);
        let ends = ends.chain([pattern.len()]);
        Ok(Self {
            whole,
            beginnings: ends
                .map(|end| glob(&pattern[..end]))
                .collect::<Result<_, _>>()?,
            hidden: pattern
                .split('/')
                .map(|name| name.starts_with('.'))
                .collect(),
        })
    }

    /// Without `**` no match lies deeper than the pattern has names.
    fn depth_max(&self) -> usize {
        match self.beginnings.len() {
            0 => DEPTH_MAX,
            names => names,
        }
    }

    fn is_match(&self, path: &Path) -> bool {
        self.is_visible(path) && self.whole.is_match(path)
    }

    /// Whether it is worth while to look at a path, and into it if it is a directory.
    fn may_lead_to_match(&self, path: &Path) -> bool {
        let depth = path.iter().count();
        let beginning = depth
            .checked_sub(1)
            .and_then(|index| self.beginnings.get(index));
        self.is_visible(path) && beginning.is_none_or(|beginning| beginning.is_match(path))
    }

    /// As in a shell: a name with a dot in front is meant only where the pattern has the dot too.
    fn is_visible(&self, path: &Path) -> bool {
        let mut names = path.iter().enumerate();
        names.all(|(index, name)| {
            let index = if self.beginnings.is_empty() { 0 } else { index };
            !is_hidden(name) || self.hidden.get(index).is_some_and(|hidden| *hidden)
        })
    }
}

fn glob(pattern: &str) -> Result<GlobMatcher, globset::Error> {
    let glob = GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .empty_alternates(true)
        .build()?;
    Ok(glob.compile_matcher())
}

fn has_slash_in_braces(pattern: &str) -> bool {
    let mut depth = 0_u32;
    pattern.bytes().any(|byte| {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        byte == b'/' && depth > 0
    })
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// Every file below a directory that is not hidden.
fn files_below(directory: &Path) -> Result<Vec<PathBuf>, InputError> {
    let mut paths = Vec::new();
    for entry in walk(directory, DEPTH_MAX, |entry| !is_hidden(entry.file_name())) {
        let entry = entry.map_err(|error| walk_failed(directory, error))?;
        if !entry.file_type().is_dir() {
            paths.push(entry.into_path());
        }
    }
    Ok(paths)
}

fn walk(
    root: &Path,
    depth: usize,
    leads_on: impl Fn(&DirEntry) -> bool,
) -> impl Iterator<Item = walkdir::Result<DirEntry>> {
    let walk = WalkDir::new(root)
        .min_depth(1)
        .max_depth(depth)
        .follow_links(true);
    walk.into_iter()
        .filter_entry(move |entry| entry.depth() == 0 || leads_on(entry))
}

/// Whole paths by their bytes, not names within directories: as `sort` in the C locale has a
/// listing.
fn sorted(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort_unstable_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    // A pattern may match a directory and what is in it.
    paths.dedup();
    paths
}

fn walk_failed(root: &Path, error: walkdir::Error) -> InputError {
    let path = error.path().unwrap_or(root).to_owned();
    failed(&path, error.into())
}

fn canonical(path: &Path) -> Result<String, InputError> {
    let canonical = fs::canonicalize(path).map_err(|error| failed(path, error))?;
    let text = canonical.into_os_string().into_string();
    text.map_err(|path| InputError::NotUtf8 { path: path.into() })
}

fn failed(path: &Path, source: io::Error) -> InputError {
    InputError::Read {
        path: path.to_owned(),
        source,
    }
}
