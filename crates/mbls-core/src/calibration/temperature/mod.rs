mod optimum;
mod rows;

use super::scores::softmax;
use super::{Calibrator, ScoreKind, Scores};
use crate::metric::{Label, Predictions, Score, check_temperature, classes_of, counted_classes_of};
use crate::{Error, Result};
use optimum::optimum;
use rows::Rows;
use serde::{Deserialize, Serialize};

/// Temperature scaling: `p = softmax(l / T)` with one `T > 0` for all logits; it never changes a prediction.
///
/// ```
/// use mbls_core::calibration::TemperatureScaling;
///
/// // Margins of 4 that are right in three of four rows: softmax is calibrated where 4 / T = ln 3.
/// let logits = [4.0, 0.0, 4.0, 0.0, 4.0, 0.0, 4.0, 0.0];
/// let labels = [0, 0, 0, 1];
/// let scaling = TemperatureScaling::fit(&logits, 2, &labels)?;
/// assert!((scaling.temperature() - 4.0 / 3f64.ln()).abs() < 1e-9);
/// assert!((scaling.apply(&logits, 2, &labels)?.confidence(0) - 0.75).abs() < 1e-9);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (arXiv 1706.04599).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct TemperatureScaling {
    temperature: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    temperature: f64,
}

/// What a grid of temperatures is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GridObjective {
    /// The least negative log-likelihood.
    Nll,
    /// The least expected calibration error, in 15 bins.
    Ece,
}

impl TemperatureScaling {
    /// The least temperature that [`fit`](Self::fit) returns: for rows that are all predicted right the optimum is 0, which
    /// would make every later error infinitely unlikely.
    pub const MIN: f64 = 1e-2;
    /// The greatest temperature that [`fit`](Self::fit) returns: for rows predicted worse than at random the optimum is infinite.
    pub const MAX: f64 = 1e4;
    /// The number of bins of [`GridObjective::Ece`].
    pub const GRID_BINS: usize = 15;

    /// Scales by a given temperature.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where it is not finite and greater than 0.
    pub fn new(temperature: f64) -> Result<Self> {
        Ok(Self { temperature: check_temperature(temperature)? })
    }

    /// Fits the temperature of least negative log-likelihood between [`MIN`](Self::MIN) and [`MAX`](Self::MAX).
    ///
    /// With `b = 1 / T` the likelihood is convex, and the root of its derivative `mean_n E_b[l_n] - l_n[y_n]` is found by
    /// Newton steps in `log b`, bracketed and bisected where they do not converge: to 1e-13 relative, or as far as f64 tells.
    /// The likelihood of the rows it is fitted to is never worse than at `T = 1`. 1 where the temperature does not matter. Sums
    /// over rows are in fixed point, so the order of the rows does not change a bit of it.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order, `labels` `[rows]`; at least one row.
    ///
    /// # Errors
    ///
    /// [`Error::NoRows`], those of [`Predictions::from_logits`], and [`Error::Accumulator`] for logits further apart than 1e17,
    /// whose sums leave the range of [`FixedSum`](crate::metric::FixedSum).
    pub fn fit<T: Score>(logits: &[T], classes: usize, labels: &[impl Label]) -> Result<Self> {
        Self::fit_rows(&Rows::new(logits, [labels.len(), classes, 1], &classes_of(labels, classes)?, None)?)
    }

