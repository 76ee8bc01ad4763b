//! The error type of this crate.

/// The result type of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error in logits, labels, settings or saved states.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A shape does not match the other inputs.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// The input.
        what: &'static str,
        /// The shape it should have.
        expected: String,
        /// The shape it has.
        found: String,
    },
    /// A tensor has an unsupported element type.
    #[cfg(feature = "candle")]
    #[error("{what}: expected {expected}, found {found}")]
    ElementType {
        /// The input.
        what: &'static str,
        /// The supported types.
        expected: &'static str,
        /// The type it has.
        found: &'static str,
    },
    /// A label is not a class of the logits.
    #[error("label {label} at row {row} is out of range: the logits have {classes} classes")]
    Label {
        /// The label, converted from any integer type.
        label: i128,
        /// The row, from 0.
        row: usize,
        /// Number of classes.
        classes: usize,
    },
    /// Every row is ignored, so the loss is undefined.
    #[error("all {rows} rows are ignored: the loss is undefined")]
    AllIgnored {
        /// Number of rows, including the ignored ones.
        rows: usize,
    },
    /// A setting is outside of its range.
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The rejected value.
        value: String,
        /// The accepted values.
        expected: &'static str,
    },
    /// A value that must be a finite number or a probability is not one.
    #[error("{what} {value} at row {row}, class {class}: expected {expected}")]
    Value {
        /// The kind of value, such as `logit`.
        what: &'static str,
        /// The value.
        value: f64,
        /// The row, from 0.
        row: usize,
        /// The class, from 0.
        class: usize,
        /// The accepted values.
        expected: &'static str,
    },
    /// A confidence is not a probability.
    #[error("confidence {value} at row {row}: expected a number from 0 to 1")]
    Confidence {
        /// The confidence.
        value: f64,
        /// The row, from 0.
        row: usize,
    },
    /// A score of a row is not a finite number.
    #[error("score {value} at row {row}: expected a finite number")]
    Score {
        /// The score.
        value: f64,
        /// The row, from 0.
        row: usize,
    },
    /// Two accumulators with different settings cannot be merged.
    #[error("cannot merge metrics of different settings: {name} is {left} and {right}")]
    Merge {
        /// The setting that differs.
        name: &'static str,
        /// The value in the metric that is merged into.
        left: String,
        /// The value in the other metric.
        right: String,
    },
    /// The probabilities of a row do not sum to 1.
    #[error("the probabilities of row {row} sum to {sum}: expected 1")]
    ProbabilitySum {
        /// The row, from 0.
        row: usize,
        /// The sum found.
        sum: f64,
    },
    /// There are no rows to fit to.
    #[error("{what}: there are no rows to fit to")]
    NoRows {
        /// The calibrator to fit.
        what: &'static str,
    },
    /// A fit found no optimum.
    #[error("{what}: {problem}")]
    Fit {
        /// The calibrator to fit.
        what: &'static str,
        /// Why there is no result, with the numbers involved.
        problem: String,
    },
    /// A number is out of the range of an exact accumulator.
    #[error("{what} {value}: expected {expected}")]
    Accumulator {
        /// The accumulated quantity.
        what: &'static str,
        /// The number.
        value: String,
        /// The accepted numbers.
        expected: &'static str,
    },
    /// A metric's saved state is inconsistent.
    #[error("state of {metric}: {problem}")]
    State {
        /// The metric's name in kebab case, as returned by
        /// [`Metric::name`](crate::metric::Metric::name).
        metric: &'static str,
        /// Why the state is invalid.
        problem: String,
    },
    /// A tensor operation failed.
    #[cfg(feature = "candle")]
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
