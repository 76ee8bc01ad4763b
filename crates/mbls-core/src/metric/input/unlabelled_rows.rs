use super::classes::check_classes;
use super::masked::{Extremes, check_logits};
use super::precision::Precision;
use super::probability_rows::{check_probs, clip};
use super::score_type::ScoreType;
use super::softmax::{self, GROUP, TopClasses};
use super::stored_scores::StoredScores;
use crate::{Error, Result};
use std::sync::OnceLock;

/// A validated batch of scored rows without labels: the probabilities, the prediction and the
/// confidence of each row.
///
/// It serves statistics that need no labels, such as
/// [`ProbabilityStatistics`](crate::metric::ProbabilityStatistics) and
/// [`OodScore`](crate::metric::OodScore), and rows that have none.
/// [`Predictions::unlabelled`](crate::metric::Predictions::unlabelled) returns the rows of
/// predictions.
///
/// ```
/// use mbls_core::metric::UnlabelledRows;
///
/// let rows = UnlabelledRows::from_logits(&[1.0, f32::NEG_INFINITY, 1.0, 0.0, 0.0, 9e9], 3)?;
/// assert_eq!((rows.rows(), rows.probs(0)), (2, &[0.5, 0.0, 0.5][..]));
/// assert_eq!((rows.predicted(1), rows.confidence(1)), (2, 1.0));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct UnlabelledRows<'a> {
    classes: usize,
    rows: usize,
    scores: StoredScores<'a>,
    inverse_temperature: f64,
    /// The given probabilities, or those of the logits, computed on first use.
    probs: OnceLock<Vec<f64>>,
    /// Computed on first use.
    top: OnceLock<TopClasses>,
    /// The number of input probabilities that were clipped.
    clipped: u64,
}

/// Compares the probabilities.
impl PartialEq for UnlabelledRows<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.classes == other.classes && self.all_probs() == other.all_probs()
    }
}

impl<'a> UnlabelledRows<'a> {
    /// Scores rows by the softmax of their logits.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order, of any [`ScoreType`]; at least two classes,
    /// any number of rows.
    ///
    /// # Errors
    ///
    /// - [`Error::Setting`] for fewer than two classes.
    /// - [`Error::Shape`] if the length is not a multiple of `classes`.
    /// - [`Error::Value`] for a logit that is NaN or plus infinity, and for a row whose logits are
    ///   all minus infinity.
    pub fn from_logits<T: ScoreType>(logits: &'a [T], classes: usize) -> Result<Self> {
        Self::from_logits_at(logits, classes, 1.0)
    }

    /// Scores rows by the softmax of their logits divided by a temperature.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`from_logits`](Self::from_logits), and [`Error::Setting`] if the
    /// temperature is not finite or is below the smallest normal number.
    pub fn from_logits_at<T: ScoreType>(
        logits: &'a [T],
        classes: usize,
        temperature: f64,
    ) -> Result<Self> {
        let inverse_temperature = 1.0 / check_temperature(temperature)?;
        check_rows("logits", logits.len(), classes)?;
        Self::of_logits(logits, classes, inverse_temperature)
    }

    /// Validates probabilities in the precision of their type. Values that are below 0 or above 1
    /// due to rounding, by at most [`Precision::rounding`], are clipped and
    /// [counted](Self::clipped).
    ///
    /// # Shapes
    ///
    /// `probs` `[rows, classes]` in row-major order, of any [`ScoreType`]; at least two classes,
    /// any number of rows.
    ///
    /// # Errors
    ///
    /// - [`Error::Setting`] for fewer than two classes.
    /// - [`Error::Shape`] if the length is not a multiple of `classes`.
    /// - [`Error::Value`] for a probability outside of `[0, 1]`.
    /// - [`Error::ProbabilitySum`] for a row whose sum differs from 1 by more than
    ///   [`Precision::sum_tolerance`].
    pub fn from_probs<T: ScoreType>(probs: &[T], classes: usize) -> Result<Self> {
        Self::from_probs_in(probs, classes, T::PRECISION)
    }

    /// Validates probabilities that were computed in a given precision.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`from_probs`](Self::from_probs).
    pub fn from_probs_in<T: ScoreType>(
        probs: &[T],
        classes: usize,
        precision: Precision,
    ) -> Result<Self> {
        check_rows("probabilities", probs.len(), classes)?;
        Self::of_probs(probs.iter().map(|&p| p.into()).collect(), classes, precision)
    }

