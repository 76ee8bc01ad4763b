//! What a classifier is besides its tensors.

use crate::model::Network;
use crate::text::WordTokenizer;
use crate::{Error, Result};
use mbls_core::calibration::TemperatureScaling;
use mbls_core::metric::ReliabilityBins;
use serde::{Deserialize, Serialize};

/// The most numbers that a layer may make of a text: 1 GiB.
const MOST_NUMBERS: usize = 1 << 28;

/// What a classifier is besides its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierSettings {
    /// The network with its sizes.
    pub network: Network,
    /// The names of its classes.
    pub classes: Vec<String>,
    /// What makes word numbers of a text.
    pub tokenizer: WordTokenizer,
    /// The length that sequences of word numbers are brought to: padded in front, or cut there.
    pub length: usize,
    /// The temperature that calibrates the network.
    pub calibration: TemperatureScaling,
    /// Confidences and correctness on the test data, after calibration.
    pub reliability: ReliabilityBins,
}

impl ClassifierSettings {
    /// Whether the settings fit one another.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for a network with a size out of range, another number of classes than the network's, fewer than two, sequences that are shorter
    /// than the network takes or so long that a layer would make more than 2^28 numbers of one, and for a reliability of no texts.
    pub fn validate(&self) -> Result<()> {
        let error = |field: &str, expected: String, found: usize| {
            Err(Error::value(format!("settings.{field}"), expected, found))
        };
        let network = &self.network;
        network.validate().map_err(|e| Error::value("settings.network", "sizes in their ranges", e))?;
        if network.classes() < 2 {
            return error("network.classes", "at least 2".into(), network.classes());
        }
        if self.classes.len() != network.classes() {
            let expected = format!("{}, as many as the network has", network.classes());
            return error("classes", expected, self.classes.len());
        }
        let (shortest, longest) = (network.shortest(), MOST_NUMBERS / network.widest());
        if !(shortest..=longest).contains(&self.length) {
            return error("length", format!("{shortest} to {longest} for this network"), self.length);
        }
        if self.reliability.n() == 0 {
            return error("reliability", "at least 1 text".into(), 0);
        }
        Ok(())
    }
}
