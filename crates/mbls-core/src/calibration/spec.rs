use super::{
    DirichletCalibration, Fit, FittedCalibrator, HistogramBins, MatrixScaling, Multiclass,
    MulticlassReduction, Odir, PlattTargets, Scores, TemperatureScaling, VectorScaling,
};
use crate::Result;
use crate::unit_variant::no_settings;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Any calibrator with its settings, as named in a configuration: `kind = "platt"`,
/// `reduction = "one-vs-rest"`, `targets = "smoothed"`.
///
/// ```
/// use mbls_core::calibration::{Calibrator, CalibratorSpec, Odir, Scores};
///
/// let scores = Scores::from_logits(&[2.0, 0.0, 2.0, 0.0, 0.0, 2.0, 0.0, 2.0], 2)?;
/// let labels = [0, 1, 1, 0];
/// let odir = Odir { off_diagonal: 0.01, intercept: 0.01 };
/// for spec in [CalibratorSpec::Temperature, CalibratorSpec::Matrix { odir }] {
///     let calibrator = spec.fit(&scores, &labels)?;
///     assert_eq!(calibrator.predictions(&scores, &labels)?.rows(), 4);
/// }
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum CalibratorSpec {
    /// [`TemperatureScaling`], fitted by [`TemperatureScaling::fit_logits`]. For probabilities, the
    /// logits are their logarithms.
    #[serde(deserialize_with = "no_settings")]
    Temperature,
    /// [`VectorScaling`].
    #[serde(deserialize_with = "no_settings")]
    Vector,
    /// [`MatrixScaling`].
    Matrix {
        /// The regularisation.
        odir: Odir,
    },
    /// [`DirichletCalibration`].
    Dirichlet {
        /// The regularisation.
        odir: Odir,
    },
    /// [`PlattScaling`](super::PlattScaling).
    Platt {
        /// The extension to several classes.
        reduction: MulticlassReduction,
        /// The regression targets.
        targets: PlattTargets,
    },
    /// [`BetaCalibration`](super::BetaCalibration).
    Beta {
        /// The extension to several classes.
        reduction: MulticlassReduction,
    },
    /// [`IsotonicRegression`](super::IsotonicRegression).
    Isotonic {
        /// The extension to several classes.
        reduction: MulticlassReduction,
    },
    /// [`HistogramBinning`](super::HistogramBinning).
    Histogram {
        /// The extension to several classes.
        reduction: MulticlassReduction,
        /// The bins.
        bins: HistogramBins,
    },
}

impl CalibratorSpec {
    /// Fits the calibrator.
    ///
    /// # Shapes
    ///
    /// `labels` `[rows]`, at least one.
    ///
    /// # Errors
    ///
    /// Returns the errors of the calibrator's `fit`.
    pub fn fit(&self, scores: &Scores, labels: &[u32]) -> Result<FittedCalibrator> {
        use FittedCalibrator as Fitted;
        Ok(match *self {
            Self::Temperature => Fitted::Temperature(TemperatureScaling::fit(scores, labels, ())?),
            Self::Vector => Fitted::Vector(VectorScaling::fit(scores, labels, ())?),
            Self::Matrix { odir } => Fitted::Matrix(MatrixScaling::fit(scores, labels, odir)?),
            Self::Dirichlet { odir } => {
                Fitted::Dirichlet(DirichletCalibration::fit(scores, labels, odir)?)
            }
            Self::Platt { reduction, targets } => {
                Fitted::Platt(Multiclass::fit(scores, labels, (reduction, targets))?)
            }
            Self::Beta { reduction } => {
                Fitted::Beta(Multiclass::fit(scores, labels, (reduction, ()))?)
            }
            Self::Isotonic { reduction } => {
                Fitted::Isotonic(Multiclass::fit(scores, labels, (reduction, ()))?)
            }
            Self::Histogram { reduction, bins } => {
                Fitted::Histogram(Multiclass::fit(scores, labels, (reduction, bins))?)
            }
        })
    }
}

impl CalibratorSpec {
    /// Returns the name of the calibrator in papers: `temperature scaling`.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Temperature => "temperature scaling",
            Self::Vector => "vector scaling",
            Self::Matrix { .. } => "matrix scaling",
            Self::Dirichlet { .. } => "Dirichlet calibration",
            Self::Platt { .. } => "Platt scaling",
            Self::Beta { .. } => "beta calibration",
            Self::Isotonic { .. } => "isotonic regression",
            Self::Histogram { .. } => "histogram binning",
        }
    }
}

impl fmt::Display for CalibratorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())?;
        match self {
            Self::Temperature | Self::Vector => Ok(()),
            Self::Matrix { odir } | Self::Dirichlet { odir } => write!(
                f,
                " (off-diagonal λ = {}, intercept μ = {})",
                odir.off_diagonal, odir.intercept
            ),
            Self::Platt { reduction, .. }
            | Self::Beta { reduction }
            | Self::Isotonic { reduction }
            | Self::Histogram { reduction, .. } => write!(f, " ({reduction})"),
        }
    }
}
