//! Batch normalisation with its backward pass in two sweeps.

use super::kernel::sum;
use super::values::{Float, dtype, for_float, held, narrow, storage, stored};
use crate::layer::check_batch_norm;
use crate::portable::BatchNormOutput;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// As [`portable::batch_norm_train`](crate::portable::batch_norm_train), with sums in `f64`.
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
    let x = x.contiguous()?;
    let (channels, plane) = (x.dim(1)?, plane(&x));
    let (mean, variance) = for_float!(x.dtype(), T => {
        let x_held = x.storage_and_layout();
        moments(held::<T>(&x_held)?, channels, plane)
    });
    let tensor = |values: &[f64]| Tensor::new(values, x.device())?.to_dtype(x.dtype());
    let (mean_tensor, variance_tensor) = (tensor(&mean)?, tensor(&variance)?);
    let output = normalise(&x, weight, bias, mean, &variance, eps, true)?;
    Ok(BatchNormOutput { output, mean: mean_tensor, variance: variance_tensor })
}

/// As [`portable::batch_norm`](crate::portable::batch_norm).
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
    let values = |t: &Tensor| t.to_dtype(DType::F64)?.to_vec1::<f64>();
    normalise(&x.contiguous()?, weight, bias, values(mean)?, &values(variance)?, eps, false)
}

/// Values per channel of one entry of the batch.
fn plane(x: &Tensor) -> usize {
    x.dims()[2..].iter().product()
}

fn normalise(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    mean: Vec<f64>,
    variance: &[f64],
    eps: f64,
    own_statistics: bool,
) -> Result<Tensor> {
    let inverse = variance.iter().map(|v| 1.0 / (v + eps).sqrt()).collect();
    let op = Normalise { plane: plane(x), mean, inverse, own_statistics };
    x.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)
}

/// `y = (x - mean) inverse weight + bias` per channel.
struct Normalise {
    plane: usize,
    mean: Vec<f64>,
    inverse: Vec<f64>,
    /// Whether the statistics are those of `x`, so that the gradient flows through them.
    own_statistics: bool,
}

impl CustomOp3 for Normalise {
    fn name(&self) -> &'static str {
        "batch norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let y = for_float!(dtype(x), T => {
            let (weight, bias) = (stored::<T>(weight, weight_layout)?, stored::<T>(bias, bias_layout)?);
            storage::<T>(self.forward(stored::<T>(x, x_layout)?, weight, bias))
        });
        Ok((y, x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        for_float!(x.dtype(), T => {
            let held_tensors = (x.storage_and_layout(), weight.storage_and_layout(), grad.storage_and_layout());
            let (xs, weights, grads) =
                (held::<T>(&held_tensors.0)?, held::<T>(&held_tensors.1)?, held::<T>(&held_tensors.2)?);
            let sums = self.gradient_sums(xs, grads);
            let dx = match x.track_op() {
                true => Some(Tensor::from_vec(self.backward(xs, weights, grads, &sums), x.shape(), x.device())?),
                false => None,
            };
            let channel = |value: &dyn Fn(usize) -> f64| {
                let values: Vec<T> = (0..self.mean.len()).map(|c| narrow::<T>(value(c))).collect();
                Tensor::from_vec(values, self.mean.len(), x.device())
            };
            let dw = channel(&|c| sums[c].1 * self.inverse[c])?;
            let db = channel(&|c| sums[c].0)?;
            Ok((dx, Some(dw), Some(db)))
        })
    }
}

impl Normalise {
    fn forward<T: Float>(&self, x: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
        let channels = self.mean.len();
        let mut y = vec![T::zero(); x.len()];
        y.par_chunks_mut(self.plane).zip(x.par_chunks(self.plane)).enumerate().for_each(|(i, (y, x))| {
            let c = i % channels;
            let (mean, scale) = (T::from_f64(self.mean[c]), T::from_f64(self.inverse[c] * weight[c].to_f64()));
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (x - mean) * scale + bias[c];
            }
        });
        y
    }

    /// Per channel: the sums of `g` and of `g (x - mean)`.
    fn gradient_sums<T: Float>(&self, x: &[T], g: &[T]) -> Vec<(f64, f64)> {
        let channels = self.mean.len();
        let one = |c: usize| {
            let mean = T::from_f64(self.mean[c]);
            let planes = |v| sum::planes(v, channels, self.plane, c);
            planes(g)
                .zip(planes(x))
                .fold((0.0, 0.0), |(plain, product), (g, x)| (plain + sum::sum(g), product + sum::products(g, x, mean)))
        };
        (0..channels).into_par_iter().map(one).collect()
    }

    /// `dx = weight inverse (g - mean(g) - x_hat mean(g x_hat))`, or its first term alone under given statistics.
    fn backward<T: Float>(&self, x: &[T], weight: &[T], g: &[T], sums: &[(f64, f64)]) -> Vec<T> {
        let channels = self.mean.len();
        let count = (x.len() / channels) as f64;
        let mut dx = vec![T::zero(); x.len()];
        let chunks = dx.par_chunks_mut(self.plane).zip(x.par_chunks(self.plane)).zip(g.par_chunks(self.plane));
        chunks.enumerate().for_each(|(i, ((dx, x), g))| {
            let c = i % channels;
            let scale = self.inverse[c] * weight[c].to_f64();
            if !self.own_statistics {
                let scale = T::from_f64(scale);
                dx.iter_mut().zip(g).for_each(|(dx, &g)| *dx = g * scale);
                return;
            }
            let (mean, offset) = (T::from_f64(self.mean[c]), T::from_f64(sums[c].0 / count));
            let slope = T::from_f64(sums[c].1 / count * self.inverse[c] * self.inverse[c]);
            let scale = T::from_f64(scale);
            for ((dx, &x), &g) in dx.iter_mut().zip(x).zip(g) {
                *dx = (g - offset - (x - mean) * slope) * scale;
            }
        });
        dx
    }
}

/// Mean and biased variance per channel, the variance by a second sweep around the mean.
fn moments<T: Float>(x: &[T], channels: usize, plane: usize) -> (Vec<f64>, Vec<f64>) {
    let count = (x.len() / channels) as f64;
    let one = |c: usize| {
        let mean = sum::planes(x, channels, plane, c).map(sum::sum).sum::<f64>() / count;
        // Rounding the centre to T moves the sum of squares by count (mean - centre)^2.
        let centre = T::from_f64(mean);
        let squares: f64 = sum::planes(x, channels, plane, c).map(|x| sum::squares(x, centre)).sum();
        (mean, (squares / count - (mean - centre.to_f64()).powi(2)).max(0.0))
    };
    (0..channels).into_par_iter().map(one).unzip()
}
