//! What bootstrap intervals need of single pictures and batches.

use mbls_core::metric::{AbsentClasses, Background, ConfusionMatrix, Metric, Overlap, Reliability, ReliabilityBins};
use serde::{Deserialize, Serialize};

/// One test picture. The pixels of a picture are alike, so that pictures are resampled, not pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PictureResult {
    /// How often each label was given each prediction.
    pub(super) confusion: ConfusionMatrix,
    /// Confidence and correctness in bins.
    pub(super) before: ReliabilityBins,
    /// The same after temperature scaling.
    pub(super) after: ReliabilityBins,
}

/// One batch under the published protocol, by which its pictures have errors of their own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct BatchResult {
    /// Pixels of a label above 0.
    pub(super) pixels: u64,
    /// Their expected calibration error.
    pub(super) ece: f64,
    /// The same after temperature scaling.
    pub(super) ece_scaled: f64,
}

/// The overlap of the pictures at `indices` together; `None` where they have no pixel that counts.
pub(super) fn overlap(pictures: &[PictureResult], indices: &[u32]) -> Option<Overlap> {
    sum(indices.iter().map(|&index| &pictures[index as usize].confusion))?.value()
}

/// Mean intersection over union of the pictures at `indices`: with class 0, or without it as published.
pub(super) fn mean_iou(pictures: &[PictureResult], indices: &[u32], published: bool) -> Option<f64> {
    let (background, absent) = match published {
        true => (Background::Excluded, AbsentClasses::Reference),
        false => (Background::Included, AbsentClasses::Omitted),
    };
    overlap(pictures, indices)?.mean_iou(background, absent)
}

/// The reliability of the pictures at `indices` together; `None` where they have no pixel that counts.
pub(super) fn reliability(
    pictures: &[PictureResult],
    indices: &[u32],
    bins: fn(&PictureResult) -> &ReliabilityBins,
) -> Option<Reliability> {
    sum(indices.iter().map(|&index| bins(&pictures[index as usize])))?.value()
}

/// The mean over the batches at `indices`, weighted by their pixels; `None` without a batch.
pub(super) fn batch_mean(batches: &[BatchResult], indices: &[u32], ece: fn(&BatchResult) -> f64) -> Option<f64> {
    let chosen = || indices.iter().map(|&index| &batches[index as usize]);
    let pixels: u64 = chosen().map(|batch| batch.pixels).sum();
    (pixels > 0).then(|| chosen().map(|batch| batch.pixels as f64 * ece(batch)).sum::<f64>() / pixels as f64)
}

/// What several accumulators saw together; `None` for none.
pub(super) fn sum<'a, M: Metric + 'a>(mut of: impl Iterator<Item = &'a M>) -> Option<M> {
    let mut sum = of.next()?.clone();
    of.try_for_each(|other| sum.merge(other.clone())).ok()?;
    Some(sum)
}
