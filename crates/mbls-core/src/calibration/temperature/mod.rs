mod bound;
mod optimum;
mod rows;

use super::scores::softmax;
use super::{Calibrator, Fit, ScoreKind, Scores};
use crate::metric::{
    Label, Predictions, ScoreType, UnlabelledRows, check_temperature, classes_of,
    counted_classes_of,
};
use crate::number::is_zero;
use crate::{Error, Result};
pub use bound::TemperatureBound;
use optimum::optimum;
use rows::Rows;
use serde::{Deserialize, Serialize};

/// Temperature scaling: `p = softmax(l / T)` with one `T > 0` for all logits. It never changes the
/// predicted class.
///
/// ```
/// use mbls_core::calibration::TemperatureScaling;
///
/// // Margins of 4, correct in three of four rows: softmax is calibrated where 4 / T = ln 3.
/// let logits = [4.0, 0.0, 4.0, 0.0, 4.0, 0.0, 4.0, 0.0];
/// let labels = [0, 0, 0, 1];
/// let scaling = TemperatureScaling::fit_logits(&logits, 2, &labels)?;
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
    bound: Option<TemperatureBound>,
    masked_labels: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    temperature: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bound: Option<TemperatureBound>,
    #[serde(default, skip_serializing_if = "is_zero")]
    masked_labels: u64,
}

/// The objective of a grid search over temperatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GridObjective {
    /// Negative log-likelihood.
    Nll,
    /// Expected calibration error with 15 bins.
    Ece,
}

/// The number of temperatures in the published grid.
const GRID_STEPS: u32 = 100;

impl TemperatureScaling {
    /// The factor by which [`fit_logits`](Self::fit_logits) searches beyond the ranges of the rows.
    /// A row's range is the distance of its largest logit from its smallest. The search covers
    /// temperatures from the smallest range divided by this number to the largest range times it.
    ///
    /// If all rows are predicted correctly, the optimum is 0, which would make every later error
    /// infinitely unlikely; if rows are predicted worse than at random, it is infinite. The bounds
    /// scale with the logits.
    pub const RANGE: f64 = 1e4;
    /// The number of bins of [`GridObjective::Ece`].
    pub const GRID_BINS: usize = 15;

    /// Creates a scaling with a given temperature.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if it is not finite or not greater than 0.
    pub fn new(temperature: f64) -> Result<Self> {
        Ok(Self { temperature: check_temperature(temperature)?, bound: None, masked_labels: 0 })
    }

    /// Fits the temperature by minimising the negative log-likelihood. If the optimum is outside of
    /// the [range](Self::RANGE), returns the end of the range and reports it in
    /// [`bound`](Self::bound).
    ///
    /// With `b = 1 / T` the negative log-likelihood is convex. The root of its derivative
    /// `mean_n E_b[l_n] - l_n[y_n]` is found by Newton steps in `log b`, with a bracket that is
    /// bisected where they do not converge: to 1e-13 relative, or as far as f64 resolves. Except at
    /// a bound, the likelihood of the fitted rows is never worse than at `T = 1`. The temperature
    /// is 1 if it has no effect. Sums over rows are in fixed point, so the result does not depend
    /// on the order of the rows.
    ///
    /// A class masked by a logit of minus infinity has probability 0 at every temperature. Rows
    /// with such a label are left out and [counted](Self::masked_labels).
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order, `labels` `[rows]`; at least one row.
    ///
    /// # Errors
    ///
    /// [`Error::NoRows`], those of [`Predictions::from_logits`], and [`Error::Fit`] if the label of
    /// every row is masked.
    pub fn fit_logits<T: ScoreType>(
        logits: &[T],
        classes: usize,
        labels: &[impl Label],
    ) -> Result<Self> {
        Self::fit_rows(&Rows::new(
            logits,
            [labels.len(), classes, 1],
            &classes_of(labels, classes)?,
            None,
        )?)
    }

