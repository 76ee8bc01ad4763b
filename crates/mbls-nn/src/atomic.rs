//! Files that are written whole or not at all.

use crate::{Error, Result};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Replaces the content of `path` by `bytes`: a reader, now or after a crash, finds the old content or the new, never a part.
///
/// The bytes go to `<path>.tmp`, which is flushed to the disk and then renamed; the directory is flushed last. The temporary
/// file's name is fixed, so that what a killed process left is overwritten by the next and litter cannot pile up; a path has one
/// writer at a time.
///
/// # Errors
///
/// [`Error::Io`] where a step fails, a full disk for one. The old content is intact and the temporary file removed.
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
    sync_directory(path)
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".tmp");
    name.into()
}

fn write_and_sync(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the rename itself durable. Directories cannot be opened as files on Windows, where the rename already is.
fn sync_directory(path: &Path) -> Result<()> {
    if cfg!(unix)
        && let Some(parent) = path.parent()
    {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        File::open(parent).and_then(|directory| directory.sync_all()).map_err(Error::io("flush", parent))?;
    }
    Ok(())
}
