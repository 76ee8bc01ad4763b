use super::classes::check_classes;
use super::masked::{Extremes, check_logits};
use super::precision::Precision;
use super::probability_rows::{check_probs, clip};
use super::score_type::ScoreType;
use super::softmax::{self, GROUP, TopClasses};
use super::stored_scores::StoredScores;
use crate::{Error, Result};
use std::sync::OnceLock;

/// A validated batch of scored rows without labels: the probabilities of each row, its prediction
/// and its confidence.
///
/// For statistics that need no labels, as
/// [`ProbabilityStatistics`](crate::metric::ProbabilityStatistics) and
/// [`OodScore`](crate::metric::OodScore), and for rows that have none.
/// [`Predictions`](crate::metric::Predictions) are such rows with labels and give them by
/// [`unlabelled`](crate::metric::Predictions::unlabelled).
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
    /// Given ones, or those of the logits once somebody asked for them.
    probs: OnceLock<Vec<f64>>,
    /// Once somebody asked for them.
    top: OnceLock<TopClasses>,
    /// How many given probabilities were clipped.
    clipped: u64,
}

/// Equality of the probabilities.
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
    /// `logits` `[rows, classes]` in row-major order, of any type that is a [`ScoreType`]; at least
    /// two classes, any number of rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than two classes, [`Error::Shape`] where the length is not a
    /// multiple of them, [`Error::Value`] for a logit of NaN or plus infinity and for a row
    /// whose logits are all minus infinity.
    pub fn from_logits<T: ScoreType>(logits: &'a [T], classes: usize) -> Result<Self> {
        Self::from_logits_at(logits, classes, 1.0)
    }

    /// Scores rows by the softmax of their logits divided by a temperature.
    ///
    /// # Errors
    ///
    /// Those of [`from_logits`](Self::from_logits), and [`Error::Setting`] for a temperature that
    /// is not finite, or below the least normal number.
    pub fn from_logits_at<T: ScoreType>(
        logits: &'a [T],
        classes: usize,
        temperature: f64,
    ) -> Result<Self> {
        let inverse_temperature = 1.0 / check_temperature(temperature)?;
        check_rows("logits", logits.len(), classes)?;
        Self::of_logits(logits, classes, inverse_temperature)
    }

    /// Takes probabilities in the precision of their type. Values that rounding alone has taken
    /// below 0 or above 1, by up to [`Precision::rounding`], are clipped and
    /// [counted](Self::clipped).
    ///
    /// # Shapes
    ///
    /// `probs` `[rows, classes]` in row-major order, of any type that is a [`ScoreType`]; at least
    /// two classes, any number of rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than two classes, [`Error::Shape`] where the length is not a
    /// multiple of them, [`Error::Value`] for a probability outside of `[0, 1]`,
    /// [`Error::ProbabilitySum`] for a row whose sum is further than
    /// [`Precision::sum_tolerance`] from 1.
    pub fn from_probs<T: ScoreType>(probs: &[T], classes: usize) -> Result<Self> {
        Self::from_probs_in(probs, classes, T::PRECISION)
    }

    /// Takes probabilities that were computed in a precision of their own.
    ///
    /// # Errors
    ///
    /// As [`from_probs`](Self::from_probs).
    pub fn from_probs_in<T: ScoreType>(
        probs: &[T],
        classes: usize,
        precision: Precision,
    ) -> Result<Self> {
        check_rows("probabilities", probs.len(), classes)?;
        Self::of_probs(probs.iter().map(|&p| p.into()).collect(), classes, precision)
    }

    /// Takes probabilities of class 1 of two classes, of which class 0 has the rest.
    ///
    /// # Shapes
    ///
    /// `probs` `[rows]`.
    ///
    /// # Errors
    ///
    /// As [`from_probs`](Self::from_probs).
    pub fn from_binary<T: ScoreType>(probs: &[T]) -> Result<Self> {
        Self::from_binary_in(probs, T::PRECISION)
    }

    /// Takes probabilities of class 1 of two classes that were computed in a precision of their
    /// own.
    ///
    /// # Errors
    ///
    /// As [`from_probs`](Self::from_probs).
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

    /// Takes logits whose number is a multiple of the classes.
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

    /// Takes probabilities whose number is a multiple of the classes.
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

    /// Returns the rows at `rows`, in that order; a row may come more than once, as a bootstrap
    /// needs it. Nothing counts as [clipped](Self::clipped) in them.
    ///
    /// # Panics
    ///
    /// As indexing does, where a row is not below [`rows`](Self::rows).
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

    /// Returns the same rows with copies of what they borrow.
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

    /// Returns the number of given probabilities that were below 0 or above 1 by rounding, and were
    /// clipped.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Returns the probabilities of a row, one per class.
    ///
    /// # Panics
    ///
    /// As indexing does, this and the other accessors of a row panic where `row` is not below
    /// [`rows`](Self::rows).
    pub fn probs(&self, row: usize) -> &[f64] {
        &self.all_probs()[row * self.classes..][..self.classes]
    }

    /// Returns the first class of the largest score.
    pub fn predicted(&self, row: usize) -> u32 {
        self.top().predicted[row]
    }

    /// Returns the probability of the predicted class.
    pub fn confidence(&self, row: usize) -> f64 {
        self.top().confidence[row]
    }

    /// Prediction and confidence of every row.
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

    /// Takes prediction and confidence from where they have been computed already.
    pub(super) fn set_top(&self, top: impl FnOnce() -> TopClasses) {
        self.top.get_or_init(top);
    }

    /// The logits, or nothing where probabilities were given, and their inverse temperature.
    pub(super) fn scores(&self) -> (&StoredScores<'a>, f64) {
        (&self.scores, self.inverse_temperature)
    }

    /// Calls `with` with the probabilities of [`GROUP`] rows at a time as columns, one per class,
    /// how many rows they are, and the first of them; `false`, without a call, where
    /// probabilities were given or there are too many classes.
    ///
    /// The same bits as in [`probs`](Self::probs), which are not kept. Lanes without a row hold
    /// those of another.
    pub(super) fn for_each_group(&self, with: impl FnMut(usize, usize, &[[f64; GROUP]])) -> bool {
        let (classes, b) = (self.classes, self.inverse_temperature);
        match &self.scores {
            StoredScores::F32(logits) if classes <= softmax::FEW => {
                softmax::for_each_group(logits, classes, b, with)
            }
            StoredScores::F64(logits) if classes <= softmax::FEW => {
                softmax::for_each_group(logits, classes, b, with)
            }
            _ => return false,
        }
        true
    }

    /// The probabilities of all rows, `[rows, classes]`.
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

/// Checks that a number of scores is rows of so many classes.
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

/// `temperature`, where it is a normal number greater than 0: the inverse of a subnormal one may be
/// infinite.
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

/// The first class of the largest score.
pub(crate) fn first_maximum(row: &[f64]) -> usize {
    let mut best = 0;
    for (k, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = k;
        }
    }
    best
}
