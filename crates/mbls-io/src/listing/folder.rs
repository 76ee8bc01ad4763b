//! The entries of a folder.

use crate::{Error, Result};
use std::fs::FileType;
use std::path::{Path, PathBuf};

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name within the folder, in UTF-8.
    pub name: String,
    /// Whether this is a folder, or a link to one.
    pub is_folder: bool,
}

/// Files and folders that operating systems create next to data, in lower case.
const LEFT_BY_SYSTEMS: [&str; 4] = ["thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"];

/// Returns whether an entry of a folder is never data: its name begins with a dot, or is one that
/// Windows or macOS creates (`Thumbs.db`, `ehthumbs.db`, `desktop.ini`, `__MACOSX`, in any case).
pub fn is_ignored(name: &str) -> bool {
    name.starts_with('.') || LEFT_BY_SYSTEMS.iter().any(|left| left.eq_ignore_ascii_case(name))
}

/// Returns the entries of a folder sorted by name, without those that [`is_ignored`] matches. Links
/// that lead outside of `root`, a canonical path, are an error.
///
/// # Errors
///
/// Also if the folder cannot be read, or a name is not UTF-8.
pub fn entries(folder: &Path, root: &Path) -> Result<Vec<Entry>> {
    let error = || Error::io("read the folder", folder);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(error())? {
        let entry = entry.map_err(error())?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(Error::format(
                folder,
                "name of an entry",
                "UTF-8",
                format!("{:?}", entry.file_name()),
            ));
        };
        if is_ignored(&name) {
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
        return Err(Error::format(path, "target of the link", expected, target.display()));
    }
    Ok(target.metadata().map_err(Error::io("look at", path))?.file_type())
}

/// Returns the canonical path of a data set's folder.
///
/// # Errors
///
/// If there is no such folder.
pub fn real(folder: &Path) -> Result<PathBuf> {
    let path = folder.canonicalize().map_err(Error::io("open", folder))?;
    if path.is_dir() {
        Ok(path)
    } else {
        Err(Error::format(folder, "file type", "a folder", "a file"))
    }
}
