use super::{
    BetaCalibration, Calibrator, DirichletCalibration, HistogramBinning, IsotonicRegression,
    MatrixScaling, Multiclass, PlattScaling, Scores, TemperatureScaling, VectorScaling,
};
use crate::Result;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Any fitted calibrator. [`SavedCalibrator`] is its serialised form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FittedCalibrator {
    /// Temperature scaling.
    Temperature(TemperatureScaling),
    /// Vector scaling.
    Vector(VectorScaling),
    /// Matrix scaling.
    Matrix(MatrixScaling),
    /// Dirichlet calibration.
    Dirichlet(DirichletCalibration),
    /// Platt scaling.
    Platt(Multiclass<PlattScaling>),
    /// Beta calibration.
    Beta(Multiclass<BetaCalibration>),
    /// Isotonic regression.
    Isotonic(Multiclass<IsotonicRegression>),
    /// Histogram binning.
    Histogram(Multiclass<HistogramBinning>),
}

impl FittedCalibrator {
    fn as_calibrator(&self) -> &dyn Calibrator {
        match self {
            Self::Temperature(calibrator) => calibrator,
            Self::Vector(calibrator) => calibrator,
            Self::Matrix(calibrator) => calibrator,
            Self::Dirichlet(calibrator) => calibrator,
            Self::Platt(calibrator) => calibrator,
            Self::Beta(calibrator) => calibrator,
            Self::Isotonic(calibrator) => calibrator,
            Self::Histogram(calibrator) => calibrator,
        }
    }
}

impl fmt::Display for FittedCalibrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Temperature(fitted) => {
                write!(f, "temperature scaling (T = {:.4})", fitted.temperature())
            }
            Self::Vector(_) => f.write_str("vector scaling"),
            Self::Matrix(_) => f.write_str("matrix scaling"),
            Self::Dirichlet(_) => f.write_str("Dirichlet calibration"),
            Self::Platt(_) => f.write_str("Platt scaling"),
            Self::Beta(_) => f.write_str("beta calibration"),
            Self::Isotonic(_) => f.write_str("isotonic regression"),
            Self::Histogram(_) => f.write_str("histogram binning"),
        }
    }
}

impl fmt::Display for SavedCalibrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.calibrator.fmt(f)
    }
}

impl Calibrator for FittedCalibrator {
    fn classes(&self) -> Option<usize> {
        self.as_calibrator().classes()
    }

    fn probs(&self, scores: &Scores) -> Result<Vec<f64>> {
        self.as_calibrator().probs(scores)
    }
}

/// The serialised form of a fitted calibrator:
/// `{"version": 1, "calibrator": {"kind": "temperature", "temperature": 1.5}}`.
///
/// Deserialisation validates: another version, an unknown kind or field, a parameter that is not
/// finite or out of range and inconsistent shapes are errors.
///
/// ```
/// use mbls_core::calibration::{
///     CalibratorSpec, MulticlassReduction, SavedCalibrator, Scores,
/// };
///
/// let scores = Scores::from_probs(&[0.3, 0.7, 0.4, 0.6, 0.9, 0.1], 2)?;
/// let fitted = CalibratorSpec::Isotonic { reduction: MulticlassReduction::Binary }
///     .fit(&scores, &[1, 0, 0])?;
/// let text = serde_json::to_string(&SavedCalibrator::from(fitted.clone()))
///     .expect("numbers are finite");
/// assert!(
///     text.starts_with(
///         r#"{"version":1,"calibrator":{"kind":"isotonic","reduction":"binary","#
///     )
/// );
/// let read: SavedCalibrator = serde_json::from_str(&text).expect("it was saved");
/// assert_eq!(read.into_calibrator(), fitted);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedCalibrator {
    version: Version,
    calibrator: FittedCalibrator,
}

impl SavedCalibrator {
    /// The version of the format. Reading any other version is an error.
    pub const VERSION: u32 = 1;

    /// Returns the calibrator without the version of its format.
    pub fn into_calibrator(self) -> FittedCalibrator {
        self.calibrator
    }
}

impl From<FittedCalibrator> for SavedCalibrator {
    fn from(calibrator: FittedCalibrator) -> Self {
        Self { version: Version(Self::VERSION), calibrator }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Version(u32);

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let version = u32::deserialize(deserializer)?;
        if version == SavedCalibrator::VERSION {
            return Ok(Self(version));
        }
        let expected = SavedCalibrator::VERSION;
        Err(D::Error::custom(format_args!(
            "version {version} of a saved calibrator: expected {expected}"
        )))
    }
}
