//! Settings of a text classifier.

use crate::model::Network;
use crate::text::WordTokenizer;
use mbls_core::calibration::{CalibrationRecord, CalibratorRole};
use mbls_io::{Error, Result};
use mbls_nn::saved_model::ModelSettings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest number of activations of a layer per text (1 GiB).
const MOST_NUMBERS: usize = 1 << 28;
/// Largest batch.
const MOST_TEXTS: usize = 4096;

/// Settings of a [`CalibratedClassifier`](super::CalibratedClassifier): everything but its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierSettings {
    /// The configuration of the network.
    pub network: Network,
    /// The tokenizer.
    pub tokenizer: WordTokenizer,
    /// Length of sequences. Shorter sequences are padded and longer ones truncated, both at the
    /// front.
    pub length: usize,
    /// Number of texts per batch, as in the evaluation. Another number may change how sums are
    /// rounded.
    pub batch: usize,
    /// Names of the classes, the calibrator, and the assessment of confidences on test texts.
    pub record: CalibrationRecord,
    /// Provenance of the network as named values, such as program, data and loss of the training.
    #[serde(default)]
    pub provenance: BTreeMap<String, String>,
}

impl ModelSettings for ClassifierSettings {
    const KIND: &'static str = "text-classifier";

    /// Checks that the settings are consistent.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for a network with a size out of range, a number of classes that is below 2
    /// or differs from that of the network, a length that is below the minimum of the network or so
    /// large that a layer would have more than 2^28 activations per text, a batch that is not in 1
    /// to 4096, and a record without test texts.
    fn validate(&self) -> Result<()> {
        let error = |field: &str, expected: String, found: usize| {
            Err(Error::value(format!("settings.{field}"), expected, found))
        };
        let (network, classes) = (&self.network, self.record.classes().len());
        network
            .validate()
            .map_err(|e| Error::value("settings.network", "sizes in their ranges", e))?;
        if network.classes() < 2 {
            return error("network.classes", "at least 2".into(), network.classes());
        }
        if classes != network.classes() {
            return error(
                "record.classes",
                format!("{}, as many as the network has", network.classes()),
                classes,
            );
        }
        let (shortest, longest) = (network.shortest(), MOST_NUMBERS / network.widest());
        if !(shortest..=longest).contains(&self.length) {
            return error(
                "length",
                format!("{shortest} to {longest} for this network"),
                self.length,
            );
        }
        if !(1..=MOST_TEXTS).contains(&self.batch) {
            return error("batch", format!("1 to {MOST_TEXTS}"), self.batch);
        }
        if self.record.assessment(CalibratorRole::Temperature).n() == 0 {
            return error("record.test", "at least 1 text".into(), 0);
        }
        Ok(())
    }
}
