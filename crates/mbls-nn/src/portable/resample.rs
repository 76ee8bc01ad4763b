//! Weighted sums of neighbours along both axes.

use crate::axis::{Planes, Taps, output_shape, spatial};
use candle_core::{DType, Result, Tensor};

/// Bilinear interpolation to any size.
///
/// # Shapes
///
/// `x` `[N, C, H, W]`; the result `[N, C, output[0], output[1]]`.
///
/// # Errors
///
/// Where the input is empty or has other than four dimensions, or an output size is 0.
pub fn bilinear2d(x: &Tensor, output: [usize; 2], align_corners: bool) -> Result<Tensor> {
    resample(x, &bilinear_taps(x, output, align_corners)?)
}

pub(crate) fn bilinear_taps(x: &Tensor, output: [usize; 2], align_corners: bool) -> Result<Planes<Taps>> {
    let [height, width] = spatial::<2>(x, "bilinear")?;
    let rows = Taps::linear(height, output[0], align_corners, "bilinear")?;
    Ok(Planes { rows, columns: Taps::linear(width, output[1], align_corners, "bilinear")? })
}

/// Interpolation to any size by the nearest entry.
///
/// # Shapes
///
/// `x` `[N, C, H, W]`; the result `[N, C, output[0], output[1]]`.
///
/// # Errors
///
/// As [`bilinear2d`].
pub fn nearest2d(x: &Tensor, output: [usize; 2]) -> Result<Tensor> {
    resample(x, &nearest_taps(x, output)?)
}

pub(crate) fn nearest_taps(x: &Tensor, output: [usize; 2]) -> Result<Planes<Taps>> {
    let [height, width] = spatial::<2>(x, "nearest")?;
    let rows = Taps::nearest(height, output[0], "nearest")?;
    Ok(Planes { rows, columns: Taps::nearest(width, output[1], "nearest")? })
}

/// Half-precision inputs are summed in `f32`.
pub(super) fn resample(x: &Tensor, p: &Planes<Taps>) -> Result<Tensor> {
    let wide = if x.dtype() == DType::F64 { x.clone() } else { x.to_dtype(DType::F32)? };
    let planes = wide.reshape((x.dim(0)?, x.dim(1)?, p.rows.input, p.columns.input))?;
    let y = along(&along(&planes, 3, &p.columns)?, 2, &p.rows)?;
    y.reshape(output_shape(x, p.rows.output(), p.columns.output()))?.to_dtype(x.dtype())
}

fn along(x: &Tensor, dim: usize, axis: &Taps) -> Result<Tensor> {
    // Where a position has fewer taps than others it sees a zero behind the last entry, not an entry that may be NaN.
    let x = x.pad_with_zeros(dim, 0, 1)?;
    let mut shape = [1; 4];
    shape[dim] = axis.output();
    let term = |k: usize| {
        let index: Vec<u32> = axis
            .taps
            .iter()
            .map(|(first, weights)| if k < weights.len() { first + k } else { axis.input } as u32)
            .collect();
        let weights: Vec<f64> = axis.taps.iter().map(|(_, w)| w.get(k).copied().unwrap_or(0.0)).collect();
        let weights = Tensor::from_vec(weights, &shape, x.device())?.to_dtype(x.dtype())?;
        x.index_select(&Tensor::new(index, x.device())?, dim)?.broadcast_mul(&weights)
    };
    let mut sum = term(0)?;
    for k in 1..axis.taps.iter().map(|(_, w)| w.len()).max().unwrap_or(1) {
        sum = (sum + term(k)?)?;
    }
    Ok(sum)
}
