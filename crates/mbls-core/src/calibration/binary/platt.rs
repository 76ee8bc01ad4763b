use crate::calibration::BinaryCalibrator;
use crate::calibration::binary::calibrator::{
    Outcomes, check_finite, clipped, sorted_probs, sorted_samples,
};
use crate::calibration::binary::logistic::{self, Groups, sigmoid};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Platt scaling: `p = 1 / (1 + exp(-(slope s + intercept)))` of a score `s`.
///
/// As a [`BinaryCalibrator`] its score is the log-odds of the probability, `ln p - ln (1 - p)` with
/// `p` clipped to `[2^-52, 1 - 2^-52]`; for two classes that is the difference of the logits.
/// Platt's A and B have the opposite sign.
///
/// ```
/// use mbls_core::calibration::{PlattScaling, PlattTargets};
///
/// // The sign of the score is correct in three of four rows.
/// let scores = [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0];
/// let positive = [true, true, true, false, false, false, false, true];
/// let scaling = PlattScaling::fit_scores(&scores, &positive, PlattTargets::Labels)?;
/// assert!((scaling.prob_of_score(1.0) - 0.75).abs() < 1e-9);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Platt, Probabilistic outputs for support vector machines, 1999; Lin, Lin and Weng, A note on
/// Platt's probabilistic outputs for support vector machines, Machine Learning 68, 2007: the source
/// of this Newton method with backtracking.
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

/// The regression targets of [`PlattScaling`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PlattTargets {
    /// Platt's targets: `(n_pos + 1) / (n_pos + 2)` for rows of the class, `1 / (n_neg + 2)` for
    /// the others. An optimum always exists.
    #[default]
    Smoothed,
    /// 1 and 0. Separable rows have no optimum.
    Labels,
}

const WHAT: &str = "Platt scaling";

impl PlattScaling {
    /// Fits slope and intercept by minimising cross-entropy. Scores may have any range and should
    /// be larger for rows of the class.
    ///
    /// If all scores are equal, the slope is 0.
    ///
    /// # Shapes
    ///
    /// `scores` `[rows]`, `positive` `[rows]`; at least one row.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the lengths differ, [`Error::NoRows`], [`Error::Score`] for a score that
    /// is not finite, [`Error::Fit`] with the reason if there is no optimum: with
    /// [`PlattTargets::Labels`], if no row is positive, no row is negative or a threshold separates
    /// the two.
    pub fn fit_scores(scores: &[f64], positive: &[bool], targets: PlattTargets) -> Result<Self> {
        let outcomes = Outcomes::of(&sorted_samples(WHAT, scores, positive)?);
        let refused = |problem| Error::Fit { what: WHAT, problem };
        let groups = match targets {
            PlattTargets::Smoothed => smoothed(&outcomes),
            PlattTargets::Labels => match outcomes.no_optimum(true) {
                Some(problem) => return Err(refused(problem)),
                None => Groups { positives: outcomes.positives, negatives: outcomes.negatives },
            },
        };
        let fitted =
            logistic::fit(&[&outcomes.scores], &groups, groups.log_odds()).map_err(refused)?;
        Saved { slope: fitted.weights[0], intercept: fitted.intercept }.try_into()
    }

    /// Returns the calibrated probability of a finite score.
    pub fn prob_of_score(&self, score: f64) -> f64 {
        sigmoid(self.slope * score + self.intercept)
    }

    /// The weight of the score.
    pub fn slope(&self) -> f64 {
        self.slope
    }

    /// The log-odds at score 0.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }
}

/// Converts rows to Platt's targets: a positive row counts as `(n_pos + 1) / (n_pos + 2)` of a
/// positive row and the rest of a negative one.
fn smoothed(outcomes: &Outcomes) -> Groups {
    let shares = |counts: &[f64]| {
        let count: f64 = counts.iter().sum();
        ((count + 1.0) / (count + 2.0), 1.0 / (count + 2.0))
    };
    let (own, other) = (shares(&outcomes.positives), shares(&outcomes.negatives));
    let masses = |of_positive: f64, of_negative: f64| {
        let counts = outcomes.positives.iter().zip(&outcomes.negatives);
        counts
            .map(|(positives, negatives)| of_positive * positives + of_negative * negatives)
            .collect()
    };
    Groups { positives: masses(own.0, other.1), negatives: masses(own.1, other.0) }
}

fn log_odds(prob: f64) -> f64 {
    let prob = clipped(prob);
    libm::log(prob) - libm::log(1.0 - prob)
}

impl BinaryCalibrator for PlattScaling {
    type Settings = PlattTargets;

    fn fit(probs: &[f64], positive: &[bool], settings: PlattTargets) -> Result<Self> {
        let samples = sorted_probs(WHAT, probs, positive)?;
        let (scores, positive): (Vec<f64>, Vec<bool>) =
            samples.into_iter().map(|(p, y)| (log_odds(p), y)).unzip();
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
