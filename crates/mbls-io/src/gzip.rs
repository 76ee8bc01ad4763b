//! Reading gzip files, with what may follow their end.

use crate::file::open;
use crate::{Error, OnError, Result};
use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// The first byte of every member of a gzip file.
const MAGIC: u8 = 0x1f;

/// The content of a gzip file as a stream.
///
/// A file consists of one member or several, whose contents follow one another (RFC 1952). What
/// stands behind the last member, such as the zeros with which tapes are padded, is an error or is
/// ignored and counted. What begins like a further member is always taken for one, so that a
/// damaged member is an error.
#[derive(Debug)]
pub struct GzReader {
    /// `None` after the end.
    member: Option<GzDecoder<BufReader<File>>>,
    on_error: Option<OnError>,
    ignored: u64,
}

impl GzReader {
    /// Opens a file; [`OnError`] says what happens to bytes behind the last member.
    ///
    /// # Errors
    ///
    /// [`Error::Gzip`] for an empty file; [`Error::Format`] for what is not a regular file;
    /// [`Error::Io`].
    pub fn open(path: &Path, on_error: OnError) -> Result<Self> {
        Self::with(path, Some(on_error))
    }

    /// Opens a file of which every byte must belong to a member, whatever the user chooses.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn strict(path: &Path) -> Result<Self> {
        Self::with(path, None)
    }

    fn with(path: &Path, on_error: Option<OnError>) -> Result<Self> {
        let (file, size) = open(path)?;
        if size == 0 {
            // A stream of no members, which a decoder may take for an empty file.
            return Err(Error::Gzip {
                path: path.to_owned(),
                reason: "the file is empty".to_owned(),
            });
        }
        Ok(Self { member: Some(GzDecoder::new(BufReader::new(file))), on_error, ignored: 0 })
    }

    /// Returns the number of bytes behind the last member; 0 until the end is reached.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Begins the next member, if there is one.
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
                    let reason = format!("{count} bytes behind its end, {kind}{way_out}");
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

/// The number of bytes to the end, and whether all are zero.
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

/// The error of a gzip file that could not be read.
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

/// Reads the contents of a gzip file and the number of bytes ignored behind its end.
///
/// # Errors
///
/// [`Error::TooLarge`] where it unpacks to more than `max_bytes`; [`Error::Gzip`] for a file that
/// is truncated, damaged or, with [`OnError::Fail`], followed by something else; [`Error::Io`].
pub fn read(path: &Path, max_bytes: u64, on_error: OnError) -> Result<(Vec<u8>, u64)> {
    read_all(path, GzReader::open(path, on_error)?, max_bytes)
}

/// Reads the contents of a gzip file of which every byte counts; [`read`] can ignore what follows
/// its end.
///
/// # Errors
///
/// [`Error::TooLarge`] where it unpacks to more than `max_bytes`; [`Error::Gzip`] for a file that
/// is truncated, damaged or followed by something else; [`Error::Io`].
pub fn read_strict(path: impl AsRef<Path>, max_bytes: u64) -> Result<Vec<u8>> {
    let path = path.as_ref();
    Ok(read_all(path, GzReader::strict(path)?, max_bytes)?.0)
}

fn read_all(path: &Path, mut reader: GzReader, max_bytes: u64) -> Result<(Vec<u8>, u64)> {
    let mut content = Vec::new();
    // One byte more than allowed: at the limit itself the decoder still reaches the end and checks
    // the sum.
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
