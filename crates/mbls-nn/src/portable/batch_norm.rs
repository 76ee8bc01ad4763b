//! Batch normalisation composed of mean and variance.

use super::relu::relu;
use crate::shape::{BatchNormEpilogue, BatchNormOutput, Statistics};
use candle_core::{DType, Result, Tensor};

/// Half-precision inputs are normalised in `f32`.
pub(crate) fn batch_norm(
    x: &Tensor,
    [weight, bias]: [&Tensor; 2],
    statistics: Statistics,
    epilogue: BatchNormEpilogue,
    eps: f64,
) -> Result<BatchNormOutput> {
    let wide = planes(&widen(x)?)?;
    let channel = |t: &Tensor| widen(t)?.reshape((1, t.elem_count(), 1));
    let (mean, variance, centred) = match statistics {
        Statistics::OfBatch => {
            let mean = wide.mean_keepdim((0, 2))?;
            let centred = wide.broadcast_sub(&mean)?;
            (mean, centred.sqr()?.mean_keepdim((0, 2))?, centred)
        }
        Statistics::Given { mean, variance } => {
            let mean = channel(&mean.detach())?;
            let centred = wide.broadcast_sub(&mean)?;
            (mean, channel(&variance.detach())?, centred)
        }
    };
    let inverse = (&variance + eps)?.sqrt()?.recip()?;
    let normal = centred.broadcast_mul(&inverse)?;
    let y = normal.broadcast_mul(&channel(weight)?)?.broadcast_add(&channel(bias)?)?;
    let y = y.reshape(x.shape())?.to_dtype(x.dtype())?;
    let output = match epilogue {
        BatchNormEpilogue::Nothing => y,
        BatchNormEpilogue::Relu(None) => relu(&y)?,
        BatchNormEpilogue::Relu(Some(residual)) => relu(&(y + residual)?)?,
    };
    let [mean, variance] = [mean, variance].map(|t| t.detach().flatten_all());
    Ok(BatchNormOutput { output, mean: mean?, variance: variance? })
}

/// Reshapes `[N, C, ..]` to `[N, C, plane]`.
fn planes(x: &Tensor) -> Result<Tensor> {
    x.reshape((x.dim(0)?, x.dim(1)?, ()))
}

fn widen(x: &Tensor) -> Result<Tensor> {
    if x.dtype() == DType::F64 { Ok(x.clone()) } else { x.to_dtype(DType::F32) }
}
