use crate::metric::{Precision, ScoreType, check_classes, check_logits, check_probs};
use crate::simd::{exp, ln};
use crate::{Error, Result};
use std::borrow::Cow;

/// Validated rows of logits or probabilities, the input of every calibrator.
///
/// Stored in f64, `[rows, classes]` in row-major order. A calibrator of probabilities also accepts
/// logits, through their softmax. A calibrator that is invariant to a row's offset also accepts
/// probabilities, with their logarithms as logits.
///
/// ```
/// use mbls_core::calibration::Scores;
///
/// let scores = Scores::from_logits(&[2.0f32, 0.0, 0.0, 1.0], 2)?;
/// assert_eq!((scores.rows(), scores.classes()), (2, 2));
/// let error = Scores::from_probs(&[0.5, 0.6], 2).unwrap_err();
/// assert_eq!(error.to_string(), "the probabilities of row 0 sum to 1.1: expected 1");
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    kind: ScoreKind,
    classes: usize,
    values: Vec<f64>,
    clipped: u64,
}

/// The kind of numbers in [`Scores`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreKind {
    /// Finite numbers whose softmax is the model's probabilities, and minus infinity for masked
    /// classes.
    Logits,
    /// Numbers from 0 to 1 that sum to 1 in each row.
    Probabilities,
}

/// The smallest probability whose logarithm is taken: the smallest normal f32, below which an f32
/// softmax has no accurate digits.
const LEAST_PROB: f64 = f32::MIN_POSITIVE as f64;

impl Scores {
    /// Validates logits.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order; at least two classes, any number of rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than two classes, [`Error::Shape`] if the length is not a
    /// multiple of the number of classes, [`Error::Value`] for a logit of NaN or plus infinity and
    /// for a row whose logits are all minus infinity.
    pub fn from_logits<T: ScoreType>(logits: &[T], classes: usize) -> Result<Self> {
        let scores = Self::new(ScoreKind::Logits, logits, classes)?;
        check_logits(&scores.values, classes)?;
        Ok(scores)
    }

    /// Validates probabilities in the precision of their type. Values that rounding has taken out
    /// of `[0, 1]` are clipped and [counted](Self::clipped).
    ///
    /// # Shapes
    ///
    /// `probs` `[rows, classes]` in row-major order; at least two classes, any number of rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than two classes, [`Error::Shape`] if the length is not a
    /// multiple of the number of classes, [`Error::Value`] for a probability outside of `[0, 1]`,
    /// [`Error::ProbabilitySum`] for a row whose sum differs from 1 by more than
    /// [`Precision::sum_tolerance`].
    pub fn from_probs<T: ScoreType>(probs: &[T], classes: usize) -> Result<Self> {
        Self::from_probs_in(probs, classes, T::PRECISION)
    }

    /// Validates probabilities that were computed in another precision than that of their type,
    /// such as the output of a bf16 model saved as f32.
    ///
    /// # Errors
    ///
    /// Same as [`from_probs`](Self::from_probs).
    pub fn from_probs_in<T: ScoreType>(
        probs: &[T],
        classes: usize,
        precision: Precision,
    ) -> Result<Self> {
        let mut scores = Self::new(ScoreKind::Probabilities, probs, classes)?;
        scores.clipped = check_probs(&mut scores.values, classes, precision)?;
        Ok(scores)
    }

    fn new<T: ScoreType>(kind: ScoreKind, values: &[T], classes: usize) -> Result<Self> {
        check_classes(classes)?;
        if !values.len().is_multiple_of(classes) {
            let expected = format!("a multiple of {classes} classes");
            return Err(Error::Shape {
                what: "scores",
                expected,
                found: format!("{} values", values.len()),
            });
        }
        Ok(Self {
            kind,
            classes,
            values: values.iter().map(|&value| value.into()).collect(),
            clipped: 0,
        })
    }

    /// Whether the scores are logits or probabilities.
    pub fn kind(&self) -> ScoreKind {
        self.kind
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.classes
    }

