//! A download that is not whole yet, and which file of which server it is a part of.

use anyhow::{Context, Result};
use mbls_io::atomic;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// `<file>.part`, with `<file>.part.toml` that says what it is.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    path: PathBuf,
    origin: PathBuf,
}

/// Which file a part is of. Bytes of two files must never meet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Origin {
    /// The address that was asked.
    pub(crate) url: String,
    /// The size of the whole, where the server said it.
    pub(crate) size: Option<u64>,
    /// The server's mark of this version, a strong one.
    pub(crate) etag: Option<String>,
    /// When this version was made.
    pub(crate) last_modified: Option<String>,
}

impl Origin {
    /// What the server is asked to compare before it goes on: without it there is no telling
    /// whether the file is still the same.
    pub(crate) fn validator(&self) -> Option<&str> {
        self.etag.as_deref().or(self.last_modified.as_deref())
    }
}

impl Part {
    /// The part of the download that will be at `whole`.
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

    /// All files that there may be.
    pub(crate) fn files(&self) -> [PathBuf; 3] {
        [self.path.clone(), self.origin.clone(), atomic::temporary(&self.origin)]
    }

    /// How much of it is there.
    pub(crate) fn len(&self) -> u64 {
        self.path.metadata().map_or(0, |found| found.len())
    }

    /// What is there of that address, if anything.
    pub(crate) fn origin(&self, url: &str) -> Option<Origin> {
        let text = std::fs::read_to_string(&self.origin).ok()?;
        // A file of another version of this program is none.
        toml::from_str::<Origin>(&text).ok().filter(|origin| origin.url == url && self.len() > 0)
    }

    /// Starts again from the first byte.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub(crate) fn begin(&self, origin: &Origin) -> Result<File> {
        // First the old content goes: never has it the new origin.
        let file = File::create(&self.path)
            .with_context(|| format!("cannot make {}", self.path.display()))?;
        file.sync_all().with_context(|| format!("cannot flush {}", self.path.display()))?;
        atomic::write(&self.origin, toml::to_string(origin)?.as_bytes())?;
        Ok(file)
    }

    /// Goes on at its end.
    ///
    /// # Errors
    ///
    /// Where it cannot be opened.
    pub(crate) fn resume(&self) -> Result<File> {
        let error = || format!("cannot open {}", self.path.display());
        let mut file = File::options().write(true).open(&self.path).with_context(error)?;
        file.seek(SeekFrom::End(0)).with_context(error)?;
        Ok(file)
    }

    /// Forgets all of it.
    pub(crate) fn discard(&self) {
        // What cannot be removed is found, and reported, by whoever writes there next.
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_file(&self.origin);
    }

    /// It is whole and checked: gives it its name.
    ///
    /// # Errors
    ///
    /// Where that fails.
    pub(crate) fn finish(&self, whole: &Path) -> Result<()> {
        atomic::rename(&self.path, whole)?;
        let _ = std::fs::remove_file(&self.origin);
        Ok(())
    }
}
