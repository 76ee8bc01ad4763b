//! Post-hoc calibrators: maps from a trained model's scores to calibrated probabilities, fitted on
//! held-out rows.
//!
//! [`Scores`] are validated logits or probabilities; a [`Calibrator`] maps them to probabilities.
//! [`CalibratorSpec`] fits any calibrator from its settings, and [`SavedCalibrator`] is the
//! serialised form. Four calibrators map all classes jointly: [`TemperatureScaling`],
//! [`VectorScaling`], [`MatrixScaling`] and [`DirichletCalibration`]. Four are
//! [`BinaryCalibrator`]s, which [`Multiclass`] applies to several classes: [`PlattScaling`],
//! [`BetaCalibration`], [`IsotonicRegression`] and [`HistogramBinning`].
//!
//! [`CalibrationRecord`] holds everything that a trained network needs for calibrated confidences.
//!
//! A fit is bit-identical for any order of the rows, any number of threads and any machine: sums
//! are exact or taken over sorted rows in fixed chunks, and exponentials and logarithms do not use
//! the platform's functions.
//!
//! ```
//! use mbls_core::calibration::{Calibrator, CalibratorSpec, MulticlassReduction, Scores};
//! use mbls_core::metric::{Metric, NegativeLogLikelihood};
//!
//! let validation = Scores::from_logits(&[3.0, 0.0, 0.0, 3.0, 3.0, 0.0, 0.0, 3.0], 2)?;
//! let calibrator = CalibratorSpec::Isotonic { reduction: MulticlassReduction::TopLabel }
//!     .fit(&validation, &[0, 1, 0, 0])?;
//!
//! let test = Scores::from_logits(&[3.0, 0.0], 2)?;
//! let mut nll = NegativeLogLikelihood::new();
//! nll.update(&calibrator.predictions(&test, &[0])?)?;
//! assert!((nll.value().expect("a row was added") + 0.75f64.ln()).abs() < 1e-6);
//! # Ok::<(), mbls_core::Error>(())
//! ```

mod binary;
mod calibrator;
mod fitted;
mod linear;
mod numeric;
mod record;
mod scores;
mod spec;
mod temperature;

pub use binary::{
    BetaCalibration, BinaryCalibrator, HistogramBinning, HistogramBins, HistogramEdges,
    IsotonicRegression, Multiclass, MulticlassReduction, PlattScaling, PlattTargets,
};
pub use calibrator::{Calibrator, Fit};
pub use fitted::{FittedCalibrator, SavedCalibrator};
pub use linear::{DirichletCalibration, MatrixScaling, Odir, VectorScaling};
pub use record::{
    Abstention, Assessment, CalibrationRecord, CalibratorChoice, CalibratorRole, Candidate,
    Classification, OodDetector, OodThreshold, OodVerdict,
};
pub use scores::{ScoreKind, Scores};
pub use spec::CalibratorSpec;
pub use temperature::{GridObjective, TemperatureBound, TemperatureScaling};
