use super::calibration_error::{Calibration, Target};
use super::reliability::{Reliability, ReliabilityBin};
use serde::{Deserialize, Serialize};

/// The Brier score of binned probabilities in parts: `binned = reliability - resolution +
/// uncertainty`.
///
/// With the mean probability `c_b` and the frequency `o_b` of each bin and the frequency `o` of
/// all:
///
/// - `binned = sum_b n_b / n (o_b (1 - c_b)^2 + (1 - o_b) c_b^2)`, the score of a forecast that
///   says `c_b` in all of the bin;
/// - `reliability = sum_b n_b / n (c_b - o_b)^2`, the square of the L2 calibration error, 0 for a
///   calibrated forecast;
/// - `resolution = sum_b n_b / n (o_b - o)^2`, how well the bins tell events from others;
/// - `uncertainty = o (1 - o)`, of the events alone.
///
/// The score of the probabilities themselves is `binned` plus the mean within-bin variance of the
/// probabilities `mean_i (p_i - c_b)^2`, less twice their within-bin covariance with the events
/// `mean_i (p_i - c_b) (z_i - o_b)`.
///
/// # References
///
/// Murphy, A New Vector Partition of the Probability Score, Journal of Applied Meteorology 12,
/// 1973; for the terms within bins Stephenson, Coelho and Jolliffe, Two Extra Components in the
/// Brier Score Decomposition, Weather and Forecasting 23, 2008.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BrierDecomposition {
    /// Number of rows.
    pub n: u64,
    /// The score of the binned probabilities.
    pub binned: f64,
    /// The error of calibration.
    pub reliability: f64,
    /// What the bins tell of the events.
    pub resolution: f64,
    /// The variance of the events.
    pub uncertainty: f64,
}

/// The log-loss of binned probabilities in parts, in nats: `binned = calibration + refinement`.
///
/// With the mean probability `c_b` and the frequency `o_b` of each bin, the entropy
/// `H(q) = -q ln q - (1 - q) ln(1 - q)` and the divergence `KL(q, p) = q ln(q / p) + (1 - q) ln((1 - q) / (1 -
/// p))`:
///
/// - `binned = -sum_b n_b / n (o_b ln c_b + (1 - o_b) ln(1 - c_b))`, the loss of a forecast that
///   says `c_b` in all of the bin;
/// - `calibration = sum_b n_b / n KL(o_b, c_b)`, 0 for a calibrated forecast;
/// - `refinement = sum_b n_b / n H(o_b)`, the loss that remains after calibration;
/// - `uncertainty = H(o)` of the frequency of all events, from which `resolution = sum_b n_b / n
///   KL(o_b, o)` leads to the refinement: `refinement = uncertainty - resolution`.
///
/// `binned` and `calibration` are infinite where a bin says 0 or 1 and an event contradicts it.
///
/// # References
///
/// Broecker, Reliability, sufficiency, and the decomposition of proper scores, Quarterly Journal of
/// the Royal Meteorological Society 135, 2009; Kull and Flach, Novel Decompositions of Proper
/// Scoring Rules for Classification, ECML PKDD 2015.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLossDecomposition {
    /// Number of rows.
    pub n: u64,
    /// The loss of the binned probabilities.
    #[serde(with = "crate::number")]
    pub binned: f64,
    /// The error of calibration.
    #[serde(with = "crate::number")]
    pub calibration: f64,
    /// The loss that remains after calibration.
    pub refinement: f64,
    /// What the bins tell of the events.
    pub resolution: f64,
    /// The entropy of the events.
    pub uncertainty: f64,
}

impl Reliability {
    /// The parts of the Brier score of whether predictions are correct: of one probability per row,
    /// from 0 to 1.
    pub fn brier_decomposition(&self) -> BrierDecomposition {
        let frequency = self.accuracy();
        let of_bin = |score: fn(f64, f64) -> f64| self.mean_of_bins(score);
        BrierDecomposition {
            n: self.n,
            binned: of_bin(|o, c| o * (1.0 - c).powi(2) + (1.0 - o) * c.powi(2)),
            reliability: of_bin(|o, c| (o - c).powi(2)),
            resolution: self.mean_of_bins(|o, _| (o - frequency).powi(2)),
            uncertainty: frequency * (1.0 - frequency),
        }
    }