    /// Validates probabilities of class 1 out of two classes. Class 0 has the complement.
    ///
    /// # Shapes
    ///
    /// `probs` `[rows]`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`from_probs`](Self::from_probs).
    pub fn from_binary<T: ScoreType>(probs: &[T]) -> Result<Self> {
        Self::from_binary_in(probs, T::PRECISION)
    }

    /// Validates probabilities of class 1 out of two classes that were computed in a given
    /// precision.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`from_probs`](Self::from_probs).
    pub fn from_binary_in<T: ScoreType>(probs: &[T], precision: Precision) -> Result<Self> {
        let rounding = precision.rounding(2);
        let mut probs: Vec<f64> = probs.iter().map(|&p| p.into()).collect();
        if let Some(row) = probs.iter().position(|p| !(-rounding..=1.0 + rounding).contains(p)) {
            let (value, expected) = (probs[row], "a number from 0 to 1");
            return Err(Error::Value { what: "probability", value, row, class: 1, expected });
        }
        let clipped = clip(&mut probs);
        let rows =
            Self::of_probs(probs.iter().flat_map(|&p| [1.0 - p, p]).collect(), 2, precision)?;
        Ok(Self { clipped, ..rows })
    }

    /// Creates rows from logits whose number is a multiple of `classes`.
    pub(super) fn of_logits<T: ScoreType>(
        logits: &'a [T],
        classes: usize,
        inverse_temperature: f64,
    ) -> Result<Self> {
        let (scores, inverse_temperature) = match check_logits(logits, classes)? {
            Extremes::None => (T::keep(logits), inverse_temperature),
            Extremes::Some => T::keep(logits).within_f64(inverse_temperature),
        };
        let (rows, probs, top) = (logits.len() / classes, OnceLock::new(), OnceLock::new());
        Ok(Self { classes, rows, scores, inverse_temperature, probs, top, clipped: 0 })
    }

    /// Creates rows from probabilities whose number is a multiple of `classes`.
    pub(super) fn of_probs(
        mut probs: Vec<f64>,
        classes: usize,
        precision: Precision,
    ) -> Result<Self> {
        let clipped = check_probs(&mut probs, classes, precision)?;
        let (rows, probs, top) = (probs.len() / classes, OnceLock::from(probs), OnceLock::new());
        Ok(Self {
            classes,
            rows,
            scores: StoredScores::None,
            inverse_temperature: 1.0,
            probs,
            top,
            clipped,
        })
    }

