//! Batch normalisation.

use super::channels::{Channels, expect};
use super::device::{Element, compute, device, for_element, held, kernel, spread, stored, tensor};
use super::relu::relu;
use crate::layer::check_batch_norm;
use crate::portable::{BatchNormOutput, add_and_rectify};
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::PushKernelArg;
use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

/// As [`portable::batch_norm_train`](crate::portable::batch_norm_train). Reads the input once for the statistics, once to
/// normalise, and twice backward.
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
    let statistics = for_element!(x.dtype(), T => moments::<T>(&x, eps)?);
    let [mean, variance, inverse] = [statistics.get(0)?, statistics.get(1)?, statistics.get(2)?];
    let output = normalise(&x, weight, bias, &mean, inverse, true)?;
    Ok(BatchNormOutput { output, mean, variance })
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
    let statistic = |t: &Tensor| t.detach().to_dtype(compute(x.dtype()))?.contiguous();
    let inverse = (statistic(variance)? + eps)?.sqrt()?.recip()?;
    normalise(&x.contiguous()?, weight, bias, &statistic(mean)?, inverse, false)
}

/// `relu(y + residual)`, `y` being [`batch_norm_train`]'s result; without `residual` `relu(y)`.
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

fn normalise(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    mean: &Tensor,
    inverse: Tensor,
    own_statistics: bool,
) -> Result<Tensor> {
    let wide = |t: &Tensor| t.to_dtype(compute(x.dtype()))?.contiguous();
    let op = Normalise { shape: Channels::new(x.dims())?, mean: mean.clone(), inverse, own_statistics };
    x.apply_op3(&wide(weight)?, &wide(bias)?, op)
}

/// Mean, biased variance and `1 / sqrt(variance + eps)` of each channel, `[3, C]`.
fn moments<T: Element>(x: &Tensor, eps: f64) -> Result<Tensor> {
    let (device, shape, x_held) = (device(x)?, Channels::new(x.dims())?, x.storage_and_layout());
    let (values, stream) = (held::<T>(&x_held)?, device.cuda_stream());
    expect("batch norm: input", &values, shape.entries())?;
    let mut parts = shape.parts(device)?;
    let first = kernel::<T>(device, "moment_parts")?;
    let mut launch = stream.launch_builder(&first);
    launch.arg(&values).arg(&shape).arg(&mut parts);
    // SAFETY: the arguments are those of the kernel, with as many numbers as the shape says, and two for each block.
    unsafe { launch.launch(shape.of_parts()) }.w()?;
    let channels = shape.channels as usize;
    // SAFETY: the kernel writes three numbers for each channel.
    let mut statistics = unsafe { device.alloc::<T::Compute>(3 * channels)? };
    let second = kernel::<T>(device, "moments")?;
    let mut launch = stream.launch_builder(&second);
    launch.arg(&parts).arg(&values).arg(&shape).arg(&eps).arg(&mut statistics);
    // SAFETY: the arguments are those of the kernel, one block for each channel.
    unsafe { launch.launch(shape.of_channels()) }.w()?;
    Ok(tensor(statistics, device, (3, channels)))
}

/// `y = (x - mean) inverse weight + bias` per channel.
struct Normalise {
    shape: Channels,
    mean: Tensor,
    inverse: Tensor,
    /// Whether the statistics are those of `x`, so that the gradient flows through them.
    own_statistics: bool,
}

