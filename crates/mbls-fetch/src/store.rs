//! The program's own files for each data set, in `.fetch/<name>` in the data folder: downloads, the
//! folder for unpacking, and a stamp.

use crate::layout::FileRecord;
use crate::manifest::DataSet;
use crate::part::Part;
use anyhow::{Context, Result, bail};
use mbls_io::atomic;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// The folder of the program's own files in the data folder.
pub(crate) const OWN: &str = ".fetch";

/// The paths of one data set.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    own: PathBuf,
    target: PathBuf,
}

/// A record of a placed data set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stamp {
    /// The [`DataSet::identity`] it was created from.
    pub(crate) identity: String,
    pub(crate) files: u64,
    /// The total size of the files in bytes.
    pub(crate) bytes: u64,
    /// Whether its downloads are kept.
    pub(crate) keep: bool,
}

/// The state of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is nothing in its place.
    Absent,
    /// It was created from the current list of sources.
    Current(Stamp),
    /// It was created from another list of sources.
    Outdated,
    /// It was not created by this program.
    Foreign,
}

impl Store {
    /// Creates the paths of the data set `name` in the folder `data`.
    pub(crate) fn new(data: &Path, name: &str, set: &DataSet) -> Self {
        Self { own: data.join(OWN).join(name), target: data.join(&set.target) }
    }

    /// Returns the final path of the data set.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Returns the path of a complete download.
    pub(crate) fn download(&self, file: &str) -> PathBuf {
        self.own.join(file)
    }

    /// Returns the path of the folder for unpacking.
    pub(crate) fn new_target(&self) -> PathBuf {
        self.own.join("new")
    }

    fn old_target(&self) -> PathBuf {
        self.own.join("old")
    }

    fn stamp(&self) -> PathBuf {
        self.own.join("stamp.toml")
    }

    fn listing(&self) -> PathBuf {
        self.own.join("files.sha256")
    }

    /// Creates the folder of the program's own files and locks this data set; `waiting` is called
    /// if another run holds the lock.
    ///
    /// # Errors
    ///
    /// If the folder or the lock cannot be created.
    pub(crate) fn lock(&self, waiting: impl FnOnce()) -> Result<File> {
        std::fs::create_dir_all(&self.own)
            .with_context(|| format!("cannot create {}", self.own.display()))?;
        lock(&self.own.join("lock"), waiting)
    }

