use super::masked::check_logits;
use super::score_slice::{ScoreSlice, with_scores};
use super::score_type::ScoreType;
use super::unlabelled_rows::check_rows;
use crate::Result;

/// Validated rows of logits without labels, of any type that is a
/// [`ScoreType`](crate::metric::ScoreType). A logit of minus infinity masks its class in that row.
///
/// # Shapes
///
/// `[rows, classes]` in row-major order.
///
/// ```
/// use mbls_core::metric::LogitRows;
///
/// let rows = LogitRows::new(&[2.0, 0.0, 1.0, 1.0], 2)?;
/// assert_eq!((rows.rows(), rows.row(1)), (2, vec![1.0, 1.0]));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogitRows<'a> {
    logits: ScoreSlice<'a>,
    classes: usize,
}

impl<'a> LogitRows<'a> {
    /// Validates logits.
    ///
    /// # Errors
    ///
    /// - [`Error::Setting`](crate::Error::Setting) for fewer than two classes.
    /// - [`Error::Shape`](crate::Error::Shape) if the length is not a multiple of `classes`.
    /// - [`Error::Value`](crate::Error::Value) for a logit that is NaN or plus infinity, and for a
    ///   row whose logits are all minus infinity.
    pub fn new(logits: impl Into<ScoreSlice<'a>>, classes: usize) -> Result<Self> {
        let logits = logits.into();
        check_rows("logits", logits.len(), classes)?;
        with_scores!(logits, logits => check_logits(logits, classes))?;
        Ok(Self { logits, classes })
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.logits.len() / self.classes
    }

    /// Returns the number of classes, at least 2.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Returns the logits of a row in f64, which represents every score type exactly.
    ///
    /// # Panics
    ///
    /// Panics if `row` is not below [`rows`](Self::rows).
    pub fn row(&self, row: usize) -> Vec<f64> {
        self.logits.range(row * self.classes..(row + 1) * self.classes).to_f64()
    }

    /// Returns all logits, `[rows, classes]` in row-major order.
    pub fn logits(&self) -> ScoreSlice<'a> {
        self.logits
    }
}

/// The largest logit of a row and its distances to the second largest and to the smallest unmasked
/// logit.
pub(in crate::metric) struct Spread {
    pub(in crate::metric) max: f64,
    /// Infinite if all other classes are masked.
    pub(in crate::metric) gap: f64,
    pub(in crate::metric) range: f64,
}

impl Spread {
    pub(in crate::metric) fn of<T: ScoreType>(row: &[T]) -> Self {
        let (mut first, mut second, mut last) =
            (f64::NEG_INFINITY, f64::NEG_INFINITY, f64::INFINITY);
        for &logit in row {
            let logit: f64 = logit.into();
            (first, second) =
                if logit > first { (logit, first) } else { (first, second.max(logit)) };
            last = if logit > f64::NEG_INFINITY { last.min(logit) } else { last };
        }
        Self { max: first, gap: first - second, range: first - last }
    }
}
