//! Rectified linear unit.

use super::Backend;
use super::backend::dispatch;
use candle_core::{Result, Tensor};

impl Backend {
    /// Computes `max(x, 0)` with derivative 0 at 0; NaN stays NaN. Candle's `relu` has derivative 1
    /// at 0.
    ///
    /// # Errors
    ///
    /// Fails if the back end does not support the type.
    pub fn relu(self, x: &Tensor) -> Result<Tensor> {
        dispatch!(self, relu(x))
    }
}
