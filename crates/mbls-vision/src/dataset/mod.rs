//! Readers of data sets on disk.
//!
//! Every reader checks what it reads against its format and names file, field, found and expected
//! value where they differ. None takes more memory than the format allows, whatever the file
//! claims.

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

/// The official part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// For training and validation.
    Train,
    /// For testing alone.
    Test,
}

/// The images of a training part, divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Those to train on.
    pub train: Vec<usize>,
    /// Those to choose the epoch and the temperature on.
    pub validation: Vec<usize>,
}

pub(crate) const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
