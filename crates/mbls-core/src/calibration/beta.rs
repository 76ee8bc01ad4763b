use super::BinaryCalibrator;
use super::binary::{check_finite, clipped, sorted_probs};
use super::logistic::{self, sigmoid};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Beta calibration: log-odds `a ln p - b ln (1 - p) + c` of a probability `p`, with `a, b >= 0`, so that it is monotone.
///
/// `p` is clipped to `[2^-52, 1 - 2^-52]`. Where the best unconstrained map has a negative `a` or `b`, the fit is the best map
/// with that one 0, or with both.
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
/// Kull, Silva Filho and Flach, Beta calibration: a well-founded and easily implemented improvement on logistic calibration for
/// binary classifiers, AISTATS 2017.
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
    (prob.ln(), -(1.0 - prob).ln())
}

impl BinaryCalibrator for BetaCalibration {
    type Settings = ();

    fn fit(probs: &[f64], positive: &[bool], (): ()) -> Result<Self> {
        let samples = sorted_probs(WHAT, probs, positive)?;
        let targets: Vec<f64> = samples.iter().map(|&(_, positive)| f64::from(u8::from(positive))).collect();
        let (of_one, of_other): (Vec<f64>, Vec<f64>) = samples.iter().map(|&(prob, _)| features(prob)).unzip();
        let positives: f64 = targets.iter().sum();
        let start = ((positives + 1.0) / (targets.len() as f64 - positives + 1.0)).ln();
        let fit = |features: &[&[f64]]| logistic::fit(WHAT, features, &targets, start);

        let both = fit(&[&of_one, &of_other])?;
        let fitted = Saved { a: both.weights[0], b: both.weights[1], c: both.intercept };
        if fitted.a >= 0.0 && fitted.b >= 0.0 {
            return fitted.try_into();
        }
        // The likelihood is convex, so the best map with a, b >= 0 lies where one of them is 0.
        let (only_a, only_b) = (fit(&[&of_one])?, fit(&[&of_other])?);
        let with_a = Saved { a: only_a.weights[0], b: 0.0, c: only_a.intercept };
        let with_b = Saved { a: 0.0, b: only_b.weights[0], c: only_b.intercept };
        match (with_a.a >= 0.0, with_b.b >= 0.0) {
            (true, true) if only_a.loss <= only_b.loss => with_a.try_into(),
            (true, false) => with_a.try_into(),
            (_, true) => with_b.try_into(),
            (false, false) => Saved { a: 0.0, b: 0.0, c: fit(&[])?.intercept }.try_into(),
        }
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
