use super::calibration_error::{Calibration, Target};
use super::reliability::{Reliability, ReliabilityBin};
use serde::{Deserialize, Serialize};

/// Decomposition of the Brier score of binned probabilities: `binned = reliability - resolution +
/// uncertainty`.
///
/// With the mean probability `c_b` and the frequency `o_b` of each bin and the overall frequency
/// `o`:
///
/// - `binned = sum_b n_b / n (o_b (1 - c_b)^2 + (1 - o_b) c_b^2)`, the score of a forecast that
///   predicts `c_b` everywhere in the bin;
/// - `reliability = sum_b n_b / n (c_b - o_b)^2`, the square of the L2 calibration error, 0 for a
///   calibrated forecast;
/// - `resolution = sum_b n_b / n (o_b - o)^2`, how well the bins separate events from non-events;
/// - `uncertainty = o (1 - o)`, a property of the events alone.
///
/// The score of the unbinned probabilities is `binned` plus the mean within-bin variance of the
/// probabilities `mean_i (p_i - c_b)^2`, minus twice their within-bin covariance with the events
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
    /// The calibration error.
    pub reliability: f64,
    /// The separation of events from non-events by the bins; larger is better.
    pub resolution: f64,
    /// The variance of the events.
    pub uncertainty: f64,
}

/// Decomposition of the log-loss of binned probabilities, in nats: `binned = calibration +
/// refinement`.
///
/// With the mean probability `c_b` and the frequency `o_b` of each bin, the entropy
/// `H(q) = -q ln q - (1 - q) ln(1 - q)` and the divergence
/// `KL(q, p) = q ln(q / p) + (1 - q) ln((1 - q) / (1 - p))`:
///
/// - `binned = -sum_b n_b / n (o_b ln c_b + (1 - o_b) ln(1 - c_b))`, the loss of a forecast that
///   predicts `c_b` everywhere in the bin;
/// - `calibration = sum_b n_b / n KL(o_b, c_b)`, 0 for a calibrated forecast;
/// - `refinement = sum_b n_b / n H(o_b)`, the loss that remains after calibration;
/// - `uncertainty = H(o)`, the entropy of the overall frequency `o`, and `resolution = sum_b n_b /
///   n KL(o_b, o)`, with `refinement = uncertainty - resolution`.
///
/// `binned` and `calibration` are infinite if a bin predicts 0 or 1 and one of its events
/// contradicts it.
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
    /// The calibration error.
    #[serde(with = "crate::number")]
    pub calibration: f64,
    /// The loss that remains after calibration.
    pub refinement: f64,
    /// The separation of events from non-events by the bins; larger is better.
    pub resolution: f64,
    /// The entropy of the events.
    pub uncertainty: f64,
}

impl Reliability {
    /// Decomposes the Brier score of the event that a prediction is correct. It uses one
    /// probability per row, so the score is from 0 to 1.
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

    /// Decomposes the Brier score without the bias caused by bins of few rows; `None` for fewer
    /// than two rows.
    ///
    /// With `v_b = o_b (1 - o_b) / (n_b - 1)` and `v = o (1 - o) / (n - 1)`, `sum_b n_b / n v_b` is
    /// subtracted from reliability and resolution, and `v` is added to resolution and uncertainty:
    /// the total is unchanged. For a bin with one row `v_b` is unknown and taken as 0. Reliability
    /// and resolution may be negative.
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

    /// Decomposes the log-loss of the event that a prediction is correct, with one probability per
    /// row.
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

    /// Returns the mean over all rows of a function of the frequency and mean probability of their
    /// bin.
    fn mean_of_bins(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        self.mean(|bin| Some(of(bin.accuracy?, bin.mean_confidence?)))
    }
}

impl Calibration {
    /// Decomposes the Brier score: for the top label as [`Reliability::brier_decomposition`];
    /// classwise as the sum over the classes, whose total is the multi-class
    /// [`BrierScore`](crate::metric::BrierScore) from 0 to 2. Returns `None` with a threshold,
    /// because part of the score is then missing.
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
    // Rounding may lead to a negative result for nearly equal numbers.
    (term(q, p) + term(1.0 - q, 1.0 - p)).max(0.0)
}
