//! Batch normalisation.

use super::Backend;
use super::backend::dispatch;
use crate::shape::{BatchNormEpilogue, BatchNormOutput, Statistics, check_batch_norm};
use candle_core::{Result, Tensor};

impl Backend {
    /// `y = (x - mean) / sqrt(var + eps) * weight + bias` per channel, and what follows it.
    ///
    /// Half-precision inputs are normalised in `f32`. Values and gradients with an epilogue are
    /// those of the operations apart.
    ///
    /// # Shapes
    ///
    /// `x` and a residual `[N, C, ..]`; weight and bias, which are `affine`, and given statistics
    /// `[C]`.
    ///
    /// # Errors
    ///
    /// Where the shapes or types do not fit, the input is empty, or a channel that is normalised by
    /// its own statistics has a single value (`N` times the spatial sizes is 1).
    pub fn batch_norm(
        self,
        x: &Tensor,
        affine: [&Tensor; 2],
        statistics: Statistics,
        epilogue: BatchNormEpilogue,
        eps: f64,
    ) -> Result<BatchNormOutput> {
        check_batch_norm(x, affine, statistics, epilogue)?;
        dispatch!(self, batch_norm(x, affine, statistics, epilogue, eps))
    }
}
