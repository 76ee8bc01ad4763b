//! Results of single images and batches, from which bootstrap intervals are computed.

use mbls_core::metric::{
    AbsentClasses, Background, ConfusionMatrix, Metric, Overlap, Reliability, ReliabilityBins,
};
use serde::{Deserialize, Serialize};

/// The result of one test image. Images are resampled rather than pixels, because the pixels of an
/// image are correlated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ImageResult {
    /// The confusion matrix.
    pub(super) confusion: ConfusionMatrix,
    /// The reliability bins before temperature scaling.
    pub(super) before: ReliabilityBins,
    /// The reliability bins after temperature scaling.
    pub(super) after: ReliabilityBins,
}

/// The result of one batch under the published protocol, which computes errors per batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct BatchResult {
    /// Number of pixels with a label above 0.
    pub(super) pixels: u64,
    /// The expected calibration error of these pixels.
    pub(super) ece: f64,
    /// The expected calibration error after temperature scaling.
    pub(super) ece_scaled: f64,
}

/// Returns the overlap of the images at `indices`, pooled; `None` if no pixel counts.
pub(super) fn overlap(images: &[ImageResult], indices: &[u32]) -> Option<Overlap> {
    sum(indices.iter().map(|&index| &images[index as usize].confusion))?.value()
}

/// Returns the mean intersection over union of the images at `indices`, pooled: with class 0, or
/// without it as published.
pub(super) fn mean_iou(images: &[ImageResult], indices: &[u32], published: bool) -> Option<f64> {
    let (background, absent) = if published {
        (Background::Excluded, AbsentClasses::Reference)
    } else {
        (Background::Included, AbsentClasses::Omitted)
    };
    overlap(images, indices)?.mean_iou(background, absent)
}

/// Returns the reliability of the images at `indices`, pooled; `None` if no pixel counts.
pub(super) fn reliability(
    images: &[ImageResult],
    indices: &[u32],
    bins: fn(&ImageResult) -> &ReliabilityBins,
) -> Option<Reliability> {
    sum(indices.iter().map(|&index| bins(&images[index as usize])))?.value()
}

/// Returns the mean over the batches at `indices`, weighted by their pixels; `None` without a
/// batch.
pub(super) fn batch_mean(
    batches: &[BatchResult],
    indices: &[u32],
    ece: fn(&BatchResult) -> f64,
) -> Option<f64> {
    let chosen = || indices.iter().map(|&index| &batches[index as usize]);
    let pixels: u64 = chosen().map(|batch| batch.pixels).sum();
    (pixels > 0).then(|| {
        chosen().map(|batch| batch.pixels as f64 * ece(batch)).sum::<f64>() / pixels as f64
    })
}

/// Merges accumulators; `None` for none.
pub(super) fn sum<'a, M: Metric + 'a>(mut of: impl Iterator<Item = &'a M>) -> Option<M> {
    let mut sum = of.next()?.clone();
    of.try_for_each(|other| sum.merge(other.clone())).ok()?;
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mbls_core::metric::Predictions;

    /// Returns an image with the given labels and predictions, with confidence 0.75, and 0.625
    /// after scaling.
    fn image(labels: &[u32], predicted: &[u32]) -> ImageResult {
        let bins = |confidence: f32| {
            let probs: Vec<f32> = predicted
                .iter()
                .flat_map(|&class| {
                    if class == 0 {
                        [confidence, 1.0 - confidence]
                    } else {
                        [1.0 - confidence, confidence]
                    }
                })
                .collect();
            let mut bins = ReliabilityBins::new(10).unwrap();
            bins.update(&Predictions::from_probs(&probs, 2, labels).unwrap()).unwrap();
            bins
        };
        let mut confusion = ConfusionMatrix::new(2).unwrap();
        confusion.add_masks(predicted, labels, &[]).unwrap();
        ImageResult { confusion, before: bins(0.75), after: bins(0.625) }
    }

    #[test]
    fn images_count_as_often_as_they_are_sampled() {
        // All pixels correct; one of two correct; an image with only void.
        let images =
            [image(&[0, 0, 1, 1], &[0, 0, 1, 1]), image(&[0, 1], &[1, 1]), image(&[], &[])];
        let close = |found: Option<f64>, expected: f64| {
            assert!((found.unwrap() - expected).abs() < 1e-9, "{found:?}");
        };
        close(overlap(&images, &[0, 1, 1]).unwrap().pixel_accuracy(), 6.0 / 8.0);
        // Class 0: 2 of 4; class 1: 4 of 6.
        close(mean_iou(&images, &[0, 1, 1], false), (0.5 + 4.0 / 6.0) / 2.0);
        close(mean_iou(&images, &[0, 1, 1], true), 4.0 / 6.0);
        let ece = |indices: &[u32], bins: fn(&ImageResult) -> &ReliabilityBins| {
            reliability(&images, indices, bins).map(|reliability| reliability.ece())
        };
        close(ece(&[0, 1, 1], |image| &image.before), 0.0);
        close(ece(&[0, 1, 2], |image| &image.before), 5.0 / 6.0 - 0.75);
        close(ece(&[0, 2], |image| &image.after), 0.375);
        assert!(overlap(&images, &[2, 2]).is_none() && mean_iou(&images, &[2], false).is_none());
        assert!(
            ece(&[2], |image| &image.before).is_none() && ece(&[], |image| &image.before).is_none()
        );
    }

    #[test]
    fn batches_are_weighted_by_their_pixels() {
        let batch = |pixels, ece| BatchResult { pixels, ece, ece_scaled: ece / 2.0 };
        let batches = [batch(30, 0.1), batch(10, 0.5)];
        assert!((batch_mean(&batches, &[0, 1], |batch| batch.ece).unwrap() - 0.2).abs() < 1e-15);
        assert!(
            (batch_mean(&batches, &[1, 1], |batch| batch.ece_scaled).unwrap() - 0.25).abs() < 1e-15
        );
        assert_eq!(batch_mean(&batches, &[], |batch| batch.ece), None);
    }
}
