use super::Scores;
use crate::Result;
use crate::metric::Predictions;

/// A fitted post-hoc calibrator: a map from a model's scores to probabilities.
///
/// ```
/// use mbls_core::calibration::{Calibrator, Scores, TemperatureScaling};
///
/// let scaling: Box<dyn Calibrator> = Box::new(TemperatureScaling::new(2.0)?);
/// let probs = scaling.probs(&Scores::from_logits(&[2.0 * 3f64.ln(), 0.0], 2)?)?;
/// assert!((probs[0] - 0.75).abs() < 1e-12);
/// # Ok::<(), mbls_core::Error>(())
/// ```
pub trait Calibrator: Send + Sync {
    /// Returns the number of classes it was fitted to, or `None` if it accepts rows of any number.
    fn classes(&self) -> Option<usize>;

    /// Returns the calibrated probabilities `[rows, classes]`, in row-major order; each row sums to
    /// 1 up to rounding.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](crate::Error::Shape) for a number of classes other than the fitted one and
    /// for an unsupported kind of scores.
    fn probs(&self, scores: &Scores) -> Result<Vec<f64>>;

    /// Returns the calibrated probabilities with their labels, ready for metrics.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`probs`](Self::probs) and of [`Predictions::from_probs`].
    fn predictions<'a>(&self, scores: &Scores, labels: &'a [u32]) -> Result<Predictions<'a>> {
        Predictions::from_probs(&self.probs(scores)?, scores.classes(), labels)
    }
}

/// A [`Calibrator`] that is fitted to scores and labels. All calibrators share this signature.
///
/// ```
/// use mbls_core::calibration::{Calibrator, Fit, Scores, TemperatureScaling, VectorScaling};
///
/// fn fitted<C: Fit<Settings = ()>>(scores: &Scores) -> mbls_core::Result<Vec<f64>> {
///     C::fit(scores, &[0, 1, 1, 0], ())?.probs(scores)
/// }
///
/// let scores = Scores::from_logits(&[2.0, 0.0, 2.0, 0.0, 0.0, 2.0, 0.0, 2.0], 2)?;
/// assert_eq!(
///     fitted::<TemperatureScaling>(&scores)?.len(),
///     fitted::<VectorScaling>(&scores)?.len()
/// );
/// # Ok::<(), mbls_core::Error>(())
/// ```
pub trait Fit: Calibrator + Sized {
    /// The settings of a fit.
    type Settings;

    /// Fits the calibrator.
    ///
    /// # Shapes
    ///
    /// `labels` `[rows]`, at least one.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](crate::Error::Shape) if the lengths do not match and for an unsupported
    /// kind of scores, [`Error::Label`](crate::Error::Label),
    /// [`Error::NoRows`](crate::Error::NoRows), [`Error::Setting`](crate::Error::Setting) for
    /// settings out of range, [`Error::Fit`](crate::Error::Fit) if there is no optimum.
    fn fit(scores: &Scores, labels: &[u32], settings: Self::Settings) -> Result<Self>;
}
