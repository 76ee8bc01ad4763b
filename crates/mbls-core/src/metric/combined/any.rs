use super::ignoring_labels::IgnoringLabels;
use crate::Result;
use crate::metric::agreement::same;
use crate::metric::calibration::{
    AdaptiveEce, Calibration, CalibrationBins, ClasswiseEce, Reliability, ReliabilityBins,
    SortedTopLabels, TopLabelSamples,
};
use crate::metric::classification::{
    Accuracy, BalancedAccuracy, ClassificationMetrics, ClassificationReport, TopKAccuracy,
};
use crate::metric::contract::Metric;
use crate::metric::input::Predictions;
use crate::metric::logits::{ProbabilityReport, ProbabilityStatistics};
use crate::metric::proper::{
    BrierScore, ClippedNegativeLogLikelihood, ClippedNll, NegativeLogLikelihood,
};
use crate::metric::ranking::{RiskCoverageCurve, TopLabelStatistics, TopLabelValue};
use crate::metric::segmentation::{ConfusionMatrix, Overlap};
use serde::{Deserialize, Serialize, Serializer};

/// The value of a metric of any kind.
///
/// It is serialised as the value itself, without the kind.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// A number; it may be infinite.
    Number(f64),
    /// The value of [`ClippedNegativeLogLikelihood`].
    ClippedNll(ClippedNll),
    /// The value of [`ReliabilityBins`].
    Reliability(Reliability),
    /// The value of [`CalibrationBins`].
    Calibration(Calibration),
    /// The value of [`TopLabelStatistics`].
    TopLabels(Vec<TopLabelValue>),
    /// The risk-coverage curve of [`TopLabelSamples`].
    RiskCoverage(RiskCoverageCurve),
    /// The value of [`ConfusionMatrix`].
    Overlap(Overlap),
    /// The value of [`ProbabilityStatistics`].
    Probabilities(ProbabilityReport),
    /// The value of [`ClassificationMetrics`].
    Classification(Box<ClassificationReport>),
}

impl MetricValue {
    /// Returns the value as a single number, if it has one: the mean of a [`ClippedNll`], the ECE
    /// of a [`Reliability`] diagram, the value of a single top-label statistic.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::ClippedNll(nll) => Some(nll.value),
            Self::Reliability(reliability) => Some(reliability.ece()),
            Self::TopLabels(values) => match values[..] {
                [value] => value.value,
                _ => None,
            },
            Self::Calibration(_)
            | Self::RiskCoverage(_)
            | Self::Overlap(_)
            | Self::Probabilities(_)
            | Self::Classification(_) => None,
        }
    }
}

impl Serialize for MetricValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(value) => crate::number::serialize(value, serializer),
            Self::ClippedNll(value) => value.serialize(serializer),
            Self::Reliability(value) => value.serialize(serializer),
            Self::Calibration(value) => value.serialize(serializer),
            Self::TopLabels(value) => value.serialize(serializer),
            Self::RiskCoverage(value) => value.serialize(serializer),
            Self::Overlap(value) => value.serialize(serializer),
            Self::Probabilities(value) => value.serialize(serializer),
            Self::Classification(value) => value.serialize(serializer),
        }
    }
}

