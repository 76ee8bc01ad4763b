use super::{FixedSum, Metric, Predictions, add_counts};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The mean negative log-likelihood of the labels: `mean_n -log p_n[y_n]`.
///
/// A label of probability 0 makes it infinite; only [`Predictions::from_probs`] and extreme temperatures know such labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NegativeLogLikelihood {
    n: u64,
    /// Rows whose label has the probability 0: the sum cannot hold them.
    infinite: u64,
    sum: FixedSum,
}

impl NegativeLogLikelihood {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of rows.
    pub fn n(&self) -> u64 {
        self.n
    }
}

impl Metric for NegativeLogLikelihood {
    type Input<'a> = &'a Predictions;
    type Value = f64;

    fn update(&mut self, input: &Predictions) -> Result<()> {
        let mut batch = Self { n: input.rows() as u64, ..Self::default() };
        for row in 0..input.rows() {
            let value = -input.log_prob_of_label(row);
            if value == f64::INFINITY {
                batch.infinite += 1;
            } else if batch.sum.add(value).is_err() {
                let (what, class) = ("negative log-likelihood", input.label(row) as usize);
                return Err(Error::Value { what, value, row, class, expected: "one below 2^66, a sum below 2^67" });
            }
        }
        self.merge(batch)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        let (n, infinite) = (add_counts(self.n, other.n)?, add_counts(self.infinite, other.infinite)?);
        self.sum.merge(other.sum)?;
        (self.n, self.infinite) = (n, infinite);
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        match (self.n, self.infinite) {
            (0, _) => None,
            (n, 0) => Some(self.sum.mean(n)),
            _ => Some(f64::INFINITY),
        }
    }
}
