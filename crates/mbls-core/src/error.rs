//! The crate's error.

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be wrong with logits, labels and settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A shape does not fit the other inputs.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// The input.
        what: &'static str,
        /// The shape it should have.
        expected: String,
        /// The shape it has.
        found: String,
    },
    /// A tensor's elements are of a type that cannot be worked with.
    #[cfg(feature = "candle")]
    #[error("{what}: expected {expected}, found {found}")]
    ElementType {
        /// The input.
        what: &'static str,
        /// The types it may have.
        expected: &'static str,
        /// The type it has.
        found: &'static str,
    },
    /// A label is not a class of the logits.
    #[error("label {label} at row {row} is out of range: the logits have {classes} classes")]
    Label {
        /// The label, whatever its type.
        label: i128,
        /// Its row, from 0.
        row: usize,
        /// Number of classes.
        classes: usize,
    },
    /// No row is left to compute a loss from.
    #[error("all {rows} rows are ignored: the loss of no rows is undefined")]
    AllIgnored {
        /// Number of rows before any was left out.
        rows: usize,
    },
    /// A setting is outside of its range.
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value, as it was given.
        value: String,
        /// The values it may have.
        expected: &'static str,
    },
    /// A value that must be a finite number, or a probability, is none.
    #[error("{what} {value} at row {row}, class {class}: expected {expected}")]
    Value {
        /// What the value is.
        what: &'static str,
        /// The value.
        value: f64,
        /// Its row, from 0.
        row: usize,
        /// Its class, from 0.
        class: usize,
        /// The values it may have.
        expected: &'static str,
    },
    /// A confidence is not a probability.
    #[error("confidence {value} at row {row}: expected a number from 0 to 1")]
    Confidence {
        /// The confidence.
        value: f64,
        /// Its row, from 0.
        row: usize,
    },
    /// A score of a row is not a finite number.
    #[error("score {value} at row {row}: expected a finite number")]
    Score {
        /// The score.
        value: f64,
        /// Its row, from 0.
        row: usize,
    },
    /// Two accumulators of different settings cannot be merged.
    #[error("cannot merge metrics of different settings: {name} is {left} and {right}")]
    Merge {
        /// The setting that differs.
        name: &'static str,
        /// Its value on this side.
        left: String,
        /// Its value on the other.
        right: String,
    },
    /// The probabilities of a row are no distribution.
    #[error("the probabilities of row {row} sum to {sum}: expected 1")]
    ProbabilitySum {
        /// The row, from 0.
        row: usize,
        /// The sum found.
        sum: f64,
    },
    /// There is nothing to fit to.
    #[error("{what}: there are no rows to fit to")]
    NoRows {
        /// What was to be fitted.
        what: &'static str,
    },
    /// A fit found no optimum.
    #[error("{what}: {problem}")]
    Fit {
        /// What was to be fitted.
        what: &'static str,
        /// Why there is no result, with the numbers.
        problem: String,
    },
    /// A number does not fit into an exact accumulator.
    #[error("{what} {value}: expected {expected}")]
    Accumulator {
        /// What was accumulated.
        what: &'static str,
        /// The number.
        value: String,
        /// The numbers that fit.
        expected: &'static str,
    },
    /// A metric's saved state contradicts itself.
    #[error("state of {metric}: {problem}")]
    State {
        /// The metric's name in kebab case, as [`Metric::name`](crate::metric::Metric::name) has
        /// it.
        metric: &'static str,
        /// What is wrong with the state.
        problem: String,
    },
    /// A tensor operation failed.
    #[cfg(feature = "candle")]
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
