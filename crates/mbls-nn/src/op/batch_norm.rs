//! Batch normalisation.

use super::Backend;
use super::backend::dispatch;
use crate::shape::{BatchNormEpilogue, BatchNormOutput, Statistics, check_batch_norm};
use candle_core::{Result, Tensor};

impl Backend {
    /// Computes `y = (x - mean) / sqrt(var + eps) * weight + bias` per channel, and the epilogue.
    ///
    /// Half-precision inputs are normalised in `f32`. Values and gradients with an epilogue are
    /// those of the separate operations.
    ///
    /// # Shapes
    ///
    /// `x` and a residual have shape `[N, C, ..]`; weight and bias (`affine`) and given statistics
    /// `[C]`.
    ///
    /// # Errors
    ///
    /// Fails if the shapes or types do not fit, the input is empty, or the statistics are the
    /// batch's and a channel has a single value (`N` times the spatial sizes is 1).
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
