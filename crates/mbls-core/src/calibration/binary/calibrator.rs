use crate::{Error, Result};

/// A map from a model's probability of one class to a calibrated one, fitted to whether each row is
/// of that class.
///
/// [`Multiclass`](crate::calibration::Multiclass) applies it to rows of several classes.
pub trait BinaryCalibrator: Clone + Send + Sync + Sized {
    /// The settings of a fit.
    type Settings: Copy;

    /// Fits the map to probabilities and whether each row is of the class. The order of the rows
    /// does not matter.
    ///
    /// # Shapes
    ///
    /// `probs` `[rows]`, numbers from 0 to 1, `positive` `[rows]`; at least one row.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the lengths differ, [`Error::NoRows`], [`Error::Setting`] for a
    /// probability outside of `[0, 1]` and for settings out of range, [`Error::Fit`] if there is no
    /// optimum.
    fn fit(probs: &[f64], positive: &[bool], settings: Self::Settings) -> Result<Self>;

    /// Returns the calibrated probability, from 0 to 1, of a probability from 0 to 1. Arguments out
    /// of range are clipped; NaN counts as 0.
    fn prob(&self, prob: f64) -> f64;
}

/// Clips a probability before logarithms of `p` and `1 - p` are taken: to at least 2^-52 from 0 and
/// 1, where f64 still distinguishes it from both.
pub(in crate::calibration) fn clipped(prob: f64) -> f64 {
    // `clamp` alone would keep NaN.
    prob.max(0.0).clamp(f64::EPSILON, 1.0 - f64::EPSILON)
}

/// Returns pairs of a score and whether its row is of the class, at least one, in ascending order,
/// so a fit does not depend on the order of the rows.
pub(in crate::calibration) fn sorted_samples(
    what: &'static str,
    scores: &[f64],
    positive: &[bool],
) -> Result<Vec<(f64, bool)>> {
    if scores.len() != positive.len() {
        let (expected, found) = (format!("{} outcomes", scores.len()), positive.len().to_string());
        return Err(Error::Shape { what, expected, found });
    }
    if scores.is_empty() {
        return Err(Error::NoRows { what });
    }
    if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
        return Err(Error::Score { value: scores[row], row });
    }
    let mut samples: Vec<(f64, bool)> =
        scores.iter().copied().zip(positive.iter().copied()).collect();
    samples.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    Ok(samples)
}

/// [`sorted_samples`] of probabilities.
pub(in crate::calibration) fn sorted_probs(
    what: &'static str,
    probs: &[f64],
    positive: &[bool],
) -> Result<Vec<(f64, bool)>> {
    if let Some(prob) = probs.iter().find(|prob| !(0.0..=1.0).contains(*prob)) {
        return Err(Error::Setting {
            name: "probability",
            value: prob.to_string(),
            expected: "a number from 0 to 1",
        });
    }
    sorted_samples(what, probs, positive)
}

/// The distinct scores in ascending order, with the numbers of positive and negative rows of each.
pub(in crate::calibration) struct Outcomes {
    pub(in crate::calibration) scores: Vec<f64>,
    pub(in crate::calibration) positives: Vec<f64>,
    pub(in crate::calibration) negatives: Vec<f64>,
}

impl Outcomes {
    /// Groups sorted samples.
    pub(in crate::calibration) fn of(samples: &[(f64, bool)]) -> Self {
        let mut outcomes =
            Self { scores: Vec::new(), positives: Vec::new(), negatives: Vec::new() };
        for group in samples.chunk_by(|a, b| a.0 == b.0) {
            let positives = group.iter().filter(|(_, positive)| *positive).count();
            outcomes.scores.push(group[0].0);
            outcomes.positives.push(positives as f64);
            outcomes.negatives.push((group.len() - positives) as f64);
        }
        outcomes
    }

    /// Returns why a map from scores to log-odds, increasing or, with `may_fall`, monotone in
    /// either direction, has no maximum of the likelihood; `None` if it has one.
    pub(in crate::calibration) fn no_optimum(&self, may_fall: bool) -> Option<String> {
        let range = |counts: &[f64]| {
            let of = || {
                self.scores
                    .iter()
                    .zip(counts)
                    .filter(|(_, count)| **count > 0.0)
                    .map(|(score, _)| *score)
            };
            Some((of().next()?, of().next_back()?))
        };
        let (positive, negative) = match (range(&self.positives), range(&self.negatives)) {
            (Some(positive), Some(negative)) => (positive, negative),
            (None, _) => return Some("no row is positive: the intercept has no optimum".into()),
            (_, None) => return Some("no row is negative: the intercept has no optimum".into()),
        };
        let separable = |[low, high]: [(f64, f64); 2], names: [&str; 2]| {
            (low.1 <= high.0 && low.0 < high.1).then(|| {
                format!(
                    "no optimum: the rows are separable, {} ones up to {} and {} ones from {}",
                    names[0], low.1, names[1], high.0
                )
            })
        };
        separable([negative, positive], ["negative", "positive"]).or_else(|| {
            may_fall.then(|| separable([positive, negative], ["positive", "negative"]))?
        })
    }
}

/// Returns an error if a saved parameter is not finite.
pub(in crate::calibration) fn check_finite(name: &'static str, value: f64) -> Result<f64> {
    if value.is_finite() {
        return Ok(value);
    }
    Err(Error::Setting { name, value: value.to_string(), expected: "a finite number" })
}
