use super::label::{Label, classes_of, not_a_class};
use super::precision::Precision;
use super::score_type::ScoreType;
use super::softmax::{self, GROUP, Rows, TopClasses};
use super::stored_scores::StoredScores;
use super::unlabelled_rows::{UnlabelledRows, check_temperature, first_maximum};
use crate::{Error, Result};
use std::borrow::Cow;
use std::sync::OnceLock;

/// A validated batch of scored rows: the label of each row and statistics of its probabilities.
///
/// Probabilities are computed in f64: for logits, `p_k = exp((l_k - max_j l_j) / T) / sum_j
/// exp((l_j - max) / T)`. The log-probability of the label is computed from the log-sum-exp, so it
/// is accurate even if the probability underflows to 0. It is minus infinity only if the class is
/// masked by a logit of minus infinity or was given probability 0; a finite value below the range
/// of f64 becomes the lowest f64. The prediction is the first class with the largest score.
///
/// Logits are borrowed, not copied. Their statistics are computed in one pass without storing
/// probabilities; the first call of [`probs`](Self::probs) computes and stores them.
/// [`into_owned`](Self::into_owned) copies borrowed data.
///
/// ```
/// use mbls_core::metric::Predictions;
///
/// let batch = Predictions::from_logits(&[1e4, 0.0, -1e4, 0.0, 0.0, 0.0], 3, &[1, 0])?;
/// assert_eq!((batch.predicted(0), batch.confidence(0), batch.correct(0)), (0, 1.0, false));
/// assert_eq!(batch.log_prob_of_label(0), -1e4);
/// assert_eq!((batch.predicted(1), batch.correct(1)), (0, true));
///
/// let masked = Predictions::from_logits(&[1.0, f32::NEG_INFINITY, 1.0], 3, &[1])?;
/// assert_eq!(
///     (masked.probs(0), masked.log_prob_of_label(0)),
///     (&[0.5, 0.0, 0.5][..], f64::NEG_INFINITY)
/// );
///
/// let error = Predictions::from_logits(&[0.0, f32::NAN], 2, &[0]).unwrap_err();
/// assert_eq!(error.to_string(), "logit NaN at row 0, class 1: expected a finite number");
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Predictions<'a> {
    unlabelled: UnlabelledRows<'a>,
    labels: Cow<'a, [u32]>,
    /// Statistics of the given probabilities, or of the logits, computed on first use.
    rows: OnceLock<Rows>,
}

/// Compares labels and probabilities.
impl PartialEq for Predictions<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.labels == other.labels
            && self.all_rows() == other.all_rows()
            && self.all_probs() == other.all_probs()
    }
}

impl<'a> Predictions<'a> {
    /// Scores rows by the softmax of their logits.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order, of any [`ScoreType`]; `labels` `[rows]`; at
    /// least two classes, any number of rows.
    ///
    /// # Errors
    ///
    /// - [`Error::Shape`] if the lengths do not match.
    /// - [`Error::Label`] for a label that is not a class.
    /// - [`Error::Value`] for a logit that is NaN or plus infinity, and for a row whose logits are
    ///   all minus infinity.
    pub fn from_logits<T: ScoreType>(
        logits: &'a [T],
        classes: usize,
        labels: &'a [impl Label],
    ) -> Result<Self> {
        Self::from_logits_at(logits, classes, labels, 1.0)
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
        labels: &'a [impl Label],
        temperature: f64,
    ) -> Result<Self> {
        let inverse_temperature = 1.0 / check_temperature(temperature)?;
        let labels = check_shape("logits", logits.len(), classes, labels)?;
        let unlabelled = UnlabelledRows::of_logits(logits, classes, inverse_temperature)?;
        Ok(Self::of(unlabelled, labels))
    }

    /// Validates probabilities in the precision of their type. A label with probability 0 has a
    /// log-probability of minus infinity.
    ///
    /// Values that are below 0 or above 1 due to rounding, by at most [`Precision::rounding`], are
    /// clipped and [counted](Self::clipped).
    ///
    /// # Shapes
    ///
    /// `probs` `[rows, classes]` in row-major order, of any [`ScoreType`]; `labels` `[rows]`; at
    /// least two classes, any number of rows.
    ///
    /// # Errors
    ///
    /// - [`Error::Shape`] if the lengths do not match.
    /// - [`Error::Label`] for a label that is not a class.
    /// - [`Error::Value`] for a probability outside of `[0, 1]`.
    /// - [`Error::ProbabilitySum`] for a row whose sum differs from 1 by more than
    ///   [`Precision::sum_tolerance`].
    pub fn from_probs<T: ScoreType>(
        probs: &[T],
        classes: usize,
        labels: &'a [impl Label],
    ) -> Result<Self> {
        Self::from_probs_in(probs, classes, labels, T::PRECISION)
    }

