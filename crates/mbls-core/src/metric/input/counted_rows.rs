use super::classes::check_classes;
use super::label::{Label, counted};
use crate::{Error, Result};
use std::borrow::Cow;

/// Scores and labels without the rows that have an ignored label, such as PyTorch's -100 for
/// padding. Every metric and every fit accepts them.
///
/// Scores are logits, probabilities or any other number per class. They are copied only if a row is
/// ignored. The scores of ignored rows may have any value.
///
/// # Shapes
///
/// `scores` `[rows, classes]` in row-major order, `labels` `[rows]`.
///
/// ```
/// use mbls_core::metric::{ClassificationMetrics, CountedRows, Metric, measure_logits};
///
/// let (logits, labels) = ([2.0, 0.0, f64::NAN, f64::NAN, 1.0, 3.0], [0i64, -100, 0]);
/// let rows = CountedRows::new(&logits, 2, &labels, &[-100])?;
/// assert_eq!((rows.labels(), rows.ignored()), (&[0, 0][..], 1));
/// let metrics =
///     measure_logits(&ClassificationMetrics::new(15)?, rows.scores(), 2, rows.labels())?;
/// assert_eq!(metrics.value().expect("two rows").accuracy, 0.5);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CountedRows<'a, T: Clone> {
    scores: Cow<'a, [T]>,
    labels: Cow<'a, [u32]>,
    ignored: usize,
    /// The original index of each row, if some rows are ignored.
    rows: Option<Vec<usize>>,
}

impl<'a, T: Clone> CountedRows<'a, T> {
    /// Removes the rows whose label is one of `ignored`.
    ///
    /// # Errors
    ///
    /// - [`Error::Setting`] for fewer than two classes.
    /// - [`Error::Shape`] if the lengths do not match.
    /// - [`Error::Label`] for a label that is neither a class nor ignored.
    pub fn new<L: Label>(
        scores: &'a [T],
        classes: usize,
        labels: &'a [L],
        ignored: &[i64],
    ) -> Result<Self> {
        check_classes(classes)?;
        if labels.len().checked_mul(classes) != Some(scores.len()) {
            return Err(Error::Shape {
                what: "scores",
                expected: format!("{} labels x {classes} classes", labels.len()),
                found: format!("{} values", scores.len()),
            });
        }
        let (counted, rows) = counted(labels, ignored, classes)?;
        let scores = match &rows {
            None => Cow::Borrowed(scores),
            Some(rows) => Cow::Owned(select_rows(scores, classes, rows)),
        };
        let ignored = labels.len() - counted.len();
        Ok(Self { scores, labels: counted, ignored, rows })
    }

    /// Returns the scores of the remaining rows, `[rows, classes]`.
    pub fn scores(&self) -> &[T] {
        &self.scores
    }

    /// Returns the label of each remaining row.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Returns the number of ignored rows.
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Returns the original index of a remaining row.
    ///
    /// # Panics
    ///
    /// Panics if `row` is not below the number of remaining rows.
    pub fn place(&self, row: usize) -> usize {
        self.rows.as_ref().map_or(row, |rows| rows[row])
    }
}

/// Copies the scores of some rows.
pub(super) fn select_rows<T: Clone>(scores: &[T], width: usize, rows: &[usize]) -> Vec<T> {
    let mut selected = Vec::with_capacity(rows.len() * width);
    rows.iter().for_each(|row| selected.extend_from_slice(&scores[row * width..][..width]));
    selected
}
