//! Networks that classify images, with what calibrates them.

use super::{ClassifierSettings, Prepared};
use crate::model::{Architecture, Options};
use crate::{Error, Image, Result};
use candle_core::{Device, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_core::calibration::{CalibratorRole, Classification};
use mbls_nn::saved_model::SavedModel;
use std::collections::BTreeMap;
use std::path::Path;

/// A trained network that classifies images, with what calibrates it and what test images say of
/// its confidences.
///
/// It computes in `f32`, whatever it was trained in; see [the module](super) for an example and for
/// its files.
#[derive(Debug)]
pub struct CalibratedClassifier(SavedModel<ClassifierSettings, Box<dyn ModuleT + Send + Sync>>);

impl CalibratedClassifier {
    /// Makes a classifier of the tensors of a network by its names, as
    /// [`ParamStore::state`](mbls_nn::ParamStore::state) gives them. They are copied, so that
    /// further training changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for settings that are not
    /// [valid](mbls_nn::saved_model::ModelSettings::validate), and for tensors that
    /// are missing, unexpected, of another shape, or not finite.
    pub fn new(
        settings: ClassifierSettings,
        weights: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        SavedModel::new(settings, weights, device, build).map(Self).map_err(mbls_nn::Error::pass_on)
    }

    /// Writes it into `folder`, as [`SavedModel::save`] says.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        self.0.save(folder.as_ref()).map_err(mbls_nn::Error::pass_on)
    }

    /// Reads the classifier in `folder`, to compute on `device`.
    ///
    /// # Errors
    ///
    /// As [`SavedModel::load`].
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self> {
        SavedModel::load(folder.as_ref(), device, build).map(Self).map_err(mbls_nn::Error::pass_on)
    }

    /// Returns what it is besides its tensors.
    pub fn settings(&self) -> &ClassifierSettings {
        self.0.settings()
    }

    /// Returns its tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        self.0.tensors()
    }

    /// Classifies an image of 8-bit values, as [`decode`](crate::decode) gives it.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for an image that cannot be
    /// [prepared](Self::prepare); what the device reports; [`Error::Other`] where the logits
    /// are not finite.
    pub fn classify(&self, image: &Image) -> Result<Classification> {
        let prepared = self.prepare(image, u8::MAX)?;
        Ok(self.classify_all(&[prepared], CalibratorRole::Temperature)?.remove(0))
    }

    /// Makes an image ready whose values mean 1 at `full_scale`: applies the transforms, then the
    /// normalisation. One of other channels or another size than the network's is converted and
    /// resized, which the result says.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for an image whose pixels do not fill its shape,
    /// whose channels are neither 1, 3 nor the network's, or that a transform does not take.
    pub fn prepare(&self, image: &Image, full_scale: u8) -> Result<Prepared> {
        self.settings().prepare(image, full_scale)
    }

    /// Classifies images that this classifier has made ready, in their order, as many at once as
    /// [`batch`](ClassifierSettings::batch) says.
    ///
    /// # Errors
    ///
    /// As [`logits`](Self::logits); [`Error::Other`] where the logits are not finite.
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

    /// Computes the logits of images that this classifier has made ready, all at once.
    ///
    /// # Shapes
    ///
    /// `[images, classes]` in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for images that another classifier has made ready;
    /// what the device reports.
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

    /// Values of an image.
    fn values(&self) -> usize {
        // Checked not to overflow.
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
        .map_err(|e| mbls_io::Error::value("settings.model", "a network's name", e))?;
    architecture.build(settings.record.classes().len(), settings.shape, Options::default(), vb)
}
