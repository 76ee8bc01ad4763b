//! The arrays of a file, found by its content.

use super::array::Array;
use super::storage::Storage;
use super::text_file::{GZIP, TextFile};
use super::{npy, npz, pickled, tensors, text, torch};
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::sync::Arc;

/// What a file holds.
pub(crate) enum Container {
    /// One array, which has the name of the file.
    Single(Array),
    Arrays(Vec<(String, Array)>),
    /// Delimited text, of which nothing has been read.
    Text(TextFile),
}

/// The first bytes that are looked at.
const HEAD: usize = 4096;

impl Container {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let storage = Arc::new(Storage::open(path)?);
        ensure!(storage.len() > 0, "empty: 0 bytes");
        let head = storage.head(HEAD)?;
        if head.starts_with(npy::MAGIC) {
            let array = npy::read(&storage, 0)?;
            return Ok(Self::Single(array));
        }
        if head.starts_with(npz::MAGIC) || head.starts_with(b"PK\x05\x06") {
            let of_torch = npz::is_torch(&storage)?;
            let arrays = if of_torch { torch::read(&storage) } else { npz::read(&storage) };
            return arrays.map(Self::Arrays);
        }
        if head.starts_with(torch::LEGACY) {
            return torch::read(&storage).map(Self::Arrays);
        }
        if pickled::is(&head) {
            return pickled::read(&storage).map(Self::Arrays);
        }
        if tensors::is(&head, storage.len()) {
            return tensors::read(&storage).map(Self::Arrays);
        }
        if let Some(problem) = unsupported(&head) {
            bail!(problem);
        }
        if head.starts_with(GZIP) {
            let file = TextFile::new(storage, true);
            let head = file.head(HEAD as u64).context("truncated or damaged gzip")?;
            ensure!(
                text::is(&head),
                "compressed by gzip, but not text: expected the unpacked file"
            );
            return Ok(Self::Text(file));
        }
        ensure!(
            text::is(&head),
            "begins with bytes {:02x?}: expected .npy, .npz, .safetensors, .pt, CSV, TSV or JSON lines",
            &head[..head.len().min(8)]
        );
        Ok(Self::Text(TextFile::new(storage, false)))
    }

    /// Returns the arrays; the single one is called `stem`.
    pub(crate) fn into_arrays(self, stem: &str) -> Result<Vec<(String, Array)>> {
        match self {
            Self::Single(array) => Ok(vec![(stem.to_owned(), array)]),
            Self::Arrays(arrays) => Ok(arrays),
            Self::Text(_) => bail!("a text file: expected arrays"),
        }
    }
}

/// Says what a file of a known but unsupported format is.
fn unsupported(head: &[u8]) -> Option<&'static str> {
    match head {
        _ if head.starts_with(b"PAR1") => {
            Some("a Parquet file, which is not read yet: expected CSV or .npz")
        }
        _ if head.starts_with(b"ARROW1") => {
            Some("an Arrow file, which is not read yet: expected CSV or .npz")
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Some("compressed by zstd, which is not read yet: expected the unpacked file")
        }
        _ => None,
    }
}

/// Returns the name of a file without folders and without its last ending.
pub(crate) fn stem(path: &Path) -> Result<&str> {
    path.file_stem().and_then(|stem| stem.to_str()).context("the name of the file is not Unicode")
}