    /// Returns the rows at the indices `rows`, in that order. Indices may repeat, as in a
    /// bootstrap. The result has no [clipped](Self::clipped) values.
    ///
    /// # Panics
    ///
    /// Panics if an index is not below [`rows`](Self::rows).
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> UnlabelledRows<'static> {
        let indices = || rows.iter().map(|&row| row as usize);
        let (scores, probs) = match &self.scores {
            StoredScores::None => (
                StoredScores::None,
                OnceLock::from(gather(self.all_probs(), self.classes, indices())),
            ),
            StoredScores::F32(scores) => {
                (StoredScores::F32(gather(scores, self.classes, indices()).into()), OnceLock::new())
            }
            StoredScores::F64(scores) => {
                (StoredScores::F64(gather(scores, self.classes, indices()).into()), OnceLock::new())
            }
        };
        UnlabelledRows {
            classes: self.classes,
            rows: rows.len(),
            scores,
            inverse_temperature: self.inverse_temperature,
            probs,
            top: self.top.get().map_or_else(OnceLock::new, |top| OnceLock::from(top.select(rows))),
            clipped: 0,
        }
    }

    /// Returns the same rows with borrowed data copied.
    #[must_use]
    pub fn into_owned(self) -> UnlabelledRows<'static> {
        UnlabelledRows { scores: self.scores.into_owned(), ..self }
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of classes, at least 2.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Returns the number of input probabilities that were below 0 or above 1 due to rounding and
    /// were clipped.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Returns the probabilities of a row, one per class.
    ///
    /// # Panics
    ///
    /// Like the other accessors of a row, panics if `row` is not below [`rows`](Self::rows).
    pub fn probs(&self, row: usize) -> &[f64] {
        &self.all_probs()[row * self.classes..][..self.classes]
    }

    /// Returns the first class with the largest score.
    pub fn predicted(&self, row: usize) -> u32 {
        self.top().predicted[row]
    }

    /// Returns the probability of the predicted class.
    pub fn confidence(&self, row: usize) -> f64 {
        self.top().confidence[row]
    }

    /// Returns prediction and confidence of every row.
    pub(in crate::metric) fn top(&self) -> &TopClasses {
        let b = self.inverse_temperature;
        self.top.get_or_init(|| match &self.scores {
            StoredScores::None => {
                let rows = self.all_probs().chunks_exact(self.classes);
                let (predicted, confidence) =
                    rows.map(|row| (first_maximum(row) as u32, row[first_maximum(row)])).unzip();
                TopClasses { predicted, confidence }
            }
            StoredScores::F32(logits) => softmax::top_classes(logits, self.classes, b),
            StoredScores::F64(logits) => softmax::top_classes(logits, self.classes, b),
        })
    }

    /// Sets prediction and confidence if they have already been computed.
    pub(super) fn set_top(&self, top: impl FnOnce() -> TopClasses) {
        self.top.get_or_init(top);
    }

    /// Returns the logits, or none if probabilities were given, and their inverse temperature.
    pub(super) fn scores(&self) -> (&StoredScores<'a>, f64) {
        (&self.scores, self.inverse_temperature)
    }

    /// Calls `with(first, count, columns)` for each group of up to [`GROUP`] rows: the index of the
    /// first row, the number of rows, and their probabilities as columns, one per class. Returns
    /// `false` without a call if probabilities were given or there are too many classes.
    ///
    /// The probabilities are bit-identical to [`probs`](Self::probs), but not stored. Lanes without
    /// a row contain the values of another row.
    pub(super) fn for_each_group(&self, with: impl FnMut(usize, usize, &[[f64; GROUP]])) -> bool {
        let (classes, b) = (self.classes, self.inverse_temperature);
        match &self.scores {
            StoredScores::F32(logits) if classes <= softmax::FEW => {
                softmax::for_each_group(logits, classes, b, with);
            }
            StoredScores::F64(logits) if classes <= softmax::FEW => {
                softmax::for_each_group(logits, classes, b, with);
            }
            _ => return false,
        }
        true
    }

    /// Returns the probabilities of all rows, `[rows, classes]`.
    pub(in crate::metric) fn all_probs(&self) -> &[f64] {
        self.probs.get_or_init(|| match &self.scores {
            StoredScores::None => Vec::new(),
            StoredScores::F32(logits) => {
                softmax::probabilities(logits, self.classes, self.inverse_temperature)
            }
            StoredScores::F64(logits) => {
                softmax::probabilities(logits, self.classes, self.inverse_temperature)
            }
        })
    }
}

fn gather<T: Copy>(values: &[T], classes: usize, rows: impl Iterator<Item = usize>) -> Vec<T> {
    rows.flat_map(|row| &values[row * classes..][..classes]).copied().collect()
}

/// Checks that the number of scores is a multiple of the number of classes.
pub(super) fn check_rows(what: &'static str, scores: usize, classes: usize) -> Result<()> {
    check_classes(classes)?;
    if scores.is_multiple_of(classes) {
        return Ok(());
    }
    Err(Error::Shape {
        what,
        expected: format!("rows of {classes} classes"),
        found: format!("{scores} values"),
    })
}

/// Returns `temperature` if it is a normal number greater than 0. The inverse of a subnormal number
/// may be infinite.
pub(crate) fn check_temperature(temperature: f64) -> Result<f64> {
    if temperature >= f64::MIN_POSITIVE && temperature.is_finite() {
        return Ok(temperature);
    }
    let expected = if temperature > 0.0 && temperature.is_finite() {
        "2.3e-308 or greater"
    } else {
        "a finite number greater than 0"
    };
    Err(Error::Setting { name: "temperature", value: temperature.to_string(), expected })
}

/// Returns the first class with the largest score.
pub(crate) fn first_maximum(row: &[f64]) -> usize {
    let mut best = 0;
    for (k, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = k;
        }
    }
    best
}