    /// Fits the temperature of dense predictions, one row per pixel, leaving out the pixels labelled `ignore`.
    ///
    /// The logits stay as they lie; beside them a pass needs 1024 rows per thread.
    ///
    /// # Shapes
    ///
    /// `logits` `[images, classes, height, width]` in row-major order, as `shape` says, `labels`
    /// `[images, height, width]` of any integer type.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the lengths do not fit, [`Error::NoRows`] where all pixels are ignored, and for the pixels that
    /// are not, numbered through all images, [`Error::Label`] and [`Error::Value`].
    pub fn fit_pixels<T: Score>(
        logits: &[T],
        shape: [usize; 4],
        labels: &[impl Label],
        ignore: Option<i64>,
    ) -> Result<Self> {
        let [images, classes, height, width] = shape;
        let positions = height.checked_mul(width).ok_or_else(|| Error::Shape {
            what: "temperature scaling",
            expected: "an image whose pixels can be counted".into(),
            found: format!("{height} x {width}"),
        })?;
        let (labels, ignore) = counted_classes_of(labels, ignore, classes)?;
        Self::fit_rows(&Rows::new(logits, [images, classes, positions], &labels, ignore)?)
    }

    /// Fits to scores; of probabilities the logarithms are the logits.
    pub(super) fn fit_scores(scores: &Scores, labels: &[u32]) -> Result<Self> {
        match scores.kind() {
            ScoreKind::Logits => Self::fit(scores.values(), scores.classes(), labels),
            ScoreKind::Probabilities => Self::fit(&scores.log_probs(), scores.classes(), labels),
        }
    }

    fn fit_rows<T: Score>(rows: &Rows<T>) -> Result<Self> {
        let fitted = Self { temperature: optimum(rows)? };
        let unscaled = Self { temperature: 1.0 };
        // Where both differ by rounding alone, the comparison decides for the one that is not worse.
        Ok(if rows.nll(fitted.temperature)? <= rows.nll(1.0)? { fitted } else { unscaled })
    }

    /// Takes the best of the published grid of temperatures.
    ///
    /// Starts at 0.1 and adds 0.1 a hundred times, accumulating its rounding; the first minimum wins.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit).
    ///
    /// # References
    ///
    /// The code of Mukhoti et al., NeurIPS 2020 (arXiv 2002.09437).
    pub fn fit_grid<T: Score>(
        logits: &[T],
        classes: usize,
        labels: &[impl Label],
        objective: GridObjective,
    ) -> Result<Self> {
        let labels = &classes_of(labels, classes)?;
        let rows = Rows::new(logits, [labels.len(), classes, 1], labels, None)?;
        let mut temperature = 0.1;
        let mut best = (temperature, f64::INFINITY);
        for _ in 0..100 {
            let value = match objective {
                GridObjective::Nll => rows.nll(temperature)?,
                GridObjective::Ece => rows.ece(temperature)?,
            };
            if value < best.1 {
                best = (temperature, value);
            }
            temperature += 0.1;
        }
        Ok(Self { temperature: best.0 })
    }

    /// The temperature.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Scores rows by their scaled logits.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order, f32 or f64, `labels` `[rows]`.
    ///
    /// # Errors
    ///
    /// Those of [`Predictions::from_logits`].
    pub fn apply<'a, T: Score>(
        &self,
        logits: &'a [T],
        classes: usize,
        labels: &'a [impl Label],
    ) -> Result<Predictions<'a>> {
        Predictions::from_logits_at(logits, classes, labels, self.temperature)
    }
}

impl TryFrom<Saved> for TemperatureScaling {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        Self::new(saved.temperature)
    }
}

impl From<TemperatureScaling> for Saved {
    fn from(scaling: TemperatureScaling) -> Self {
        Self { temperature: scaling.temperature }
    }
}

impl Calibrator for TemperatureScaling {
    fn classes(&self) -> Option<usize> {
        None
    }

    fn probs(&self, scores: &Scores) -> Result<Vec<f64>> {
        let mut probs = match scores.kind() {
            ScoreKind::Logits => scores.values().to_vec(),
            ScoreKind::Probabilities => scores.log_probs(),
        };
        for row in probs.chunks_exact_mut(scores.classes()) {
            // Shifted before it is divided: the largest exponent is 0 at any temperature.
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row.iter_mut().for_each(|logit| *logit = (*logit - max) / self.temperature);
            softmax(row);
        }
        Ok(probs)
    }
}
