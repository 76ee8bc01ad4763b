use super::{FixedSum, Metric, Predictions, add_counts};
use crate::Result;
use serde::{Deserialize, Serialize};

/// The Brier score: `mean_n sum_k (p_nk - [k = y_n])^2`, from 0 to 2.
///
/// The sum over classes is Brier's own definition; some libraries report half of it, or its mean over classes.
///
/// # References
///
/// Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78, 1950.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brier {
    n: u64,
    sum: FixedSum,
}

impl Brier {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of rows.
    pub fn n(&self) -> u64 {
        self.n
    }
}

impl Metric for Brier {
    type Input<'a> = &'a Predictions;
    type Value = f64;

    fn update(&mut self, input: &Predictions) -> Result<()> {
        let mut batch = Self { n: input.rows() as u64, ..Self::default() };
        for row in 0..input.rows() {
            let label = input.label(row) as usize;
            let error = |(k, p): (usize, &f64)| if k == label { 1.0 - p } else { *p };
            batch.sum.add(input.probs(row).iter().enumerate().map(error).map(|e| e * e).sum())?;
        }
        self.merge(batch)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        let n = add_counts(self.n, other.n)?;
        self.sum.merge(other.sum)?;
        self.n = n;
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum.mean(self.n))
    }
}
