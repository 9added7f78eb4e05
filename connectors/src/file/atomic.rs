//! Replacing a file in one step: whoever opens the path sees the old file or the whole new one,
//! after a power loss too.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// A new file beside the one it will replace. Dropped before [`Replacement::commit`], it is
/// removed.
#[derive(Debug)]
pub struct Replacement {
    file: File,
    path: PathBuf,
    temporary: PathBuf,
}

impl Replacement {
    /// Begins. The new file lies in the same directory, for a rename cannot cross file systems; the
    /// process id in its name keeps two processes apart.
    pub fn create(path: &Path) -> io::Result<Self> {
        let Some(name) = path.file_name() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it names no file",
            ));
        };
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(hidden);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            temporary,
        })
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// Syncs the new file, puts it in the old one's place, and gives it back open.
    pub fn commit(self) -> io::Result<File> {
        self.file.sync_all()?;
        let file = self.file.try_clone()?;
        fs::rename(&self.temporary, &self.path)?;
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(directory)?.sync_all()?;
        Ok(file)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // After a commit the name is gone already; there is nobody to tell of another failure.
        drop(fs::remove_file(&self.temporary));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(directory: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn the_old_file_stands_until_the_commit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.json");
        fs::write(&path, "old").unwrap();
        let replacement = Replacement::create(&path).unwrap();
        replacement.file().write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        replacement.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(directory.path()), ["x.json"]);
    }

    #[test]
    fn given_up_it_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        drop(Replacement::create(&directory.path().join("x.json")).unwrap());
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn a_path_without_a_name_is_an_error() {
        assert!(Replacement::create(Path::new("/")).is_err());
    }
}
