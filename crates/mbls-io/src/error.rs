//! The error of this crate.

use std::path::{Path, PathBuf};

/// The result type of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Formats an error and its chain of sources:
/// `batch 3: item 7: cannot open a.png: No such file or directory`.
///
/// The `Display` of this project's errors leaves out the source, so programs that print the chain
/// of causes, as anyhow's `{:#}` does, print each of them once. Use this function where an error
/// becomes text.
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

/// A file, or a value in memory, is not as expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system reported an error.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The attempted action.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A file does not have the size that its format requires.
    #[error("{}: expected {expected} bytes, found {found}", path.display())]
    FileSize {
        /// The file.
        path: PathBuf,
        /// The expected size.
        expected: u64,
        /// The actual size.
        found: u64,
    },
    /// A file, or its unpacked content, is larger than its reader accepts.
    #[error("{}: {what} exceeds the limit of {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The part that is too large.
        what: &'static str,
        /// The maximum size.
        limit: u64,
    },
    /// A gzip file is damaged.
    #[error("{}: not a complete gzip file: {reason}", path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A field of a file has a value that its format does not allow.
    #[error("{}: {field}: expected {expected}, found {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The field, with its position.
        field: String,
        /// The expected value.
        expected: String,
        /// The value found.
        found: String,
    },
    /// A file is not a checkpoint or cannot be read as one.
    #[error("{file}: {problem}")]
    Checkpoint {
        /// The file, or a name for its content.
        file: String,
        /// The problem and its position.
        problem: String,
    },
    /// A value in memory is not as expected.
    #[error("{name}: expected {expected}, found {found}")]
    Value {
        /// The name of the value.
        name: String,
        /// The expected value.
        expected: String,
        /// The value as it was given.
        found: String,
    },
}

impl Error {
    /// Creates an [`Error::Io`], for use with `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Creates an [`Error::Format`].
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

    /// Creates an [`Error::Value`].
    pub fn value(name: impl Into<String>, expected: impl ToString, found: impl ToString) -> Self {
        Self::Value { name: name.into(), expected: expected.to_string(), found: found.to_string() }
    }
}
