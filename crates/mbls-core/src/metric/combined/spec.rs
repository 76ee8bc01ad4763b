use super::any::AnyMetric;
use super::ignoring_labels::IgnoringLabels;
use crate::Result;
use crate::metric::calibration::{
    AdaptiveConvention, AdaptiveEce, Binning, CalibrationBins, ClasswiseConvention, ClasswiseEce,
    ReliabilityBins, Target, TopLabelSamples,
};
use crate::metric::classification::{
    Accuracy, BalancedAccuracy, ClassificationMetrics, TopKAccuracy,
};
use crate::metric::logits::ProbabilityStatistics;
use crate::metric::proper::{BrierScore, ClippedNegativeLogLikelihood, NegativeLogLikelihood};
use crate::metric::ranking::{TopLabelStatistic, TopLabelStatistics};
use crate::metric::segmentation::ConfusionMatrix;
use serde::{Deserialize, Serialize};

/// A metric of predictions and its settings, as written in a configuration file: `kind =
/// "top-k-accuracy"`, `k = 5`.
///
/// The kind is the [`name`](crate::metric::Metric::name) of the metric.
///
/// ```
/// use mbls_core::metric::{Metric, MetricSpec, MetricValue, measure_logits};
///
/// let spec: MetricSpec =
///     serde_json::from_str(r#"{"kind": "top-k-accuracy", "k": 2}"#).expect("a metric");
/// let metric = measure_logits(&spec.build()?, &[2.0, 0.0, 1.0], 3, &[2])?;
/// assert_eq!(
///     (metric.name(), metric.value()),
///     ("top-k-accuracy", Some(MetricValue::Number(1.0)))
/// );
///
/// let wrong = MetricSpec::TopKAccuracy { k: 0 }.build().err().map(|error| error.to_string());
/// assert_eq!(wrong.as_deref(), Some("k = 0: expected 1 or more"));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum MetricSpec {
    /// [`Accuracy`].
    Accuracy {},
    /// [`TopKAccuracy`].
    TopKAccuracy {
        /// The number of classes with the largest scores that count as predicted.
        k: u32,
    },
    /// [`BalancedAccuracy`].
    BalancedAccuracy {},
    /// [`NegativeLogLikelihood`].
    NegativeLogLikelihood {},
    /// [`ClippedNegativeLogLikelihood`].
    ClippedNegativeLogLikelihood {
        /// The lower bound to which probabilities are clipped.
        epsilon: f64,
    },
    /// [`BrierScore`].
    Brier {},
    /// [`ReliabilityBins`], whose value includes ECE and MCE.
    Reliability {
        /// The number of bins, 1 to 65536; default 15.
        #[serde(default = "bins")]
        bins: usize,
    },
    /// [`AdaptiveEce`].
    AdaptiveEce {
        /// The number of bins, 1 to 65536; default 15.
        #[serde(default = "bins")]
        bins: usize,
        /// The rows that are included.
        #[serde(default)]
        convention: AdaptiveConvention,
    },
    /// [`ClasswiseEce`].
    ClasswiseEce {
        /// The number of bins of each class.
        #[serde(default = "bins")]
        bins: usize,
        /// The classes and probabilities that are included.
        #[serde(default)]
        convention: ClasswiseConvention,
    },
    /// [`CalibrationBins`].
    CalibrationBins {
        /// The probabilities that are compared with the labels.
        #[serde(default)]
        target: Target,
        /// The binning of the probabilities.
        #[serde(default)]
        binning: Binning,
        /// The number of bins of each curve.
        #[serde(default = "bins")]
        bins: usize,
    },
    /// [`TopLabelStatistics`]: smooth ECE, Kolmogorov-Smirnov, kernel and binned calibration errors,
    /// AURC.
    TopLabelStatistics {
        /// The statistics. They are computed from one stored copy of the rows.
        statistics: Vec<TopLabelStatistic>,
    },
    /// [`TopLabelSamples`].
    TopLabelSamples {},
    /// [`ConfusionMatrix`].
    ConfusionMatrix {
        /// The number of classes.
        classes: usize,
    },
    /// [`ProbabilityStatistics`].
    ProbabilityStatistics {},
    /// [`ClassificationMetrics`].
    ClassificationMetrics {
        /// The number of bins of the calibration errors.
        #[serde(default = "bins")]
        bins: usize,
        /// The rows that adaptive ECE includes.
        #[serde(default)]
        adaptive: AdaptiveConvention,
        /// The classes and probabilities that classwise ECE includes.
        #[serde(default)]
        classwise: ClasswiseConvention,
        /// The epsilon of the clipped negative log-likelihood, which is computed only if this is
        /// set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epsilon: Option<f64>,
        /// Additional statistics of the confidences.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        statistics: Vec<TopLabelStatistic>,
    },
}

/// The default number of confidence bins, which most publications use.
fn bins() -> usize {
    15
}

impl MetricSpec {
    /// Creates the metric, without rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) if a setting is out of range.
    pub fn build(&self) -> Result<AnyMetric> {
        Ok(match self {
            Self::Accuracy {} => AnyMetric::Accuracy(Accuracy::new()),
            Self::TopKAccuracy { k } => AnyMetric::TopKAccuracy(TopKAccuracy::new(*k)?),
            Self::BalancedAccuracy {} => AnyMetric::BalancedAccuracy(BalancedAccuracy::new()),
            Self::NegativeLogLikelihood {} => {
                AnyMetric::NegativeLogLikelihood(NegativeLogLikelihood::new())
            }
            Self::ClippedNegativeLogLikelihood { epsilon } => {
                AnyMetric::ClippedNegativeLogLikelihood(ClippedNegativeLogLikelihood::new(
                    *epsilon,
                )?)
            }
            Self::Brier {} => AnyMetric::Brier(BrierScore::new()),
            Self::Reliability { bins } => AnyMetric::Reliability(ReliabilityBins::new(*bins)?),
            Self::AdaptiveEce { bins, convention } => {
                AnyMetric::AdaptiveEce(AdaptiveEce::new(*bins, *convention)?)
            }
            Self::ClasswiseEce { bins, convention } => {
                AnyMetric::ClasswiseEce(ClasswiseEce::new(*bins, *convention)?)
            }
            Self::CalibrationBins { target, binning, bins } => {
                AnyMetric::CalibrationBins(CalibrationBins::new(*target, *binning, *bins)?)
            }
            Self::TopLabelStatistics { statistics } => {
                AnyMetric::TopLabelStatistics(TopLabelStatistics::new(statistics.clone())?)
            }
            Self::TopLabelSamples {} => AnyMetric::TopLabelSamples(TopLabelSamples::new()),
            Self::ConfusionMatrix { classes } => {
                AnyMetric::ConfusionMatrix(ConfusionMatrix::new(*classes)?)
            }
            Self::ProbabilityStatistics {} => {
                AnyMetric::ProbabilityStatistics(IgnoringLabels(ProbabilityStatistics::new()))
            }
            Self::ClassificationMetrics { bins, adaptive, classwise, epsilon, statistics } => {
                let mut metrics =
                    ClassificationMetrics::with_conventions(*bins, *adaptive, *classwise)?;
                if let Some(epsilon) = epsilon {
                    metrics = metrics.with_clipped_nll(*epsilon)?;
                }
                if !statistics.is_empty() {
                    metrics = metrics.with_statistics(statistics.clone())?;
                }
                AnyMetric::ClassificationMetrics(Box::new(metrics))
            }
        })
    }
}
