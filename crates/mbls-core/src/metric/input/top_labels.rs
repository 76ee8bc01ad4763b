use super::precision::Precision;
use super::predictions::Predictions;
use super::probability_rows::clip;
use super::score_type::ScoreType;
use crate::{Error, Result};

/// The confidence of each row's prediction and whether it is correct: sufficient for top-label
/// calibration.
///
/// For outputs of which nothing else was saved. [`Predictions`] can be converted to it.
///
/// ```
/// use mbls_core::metric::{Metric, ReliabilityBins, TopLabels};
///
/// let mut bins = ReliabilityBins::new(10)?;
/// bins.add(&TopLabels::new(&[0.75, 0.75], &[true, false])?)?;
/// assert_eq!(bins.value().expect("two rows were added").ece(), 0.25);
///
/// let error = TopLabels::new(&[0.5, 1.5], &[true, false]).unwrap_err();
/// assert_eq!(error.to_string(), "confidence 1.5 at row 1: expected a number from 0 to 1");
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TopLabels {
    confidences: Vec<f64>,
    correct: Vec<bool>,
    clipped: u64,
}

impl TopLabels {
    /// Validates confidences and correctness. Confidences outside of `[0, 1]` due to rounding of
    /// their type are clipped and [counted](Self::clipped).
    ///
    /// # Shapes
    ///
    /// Both `[rows]`, any number of rows.
    ///
    /// # Errors
    ///
    /// - [`Error::Shape`] if the lengths differ.
    /// - [`Error::Confidence`] for a confidence outside of `[0, 1]`.
    pub fn new<T: ScoreType>(confidences: &[T], correct: &[bool]) -> Result<Self> {
        Self::new_in(confidences, correct, T::PRECISION)
    }

    /// Validates confidences that were computed in a given precision.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`new`](Self::new).
    pub fn new_in<T: ScoreType>(
        confidences: &[T],
        correct: &[bool],
        precision: Precision,
    ) -> Result<Self> {
        if confidences.len() != correct.len() {
            return Err(Error::Shape {
                what: "correctness of the predictions",
                expected: format!("{} values, one per confidence", confidences.len()),
                found: format!("{} values", correct.len()),
            });
        }
        // The number of classes is unknown but at least two.
        let rounding = precision.rounding(2);
        let mut confidences: Vec<f64> =
            confidences.iter().map(|&confidence| confidence.into()).collect();
        if let Some(row) =
            confidences.iter().position(|p| !(-rounding..=1.0 + rounding).contains(p))
        {
            return Err(Error::Confidence { value: confidences[row], row });
        }
        let clipped = clip(&mut confidences);
        Ok(Self { confidences, correct: correct.to_vec(), clipped })
    }

    /// Returns the number of confidences that were below 0 or above 1 due to rounding and were
    /// clipped.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.confidences.len()
    }

    /// Returns the probability of the predicted class.
    ///
    /// # Panics
    ///
    /// Like [`correct`](Self::correct), panics if `row` is not below [`rows`](Self::rows).
    pub fn confidence(&self, row: usize) -> f64 {
        self.confidences[row]
    }

    /// Returns whether the predicted class is the label.
    pub fn correct(&self, row: usize) -> bool {
        self.correct[row]
    }

    /// Returns the rows at the indices `rows`, in that order. Indices may repeat, as in a
    /// bootstrap. The result has no [clipped](Self::clipped) values.
    ///
    /// # Panics
    ///
    /// Panics if an index is not below [`rows`](Self::rows).
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        Self {
            confidences: rows.iter().map(|&row| self.confidences[row as usize]).collect(),
            correct: rows.iter().map(|&row| self.correct[row as usize]).collect(),
            clipped: 0,
        }
    }

    /// Iterates over confidence and correctness of every row.
    pub(in crate::metric) fn iter(&self) -> impl ExactSizeIterator<Item = (f64, bool)> {
        (0..self.rows()).map(|row| (self.confidences[row], self.correct[row]))
    }
}

impl From<&Predictions<'_>> for TopLabels {
    fn from(predictions: &Predictions) -> Self {
        let (confidences, correct) = top_labels(predictions).unzip();
        Self { confidences, correct, clipped: 0 }
    }
}

/// Iterates over confidence and correctness of every row of the predictions.
pub(in crate::metric) fn top_labels(
    predictions: &Predictions,
) -> impl ExactSizeIterator<Item = (f64, bool)> {
    let rows = predictions.all_rows();
    let correct = rows
        .predicted
        .iter()
        .zip(predictions.labels())
        .map(|(predicted, label)| predicted == label);
    rows.confidence.iter().copied().zip(correct)
}
