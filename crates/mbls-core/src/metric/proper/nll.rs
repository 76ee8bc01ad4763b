use crate::metric::contract::Metric;
use crate::metric::exact::{FixedSum, LargeSum, MAX_ROWS, add_counts};
use crate::metric::input::Predictions;
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The mean negative log-likelihood of the labels: `mean_n -log p_n[y_n]`.
///
/// A label of probability 0 makes it infinite: one that was given so, or whose class is masked. How many rows those are is in
/// [`infinite`](Self::infinite); [`ClippedNegativeLogLikelihood`](crate::metric::ClippedNegativeLogLikelihood) is finite for them too.
/// Logits that are finite never do: where the value is beyond f64, it is the largest one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct NegativeLogLikelihood {
    state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    n: u64,
    /// Rows whose label has the probability 0: no sum can hold them.
    infinite: u64,
    sum: FixedSum,
    /// Of rows for which `sum` has no room.
    #[serde(default, skip_serializing_if = "LargeSum::is_empty")]
    large: LargeSum,
}

impl NegativeLogLikelihood {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of rows.
    pub fn n(&self) -> u64 {
        self.state.n
    }

    /// The number of rows whose label has the probability 0, so that their negative log-likelihood is infinite.
    pub fn infinite(&self) -> u64 {
        self.state.infinite
    }
}

impl Metric for NegativeLogLikelihood {
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
        let log_probs = &input.all_rows().log_prob;
        let mut batch = State { n: input.rows() as u64, ..State::default() };
        // Without a branch per row; nearly always.
        let added = if log_probs.iter().fold(true, |all, value| all & (*value > -LargeSum::LEAST)) {
            batch.sum.add_all(log_probs)
        } else {
            log_probs.iter().enumerate().try_for_each(|(row, &value)| match value {
                f64::NEG_INFINITY => {
                    batch.infinite += 1;
                    Ok(())
                }
                value if value <= -LargeSum::LEAST => {
                    batch.large.add(-value);
                    Ok(())
                }
                value => batch.sum.add(value).map_err(|_| row),
            })
        };
        added.map_err(|row| Error::Value {
            what: "negative log-likelihood",
            value: -input.log_prob_of_label(row),
            row,
            class: input.label(row) as usize,
            expected: "a number",
        })?;
        batch.sum = batch.sum.negative();
        self.merge(Self { state: batch })
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        let (mine, other) = (&mut self.state, other.state);
        let (n, infinite) = (add_counts(mine.n, other.n)?, add_counts(mine.infinite, other.infinite)?);
        mine.sum.merge(other.sum)?;
        mine.large.merge(other.large);
        (mine.n, mine.infinite) = (n, infinite);
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        let State { n, infinite, sum, large } = &self.state;
        match (*n, infinite) {
            (0, _) => None,
            (n, 0) if large.is_empty() => Some(sum.mean(n)),
            (n, 0) => Some((large.mean(n) + sum.mean(n)).min(f64::MAX)),
            _ => Some(f64::INFINITY),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.state.large.size()
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "negative-log-likelihood";
}

impl TryFrom<Saved<State>> for NegativeLogLikelihood {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        let invalid = |problem: String| Err(<State as saved::MetricState>::invalid(problem));
        if state.infinite > state.n || state.n > MAX_ROWS {
            return invalid(format!("{} of {} rows are infinite", state.infinite, state.n));
        }
        let (finite, sum) = (state.n - state.infinite, state.sum.units());
        if sum < 0 || (finite == 0 && sum > 0) {
            return invalid(format!("{finite} finite rows have the sum {}", state.sum.to_f64()));
        }
        if !state.large.is_of(finite) {
            return invalid(format!("the sum of the largest of {finite} finite rows is not one of so many"));
        }
        Ok(Self { state })
    }
}

impl From<NegativeLogLikelihood> for Saved<State> {
    fn from(metric: NegativeLogLikelihood) -> Self {
        Self::new(metric.state)
    }
}
