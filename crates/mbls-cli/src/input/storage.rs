use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The bytes of a file, read in pieces where they are needed, or bytes in memory.
///
/// Pieces are read at their position instead of mapping the file: a file that another process
/// truncates is then an error instead of a signal, and the memory in use is that of the pieces.
#[derive(Debug)]
pub(crate) enum Storage {
    File { file: File, length: u64 },
    Memory(Vec<u8>),
}

impl Storage {
    /// Opens a file; `-` is standard input, which is held in memory.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).context("standard input")?;
            return Ok(Self::Memory(bytes));
        }
        let file = File::open(path).context("cannot open the file")?;
        let metadata = file.metadata().context("cannot read the file's size")?;
        ensure!(!metadata.is_dir(), "a folder: expected a file");
        ensure!(
            metadata.is_file(),
            "not a regular file: expected a file that can be read in pieces"
        );
        Ok(Self::File { file, length: metadata.len() })
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::File { length, .. } => *length,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `buffer` with the bytes from `offset`.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        match self {
            Self::File { file, .. } => read_exact_at(file, offset, buffer)
                .with_context(|| format!("cannot read {} bytes at byte {offset}", buffer.len())),
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).ok();
                let range = start.and_then(|start| Some(start..start.checked_add(buffer.len())?));
                let bytes = range
                    .and_then(|range| bytes.get(range))
                    .with_context(|| format!("{} bytes end before byte {offset}", bytes.len()))?;
                buffer.copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Returns the first bytes, at most `count`.
    pub(crate) fn head(&self, count: usize) -> Result<Vec<u8>> {
        let count = usize::try_from(self.len()).map_or(count, |length| length.min(count));
        let mut head = vec![0; count];
        self.read_at(0, &mut head)?;
        Ok(head)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut offset: u64, mut buffer: &mut [u8]) -> std::io::Result<()> {
    while !buffer.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, buffer, offset)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        offset += read as u64;
        buffer = &mut buffer[read..];
    }
    Ok(())
}

/// Reads a [`Storage`] from its start, for readers of containers.
pub(crate) struct Cursor<'a> {
    storage: &'a Storage,
    position: u64,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(storage: &'a Storage) -> Self {
        Self { storage, position: 0 }
    }
}

impl std::io::Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.storage.len().saturating_sub(self.position);
        let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        self.storage
            .read_at(self.position, &mut buffer[..count])
            .map_err(|error| std::io::Error::other(format!("{error:#}")))?;
        self.position += count as u64;
        Ok(count)
    }
}

impl std::io::Seek for Cursor<'_> {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        let (base, by) = match to {
            std::io::SeekFrom::Start(position) => (position, 0),
            std::io::SeekFrom::End(by) => (self.storage.len(), by),
            std::io::SeekFrom::Current(by) => (self.position, by),
        };
        self.position = base.checked_add_signed(by).ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
