use crate::metric::contract::Metric;
use crate::metric::exact::{FixedSum, MAX_ROWS, add_counts, out_of_range};
use crate::metric::input::Predictions;
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The Brier score: `mean_n sum_k (p_nk - [k = y_n])^2`, from 0 to 2.
///
/// The sum over classes is Brier's own definition; some libraries report half of it, or its mean over classes.
///
/// # References
///
/// Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78, 1950.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct BrierScore {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    n: u64,
    sum: FixedSum,
}

impl BrierScore {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of rows.
    pub fn n(&self) -> u64 {
        self.state.n
    }
}

impl Metric for BrierScore {
    type Input<'a> = &'a Predictions<'a>;
    type Value = f64;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        Self::new()
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        add_counts(self.n(), input.rows() as u64).map(drop)
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        let mut batch = State { n: input.rows() as u64, ..State::default() };
        // A squared error is at most 2, its sum far from the bound: this never fails.
        batch.sum.add_all(&input.all_rows().brier).map_err(|row| out_of_range(&input.squared_error(row)))?;
        self.merge(Self { state: batch })
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        let (mine, other) = (&mut self.state, other.state);
        let n = add_counts(mine.n, other.n)?;
        mine.sum.merge(other.sum)?;
        mine.n = n;
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        let State { n, sum } = self.state;
        (n > 0).then(|| sum.mean(n))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "brier";
}

impl TryFrom<Saved<State>> for BrierScore {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        // A row has 2 at the most, and a little more where its probabilities sum to a little more than 1.
        let most = i128::from(3 * state.n.min(MAX_ROWS)) << FixedSum::FRACTION_BITS;
        if state.n > MAX_ROWS || !(0..=most).contains(&state.sum.units()) {
            let problem = format!("{} rows have squared errors of sum {}", state.n, state.sum.to_f64());
            return Err(<State as saved::MetricState>::invalid(problem));
        }
        Ok(Self { state })
    }
}

impl From<BrierScore> for Saved<State> {
    fn from(metric: BrierScore) -> Self {
        Self::new(metric.state)
    }
}
