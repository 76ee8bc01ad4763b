use serde::{Deserialize, Serialize};

/// The norm that combines the gaps `g_kb = |frequency_kb - mean probability_kb|` of the bins `b` of
/// each curve `k` into one number.
///
/// Top-label calibration has one curve, classwise calibration one per class. The weight of a bin is
/// `w_kb = count_kb / count_k / K`: the fraction of its curve's probabilities that it contains,
/// with equal weights for the K curves. A curve without probabilities contributes 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CalibrationNorm {
    /// `sum_kb w_kb g_kb`: the expected calibration error.
    #[default]
    L1,
    /// `sqrt(sum_kb w_kb g_kb^2)`: the root-mean-square calibration error.
    L2,
    /// `max_kb g_kb`: the maximum calibration error.
    Max,
    /// The mean of `g_kb` over the non-empty bins, with equal weights: not a norm in the strict
    /// sense, but the average used by Neumann et al. 2018 and Nixon et al. 2019.
    Average,
}
