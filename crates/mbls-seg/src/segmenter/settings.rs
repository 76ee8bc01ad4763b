//! What a segmenter is besides its tensors.

use crate::model::Architecture;
use crate::transform::JointTransform;
use mbls_core::calibration::{CalibrationRecord, CalibratorRole};
use mbls_io::{Error, Result, with_causes};
use mbls_nn::saved_model::ModelSettings;
use mbls_vision::transform::Normalise;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most images that are computed at once.
const MOST_IMAGES: usize = 4096;
/// Colours of an image.
pub(super) const CHANNELS: usize = 3;

/// What a segmenter is besides its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmenterSettings {
    /// The network's name, as [`Architecture`] has it.
    pub model: String,
    /// The value that each class has in the masks of the data set, in the order of the classes.
    pub values: Vec<u8>,
    /// What is done to an 8-bit image; nothing of it is random.
    #[serde(default)]
    pub transforms: Vec<JointTransform>,
    /// What is done to its values, scaled to 0..1.
    pub normalisation: Normalise,
    /// The number of images that are computed at once, as when it was measured: with others sums
    /// may be rounded otherwise.
    pub batch: usize,
    /// The names of the classes, what calibrates the network, and what test pixels say of its
    /// confidences. Its thresholds of out-of-distribution detection are of
    /// [`ImageScores`](super::ImageScores).
    pub record: CalibrationRecord,
    /// Where the network comes from, by name: what trained it, on what, with which loss.
    #[serde(default)]
    pub provenance: BTreeMap<String, String>,
}

impl ModelSettings for SegmenterSettings {
    const KIND: &'static str = "image-segmenter";

    /// Checks whether the settings fit one another.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for a network that is not known or does not have so many classes, values
    /// that are not one for each class, transforms with settings out of range or drawn at
    /// random, a normalisation of other channels than three, a batch that is not 1 to 4096, and
    /// for a record of no test pixels.
    fn validate(&self) -> Result<()> {
        let error = |field: &str, expected: String, found: String| {
            Err(Error::value(format!("settings.{field}"), expected, found))
        };
        let classes = self.record.classes().len();
        let fits = self.model.parse::<Architecture>().map_err(|e| with_causes(&e));
        let fits =
            fits.and_then(|found| found.network(classes, CHANNELS).map_err(|e| with_causes(&e)));
        if let Err(problem) = fits {
            return error("model", format!("a network of {classes} classes"), problem);
        }
        let distinct = self.values.iter().collect::<std::collections::BTreeSet<_>>().len();
        if self.values.len() != classes || distinct != classes {
            return error(
                "values",
                format!("{classes} values that differ"),
                format!("{:?}", self.values),
            );
        }
        for (place, transform) in self.transforms.iter().enumerate() {
            let field = format!("transforms[{place}]");
            if transform.is_random() {
                return error(
                    &field,
                    "transforms of which nothing is random".to_owned(),
                    transform.kind().to_owned(),
                );
            }
            if let Err(problem) = transform.validate() {
                return error(&field, "settings in their range".to_owned(), with_causes(&problem));
            }
        }
        if self.normalisation.channels() != CHANNELS {
            return error(
                "normalisation",
                "3 channels".to_owned(),
                self.normalisation.channels().to_string(),
            );
        }
        if !(1..=MOST_IMAGES).contains(&self.batch) {
            return error("batch", format!("1 to {MOST_IMAGES}"), self.batch.to_string());
        }
        if self.record.assessment(CalibratorRole::Temperature).n() == 0 {
            return error("record.test", "at least 1 pixel".to_owned(), "0".to_owned());
        }
        Ok(())
    }
}
