//! Gradient clipping.

use super::setting;
use crate::Result;
#[cfg(feature = "cuda")]
use crate::cuda;
use crate::parallel::map;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Storage, Tensor, Var};

/// Number of elements whose squares are summed together. The partial sums are added in order, so
/// the result does not depend on threads.
const CHUNK: usize = 1 << 14;

/// Number of independent partial sums within a chunk, so that the compiler vectorises.
const LANES: usize = 16;

/// Scales all gradients by `min(1, max_norm / (norm + 1e-6))` and returns `norm`, their joint
/// Euclidean norm before scaling.
///
/// Like `torch.nn.utils.clip_grad_norm_`, but accumulated in `f64` on the CPU and on CUDA devices.
/// If the norm is not finite, the gradients stay unchanged and the norm is returned; the caller
/// decides what to do. Parameters without gradient are skipped.
///
/// # Errors
///
/// Fails if `max_norm` is negative or NaN, or a gradient does not fit its parameter.
///
/// ```
/// use candle_core::{Device, Var};
///
/// let p = Var::new(&[3f64, 4.0], &Device::Cpu)?;
/// let mut grads = (p.as_tensor().sqr()?.sum_all()? * 0.5)?.backward()?;
/// let norm = mbls_nn::clip_grad_norm(&[("p".into(), p.clone())], &mut grads, 2.0)?;
/// let clipped = grads.get(&p).unwrap().to_vec1::<f64>()?;
/// assert_eq!(norm, 5.0);
/// assert!((clipped[0] - 1.2).abs() < 1e-6 && (clipped[1] - 1.6).abs() < 1e-6);
/// # Ok::<(), mbls_nn::Error>(())
/// ```
pub fn clip_grad_norm(
    parameters: &[(String, Var)],
    grads: &mut GradStore,
    max_norm: f64,
) -> Result<f64> {
    setting("max_norm", max_norm, max_norm >= 0.0, "at least 0")?;
    let gradients = super::gradients(parameters.iter().map(|(name, var)| (name, var)), grads, [])?;
    let norm = sum_of_squares(gradients.iter().flatten())?.sqrt();
    let coefficient = max_norm / (norm + 1e-6);
    if norm.is_finite() && coefficient < 1.0 {
        for ((_, var), grad) in parameters.iter().zip(gradients) {
            if let Some(grad) = grad {
                grads.insert(var, (grad * coefficient)?);
            }
        }
    }
    Ok(norm)
}

/// Clamps every element of every gradient to `[-limit, limit]`.
///
/// Like `torch.nn.utils.clip_grad_value_`: NaN stays NaN, parameters without gradient are skipped.
///
/// # Errors
///
/// Fails if `limit` is negative or NaN, or a gradient does not fit its parameter. In these cases
/// nothing has changed.
///
/// ```
/// use candle_core::{Device, Var};
///
/// let p = Var::new(&[3f64, -0.25], &Device::Cpu)?;
/// let mut grads = p.as_tensor().sqr()?.sum_all()?.backward()?;
/// mbls_nn::clip_grad_value(&[("p".into(), p.clone())], &mut grads, 2.0)?;
/// assert_eq!(grads.get(&p).unwrap().to_vec1::<f64>()?, [2.0, -0.5]);
/// # Ok::<(), mbls_nn::Error>(())
/// ```
pub fn clip_grad_value(
    parameters: &[(String, Var)],
    grads: &mut GradStore,
    limit: f64,
) -> Result<()> {
    setting("limit", limit, limit >= 0.0, "at least 0")?;
    let gradients = super::gradients(parameters.iter().map(|(name, var)| (name, var)), grads, [])?;
    for ((_, var), grad) in parameters.iter().zip(gradients) {
        if let Some(grad) = grad {
            // `clamp` is generic and would compile candle's binary operations for all types again
            // here.
            let bound = |value: f64| Tensor::new(value, grad.device())?.to_dtype(grad.dtype());
            grads.insert(
                var,
                grad.broadcast_maximum(&bound(-limit)?)?.broadcast_minimum(&bound(limit)?)?,
            );
        }
    }
    Ok(())
}

/// Returns the sum of the squares of all elements of all gradients, which are contiguous.
fn sum_of_squares<'a>(grads: impl Iterator<Item = &'a Tensor>) -> candle_core::Result<f64> {
    #[cfg(feature = "cuda")]
    let grads = {
        let (there, here): (Vec<_>, Vec<_>) = grads.partition(|grad| cuda::supports(grad));
        if here.is_empty() {
            return cuda::sum_of_squares(&there);
        }
        there.into_iter().chain(here)
    };
    grads.map(squares_of_one).try_fold(0.0, |sum, squares| Ok(sum + squares?))
}

fn squares_of_one(grad: &Tensor) -> candle_core::Result<f64> {
    if !grad.device().is_cpu() {
        // Some devices have no f64.
        return Ok(f64::from(grad.to_dtype(DType::F32)?.sqr()?.sum_all()?.to_scalar::<f32>()?));
    }
    let (storage, layout) = grad.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(all)), Some((from, to))) => Ok(sum_of_slice(&all[from..to])),
        (Storage::Cpu(CpuStorage::F64(all)), Some((from, to))) => Ok(sum_of_slice(&all[from..to])),
        _ => Ok(sum_of_slice(&grad.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?)),
    }
}

fn sum_of_slice<T: Copy + Sync + Into<f64>>(values: &[T]) -> f64 {
    let square = |value: T| value.into() * value.into();
    let chunk = |chunk: &[T]| {
        let (blocks, rest) = chunk.as_chunks::<LANES>();
        let mut sums = [0f64; LANES];
        for block in blocks {
            for (sum, &value) in sums.iter_mut().zip(block) {
                *sum += square(value);
            }
        }
        rest.iter().map(|&v| square(v)).chain(sums).sum::<f64>()
    };
    let partial: Vec<f64> = match values.len() {
        0..=CHUNK => vec![chunk(values)],
        _ => map(values.len().div_ceil(CHUNK), &|i| {
            chunk(&values[i * CHUNK..values.len().min((i + 1) * CHUNK)])
        }),
    };
    partial.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_are_summed_whatever_their_number() {
        for n in (0..3 * LANES).chain([CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + LANES + 1]) {
            // Integers, so that any order of the sum is exact.
            let values: Vec<f32> = (0..n).map(|i| (i % 61) as f32 - 30.0).collect();
            let expected: f64 = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            assert_eq!(sum_of_slice(&values), expected, "{n}");
        }
    }
}
