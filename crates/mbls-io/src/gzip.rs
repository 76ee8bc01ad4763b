//! Reads gzip files and handles bytes after their end.

use crate::file::open;
use crate::{Error, OnError, Result};
use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// The first byte of every member of a gzip file.
const MAGIC: u8 = 0x1f;

/// A stream of the content of a gzip file.
///
/// A file consists of one or more members whose contents are concatenated (RFC 1952). Bytes after
/// the last member, such as the zero padding of tapes, are an error or are ignored and counted.
/// Bytes that begin like a further member are always treated as one, so a damaged member is an
/// error.
#[derive(Debug)]
pub struct GzReader {
    /// `None` after the end.
    member: Option<GzDecoder<BufReader<File>>>,
    on_error: Option<OnError>,
    ignored: u64,
}

impl GzReader {
    /// Opens a file; `on_error` determines what happens to bytes after the last member.
    ///
    /// # Errors
    ///
    /// [`Error::Gzip`] for an empty file; [`Error::Format`] if it is not a regular file;
    /// [`Error::Io`].
    pub fn open(path: &Path, on_error: OnError) -> Result<Self> {
        Self::with(path, Some(on_error))
    }

    /// Opens a file in which every byte must belong to a member, whatever the user's settings.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn strict(path: &Path) -> Result<Self> {
        Self::with(path, None)
    }

    fn with(path: &Path, on_error: Option<OnError>) -> Result<Self> {
        let (file, size) = open(path)?;
        if size == 0 {
            // A stream of no members; a decoder might accept it as an empty file.
            return Err(Error::Gzip {
                path: path.to_owned(),
                reason: "the file is empty".to_owned(),
            });
        }
        Ok(Self { member: Some(GzDecoder::new(BufReader::new(file))), on_error, ignored: 0 })
    }

    /// Returns the number of bytes after the last member; 0 until the end is reached.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Starts the next member, if there is one.
    fn advance(&mut self) -> io::Result<()> {
        let Some(member) = self.member.take() else { return Ok(()) };
        let mut rest = member.into_inner();
        match rest.fill_buf()?.first() {
            None => {}
            Some(&MAGIC) => self.member = Some(GzDecoder::new(rest)),
            Some(_) => {
                let (count, zeros) = count(&mut rest)?;
                if self.on_error != Some(OnError::Skip) {
                    let kind = if zeros { "zeros" } else { "other bytes" };
                    let way_out = if self.on_error.is_some() {
                        format!(" ({})", OnError::WAY_OUT)
                    } else {
                        String::new()
                    };
                    let reason = format!("{count} bytes after its end, {kind}{way_out}");
                    return Err(io::Error::new(ErrorKind::InvalidData, reason));
                }
                self.ignored = count;
            }
        }
        Ok(())
    }
}

impl Read for GzReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            match member.read(buffer)? {
                0 => self.advance()?,
                read => return Ok(read),
            }
        }
        Ok(0)
    }
}

/// Returns the number of remaining bytes, and whether all are zero.
fn count(reader: &mut impl BufRead) -> io::Result<(u64, bool)> {
    let (mut count, mut zeros) = (0, true);
    loop {
        let bytes = reader.fill_buf()?;
        let read = bytes.len();
        if read == 0 {
            return Ok((count, zeros));
        }
        zeros &= bytes.iter().all(|&byte| byte == 0);
        count += read as u64;
        reader.consume(read);
    }
}

/// Creates the error for a gzip file that could not be read.
pub fn broken(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| match error.kind() {
        ErrorKind::UnexpectedEof => {
            Error::Gzip { path: path.to_owned(), reason: "truncated".to_owned() }
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            Error::Gzip { path: path.to_owned(), reason: error.to_string() }
        }
        _ => Error::io("read", path)(error),
    }
}

/// Reads the content of a gzip file. Returns it with the number of bytes ignored after its end.
///
/// # Errors
///
/// [`Error::TooLarge`] if it unpacks to more than `max_bytes`; [`Error::Gzip`] for a file that is
/// truncated, damaged or, with [`OnError::Fail`], followed by other bytes; [`Error::Io`].
pub fn read(path: &Path, max_bytes: u64, on_error: OnError) -> Result<(Vec<u8>, u64)> {
    read_all(path, GzReader::open(path, on_error)?, max_bytes)
}

/// Reads the content of a gzip file and rejects bytes after its end; [`read`] can ignore them.
///
/// # Errors
///
/// [`Error::TooLarge`] if it unpacks to more than `max_bytes`; [`Error::Gzip`] for a file that is
/// truncated, damaged or followed by other bytes; [`Error::Io`].
pub fn read_strict(path: impl AsRef<Path>, max_bytes: u64) -> Result<Vec<u8>> {
    let path = path.as_ref();
    Ok(read_all(path, GzReader::strict(path)?, max_bytes)?.0)
}

fn read_all(path: &Path, mut reader: GzReader, max_bytes: u64) -> Result<(Vec<u8>, u64)> {
    let mut content = Vec::new();
    // One byte more than allowed: at exactly the limit the decoder still reaches the end and
    // verifies the checksum.
    reader
        .by_ref()
        .take(max_bytes.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(broken(path))?;
    if content.len() as u64 > max_bytes {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            what: "the unpacked content",
            limit: max_bytes,
        });
    }
    Ok((content, reader.ignored()))
}
