use crate::metric::exact::{FixedSum, LargeSum};
use crate::metric::input::Predictions;
use crate::metric::row_mean::{RowMean, RowSums};
use crate::metric::saved::MetricState;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The mean negative log-likelihood of the labels: `mean_n -log p_n[y_n]`.
///
/// The value is infinite if a label has probability 0, either in the input or because its class is
/// masked. [`infinite`](RowMean::infinite) is the number of these rows.
/// [`ClippedNegativeLogLikelihood`](crate::metric::ClippedNegativeLogLikelihood) is finite for
/// them. With finite logits the value is always finite: if it exceeds the range of f64, it is the
/// largest f64.
pub type NegativeLogLikelihood = RowMean<LogLikelihoods>;

/// The sum of the negative log-likelihoods of the rows of a [`NegativeLogLikelihood`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLikelihoods {
    n: u64,
    /// Number of rows whose label has probability 0, which no sum can include.
    infinite: u64,
    sum: FixedSum,
    /// Sum over the rows whose values are too large for `sum`.
    #[serde(default, skip_serializing_if = "LargeSum::is_empty")]
    large: LargeSum,
}

impl RowMean<LogLikelihoods> {
    /// Returns the number of rows whose label has probability 0, so their negative log-likelihood
    /// is infinite.
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
        // The usual case, without a branch per row.
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
                format!("the sum of the largest values is impossible for {finite} finite rows");
            return Err(Self::invalid(problem));
        }
        Ok(())
    }

    fn allocated(&self) -> usize {
        self.large.size()
    }
}
