use crate::metric::{SUM_TOLERANCE, Score, check_classes};
use crate::simd::{exp, ln};
use crate::{Error, Result};
use std::borrow::Cow;

/// Validated rows of logits or of probabilities: what a calibrator is fitted to and maps.
///
/// Kept in f64, `[rows, classes]` in row-major order. A calibrator of probabilities takes logits too, through their softmax, and
/// one that is invariant to the row's offset takes probabilities for logits, through their logarithms.
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
}

/// What the numbers of [`Scores`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreKind {
    /// Any finite numbers; their softmax is the model's probabilities.
    Logits,
    /// Numbers from 0 to 1 that sum to 1 in each row.
    Probabilities,
}

/// The least probability whose logarithm is taken, the smallest normal f32: below it an f32 softmax keeps no digits.
const LEAST_PROB: f64 = f32::MIN_POSITIVE as f64;

impl Scores {
    /// Takes logits.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order; at least two classes, any number of rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than two classes, [`Error::Shape`] where the length is no multiple of them,
    /// [`Error::Value`] for a logit that is not finite.
    pub fn from_logits<T: Score>(logits: &[T], classes: usize) -> Result<Self> {
        let scores = Self::new(ScoreKind::Logits, logits, classes)?;
        scores.check_values("logit", "a finite number", f64::is_finite)?;
        Ok(scores)
    }

    /// Takes probabilities as they are.
    ///
    /// # Shapes
    ///
    /// `probs` `[rows, classes]` in row-major order; at least two classes, any number of rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than two classes, [`Error::Shape`] where the length is no multiple of them,
    /// [`Error::Value`] for a probability outside of `[0, 1]`, [`Error::ProbabilitySum`] for a row whose sum is further than
    /// 1e-3 from 1.
    pub fn from_probs<T: Score>(probs: &[T], classes: usize) -> Result<Self> {
        let scores = Self::new(ScoreKind::Probabilities, probs, classes)?;
        scores.check_values("probability", "a number from 0 to 1", |p| (0.0..=1.0).contains(&p))?;
        for (row, values) in scores.values.chunks_exact(classes).enumerate() {
            let sum: f64 = values.iter().sum();
            if (sum - 1.0).abs() > SUM_TOLERANCE {
                return Err(Error::ProbabilitySum { row, sum });
            }
        }
        Ok(scores)
    }

    fn new<T: Score>(kind: ScoreKind, values: &[T], classes: usize) -> Result<Self> {
        check_classes(classes)?;
        if !values.len().is_multiple_of(classes) {
            let expected = format!("a multiple of {classes} classes");
            return Err(Error::Shape { what: "scores", expected, found: format!("{} values", values.len()) });
        }
        Ok(Self { kind, classes, values: values.iter().map(|&value| value.into()).collect() })
    }

    fn check_values(&self, what: &'static str, expected: &'static str, valid: impl Fn(f64) -> bool) -> Result<()> {
        match self.values.iter().position(|&value| !valid(value)) {
            None => Ok(()),
            Some(at) => {
                let (row, class) = (at / self.classes, at % self.classes);
                Err(Error::Value { what, value: self.values[at], row, class, expected })
            }
        }
    }

    /// Whether they are logits or probabilities.
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

    /// The numbers as they were given, `[rows, classes]`.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The probabilities, `[rows, classes]`: of logits their softmax.
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

    /// The logarithms of the probabilities, `[rows, classes]`: of logits their exact log-softmax, of probabilities at least
    /// that of the smallest normal f32.
    pub(super) fn log_probs(&self) -> Vec<f64> {
        let mut logs = self.values.clone();
        match self.kind {
            ScoreKind::Probabilities => logs.iter_mut().for_each(|p| *p = libm::log(p.max(LEAST_PROB))),
            ScoreKind::Logits => {
                for row in logs.chunks_exact_mut(self.classes) {
                    let log_sum = log_sum_exp(row);
                    row.iter_mut().for_each(|logit| *logit -= log_sum);
                }
            }
        }
        logs
    }

    /// An error where the labels are not one class per row, or there are no rows to fit `what` to.
    pub(super) fn check_labels(&self, what: &'static str, labels: &[u32]) -> Result<()> {
        if labels.len() != self.rows() {
            let (expected, found) = (format!("{} rows of scores", self.rows()), format!("{} labels", labels.len()));
            return Err(Error::Shape { what, expected, found });
        }
        if labels.is_empty() {
            return Err(Error::NoRows { what });
        }
        match labels.iter().position(|&label| label as usize >= self.classes) {
            Some(row) => Err(Error::Label { label: labels[row].into(), row, classes: self.classes }),
            None => Ok(()),
        }
    }

    /// An error where a calibrator was fitted to another number of classes.
    pub(super) fn check_fitted_classes(&self, what: &'static str, fitted: usize) -> Result<()> {
        if self.classes == fitted {
            return Ok(());
        }
        let (expected, found) = (format!("scores of {fitted} classes"), format!("{} classes", self.classes));
        Err(Error::Shape { what, expected, found })
    }
}

/// `log sum_k exp(l_k)`, shifted by the maximum.
pub(super) fn log_sum_exp(logits: &[f64]) -> f64 {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + ln(logits.iter().map(|logit| exp(logit - max)).sum())
}

/// Turns a row of logits into its probabilities.
pub(super) fn softmax(logits: &mut [f64]) {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logits.iter_mut().for_each(|logit| *logit = exp(*logit - max));
    let sum: f64 = logits.iter().sum();
    logits.iter_mut().for_each(|p| *p /= sum);
}
