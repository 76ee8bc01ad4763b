use crate::metric::exact::{FixedSum, LargeSum};
use crate::metric::input::Predictions;
use crate::metric::row_mean::{RowMean, RowSums};
use crate::metric::saved::MetricState;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The mean negative log-likelihood of the labels: `mean_n -log p_n[y_n]`.
///
/// A label of probability 0 makes it infinite: one that was given so, or whose class is masked. How
/// many rows those are is in [`infinite`](RowMean::infinite);
/// [`ClippedNegativeLogLikelihood`](crate::metric::ClippedNegativeLogLikelihood) is finite for them
/// too. Logits that are finite never do: where the value is beyond f64, it is the largest one.
pub type NegativeLogLikelihood = RowMean<LogLikelihoods>;

/// The sum of the negative log-likelihoods of the rows that a [`NegativeLogLikelihood`] saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLikelihoods {
    n: u64,
    /// Rows whose label has the probability 0: no sum can hold them.
    infinite: u64,
    sum: FixedSum,
    /// Of rows for which `sum` has no room.
    #[serde(default, skip_serializing_if = "LargeSum::is_empty")]
    large: LargeSum,
}

impl RowMean<LogLikelihoods> {
    /// Returns the number of rows whose label has the probability 0, so that their negative
    /// log-likelihood is infinite.
    pub fn infinite(&self) -> u64 {
        self.sums.infinite
    }
}

impl MetricState for LogLikelihoods {
    const METRIC: &'static str = "negative-log-likelihood";
}

impl RowSums for LogLikelihoods {
    fn of(rows: &Predictions) -> Result<Self> {
        let log_probs = &rows.all_rows().log_prob;
        let mut sums = Self { n: rows.rows() as u64, ..Self::default() };
        // Without a branch per row; nearly always.
        let added = if log_probs.iter().fold(true, |all, value| all & (*value > -LargeSum::LEAST)) {
            sums.sum.add_all(log_probs)
        } else {
            log_probs.iter().enumerate().try_for_each(|(row, &value)| match value {
                f64::NEG_INFINITY => {
                    sums.infinite += 1;
                    Ok(())
                }
                value if value <= -LargeSum::LEAST => {
                    sums.large.add(-value);
                    Ok(())
                }
                value => sums.sum.add(value).map_err(|_| row),
            })
        };
        added.map_err(|row| Error::Value {
            what: "negative log-likelihood",
            value: -rows.log_prob_of_label(row),
            row,
            class: rows.label(row) as usize,
            expected: "a number",
        })?;
        sums.sum = sums.sum.negative();
        Ok(sums)
    }

    fn n(&self) -> u64 {
        self.n
    }

    fn add(&mut self, other: Self) -> Result<()> {
        self.sum.merge(other.sum)?;
        self.large.merge(other.large);
        self.n += other.n;
        self.infinite += other.infinite;
        Ok(())
    }

    fn mean(&self) -> f64 {
        match self.infinite {
            0 if self.large.is_empty() => self.sum.mean(self.n),
            0 => (self.large.mean(self.n) + self.sum.mean(self.n)).min(f64::MAX),
            _ => f64::INFINITY,
        }
    }

    fn check(&self) -> Result<()> {
        if self.infinite > self.n {
            return Err(Self::invalid(format!(
                "{} of {} rows are infinite",
                self.infinite, self.n
            )));
        }
        let (finite, sum) = (self.n - self.infinite, self.sum.units());
        if sum < 0 || (finite == 0 && sum > 0) {
            return Err(Self::invalid(format!(
                "{finite} finite rows have the sum {}",
                self.sum.to_f64()
            )));
        }
        if !self.large.is_of(finite) {
            let problem =
                format!("the sum of the largest of {finite} finite rows is not one of so many");
            return Err(Self::invalid(problem));
        }
        Ok(())
    }

    fn allocated(&self) -> usize {
        self.large.size()
    }
}
