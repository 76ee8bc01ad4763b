//! What is said of a text.

use mbls_core::metric::ReliabilityBin;
use serde::Serialize;

/// The class of a text, and how far to trust it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// The most probable class, from 0.
    pub class: usize,
    /// Its name, as [`ClassifierSettings`](super::ClassifierSettings) has it.
    pub name: String,
    /// The calibrated probability of the class.
    pub confidence: f64,
    /// The calibrated probabilities of all classes.
    pub probabilities: Vec<f64>,
    /// The test texts whose confidence lies in the same bin: how many they are, and which share of them was classified correctly.
    pub bin: ReliabilityBin,
    /// Words of the text.
    pub words: usize,
    /// Those that the classifier knows, of which it reads the last [`length`](super::ClassifierSettings::length). With none the text was
    /// classified on padding alone, as such texts of the test data were: the confidence is what it says where it knows nothing.
    pub known_words: usize,
}
