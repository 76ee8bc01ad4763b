//! CIFAR-10 in its binary version: records of one label and 32x32 pixels, all red ones, all green ones, all blue ones.
//!
//! # References
//!
//! Krizhevsky: Learning Multiple Layers of Features from Tiny Images (2009).

use super::Split;
use crate::{Error, LabelledImages, Result};
use mbls_data::file::{read_bounded, read_exact_size};
use std::path::Path;

const SHAPE: [usize; 3] = [3, 32, 32];
const PIXELS: usize = 3 * 32 * 32;
const RECORD: usize = 1 + PIXELS;
const CLASSES: usize = 10;
/// Records of each official file.
const BATCH: usize = 10_000;
/// The most records that [`load_file`] takes: all of CIFAR-10 in one file.
const MAX_RECORDS: usize = 60_000;

/// One part of CIFAR-10: the 50,000 pictures of `data_batch_1.bin` to `data_batch_5.bin` or the 10,000 of `test_batch.bin`,
/// in `dir` itself or in `dir/cifar-10-batches-bin`.
///
/// # Errors
///
/// Where a file is missing, has not exactly 30,730,000 bytes, or holds a label above 9.
pub fn load(dir: impl AsRef<Path>, split: Split) -> Result<LabelledImages> {
    let (name, files): (_, &[&str]) = match split {
        Split::Train => (
            "cifar10-train",
            &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
        ),
        Split::Test => ("cifar10-test", &["test_batch.bin"]),
    };
    let nested = dir.as_ref().join("cifar-10-batches-bin");
    let dir = if nested.is_dir() { nested.as_path() } else { dir.as_ref() };
    let mut pixels = Vec::with_capacity(files.len() * BATCH * PIXELS);
    let mut labels = Vec::with_capacity(files.len() * BATCH);
    for file in files {
        read(&dir.join(file), Some(BATCH), &mut pixels, &mut labels)?;
    }
    LabelledImages::new(name, SHAPE, pixels, labels, CLASSES, u8::MAX)
}

/// One file of records of that format, at least one and at most 60,000; `expected` is their number where it is known.
///
/// # Errors
///
/// Where the file is missing, empty or too large, has another size than `expected` records or than whole records, or holds a label
/// above 9.
pub fn load_file(path: impl AsRef<Path>, expected: Option<usize>) -> Result<LabelledImages> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    read(path.as_ref(), expected, &mut pixels, &mut labels)?;
    LabelledImages::new("cifar10", SHAPE, pixels, labels, CLASSES, u8::MAX)
}

/// Appends the records of one file.
fn read(path: &Path, expected: Option<usize>, pixels: &mut Vec<u8>, labels: &mut Vec<u32>) -> Result<()> {
    let bytes = match expected {
        Some(records) => read_exact_size(path, (records as u64).saturating_mul(RECORD as u64))?,
        None => read_bounded(path, (MAX_RECORDS * RECORD) as u64)?,
    };
    if bytes.is_empty() || bytes.len() % RECORD != 0 {
        let expected = format!("a multiple of {RECORD} bytes, at least one record");
        return Err(Error::format(path, "size", expected, format!("{} bytes", bytes.len())));
    }
    pixels.reserve_exact(bytes.len() / RECORD * PIXELS);
    for (number, record) in bytes.chunks_exact(RECORD).enumerate() {
        let label = record[0];
        if usize::from(label) >= CLASSES {
            return Err(Error::format(path, format!("label of record {number}"), "0..=9", label));
        }
        labels.push(u32::from(label));
        pixels.extend_from_slice(&record[1..]);
    }
    Ok(())
}
