//! Where a run's files lie.

use crate::Result;
use std::path::{Path, PathBuf};

/// The directory of one run.
#[derive(Clone, Debug)]
pub struct RunDirectory(PathBuf);

impl RunDirectory {
    /// Uses the directory `path`, made where it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File) where it cannot be made.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        std::fs::create_dir_all(&path).map_err(mbls_io::Error::io("make the directory", &path))?;
        Ok(Self(path))
    }

    /// Uses the directory `path`, whether it is there or not: what was left in it can be looked
    /// for.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The last checkpoint: after the last finished epoch, or within the one that follows.
    pub fn last(&self) -> PathBuf {
        self.0.join("last.safetensors")
    }

    /// The model after the best epoch.
    pub fn best(&self) -> PathBuf {
        self.0.join("best.safetensors")
    }

    /// The event log.
    pub fn events(&self) -> PathBuf {
        self.0.join("events.jsonl")
    }
}
