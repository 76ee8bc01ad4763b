//! The error type of this crate.

use std::path::{Path, PathBuf};

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The errors of a training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error(transparent)]
    File(#[from] mbls_io::Error),
    /// A file is not a valid checkpoint.
    #[error("{}: {field}: expected {expected}, found {found}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// The field that is wrong.
        field: &'static str,
        /// The expected value.
        expected: String,
        /// The value in the checkpoint.
        found: String,
    },
    /// The contents of a checkpoint belong to another model, optimizer, average or loss.
    #[error("{}: the checkpoint does not fit the {part}", path.display())]
    Misfit {
        /// The file.
        path: PathBuf,
        /// `model`, `optimizer`, `average of the weights` or `loss`.
        part: &'static str,
        /// Which tensors are missing, unexpected or of another shape.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The loss or the gradient is NaN or infinite. Continuing would destroy the weights.
    #[error(
        "{what} is {value} in epoch {epoch}, step {step}, at learning rate {learning_rate}: training stopped, the last checkpoint is intact"
    )]
    NonFinite {
        /// `loss` or `gradient norm`.
        what: &'static str,
        /// The value.
        value: f64,
        /// The epoch, from 0.
        epoch: usize,
        /// The step in the epoch, from 0.
        step: usize,
        /// The learning rate of that step.
        learning_rate: f64,
    },
    /// A data set has no batch.
    #[error("the {part} data has no batch")]
    Empty {
        /// `training` or `validation`.
        part: &'static str,
    },
    /// The task measures nothing with this name.
    #[error("{setting} = {name}: expected one of {known}")]
    Metric {
        /// The setting that has the name.
        setting: &'static str,
        /// The name.
        name: String,
        /// The names of the measured values.
        known: String,
    },
    /// A setting is out of range.
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The value.
        value: String,
        /// The allowed values.
        expected: &'static str,
    },
    /// An error of a loss or a metric.
    #[error(transparent)]
    Core(#[from] mbls_core::Error),
    /// An error of a layer or an optimizer.
    #[error(transparent)]
    Nn(#[from] mbls_nn::Error),
    /// An error of a data set.
    #[error(transparent)]
    Data(#[from] mbls_data::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// An observer of the training failed.
    #[error("an observer of the training failed")]
    Observer {
        /// The observer's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An event or a checkpoint's progress cannot be encoded.
    #[error("cannot encode {what}")]
    Encode {
        /// The object that was encoded.
        what: &'static str,
        /// The cause.
        source: serde_json::Error,
    },
}

impl Error {
    /// Returns a function for `map_err` that creates an [`Error::Misfit`] of the checkpoint `path`.
    pub(crate) fn misfit<E>(part: &'static str, path: &Path) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| Self::Misfit { path: path.to_owned(), part, source: Box::new(source) }
    }
}
