use super::Label;
use super::label::{classes_of, not_a_class, of_type};
use super::logit_rows::check_classes;
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
}

impl<'a, T: Clone> CountedRows<'a, T> {
    /// Leaves out the rows whose label is one of `ignored`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than two classes, [`Error::Shape`] where the lengths do not
    /// fit, [`Error::Label`] for a label that is neither a class nor ignored.
    pub fn new<L: Label>(scores: &'a [T], classes: usize, labels: &'a [L], ignored: &[i64]) -> Result<Self> {
        check_classes(classes)?;
        if labels.len().checked_mul(classes) != Some(scores.len()) {
            return Err(Error::Shape {
                what: "scores",
                expected: format!("{} labels x {classes} classes", labels.len()),
                found: format!("{} values", scores.len()),
            });
        }
        let ignored = of_type::<L>(ignored);
        let counts = |label: &&L| !ignored.contains(label);
        let counted = labels.iter().filter(counts).count();
        let wrong = |(_, label): &(usize, &L)| counts(label) && label.class(classes).is_none();
        if let Some((row, &label)) = labels.iter().enumerate().find(wrong) {
            return Err(not_a_class(label, row, classes));
        }
        if counted == labels.len() {
            let (scores, labels) = (Cow::Borrowed(scores), classes_of(labels, classes)?);
            return Ok(Self { scores, labels, ignored: 0 });
        }
        let rows = scores.chunks_exact(classes).zip(labels).filter(|(_, label)| counts(label));
        let mut kept = Vec::with_capacity(counted * classes);
        rows.for_each(|(row, _)| kept.extend_from_slice(row));
        Ok(Self {
            scores: Cow::Owned(kept),
            labels: labels.iter().filter(counts).filter_map(|label| label.class(classes)).collect(),
            ignored: labels.len() - counted,
        })
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
}
