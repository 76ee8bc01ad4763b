//! The error of this crate.

use std::path::{Path, PathBuf};

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Returns what an error says, and behind it the causes that it names as its sources: `batch 3:
/// item 7: cannot open a.png: No such file or directory`.
///
/// The `Display` of this project's errors leaves the source out, so that programs which print a
/// chain of causes, as anyhow's `{:#}` does, print each of them once. This is for errors that
/// become a text.
///
/// ```
/// let error = mbls_io::file::read_bounded("no such file", 10).unwrap_err();
/// assert_eq!(error.to_string(), "cannot open no such file");
/// assert!(mbls_io::with_causes(&error).starts_with("cannot open no such file: "));
/// ```
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A file, or a value handed over with it, is not what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system reported.
        source: std::io::Error,
    },
    /// A file has not the size that its format requires.
    #[error("{}: expected {expected} bytes, found {found}", path.display())]
    FileSize {
        /// The file.
        path: PathBuf,
        /// The size it should have.
        expected: u64,
        /// The size it has.
        found: u64,
    },
    /// A file, or what it unpacks to, is larger than its reader accepts.
    #[error("{}: {what} exceeds the limit of {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is too large.
        what: &'static str,
        /// The largest size accepted.
        limit: u64,
    },
    /// A gzip file is damaged.
    #[error("{}: not a whole gzip file: {reason}", path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A field of a file holds what its format does not allow.
    #[error("{}: {field}: expected {expected}, found {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The field, with its place.
        field: String,
        /// What it may hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// A file is not a checkpoint, or not one that can be read.
    #[error("{file}: {problem}")]
    Checkpoint {
        /// The file, or what its content was called.
        file: String,
        /// What is wrong with it, and where.
        problem: String,
    },
    /// A value handed over in memory does not fit.
    #[error("{name}: expected {expected}, found {found}")]
    Value {
        /// The value.
        name: String,
        /// What it may be.
        expected: String,
        /// What it is, as it was given.
        found: String,
    },
}

impl Error {
    /// Makes an [`Error::Io`], to be used with `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Makes an [`Error::Format`].
    pub fn format(
        path: impl AsRef<Path>,
        field: impl Into<String>,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self::Format {
            path: path.as_ref().to_owned(),
            field: field.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// Makes an [`Error::Value`].
    pub fn value(name: impl Into<String>, expected: impl ToString, found: impl ToString) -> Self {
        Self::Value { name: name.into(), expected: expected.to_string(), found: found.to_string() }
    }
}