    /// Validates probabilities that were computed in a given precision, for example by a model in
    /// bf16 whose output was saved as f32.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`from_probs`](Self::from_probs).
    pub fn from_probs_in<T: ScoreType>(
        probs: &[T],
        classes: usize,
        labels: &'a [impl Label],
        precision: Precision,
    ) -> Result<Self> {
        let labels = check_shape("probabilities", probs.len(), classes, labels)?;
        Ok(Self::of(UnlabelledRows::from_probs_in(probs, classes, precision)?, labels))
    }

    /// Validates probabilities of class 1 out of two classes. Class 0 has the complement.
    ///
    /// The confidence of a row is the larger of the two. For the ECE of the positive class see
    /// [`ReliabilityBins`](crate::metric::ReliabilityBins#binary-classifiers).
    ///
    /// ```
    /// use mbls_core::metric::Predictions;
    ///
    /// let rows = Predictions::from_binary(&[0.75f32, 0.25], &[1, 1])?;
    /// assert_eq!((rows.probs(0), rows.correct(1)), (&[0.25, 0.75][..], false));
    /// # Ok::<(), mbls_core::Error>(())
    /// ```
    ///
    /// # Shapes
    ///
    /// `probs` and `labels` `[rows]`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`from_probs`](Self::from_probs).
    pub fn from_binary<T: ScoreType>(probs: &[T], labels: &'a [impl Label]) -> Result<Self> {
        Self::from_binary_in(probs, labels, T::PRECISION)
    }

    /// Validates probabilities of class 1 out of two classes that were computed in a given
    /// precision.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`from_probs`](Self::from_probs).
    pub fn from_binary_in<T: ScoreType>(
        probs: &[T],
        labels: &'a [impl Label],
        precision: Precision,
    ) -> Result<Self> {
        if probs.len() != labels.len() {
            let (expected, found) = (
                format!("{} values, one per label", labels.len()),
                format!("{} values", probs.len()),
            );
            return Err(Error::Shape { what: "probabilities of class 1", expected, found });
        }
        let labels = check_labels(labels, 2)?;
        Ok(Self::of(UnlabelledRows::from_binary_in(probs, precision)?, labels))
    }

    /// Combines rows with valid labels.
    pub(super) fn of(unlabelled: UnlabelledRows<'a>, labels: Cow<'a, [u32]>) -> Self {
        if !matches!(unlabelled.scores(), (StoredScores::None, _)) {
            return Self { unlabelled, labels, rows: OnceLock::new() };
        }
        let mut rows = Rows::with_capacity(labels.len());
        for (row, &label) in unlabelled.all_probs().chunks_exact(unlabelled.classes()).zip(&*labels)
        {
            let label = label as usize;
            let predicted = first_maximum(row);
            let error = |(k, &p): (usize, &f64)| if k == label { 1.0 - p } else { p };
            rows.predicted.push(predicted as u32);
            rows.rank.push(softmax::rank(row, label));
            rows.confidence.push(row[predicted]);
            rows.log_prob.push(libm::log(row[label]));
            rows.brier.push(row.iter().enumerate().map(error).map(|e| e * e).sum());
        }
        Self { unlabelled, labels, rows: OnceLock::from(rows) }
    }

