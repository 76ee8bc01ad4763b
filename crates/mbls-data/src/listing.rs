//! What readers of files share: text files of lines, folders of files, and paths that stay in their folder.

use crate::file::read_bounded;
use crate::{Error, Result};
use std::collections::HashSet;
use std::fs::FileType;
use std::path::{Component, Path, PathBuf};

/// More than any text file that comes with a data set.
const MAX_TEXT_BYTES: u64 = 256 << 20;

/// The lines of a text file, without white space at their ends; an empty last one is none.
///
/// # Errors
///
/// [`Error::Format`] for bytes that are no UTF-8, [`Error::TooLarge`] above 256 MiB, [`Error::Io`].
pub fn lines(path: &Path) -> Result<Vec<String>> {
    let content = read_bounded(path, MAX_TEXT_BYTES)?;
    let text = std::str::from_utf8(&content).map_err(|error| {
        Error::format(path, format!("byte {}", error.valid_up_to()), "text in UTF-8", "other bytes")
    })?;
    Ok(text.lines().map(|line| line.trim_end().to_owned()).collect())
}

/// The lines of a file that names one thing in each, `expected` of them or at least one.
///
/// # Errors
///
/// [`Error::Format`] for a line that is empty or was there before, and for another number of lines; as [`lines`].
pub fn names(path: &Path, expected: Option<usize>) -> Result<Vec<String>> {
    let names = lines(path)?;
    let mut seen = HashSet::new();
    for (i, name) in names.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(Error::format(path, format!("line {}", i + 1), "a name", "an empty line"));
        }
        if !seen.insert(name) {
            return Err(Error::format(path, format!("line {}", i + 1), "a name that was not there before", name));
        }
    }
    match expected {
        Some(expected) if expected != names.len() => Err(Error::format(path, "number of lines", expected, names.len())),
        None if names.is_empty() => Err(Error::format(path, "number of lines", "at least 1", 0)),
        _ => Ok(names),
    }
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Whether it is a folder, or a link to one.
    pub is_folder: bool,
}

/// The entries of a folder in the order of their names, without those that begin with a dot. Links that do not lead below `root`, a
/// real path, are an error.
///
/// # Errors
///
/// Also where the folder cannot be read, or a name is no UTF-8.
pub fn entries(folder: &Path, root: &Path) -> Result<Vec<Entry>> {
    let error = || Error::io("read the folder", folder);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(error())? {
        let entry = entry.map_err(error())?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(Error::format(folder, "name of an entry", "UTF-8", format!("{:?}", entry.file_name())));
        };
        if name.starts_with('.') {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().map_err(Error::io("look at", &path))?;
        let kind = if kind.is_symlink() { kind_behind_link(&path, root)? } else { kind };
        found.push(Entry { name, is_folder: kind.is_dir() });
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn kind_behind_link(path: &Path, root: &Path) -> Result<FileType> {
    let target = path.canonicalize().map_err(Error::io("follow the link", path))?;
    if !target.starts_with(root) {
        let expected = format!("below {}", root.display());
        return Err(Error::format(path, "where the link leads", expected, target.display()));
    }
    Ok(target.metadata().map_err(Error::io("look at", path))?.file_type())
}

/// The real path of a data set's folder.
///
/// # Errors
///
/// Where there is no such folder.
pub fn real(folder: &Path) -> Result<PathBuf> {
    let path = folder.canonicalize().map_err(Error::io("open", folder))?;
    match path.is_dir() {
        true => Ok(path),
        false => Err(Error::format(folder, "file type", "a folder", "a file")),
    }
}

/// Whether a path stays below the folder it is relative to, by its words alone.
///
/// ```
/// use mbls_data::listing::is_below;
///
/// assert!(is_below("cat/1.jpg".as_ref()));
/// assert!(!is_below("../1.jpg".as_ref()) && !is_below("/1.jpg".as_ref()));
/// ```
pub fn is_below(path: &Path) -> bool {
    path.components().next().is_some() && path.components().all(|part| matches!(part, Component::Normal(_)))
}
