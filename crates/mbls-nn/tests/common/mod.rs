//! What several of these tests share.

#![allow(dead_code, reason = "each test binary uses its own part")]

use candle_core::{DType, Device, Result, Tensor};

/// Numbers that look random, without ties and away from 0, in `(-1, 1)`.
pub(crate) fn noise(shape: &[usize], salt: u64) -> Result<Tensor> {
    let n: usize = shape.iter().product();
    let value = |i: usize| {
        let mut z =
            (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt.wrapping_mul(0xd1b5_4a32_d192_ed03));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let u = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        // A finite difference that crosses a kink would mislead: keep clear of 0.
        if u < 0.5 { -1.0 + 1.98 * u } else { 0.01 + 1.98 * (u - 0.5) }
    };
    Tensor::from_vec((0..n).map(value).collect::<Vec<f64>>(), shape, &Device::Cpu)
}

/// A scalar whose gradient with respect to `y` is different at every place.
pub(crate) fn weighted_sum(y: &Tensor) -> Result<Tensor> {
    let weights = noise(y.dims(), 99)?.to_dtype(y.dtype())?;
    (y * weights)?.sum_all()
}

/// `max |a - b| / (1 + max |b|)`.
pub(crate) fn difference(a: &Tensor, b: &Tensor) -> Result<f64> {
    assert_eq!(a.dims(), b.dims(), "shapes");
    let (a, b) = (a.to_dtype(DType::F64)?.flatten_all()?, b.to_dtype(DType::F64)?.flatten_all()?);
    let (a, b) = (a.to_vec1::<f64>()?, b.to_vec1::<f64>()?);
    let scale = b.iter().fold(1.0, |m: f64, v| m.max(1.0 + v.abs()));
    // A NaN on one side alone must not pass.
    let gap = |(a, b): (&f64, &f64)| if a.is_nan() && b.is_nan() { 0.0 } else { (a - b).abs() };
    let gaps: Vec<f64> = a.iter().zip(&b).map(gap).collect();
    assert!(gaps.iter().all(|g| g.is_finite()), "a gap is not finite");
    Ok(gaps.iter().fold(0.0, |m: f64, &g| m.max(g)) / scale)
}

/// The bits of a tensor.
pub(crate) fn bits(t: &Tensor) -> Result<Vec<u64>> {
    let t = t.flatten_all()?;
    Ok(match t.dtype() {
        DType::F32 => t.to_vec1::<f32>()?.iter().map(|v| u64::from(v.to_bits())).collect(),
        _ => t.to_vec1::<f64>()?.iter().map(|v| v.to_bits()).collect(),
    })
}
