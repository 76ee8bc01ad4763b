//! MNIST in its four idx files, each uncompressed or as `.gz`.
//!
//! # References
//!
//! LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition (Proc.
//! IEEE, 1998).

use super::{DIGITS, Split, idx};
use crate::{Error, LabelledImages, Result};
use std::path::Path;

const SIDE: usize = 28;
const CLASSES: usize = 10;

/// Loads one part of MNIST from `dir`: 28x28 pixels, full scale 255.
///
/// Reads `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, or `t10k-...`, each with or
/// without `.gz`. Accepts at most the official 60,000 or 10,000 images; subsets in the same format
/// are accepted.
///
/// # Errors
///
/// If a file is missing, too large, truncated or damaged; if magic number, dimensions or sizes are
/// not those of the format, images and labels differ in number, or a label is not 0..=9.
pub fn load(dir: impl AsRef<Path>, split: Split) -> Result<LabelledImages> {
    let name = match split {
        Split::Train => "mnist-train",
        Split::Test => "mnist-test",
    };
    read(dir.as_ref(), split, name)?.with_class_names(DIGITS)
}

/// Reads one part of a data set with MNIST's layout.
pub(super) fn read(dir: &Path, split: Split, name: &str) -> Result<LabelledImages> {
    let (prefix, max_records) = match split {
        Split::Train => ("train", 60_000),
        Split::Test => ("t10k", 10_000),
    };
    let labels = idx::read(dir, &format!("{prefix}-labels-idx1-ubyte"), &[], max_records)?;
    if let Some(i) = labels.elements.iter().position(|&label| usize::from(label) >= CLASSES) {
        return Err(Error::format(&labels.path, format!("label {i}"), "0..=9", labels.elements[i]));
    }
    let images =
        idx::read(dir, &format!("{prefix}-images-idx3-ubyte"), &[SIDE, SIDE], max_records)?;
    if images.records != labels.records {
        let expected =
            format!("{}, as many as labels in {}", labels.records, labels.path.display());
        return Err(Error::format(&images.path, "number of images", expected, images.records));
    }
    let labels = labels.elements.into_iter().map(u32::from).collect();
    LabelledImages::new(name, [1, SIDE, SIDE], images.elements, labels, CLASSES, u8::MAX)
}
