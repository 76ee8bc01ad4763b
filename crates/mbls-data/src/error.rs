//! The crate's error.

use std::path::Path;

/// The result type of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of data files, data sets and settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or a value in memory is not as expected.
    #[error(transparent)]
    Input(#[from] mbls_io::Error),
    /// An index is past the end of a data set.
    #[error("index {index} is out of range: the data set has {len} items")]
    Index {
        /// The requested index.
        index: usize,
        /// Number of items.
        len: usize,
    },
    /// The parts of a split do not fit the data set.
    #[error("cannot split: {0}")]
    Split(String),
    /// A class of a data set does not fit the parts of a split.
    #[error("cannot split: class {} {reason}", named(*label, name.as_deref()))]
    SplitClass {
        /// The class.
        label: u32,
        /// The name of the class, if known.
        name: Option<String>,
        /// The problem.
        reason: String,
    },
    /// Computing an item failed.
    #[error("item {index}")]
    Item {
        /// The index of the item.
        index: usize,
        /// The cause.
        source: Box<Error>,
    },
    /// Collating items into a batch failed.
    #[error("batch {batch}")]
    Batch {
        /// The number of the batch in its epoch.
        batch: usize,
        /// The cause.
        source: Box<Error>,
    },
    /// A data set or a collate function panicked.
    #[error("panic: {0}")]
    Panic(String),
    /// A worker thread ended before its work was done.
    #[error("the worker thread of batch {batch} ended early")]
    WorkerLost {
        /// The batch that the worker did not deliver.
        batch: usize,
    },
    /// An error of a data set defined in another crate.
    #[error(transparent)]
    Other(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// Formats a class for messages: `3 (cat)`.
fn named(label: u32, name: Option<&str>) -> String {
    name.map_or_else(|| label.to_string(), |name| format!("{label} ({name})"))
}

impl Error {
    /// Adds the name of the class that could not be split, if the class has a name.
    ///
    /// ```
    /// use mbls_data::{Seed, stratified_split};
    ///
    /// let names = ["cat", "dog"].map(str::to_owned);
    /// let error = stratified_split(&[0, 0, 1, 0], &[2, 2], Seed(1))
    ///     .map_err(|error| error.with_class_names(&names));
    /// assert_eq!(
    ///     error.unwrap_err().to_string(),
    ///     "cannot split: class 1 (dog) has 1 items, fewer than the 2 parts"
    /// );
    /// ```
    #[must_use]
    pub fn with_class_names(self, names: &[String]) -> Self {
        match self {
            Self::SplitClass { label, name, reason } => Self::SplitClass {
                label,
                name: name.or_else(|| names.get(label as usize).cloned()),
                reason,
            },
            other => other,
        }
    }

    /// Creates an [`mbls_io::Error::Io`], for use with `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let error = mbls_io::Error::io(action, path);
        move |source| error(source).into()
    }

    /// Creates an [`mbls_io::Error::Format`].
    pub fn format(
        path: impl AsRef<Path>,
        field: impl Into<String>,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        mbls_io::Error::format(path, field, expected, found).into()
    }

    /// Creates an [`mbls_io::Error::Value`].
    pub fn value(name: impl Into<String>, expected: impl ToString, found: impl ToString) -> Self {
        mbls_io::Error::value(name, expected, found).into()
    }
}