    /// The number of classes, at least 2.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The number of probabilities that rounding had taken below 0 or above 1, and that were
    /// clipped.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Returns the given rows, in the given order.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let values =
            rows.iter().flat_map(|&row| &self.values[row * self.classes..(row + 1) * self.classes]);
        Self {
            kind: self.kind,
            classes: self.classes,
            values: values.copied().collect(),
            clipped: 0,
        }
    }

    /// The numbers, `[rows, classes]`.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// Returns the probabilities, `[rows, classes]`; for logits, their softmax.
    pub(super) fn probs(&self) -> Cow<'_, [f64]> {
        match self.kind {
            ScoreKind::Probabilities => Cow::Borrowed(&self.values),
            ScoreKind::Logits => {
                let mut probs = self.values.clone();
                probs.chunks_exact_mut(self.classes).for_each(softmax);
                Cow::Owned(probs)
            }
        }
    }

    /// Returns the logarithms of the probabilities, `[rows, classes]`: for logits the exact
    /// log-softmax, for probabilities at least the logarithm of the smallest normal f32. Masked
    /// classes have minus infinity.
    pub(super) fn log_probs(&self) -> Vec<f64> {
        let mut logs = self.values.clone();
        match self.kind {
            ScoreKind::Probabilities => {
                logs.iter_mut().for_each(|p| *p = libm::log(p.max(LEAST_PROB)));
            }
            ScoreKind::Logits => {
                for row in logs.chunks_exact_mut(self.classes) {
                    let log_sum = log_sum_exp(row);
                    let finite = row.iter_mut().filter(|logit| logit.is_finite());
                    // Finite logits have finite logarithms, even if their difference is out of the
                    // range of f64.
                    finite.for_each(|logit| *logit = (*logit - log_sum).max(-f64::MAX));
                }
            }
        }
        logs
    }

    /// Returns an error if a class is masked, because a linear map of its logit is undefined.
    pub(super) fn check_unmasked(&self) -> Result<()> {
        match self.values.iter().position(|&value| value == f64::NEG_INFINITY) {
            None => Ok(()),
            Some(at) => Err(Error::Value {
                what: "logit",
                value: self.values[at],
                row: at / self.classes,
                class: at % self.classes,
                expected: "a finite number: a linear map of a masked class is undefined",
            }),
        }
    }

    /// Returns an error if the labels are not one class per row, or if there are no rows to fit
    /// `what` to.
    pub(super) fn check_labels(&self, what: &'static str, labels: &[u32]) -> Result<()> {
        if labels.len() != self.rows() {
            let (expected, found) =
                (format!("{} rows of scores", self.rows()), format!("{} labels", labels.len()));
            return Err(Error::Shape { what, expected, found });
        }
        if labels.is_empty() {
            return Err(Error::NoRows { what });
        }
        match labels.iter().position(|&label| label as usize >= self.classes) {
            Some(row) => {
                Err(Error::Label { label: labels[row].into(), row, classes: self.classes })
            }
            None => Ok(()),
        }
    }

    /// Returns an error if the calibrator was fitted to another number of classes.
    pub(super) fn check_fitted_classes(&self, what: &'static str, fitted: usize) -> Result<()> {
        if self.classes == fitted {
            return Ok(());
        }
        let (expected, found) =
            (format!("scores of {fitted} classes"), format!("{} classes", self.classes));
        Err(Error::Shape { what, expected, found })
    }
}

/// `log sum_k exp(l_k)`, shifted by the maximum.
pub(super) fn log_sum_exp(logits: &[f64]) -> f64 {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + ln(logits.iter().map(|logit| exp(logit - max)).sum())
}

/// Replaces a row of logits by its probabilities.
pub(super) fn softmax(logits: &mut [f64]) {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logits.iter_mut().for_each(|logit| *logit = exp(*logit - max));
    let sum: f64 = logits.iter().sum();
    logits.iter_mut().for_each(|p| *p /= sum);
}
