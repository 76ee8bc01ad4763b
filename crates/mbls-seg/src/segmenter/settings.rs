//! Settings of a segmenter.

use crate::model::Architecture;
use crate::transform::JointTransform;
use mbls_core::calibration::{CalibrationRecord, CalibratorRole};
use mbls_io::{Error, Result, with_causes};
use mbls_nn::saved_model::ModelSettings;
use mbls_vision::transform::Normalise;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest batch.
const MOST_IMAGES: usize = 4096;
/// Number of channels of an image.
pub(super) const CHANNELS: usize = 3;

/// Settings of a [`CalibratedSegmenter`](super::CalibratedSegmenter): everything but its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmenterSettings {
    /// Name of the network, see [`Architecture`].
    pub model: String,
    /// Mask value of each class in the data set, in the order of the classes.
    pub values: Vec<u8>,
    /// Transforms of the 8-bit image; none of them may be random.
    #[serde(default)]
    pub transforms: Vec<JointTransform>,
    /// Normalisation of the values after they are scaled to 0..1.
    pub normalisation: Normalise,
    /// Number of images per batch, as in the evaluation. Another number may change how sums are
    /// rounded.
    pub batch: usize,
    /// Names of the classes, the calibrator, and the assessment of confidences on test pixels. The
    /// thresholds of out-of-distribution detection are those of
    /// [`ImageScores`](super::ImageScores).
    pub record: CalibrationRecord,
    /// Provenance of the network as named values, such as program, data and loss of the training.
    #[serde(default)]
    pub provenance: BTreeMap<String, String>,
}

impl ModelSettings for SegmenterSettings {
    const KIND: &'static str = "image-segmenter";

    /// Checks that the settings are consistent.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for an unknown network or one that cannot have this number of classes,
    /// values that are not one distinct value for each class, transforms that are random or have
    /// settings out of range, a normalisation without three channels, a batch that is not in 1 to
    /// 4096, and a record without test pixels.
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
                format!("{classes} distinct values"),
                format!("{:?}", self.values),
            );
        }
        for (place, transform) in self.transforms.iter().enumerate() {
            let field = format!("transforms[{place}]");
            if transform.is_random() {
                return error(
                    &field,
                    "transforms without randomness".to_owned(),
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