macro_rules! any_metric {
    ($($(#[$doc:meta])+ $variant:ident($metric:ty), |$value:ident| $to:expr;)+) => {
        /// A metric of predictions whose kind is known only at run time, see
        /// [`MetricSpec`](crate::metric::MetricSpec).
        ///
        /// It is serialised as its kind and the saved state of the metric: `{"kind": "accuracy",
        /// "saved": {"metric": "accuracy", ..}}`.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", content = "saved", rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum AnyMetric {
            $($(#[$doc])+ $variant($metric),)+
        }

        impl Metric for AnyMetric {
            type Input<'a> = &'a Predictions<'a>;
            type Value = MetricValue;

            fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(metric) => metric.name(),)+
                }
            }

            fn version(&self) -> u32 {
                match self {
                    $(Self::$variant(metric) => metric.version(),)+
                }
            }

            fn empty(&self) -> Self {
                match self {
                    $(Self::$variant(metric) => Self::$variant(metric.empty().into()),)+
                }
            }

            fn check_update(&self, input: &Predictions) -> Result<()> {
                match self {
                    $(Self::$variant(metric) => metric.check_update(input),)+
                }
            }

            fn update(&mut self, input: &Predictions) -> Result<()> {
                match self {
                    $(Self::$variant(metric) => metric.update(input),)+
                }
            }

            fn check_merge(&self, other: &Self) -> Result<()> {
                match (self, other) {
                    $((Self::$variant(metric), Self::$variant(other)) => metric.check_merge(other),)+
                    _ => same("kind", self.name(), other.name()),
                }
            }

            fn merge(&mut self, other: Self) -> Result<()> {
                match (self, other) {
                    $((Self::$variant(metric), Self::$variant(other)) => metric.merge(other.into_inner()),)+
                    (mine, other) => same("kind", mine.name(), other.name()),
                }
            }

            fn value(&self) -> Option<MetricValue> {
                match self {
                    $(Self::$variant(metric) => metric.value().map(|$value| $to),)+
                }
            }

            fn size(&self) -> usize {
                match self {
                    $(Self::$variant(metric) => metric.size(),)+
                }
            }
        }
    };
}

/// Returns the metric, boxed or not.
trait IntoInner<M> {
    fn into_inner(self) -> M;
}

impl<M: Metric> IntoInner<M> for M {
    fn into_inner(self) -> M {
        self
    }
}

impl IntoInner<ClassificationMetrics> for Box<ClassificationMetrics> {
    fn into_inner(self) -> ClassificationMetrics {
        *self
    }
}

any_metric! {
    /// The fraction of correct rows.
    Accuracy(Accuracy), |value| MetricValue::Number(value);
    /// The fraction of rows whose label is among the k classes with the largest scores.
    TopKAccuracy(TopKAccuracy), |value| MetricValue::Number(value);
    /// The mean recall of the classes.
    BalancedAccuracy(BalancedAccuracy), |value| MetricValue::Number(value);
    /// The negative log-likelihood.
    NegativeLogLikelihood(NegativeLogLikelihood), |value| MetricValue::Number(value);
    /// The negative log-likelihood of clipped probabilities.
    ClippedNegativeLogLikelihood(ClippedNegativeLogLikelihood), |value| MetricValue::ClippedNll(value);
    /// The Brier score.
    Brier(BrierScore), |value| MetricValue::Number(value);
    /// A reliability diagram.
    Reliability(ReliabilityBins), |value| MetricValue::Reliability(value);
    /// Adaptive ECE.
    AdaptiveEce(AdaptiveEce), |value| MetricValue::Number(value);
    /// Classwise ECE.
    ClasswiseEce(ClasswiseEce), |value| MetricValue::Number(value);
    /// Calibration errors from binned probabilities.
    CalibrationBins(CalibrationBins), |value| MetricValue::Calibration(value);
    /// Statistics of confidence and correctness.
    TopLabelStatistics(TopLabelStatistics), |value| MetricValue::TopLabels(value);
    /// Confidence and correctness of every row.
    TopLabelSamples(TopLabelSamples), |value| MetricValue::RiskCoverage(SortedTopLabels::risk_coverage(&value));
    /// A confusion matrix.
    ConfusionMatrix(ConfusionMatrix), |value| MetricValue::Overlap(value);
    /// The mean confidence and spread of the predictions.
    ProbabilityStatistics(IgnoringLabels<ProbabilityStatistics>), |value| MetricValue::Probabilities(value);
    /// The common classification metrics in one pass.
    ClassificationMetrics(Box<ClassificationMetrics>), |value| MetricValue::Classification(Box::new(value));
}
