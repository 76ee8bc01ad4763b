//! An incomplete download, and the version of the file that it is a part of.

use anyhow::{Context, Result};
use mbls_io::atomic;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// `<file>.part`, with `<file>.part.toml` that describes its origin.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    path: PathBuf,
    origin: PathBuf,
}

/// The origin of a part. Bytes of different versions must never be mixed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Origin {
    /// The requested address.
    pub(crate) url: String,
    /// The size of the whole file, if the server stated it.
    pub(crate) size: Option<u64>,
    /// The server's strong entity tag.
    pub(crate) etag: Option<String>,
    /// The modification date of this version.
    pub(crate) last_modified: Option<String>,
}

impl Origin {
    /// Returns the value that the server compares before it resumes; without it there is no way to
    /// detect that the file has changed.
    pub(crate) fn validator(&self) -> Option<&str> {
        self.etag.as_deref().or(self.last_modified.as_deref())
    }
}

impl Part {
    /// Returns the part of the download that will be at `whole`.
    pub(crate) fn of(whole: &Path) -> Self {
        let with = |ending: &str| {
            let mut path = whole.to_owned().into_os_string();
            path.push(ending);
            PathBuf::from(path)
        };
        Self { path: with(".part"), origin: with(".part.toml") }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns all files that may exist.
    pub(crate) fn files(&self) -> [PathBuf; 3] {
        [self.path.clone(), self.origin.clone(), atomic::temporary(&self.origin)]
    }

    /// Returns the number of received bytes.
    pub(crate) fn len(&self) -> u64 {
        self.path.metadata().map_or(0, |found| found.len())
    }

    /// Returns the origin of the part, if it is from the given address.
    pub(crate) fn origin(&self, url: &str) -> Option<Origin> {
        let text = std::fs::read_to_string(&self.origin).ok()?;
        // Ignore a file of another version of this program.
        toml::from_str::<Origin>(&text).ok().filter(|origin| origin.url == url && self.len() > 0)
    }

    /// Restarts from the first byte.
    ///
    /// # Errors
    ///
    /// If the part cannot be written.
    pub(crate) fn begin(&self, origin: &Origin) -> Result<File> {
        // Truncate first, so old content never has the new origin.
        let file = File::create(&self.path)
            .with_context(|| format!("cannot create {}", self.path.display()))?;
        file.sync_all().with_context(|| format!("cannot flush {}", self.path.display()))?;
        atomic::write(&self.origin, toml::to_string(origin)?.as_bytes())?;
        Ok(file)
    }

    /// Opens the part to append to it.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub(crate) fn resume(&self) -> Result<File> {
        let error = || format!("cannot open {}", self.path.display());
        let mut file = File::options().write(true).open(&self.path).with_context(error)?;
        file.seek(SeekFrom::End(0)).with_context(error)?;
        Ok(file)
    }

    /// Removes the part.
    pub(crate) fn discard(&self) {
        // If it cannot be removed, the next write reports it.
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_file(&self.origin);
    }

    /// Renames the complete and verified part to its final name.
    ///
    /// # Errors
    ///
    /// If renaming fails.
    pub(crate) fn finish(&self, whole: &Path) -> Result<()> {
        atomic::rename(&self.path, whole)?;
        let _ = std::fs::remove_file(&self.origin);
        Ok(())
    }
}
