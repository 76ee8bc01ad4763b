use crate::{Error, Result};

/// A validated batch of scored rows: probabilities, the label of each row and what follows from them.
///
/// Probabilities are f64: of logits `p_k = exp((l_k - max_j l_j) / T) / sum_j exp((l_j - max) / T)`, with the log-probability
/// of the label from the log-sum-exp, exact where the probability itself is 0. The prediction is the first of the largest
/// scores.
///
/// ```
/// use mbls_core::metric::Predictions;
///
/// let batch = Predictions::from_logits(&[1e4, 0.0, -1e4, 0.0, 0.0, 0.0], 3, &[1, 0])?;
/// assert_eq!((batch.predicted(0), batch.confidence(0), batch.correct(0)), (0, 1.0, false));
/// assert_eq!(batch.log_prob_of_label(0), -1e4);
/// assert_eq!((batch.predicted(1), batch.correct(1)), (0, true));
///
/// let error = Predictions::from_logits(&[0.0, f32::NAN], 2, &[0]).unwrap_err();
/// assert_eq!(error.to_string(), "logit NaN at row 0, class 1: expected a finite number");
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    classes: usize,
    probs: Vec<f64>,
    labels: Vec<u32>,
    predicted: Vec<u32>,
    log_probs: Vec<f64>,
}

/// How far the probabilities of a row may sum from 1: what models in half precision write still passes.
const SUM_TOLERANCE: f64 = 1e-3;

impl Predictions {
    /// Scores rows by the softmax of their logits.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order, `labels` `[rows]`; at least two classes, any number of rows.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the lengths do not fit, [`Error::Label`] for a label that is no class, [`Error::Value`] for a
    /// logit that is not finite.
    pub fn from_logits(logits: &[f32], classes: usize, labels: &[u32]) -> Result<Self> {
        Self::from_logits_at(logits, classes, labels, 1.0)
    }

    /// Scores rows by the softmax of their logits divided by a temperature.
    ///
    /// # Errors
    ///
    /// Those of [`from_logits`](Self::from_logits), and [`Error::Setting`] for a temperature that is not finite and greater
    /// than 0.
    pub fn from_logits_at(logits: &[f32], classes: usize, labels: &[u32], temperature: f64) -> Result<Self> {
        check_temperature(temperature)?;
        check_logits(logits, classes, labels)?;
        let mut batch = Self::empty(classes, labels);
        for (row, &label) in logits.chunks_exact(classes).zip(labels) {
            let predicted = first_maximum(row);
            let max = f64::from(row[predicted]);
            // Shifted before it is divided: the largest exponent is 0 at any temperature.
            let exponent = |logit: f32| (f64::from(logit) - max) / temperature;
            let start = batch.probs.len();
            batch.probs.extend(row.iter().map(|&logit| exponent(logit).exp()));
            let probs = &mut batch.probs[start..];
            let sum: f64 = probs.iter().sum();
            probs.iter_mut().for_each(|p| *p /= sum);
            batch.predicted.push(predicted as u32);
            batch.log_probs.push(exponent(row[label as usize]) - sum.ln());
        }
        Ok(batch)
    }

    /// Takes probabilities as they are; a label of probability 0 has the log-probability minus infinity.
    ///
    /// # Shapes
    ///
    /// `probs` `[rows, classes]` in row-major order, `labels` `[rows]`; at least two classes, any number of rows.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the lengths do not fit, [`Error::Label`] for a label that is no class, [`Error::Value`] for a
    /// probability outside of `[0, 1]`, [`Error::ProbabilitySum`] for a row whose sum is further than 1e-3 from 1.
    pub fn from_probs(probs: &[f32], classes: usize, labels: &[u32]) -> Result<Self> {
        check_shape("probabilities", probs, classes, labels)?;
        let mut batch = Self::empty(classes, labels);
        for (index, (row, &label)) in probs.chunks_exact(classes).zip(labels).enumerate() {
            if let Some(class) = row.iter().position(|p| !(0.0..=1.0).contains(p)) {
                let (value, expected) = (f64::from(row[class]), "a number from 0 to 1");
                return Err(Error::Value { what: "probability", value, row: index, class, expected });
            }
            let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
            if (sum - 1.0).abs() > SUM_TOLERANCE {
                return Err(Error::ProbabilitySum { row: index, sum });
            }
            batch.probs.extend(row.iter().map(|&p| f64::from(p)));
            batch.predicted.push(first_maximum(row) as u32);
            batch.log_probs.push(f64::from(row[label as usize]).ln());
        }
        Ok(batch)
    }

