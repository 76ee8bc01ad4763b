use crate::Result;
use crate::metric::exact::{FixedSum, out_of_range};
use crate::metric::input::Predictions;
use crate::metric::row_mean::{RowMean, RowSums};
use crate::metric::saved::MetricState;
use serde::{Deserialize, Serialize};

/// The Brier score: `mean_n sum_k (p_nk - [k = y_n])^2`, from 0 to 2.
///
/// The sum over classes is Brier's own definition; some libraries report half of it, or its mean
/// over classes.
///
/// # References
///
/// Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78,
/// 1950.
pub type BrierScore = RowMean<SquaredErrors>;

/// The sum of the squared errors of the rows that a [`BrierScore`] saw.
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
        // A squared error is at most 2, its sum far from the bound: this never fails.
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
        // A row has 2 at the most, and a little more where its probabilities sum to a little more
        // than 1.
        let most = i128::from(3 * self.n) << FixedSum::FRACTION_BITS;
        if !(0..=most).contains(&self.sum.units()) {
            let problem =
                format!("{} rows have squared errors of sum {}", self.n, self.sum.to_f64());
            return Err(Self::invalid(problem));
        }
        Ok(())
    }
}
