use super::binning::{Binning, EqualWidthBins};
use super::edges::check_bins;
use super::equal_mass::equal_mass_reliability;
use super::reliability::Reliability;
use crate::metric::contract::Metric;
use crate::metric::exact::{Cell, Sample, Samples, add_counts, samples_of};
use crate::metric::input::{Predictions, TopLabels};
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Confidence and correctness of every row, for statistics that cannot be computed from bins. The
/// value is [`SortedTopLabels`].
///
/// Keeps 8 bytes per row; confidences are rounded to multiples of 2^-60.
///
/// ```
/// use mbls_core::metric::{Metric, TopLabelSamples, TopLabels};
///
/// let mut samples = TopLabelSamples::new();
/// samples.add(&TopLabels::new(&[0.9, 0.6], &[true, false])?)?;
/// let sorted = samples.value().expect("two rows were added");
/// // The excess of confidence is 0.6 / 2 up to 0.6, and 0.1 / 2 less up to 0.9.
/// assert_eq!(sorted.kolmogorov_smirnov_error(), 0.3);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct TopLabelSamples {
    state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    samples: Samples,
}

/// Rows in ascending order of confidence, at least one; among ties, incorrect rows come first.
#[derive(Clone, Debug, PartialEq)]
pub struct SortedTopLabels {
    samples: Vec<Sample>,
}

impl TopLabelSamples {
    /// Creates a metric that has seen no rows.
    pub fn new() -> Self {
        Self::default()
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
        self.state
            .samples
            .extend(rows.map(|(confidence, correct)| Sample::new(confidence, correct)))
    }
}

impl Metric for TopLabelSamples {
    type Input<'a> = &'a Predictions<'a>;
    type Value = SortedTopLabels;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        Self::new()
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        add_counts(self.n(), input.rows() as u64).map(drop)
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        self.state.samples.extend(samples_of(input).into_iter())
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        add_counts(self.n(), other.n()).map(drop)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.state.samples.merge(other.state.samples)
    }

    fn value(&self) -> Option<SortedTopLabels> {
        let samples = self.state.samples.sorted();
        (!samples.is_empty()).then_some(SortedTopLabels { samples })
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.state.samples.size()
    }
}

impl SortedTopLabels {
    /// Sorts samples, of which there is at least one.
    pub(in crate::metric) fn sort(mut samples: Vec<Sample>) -> Self {
        samples.sort_unstable();
        Self { samples }
    }

    pub(in crate::metric) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Returns the number of rows.
    pub fn n(&self) -> u64 {
        self.samples.len() as u64
    }

    /// Iterates over confidence and correctness of every row, in ascending order of confidence.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (f64, bool)> {
        self.samples.iter().map(|sample| (sample.confidence(), sample.correct()))
    }

    /// Returns the reliability diagram in `bins` bins.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if `bins` is 0 or above 65536.
    pub fn reliability(&self, binning: Binning, bins: usize) -> Result<Reliability> {
        let equal_width = match binning {
            Binning::EqualWidth => EqualWidthBins::linspace(bins)?,
            Binning::EqualWidthCeil => EqualWidthBins::ceil(bins)?,
            Binning::EqualMass => {
                check_bins(bins)?;
                return Ok(equal_mass_reliability(&self.samples, bins));
            }
        };
        let mut cells = vec![Cell::default(); bins];
        self.samples
            .iter()
            .for_each(|&sample| cells[equal_width.bin(sample.confidence())].add_sample(sample));
        Ok(Reliability::of_cells(equal_width.intervals(), &cells))
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "top-label-samples";
}

impl TryFrom<Saved<State>> for TopLabelSamples {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        state.samples.check::<State>()?;
        Ok(Self { state })
    }
}

impl From<TopLabelSamples> for Saved<State> {
    fn from(metric: TopLabelSamples) -> Self {
        Self::new(metric.state)
    }
}
