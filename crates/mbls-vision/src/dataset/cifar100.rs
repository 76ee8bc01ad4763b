//! CIFAR-100 in its binary version: records of a coarse label, a fine label and 32x32 pixels, as in
//! CIFAR-10.
//!
//! # References
//!
//! Krizhevsky: Learning Multiple Layers of Features from Tiny Images (2009).

use super::{Split, cifar, listing};
use crate::{Error, LabelledImages, Result};
use std::path::Path;

/// Selects one of an image's two labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    /// One of 100 classes.
    Fine,
    /// One of 20 groups of classes.
    Coarse,
}

/// Loads one part of CIFAR-100: the 50,000 images of `train.bin` or the 10,000 of `test.bin`, in
/// `dir` itself or in `dir/cifar-100-binary`.
///
/// The classes have names if `fine_label_names.txt` or `coarse_label_names.txt` exists.
///
/// # Errors
///
/// If a file is missing, does not have exactly 153,700,000 or 30,740,000 bytes, or contains a
/// coarse label above 19 or a fine one above 99; if the classes do not all have the same number of
/// images, or there are names, but not one for each class.
pub fn load(dir: impl AsRef<Path>, split: Split, labels: Labels) -> Result<LabelledImages> {
    let nested = dir.as_ref().join("cifar-100-binary");
    let dir = if nested.is_dir() { nested.as_path() } else { dir.as_ref() };
    let (name, file, records) = match split {
        Split::Train => ("cifar100-train", "train.bin", 50_000),
        Split::Test => ("cifar100-test", "test.bin", 10_000),
    };
    let records = read(&dir.join(file), Some(records), labels)?;
    let list = dir.join(match labels {
        Labels::Fine => "fine_label_names.txt",
        Labels::Coarse => "coarse_label_names.txt",
    });
    let names = if list.try_exists().map_err(Error::io("look for", &list))? {
        Some(listing::names(&list, Some(classes(labels)))?)
    } else {
        None
    };
    records.check_counts(&dir.join(file), classes(labels), names.as_deref())?;
    let images = records.images(name, classes(labels))?;
    match names {
        Some(names) => images.with_class_names(names),
        None => Ok(images),
    }
}

/// Loads one file of records in this format, at least one and at most 60,000; exactly `expected` if
/// given.
///
/// # Errors
///
/// As for [`load`].
pub fn load_file(
    path: impl AsRef<Path>,
    expected: Option<usize>,
    labels: Labels,
) -> Result<LabelledImages> {
    read(path.as_ref(), expected, labels)?.images("cifar100", classes(labels))
}

fn read(path: &Path, expected: Option<usize>, labels: Labels) -> Result<cifar::Records> {
    let mut records = cifar::Records::default();
    let heads = [
        cifar::Head { field: "coarse label", classes: 20 },
        cifar::Head { field: "fine label", classes: 100 },
    ];
    let take = match labels {
        Labels::Coarse => 0,
        Labels::Fine => 1,
    };
    records.read(path, expected, &heads, take)?;
    Ok(records)
}

fn classes(labels: Labels) -> usize {
    match labels {
        Labels::Fine => 100,
        Labels::Coarse => 20,
    }
}
