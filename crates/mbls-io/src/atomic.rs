//! Atomic file writes.

use crate::{Error, Result};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Replaces the content of `path` with `bytes` atomically: a reader, now or after a crash, finds
/// either the old or the new content, never a part.
///
/// The bytes are written to `<path>.tmp`, which is flushed to disk and then renamed; the directory
/// is flushed last. The temporary file has a fixed name, so the next write overwrites what a killed
/// process left, and stale files do not accumulate. A path may have only one writer at a time.
///
/// # Errors
///
/// [`Error::Io`] if a step fails, for example because the disk is full. The old content is then
/// intact and the temporary file is removed.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = temporary(path);
    let written = write_and_sync(&temporary, bytes)
        .map_err(Error::io("write", &temporary))
        .and_then(|()| std::fs::rename(&temporary, path).map_err(Error::io("replace", path)));
    if written.is_err() {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
        return written;
    }
    sync_parent(path)
}

/// Renames a file or folder durably: the new name survives a subsequent crash.
///
/// # Errors
///
/// [`Error::Io`] if the rename or the flush of the directory fails.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(Error::io("rename", from))?;
    sync_parent(to)
}

/// Returns the path that [`write()`] uses until the content is complete: `<path>.tmp`.
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".tmp");
    name.into()
}

fn write_and_sync(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Flushes the entries of a folder to disk. On Windows, which does not open folders as files, this
/// does nothing; renames are durable there without it.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses.
pub fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(Error::io("flush", folder))?;
    }
    Ok(())
}

fn sync_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}
