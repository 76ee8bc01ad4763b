//! Helpers shared by several of these tests.

use candle_core::{DType, Device, Result, Tensor};

/// The operations of one back end as functions, so that a test can run over several back ends.
macro_rules! form {
    ($(#[$attribute:meta])* $form:ident, $backend:ident) => {
        $(#[$attribute])*
        pub(crate) mod $form {
            use candle_core::{Result, Tensor};
            use mbls_nn::op::{Backend, BatchNormEpilogue, BatchNormOutput, Statistics};
            use mbls_nn::{ConvConfig, ConvEpilogue, PoolSize};

            const BACKEND: Backend = Backend::$backend;

            pub(crate) fn conv<const D: usize>(
                x: &Tensor,
                weight: &Tensor,
                bias: Option<&Tensor>,
                config: &ConvConfig<D>,
            ) -> Result<Tensor> {
                BACKEND.conv(x, weight, bias, config)
            }

            pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
                BACKEND.linear(x, weight, bias)
            }

            pub(crate) fn batch_norm_train(x: &Tensor, w: &Tensor, b: &Tensor, eps: f64) -> Result<BatchNormOutput> {
                BACKEND.batch_norm(x, [w, b], Statistics::OfBatch, BatchNormEpilogue::Nothing, eps)
            }

            pub(crate) fn batch_norm_relu_train(
                x: &Tensor,
                residual: Option<&Tensor>,
                w: &Tensor,
                b: &Tensor,
                eps: f64,
            ) -> Result<BatchNormOutput> {
                BACKEND.batch_norm(x, [w, b], Statistics::OfBatch, BatchNormEpilogue::Relu(residual), eps)
            }

            pub(crate) fn batch_norm(
                x: &Tensor,
                w: &Tensor,
                b: &Tensor,
                mean: &Tensor,
                variance: &Tensor,
                eps: f64,
            ) -> Result<Tensor> {
                let statistics = Statistics::Given { mean, variance };
                Ok(BACKEND.batch_norm(x, [w, b], statistics, BatchNormEpilogue::Nothing, eps)?.output)
            }

            pub(crate) fn batch_norm_relu(
                x: &Tensor,
                residual: Option<&Tensor>,
                w: &Tensor,
                b: &Tensor,
                mean: &Tensor,
                variance: &Tensor,
                eps: f64,
            ) -> Result<Tensor> {
                let statistics = Statistics::Given { mean, variance };
                Ok(BACKEND.batch_norm(x, [w, b], statistics, BatchNormEpilogue::Relu(residual), eps)?.output)
            }

            pub(crate) fn max_pool<const D: usize>(x: &Tensor, size: &PoolSize<D>) -> Result<Tensor> {
                BACKEND.max_pool(x, size)
            }

            pub(crate) fn max_pool_with_indices<const D: usize>(
                x: &Tensor,
                size: &PoolSize<D>,
            ) -> Result<(Tensor, Tensor)> {
                BACKEND.max_pool_with_indices(x, size)
            }

            pub(crate) fn adaptive_max_pool_with_indices<const D: usize>(
                x: &Tensor,
                output: [usize; D],
            ) -> Result<(Tensor, Tensor)> {
                BACKEND.adaptive_max_pool_with_indices(x, output)
            }

            pub(crate) fn avg_pool<const D: usize>(x: &Tensor, size: &PoolSize<D>, padding: bool) -> Result<Tensor> {
                BACKEND.avg_pool(x, size, padding)
            }

            pub(crate) fn adaptive_avg_pool<const D: usize>(x: &Tensor, output: [usize; D]) -> Result<Tensor> {
                BACKEND.adaptive_avg_pool(x, output)
            }

            pub(crate) fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
                BACKEND.global_avg_pool2d(x)
            }

            pub(crate) fn bilinear2d(x: &Tensor, output: [usize; 2], align_corners: bool) -> Result<Tensor> {
                BACKEND.bilinear2d(x, output, align_corners)
            }

            pub(crate) fn nearest2d(x: &Tensor, output: [usize; 2]) -> Result<Tensor> {
                BACKEND.nearest2d(x, output)
            }

            pub(crate) fn relu(x: &Tensor) -> Result<Tensor> {
                BACKEND.relu(x)
            }

            pub(crate) fn embedding(weight: &Tensor, indices: &Tensor, padding_idx: Option<u32>) -> Result<Tensor> {
                BACKEND.embedding(weight, indices, padding_idx)
            }

            pub(crate) fn gru(
                gates: &Tensor,
                weight: &Tensor,
                bias: &Tensor,
                padding: &[usize],
                backwards: bool,
            ) -> Result<Tensor> {
                BACKEND.gru(gates, weight, bias, padding, backwards)
            }

            pub(crate) fn conv1d_channels_last(x: &Tensor, weight: &Tensor, bias: &Tensor, epilogue: ConvEpilogue) -> Result<Tensor> {
                BACKEND.conv1d_channels_last(x, weight, bias, epilogue)
            }
        }
    };
}

