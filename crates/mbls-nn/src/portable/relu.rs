//! Rectifier.

use candle_core::{Result, Tensor};

/// `max(x, 0)` with derivative 0 at 0; NaN stays NaN. Candle's own `relu` has derivative 1 at 0.
///
/// # Errors
///
/// Where candle refuses the type.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    x.le(0.0)?.where_cond(&x.zeros_like()?, x)
}
