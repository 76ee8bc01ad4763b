use crate::calibration::BinaryCalibrator;
use crate::calibration::binary::calibrator::sorted_probs;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Isotonic regression: the nondecreasing map with the smallest squared error.
///
/// Fitted by the pool-adjacent-violators algorithm in integer arithmetic: rows with equal
/// probabilities form a group with its fraction of positives, and neighbours are pooled while a
/// fraction is not above the one before. Between the fitted probabilities the map is linear from
/// the end of a pool to the start of the next; outside them it is constant. This is the convention
/// of scikit-learn.
///
/// ```
/// use mbls_core::calibration::{BinaryCalibrator, IsotonicRegression};
///
/// let map = IsotonicRegression::fit(&[0.2, 0.4, 0.6, 0.8], &[false, true, false, true], ())?;
/// let found = [0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9].map(|p| map.prob(p));
/// assert_eq!(found.map(|p| (p * 100.0).round()), [0.0, 25.0, 50.0, 50.0, 50.0, 75.0, 100.0]);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Zadrozny and Elkan, Transforming classifier scores into accurate multiclass probability
/// estimates, KDD 2002; Ayer et al., An empirical distribution function for sampling with
/// incomplete information, 1955.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct IsotonicRegression(Saved);

/// The breakpoints of the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    probs: Vec<f64>,
    calibrated: Vec<f64>,
}

const WHAT: &str = "isotonic regression";

/// Neighbouring rows that share a calibrated probability.
struct Pool {
    first: f64,
    last: f64,
    positives: u64,
    rows: u64,
}

impl Pool {
    /// Whether its fraction of positives is at least that of the next pool.
    fn violates(&self, next: &Self) -> bool {
        u128::from(self.positives) * u128::from(next.rows)
            >= u128::from(next.positives) * u128::from(self.rows)
    }

    fn absorb(&mut self, next: &Self) {
        self.last = next.last;
        self.positives += next.positives;
        self.rows += next.rows;
    }
}

impl IsotonicRegression {
    /// Returns the breakpoints between which the map is linear: pairs of a probability and its
    /// calibrated value, both ascending.
    pub fn corners(&self) -> impl Iterator<Item = (f64, f64)> {
        self.0.probs.iter().copied().zip(self.0.calibrated.iter().copied())
    }
}

impl BinaryCalibrator for IsotonicRegression {
    type Settings = ();

    fn fit(probs: &[f64], positive: &[bool], (): ()) -> Result<Self> {
        let mut pools: Vec<Pool> = Vec::new();
        let samples = sorted_probs(WHAT, probs, positive)?;
        for group in samples.chunk_by(|a, b| a.0 == b.0) {
            let positives = group.iter().filter(|(_, positive)| *positive).count() as u64;
            let mut pool =
                Pool { first: group[0].0, last: group[0].0, positives, rows: group.len() as u64 };
            while let Some(mut before) = pools.pop_if(|before| before.violates(&pool)) {
                before.absorb(&pool);
                pool = before;
            }
            pools.push(pool);
        }
        let mut saved = Saved { probs: Vec::new(), calibrated: Vec::new() };
        for Pool { first, last, positives, rows } in pools {
            let corners = if first < last { [first, last].to_vec() } else { [first].to_vec() };
            saved.calibrated.extend(corners.iter().map(|_| positives as f64 / rows as f64));
            saved.probs.extend(corners);
        }
        saved.try_into()
    }

    fn prob(&self, prob: f64) -> f64 {
        let Saved { probs, calibrated } = &self.0;
        let above = probs.partition_point(|&corner| corner < prob);
        // There is at least one corner.
        if above == 0 {
            return calibrated[0];
        }
        if above == probs.len() {
            return calibrated[above - 1];
        }
        let share = (prob - probs[above - 1]) / (probs[above] - probs[above - 1]);
        let (low, high) = (calibrated[above - 1], calibrated[above]);
        // Rounding must not take the result out of `[low, high]`.
        (low + share * (high - low)).clamp(low, high)
    }
}

impl TryFrom<Saved> for IsotonicRegression {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let Saved { probs, calibrated } = &saved;
        if probs.len() != calibrated.len() || probs.is_empty() {
            let found =
                format!("{} probabilities and {} calibrated ones", probs.len(), calibrated.len());
            return Err(Error::Shape {
                what: WHAT,
                expected: "equal numbers of both, at least one".into(),
                found,
            });
        }
        for (name, values) in [("probs", probs), ("calibrated", calibrated)] {
            if let Some(value) = values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
                return Err(Error::Setting {
                    name,
                    value: value.to_string(),
                    expected: "numbers from 0 to 1",
                });
            }
        }
        if let Some(pair) = probs.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(Error::Setting {
                name: "probs",
                value: format!("{pair:?}"),
                expected: "ascending numbers",
            });
        }
        if let Some(pair) = calibrated.windows(2).find(|pair| pair[0] > pair[1]) {
            let expected = "nondecreasing numbers";
            return Err(Error::Setting {
                name: "calibrated",
                value: format!("{pair:?}"),
                expected,
            });
        }
        Ok(Self(saved))
    }
}

impl From<IsotonicRegression> for Saved {
    fn from(regression: IsotonicRegression) -> Self {
        regression.0
    }
}