impl CustomOp3 for Normalise {
    fn name(&self) -> &'static str {
        "batch norm"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        bail!("batch norm: the CUDA operation of a tensor on the CPU")
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let y = for_element!(x.dtype(), T => {
            self.forward::<T>((x, x_layout), (weight, weight_layout), (bias, bias_layout))?
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
        for_element!(x.dtype(), T => {
            let rows = self.gradient_rows::<T>(x, weight, &grad)?;
            let dx = match x.track_op() {
                true => Some(self.backward::<T>(x, &grad, &rows)?),
                false => None,
            };
            // A copy each: the rows need not outlive the backward pass.
            Ok((dx, Some(rows.get(1)?.copy()?), Some(rows.get(0)?.copy()?)))
        })
    }
}

impl Normalise {
    fn forward<T: Element>(
        &self,
        (x, x_layout): (&CudaStorage, &Layout),
        (weight, weight_layout): (&CudaStorage, &Layout),
        (bias, bias_layout): (&CudaStorage, &Layout),
    ) -> Result<CudaStorage> {
        let (device, channels) = (&x.device, self.shape.channels as usize);
        let statistics_held = (self.mean.storage_and_layout(), self.inverse.storage_and_layout());
        let mean = held::<T::Compute>(&statistics_held.0)?;
        let inverse = held::<T::Compute>(&statistics_held.1)?;
        let x = stored::<T>(x, x_layout)?;
        let weight = stored::<T::Compute>(weight, weight_layout)?;
        let bias = stored::<T::Compute>(bias, bias_layout)?;
        expect("batch norm: input", &x, self.shape.entries())?;
        for values in [&mean, &inverse, &weight, &bias] {
            expect("batch norm: channels", values, channels)?;
        }
        // SAFETY: the kernel writes every number.
        let mut y = unsafe { device.alloc::<T>(x.len())? };
        let (kernel, stream) = (kernel::<T>(device, "normalise")?, device.cuda_stream());
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(&x).arg(&mean).arg(&inverse).arg(&weight).arg(&bias).arg(&self.shape).arg(&mut y);
        // SAFETY: the arguments are those of the kernel, with as many numbers as the shape says.
        unsafe { launch.launch(spread(x.len())) }.w()?;
        Ok(CudaStorage::wrap_cuda_slice(y, device.clone()))
    }

    /// The gradients of bias and weight, and three factors of the gradient of `x`, `[5, C]`.
    fn gradient_rows<T: Element>(&self, x: &Tensor, weight: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let (device, shape, channels) = (device(x)?, self.shape, self.shape.channels as usize);
        let tensors_held = (x.storage_and_layout(), grad.storage_and_layout());
        let (xs, grads) = (held::<T>(&tensors_held.0)?, held::<T>(&tensors_held.1)?);
        let channels_held =
            (self.mean.storage_and_layout(), self.inverse.storage_and_layout(), weight.storage_and_layout());
        let mean = held::<T::Compute>(&channels_held.0)?;
        let inverse = held::<T::Compute>(&channels_held.1)?;
        let weights = held::<T::Compute>(&channels_held.2)?;
        expect("batch norm: gradient", &grads, shape.entries())?;
        let (mut parts, stream) = (shape.parts(device)?, device.cuda_stream());
        let first = kernel::<T>(device, "gradient_parts")?;
        let mut launch = stream.launch_builder(&first);
        launch.arg(&xs).arg(&grads).arg(&mean).arg(&shape).arg(&mut parts);
        // SAFETY: the arguments are those of the kernel, with as many numbers as the shape says, and two for each block.
        unsafe { launch.launch(shape.of_parts()) }.w()?;
        // SAFETY: the kernel writes five numbers for each channel.
        let mut rows = unsafe { device.alloc::<T::Compute>(5 * channels)? };
        let (second, own) = (kernel::<T>(device, "gradients")?, u32::from(self.own_statistics));
        let mut launch = stream.launch_builder(&second);
        launch.arg(&parts).arg(&inverse).arg(&weights).arg(&shape).arg(&own).arg(&mut rows);
        // SAFETY: the arguments are those of the kernel, one block for each channel.
        unsafe { launch.launch(shape.of_channels()) }.w()?;
        Ok(tensor(rows, device, (5, channels)))
    }

    fn backward<T: Element>(&self, x: &Tensor, grad: &Tensor, rows: &Tensor) -> Result<Tensor> {
        let (device, shape) = (device(x)?, self.shape);
        let tensors_held = (x.storage_and_layout(), grad.storage_and_layout());
        let (xs, grads) = (held::<T>(&tensors_held.0)?, held::<T>(&tensors_held.1)?);
        let channels_held = (self.mean.storage_and_layout(), rows.storage_and_layout());
        let mean = held::<T::Compute>(&channels_held.0)?;
        let factors = held::<T::Compute>(&channels_held.1)?;
        // SAFETY: the kernel writes every number.
        let mut dx = unsafe { device.alloc::<T>(xs.len())? };
        let (kernel, own) = (kernel::<T>(device, "normalise_backward")?, u32::from(self.own_statistics));
        let stream = device.cuda_stream();
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(&xs).arg(&grads).arg(&mean).arg(&factors).arg(&shape).arg(&own).arg(&mut dx);
        // SAFETY: the arguments are those of the kernel; `gradient_rows` has checked the sizes of the same tensors.
        unsafe { launch.launch(spread(xs.len())) }.w()?;
        Ok(tensor(dx, device, x.shape()))
    }
}
