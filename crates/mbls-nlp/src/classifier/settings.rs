//! What a classifier is besides its tensors.

use crate::model::Network;
use crate::text::WordTokenizer;
use mbls_core::calibration::{CalibrationRecord, CalibratorRole};
use mbls_io::{Error, Result};
use mbls_nn::saved_model::ModelSettings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most numbers that a layer may make of a text: 1 GiB.
const MOST_NUMBERS: usize = 1 << 28;
/// The most texts that are computed at once.
const MOST_TEXTS: usize = 4096;

/// What a classifier is besides its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierSettings {
    /// The network with its sizes.
    pub network: Network,
    /// What makes word numbers of a text.
    pub tokenizer: WordTokenizer,
    /// The length that sequences of word numbers are brought to: padded in front, or cut there.
    pub length: usize,
    /// The number of texts that are computed at once, as when it was measured: with others sums
    /// may be rounded otherwise.
    pub batch: usize,
    /// The names of the classes, what calibrates the network, and what test texts say of its
    /// confidences.
    pub record: CalibrationRecord,
    /// Where the network comes from, by name: what trained it, on what, with which loss.
    #[serde(default)]
    pub provenance: BTreeMap<String, String>,
}

impl ModelSettings for ClassifierSettings {
    const KIND: &'static str = "text-classifier";

    /// Checks whether the settings fit one another.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for a network with a size out of range, another number of classes than the
    /// network's, fewer than two, sequences that are shorter than the network takes or so long
    /// that a layer would make more than 2^28 numbers of one, a batch that is not 1 to 4096,
    /// and for a record of no test texts.
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
