//! Per-image scores for out-of-distribution detection.

use mbls_core::Result;
use mbls_core::calibration::{OodDetector, OodThreshold};

/// Scores of images for each [`OodDetector`]. The score of an image is the mean over its pixels.
///
/// ```
/// use mbls_seg::segmenter::ImageScores;
///
/// let mut scores = ImageScores::new(2);
/// scores.push(&[2.0, 0.0, 3.0, 0.0])?;
/// scores.push(&[0.0, 0.0])?;
/// assert_eq!(scores.thresholds()?.len(), 3);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageScores {
    classes: usize,
    scores: [Vec<f64>; OodDetector::ALL.len()],
}

impl ImageScores {
    /// Creates an empty collection of scores for networks with `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self { classes, scores: Default::default() }
    }

    /// Adds the scores of an image from the logits of its pixels. An image without pixels has no
    /// score and is ignored.
    ///
    /// # Shapes
    ///
    /// `[pixels, classes]` in row-major order.
    ///
    /// # Errors
    ///
    /// The errors of [`OodDetector::scores`].
    pub fn push(&mut self, logits: &[f32]) -> Result<()> {
        let means = OodDetector::ALL.map(|detector| mean(detector, logits, self.classes));
        for (scores, mean) in self.scores.iter_mut().zip(means) {
            scores.extend(mean?);
        }
        Ok(())
    }

    /// Fits the thresholds of all detectors.
    ///
    /// # Errors
    ///
    /// The errors of [`OodThreshold::fit`].
    pub fn thresholds(&self) -> Result<Vec<OodThreshold>> {
        let fit =
            |(detector, scores): (OodDetector, &Vec<f64>)| OodThreshold::fit(detector, scores);
        OodDetector::ALL.into_iter().zip(&self.scores).map(fit).collect()
    }
}

/// Returns the mean score of the pixels of an image; `None` if there are no pixels.
pub(super) fn mean(detector: OodDetector, logits: &[f32], classes: usize) -> Result<Option<f64>> {
    let scores = detector.scores(logits, classes)?;
    Ok((!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64))
}
