//! Tensor operations that several losses share.

use super::LogitBatch;
use candle_core::{D, Device, Result, Tensor};

/// `log p = l - max l - log sum_k exp(l_k - max l)` along the last dimension.
///
/// The shift is detached: it cancels in the value, so it has no gradient, and candle's gradient of a maximum would go to
/// every tied entry.
pub(super) fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    shifted.broadcast_sub(&log_sum)
}

/// The labels' entries of `values`: `[rows, classes]` to `[rows]`.
pub(super) fn at_label(values: &Tensor, batch: &LogitBatch) -> Result<Tensor> {
    values.gather(&batch.labels().unsqueeze(1)?, 1)?.squeeze(1)
}

/// The mean over every entry of a matrix: rows are summed first, so that f32 sums stay short.
pub(super) fn mean(values: &Tensor) -> Result<Tensor> {
    values.sum(D::Minus1)?.sum_all()?.affine(1.0 / values.elem_count() as f64, 0.0)
}

/// `value` in the shape and element type of `like`; made on the CPU, since not every device has f64.
pub(super) fn constant(value: f64, like: &Tensor) -> Result<Tensor> {
    Tensor::new(value, &Device::Cpu)?.to_dtype(like.dtype())?.to_device(like.device())?.broadcast_as(like.shape())
}
