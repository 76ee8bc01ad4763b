use super::binning::Binning;
use super::norm::CalibrationNorm;
use super::reliability::Reliability;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which probabilities a calibration error compares with which events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Target {
    /// Each row's confidence with whether its prediction is correct.
    #[default]
    TopLabel,
    /// Each row's probability of every class with whether that is the label, class by class.
    Classwise,
    /// As [`Classwise`](Self::Classwise), of probabilities greater than a threshold alone: the many
    /// small ones, which every model gets nearly right, do not dilute the error.
    Thresholded {
        /// The threshold, from 0 to below 1.
        above: f64,
    },
}

/// Binned calibration of a classifier: a reliability diagram of the top label or one per class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// What was compared.
    pub target: Target,
    /// How it was put into bins.
    pub binning: Binning,
    /// Number of bins of each curve.
    pub bins: usize,
    /// Number of rows.
    pub n: u64,
    /// The diagrams: one, or one per class; `None` for a class without a probability above the
    /// threshold. What they call confidence and accuracy is, of a class, its probability and
    /// its frequency.
    pub curves: Vec<Option<Reliability>>,
}

/// A calibration error and what makes it comparable with another: numbers that differ in any other
/// field are not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationError {
    /// The error.
    pub value: f64,
    /// How the gaps of the bins make one number.
    pub norm: CalibrationNorm,
    /// Whether the bias of the plug-in estimate was taken off.
    pub debiased: bool,
    /// What was compared.
    pub target: Target,
    /// How it was put into bins.
    pub binning: Binning,
    /// Number of bins of each curve.
    pub bins: usize,
    /// Number of rows.
    pub n: u64,
}

impl Calibration {
    /// The calibration error in a norm.
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

    /// The L2 calibration error from [`Reliability::debiased_squared_error`]: the root of its mean
    /// over the curves, 0 where that is negative.
    pub fn debiased_l2(&self) -> CalibrationError {
        let squared = self.mean(Reliability::debiased_squared_error);
        self.named(squared.max(0.0).sqrt(), CalibrationNorm::L2, true)
    }

    fn named(&self, value: f64, norm: CalibrationNorm, debiased: bool) -> CalibrationError {
        let Self { target, binning, bins, n, .. } = *self;
        CalibrationError { value, norm, debiased, target, binning, bins, n }
    }

    /// The mean over the curves; one that holds nothing adds 0.
    fn mean(&self, of: impl Fn(&Reliability) -> f64) -> f64 {
        self.curves.iter().flatten().map(of).sum::<f64>() / self.curves.len() as f64
    }
}

impl fmt::Display for CalibrationError {
    /// The value with all that it depends on, as in `0.25000 (L1, top label, 15 bins of equal
    /// width, n = 1000)`.
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
