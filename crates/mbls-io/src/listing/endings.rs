//! Finds files by their names without extensions.

use crate::{Error, Result};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The files of a folder by their names without extensions: `a.jpg`, `a.JPG` and `a.Jpg` are all
/// found as `a` with the extension `jpg`.
#[derive(Clone, Debug)]
pub struct Endings {
    folder: PathBuf,
    /// The sorted file names for each name without its extension.
    files: HashMap<String, Vec<String>>,
}

impl Endings {
    /// Reads the names in `folder`; a folder that does not exist has none.
    ///
    /// Links are not followed: a dangling link is found, and is an error when it is opened.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the folder cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let error = || Error::io("read the folder", folder);
        let mut files = HashMap::<String, Vec<String>>::new();
        let entries = match std::fs::read_dir(folder) {
            Err(missing) if missing.kind() == ErrorKind::NotFound => None,
            entries => Some(entries.map_err(error())?),
        };
        for entry in entries.into_iter().flatten() {
            // Names that are not UTF-8 cannot be requested.
            let Ok(file) = entry.map_err(error())?.file_name().into_string() else { continue };
            let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem).to_owned();
            files.entry(stem).or_default().push(file);
        }
        files.values_mut().for_each(|files| files.sort_unstable());
        Ok(Self { folder: folder.to_owned(), files })
    }

    /// Returns the name of the file called `name` with one of `endings`, which are lower-case
    /// extensions without the dot; the case of the file's extension is ignored. `None` if there is
    /// no such file.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] if there are several, because it is ambiguous which one is meant.
    pub fn file(&self, name: &str, endings: &[&str]) -> Result<Option<&str>> {
        let fits = |file: &&String| {
            let ending = file.rsplit_once('.').map(|(_, ending)| ending);
            ending.is_some_and(|found| {
                endings.iter().any(|ending| ending.eq_ignore_ascii_case(found))
            })
        };
        let mut found = self.files.get(name).into_iter().flatten().filter(fits);
        match (found.next(), found.next()) {
            (Some(first), Some(second)) => {
                let expected = format!("one file called {name}");
                Err(Error::format(
                    &self.folder,
                    "entries",
                    expected,
                    format!("{first} and {second}"),
                ))
            }
            (first, _) => Ok(first.map(String::as_str)),
        }
    }
}
