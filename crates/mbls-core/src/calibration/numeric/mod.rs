//! Sums over rows, and Newton's method.

pub(in crate::calibration) mod newton;
pub(in crate::calibration) mod rows;
pub(in crate::calibration) mod sums;