    /// Returns the state of the data set.
    ///
    /// # Errors
    ///
    /// If the stamp cannot be read.
    pub(crate) fn state(&self, set: &DataSet) -> Result<State> {
        let Ok(found) = self.target.symlink_metadata() else { return Ok(State::Absent) };
        let text = match std::fs::read_to_string(self.stamp()) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(State::Foreign);
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read {}", self.stamp().display()));
            }
        };
        let stamp: Stamp =
            toml::from_str(&text).with_context(|| self.stamp().display().to_string())?;
        if stamp.identity == set.identity()? && found.is_file() == set.is_file() {
            Ok(State::Current(stamp))
        } else {
            Ok(State::Outdated)
        }
    }

    /// Removes incomplete files of a killed run.
    ///
    /// # Errors
    ///
    /// If they cannot be removed.
    pub(crate) fn clear(&self) -> Result<()> {
        remove(&self.new_target())?;
        remove(&self.old_target())
    }

    /// Moves the unpacked and flushed files to their place, with their stamp. If the process is
    /// killed between any two steps, the place has the old content, the new content, or nothing,
    /// and the stamp never claims otherwise.
    ///
    /// # Errors
    ///
    /// If a step fails.
    pub(crate) fn place(&self, set: &DataSet, files: &[FileRecord], keep: bool) -> Result<Stamp> {
        let parent = self.target.parent().context("the target has no folder")?;
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
        if self.target.symlink_metadata().is_ok() {
            atomic::rename(&self.target, &self.old_target())?;
            atomic::sync_folder(parent)?;
        }
        let bytes = files.iter().map(|file| file.bytes).sum();
        let stamp = Stamp { identity: set.identity()?, files: files.len() as u64, bytes, keep };
        let lines: String = files
            .iter()
            .map(|file| format!("{}  {}\n", file.sha256, below(&set.target, &file.path)))
            .collect();
        atomic::write(&self.listing(), lines.as_bytes())?;
        atomic::write(&self.stamp(), toml::to_string(&stamp)?.as_bytes())?;
        atomic::rename(&self.new_target(), &self.target)?;
        Ok(stamp)
    }

    /// Removes files that are no longer needed once the data set is in its place.
    ///
    /// # Errors
    ///
    /// If they cannot be removed.
    pub(crate) fn tidy(&self, set: &DataSet, stamp: &Stamp) -> Result<()> {
        self.leftovers(set, stamp).iter().try_for_each(|path| remove(path))
    }

    /// Returns whether there is nothing to tidy, which a killed run may have left.
    pub(crate) fn is_tidy(&self, set: &DataSet, stamp: &Stamp) -> bool {
        self.leftovers(set, stamp).iter().all(|path| path.symlink_metadata().is_err())
    }

    fn leftovers(&self, set: &DataSet, stamp: &Stamp) -> Vec<PathBuf> {
        let mut paths = vec![self.new_target(), self.old_target()];
        paths.extend([self.stamp(), self.listing()].map(|path| atomic::temporary(&path)));
        for source in &set.files {
            let download = self.download(source.download_name());
            paths.extend(Part::of(&download).files());
            paths.extend((!stamp.keep).then_some(download));
        }
        paths
    }

    /// Returns the paths of the data set's files in the data folder and their SHA-256 checksums,
    /// from a list in the format of `sha256sum --check`.
    ///
    /// # Errors
    ///
    /// If there is no such list.
    pub(crate) fn read_listing(&self) -> Result<Vec<(String, String)>> {
        let path = self.listing();
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let fields =
            |line: &str| line.split_once("  ").map(|(sum, path)| (path.to_owned(), sum.to_owned()));
        text.lines()
            .map(|line| fields(line).with_context(|| format!("{}: {line}", path.display())))
            .collect()
    }

    /// Returns all files of the target on the disk, without checksums. Links to folders and files
    /// are followed, as the readers do.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(crate) fn walk(&self) -> Result<Vec<FileRecord>> {
        let mut files = Vec::new();
        walk(&self.target, "", 0, &mut files)?;
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }
}

/// Converts a path relative to the target to one relative to the data folder.
pub(crate) fn below(target: &str, path: &str) -> String {
    if path.is_empty() { target.to_owned() } else { format!("{target}/{path}") }
}

/// Locks an empty file; other processes wait until this one drops the lock or exits.
///
/// # Errors
///
/// If the file system does not support locks.
pub(crate) fn lock(path: &Path, waiting: impl FnOnce()) -> Result<File> {
    let error = || format!("cannot lock {}", path.display());
    let file =
        File::options().create(true).truncate(false).write(true).open(path).with_context(error)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            waiting();
            file.lock().with_context(error)?;
        }
        Err(TryLockError::Error(cause)) => return Err(cause).with_context(error),
    }
    Ok(file)
}

/// Removes a file, or a folder with its contents, if it exists.
fn remove(path: &Path) -> Result<()> {
    let Ok(found) = path.symlink_metadata() else { return Ok(()) };
    let removed =
        if found.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

/// The maximum depth of folders; deeper ones form a cycle of links.
const MAX_DEPTH: usize = 32;

fn walk(path: &Path, name: &str, depth: usize, files: &mut Vec<FileRecord>) -> Result<()> {
    let error = || format!("cannot read {}", path.display());
    let found = path.metadata().with_context(error)?;
    if found.is_file() {
        files.push(FileRecord { path: name.to_owned(), bytes: found.len(), sha256: String::new() });
        return Ok(());
    }
    if depth > MAX_DEPTH {
        bail!("{}: expected at most {MAX_DEPTH} nested folders", path.display());
    }
    for entry in std::fs::read_dir(path).with_context(error)? {
        let entry = entry.with_context(error)?;
        let own = entry.file_name().to_string_lossy().into_owned();
        let name = if name.is_empty() { own } else { format!("{name}/{own}") };
        walk(&entry.path(), &name, depth + 1, files)?;
    }
    Ok(())
}
