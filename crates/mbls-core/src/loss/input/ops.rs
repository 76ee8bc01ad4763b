//! Tensor operations that several losses share.

use crate::loss::LogitBatch;
pub(in crate::loss) use crate::loss::host::{constant, from_host};
use candle_core::{D, Result, Tensor};

/// Computes `log p = l - max l - log sum_k exp(l_k - max l)` along the last dimension.
///
/// The shift is detached: it cancels in the value, so it has no gradient, and candle's gradient of
/// a maximum would go to every tied entry.
pub(in crate::loss) fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    shifted.broadcast_sub(&log_sum)
}

/// Returns the entries of `values` at the labels: `[rows, classes]` to `[rows]`.
pub(in crate::loss) fn at_label(values: &Tensor, batch: &LogitBatch) -> crate::Result<Tensor> {
    Ok(values.gather(&batch.labels()?.unsqueeze(1)?, 1)?.squeeze(1)?)
}

/// Returns the mean of each row: `[rows, classes]` to `[rows]`.
pub(in crate::loss) fn mean_over_classes(values: &Tensor) -> Result<Tensor> {
    values.sum(D::Minus1)?.affine(1.0 / values.dim(D::Minus1)? as f64, 0.0)
}

/// Returns the first index of each row's maximum, `[rows, classes]` to `[rows, 1]`.
///
/// candle's argmax returns the first index on the CPU only: on GPUs its order is that of a parallel
/// reduction.
pub(in crate::loss) fn first_maximum(values: &Tensor) -> Result<Tensor> {
    let (values, shape) = (values.detach(), values.shape());
    let classes = shape.dims()[1] as u32;
    let is_maximum = values.broadcast_eq(&values.max_keepdim(D::Minus1)?)?;
    let index = Tensor::arange(0, classes, values.device())?.broadcast_as(shape)?;
    // The last class for all other entries: a row of NaN, which has no maximum, gets a valid index
    // too.
    let last = Tensor::full(classes - 1, shape, values.device())?;
    is_maximum.where_cond(&index, &last)?.min_keepdim(D::Minus1)
}

/// Returns each row's maximum, `[rows, classes]` to `[rows, 1]`; its gradient goes to the first of
/// tied entries.
pub(in crate::loss) fn maximum(values: &Tensor) -> Result<Tensor> {
    values.gather(&first_maximum(values)?, D::Minus1)
}

/// Computes `|x|` with derivative 0 at 0, where candle's is 1.
pub(in crate::loss) fn abs(values: &Tensor) -> Result<Tensor> {
    let detached = values.detach();
    let sign = (detached.gt(0.0)?.to_dtype(values.dtype())?
        - detached.lt(0.0)?.to_dtype(values.dtype())?)?;
    values * sign
}
