//! Post-hoc calibration: rows in memory, methods, their comparison, calibrated probabilities.

mod candidates;
mod held;
mod method;
mod probabilities;

pub(crate) use candidates::{Compared, compare};
pub(crate) use held::Held;
pub(crate) use method::MethodName;
pub(crate) use probabilities::write_npy;
