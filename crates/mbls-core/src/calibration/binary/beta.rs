use crate::calibration::BinaryCalibrator;
use crate::calibration::binary::calibrator::{Outcomes, check_finite, clipped, sorted_probs};
use crate::calibration::binary::logistic::{self, Fitted, Groups, sigmoid};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Beta calibration: log-odds `a ln p - b ln (1 - p) + c` of a probability `p`, with `a, b >= 0`,
/// so the map is monotone.
///
/// `p` is clipped to `[2^-52, 1 - 2^-52]`. The fit minimises cross-entropy within these bounds: if
/// the unconstrained optimum has a negative `a` or `b`, one of them is 0, or both. If all
/// probabilities are equal, both are 0. Two distinct probabilities do not determine `a` and `b`;
/// the smallest solution is chosen.
///
/// ```
/// use mbls_core::calibration::{BetaCalibration, BinaryCalibrator};
///
/// let probs = [0.9, 0.9, 0.9, 0.9, 0.5, 0.5, 0.1, 0.1, 0.1];
/// let positive = [true, true, true, false, true, false, false, false, true];
/// let calibration = BetaCalibration::fit(&probs, &positive, ())?;
/// assert!(calibration.prob(0.9) < 0.9 && calibration.prob(0.1) > 0.1);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Kull, Silva Filho and Flach, Beta calibration: a well-founded and easily implemented improvement
/// on logistic calibration for binary classifiers, AISTATS 2017.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct BetaCalibration {
    a: f64,
    b: f64,
    c: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    a: f64,
    b: f64,
    c: f64,
}

const WHAT: &str = "beta calibration";

impl BetaCalibration {
    /// The weight of `ln p`.
    pub fn a(&self) -> f64 {
        self.a
    }

    /// The weight of `-ln (1 - p)`.
    pub fn b(&self) -> f64 {
        self.b
    }

    /// The intercept.
    pub fn c(&self) -> f64 {
        self.c
    }
}

fn features(prob: f64) -> (f64, f64) {
    let prob = clipped(prob);
    (libm::log(prob), -libm::log(1.0 - prob))
}

impl BinaryCalibrator for BetaCalibration {
    type Settings = ();

    fn fit(probs: &[f64], positive: &[bool], (): ()) -> Result<Self> {
        let mut samples = sorted_probs(WHAT, probs, positive)?;
        // Probabilities that are clipped to the same value form one group.
        samples.iter_mut().for_each(|(prob, _)| *prob = clipped(*prob));
        let outcomes = Outcomes::of(&samples);
        let refused = |problem| Error::Fit { what: WHAT, problem };
        let (of_one, of_other): (Vec<f64>, Vec<f64>) =
            outcomes.scores.iter().map(|&prob| features(prob)).unzip();
        if let Some(problem) = outcomes.no_optimum(false) {
            return Err(refused(problem));
        }
        let groups = Groups { positives: outcomes.positives, negatives: outcomes.negatives };
        let fit = |features: &[&[f64]]| {
            logistic::fit(features, &groups, groups.log_odds()).map_err(refused)
        };
        // Whether the loss decreases as a or b grows, by more than rounding.
        let falls = |map: &Saved| {
            let slopes = groups.slopes([&of_one, &of_other], [map.a, map.b], map.c);
            slopes.map(|(slope, rounding)| slope < -rounding)
        };
        // The loss is convex: a map on the boundary is optimal if the loss does not decrease into
        // the interior.
        let constant = Saved { a: 0.0, b: 0.0, c: fit(&[])?.intercept };
        let [falls_with_a, falls_with_b] = falls(&constant);
        if !falls_with_a && !falls_with_b {
            return constant.try_into();
        }
        // Usually the optimum is inside the bounds. Without the bounds there may be none.
        let both = fit(&[&of_one, &of_other]);
        if let Ok(Fitted { weights, intercept }) = &both
            && let [a, b] = weights[..]
            && a >= 0.0
            && b >= 0.0
        {
            return Saved { a, b, c: *intercept }.try_into();
        }
        if falls_with_a {
            let found = fit(&[&of_one])?;
            let only_a = Saved { a: found.weights[0].max(0.0), b: 0.0, c: found.intercept };
            if !falls(&only_a)[1] {
                return only_a.try_into();
            }
        }
        if falls_with_b {
            let found = fit(&[&of_other])?;
            let only_b = Saved { a: 0.0, b: found.weights[0].max(0.0), c: found.intercept };
            if !falls(&only_b)[0] {
                return only_b.try_into();
            }
        }
        // Negative only by rounding.
        let found = both?;
        let [a, b] = [0, 1].map(|i| found.weights[i].max(0.0));
        Saved { a, b, c: found.intercept }.try_into()
    }

    fn prob(&self, prob: f64) -> f64 {
        let (of_one, of_other) = features(prob);
        sigmoid(self.a * of_one + self.b * of_other + self.c)
    }
}

impl TryFrom<Saved> for BetaCalibration {
    type Error = Error;

    fn try_from(Saved { a, b, c }: Saved) -> Result<Self> {
        for (name, value) in [("a", a), ("b", b)] {
            if !(value >= 0.0 && value.is_finite()) {
                let expected = "a finite number, 0 or greater";
                return Err(Error::Setting { name, value: value.to_string(), expected });
            }
        }
        Ok(Self { a, b, c: check_finite("c", c)? })
    }
}

impl From<BetaCalibration> for Saved {
    fn from(BetaCalibration { a, b, c }: BetaCalibration) -> Self {
        Self { a, b, c }
    }
}
