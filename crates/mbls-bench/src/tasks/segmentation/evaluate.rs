//! Evaluation of a trained network on images with masks, without storing logits.

use super::evaluation::Evaluation;
use super::host_batch::{HostBatch, IGNORED, LabelledPixels};
use super::pictures::{BatchResult, ImageResult};
use super::source::Loader;
use super::task::SegmentationTask;
use anyhow::{Context, Result};
use mbls_core::calibration::TemperatureScaling;
use mbls_core::metric::{
    ConfusionMatrix, LogitDistances, Metric, ReliabilityBins, SegmentationBatch,
    SegmentationCalibration, SegmentationProtocol,
};
use mbls_data::{Dataset, Seed};
use mbls_seg::metric::{
    ImageMaps, PublishedReport, SegmentationMetrics, SegmentationReport, SegmentationSettings,
    SegmentedImages, image_png,
};
use mbls_train::predict;
use std::path::Path;

/// Metrics accumulated over batches at one temperature.
struct Measuring {
    inverse_temperature: f32,
    metrics: SegmentationMetrics,
    published: SegmentationCalibration,
}

/// The results of one batch.
struct Added {
    /// The confusion matrix of each image.
    confusions: Vec<ConfusionMatrix>,
    /// The number of pixels and the expected calibration error under the published protocol; `None`
    /// if no pixel counts.
    published: Option<(u64, f64)>,
}

impl Measuring {
    fn new(classes: usize, bins: usize, temperature: f64) -> Result<Self> {
        // The published protocol is measured separately, batch by batch.
        let settings =
            SegmentationSettings { bins, published: false, ..SegmentationSettings::default() };
        Ok(Self {
            inverse_temperature: (1.0 / temperature) as f32,
            metrics: SegmentationMetrics::new(classes, settings)?,
            published: SegmentationCalibration::new(bins, SegmentationProtocol::Reference)?,
        })
    }

    /// Adds a batch.
    fn add(&mut self, batch: SegmentedImages) -> Result<Added> {
        let scaled: Vec<f32>;
        let logits = match self.inverse_temperature {
            1.0 => batch.logits,
            factor => {
                let logits = batch.logits.as_f32().context("logits that are not f32")?;
                scaled = logits.iter().map(|logit| logit * factor).collect();
                (&scaled).into()
            }
        };
        let [images, classes, height, width] = batch.shape;
        let area = height * width;
        let mut confusions = Vec::with_capacity(images);
        for image in 0..images {
            let single = SegmentedImages {
                logits: logits.range(image * classes * area..(image + 1) * classes * area),
                shape: [1, classes, height, width],
                labels: batch.labels.range(image * area..(image + 1) * area),
                indices: &batch.indices[image..=image],
            };
            let mut one = SegmentationMetrics::new(classes, self.metrics.settings().clone())?;
            one.update(single)?;
            confusions.push(one.confusion().context("an image is missing")?);
            self.metrics.merge(one)?;
        }
        let mut published =
            SegmentationCalibration::new(self.published.bins(), SegmentationProtocol::Reference)?;
        published.update(SegmentationBatch::new(logits, batch.shape, batch.labels, &IGNORED)?)?;
        let of_batch = published.value().map(|report| (report.n, report.ece));
        self.published.merge(published)?;
        Ok(Added { confusions, published: of_batch })
    }

    /// Returns the report, and the bins of each image.
    fn finish(
        self,
        batches: u64,
        empty_batches: u64,
    ) -> Result<(SegmentationReport, Vec<ReliabilityBins>)> {
        let mut report = self.metrics.value().context("there are no images to measure")?;
        report.published =
            Some(PublishedReport { calibration: self.published.value(), batches, empty_batches });
        Ok((report, self.metrics.image_bins().map(|(_, bins)| bins.clone()).collect()))
    }
}

/// Evaluates a network before and after temperature scaling. Draws maps of the first images to a
/// folder if names are given, and passes the pixels of each image to `also`.
///
/// # Errors
///
/// If images cannot be read, logits cannot be evaluated, or the folder cannot be written.
pub(super) fn evaluate(
    task: &SegmentationTask,
    images: &Loader,
    temperature: &TemperatureScaling,
    bins: usize,
    maps: Option<(&Path, &[String])>,
    mut also: impl FnMut(LabelledPixels) -> Result<()>,
) -> Result<Evaluation> {
    let (temperature, temperature_bound) = (temperature.temperature(), temperature.bound());
    let mut before = Measuring::new(task.classes, bins, 1.0)?;
    let mut after = Measuring::new(task.classes, bins, temperature)?;
    let (mut confusions, mut batches, mut empty_batches) = (Vec::new(), Vec::new(), 0);
    let mut distances = LogitDistances::new(task.learning.loss.margin())?;
    if let Some((folder, names)) = maps.filter(|(_, names)| !names.is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| {
            format!("cannot create the folder {} for {} maps", folder.display(), names.len())
        })?;
    }
    predict(task, images, |predicted| -> Result<()> {
        let batch = HostBatch::of(predicted)?;
        draw(batch.pictures(), images, maps)?;
        batch.labelled_pixels().try_for_each(&mut also)?;
        distances.merge(batch.distances(&distances.empty())?)?;
        let added = before.add(batch.pictures())?;
        confusions.extend(added.confusions);
        match (added.published, after.add(batch.pictures())?.published) {
            (Some((pixels, ece)), Some((_, ece_scaled))) => {
                batches.push(BatchResult { pixels, ece, ece_scaled });
            }
            _ => empty_batches += 1,
        }
        Ok(())
    })?;
    let counts = (batches.len() as u64, empty_batches);
    let (before, bins_before) = before.finish(counts.0, counts.1)?;
    let (after, bins_after) = after.finish(counts.0, counts.1)?;
    let bins = bins_before.into_iter().zip(bins_after);
    let pictures = confusions.into_iter().zip(bins);
    let pictures =
        pictures.map(|(confusion, (before, after))| ImageResult { confusion, before, after });
    let (distances, pictures) = (distances.value(), pictures.collect());
    Ok(Evaluation { temperature, temperature_bound, distances, before, after, pictures, batches })
}

/// Draws the images of a batch that have a name: the image as the network sees it, and its maps.
fn draw(batch: SegmentedImages, data: &Loader, maps: Option<(&Path, &[String])>) -> Result<()> {
    let Some((folder, names)) = maps else { return Ok(()) };
    let named =
        |index: u64| usize::try_from(index).ok().and_then(|index| Some((index, names.get(index)?)));
    if !batch.indices.iter().any(|&index| named(index).is_some()) {
        return Ok(());
    }
    for (maps, &index) in ImageMaps::of_batch(batch, &IGNORED)?.into_iter().zip(batch.indices) {
        if let Some((index, name)) = named(index) {
            let name = map_name(name);
            // Test transforms are not random, so the seed does not matter.
            let sample = data.dataset().get(index, Seed(0))?;
            mbls_io::atomic::write(
                &folder.join(format!("{name}.image.png")),
                &image_png(&sample.image)?,
            )?;
            maps.write(folder, &name)?;
        }
    }
    Ok(())
}

/// Returns the file name of an image's maps; path separators are replaced.
pub(super) fn map_name(image: &str) -> String {
    image.replace(['/', '\\'], "-")
}
