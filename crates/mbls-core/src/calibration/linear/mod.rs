//! Linear maps of logits, and the multinomial regression that fits them.

pub(in crate::calibration) mod basis;
pub(in crate::calibration) mod blocks;
pub(in crate::calibration) mod conjugate;
pub(in crate::calibration) mod maps;
pub(in crate::calibration) mod separable;
pub(in crate::calibration) mod softmax_regression;
pub(in crate::calibration) mod softmax_row;

pub use maps::{DirichletCalibration, MatrixScaling, Odir, VectorScaling};
