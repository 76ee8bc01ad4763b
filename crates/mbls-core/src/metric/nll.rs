use super::saved::{self, Saved};
use super::{FixedSum, MAX_ROWS, Metric, Predictions, add_counts};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The mean negative log-likelihood of the labels: `mean_n -log p_n[y_n]`.
///
/// A label of probability 0 makes it infinite; only [`Predictions::from_probs`] and extreme temperatures know such labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct NegativeLogLikelihood {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
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
        self.state.n
    }
}

impl Metric for NegativeLogLikelihood {
    type Input<'a> = &'a Predictions<'a>;
    type Value = f64;

    fn update(&mut self, input: &Predictions) -> Result<()> {
        let log_probs = &input.all_rows().log_prob;
        let infinite = log_probs.iter().filter(|value| **value == f64::NEG_INFINITY).count();
        let mut sum = FixedSum::default();
        let added = if infinite == 0 {
            sum.add_all(log_probs)
        } else {
            let finite: Vec<f64> =
                log_probs.iter().map(|&value| if value == f64::NEG_INFINITY { 0.0 } else { value }).collect();
            sum.add_all(&finite)
        };
        added.map_err(|row| Error::Value {
            what: "negative log-likelihood",
            value: -input.log_prob_of_label(row),
            row,
            class: input.label(row) as usize,
            expected: "one below 2^66, a sum below 2^67",
        })?;
        let batch = State { n: input.rows() as u64, infinite: infinite as u64, sum: sum.negative() };
        self.merge(Self { state: batch })
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        let (mine, other) = (&mut self.state, other.state);
        let (n, infinite) = (add_counts(mine.n, other.n)?, add_counts(mine.infinite, other.infinite)?);
        mine.sum.merge(other.sum)?;
        (mine.n, mine.infinite) = (n, infinite);
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        let State { n, infinite, sum } = self.state;
        match (n, infinite) {
            (0, _) => None,
            (n, 0) => Some(sum.mean(n)),
            _ => Some(f64::INFINITY),
        }
    }
}

impl saved::State for State {
    const METRIC: &'static str = "negative-log-likelihood";
}

impl TryFrom<Saved<State>> for NegativeLogLikelihood {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        let invalid = |problem: String| Err(<State as saved::State>::invalid(problem));
        if state.infinite > state.n || state.n > MAX_ROWS {
            return invalid(format!("{} of {} rows are infinite", state.infinite, state.n));
        }
        let (finite, sum) = (state.n - state.infinite, state.sum.units());
        if sum < 0 || (finite == 0 && sum > 0) {
            return invalid(format!("{finite} finite rows have the sum {}", state.sum.to_f64()));
        }
        Ok(Self { state })
    }
}

impl From<NegativeLogLikelihood> for Saved<State> {
    fn from(metric: NegativeLogLikelihood) -> Self {
        Self::new(metric.state)
    }
}
