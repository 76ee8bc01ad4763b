use super::OodDetector;
use crate::metric::ReliabilityBin;
use serde::Serialize;

/// The class of a sample, and how far to trust it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// The most probable class, from 0.
    pub class: usize,
    /// Its name.
    pub name: String,
    /// The calibrated probability of the class.
    pub confidence: f64,
    /// The calibrated probabilities of all classes.
    pub probabilities: Vec<f64>,
    /// What the network gave: its logits.
    pub logits: Vec<f32>,
    /// The test samples whose confidence lies in the same bin: how many they are, and which share
    /// of them is right.
    pub bin: ReliabilityBin,
    /// What each detector of out-of-distribution samples says.
    pub ood: Vec<OodVerdict>,
}

impl Classification {
    /// Returns what a detector says; `None` where it was not fitted.
    pub fn ood(&self, detector: OodDetector) -> Option<OodVerdict> {
        self.ood.iter().copied().find(|verdict| verdict.detector == detector)
    }
}

/// Whether a sample is like those of training, by one score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OodVerdict {
    /// What is scored.
    pub detector: OodDetector,
    /// The score, larger for samples like those of training.
    pub score: f64,
    /// The score that 95 % of the validation samples reach.
    pub threshold: f64,
    /// Whether the score is below the threshold.
    pub is_ood: bool,
}
