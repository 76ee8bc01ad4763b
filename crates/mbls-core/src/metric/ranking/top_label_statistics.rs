use crate::metric::agreement::same;
use crate::metric::calibration::{
    Binning, CalibrationNorm, KernelEstimator, SmoothConvention, SortedTopLabels, TopLabelSamples,
    check_bins,
};
use crate::metric::contract::Metric;
use crate::metric::input::{Predictions, TopLabels};
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A statistic of the confidence and correctness of every row, as named in a configuration file:
/// `kind = "smooth-ece"`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum TopLabelStatistic {
    /// The smooth calibration error, [`SortedTopLabels::smooth_ece`].
    SmoothEce {
        /// The treatment of confidences of 0 and 1.
        #[serde(default)]
        convention: SmoothConvention,
    },
    /// The Kolmogorov-Smirnov calibration error, [`SortedTopLabels::kolmogorov_smirnov_error`].
    KolmogorovSmirnov {},
    /// The squared kernel calibration error, [`SortedTopLabels::kernel_calibration_error`];
    /// undefined for fewer than two rows.
    KernelCalibrationError {
        /// The bandwidth of the kernel.
        bandwidth: f64,
        /// The estimator.
        #[serde(default)]
        estimator: KernelEstimator,
    },
    /// The binned calibration error, [`SortedTopLabels::reliability`].
    CalibrationError {
        /// The binning of the confidences.
        #[serde(default)]
        binning: Binning,
        /// The number of bins, 1 to 65536.
        bins: usize,
        /// The norm that combines the gaps of the bins.
        #[serde(default)]
        norm: CalibrationNorm,
    },
    /// The area under the risk-coverage curve,
    /// [`RiskCoverageCurve::aurc`](crate::metric::RiskCoverageCurve::aurc).
    Aurc {},
    /// The difference between the AURC and the minimum possible,
    /// [`RiskCoverageCurve::excess_aurc`](crate::metric::RiskCoverageCurve::excess_aurc).
    ExcessAurc {},
}

impl TopLabelStatistic {
    /// Computes the statistic; `None` if it is undefined.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if a setting is out of range.
    pub fn of(&self, rows: &SortedTopLabels) -> Result<Option<f64>> {
        Ok(match *self {
            Self::SmoothEce { convention } => Some(rows.smooth_ece(convention).value),
            Self::KolmogorovSmirnov {} => Some(rows.kolmogorov_smirnov_error()),
            Self::KernelCalibrationError { bandwidth, estimator } => {
                rows.kernel_calibration_error(bandwidth, estimator)?.map(|error| error.squared)
            }
            Self::CalibrationError { binning, bins, norm } => {
                Some(rows.reliability(binning, bins)?.error(norm))
            }
            Self::Aurc {} => Some(rows.risk_coverage().aurc()),
            Self::ExcessAurc {} => Some(rows.risk_coverage().excess_aurc()),
        })
    }

    fn check(&self) -> Result<()> {
        match *self {
            Self::KernelCalibrationError { bandwidth, .. }
                if !(bandwidth > 0.0 && bandwidth.is_finite()) =>
            {
                let expected = "a finite number greater than 0";
                Err(Error::Setting { name: "bandwidth", value: bandwidth.to_string(), expected })
            }
            Self::CalibrationError { bins, .. } => check_bins(bins).map(drop),
            _ => Ok(()),
        }
    }
}

/// Statistics of the confidence and correctness of every row. All statistics share one copy of the
/// rows, which takes 8 bytes per row.
///
/// ```
/// use mbls_core::metric::{Metric, TopLabelStatistic, TopLabelStatistics, TopLabels};
///
/// let mut statistics = TopLabelStatistics::new(vec![
///     TopLabelStatistic::KolmogorovSmirnov {},
///     TopLabelStatistic::Aurc {},
/// ])?;
/// statistics.add(&TopLabels::new(&[0.9, 0.6], &[true, false])?)?;
/// let values = statistics.value().expect("two rows were added");
/// assert_eq!((values[0].value, values[1].value), (Some(0.3), Some(0.25)));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct TopLabelStatistics {
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    statistics: Vec<TopLabelStatistic>,
    samples: TopLabelSamples,
}

/// A statistic and its value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopLabelValue {
    /// The statistic with its settings.
    pub statistic: TopLabelStatistic,
    /// The value of the statistic; `None` if it is undefined.
    pub value: Option<f64>,
}

impl TopLabelStatistics {
    /// Creates a metric that has seen no rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if a setting of a statistic is out of range.
    pub fn new(statistics: Vec<TopLabelStatistic>) -> Result<Self> {
        statistics.iter().try_for_each(TopLabelStatistic::check)?;
        Ok(Self { state: State { statistics, samples: TopLabelSamples::new() } })
    }

    /// Returns the statistics in the order of the values of [`value`](Metric::value).
    pub fn statistics(&self) -> &[TopLabelStatistic] {
        &self.state.statistics
    }

    /// Returns the rows.
    pub fn samples(&self) -> &TopLabelSamples {
        &self.state.samples
    }

    /// Returns the number of rows.
    pub fn n(&self) -> u64 {
        self.state.samples.n()
    }

    /// Adds rows given by confidence and correctness only.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`update`](Metric::update).
    pub fn add(&mut self, rows: &TopLabels) -> Result<()> {
        self.state.samples.add(rows)
    }
}

impl Metric for TopLabelStatistics {
    type Input<'a> = &'a Predictions<'a>;
    type Value = Vec<TopLabelValue>;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        let State { statistics, samples } = &self.state;
        Self { state: State { statistics: statistics.clone(), samples: samples.empty() } }
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        self.state.samples.check_update(input)
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        self.state.samples.update(input)
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        same("statistics", &self.state.statistics, &other.state.statistics)?;
        self.state.samples.check_merge(&other.state.samples)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        self.state.samples.merge(other.state.samples)
    }

    fn value(&self) -> Option<Vec<TopLabelValue>> {
        let rows = self.state.samples.value()?;
        let value = |&statistic: &TopLabelStatistic| TopLabelValue {
            statistic,
            // The settings were checked when the metric was created.
            value: statistic.of(&rows).ok().flatten(),
        };
        Some(self.state.statistics.iter().map(value).collect())
    }

    fn size(&self) -> usize {
        let State { statistics, samples } = &self.state;
        let allocated = statistics.capacity() * size_of::<TopLabelStatistic>() + samples.size()
            - size_of_val(samples);
        size_of_val(self) + allocated
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "top-label-statistics";
}

impl TryFrom<Saved<State>> for TopLabelStatistics {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let State { statistics, samples } = saved.into_state();
        Ok(Self { state: State { samples, ..Self::new(statistics)?.state } })
    }
}

impl From<TopLabelStatistics> for Saved<State> {
    fn from(metric: TopLabelStatistics) -> Self {
        Self::new(metric.state)
    }
}