    /// Fits the temperature of dense predictions, one row per pixel, without the pixels labelled
    /// `ignore`.
    ///
    /// The logits are not copied; a pass needs additional memory for 1024 rows per thread.
    ///
    /// # Shapes
    ///
    /// `logits` `[images, classes, height, width]` in row-major order, as given by `shape`,
    /// `labels` `[images, height, width]` of any integer type.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the lengths do not match, [`Error::NoRows`] if all pixels are ignored,
    /// and [`Error::Label`] and [`Error::Value`] for pixels that are not ignored, numbered through
    /// all images.
    pub fn fit_pixels<T: ScoreType>(
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

    fn fit_rows<T: ScoreType>(rows: &Rows<T>) -> Result<Self> {
        rows.check_likelihood()?;
        let (temperature, bound) = optimum(rows)?;
        // If both differ only by rounding, the comparison chooses the one that is not worse.
        let unscaled = bound.is_none() && rows.nll(temperature)? > rows.nll(1.0)?;
        let temperature = if unscaled { 1.0 } else { temperature };
        Ok(Self { temperature, bound, masked_labels: rows.masked_labels() })
    }

    /// Returns the best temperature of the published grid.
    ///
    /// The grid has a hundred temperatures, starting at 0.1 and adding 0.1, with the accumulated
    /// rounding of that sum. The first minimum is chosen. At the first and the last temperature
    /// [`bound`](Self::bound) is set.
    ///
    /// # Errors
    ///
    /// Same as [`fit_logits`](Self::fit_logits).
    ///
    /// # References
    ///
    /// The code of Mukhoti et al., NeurIPS 2020 (arXiv 2002.09437).
    pub fn fit_grid<T: ScoreType>(
        logits: &[T],
        classes: usize,
        labels: &[impl Label],
        objective: GridObjective,
    ) -> Result<Self> {
        let labels = &classes_of(labels, classes)?;
        let rows = Rows::new(logits, [labels.len(), classes, 1], labels, None)?;
        if objective == GridObjective::Nll {
            rows.check_likelihood()?;
        }
        let mut temperature = 0.1;
        let mut best = (temperature, f64::INFINITY, 0);
        for step in 0..GRID_STEPS {
            let value = match objective {
                GridObjective::Nll => rows.nll(temperature)?,
                GridObjective::Ece => rows.ece(temperature)?,
            };
            if value < best.1 {
                best = (temperature, value, step);
            }
            temperature += 0.1;
        }
        let bound = match best.2 {
            0 => Some(TemperatureBound::Lower),
            step if step + 1 == GRID_STEPS => Some(TemperatureBound::Upper),
            _ => None,
        };
        Ok(Self { temperature: best.0, bound, masked_labels: rows.masked_labels() })
    }

    /// Returns the temperature, by which logits are divided: above 1 for an overconfident model.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Returns the end of the range of temperatures at which the fit stopped, or `None` if it found
    /// an optimum.
    pub fn bound(&self) -> Option<TemperatureBound> {
        self.bound
    }

    /// The number of rows left out of the fit because their label is a masked class.
    pub fn masked_labels(&self) -> u64 {
        self.masked_labels
    }

    /// Computes predictions from scaled logits.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order, f32 or f64, `labels` `[rows]`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Predictions::from_logits`].
    pub fn apply<'a, T: ScoreType>(
        &self,
        logits: &'a [T],
        classes: usize,
        labels: &'a [impl Label],
    ) -> Result<Predictions<'a>> {
        Predictions::from_logits_at(logits, classes, labels, self.temperature)
    }

    /// Computes predictions without labels from scaled logits.
    ///
    /// # Shapes
    ///
    /// `logits` `[rows, classes]` in row-major order, of any type that is a [`ScoreType`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`UnlabelledRows::from_logits`].
    pub fn apply_unlabelled<'a, T: ScoreType>(
        &self,
        logits: &'a [T],
        classes: usize,
    ) -> Result<UnlabelledRows<'a>> {
        UnlabelledRows::from_logits_at(logits, classes, self.temperature)
    }
}

impl TryFrom<Saved> for TemperatureScaling {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let Saved { temperature, bound, masked_labels } = saved;
        Ok(Self { bound, masked_labels, ..Self::new(temperature)? })
    }
}

impl From<TemperatureScaling> for Saved {
    fn from(scaling: TemperatureScaling) -> Self {
        let TemperatureScaling { temperature, bound, masked_labels } = scaling;
        Self { temperature, bound, masked_labels }
    }
}

impl Fit for TemperatureScaling {
    type Settings = ();

    /// Fits to scores like [`fit_logits`](Self::fit_logits). For probabilities, the logits are
    /// their logarithms.
    fn fit(scores: &Scores, labels: &[u32], (): ()) -> Result<Self> {
        match scores.kind() {
            ScoreKind::Logits => Self::fit_logits(scores.values(), scores.classes(), labels),
            ScoreKind::Probabilities => {
                Self::fit_logits(&scores.log_probs(), scores.classes(), labels)
            }
        }
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
            // Shifted before the division, so the largest exponent is 0 at any temperature.
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let min =
                row.iter().copied().filter(|logit| logit.is_finite()).fold(f64::INFINITY, f64::min);
            // In quarters if the difference itself exceeds the range of f64.
            let unit = if (min - max).is_finite() { 1.0 } else { 0.25 };
            row.iter_mut()
                .for_each(|logit| *logit = (*logit * unit - max * unit) / self.temperature / unit);
            softmax(row);
        }
        Ok(probs)
    }
}
