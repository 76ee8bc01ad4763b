use super::cell::gap;
use super::edges::check_bins;
use super::fixed_sum::{unit_interval_units, units_to_f64};
use super::samples::{Sample, Samples};
use super::saved::{self, Saved};
use super::{Metric, Predictions, same};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which rows adaptive ECE counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdaptiveConvention {
    /// Every row: the lowest confidence belongs to the first bin.
    #[default]
    Default,
    /// As published code computes it: confidences and edges are rounded to f32, and the first bin excludes its lower edge, so
    /// that the rows of the lowest confidence drop out of the sum, though not out of its divisor. 0 where all confidences are
    /// equal.
    Reference,
}

/// Adaptive expected calibration error: `sum_b count_b / n |accuracy_b - confidence_b|` over bins of equally many rows.
///
/// Edge `k` is the confidence at position `k n / bins` of the sorted ones, by linear interpolation, the last one beyond the
/// end; bins are `(lower, upper]`, so rows of the same confidence share a bin. Kept are a pair of confidence and correctness
/// per row, in 8 bytes, and the value is computed in integers: it does not depend on the order of the rows.
///
/// # References
///
/// Nguyen and O'Connor, Posterior calibration and exploratory analysis for natural language processing models, EMNLP 2015;
/// Mukhoti et al., NeurIPS 2020 (arXiv 2002.09437), whose code the reference convention is.
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
    /// No rows yet, for `bins` bins.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for no bins and for more than 65536.
    pub fn new(bins: usize, convention: AdaptiveConvention) -> Result<Self> {
        Ok(Self { state: State { bins: check_bins(bins)?, convention, samples: Samples::default() } })
    }

    /// The number of bins.
    pub fn bins(&self) -> usize {
        self.state.bins
    }

    /// The convention.
    pub fn convention(&self) -> AdaptiveConvention {
        self.state.convention
    }

    /// The number of rows.
    pub fn n(&self) -> u64 {
        self.state.samples.len() as u64
    }

    /// An error where another's settings differ.
    pub(super) fn check_merge(&self, other: &Self) -> Result<()> {
        same("bins", self.bins(), other.bins())?;
        same("adaptive convention", self.convention(), other.convention())
    }
}

impl Metric for AdaptiveEce {
    type Input<'a> = &'a Predictions;
    type Value = f64;

    fn update(&mut self, input: &Predictions) -> Result<()> {
        let State { convention, samples, .. } = &mut self.state;
        samples.extend((0..input.rows()).map(|row| {
            let confidence = match convention {
                AdaptiveConvention::Default => input.confidence(row),
                AdaptiveConvention::Reference => f64::from(input.confidence(row) as f32),
            };
            Sample::new(confidence, input.correct(row))
        }))
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        self.state.samples.merge(other.state.samples)
    }

    fn value(&self) -> Option<f64> {
        let sorted = Sorted { samples: self.state.samples.sorted(), bins: self.state.bins as u128 };
        let n = sorted.samples.len();
        if n == 0 {
            return None;
        }
        let edge = |k| match self.state.convention {
            AdaptiveConvention::Default => sorted.edge(k),
            AdaptiveConvention::Reference => sorted.rounded_to_f32(sorted.edge(k)),
        };
        let mut start = match self.state.convention {
            AdaptiveConvention::Default => 0,
            AdaptiveConvention::Reference => sorted.first_above(edge(0)),
        };
        let mut total = 0;
        for k in 1..=sorted.bins {
            let end = sorted.first_above(edge(k));
            // Edges never fall: a bin that ends where it starts is empty.
            let rows = &sorted.samples[start..end.max(start)];
            let correct = rows.iter().map(|sample| u64::from(sample.correct())).sum();
            total += gap(correct, rows.iter().map(|sample| i128::from(sample.units())).sum());
            start = end.max(start);
        }
        Some(units_to_f64(total) / n as f64)
    }
}

/// Sorted samples; edges and confidences are compared in units of `2^-60 / bins`, in which both are integers.
struct Sorted {
    samples: Vec<Sample>,
    bins: u128,
}

impl Sorted {
    fn confidence(&self, index: usize) -> u128 {
        u128::from(self.samples[index].units()) * self.bins
    }

    /// The confidence at position `k n / bins`, exactly: in floats the position itself would be rounded, and the edge would
    /// miss the confidence it should be equal to.
    fn edge(&self, k: u128) -> u128 {
        let n = self.samples.len();
        let position = k * n as u128;
        let (index, rest) = ((position / self.bins) as usize, position % self.bins);
        if index + 1 >= n {
            return self.confidence(n - 1);
        }
        let (low, high) = (self.confidence(index), self.confidence(index + 1));
        low + (high - low) / self.bins * rest
    }

    fn rounded_to_f32(&self, edge: u128) -> u128 {
        let rounded = (units_to_f64(edge) / self.bins as f64) as f32;
        u128::from(unit_interval_units(rounded.into())) * self.bins
    }

    /// The first sample whose confidence is above an edge.
    fn first_above(&self, edge: u128) -> usize {
        self.samples.partition_point(|sample| u128::from(sample.units()) * self.bins <= edge)
    }
}

impl saved::State for State {
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
