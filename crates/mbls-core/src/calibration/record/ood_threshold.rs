use crate::metric::{LogitRows, OodScore, UnlabelledRows, energy_scores};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A score of a network's logits that is larger for in-distribution rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OodDetector {
    /// The negative energy `log sum_k exp l_k` (Liu et al., NeurIPS 2020).
    Energy,
    /// The negative entropy of the softmax, in nats.
    Entropy,
    /// The largest probability of the softmax (Hendrycks and Gimpel, ICLR 2017).
    Confidence,
}

impl OodDetector {
    /// All detectors.
    pub const ALL: [Self; 3] = [Self::Energy, Self::Entropy, Self::Confidence];

    /// Computes the score of each row from the uncalibrated logits.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`UnlabelledRows::from_logits`].
    pub fn scores(self, logits: &[f32], classes: usize) -> Result<Vec<f64>> {
        let rows = UnlabelledRows::from_logits(logits, classes)?;
        Ok(match self {
            Self::Energy => energy_scores(LogitRows::new(logits, classes)?, 1.0)?,
            Self::Entropy => OodScore::Entropy.of(&rows),
            Self::Confidence => OodScore::Confidence.of(&rows),
        })
    }
}

/// The score below which a row counts as out-of-distribution: the one that a fixed fraction of
/// validation rows reaches.
///
/// ```
/// use mbls_core::calibration::{OodDetector, OodThreshold};
///
/// let scores: Vec<f64> = (1..=100).map(f64::from).collect();
/// let threshold = OodThreshold::fit(OodDetector::Energy, &scores)?;
/// assert_eq!(
///     (threshold.threshold(), threshold.accepts(6.0), threshold.accepts(5.9)),
///     (6.0, true, false)
/// );
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct OodThreshold {
    detector: OodDetector,
    threshold: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    detector: OodDetector,
    threshold: f64,
}

impl OodThreshold {
    /// The fraction of validation rows that are accepted.
    pub const ACCEPTED: f64 = 0.95;

    /// Finds the largest threshold that accepts at least 95 % of the scores of validation rows.
    ///
    /// # Errors
    ///
    /// [`Error::NoRows`]; [`Error::Score`] for a score that is not finite.
    pub fn fit(detector: OodDetector, scores: &[f64]) -> Result<Self> {
        if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Error::Score { value: scores[row], row });
        }
        let mut sorted = scores.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rejected = scores.len() - (Self::ACCEPTED * scores.len() as f64).ceil() as usize;
        let threshold =
            *sorted.get(rejected).ok_or(Error::NoRows { what: "the threshold of an OOD score" })?;
        Ok(Self { detector, threshold })
    }

    /// Returns the detector.
    pub fn detector(&self) -> OodDetector {
        self.detector
    }

    /// Returns the smallest accepted score.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Whether a row with that score counts as in-distribution.
    pub fn accepts(&self, score: f64) -> bool {
        score >= self.threshold
    }
}

impl TryFrom<Saved> for OodThreshold {
    type Error = Error;

    fn try_from(Saved { detector, threshold }: Saved) -> Result<Self> {
        if threshold.is_finite() {
            return Ok(Self { detector, threshold });
        }
        Err(Error::Setting {
            name: "threshold",
            value: threshold.to_string(),
            expected: "a finite number",
        })
    }
}

impl From<OodThreshold> for Saved {
    fn from(OodThreshold { detector, threshold }: OodThreshold) -> Self {
        Self { detector, threshold }
    }
}
