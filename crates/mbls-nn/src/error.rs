//! The errors of this crate.

use crate::LoadReport;

/// What can go wrong here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Candle refused an operation.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// A saved state does not fit: tensors are missing, unexpected, or of another shape.
    #[error("{what} does not fit: {report}")]
    State {
        /// What was to be loaded.
        what: String,
        /// What fits and what does not.
        report: Box<LoadReport>,
    },
    /// Tensors of a saved state have names and shapes that fit, but another type or values that
    /// cannot be.
    #[error("{what} does not fit: {}", problems.join(", "))]
    Values {
        /// What was to be loaded.
        what: String,
        /// Names with the found and the expected type or value.
        problems: Vec<String>,
    },
    /// A file cannot be read or written, or is not a checkpoint that can be read.
    #[error(transparent)]
    File(#[from] mbls_io::Error),
    /// A setting lies outside its range.
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        /// The name of the setting.
        name: &'static str,
        /// The value found.
        value: String,
        /// The values allowed.
        expected: &'static str,
    },
    /// There is no network of such a setting.
    #[error("{network}: {name} = {value}, expected {expected}")]
    Network {
        /// What was to be built: the kind of network, or the name of an architecture.
        network: &'static str,
        /// The setting.
        name: &'static str,
        /// Its value, as it was given.
        value: String,
        /// The values it may have.
        expected: String,
    },
    /// A group of parameters cannot be formed.
    #[error("parameter group {{{group}}}: {problem}")]
    Group {
        /// The group's fields.
        group: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A gradient does not fit its parameter.
    #[error("gradient of {name}: {found}, expected {expected}")]
    Gradient {
        /// The parameter's name.
        name: String,
        /// What the gradient is like.
        found: String,
        /// What the parameter is like.
        expected: String,
    },
}

impl Error {
    /// Makes an [`Error::Network`].
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

    /// Makes the error of another crate that has room for both: what is wrong with a file stays
    /// what it is, anything else is boxed.
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

/// For functions that return candle's error, such as a forward pass; what candle reported comes
/// back as it was.
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
