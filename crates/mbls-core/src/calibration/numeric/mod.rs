//! Sums over rows, and Newton steps.

pub(in crate::calibration) mod newton;
pub(in crate::calibration) mod rows;
pub(in crate::calibration) mod sums;