    /// Returns the predictions at the indices `rows`, in that order. Indices may repeat, as in a
    /// bootstrap. The result has no [clipped](Self::clipped) values.
    ///
    /// # Panics
    ///
    /// Panics if an index is not below [`rows`](Self::rows).
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Predictions<'static> {
        Predictions {
            unlabelled: self.unlabelled.select(rows),
            labels: rows.iter().map(|&row| self.labels[row as usize]).collect(),
            rows: self
                .rows
                .get()
                .map_or_else(OnceLock::new, |all| OnceLock::from(all.select(rows))),
        }
    }

    /// Returns the same predictions with borrowed data copied.
    #[must_use]
    pub fn into_owned(self) -> Predictions<'static> {
        Predictions {
            unlabelled: self.unlabelled.into_owned(),
            labels: self.labels.into_owned().into(),
            rows: self.rows,
        }
    }

    /// Returns the rows without their labels.
    pub fn unlabelled(&self) -> &UnlabelledRows<'a> {
        if let Some(Rows { predicted, confidence, .. }) = self.rows.get() {
            self.unlabelled.set_top(|| TopClasses {
                predicted: predicted.clone(),
                confidence: confidence.clone(),
            });
        }
        &self.unlabelled
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Returns the number of classes, at least 2.
    pub fn classes(&self) -> usize {
        self.unlabelled.classes()
    }

    /// Returns the number of input probabilities that were below 0 or above 1 due to rounding and
    /// were clipped.
    pub fn clipped(&self) -> u64 {
        self.unlabelled.clipped()
    }

    /// Returns the probabilities of a row, one per class.
    ///
    /// # Panics
    ///
    /// Like the other accessors of a row, panics if `row` is not below [`rows`](Self::rows).
    pub fn probs(&self, row: usize) -> &[f64] {
        self.unlabelled.probs(row)
    }

    /// Returns the label of a row, below [`classes`](Self::classes).
    pub fn label(&self, row: usize) -> u32 {
        self.labels[row]
    }

    /// Returns the first class with the largest score.
    pub fn predicted(&self, row: usize) -> u32 {
        self.all_rows().predicted[row]
    }

    /// Returns the number of classes that rank before the label: those with larger scores, and
    /// those with the same score and a lower index.
    pub fn rank_of_label(&self, row: usize) -> u32 {
        self.all_rows().rank[row]
    }

    /// Returns the probability of the predicted class.
    pub fn confidence(&self, row: usize) -> f64 {
        self.all_rows().confidence[row]
    }

    /// Returns whether the predicted class is the label.
    pub fn correct(&self, row: usize) -> bool {
        self.predicted(row) == self.labels[row]
    }

    /// Returns the natural logarithm of the label's probability, at most 0.
    pub fn log_prob_of_label(&self, row: usize) -> f64 {
        self.all_rows().log_prob[row]
    }

    /// Returns the squared distance of the probabilities from the one-hot label, `sum_k (p_k - [k =
    /// label])^2`.
    pub fn squared_error(&self, row: usize) -> f64 {
        self.all_rows().brier[row]
    }

    /// Returns the statistics of all rows.
    pub(in crate::metric) fn all_rows(&self) -> &Rows {
        let (scores, b) = self.unlabelled.scores();
        self.rows.get_or_init(|| match scores {
            StoredScores::None => Rows::default(),
            // The difference of two f32 logits is always within the range of f64.
            StoredScores::F32(logits) if b == 1.0 => {
                softmax::summarise(logits, self.classes(), &self.labels, b)
            }
            StoredScores::F32(logits) => self.summarise_within_f64(logits, b),
            StoredScores::F64(logits) => self.summarise_within_f64(logits, b),
        })
    }

    /// Computes the statistics such that a log-probability is infinite only for a masked class.
    fn summarise_within_f64<T: ScoreType>(&self, logits: &[T], inverse_temperature: f64) -> Rows {
        let classes = self.classes();
        let mut rows = softmax::summarise(logits, classes, &self.labels, inverse_temperature);
        let log_probs =
            rows.log_prob.iter_mut().zip(logits.chunks_exact(classes).zip(self.labels.iter()));
        for (log_prob, (row, &label)) in
            log_probs.filter(|(log_prob, _)| **log_prob == f64::NEG_INFINITY)
        {
            if row[label as usize] > T::LOWEST {
                *log_prob = -f64::MAX;
            }
        }
        rows
    }

    pub(in crate::metric) fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Calls [`UnlabelledRows::for_each_group`].
    pub(in crate::metric) fn for_each_group(
        &self,
        with: impl FnMut(usize, usize, &[[f64; GROUP]]),
    ) -> bool {
        self.unlabelled.for_each_group(with)
    }

    /// Returns the probabilities of all rows, `[rows, classes]`.
    pub(crate) fn all_probs(&self) -> &[f64] {
        self.unlabelled.all_probs()
    }
}

/// Returns the classes of labels after checking that they match the number of scores.
pub(in crate::metric) fn check_shape<'a>(
    what: &'static str,
    scores: usize,
    classes: usize,
    labels: &'a [impl Label],
) -> Result<Cow<'a, [u32]>> {
    let rows = labels.len();
    // A class must fit into u32, the type of a label.
    if classes < 2 || u32::try_from(classes).is_err() {
        let (value, expected) = (classes.to_string(), "from 2 to 2^32 - 1");
        return Err(Error::Setting { name: "classes", value, expected });
    }
    if rows.checked_mul(classes) != Some(scores) {
        return Err(Error::Shape {
            what,
            expected: format!("{rows} labels x {classes} classes"),
            found: format!("{scores} values"),
        });
    }
    check_labels(labels, classes)
}

fn check_labels(labels: &[impl Label], classes: usize) -> Result<Cow<'_, [u32]>> {
    let labels = classes_of(labels, classes)?;
    match labels.iter().position(|&label| label as usize >= classes) {
        Some(row) => Err(not_a_class(labels[row], row, classes)),
        None => Ok(labels),
    }
}
