//! Readers of data sets on disk.
//!
//! Every reader checks what it reads against its format and names file, field, found and expected value where they differ. None
//! takes more memory than the format allows, whatever the file claims.

pub mod cifar10;
pub mod digits;
mod idx;
pub mod mnist;

/// The official part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// For training and validation.
    Train,
    /// For testing alone.
    Test,
}
