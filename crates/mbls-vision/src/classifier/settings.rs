//! What a classifier is besides its tensors.

use crate::model::Architecture;
use crate::transform::{ImageTransform, Normalise};
use mbls_core::calibration::{CalibrationRecord, CalibratorRole};
use mbls_io::{Error, Result, with_causes};
use mbls_nn::saved_model::ModelSettings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most values of an image that a network takes: 64 MiB.
const MOST_VALUES: usize = 1 << 24;
/// The most images that are computed at once.
const MOST_IMAGES: usize = 4096;

/// What a classifier is besides its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierSettings {
    /// The network's name, as [`Architecture`] has it.
    pub model: String,
    /// Channels, height and width of what the network takes.
    pub shape: [usize; 3],
    /// What is done to an 8-bit image; nothing of it is random.
    #[serde(default)]
    pub transforms: Vec<ImageTransform>,
    /// What is done to its values, scaled to 0..1.
    pub normalisation: Normalise,
    /// The value that means 1 in the images that it was trained on: 255, or 16 for the digits of
    /// 8x8 pixels.
    pub full_scale: u8,
    /// The number of images that are computed at once, as when it was measured: with others sums
    /// may be rounded otherwise.
    pub batch: usize,
    /// The names of the classes, what calibrates the network, and what test images say of its
    /// confidences.
    pub record: CalibrationRecord,
    /// Where the network comes from, by name: what trained it, on what, with which loss.
    #[serde(default)]
    pub provenance: BTreeMap<String, String>,
}

impl ModelSettings for ClassifierSettings {
    const KIND: &'static str = "image-classifier";

    /// Checks whether the settings fit one another.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for a network that is not known or does not take that shape, a shape of
    /// more than 2^24 values, transforms with settings out of range or drawn at random, a
    /// normalisation of other channels, a batch that is not 1 to 4096, and for a record of no
    /// test images.
    fn validate(&self) -> Result<()> {
        let error = |field: &str, expected: String, found: String| {
            Err(Error::value(format!("settings.{field}"), expected, found))
        };
        let values = self.shape.iter().try_fold(1usize, |all, &side| all.checked_mul(side));
        if !values.is_some_and(|values| (1..=MOST_VALUES).contains(&values)) {
            return error(
                "shape",
                format!("1 to {MOST_VALUES} values"),
                format!("{:?}", self.shape),
            );
        }
        let fits = self.model.parse::<Architecture>().map_err(|e| with_causes(&e)).and_then(
            |architecture| {
                architecture
                    .network(self.record.classes().len(), self.shape)
                    .map_err(|e| with_causes(&e))
            },
        );
        if let Err(problem) = fits {
            return error(
                "model",
                format!("a network for images of shape {:?}", self.shape),
                problem,
            );
        }
        for (place, transform) in self.transforms.iter().enumerate() {
            if transform.is_random() {
                let expected = "transforms of which nothing is random".to_owned();
                return error(
                    &format!("transforms[{place}]"),
                    expected,
                    transform.kind().to_owned(),
                );
            }
            if let Err(problem) = transform.validate() {
                return error(
                    &format!("transforms[{place}]"),
                    "settings in their range".to_owned(),
                    with_causes(&problem),
                );
            }
        }
        let [channels, ..] = self.shape;
        if self.normalisation.channels() != channels {
            return error(
                "normalisation",
                format!("{channels} channels"),
                self.normalisation.channels().to_string(),
            );
        }
        if !(1..=MOST_IMAGES).contains(&self.batch) {
            return error("batch", format!("1 to {MOST_IMAGES}"), self.batch.to_string());
        }
        if self.full_scale == 0 {
            return error("full_scale", "at least 1".to_owned(), "0".to_owned());
        }
        if self.record.assessment(CalibratorRole::Temperature).n() == 0 {
            return error("record.test", "at least 1 image".to_owned(), "0".to_owned());
        }
        Ok(())
    }
}
