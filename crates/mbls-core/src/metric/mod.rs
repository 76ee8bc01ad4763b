//! Metrics of classifiers with exact, mergeable states.
//!
//! [`Predictions`] validates a batch of scored rows once; any number of [`Metric`]s can consume it.
//! States are integer counts and 128-bit fixed-point sums ([`FixedSum`]), so a value is
//! bit-identical for any order of the rows, batch size and sharding. Where conventions differ in
//! the literature, the convention is a setting, and the output names it.
//!
//! ```
//! use mbls_core::metric::{ClassificationMetrics, Metric, Predictions};
//!
//! let logits = [2.0, 0.0, 0.0, 0.0, 1.0, 0.0];
//! let mut metrics = ClassificationMetrics::new(15)?;
//! metrics.update(&Predictions::from_logits(&logits, 3, &[0, 2])?)?;
//! let report = metrics.value().expect("two rows were added");
//! assert_eq!((report.n, report.accuracy), (2, 0.5));
//! # Ok::<(), mbls_core::Error>(())
//! ```

mod agreement;
mod calibration;
mod classification;
mod combined;
mod contract;
mod exact;
mod input;
mod logits;
mod measure;
mod proper;
mod ranking;
mod row_mean;
mod saved;
mod segmentation;

pub(crate) use calibration::check_bins;
pub use calibration::{
    AdaptiveConvention, AdaptiveEce, Binning, BrierDecomposition, Calibration, CalibrationBins,
    CalibrationError, CalibrationNorm, ClasswiseConvention, ClasswiseEce, Consistency,
    ConsistencyBand, EceEstimate, EceInterval, GroupedReliability, GroupedRows,
    KernelCalibrationError, KernelEstimator, LogLossDecomposition, Reliability, ReliabilityBin,
    ReliabilityBins, SmoothConvention, SmoothEce, SortedTopLabels, Target, TopLabelSamples,
    ece_difference, ece_with_interval, kernel_calibration_error,
};
pub use classification::{
    Accuracy, BalancedAccuracy, ClassificationMetrics, ClassificationReport, CorrectRows,
    TopKAccuracy,
};
pub use combined::{AnyMetric, IgnoringLabels, MetricSet, MetricSpec, MetricValue, NamedValue};
pub use contract::{Metric, PredictionMetric};
pub use exact::FixedSum;
pub(crate) use input::check_classes;
pub(crate) use input::check_probs;
pub use input::{
    CountedRows, Label, LabelledScores, Labels, LogitRows, Precision, Predictions, ScoreSlice,
    ScoreType, TopLabels, UnlabelledRows,
};
pub(crate) use input::{check_logits, check_row};
pub(crate) use input::{check_temperature, first_maximum};
pub(crate) use input::{classes_of, counted_classes_of};
#[cfg(feature = "candle")]
pub(crate) use input::{not_a_class, of_type};
pub use logits::{
    DistanceReport, LogitDistanceTail, LogitDistances, LogitReport, LogitStatistics,
    ProbabilityReport, ProbabilityStatistics,
};
pub use measure::{measure, measure_logits, measure_logits_at, measure_probs, measure_probs_in};
pub use proper::{
    BrierScore, ClippedNegativeLogLikelihood, ClippedNll, LogLikelihoods, NegativeLogLikelihood,
    SquaredErrors,
};
pub use ranking::{
    OodDetection, OodReport, OodScore, OodScores, RiskCoverageCurve, RiskCoveragePoint,
    TopLabelStatistic, TopLabelStatistics, TopLabelValue, energy_scores,
};
pub use row_mean::{RowMean, RowSums};
pub use saved::{MetricState, Saved};
pub use segmentation::{
    AbsentClasses, Background, ClassOverlap, ConfusionMatrix, Overlap, PixelRows,
    SegmentationBatch, SegmentationCalibration, SegmentationCalibrationReport,
    SegmentationProtocol,
};