    fn empty(classes: usize, labels: &[u32]) -> Self {
        let rows = labels.len();
        Self {
            classes,
            probs: Vec::with_capacity(rows * classes),
            labels: labels.to_vec(),
            predicted: Vec::with_capacity(rows),
            log_probs: Vec::with_capacity(rows),
        }
    }

    /// The predictions at `rows`, in that order; a row may come more than once, as a bootstrap needs it.
    ///
    /// # Panics
    ///
    /// As indexing does, where a row is not below [`rows`](Self::rows).
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        let rows = || rows.iter().map(|&row| row as usize);
        Self {
            classes: self.classes,
            probs: rows().flat_map(|row| self.probs(row)).copied().collect(),
            labels: rows().map(|row| self.labels[row]).collect(),
            predicted: rows().map(|row| self.predicted[row]).collect(),
            log_probs: rows().map(|row| self.log_probs[row]).collect(),
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The number of classes, at least 2.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The probabilities of a row, one per class.
    ///
    /// # Panics
    ///
    /// As indexing does, this and the other accessors of a row panic where `row` is not below [`rows`](Self::rows).
    pub fn probs(&self, row: usize) -> &[f64] {
        &self.probs[row * self.classes..][..self.classes]
    }

    /// The label of a row.
    pub fn label(&self, row: usize) -> u32 {
        self.labels[row]
    }

    /// The first class of the largest score.
    pub fn predicted(&self, row: usize) -> u32 {
        self.predicted[row]
    }

    /// The probability of the predicted class.
    pub fn confidence(&self, row: usize) -> f64 {
        self.probs(row)[self.predicted[row] as usize]
    }

    /// Whether the predicted class is the label.
    pub fn correct(&self, row: usize) -> bool {
        self.predicted[row] == self.labels[row]
    }

    /// The natural logarithm of the label's probability, at most 0.
    pub fn log_prob_of_label(&self, row: usize) -> f64 {
        self.log_probs[row]
    }
}

/// `temperature`, where it is finite and greater than 0.
pub(crate) fn check_temperature(temperature: f64) -> Result<f64> {
    if temperature > 0.0 && temperature.is_finite() {
        return Ok(temperature);
    }
    let expected = "a finite number greater than 0";
    Err(Error::Setting { name: "temperature", value: temperature.to_string(), expected })
}

/// An error where logits and labels are no batch.
pub(crate) fn check_logits(logits: &[f32], classes: usize, labels: &[u32]) -> Result<()> {
    check_shape("logits", logits, classes, labels)?;
    match logits.iter().position(|logit| !logit.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::Value {
            what: "logit",
            value: logits[at].into(),
            row: at / classes,
            class: at % classes,
            expected: "a finite number",
        }),
    }
}

fn check_shape(what: &'static str, scores: &[f32], classes: usize, labels: &[u32]) -> Result<()> {
    let rows = labels.len();
    // A class must fit into u32, the type of a label.
    if classes < 2 || u32::try_from(classes).is_err() {
        let (value, expected) = (classes.to_string(), "from 2 to 2^32 - 1");
        return Err(Error::Setting { name: "classes", value, expected });
    }
    if rows.checked_mul(classes) != Some(scores.len()) {
        return Err(Error::Shape {
            what,
            expected: format!("{rows} labels x {classes} classes"),
            found: format!("{} values", scores.len()),
        });
    }
    match labels.iter().position(|&label| label as usize >= classes) {
        Some(row) => Err(Error::Label { label: labels[row].into(), row, classes }),
        None => Ok(()),
    }
}

fn first_maximum(row: &[f32]) -> usize {
    let mut best = 0;
    for (k, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = k;
        }
    }
    best
}
