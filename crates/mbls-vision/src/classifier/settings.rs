//! Settings of a classifier.

use crate::model::Architecture;
use crate::transform::{ImageTransform, Normalise};
use mbls_core::calibration::{CalibrationRecord, CalibratorRole};
use mbls_io::{Error, Result, with_causes};
use mbls_nn::saved_model::ModelSettings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The maximum number of values of an input image: 64 MiB.
const MOST_VALUES: usize = 1 << 24;
/// The maximum number of images per batch.
const MOST_IMAGES: usize = 4096;

/// Everything that describes a classifier except its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierSettings {
    /// The name of the network, as in [`Architecture`].
    pub model: String,
    /// Channels, height and width of the network's input.
    pub shape: [usize; 3],
    /// Transforms of the 8-bit image; none of them is random.
    #[serde(default)]
    pub transforms: Vec<ImageTransform>,
    /// Normalisation of the values scaled to 0..1.
    pub normalisation: Normalise,
    /// The value that means 1 in the training images: 255, or 16 for the digits of 8x8 pixels.
    pub full_scale: u8,
    /// The batch size, the same as in the evaluation: other sizes may round sums differently.
    pub batch: usize,
    /// The class names, the calibrator, and the statistics of the confidences on test images.
    pub record: CalibrationRecord,
    /// The origin of the network, by name: the program, the data and the loss it was trained with.
    #[serde(default)]
    pub provenance: BTreeMap<String, String>,
}

impl ModelSettings for ClassifierSettings {
    const KIND: &'static str = "image-classifier";

    /// Checks that the settings are consistent.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for an unknown network or one that does not accept the shape, a shape of
    /// more than 2^24 values, transforms with invalid or random settings, a normalisation of a
    /// different number of channels, a batch size outside of 1 to 4096, and a record without test
    /// images.
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
                let expected = "transforms that are not random".to_owned();
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
