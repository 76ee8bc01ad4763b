use serde::{Deserialize, Serialize};

/// How the gaps `g_kb = |frequency_kb - mean probability_kb|` of the bins `b` of each curve `k`
/// become one number.
///
/// Top-label calibration has one curve, classwise calibration one per class. A bin weighs `w_kb =
/// count_kb / count_k / K`: the share of its curve's probabilities that it holds, each of the K
/// curves counting alike; a curve without any adds 0.
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
    /// The mean of `g_kb` over the bins that hold probabilities, each counting alike: no norm in
    /// the strict sense, but what Neumann et al. 2018 and Nixon et al. 2019 average.
    Average,
}
