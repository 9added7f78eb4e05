//! The files of a data directory, and what may be left of them.
//!
//! The order in which a broker writes is what makes it safe, so states keep to it: a segment is
//! whole before the next one is begun, `topics` is replaced before folders are made and removed,
//! `log-start` before segments are. What is not ordered is left to chance.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use super::world::Model;
use crate::api::tests::random::Random;
use crate::log::LOG_START_FILE;

/// Who died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// Every write that was made is there.
    Process,
    /// What was not synced may be there or not, or be something else.
    Power,
}

/// The files of a directory, by path in it.
#[derive(Clone, Default)]
pub(super) struct Files(pub(super) BTreeMap<String, Vec<u8>>);

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = self.0.iter().map(|(path, bytes)| (path, bytes.len()));
        f.debug_map().entries(sizes).finish()
    }
}

impl Files {
    pub(super) fn read(root: &Path) -> Self {
        let mut files = Self::default();
        files.read_folder(root, "");
        files.0.remove(".lock");
        files
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                self.read_folder(&entry.path(), &format!("{name}/"));
            } else {
                self.0.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }

    pub(super) fn write(&self, root: &Path) {
        fs::create_dir(root).unwrap();
        for (path, bytes) in &self.0 {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// The folders of partitions.
    fn folders(&self) -> BTreeSet<&str> {
        let folder = |path: &'_ String| path.rsplit_once('/').map(|(folder, _)| folder.len());
        let paths = self.0.keys();
        paths
            .filter_map(|path| Some(&path[..folder(path)?]))
            .collect()
    }

    /// The segments of a folder, the oldest first.
    pub(super) fn segments(&self, folder: &str) -> Vec<&str> {
        let is_ours = |path: &&String| {
            let rest = path.strip_prefix(folder);
            rest.is_some_and(|rest| rest.starts_with('/') && rest.ends_with(".log"))
        };
        self.0.keys().filter(is_ours).map(String::as_str).collect()
    }
}

/// What is there at a moment, and what is owed.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) files: Files,
    pub(super) model: Model,
    /// How much of a file would survive a power loss; a file that is not named here might not be
    /// there at all.
    pub(super) durable: BTreeMap<String, usize>,
}

impl Scene {
    /// A state in which what leads from here to `after` was under way.
    pub(super) fn state(&self, after: &Self, death: Death, random: &mut Random) -> Files {
        let mut out = self.files.clone();
        let replaced = self.replace_some(&mut out, after, random);
        let was = self.files.folders();
        let is = after.files.folders();
        for &folder in was.union(&is) {
            let is_deleted = was.contains(folder) && !is.contains(folder);
            let is_made = !was.contains(folder);
            if (is_deleted || is_made) && !replaced.contains("topics") {
                if is_deleted {
                    self.lose_tail(&mut out, folder, death, random);
                }
                continue;
            }
            if is_deleted {
                delete_folder(&mut out, folder, random);
                continue;
            }
            let has_new = self.extend(&mut out, after, folder, death, random);
            if !has_new {
                self.lose_tail(&mut out, folder, death, random);
            }
            if replaced.contains(&format!("{folder}/{LOG_START_FILE}")) {
                self.remove_some(&mut out, after, folder, death, random);
            }
        }
        out
    }

    /// Small files are the old or the new ones, and may have left a torn one beside them.
    fn replace_some(&self, out: &mut Files, after: &Self, random: &mut Random) -> BTreeSet<String> {
        let mut replaced = BTreeSet::new();
        for (path, new) in &after.files.0 {
            let is_segment = path.ends_with(".log");
            if is_segment || self.files.0.get(path) == Some(new) {
                continue;
            }
            if random.one_in(3) {
                let torn = new[..random.between(0, new.len())].to_vec();
                let beside = Path::new(path).with_extension("new");
                out.0.insert(beside.to_str().unwrap().to_owned(), torn);
            } else if random.below(3) > 0 {
                out.0.insert(path.clone(), new.clone());
                replaced.insert(path.clone());
            }
        }
        replaced
    }

    /// Part of what was appended, and part of a segment that was begun; says whether one was.
    fn extend(
        &self,
        out: &mut Files,
        after: &Self,
        folder: &str,
        death: Death,
        random: &mut Random,
    ) -> bool {
        let mut has_new = false;
        for path in after.files.segments(folder) {
            let new = &after.files.0[path];
            match self.files.0.get(path) {
                Some(old) if old == new => {}
                Some(old) => {
                    let end = random.between(old.len(), new.len());
                    out.0.insert(path.to_owned(), new[..end].to_vec());
                }
                None if random.one_in(4) => {}
                None => {
                    has_new = true;
                    let mut begun = new[..random.between(0, new.len())].to_vec();
                    if death == Death::Power {
                        spoil(&mut begun, 0, random);
                    }
                    out.0.insert(path.to_owned(), begun);
                }
            }
        }
        has_new
    }

    /// Of a power loss: the newest segment loses some of what was not synced.
    fn lose_tail(&self, out: &mut Files, folder: &str, death: Death, random: &mut Random) {
        let newest = out.segments(folder).last().map(|path| (*path).to_owned());
        let Some(path) = newest.filter(|_| death == Death::Power) else {
            return;
        };
        let durable = self.durable.get(&path).copied();
        if durable.is_none() && random.one_in(5) {
            out.0.remove(&path);
            return;
        }
        let durable = durable.unwrap_or(0);
        let bytes = out.0.get_mut(&path).unwrap();
        bytes.truncate(random.between(durable, bytes.len()));
        spoil(bytes, durable, random);
    }

    /// Segments are removed, of a process the oldest first.
    fn remove_some(
        &self,
        out: &mut Files,
        after: &Self,
        folder: &str,
        death: Death,
        random: &mut Random,
    ) {
        let gone = self.files.segments(folder);
        let gone = gone
            .into_iter()
            .filter(|path| !after.files.0.contains_key(*path));
        for path in gone {
            if random.one_in(2) {
                out.0.remove(path);
            } else if death == Death::Process {
                return;
            }
        }
    }
}

/// A folder gets another name first, then its files go one by one.
fn delete_folder(out: &mut Files, folder: &str, random: &mut Random) {
    let is_renamed = random.below(3) > 0;
    let prefix = format!("{folder}/");
    let paths: Vec<_> = out
        .0
        .keys()
        .filter(|path| path.starts_with(&prefix))
        .cloned()
        .collect();
    for path in paths {
        if is_renamed {
            let bytes = out.0.remove(&path).unwrap();
            let rest = &path[prefix.len()..];
            if random.one_in(2) {
                out.0.insert(format!("{folder}-delete/{rest}"), bytes);
            }
        }
    }
}

/// Bytes that never reached the disk: others stand in their place.
fn spoil(bytes: &mut [u8], from: usize, random: &mut Random) {
    if from >= bytes.len() || random.one_in(2) {
        return;
    }
    let at = random.between(from, bytes.len() - 1);
    if random.one_in(2) {
        bytes[at] ^= 1 << random.below(8);
    } else {
        let end = random.between(at, bytes.len());
        bytes[at..end].fill(0);
    }
}
