//! Bounded reading: no file makes a reader take more memory than its format allows.

use crate::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

/// The contents of a gzip file.
///
/// # Errors
///
/// [`Error::TooLarge`] where it unpacks to more than `max_bytes`; [`Error::Gzip`] for a file that is truncated, damaged or
/// followed by something else; [`Error::Io`].
pub fn read_gz(path: impl AsRef<Path>, max_bytes: u64) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let (file, size) = open(path)?;
    if size == 0 {
        // A stream of no members, which the decoder takes for an empty file.
        return Err(Error::Gzip { path: path.to_owned(), reason: "the file is empty".to_owned() });
    }
    // Several members are one file by RFC 1952; anything else behind the first is an invalid header.
    let mut content = Vec::new();
    // One byte more than allowed: at the limit itself the decoder still reaches the end and checks the sum.
    let result = MultiGzDecoder::new(BufReader::new(file)).take(max_bytes.saturating_add(1)).read_to_end(&mut content);
    match result {
        Ok(_) => within(path, "the unpacked content", content, max_bytes),
        Err(error) => match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                let reason =
                    if error.kind() == ErrorKind::UnexpectedEof { "truncated".into() } else { error.to_string() };
                Err(Error::Gzip { path: path.to_owned(), reason })
            }
            _ => Err(Error::io("read", path)(error)),
        },
    }
}

/// The contents of a file of at most `max_bytes`.
///
/// # Errors
///
/// [`Error::TooLarge`], [`Error::Io`].
pub fn read_bounded(path: impl AsRef<Path>, max_bytes: u64) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let (file, size) = open(path)?;
    if size > max_bytes {
        return Err(Error::TooLarge { path: path.to_owned(), what: "the file", limit: max_bytes });
    }
    // The file may grow after its size was asked for.
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut content).map_err(Error::io("read", path))?;
    within(path, "the file", content, max_bytes)
}

/// The contents of a file of exactly `bytes`.
///
/// # Errors
///
/// [`Error::FileSize`] for a file of another size, which is not read; [`Error::Io`].
pub fn read_exact_size(path: impl AsRef<Path>, bytes: u64) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let (file, size) = open(path)?;
    let check = |found| match found == bytes {
        true => Ok(()),
        false => Err(Error::FileSize { path: path.to_owned(), expected: bytes, found }),
    };
    check(size)?;
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.take(bytes.saturating_add(1)).read_to_end(&mut content).map_err(Error::io("read", path))?;
    check(content.len() as u64)?;
    Ok(content)
}

/// A regular file and its size; of a pipe or a device there is no size to hold it to.
///
/// # Errors
///
/// [`Error::Format`] for anything else; [`Error::Io`].
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
