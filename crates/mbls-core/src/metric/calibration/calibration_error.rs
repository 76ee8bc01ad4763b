use super::binning::Binning;
use super::norm::CalibrationNorm;
use super::reliability::Reliability;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The probabilities and the events that a calibration error compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Target {
    /// The confidence of each row, compared with whether its prediction is correct.
    #[default]
    TopLabel,
    /// The probability of each class, compared with whether it is the label, class by class.
    Classwise,
    /// Like [`Classwise`](Self::Classwise), but only for probabilities greater than a threshold:
    /// the many small probabilities, which every model predicts almost correctly, do not dilute the
    /// error.
    Thresholded {
        /// The threshold, from 0 to below 1.
        above: f64,
    },
}

/// Binned calibration of a classifier: one reliability diagram of the top label, or one per class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The probabilities and events that were compared.
    pub target: Target,
    /// The binning of the probabilities.
    pub binning: Binning,
    /// Number of bins of each curve.
    pub bins: usize,
    /// Number of rows.
    pub n: u64,
    /// The diagrams: one for the top label, or one per class; `None` for a class without a
    /// probability above the threshold. For a class, their confidence is its probability and their
    /// accuracy is its frequency.
    pub curves: Vec<Option<Reliability>>,
}

/// A calibration error and the settings it depends on. Two errors are comparable only if all other
/// fields are equal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationError {
    /// The error.
    pub value: f64,
    /// The norm that combines the gaps of the bins.
    pub norm: CalibrationNorm,
    /// Whether the bias of the plug-in estimate has been subtracted.
    pub debiased: bool,
    /// The probabilities and events that were compared.
    pub target: Target,
    /// The binning of the probabilities.
    pub binning: Binning,
    /// Number of bins of each curve.
    pub bins: usize,
    /// Number of rows.
    pub n: u64,
}

impl Calibration {
    /// Returns the calibration error in a norm.
    ///
    /// # References
    ///
    /// Nixon et al., Measuring Calibration in Deep Learning, CVPR Workshops 2019 (arXiv
    /// 1904.01685); Kumar et al., Verified Uncertainty Calibration, NeurIPS 2019 (arXiv
    /// 1909.10155), definitions 2.1 to 2.4.
    pub fn error(&self, norm: CalibrationNorm) -> CalibrationError {
        let value = match norm {
            CalibrationNorm::L1 => self.mean(|curve| curve.error(CalibrationNorm::L1)),
            CalibrationNorm::L2 => {
                self.mean(|curve| curve.error(CalibrationNorm::L2).powi(2)).sqrt()
            }
            CalibrationNorm::Max => self
                .curves
                .iter()
                .flatten()
                .map(|curve| curve.error(CalibrationNorm::Max))
                .fold(0.0, f64::max),
            CalibrationNorm::Average => {
                let gaps = || self.curves.iter().flatten().flat_map(Reliability::gaps);
                gaps().sum::<f64>() / gaps().count() as f64
            }
        };
        self.named(value, norm, false)
    }

    /// Returns the L2 calibration error based on [`Reliability::debiased_squared_error`]: the
    /// square root of its mean over the curves, or 0 if the mean is negative.
    pub fn debiased_l2(&self) -> CalibrationError {
        let squared = self.mean(Reliability::debiased_squared_error);
        self.named(squared.max(0.0).sqrt(), CalibrationNorm::L2, true)
    }

    fn named(&self, value: f64, norm: CalibrationNorm, debiased: bool) -> CalibrationError {
        let Self { target, binning, bins, n, .. } = *self;
        CalibrationError { value, norm, debiased, target, binning, bins, n }
    }

    /// Returns the mean over the curves. Curves without probabilities contribute 0.
    fn mean(&self, of: impl Fn(&Reliability) -> f64) -> f64 {
        self.curves.iter().flatten().map(of).sum::<f64>() / self.curves.len() as f64
    }
}

impl fmt::Display for CalibrationError {
    /// Writes the value with all settings it depends on, such as `0.25000 (L1, top label, 15 bins
    /// of equal width, n = 1000)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let norm = match self.norm {
            CalibrationNorm::L1 => "L1",
            CalibrationNorm::L2 => "L2",
            CalibrationNorm::Max => "maximum",
            CalibrationNorm::Average => "average over bins",
        };
        let debiased = if self.debiased { "debiased " } else { "" };
        write!(f, "{:.5} ({debiased}{norm}, ", self.value)?;
        match self.target {
            Target::TopLabel => write!(f, "top label")?,
            Target::Classwise => write!(f, "classwise")?,
            Target::Thresholded { above } => write!(f, "classwise above {above}")?,
        }
        write!(f, ", {} {}, n = {})", self.bins, self.binning, self.n)
    }
}
