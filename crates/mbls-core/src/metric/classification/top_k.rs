use crate::metric::agreement::same;
use crate::metric::contract::Metric;
use crate::metric::exact::{MAX_ROWS, add_counts};
use crate::metric::input::Predictions;
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The fraction of rows whose label is among the `k` classes with the largest scores.
///
/// A row is correct if fewer than `k` classes rank before its label. Among ties the lower class
/// index ranks first, as in the prediction, so top-1 accuracy is
/// [`Accuracy`](crate::metric::Accuracy). The value is 1 if there are no more than `k` classes.
///
/// ```
/// use mbls_core::metric::{Metric, Predictions, TopKAccuracy};
///
/// let mut top_2 = TopKAccuracy::new(2)?;
/// top_2.update(&Predictions::from_logits(&[3.0, 2.0, 1.0, 3.0, 2.0, 1.0], 3, &[1, 2])?)?;
/// assert_eq!(top_2.value(), Some(0.5));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct TopKAccuracy {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    k: u32,
    n: u64,
    hits: u64,
}

impl TopKAccuracy {
    /// Creates a metric that has seen no rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if `k` is 0.
    pub fn new(k: u32) -> Result<Self> {
        if k == 0 {
            return Err(Error::Setting { name: "k", value: k.to_string(), expected: "1 or more" });
        }
        Ok(Self { state: State { k, n: 0, hits: 0 } })
    }

    /// Returns the number of classes with the largest scores that count as predicted.
    pub fn k(&self) -> u32 {
        self.state.k
    }

    /// Returns the number of rows.
    pub fn n(&self) -> u64 {
        self.state.n
    }
}

impl Metric for TopKAccuracy {
    type Input<'a> = &'a Predictions<'a>;
    type Value = f64;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        Self { state: State { k: self.state.k, n: 0, hits: 0 } }
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        add_counts(self.n(), input.rows() as u64).map(drop)
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        let k = self.state.k;
        let hits = input.all_rows().rank.iter().filter(|rank| **rank < k).count() as u64;
        self.merge(Self { state: State { k, n: input.rows() as u64, hits } })
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        let (a, b) = (self.state, other.state);
        same("k", a.k, b.k)?;
        self.state = State { k: a.k, n: add_counts(a.n, b.n)?, hits: add_counts(a.hits, b.hits)? };
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        (self.state.n > 0).then(|| self.state.hits as f64 / self.state.n as f64)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "top-k-accuracy";
}

impl TryFrom<Saved<State>> for TopKAccuracy {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        Self::new(state.k)?;
        if state.hits > state.n || state.n > MAX_ROWS {
            return Err(<State as saved::MetricState>::invalid(format!(
                "{} hits in {} rows",
                state.hits, state.n
            )));
        }
        Ok(Self { state })
    }
}

impl From<TopKAccuracy> for Saved<State> {
    fn from(accuracy: TopKAccuracy) -> Self {
        Self::new(accuracy.state)
    }
}