form!(portable, Portable);
form!(cpu, Cpu);
form!(
    #[cfg(feature = "cuda")]
    #[allow(dead_code, reason = "every form has all functions; the tests of this one call fewer")]
    cuda,
    Cuda
);

/// Returns pseudo-random numbers without ties and away from 0, in `(-1, 1)`.
pub(crate) fn noise(shape: &[usize], salt: u64) -> Result<Tensor> {
    let n: usize = shape.iter().product();
    let value = |i: usize| {
        let mut z = (i as u64 + 1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(salt.wrapping_mul(0xd1b5_4a32_d192_ed03));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let u = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        // Keep away from 0, where ReLU has no derivative and a finite difference would be wrong.
        if u < 0.5 { -1.0 + 1.98 * u } else { 0.01 + 1.98 * (u - 0.5) }
    };
    Tensor::from_vec((0..n).map(value).collect::<Vec<f64>>(), shape, &Device::Cpu)
}

/// Returns a scalar whose gradient with respect to `y` differs at every position.
pub(crate) fn weighted_sum(y: &Tensor) -> Result<Tensor> {
    let weights = noise(y.dims(), 99)?.to_dtype(y.dtype())?;
    (y * weights)?.sum_all()
}

/// Returns `max |a - b| / (1 + max |b|)`.
pub(crate) fn difference(a: &Tensor, b: &Tensor) -> Result<f64> {
    assert_eq!(a.dims(), b.dims(), "shapes");
    let (a, b) = (a.to_dtype(DType::F64)?.flatten_all()?, b.to_dtype(DType::F64)?.flatten_all()?);
    let (a, b) = (a.to_vec1::<f64>()?, b.to_vec1::<f64>()?);
    let scale = b.iter().fold(1.0, |m: f64, v| m.max(1.0 + v.abs()));
    // A NaN on one side only must not pass.
    let gap = |(a, b): (&f64, &f64)| if a.is_nan() && b.is_nan() { 0.0 } else { (a - b).abs() };
    let gaps: Vec<f64> = a.iter().zip(&b).map(gap).collect();
    assert!(gaps.iter().all(|g| g.is_finite()), "a gap is not finite");
    Ok(gaps.iter().fold(0.0, |m: f64, &g| m.max(g)) / scale)
}

/// Returns a tensor of a fixture, which stores its row-major values and its shape.
pub(crate) fn stored_tensor(value: &serde_json::Value) -> Result<Tensor> {
    let values: Vec<f64> = serde_json::from_value(value["values"].clone()).expect("numbers");
    Tensor::from_vec(values, mbls_testkit::golden::sizes(&value["shape"]), &Device::Cpu)
}

/// Returns the bits of a tensor.
pub(crate) fn bits(t: &Tensor) -> Result<Vec<u64>> {
    let t = t.flatten_all()?;
    Ok(match t.dtype() {
        DType::F32 => t.to_vec1::<f32>()?.iter().map(|v| u64::from(v.to_bits())).collect(),
        _ => t.to_vec1::<f64>()?.iter().map(|v| v.to_bits()).collect(),
    })
}
