use super::classes::check_classes;
use super::label::{Label, counted};
use crate::{Error, Result};
use std::borrow::Cow;

/// The rows whose label counts: scores and labels without the rows of an ignored label, such as
/// PyTorch's -100 for padding. Every metric and every fit of rows takes them.
///
/// Scores are logits, probabilities or whatever else is a number per class. They are copied only
/// where a row is left out. The scores of a row that is left out may be anything.
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
/// let metrics = measure_logits(&ClassificationMetrics::new(15)?, rows.scores(), 2, rows.labels())?;
/// assert_eq!(metrics.value().expect("two rows").accuracy, 0.5);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CountedRows<'a, T: Clone> {
    scores: Cow<'a, [T]>,
    labels: Cow<'a, [u32]>,
    ignored: usize,
    /// The row that each was among all, where some are left out.
    rows: Option<Vec<usize>>,
}

impl<'a, T: Clone> CountedRows<'a, T> {
    /// Leaves out the rows whose label is one of `ignored`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than two classes, [`Error::Shape`] where the lengths do not
    /// fit, [`Error::Label`] for a label that is neither a class nor ignored.
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

    /// The scores of the rows that count, `[rows, classes]`.
    pub fn scores(&self) -> &[T] {
        &self.scores
    }

    /// The label of each row that counts.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The number of rows that were left out.
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Returns the place that a row that counts has among all rows.
    ///
    /// # Panics
    ///
    /// As indexing does, where `row` is not below the number of rows that count.
    pub fn place(&self, row: usize) -> usize {
        self.rows.as_ref().map_or(row, |rows| rows[row])
    }
}

/// The scores of some rows.
pub(super) fn select_rows<T: Clone>(scores: &[T], width: usize, rows: &[usize]) -> Vec<T> {
    let mut selected = Vec::with_capacity(rows.len() * width);
    rows.iter().for_each(|row| selected.extend_from_slice(&scores[row * width..][..width]));
    selected
}
