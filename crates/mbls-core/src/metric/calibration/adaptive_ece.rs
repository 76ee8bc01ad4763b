use super::adaptive_convention::AdaptiveConvention;
use super::edges::check_bins;
use super::equal_mass::equal_mass_bins;
use crate::metric::agreement::same;
use crate::metric::contract::Metric;
use crate::metric::exact::{Sample, Samples, add_counts, samples_of, units_to_f64};
use crate::metric::input::{Predictions, TopLabels, top_labels};
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Adaptive expected calibration error: `sum_b count_b / n |accuracy_b - confidence_b|` over bins
/// of equal mass (equally many rows).
///
/// Edge `k` is the confidence at position `k n / bins` of the sorted confidences, with linear
/// interpolation; the last position is past the end, and the last edge is the largest confidence.
/// Bins are `(lower, upper]`, so rows with the same confidence share a bin. The state keeps
/// confidence and correctness of each row in 8 bytes, and the value is computed in integers: it
/// does not depend on the order of the rows.
///
/// # References
///
/// Nguyen and O'Connor, Posterior calibration and exploratory analysis for natural language
/// processing models, EMNLP 2015; Mukhoti et al., NeurIPS 2020 (arXiv 2002.09437), whose code
/// defines the reference convention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct AdaptiveEce {
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    bins: usize,
    convention: AdaptiveConvention,
    samples: Samples,
}

impl AdaptiveEce {
    /// Creates a metric with `bins` bins that has seen no rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if `bins` is 0 or above 65536.
    pub fn new(bins: usize, convention: AdaptiveConvention) -> Result<Self> {
        Ok(Self {
            state: State { bins: check_bins(bins)?, convention, samples: Samples::default() },
        })
    }

    /// Returns the number of bins, 1 to 65536.
    pub fn bins(&self) -> usize {
        self.state.bins
    }

    /// Returns the convention that decides which rows are included.
    pub fn convention(&self) -> AdaptiveConvention {
        self.state.convention
    }

    /// Returns the number of rows.
    pub fn n(&self) -> u64 {
        self.state.samples.len() as u64
    }

    /// Adds rows given by confidence and correctness only.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`update`](Metric::update).
    pub fn add(&mut self, rows: &TopLabels) -> Result<()> {
        self.extend(rows.iter())
    }

    fn extend(&mut self, rows: impl ExactSizeIterator<Item = (f64, bool)>) -> Result<()> {
        let State { convention, samples, .. } = &mut self.state;
        samples.extend(rows.map(|(confidence, correct)| match convention {
            AdaptiveConvention::Definition => Sample::new(confidence, correct),
            AdaptiveConvention::Reference => Sample::new((confidence as f32).into(), correct),
        }))
    }
}

impl Metric for AdaptiveEce {
    type Input<'a> = &'a Predictions<'a>;
    type Value = f64;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        Self { state: State { samples: Samples::default(), ..self.state } }
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        add_counts(self.n(), input.rows() as u64).map(drop)
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        match self.state.convention {
            AdaptiveConvention::Definition => {
                self.state.samples.extend(samples_of(input).into_iter())
            }
            AdaptiveConvention::Reference => self.extend(top_labels(input)),
        }
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        same("bins", self.bins(), other.bins())?;
        same("adaptive convention", self.convention(), other.convention())?;
        add_counts(self.n(), other.n()).map(drop)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        self.state.samples.merge(other.state.samples)
    }

    fn value(&self) -> Option<f64> {
        let samples = self.state.samples.as_slice();
        if samples.is_empty() {
            return None;
        }
        let bins = equal_mass_bins(samples, self.state.bins, self.state.convention);
        let total = bins.iter().map(|bin| bin.cell.gap()).sum();
        Some(units_to_f64(total) / samples.len() as f64)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.state.samples.size()
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "adaptive-ece";
}

impl TryFrom<Saved<State>> for AdaptiveEce {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        check_bins(state.bins)?;
        state.samples.check::<State>()?;
        Ok(Self { state })
    }
}

impl From<AdaptiveEce> for Saved<State> {
    fn from(metric: AdaptiveEce) -> Self {
        Self::new(metric.state)
    }
}
