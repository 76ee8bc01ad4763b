//! Fashion-MNIST: images of clothes in four idx files with MNIST's layout.
//!
//! # References
//!
//! Xiao, Rasul, Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
//! Algorithms (arXiv 1708.07747).

use super::{Split, mnist};
use crate::{LabelledImages, Result};
use std::path::Path;

/// The names of the classes.
pub const CLASS_NAMES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// Loads one part of Fashion-MNIST from `dir`: names, format, limits and errors of the files are
/// those of [`mnist::load`].
///
/// # Errors
///
/// As for [`mnist::load`].
pub fn load(dir: impl AsRef<Path>, split: Split) -> Result<LabelledImages> {
    let name = match split {
        Split::Train => "fashion-mnist-train",
        Split::Test => "fashion-mnist-test",
    };
    mnist::read(dir.as_ref(), split, name)?.with_class_names(CLASS_NAMES)
}
