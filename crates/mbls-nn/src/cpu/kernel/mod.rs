//! The inner loops: matrix products, window gathering and sums.

pub(super) mod columns;
pub(super) mod matrix;
pub(super) mod sum;
pub(super) mod time;
pub(super) mod winograd;
