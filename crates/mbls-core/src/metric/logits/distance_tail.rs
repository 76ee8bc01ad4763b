use crate::metric::agreement::same;
use crate::metric::contract::Metric;
use crate::metric::exact::{Numbers, add_counts};
use crate::metric::input::{LogitRows, Spread, with_scores};
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The mean logit distance of the rows with the largest distances, a fraction `share` of all rows.
///
/// The distance of a row is `max_k l_k - min_k l_k` over its unmasked classes. The mean is over the
/// `floor(share * n)` rows with the largest distances, at least one. Which rows these are is known
/// only at the end, so the state needs 8 bytes per row. With a share of 0.1 this is the
/// `max_diffs_top10` of published code, except that the latter averages over all rows if the floor
/// is 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct LogitDistanceTail {
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    share: f64,
    distances: Numbers,
}

impl LogitDistanceTail {
    /// Creates a metric that has seen no rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if the share is not above 0 and at most 1.
    pub fn new(share: f64) -> Result<Self> {
        if !(share > 0.0 && share <= 1.0) {
            let (value, expected) = (share.to_string(), "above 0 and at most 1");
            return Err(Error::Setting { name: "share", value, expected });
        }
        Ok(Self { state: State { share, distances: Numbers::default() } })
    }

    /// Returns the fraction of the rows over which the mean is computed.
    pub fn share(&self) -> f64 {
        self.state.share
    }

    /// Returns the number of rows.
    pub fn n(&self) -> u64 {
        self.state.distances.len() as u64
    }
}

impl Metric for LogitDistanceTail {
    type Input<'a> = LogitRows<'a>;
    type Value = f64;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        Self { state: State { share: self.state.share, distances: Numbers::default() } }
    }

    fn check_update(&self, input: LogitRows<'_>) -> Result<()> {
        add_counts(self.n(), input.rows() as u64).map(drop)
    }

    fn update(&mut self, input: LogitRows<'_>) -> Result<()> {
        with_scores!(input.logits(), logits => {
            self.state.distances.extend(logits.chunks_exact(input.classes()).map(|row| Spread::of(row).range))
        })
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        same("share", self.state.share, other.state.share)?;
        add_counts(self.n(), other.n()).map(drop)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        self.state.distances.merge(other.state.distances)
    }

    fn value(&self) -> Option<f64> {
        let distances = self.state.distances.sorted();
        let most = distances.len() as f64 * self.state.share;
        let largest = distances.len().checked_sub((most as usize).max(1))?;
        // In ascending order, so rounding depends on the numbers alone.
        let tail = &distances[largest..];
        Some(tail.iter().map(|distance| distance / tail.len() as f64).sum())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.state.distances.size()
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "logit-distance-tail";
}

impl TryFrom<Saved<State>> for LogitDistanceTail {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        Self::new(state.share)?;
        state.distances.check::<State>()?;
        match state.distances.sorted().first() {
            Some(least) if *least < 0.0 => {
                Err(<State as saved::MetricState>::invalid(format!("a distance of {least}")))
            }
            _ => Ok(Self { state }),
        }
    }
}

impl From<LogitDistanceTail> for Saved<State> {
    fn from(tail: LogitDistanceTail) -> Self {
        Self::new(tail.state)
    }
}
