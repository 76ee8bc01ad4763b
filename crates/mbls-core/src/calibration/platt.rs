use super::BinaryCalibrator;
use super::binary::{check_finite, clipped, sorted_probs, sorted_samples};
use super::logistic::{self, sigmoid};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Platt scaling: `p = 1 / (1 + exp(-(slope s + intercept)))` of a score `s`.
///
/// As a [`BinaryCalibrator`] the score is the log-odds of the probability, `ln p - ln (1 - p)` with `p` clipped to
/// `[2^-52, 1 - 2^-52]`: of two classes the difference of the logits. Platt's own A and B have the other sign.
///
/// ```
/// use mbls_core::calibration::{PlattScaling, PlattTargets};
///
/// // Scores of -1 and 1 are right in three of four rows.
/// let scores = [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0];
/// let positive = [true, true, true, false, false, false, false, true];
/// let scaling = PlattScaling::fit_scores(&scores, &positive, PlattTargets::Labels)?;
/// assert!((scaling.prob_of_score(1.0) - 0.75).abs() < 1e-9);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Platt, Probabilistic outputs for support vector machines, 1999; Lin, Lin and Weng, A note on Platt's probabilistic outputs
/// for support vector machines, Machine Learning 68, 2007, whose Newton method with backtracking this is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct PlattScaling {
    slope: f64,
    intercept: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    slope: f64,
    intercept: f64,
}

/// What [`PlattScaling`] is fitted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlattTargets {
    /// Platt's: `(n_pos + 1) / (n_pos + 2)` for the rows of the class, `1 / (n_neg + 2)` for the others. There always is an
    /// optimum.
    #[default]
    Smoothed,
    /// 1 and 0. Rows that can be separated have no optimum.
    Labels,
}

const WHAT: &str = "Platt scaling";

impl PlattScaling {
    /// Fits slope and intercept of least cross-entropy to scores of any range, larger for rows of the class.
    ///
    /// # Shapes
    ///
    /// `scores` `[rows]`, `positive` `[rows]`; at least one row.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the lengths differ, [`Error::NoRows`], [`Error::Score`] for a score that is not finite,
    /// [`Error::Fit`] where there is no optimum.
    pub fn fit_scores(scores: &[f64], positive: &[bool], targets: PlattTargets) -> Result<Self> {
        let samples = sorted_samples(WHAT, scores, positive)?;
        let positives = samples.iter().filter(|(_, positive)| *positive).count() as f64;
        let negatives = samples.len() as f64 - positives;
        let (of_positive, of_negative) = match targets {
            PlattTargets::Smoothed => ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0)),
            PlattTargets::Labels => (1.0, 0.0),
        };
        let target = |&(_, positive): &(f64, bool)| if positive { of_positive } else { of_negative };
        let targets: Vec<f64> = samples.iter().map(target).collect();
        let scores: Vec<f64> = samples.iter().map(|(score, _)| *score).collect();
        let start = libm::log((positives + 1.0) / (negatives + 1.0));
        let fitted = logistic::fit(WHAT, &[&scores], &targets, start)?;
        Saved { slope: fitted.weights[0], intercept: fitted.intercept }.try_into()
    }

    /// The calibrated probability of a finite score.
    pub fn prob_of_score(&self, score: f64) -> f64 {
        sigmoid(self.slope * score + self.intercept)
    }

    /// The weight of the score.
    pub fn slope(&self) -> f64 {
        self.slope
    }

    /// The log-odds at the score 0.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }
}

fn log_odds(prob: f64) -> f64 {
    let prob = clipped(prob);
    libm::log(prob) - libm::log(1.0 - prob)
}

impl BinaryCalibrator for PlattScaling {
    type Settings = PlattTargets;

    fn fit(probs: &[f64], positive: &[bool], settings: PlattTargets) -> Result<Self> {
        let samples = sorted_probs(WHAT, probs, positive)?;
        let (scores, positive): (Vec<f64>, Vec<bool>) = samples.into_iter().map(|(p, y)| (log_odds(p), y)).unzip();
        Self::fit_scores(&scores, &positive, settings)
    }

    fn prob(&self, prob: f64) -> f64 {
        self.prob_of_score(log_odds(prob))
    }
}

impl TryFrom<Saved> for PlattScaling {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let intercept = check_finite("intercept", saved.intercept)?;
        Ok(Self { slope: check_finite("slope", saved.slope)?, intercept })
    }
}

impl From<PlattScaling> for Saved {
    fn from(scaling: PlattScaling) -> Self {
        Self { slope: scaling.slope, intercept: scaling.intercept }
    }
}
