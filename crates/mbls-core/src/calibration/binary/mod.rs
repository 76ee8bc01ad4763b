//! Binary calibrators and their extension to several classes.

pub(in crate::calibration) mod beta;
pub(in crate::calibration) mod calibrator;
pub(in crate::calibration) mod histogram;
pub(in crate::calibration) mod isotonic;
pub(in crate::calibration) mod logistic;
pub(in crate::calibration) mod multiclass;
pub(in crate::calibration) mod platt;

pub use beta::BetaCalibration;
pub use calibrator::BinaryCalibrator;
pub use histogram::{HistogramBinning, HistogramBins, HistogramEdges};
pub use isotonic::IsotonicRegression;
pub use multiclass::{Multiclass, MulticlassReduction};
pub use platt::{PlattScaling, PlattTargets};
