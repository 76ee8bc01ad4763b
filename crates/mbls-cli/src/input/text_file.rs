use super::storage::{Cursor, Storage};
use anyhow::Result;
use flate2::bufread::MultiGzDecoder;
use std::io::{BufReader, Error, Read};
use std::sync::Arc;

/// A file of text, which may be compressed by gzip.
#[derive(Clone, Debug)]
pub(crate) struct TextFile {
    storage: Arc<Storage>,
    gzip: bool,
}

pub(crate) const GZIP: &[u8] = &[0x1f, 0x8b];

/// Text unpacks to no more than so many times its compressed size, and some spare bytes. Numbers
/// compress to a third or so.
const LARGEST_RATIO: u64 = 200;
const SPARE: u64 = 64 << 20;

impl TextFile {
    pub(crate) fn new(storage: Arc<Storage>, gzip: bool) -> Self {
        Self { storage, gzip }
    }

    /// Reads the text from its start.
    pub(crate) fn reader(&self) -> BufReader<Box<dyn Read + '_>> {
        const BUFFER: usize = 1 << 18;
        let cursor = Cursor::new(&self.storage);
        let reader: Box<dyn Read + '_> = if self.gzip {
            let left = self.storage.len().saturating_mul(LARGEST_RATIO).saturating_add(SPARE);
            Box::new(Limited { inner: MultiGzDecoder::new(BufReader::new(cursor)), left })
        } else {
            Box::new(cursor)
        };
        BufReader::with_capacity(BUFFER, reader)
    }

    /// Returns the first bytes of the text, at most `count`.
    pub(crate) fn head(&self, count: u64) -> Result<Vec<u8>> {
        let mut head = Vec::new();
        self.reader().take(count).read_to_end(&mut head)?;
        Ok(head)
    }
}

/// A reader that fails beyond a limit, instead of ending as if the text did.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            Error::other(format!("unpacks to more than {LARGEST_RATIO} times its size"))
        })?;
        Ok(read)
    }
}
