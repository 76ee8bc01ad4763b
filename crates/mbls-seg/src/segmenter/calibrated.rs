//! Segmentation networks with their calibration.

use super::image_scores::mean;
use super::settings::CHANNELS;
use super::{Prepared, Segmentation, SegmenterSettings};
use crate::model::{Architecture, Options};
use candle_core::{Device, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_core::calibration::{CalibratorRole, OodThreshold, OodVerdict};
use mbls_data::{Error, Result};
use mbls_nn::saved_model::SavedModel;
use mbls_vision::Image;
use std::collections::BTreeMap;
use std::path::Path;

/// A trained segmentation network with its calibrator and the assessment of its confidences on test
/// pixels.
///
/// It computes in `f32`, whatever the data type of training. See [the module](super) for an example
/// and for its files.
#[derive(Debug)]
pub struct CalibratedSegmenter(SavedModel<SegmenterSettings, Box<dyn ModuleT + Send + Sync>>);

impl CalibratedSegmenter {
    /// Creates a segmenter from the named tensors of a network, as returned by
    /// [`ParamStore::state`](mbls_nn::ParamStore::state). The tensors are copied, so further
    /// training does not change the segmenter.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for settings that are not
    /// [valid](mbls_nn::saved_model::ModelSettings::validate), and for tensors that are missing,
    /// unexpected, of another shape, or not finite.
    pub fn new(
        settings: SegmenterSettings,
        weights: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        SavedModel::new(settings, weights, device, build).map(Self).map_err(mbls_nn::Error::pass_on)
    }

    /// Saves the segmenter in `folder`, see [`SavedModel::save`].
    ///
    /// # Errors
    ///
    /// An error if a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        self.0.save(folder.as_ref()).map_err(mbls_nn::Error::pass_on)
    }

    /// Loads the segmenter in `folder` onto `device`.
    ///
    /// # Errors
    ///
    /// The errors of [`SavedModel::load`].
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self> {
        SavedModel::load(folder.as_ref(), device, build).map(Self).map_err(mbls_nn::Error::pass_on)
    }

    /// Returns the settings.
    pub fn settings(&self) -> &SegmenterSettings {
        self.0.settings()
    }

    /// Returns the tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        self.0.tensors()
    }

    /// Segments an 8-bit image, as returned by [`decode`](mbls_vision::decode).
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for an image that cannot be
    /// [prepared](Self::prepare); errors of the device; [`Error::Other`] if the logits are not
    /// finite.
    pub fn segment(&self, image: &Image) -> Result<Segmentation> {
        Ok(self.segment_all(&[self.prepare(image)?], CalibratorRole::Temperature)?.remove(0))
    }

    /// Prepares an image for the network: applies the transforms, then the normalisation. A grey
    /// image is expanded to three channels.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for an image whose pixels do not fill its shape,
    /// that does not have 1 or 3 channels, or that a transform rejects.
    pub fn prepare(&self, image: &Image) -> Result<Prepared> {
        self.settings().prepare(image)
    }

    /// Segments images prepared by this segmenter, in their order. Consecutive images of one size
    /// are computed in batches of up to [`batch`](SegmenterSettings::batch).
    ///
    /// If the transforms resize, each pixel gets the class and confidence of the nearest pixel of
    /// the network input.
    ///
    /// # Errors
    ///
    /// The errors of [`logits`](Self::logits); [`Error::Other`] if the logits are not finite.
    pub fn segment_all(
        &self,
        images: &[Prepared],
        role: CalibratorRole,
    ) -> Result<Vec<Segmentation>> {
        let mut all = Vec::with_capacity(images.len());
        for alike in images.chunk_by(|a, b| a.size == b.size) {
            for images in alike.chunks(self.settings().batch) {
                let logits = self.logits(images)?;
                let each = logits.len() / images.len();
                for (image, logits) in images.iter().zip(logits.chunks_exact(each)) {
                    all.push(
                        self.segmentation(image, logits, role)
                            .map_err(|e| Error::Other(e.into()))?,
                    );
                }
            }
        }
        Ok(all)
    }

    /// Computes the logits of images of one size, prepared by this segmenter, in one batch.
    ///
    /// # Shapes
    ///
    /// `[images, classes, height, width]` in row-major order, with the [size](Prepared::size) of
    /// the network input.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for images of different sizes; errors of the device.
    pub fn logits(&self, images: &[Prepared]) -> Result<Vec<f32>> {
        let Some(first) = images.first() else { return Ok(Vec::new()) };
        if let Some(other) = images.iter().find(|image| image.size != first.size) {
            let [found, expected] = [other.size, first.size].map(|size| format!("{size:?}"));
            return Err(Error::value(
                "size of a prepared image",
                format!("{expected}, as of the first"),
                found,
            ));
        }
        let [height, width] = first.size;
        let pixels: Vec<f32> = images.iter().flat_map(|image| &image.pixels).copied().collect();
        let logits =
            Tensor::from_vec(pixels, (images.len(), CHANNELS, height, width), self.0.device())
                .and_then(|images| {
                    self.0.network().forward_t(&images, false)?.flatten_all()?.to_vec1()
                });
        logits.map_err(|e| Error::Other(e.into()))
    }

    /// Computes the segmentation from the logits `[classes, height, width]` of an image.
    fn segmentation(
        &self,
        image: &Prepared,
        logits: &[f32],
        role: CalibratorRole,
    ) -> mbls_core::Result<Segmentation> {
        let record = &self.settings().record;
        let plane = image.size[0] * image.size[1];
        let pixels = image.frame.places(image.size[1]);
        let rows: Vec<f32> =
            pixels.flat_map(|pixel| logits.chunks_exact(plane).map(move |of| of[pixel])).collect();
        let found = record.rows(&rows, role)?;
        let pixels = 0..found.rows();
        // There are at most 255 classes, because masks have 8 bits.
        let classes: Vec<u8> = pixels.clone().map(|row| found.predicted(row) as u8).collect();
        let confidences: Vec<f32> = pixels.map(|row| found.confidence(row) as f32).collect();
        let verdict = |ood: &OodThreshold| {
            let score = mean(ood.detector(), &rows, record.classes().len())?;
            let score = score.ok_or(mbls_core::Error::NoRows { what: "the score of an image" })?;
            let is_ood = !ood.accepts(score);
            Ok(OodVerdict { detector: ood.detector(), score, threshold: ood.threshold(), is_ood })
        };
        let ood = record.ood().iter().map(verdict).collect::<mbls_core::Result<_>>()?;
        let [height, width] = image.frame.original();
        let (classes, confidences) =
            (image.frame.restore(&classes), image.frame.restore(&confidences));
        Ok(Segmentation { height, width, classes, confidences, ood })
    }
}

fn build(
    settings: &SegmenterSettings,
    vb: VarBuilder,
) -> mbls_nn::Result<Box<dyn ModuleT + Send + Sync>> {
    let architecture: Architecture = settings
        .model
        .parse()
        .map_err(|e| mbls_io::Error::value("settings.model", "a network's name", e))?;
    architecture.network(settings.record.classes().len(), CHANNELS)?.build(Options::default(), vb)
}
