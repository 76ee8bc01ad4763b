use crate::Result;
use crate::metric::exact::{FixedSum, out_of_range};
use crate::metric::input::Predictions;
use crate::metric::row_mean::{RowMean, RowSums};
use crate::metric::saved::MetricState;
use serde::{Deserialize, Serialize};

/// The Brier score: `mean_n sum_k (p_nk - [k = y_n])^2`, from 0 to 2.
///
/// The sum over classes is Brier's original definition. Some libraries report half of it, or its
/// mean over classes.
///
/// # References
///
/// Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78,
/// 1950.
pub type BrierScore = RowMean<SquaredErrors>;

/// The sum of the squared errors of the rows of a [`BrierScore`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SquaredErrors {
    n: u64,
    sum: FixedSum,
}

impl MetricState for SquaredErrors {
    const METRIC: &'static str = "brier";
}

impl RowSums for SquaredErrors {
    fn of(rows: &Predictions) -> Result<Self> {
        let mut sums = Self { n: rows.rows() as u64, ..Self::default() };
        // This never fails: a squared error is at most 2, so the sum is far from its bound.
        sums.sum
            .add_all(&rows.all_rows().brier)
            .map_err(|row| out_of_range(&rows.squared_error(row)))?;
        Ok(sums)
    }

    fn n(&self) -> u64 {
        self.n
    }

    fn add(&mut self, other: Self) -> Result<()> {
        self.sum.merge(other.sum)?;
        self.n += other.n;
        Ok(())
    }

    fn mean(&self) -> f64 {
        self.sum.mean(self.n)
    }

    fn check(&self) -> Result<()> {
        // A row has at most 2, or slightly more if its probabilities sum to slightly more than 1.
        let most = i128::from(3 * self.n) << FixedSum::FRACTION_BITS;
        if !(0..=most).contains(&self.sum.units()) {
            let problem =
                format!("{} rows have squared errors of sum {}", self.n, self.sum.to_f64());
            return Err(Self::invalid(problem));
        }
        Ok(())
    }
}
