//! A sample of pixels to which the temperature is fitted: a whole validation part may have
//! billions.

use super::host_batch::HostBatch;
use super::source::Loader;
use super::task::SegmentationTask;
use anyhow::{Context, Result};
use mbls_core::calibration::CalibrationRecord;
use mbls_data::Seed;
use mbls_seg::dataset::VOID;
use mbls_train::predict;
use rand::seq::index;

/// The maximum number of pixels in the sample: 22 MB with 21 classes.
const MOST: usize = 1 << 18;

/// Logits and labels of the sampled pixels.
#[derive(Debug, Default)]
pub(super) struct PixelSample {
    logits: Vec<f32>,
    labels: Vec<u32>,
}

/// Samples the same number of pixels from each image, at random among those that have a class; all
/// of them if the image has fewer.
///
/// # Errors
///
/// If images cannot be read.
pub(super) fn sample(task: &SegmentationTask, images: &Loader, seed: Seed) -> Result<PixelSample> {
    let each = (MOST / images.dataset().dataset().indices().len().max(1)).max(1);
    let mut sample = PixelSample::default();
    predict(task, images, |predicted| -> Result<()> {
        let batch = HostBatch::of(predicted)?;
        let [images, classes, height, width] = batch.pictures().shape;
        let area = height * width;
        for at in 0..images {
            let logits = &predicted.logits[at * classes * area..][..classes * area];
            let labels = &predicted.labels[at * area..][..area];
            sample.add(logits, labels, each, seed.at((predicted.first + at) as u64));
        }
        Ok(())
    })?;
    Ok(sample)
}

impl PixelSample {
    fn add(&mut self, logits: &[f32], labels: &[u32], each: usize, seed: Seed) {
        let valid: Vec<usize> =
            (0..labels.len()).filter(|&pixel| labels[pixel] != u32::from(VOID)).collect();
        let mut chosen =
            index::sample(&mut seed.rng(), valid.len(), each.min(valid.len())).into_vec();
        chosen.sort_unstable();
        for pixel in chosen.into_iter().map(|place| valid[place]) {
            self.logits.extend(logits.chunks(labels.len()).map(|plane| plane[pixel]));
            self.labels.push(labels[pixel]);
        }
    }

    /// Fits the calibrators of the network to the sample.
    ///
    /// # Errors
    ///
    /// If the sample is empty or logits are not finite.
    pub(super) fn record(
        &self,
        class_names: Vec<String>,
        bins: usize,
    ) -> Result<CalibrationRecord> {
        CalibrationRecord::fit(class_names, &self.logits, &self.labels, bins)
            .context("cannot fit a calibrator to the pixels of the validation images")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_sampled_with_their_logits_and_never_void() {
        // Two classes, six pixels; each logit is unique.
        let logits: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let labels = [0, 255, 1, 1, 255, 0];
        let mut sample = PixelSample::default();
        sample.add(&logits, &labels, 3, Seed(1));
        assert_eq!((sample.labels.len(), sample.logits.len()), (3, 6));
        for (row, &label) in sample.logits.chunks(2).zip(&sample.labels) {
            let pixel = row[0] as usize;
            assert_eq!((row[1], label), ((pixel + 6) as f32, labels[pixel]));
            assert_ne!(label, 255);
        }
        let mut other = PixelSample::default();
        (0..20).for_each(|seed| other.add(&logits, &labels, 1, Seed(seed)));
        let mut pixels: Vec<usize> = other.logits.chunks(2).map(|row| row[0] as usize).collect();
        pixels.sort_unstable();
        pixels.dedup();
        assert_eq!(pixels, [0, 2, 3, 5]);
        // An image with fewer pixels contributes all of them; a void one none.
        let mut all = PixelSample::default();
        all.add(&logits, &labels, 100, Seed(0));
        all.add(&logits, &[255; 6], 100, Seed(0));
        assert_eq!(all.labels, [0, 1, 1, 0]);
    }
}
