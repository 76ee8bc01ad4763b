//! CIFAR-10 in its binary version. A record is one label and 32x32 pixels: all red values, then all
//! green ones, then all blue ones.
//!
//! # References
//!
//! Krizhevsky: Learning Multiple Layers of Features from Tiny Images (2009).

use super::{Split, cifar};
use crate::{LabelledImages, Result};
use std::path::Path;

/// The names of the classes.
pub const CLASS_NAMES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const HEADS: [cifar::Head; 1] = [cifar::Head { field: "label", classes: 10 }];
/// Number of records of each official file.
const BATCH: usize = 10_000;

/// Loads one part of CIFAR-10: the 50,000 images of `data_batch_1.bin` to `data_batch_5.bin` or the
/// 10,000 of `test_batch.bin`, in `dir` itself or in `dir/cifar-10-batches-bin`.
///
/// # Errors
///
/// If a file is missing, does not have exactly 30,730,000 bytes, or contains a label above 9; if
/// the classes do not all have the same number of images.
pub fn load(dir: impl AsRef<Path>, split: Split) -> Result<LabelledImages> {
    let (name, files): (_, &[&str]) = match split {
        Split::Train => (
            "cifar10-train",
            &[
                "data_batch_1.bin",
                "data_batch_2.bin",
                "data_batch_3.bin",
                "data_batch_4.bin",
                "data_batch_5.bin",
            ],
        ),
        Split::Test => ("cifar10-test", &["test_batch.bin"]),
    };
    let nested = dir.as_ref().join("cifar-10-batches-bin");
    let dir = if nested.is_dir() { nested.as_path() } else { dir.as_ref() };
    let mut records = cifar::Records::default();
    for file in files {
        records.read(&dir.join(file), Some(BATCH), &HEADS, 0)?;
    }
    records.check_counts(dir, CLASS_NAMES.len(), Some(&CLASS_NAMES.map(str::to_owned)))?;
    records.images(name, CLASS_NAMES.len())?.with_class_names(CLASS_NAMES)
}

/// Loads one file of records in this format, at least one and at most 60,000; exactly `expected` if
/// given.
///
/// # Errors
///
/// If the file is missing, empty or too large, does not consist of whole records or of `expected`
/// records, or contains a label above 9.
pub fn load_file(path: impl AsRef<Path>, expected: Option<usize>) -> Result<LabelledImages> {
    let mut records = cifar::Records::default();
    records.read(path.as_ref(), expected, &HEADS, 0)?;
    records.images("cifar10", CLASS_NAMES.len())?.with_class_names(CLASS_NAMES)
}
