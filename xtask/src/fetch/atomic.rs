//! Small files that are written whole or not at all, and renames that outlive a crash.

use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Replaces the content of `path`.
///
/// # Errors
///
/// Where a step fails; the old content is intact then.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<()> {
    let temporary = temporary(path);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.with_context(|| format!("cannot write {}", path.display()))?;
    rename(&temporary, path)
}

/// Where the content of a file is until it is whole.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut temporary = OsString::from(path);
    temporary.push(".tmp");
    temporary.into()
}

/// Renames, and flushes the folder that has the new name.
///
/// # Errors
///
/// Where either fails.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))?;
    match to.parent() {
        Some(parent) => sync_folder(parent),
        None => Ok(()),
    }
}

/// Flushes the names in a folder. Windows opens no folders as files; a rename lasts there without.
///
/// # Errors
///
/// Where it fails.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .with_context(|| format!("cannot flush {}", folder.display()))?;
    }
    Ok(())
}