    /// The parts of the Brier score without the bias that few rows in a bin cause; `None` for fewer
    /// than two rows.
    ///
    /// With `v_b = o_b (1 - o_b) / (n_b - 1)` and `v = o (1 - o) / (n - 1)`, reliability loses
    /// `sum_b n_b / n v_b`, resolution loses the same and gains `v`, uncertainty gains `v`: the
    /// sum remains. For a bin of one row `v_b` is unknown and taken as 0. Reliability and
    /// resolution may be negative.
    ///
    /// # References
    ///
    /// Broecker, Estimating reliability and resolution of probability forecasts through
    /// decomposition of the empirical score, Climate Dynamics 39, 2012; Ferro and Fricker, A
    /// bias-corrected decomposition of the Brier score, Quarterly Journal of the Royal
    /// Meteorological Society 138, 2012.
    pub fn debiased_brier_decomposition(&self) -> Option<BrierDecomposition> {
        let plain = self.brier_decomposition();
        let of_all = (self.n > 1).then(|| plain.uncertainty / (self.n - 1) as f64)?;
        let of_bins = self.mean(ReliabilityBin::accuracy_variance);
        Some(BrierDecomposition {
            reliability: plain.reliability - of_bins,
            resolution: plain.resolution - of_bins + of_all,
            uncertainty: plain.uncertainty + of_all,
            ..plain
        })
    }

    /// The parts of the log-loss of whether predictions are correct: of one probability per row.
    pub fn log_loss_decomposition(&self) -> LogLossDecomposition {
        let frequency = self.accuracy();
        LogLossDecomposition {
            n: self.n,
            binned: self.mean_of_bins(cross_entropy),
            calibration: self.mean_of_bins(divergence),
            refinement: self.mean_of_bins(|o, _| cross_entropy(o, o)),
            resolution: self.mean_of_bins(|o, _| divergence(o, frequency)),
            uncertainty: cross_entropy(frequency, frequency),
        }
    }

    /// The mean over all rows of a function of their bin's frequency and mean probability.
    fn mean_of_bins(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        self.mean(|bin| Some(of(bin.accuracy?, bin.mean_confidence?)))
    }
}

impl Calibration {
    /// The parts of the Brier score: of the top label as [`Reliability::brier_decomposition`],
    /// classwise the sum over the classes, which splits the score of all classes,
    /// [`BrierScore`](crate::metric::BrierScore), from 0 to 2. `None` above a threshold, where
    /// part of the score is missing.
    pub fn brier_decomposition(&self) -> Option<BrierDecomposition> {
        if matches!(self.target, Target::Thresholded { .. }) {
            return None;
        }
        let parts = self.curves.iter().flatten().map(Reliability::brier_decomposition);
        parts.reduce(|a, b| BrierDecomposition {
            n: a.n,
            binned: a.binned + b.binned,
            reliability: a.reliability + b.reliability,
            resolution: a.resolution + b.resolution,
            uncertainty: a.uncertainty + b.uncertainty,
        })
    }
}

/// `-q ln p - (1 - q) ln(1 - p)`, where `0 ln 0` is 0.
fn cross_entropy(q: f64, p: f64) -> f64 {
    let term = |weight: f64, p: f64| if weight > 0.0 { -weight * libm::log(p) } else { 0.0 };
    term(q, p) + term(1.0 - q, 1.0 - p)
}

/// `q ln(q / p) + (1 - q) ln((1 - q) / (1 - p))`, at least 0.
fn divergence(q: f64, p: f64) -> f64 {
    let term = |q: f64, p: f64| if q > 0.0 { q * libm::log(q / p) } else { 0.0 };
    // Rounding may leave less than 0 of numbers that are nearly the same.
    (term(q, p) + term(1.0 - q, 1.0 - p)).max(0.0)
}
