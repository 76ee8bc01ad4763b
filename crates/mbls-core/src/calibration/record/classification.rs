use super::OodDetector;
use crate::metric::ReliabilityBin;
use serde::Serialize;

/// The predicted class of a sample, with its confidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// The most probable class, from 0.
    pub class: usize,
    /// The name of the class.
    pub name: String,
    /// The calibrated probability of the class.
    pub confidence: f64,
    /// The calibrated probabilities of all classes.
    pub probabilities: Vec<f64>,
    /// The network's logits.
    pub logits: Vec<f32>,
    /// The test samples whose confidence is in the same bin: their number, and the fraction that is
    /// correct.
    pub bin: ReliabilityBin,
    /// The verdict of each detector of out-of-distribution samples.
    pub ood: Vec<OodVerdict>,
}

impl Classification {
    /// Returns the verdict of a detector; `None` if it was not fitted.
    pub fn ood(&self, detector: OodDetector) -> Option<OodVerdict> {
        self.ood.iter().copied().find(|verdict| verdict.detector == detector)
    }
}

/// Whether a sample is out-of-distribution, according to one score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OodVerdict {
    /// The detector that computed the score.
    pub detector: OodDetector,
    /// The score, larger for in-distribution samples.
    pub score: f64,
    /// The score that 95 % of the validation samples reach.
    pub threshold: f64,
    /// Whether the score is below the threshold.
    pub is_ood: bool,
}
