//! The classification of a text.

use mbls_core::calibration::Classification;
use serde::Serialize;

/// The class of a text with its calibrated confidence, and the number of words that it is based on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TextClassification {
    /// The class, with its calibrated confidence.
    #[serde(flatten)]
    pub answer: Classification,
    /// Number of words of the text.
    pub words: usize,
    /// Number of words that the classifier knows. It uses the last
    /// [`length`](super::ClassifierSettings::length) of them. If there are none, the network input
    /// is only padding, as for such texts of the test data, and the confidence is that of an empty
    /// text.
    pub known_words: usize,
}
