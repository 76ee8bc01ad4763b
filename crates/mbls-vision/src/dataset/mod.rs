//! Readers of data sets on disk.
//!
//! Every reader validates its input. Errors name the file, the field, and the found and expected
//! values. No reader uses more memory than the format allows, whatever the file claims.

mod cifar;
pub mod cifar10;
pub mod cifar100;
pub mod csv_list;
pub mod cub;
pub mod digits;
pub mod fashion_mnist;
mod idx;
pub mod image_folder;
pub mod listing;
mod mat5;
pub mod mnist;
mod published;
pub mod svhn;
pub mod tiny_imagenet;

pub use published::{published_split, published_split_per_class};

/// The official parts of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// For training and validation.
    Train,
    /// For testing only.
    Test,
}

/// The images of a training part, split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Indices of the images for training.
    pub train: Vec<usize>,
    /// Indices of the images for selecting the epoch and the temperature.
    pub validation: Vec<usize>,
}

pub(crate) const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
