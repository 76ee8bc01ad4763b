//! What is said of a text.

use mbls_core::calibration::Classification;
use serde::Serialize;

/// The class of a text, how far to trust it, and how much of the text was read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TextClassification {
    /// The class, with its calibrated confidence.
    #[serde(flatten)]
    pub answer: Classification,
    /// Words of the text.
    pub words: usize,
    /// Those that the classifier knows, of which it reads the last
    /// [`length`](super::ClassifierSettings::length). With none the text was classified on
    /// padding alone, as such texts of the test data were: the confidence is what it says where it
    /// knows nothing.
    pub known_words: usize,
}
