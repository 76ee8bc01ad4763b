//! Cache of embedding tables.

use super::glove::GloveFile;
use super::table::{EmbeddingTable, Missing};
use crate::text::Vocabulary;
use crate::{Error, Result};
use mbls_data::Seed;
use mbls_io::file::{open, read_bounded};
use mbls_io::{OnError, Reading};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Name of the tensor of values in the file.
const VALUES: &str = "embedding";
/// Name of the only metadata entry. There is only one, because the order of several is random.
const IDENTITY: &str = "identity";
/// Size of the largest cache that is read.
const MAX_BYTES: u64 = 16 << 30;

/// The outcome of looking up a table in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// The table was read from the cache.
    Used,
    /// There was no cache; it was written.
    Written,
    /// The cache was damaged or held another table, and was replaced.
    Replaced {
        /// Why the cache could not be used.
        reason: String,
    },
}

/// Saved facts about a table that are not part of its identity.
#[derive(Serialize, Deserialize)]
struct Found {
    /// Number of words with a vector in the file.
    words: usize,
    reading: Reading,
}

/// Returns the identity of a table: everything that its values depend on.
pub(super) fn identity(
    file: &GloveFile,
    vocabulary: &Vocabulary,
    missing: Missing,
) -> Result<String> {
    let (opened, bytes) = open(&file.path)?;
    let changed = opened
        .metadata()
        .and_then(|metadata| metadata.modified())
        .map_err(Error::io("look at", &file.path))?;
    let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let words = vocabulary.words().fold(Seed(0), |seed, (word, _)| seed.at(0).derive(word)).0;
    let name = file.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    // Numbers of 64 bits and more are text, because JSON parsers may round them.
    let identity = json!({
        "format": 2,
        "file": {"name": name, "bytes": bytes, "changed": changed.to_string(), "dimension": file.dimension},
        "skip": file.on_error == OnError::Skip,
        "words": {"count": vocabulary.len(), "hash": format!("{words:016x}")},
        "missing": missing,
    });
    Ok(identity.to_string())
}

/// Reads the table from a cache, or returns why it cannot be used.
pub(super) fn load(path: &Path, identity: &str, rows: usize) -> Result<EmbeddingTable, CacheUse> {
    if !path.exists() {
        return Err(CacheUse::Written);
    }
    read(path, identity, rows).map_err(|reason| CacheUse::Replaced { reason })
}

fn read(path: &Path, identity: &str, rows: usize) -> Result<EmbeddingTable, String> {
    let bytes = read_bounded(path, MAX_BYTES).map_err(|error| error.to_string())?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| error.to_string())?;
    let saved = header
        .metadata()
        .as_ref()
        .and_then(|entries| entries.get(IDENTITY))
        .ok_or("it has no identity")?;
    let (saved, found) = saved.split_once('\n').ok_or("it has an older format")?;
    if saved != identity {
        return Err(format!("it is a cache of {saved}"));
    }
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| error.to_string())?;
    let tensor = tensors.tensor(VALUES).map_err(|error| error.to_string())?;
    let &[saved_rows, dimension] = tensor.shape() else {
        return Err(format!("its values are of shape {:?}", tensor.shape()));
    };
    let found: Found = serde_json::from_str(found).map_err(|error| error.to_string())?;
    if found.words >= rows {
        return Err(format!("it has {} words of {}", found.words, rows - 1));
    }
    if tensor.dtype() != Dtype::F32 || saved_rows != rows {
        return Err(format!("it has {saved_rows} rows of {:?}", tensor.dtype()));
    }
    let (values, _) = tensor.data().as_chunks();
    let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Err("it has values that are not finite".to_owned());
    }
    Ok(EmbeddingTable { rows, dimension, values, found: found.words, reading: found.reading })
}

/// Writes a table atomically.
pub(super) fn save(path: &Path, identity: &str, table: &EmbeddingTable) -> Result<()> {
    let bytes: Vec<u8> = table.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let other = |error: Box<dyn std::error::Error + Send + Sync>| Error::Other(error);
    let view = TensorView::new(Dtype::F32, vec![table.rows, table.dimension], &bytes)
        .map_err(|error| other(error.into()))?;
    let found = Found { words: table.found, reading: table.reading.clone() };
    let found = serde_json::to_string(&found).map_err(|error| other(error.into()))?;
    let header = HashMap::from([(IDENTITY.to_owned(), format!("{identity}\n{found}"))]);
    let content = safetensors::serialize([(VALUES, view)], Some(header))
        .map_err(|error| other(error.into()))?;
    mbls_io::atomic::write(path, &content).map_err(|error| other(error.into()))
}
