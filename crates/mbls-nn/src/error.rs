//! The error type of this crate.

use crate::LoadReport;

/// The errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A candle operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// A saved state does not fit: tensors are missing, unexpected, or have another shape.
    #[error("{what} does not fit: {report}")]
    State {
        /// The object to load.
        what: String,
        /// Which tensors fit and which do not.
        report: Box<LoadReport>,
    },
    /// Tensors of a saved state have names and shapes that fit, but another type or invalid values.
    #[error("{what} does not fit: {}", problems.join(", "))]
    Values {
        /// The object to load.
        what: String,
        /// Names with the found and the expected type or value.
        problems: Vec<String>,
    },
    /// A file cannot be read or written, or is not a supported checkpoint.
    #[error(transparent)]
    File(#[from] mbls_io::Error),
    /// A setting is out of range.
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        /// The name of the setting.
        name: &'static str,
        /// The value found.
        value: String,
        /// The allowed values.
        expected: &'static str,
    },
    /// A network cannot be built with this setting.
    #[error("{network}: {name} = {value}, expected {expected}")]
    Network {
        /// The kind of network or the name of the architecture.
        network: &'static str,
        /// The setting.
        name: &'static str,
        /// The value, as it was passed.
        value: String,
        /// The allowed values.
        expected: String,
    },
    /// A group of parameters cannot be formed.
    #[error("parameter group {{{group}}}: {problem}")]
    Group {
        /// The group's fields.
        group: String,
        /// The problem.
        problem: String,
    },
    /// A gradient does not fit its parameter.
    #[error("gradient of {name}: {found}, expected {expected}")]
    Gradient {
        /// The parameter's name.
        name: String,
        /// Shape, type and device of the gradient.
        found: String,
        /// Shape, type and device of the parameter.
        expected: String,
    },
}

impl Error {
    /// Creates an [`Error::Network`].
    ///
    /// ```
    /// let error = mbls_nn::Error::network("ResNet", "classes", 0, "at least 1");
    /// assert_eq!(error.to_string(), "ResNet: classes = 0, expected at least 1");
    /// ```
    pub fn network(
        network: &'static str,
        name: &'static str,
        value: impl ToString,
        expected: impl ToString,
    ) -> Self {
        Self::Network { network, name, value: value.to_string(), expected: expected.to_string() }
    }

    /// Converts to the error type of another crate: a file error is kept as it is, any other error
    /// is boxed.
    pub fn pass_on<E>(self) -> E
    where
        E: From<mbls_io::Error> + From<Box<dyn std::error::Error + Send + Sync>>,
    {
        match self {
            Self::File(error) => error.into(),
            other => Box::<dyn std::error::Error + Send + Sync>::from(other).into(),
        }
    }
}

/// For functions that return candle's error, such as a forward pass. An error that came from candle
/// is returned unchanged.
impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Candle(error) => error,
            other => Self::wrap(other),
        }
    }
}

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;
