//! The errors of this crate.

/// What can go wrong here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Candle refused an operation.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// A saved state does not fit: tensors are missing, unknown, of another shape or type, or hold what cannot be.
    #[error(
        "{what} does not fit: missing [{}], unexpected [{}], different [{}]",
        missing.join(", "), unexpected.join(", "), different.join(", ")
    )]
    State {
        /// What was to be loaded.
        what: &'static str,
        /// Names that the saved state lacks.
        missing: Vec<String>,
        /// Names that only the saved state has.
        unexpected: Vec<String>,
        /// Names with the found and the expected shape, type or value.
        different: Vec<String>,
    },
    /// A setting lies outside its range.
    #[error("{field} = {value}: expected {expected}")]
    Setting {
        /// The name of the setting.
        field: &'static str,
        /// The value found.
        value: String,
        /// The values allowed.
        expected: &'static str,
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

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;
