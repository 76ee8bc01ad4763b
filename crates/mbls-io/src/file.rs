//! Bounded reading: no file makes a reader use more memory than its format allows.

use crate::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads a file of at most `max_bytes`.
///
/// # Errors
///
/// [`Error::TooLarge`] for a larger file; [`Error::Io`].
pub fn read_bounded(path: impl AsRef<Path>, max_bytes: u64) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let (file, size) = open(path)?;
    if size > max_bytes {
        return Err(Error::TooLarge { path: path.to_owned(), what: "the file", limit: max_bytes });
    }
    // The file may grow after its size was determined.
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(Error::io("read", path))?;
    within(path, "the file", content, max_bytes)
}

/// Reads a file of exactly `bytes` bytes.
///
/// # Errors
///
/// [`Error::FileSize`] for a file of a different size, which is not read; [`Error::Io`].
pub fn read_exact_size(path: impl AsRef<Path>, bytes: u64) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let (file, size) = open(path)?;
    let check = |found| {
        if found == bytes {
            Ok(())
        } else {
            Err(Error::FileSize { path: path.to_owned(), expected: bytes, found })
        }
    };
    check(size)?;
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.take(bytes.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(Error::io("read", path))?;
    check(content.len() as u64)?;
    Ok(content)
}

/// Opens a regular file and returns its size. Pipes and devices have no size to compare with.
///
/// # Errors
///
/// [`Error::Format`] for other kinds of files; [`Error::Io`].
pub fn open(path: &Path) -> Result<(File, u64)> {
    let metadata = std::fs::metadata(path).map_err(Error::io("open", path))?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a directory" } else { "a special file" };
        return Err(Error::format(path, "file type", "a regular file", kind));
    }
    let file = File::open(path).map_err(Error::io("open", path))?;
    Ok((file, metadata.len()))
}

fn within(path: &Path, what: &'static str, content: Vec<u8>, limit: u64) -> Result<Vec<u8>> {
    if content.len() as u64 > limit {
        return Err(Error::TooLarge { path: path.to_owned(), what, limit });
    }
    Ok(content)
}
