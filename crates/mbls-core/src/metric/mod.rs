//! Metrics of classifiers, with exact states that merge.
//!
//! A batch of scored rows is validated once, in [`Predictions`]; a [`Metric`] takes any number of batches. States are integer
//! counts and 128-bit fixed-point sums ([`FixedSum`]), so a value has the same bits whatever the order of the rows, the size
//! of the batches and the sharding. Conventions that vary in the field are named where they are chosen and in the output.
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

mod accuracy;
mod adaptive_ece;
mod balanced_accuracy;
mod binning;
mod brier;
mod calibration_bins;
mod calibration_error;
mod cell;
mod classification;
mod classwise_cells;
mod classwise_ece;
mod clipped_nll;
mod confusion;
mod consistency;
mod counted_rows;
mod decomposition;
mod edges;
mod equal_mass;
mod fixed_sum;
mod grouped_reliability;
mod kernel_error;
mod kolmogorov_smirnov;
mod label;
mod large_sum;
mod logit_distance_tail;
mod logit_rows;
mod logit_statistics;
mod masked;
mod measure;
mod nll;
mod numbers;
mod ood;
mod ood_score;
mod overlap;
mod precision;
mod predictions;
mod probability_rows;
mod probability_statistics;
mod reliability;
mod risk_coverage;
mod samples;
mod saved;
mod score;
mod segmentation_batch;
mod segmentation_calibration;
mod smooth_ece;
mod softmax;
mod top_k;
mod top_label_samples;
mod top_labels;

pub use accuracy::Accuracy;
pub use adaptive_ece::{AdaptiveConvention, AdaptiveEce};
pub use balanced_accuracy::BalancedAccuracy;
pub use binning::Binning;
pub use brier::Brier;
pub use calibration_bins::CalibrationBins;
pub use calibration_error::{Calibration, CalibrationError, Norm, Target};
pub use classification::{ClassificationMetrics, ClassificationReport};
pub use classwise_ece::{ClasswiseConvention, ClasswiseEce};
pub use clipped_nll::{ClippedNegativeLogLikelihood, ClippedNll};
pub use confusion::ConfusionMatrix;
pub use consistency::{Consistency, ConsistencyBand};
pub use counted_rows::CountedRows;
pub use decomposition::{BrierDecomposition, LogLossDecomposition};
pub(crate) use edges::check_bins;
pub use fixed_sum::FixedSum;
pub use grouped_reliability::{GroupedReliability, GroupedRows};
pub use kernel_error::{KernelCalibrationError, KernelEstimator, kernel_calibration_error};
pub use label::{Label, Labels};
pub(crate) use label::{classes_of, counted_classes_of};
#[cfg(feature = "candle")]
pub(crate) use label::{not_a_class, of_type};
pub use logit_distance_tail::LogitDistanceTail;
pub use logit_rows::LogitRows;
pub(crate) use logit_rows::check_classes;
pub use logit_statistics::{LogitReport, LogitStatistics};
pub(crate) use masked::{check_logits, check_row};
pub use measure::{measure_logits, measure_logits_at, measure_probs, measure_probs_in};
pub use nll::NegativeLogLikelihood;
pub use ood::{OodDetection, OodReport, OodScores};
pub use ood_score::{OodScore, energy_scores};
pub use overlap::{AbsentClasses, Background, ClassOverlap, Overlap};
pub use precision::Precision;
pub use predictions::Predictions;
pub(crate) use predictions::{check_temperature, first_maximum};
pub(crate) use probability_rows::check_probs;
pub use probability_statistics::{ProbabilityReport, ProbabilityStatistics};
pub use reliability::{Reliability, ReliabilityBin, ReliabilityBins};
pub use risk_coverage::{RiskCoverageCurve, RiskCoveragePoint};
pub use score::Score;
pub use segmentation_batch::{PixelRows, SegmentationBatch};
pub use segmentation_calibration::{SegmentationCalibration, SegmentationCalibrationReport, SegmentationProtocol};
pub use smooth_ece::{SmoothConvention, SmoothEce};
pub use top_k::TopKAccuracy;
pub use top_label_samples::{SortedTopLabels, TopLabelSamples};
pub use top_labels::TopLabels;

use crate::{Error, Result};

/// A statistic of a stream of batches, with an exact state that merges.
pub trait Metric: Clone + Send {
    /// One batch.
    type Input<'a>: Copy;
    /// The statistic.
    type Value;

    /// Adds a batch; the state stays as it was where that fails.
    ///
    /// # Errors
    ///
    /// Where the batch does not fit the batches before it, or a number in it the accumulator.
    fn update(&mut self, input: Self::Input<'_>) -> Result<()>;

    /// Adds what another accumulator saw: the same as updating with its batches.
    ///
    /// # Errors
    ///
    /// [`Error::Merge`] where the settings differ.
    fn merge(&mut self, other: Self) -> Result<()>;

    /// The statistic of all that was added, `None` before the first row.
    fn value(&self) -> Option<Self::Value>;
}

/// The most rows a metric takes: far from where the sums of its counts and gaps would overflow.
const MAX_ROWS: u64 = 1 << 47;

/// The sum of two counts.
fn add_counts(a: u64, b: u64) -> Result<u64> {
    a.checked_add(b).filter(|sum| *sum <= MAX_ROWS).ok_or_else(|| Error::Accumulator {
        what: "count of rows",
        value: format!("{a} + {b}"),
        expected: "at most 2^47",
    })
}

/// An error where a batch has another number of classes than the batches before it.
fn same_classes(what: &'static str, before: Option<usize>, found: usize) -> Result<()> {
    match before {
        Some(classes) if classes != found => Err(Error::Shape {
            what,
            expected: format!("{classes} classes, as before"),
            found: format!("{found} classes"),
        }),
        _ => Ok(()),
    }
}

/// An error where a setting of two accumulators differs.
fn same<T: PartialEq + std::fmt::Debug>(name: &'static str, left: T, right: T) -> Result<()> {
    if left == right {
        Ok(())
    } else {
        Err(Error::Merge { name, left: format!("{left:?}"), right: format!("{right:?}") })
    }
}
