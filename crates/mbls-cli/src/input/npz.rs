//! NumPy's `.npz`: a zip archive of `.npy` files.

use super::array::Array;
use super::npy;
use super::storage::{Cursor, Storage};
use anyhow::{Context, Result, ensure};
use std::io::{BufReader, Read};
use std::sync::Arc;
use zip::ZipArchive;

pub(crate) const MAGIC: &[u8] = b"PK\x03\x04";

/// Deflate compresses to no less than this fraction.
const LARGEST_RATIO: u64 = 1032;

/// Returns whether the archive is one of `torch.save`: it has the pickle of the object.
pub(crate) fn is_torch(storage: &Storage) -> Result<bool> {
    let is_pickle = |name: &str| name == "data.pkl" || name.ends_with("/data.pkl");
    Ok(open(storage)?.file_names().any(|name| name.is_ok_and(|name| is_pickle(&name))))
}

fn open(storage: &Storage) -> Result<ZipArchive<BufReader<Cursor<'_>>>> {
    ZipArchive::new(BufReader::new(Cursor::new(storage)))
        .context("a truncated or damaged zip archive")
}

/// Reads the arrays of the archive. Stored ones stay in the file; compressed ones are unpacked in
/// memory.
pub(crate) fn read(storage: &Arc<Storage>) -> Result<Vec<(String, Array)>> {
    let mut archive = open(storage)?;
    let mut arrays: Vec<(String, Array)> = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).with_context(|| format!("entry {index}"))?;
        let entry_name =
            entry.name().with_context(|| format!("name of entry {index}"))?.into_owned();
        let Some(name) = entry_name.strip_suffix(".npy") else { continue };
        ensure!(
            arrays.iter().all(|(other, _)| other != name),
            "two arrays are called {name:?}: expected one"
        );
        let array = if entry.compression() == zip::CompressionMethod::Stored {
            let start =
                entry.data_start().with_context(|| format!("array {name:?} has no data"))?;
            npy::read(storage, start)
        } else {
            unpack(&mut entry).and_then(|bytes| npy::read(&Arc::new(Storage::Memory(bytes)), 0))
        };
        arrays.push((name.to_owned(), array.with_context(|| format!("array {name:?}"))?));
    }
    ensure!(
        !arrays.is_empty(),
        "a zip archive without .npy arrays: expected one that numpy.savez wrote"
    );
    Ok(arrays)
}

fn unpack(entry: &mut zip::read::ZipFile<'_, impl Read>) -> Result<Vec<u8>> {
    let (size, compressed) = (entry.size(), entry.compressed_size());
    ensure!(
        size <= compressed.saturating_mul(LARGEST_RATIO),
        "{compressed} compressed bytes claim to hold {size}"
    );
    let mut bytes = Vec::new();
    entry.take(size).read_to_end(&mut bytes).context("cannot unpack")?;
    ensure!(bytes.len() as u64 == size, "truncated: {} of {size} bytes", bytes.len());
    Ok(bytes)
}
