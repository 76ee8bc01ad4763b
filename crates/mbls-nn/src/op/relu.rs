//! Rectifier.

use super::Backend;
use super::backend::dispatch;
use candle_core::{Result, Tensor};

impl Backend {
    /// `max(x, 0)` with derivative 0 at 0; NaN stays NaN. Candle's own `relu` has derivative 1 at
    /// 0.
    ///
    /// # Errors
    ///
    /// Where the back end does not take the type.
    pub fn relu(self, x: &Tensor) -> Result<Tensor> {
        dispatch!(self, relu(x))
    }
}
