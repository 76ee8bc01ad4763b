//! Calibrated image classifiers.

use super::{ClassifierSettings, Prepared};
use crate::model::{Architecture, Options};
use crate::{Error, Image, Result};
use candle_core::{Device, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_core::calibration::{CalibratorRole, Classification};
use mbls_nn::saved_model::SavedModel;
use std::collections::BTreeMap;
use std::path::Path;

/// A trained image classifier with its calibration and the statistics of its confidences on test
/// images.
///
/// It computes in `f32`, whatever type it was trained in; see [the module](super) for an example
/// and for the file format.
#[derive(Debug)]
pub struct CalibratedClassifier(SavedModel<ClassifierSettings, Box<dyn ModuleT + Send + Sync>>);

impl CalibratedClassifier {
    /// Creates a classifier from the tensors of a network by name, as returned by
    /// [`ParamStore::state`](mbls_nn::ParamStore::state). The tensors are copied, so further
    /// training does not change the classifier.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for settings that are not
    /// [valid](mbls_nn::saved_model::ModelSettings::validate), and for tensors that are missing,
    /// unexpected, of a different shape, or not finite.
    pub fn new(
        settings: ClassifierSettings,
        weights: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        SavedModel::new(settings, weights, device, build).map(Self).map_err(mbls_nn::Error::pass_on)
    }

    /// Saves the classifier in `folder`, as [`SavedModel::save`] does.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        self.0.save(folder.as_ref()).map_err(mbls_nn::Error::pass_on)
    }

    /// Loads the classifier in `folder` onto `device`.
    ///
    /// # Errors
    ///
    /// As for [`SavedModel::load`].
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self> {
        SavedModel::load(folder.as_ref(), device, build).map(Self).map_err(mbls_nn::Error::pass_on)
    }

    /// Returns everything except the tensors.
    pub fn settings(&self) -> &ClassifierSettings {
        self.0.settings()
    }

    /// Returns the tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        self.0.tensors()
    }

    /// Classifies an image of 8-bit values, as returned by [`decode`](crate::decode).
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for an image that cannot be
    /// [prepared](Self::prepare); errors of the device; [`Error::Other`] if the logits are not
    /// finite.
    pub fn classify(&self, image: &Image) -> Result<Classification> {
        let prepared = self.prepare(image, u8::MAX)?;
        Ok(self.classify_all(&[prepared], CalibratorRole::Temperature)?.remove(0))
    }

    /// Prepares an image whose values mean 1 at `full_scale`: applies the transforms, then the
    /// normalisation. An image with a different number of channels or a different size from the
    /// network's is converted and resized, which the result records.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for an image whose pixels do not fill its shape,
    /// whose number of channels is neither 1, 3 nor the network's, or that a transform does not
    /// accept.
    pub fn prepare(&self, image: &Image, full_scale: u8) -> Result<Prepared> {
        self.settings().prepare(image, full_scale)
    }

    /// Classifies images prepared by this classifier, in their order, in batches of
    /// [`batch`](ClassifierSettings::batch) images.
    ///
    /// # Errors
    ///
    /// As for [`logits`](Self::logits); [`Error::Other`] if the logits are not finite.
    pub fn classify_all(
        &self,
        images: &[Prepared],
        role: CalibratorRole,
    ) -> Result<Vec<Classification>> {
        let mut all = Vec::with_capacity(images.len());
        for images in images.chunks(self.settings().batch) {
            let logits = self.logits(images)?;
            all.extend(
                self.settings()
                    .record
                    .classify(&logits, role)
                    .map_err(|e| Error::Other(e.into()))?,
            );
        }
        Ok(all)
    }

    /// Computes the logits of images prepared by this classifier, in one batch.
    ///
    /// # Shapes
    ///
    /// `[images, classes]` in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for images prepared by another classifier; errors of
    /// the device.
    pub fn logits(&self, images: &[Prepared]) -> Result<Vec<f32>> {
        let values = self.values();
        if let Some(other) = images.iter().find(|image| image.pixels.len() != values) {
            return Err(Error::value(
                "prepared image",
                format!("{values} values"),
                other.pixels.len(),
            ));
        }
        let [channels, height, width] = self.settings().shape;
        let pixels: Vec<f32> = images.iter().flat_map(|image| &image.pixels).copied().collect();
        let logits =
            Tensor::from_vec(pixels, (images.len(), channels, height, width), self.0.device())
                .and_then(|images| {
                    self.0.network().forward_t(&images, false)?.flatten_all()?.to_vec1()
                });
        logits.map_err(|e| Error::Other(e.into()))
    }

    /// Returns the number of values of an image.
    fn values(&self) -> usize {
        // Validation has checked that this does not overflow.
        self.settings().shape.iter().product()
    }
}

fn build(
    settings: &ClassifierSettings,
    vb: VarBuilder,
) -> mbls_nn::Result<Box<dyn ModuleT + Send + Sync>> {
    let architecture: Architecture = settings
        .model
        .parse()
        .map_err(|e| mbls_io::Error::value("settings.model", "the name of a network", e))?;
    architecture.build(settings.record.classes().len(), settings.shape, Options::default(), vb)
}
