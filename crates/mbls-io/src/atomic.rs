//! Files that are written whole or not at all.

use crate::{Error, Result};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Replaces the content of `path` with `bytes`: a reader, now or after a crash, finds the old
/// content or the new, never a part.
///
/// The bytes go to `<path>.tmp`, which is flushed to the disk and then renamed; the directory is
/// flushed last. The temporary file's name is fixed, so that what a killed process left is
/// overwritten by the next and litter cannot pile up; a path has one writer at a time.
///
/// # Errors
///
/// [`Error::Io`] where a step fails, a full disk for one. The old content is intact and the
/// temporary file removed.
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

/// Renames a file or folder and makes the new name last: it outlives a crash that follows.
///
/// # Errors
///
/// [`Error::Io`] where the system refuses either.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(Error::io("rename", from))?;
    sync_parent(to)
}

/// Returns where the content of a file is until it is whole: `<path>.tmp`.
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

/// Makes the names in a folder last. Windows does not open folders as files; a rename lasts there
/// without.
///
/// # Errors
///
/// [`Error::Io`] where the system refuses.
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
