//! Weighted sums of neighbours along both axes.

use crate::shape::{Planes, Taps, output_shape};
use candle_core::{DType, Result, Tensor};

/// Half-precision inputs are summed in `f32`.
pub(crate) fn resample(x: &Tensor, p: Planes<Taps>) -> Result<Tensor> {
    let wide = if x.dtype() == DType::F64 { x.clone() } else { x.to_dtype(DType::F32)? };
    let planes = wide.reshape((x.dim(0)?, x.dim(1)?, p.rows.input, p.columns.input))?;
    let y = along(&along(&planes, 3, &p.columns)?, 2, &p.rows)?;
    y.reshape(output_shape(x, p.rows.output(), p.columns.output()))?.to_dtype(x.dtype())
}

fn along(x: &Tensor, dim: usize, axis: &Taps) -> Result<Tensor> {
    // A position with fewer taps than others reads a zero after the last entry, not an entry that
    // may be NaN.
    let x = x.pad_with_zeros(dim, 0, 1)?;
    let mut shape = [1; 4];
    shape[dim] = axis.output();
    let term = |k: usize| {
        let index: Vec<u32> = axis
            .taps
            .iter()
            .map(|(first, weights)| if k < weights.len() { first + k } else { axis.input } as u32)
            .collect();
        let weights: Vec<f64> =
            axis.taps.iter().map(|(_, w)| w.get(k).copied().unwrap_or(0.0)).collect();
        let weights = Tensor::from_vec(weights, &shape, x.device())?.to_dtype(x.dtype())?;
        x.index_select(&Tensor::new(index, x.device())?, dim)?.broadcast_mul(&weights)
    };
    let mut sum = term(0)?;
    for k in 1..axis.taps.iter().map(|(_, w)| w.len()).max().unwrap_or(1) {
        sum = (sum + term(k)?)?;
    }
    Ok(sum)
}
