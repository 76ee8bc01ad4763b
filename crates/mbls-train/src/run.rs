//! The paths of a run's files.

use crate::Result;
use std::path::{Path, PathBuf};

/// The directory of one run.
#[derive(Clone, Debug)]
pub struct RunDirectory(PathBuf);

impl RunDirectory {
    /// Uses the directory `path` and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File) if it cannot be created.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        std::fs::create_dir_all(&path)
            .map_err(mbls_io::Error::io("create the directory", &path))?;
        Ok(Self(path))
    }

    /// Uses the directory `path`, whether or not it exists, to look for the files of an earlier
    /// run.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the path of the last checkpoint, written after the last finished epoch or within the
    /// one after it.
    pub fn last(&self) -> PathBuf {
        self.0.join("last.safetensors")
    }

    /// Returns the path of the model after the best epoch.
    pub fn best(&self) -> PathBuf {
        self.0.join("best.safetensors")
    }

    /// Returns the path of the event log.
    pub fn events(&self) -> PathBuf {
        self.0.join("events.jsonl")
    }
}
