use crate::metric::contract::Metric;
use crate::metric::exact::{MAX_ROWS, add_counts};
use crate::metric::input::{Predictions, top_labels};
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The share of rows whose label is the predicted class: `correct / n`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct Accuracy {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    n: u64,
    correct: u64,
}

impl Accuracy {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of rows.
    pub fn n(&self) -> u64 {
        self.state.n
    }
}

impl Metric for Accuracy {
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
        let correct = top_labels(input).filter(|(_, correct)| *correct).count();
        self.merge(Self { state: State { n: input.rows() as u64, correct: correct as u64 } })
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        let (a, b) = (self.state, other.state);
        self.state = State { n: add_counts(a.n, b.n)?, correct: add_counts(a.correct, b.correct)? };
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        (self.state.n > 0).then(|| self.state.correct as f64 / self.state.n as f64)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "accuracy";
}

impl TryFrom<Saved<State>> for Accuracy {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        if state.correct > state.n || state.n > MAX_ROWS {
            return Err(<State as saved::MetricState>::invalid(format!(
                "{} correct of {} rows",
                state.correct, state.n
            )));
        }
        Ok(Self { state })
    }
}

impl From<Accuracy> for Saved<State> {
    fn from(accuracy: Accuracy) -> Self {
        Self::new(accuracy.state)
    }
}
