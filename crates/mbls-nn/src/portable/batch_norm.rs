//! Batch normalisation composed from mean and variance.

use super::relu;
use crate::layer::{check_batch_norm, check_residual};
use candle_core::{DType, Result, Tensor};

/// What normalising by a batch's own statistics yields.
#[derive(Clone, Debug)]
pub struct BatchNormOutput {
    /// The normalised input `[N, C, ..]`.
    pub output: Tensor,
    /// The mean of each channel `[C]`, without gradient.
    pub mean: Tensor,
    /// The biased variance of each channel `[C]`, without gradient.
    pub variance: Tensor,
}

/// `y = (x - mean) / sqrt(var + eps) * weight + bias` with the batch's own mean and biased variance per channel.
///
/// Half-precision inputs are normalised in `f32`.
///
/// # Shapes
///
/// `x` `[N, C, ..]`, `weight` and `bias` `[C]`.
///
/// # Errors
///
/// Where the shapes do not fit, the input is empty, or a channel has a single value (`N` times the spatial sizes is 1).
pub fn batch_norm_train(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<BatchNormOutput> {
    check_batch_norm(x, &[weight, bias], true)?;
    let wide = planes(&widen(x)?)?;
    let mean = wide.mean_keepdim((0, 2))?;
    let centred = wide.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean_keepdim((0, 2))?;
    let inverse = (&variance + eps)?.sqrt()?.recip()?;
    let normal = centred.broadcast_mul(&inverse)?;
    let output = scale_and_shift(&normal, weight, bias)?.reshape(x.shape())?.to_dtype(x.dtype())?;
    let per_channel = |t: &Tensor| t.detach().flatten_all();
    Ok(BatchNormOutput { output, mean: per_channel(&mean)?, variance: per_channel(&variance)? })
}

/// The same with given statistics, which get no gradient.
///
/// # Shapes
///
/// `x` `[N, C, ..]`, all others `[C]`.
///
/// # Errors
///
/// Where the shapes do not fit or the input is empty.
pub fn batch_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    check_batch_norm(x, &[weight, bias, mean, variance], false)?;
    let channel = |t: &Tensor| widen(&t.detach())?.reshape((1, t.elem_count(), 1));
    let inverse = (channel(variance)? + eps)?.sqrt()?.recip()?;
    let normal = planes(&widen(x)?)?.broadcast_sub(&channel(mean)?)?.broadcast_mul(&inverse)?;
    scale_and_shift(&normal, weight, bias)?.reshape(x.shape())?.to_dtype(x.dtype())
}

/// `relu(y + residual)`, `y` being [`batch_norm_train`]'s result; without `residual` `relu(y)`.
///
/// # Shapes
///
/// `x` and `residual` `[N, C, ..]`, `weight` and `bias` `[C]`.
///
/// # Errors
///
/// As [`batch_norm_train`], and where `residual` has another shape or type than `x`.
pub fn batch_norm_relu_train(
    x: &Tensor,
    residual: Option<&Tensor>,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
) -> Result<BatchNormOutput> {
    let batch = batch_norm_train(x, weight, bias, eps)?;
    Ok(BatchNormOutput { output: add_and_rectify(batch.output, residual, relu)?, ..batch })
}

/// `relu(y + residual)`, `y` being [`batch_norm`]'s result; without `residual` `relu(y)`.
///
/// # Shapes
///
/// `x` and `residual` `[N, C, ..]`, all others `[C]`.
///
/// # Errors
///
/// As [`batch_norm`], and where `residual` has another shape or type than `x`.
pub fn batch_norm_relu(
    x: &Tensor,
    residual: Option<&Tensor>,
    weight: &Tensor,
    bias: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    add_and_rectify(batch_norm(x, weight, bias, mean, variance, eps)?, residual, relu)
}

/// `relu(y + residual)` by operations of their own, with the rectifier of the caller's device.
fn add_and_rectify(y: Tensor, residual: Option<&Tensor>, relu: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let Some(residual) = residual else { return relu(&y) };
    check_residual(&y, residual)?;
    relu(&(y + residual)?)
}

fn scale_and_shift(normal: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let channel = |t: &Tensor| widen(t)?.reshape((1, t.elem_count(), 1));
    normal.broadcast_mul(&channel(weight)?)?.broadcast_add(&channel(bias)?)
}

/// `[N, C, ..]` as `[N, C, plane]`.
fn planes(x: &Tensor) -> Result<Tensor> {
    x.reshape((x.dim(0)?, x.dim(1)?, ()))
}

fn widen(x: &Tensor) -> Result<Tensor> {
    if x.dtype() == DType::F64 { Ok(x.clone()) } else { x.to_dtype(DType::F32) }
}
