//! Batch normalisation.

use super::channels::{Channels, expect};
use super::device::{
    Element, compute, device, device_of, for_element, held, kernel, spread_packs, storage, stored,
    tensor,
};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use crate::shape::{BatchNormEpilogue, BatchNormOutput, Statistics};
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::PushKernelArg;
use candle_core::{Result, Shape, Storage, Tensor};

/// Reads the input once for the statistics, once to normalise, and twice in the backward pass.
pub(crate) fn batch_norm(
    x: &Tensor,
    affine: [&Tensor; 2],
    statistics: Statistics,
    epilogue: BatchNormEpilogue,
    eps: f64,
) -> Result<BatchNormOutput> {
    let x = x.contiguous()?;
    let (mean, variance, inverse) = match statistics {
        Statistics::OfBatch => {
            let moments = for_element!(x.dtype(), T => moments::<T>(&x, eps)?);
            (moments.get(0)?, moments.get(1)?, moments.get(2)?)
        }
        Statistics::Given { mean, variance } => {
            let statistic = |t: &Tensor| t.detach().to_dtype(compute(x.dtype()))?.contiguous();
            let variance = statistic(variance)?;
            let inverse = (&variance + eps)?.sqrt()?.recip()?;
            (statistic(mean)?, variance, inverse)
        }
    };
    let own_statistics = matches!(statistics, Statistics::OfBatch);
    let output = normalise(&x, affine, [mean.clone(), inverse], own_statistics, epilogue)?;
    Ok(BatchNormOutput { output, mean, variance })
}

fn normalise(
    x: &Tensor,
    affine: [&Tensor; 2],
    [mean, inverse]: [Tensor; 2],
    own_statistics: bool,
    epilogue: BatchNormEpilogue,
) -> Result<Tensor> {
    let wide = |t: &Tensor| t.to_dtype(compute(x.dtype()))?.contiguous();
    let (weight, bias) = (wide(affine[0])?, wide(affine[1])?);
    let rectified = matches!(epilogue, BatchNormEpilogue::Relu(_));
    let op =
        Normalise { shape: Channels::new(x.dims())?, mean, inverse, own_statistics, rectified };
    match epilogue {
        BatchNormEpilogue::Nothing | BatchNormEpilogue::Relu(None) => {
            let keep = Keep { inputs: [true, true, rectified], result: false };
            graph::apply(op, [x, &weight, &bias], keep)
        }
        BatchNormEpilogue::Relu(Some(residual)) => {
            let keep = Keep { inputs: [true, true, true, false], result: true };
            graph::apply(op, [x, &weight, &bias, &residual.contiguous()?], keep)
        }
    }
}

/// Returns mean, biased variance and `1 / sqrt(variance + eps)` of each channel, `[3, C]`.
fn moments<T: Element>(x: &Tensor, eps: f64) -> Result<Tensor> {
    let (device, shape, x_held) = (device(x)?, Channels::new(x.dims())?, x.storage_and_layout());
    let (values, stream) = (held::<T>(&x_held)?, device.cuda_stream());
    expect("batch norm: input", &values, shape.entries())?;
    let mut parts = shape.parts(device)?;
    let first = kernel::<T>(device, "moment_parts")?;
    let mut launch = stream.launch_builder(&first);
    launch.arg(&values).arg(&shape).arg(&mut parts);
    // SAFETY: the arguments match the kernel's parameters, with buffers of the sizes given by the
    // shape, and two numbers per block.
    unsafe { launch.launch(shape.of_parts()) }.w()?;
    let channels = shape.channels as usize;
    // SAFETY: the kernel writes three numbers per channel.
    let mut statistics = unsafe { device.alloc::<T::Compute>(3 * channels)? };
    let second = kernel::<T>(device, "moments")?;
    let mut launch = stream.launch_builder(&second);
    launch.arg(&parts).arg(&values).arg(&shape).arg(&eps).arg(&mut statistics);
    // SAFETY: the arguments match the kernel's parameters, one block per channel.
    unsafe { launch.launch(shape.of_channels()) }.w()?;
    Ok(tensor(statistics, device, (3, channels)))
}

/// Computes `y = (x - mean) inverse weight + bias` per channel, optionally adds a fourth input, and
/// optionally applies ReLU.
struct Normalise {
    shape: Channels,
    mean: Tensor,
    inverse: Tensor,
    /// Whether the statistics are those of `x`, so the gradient flows through them.
    own_statistics: bool,
    rectified: bool,
}

/// `Gate` in the kernel source.
#[derive(Clone, Copy, PartialEq)]
#[repr(u32)]
enum Gate {
    NoRectifier = 0,
    ByResult = 1,
    ByLine = 2,
}

/// A null pointer for an optional tensor of a kernel.
const NOTHING: u64 = 0;

impl Operation for Normalise {
    fn name(&self) -> &'static str {
        "batch norm"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let y = for_element!(inputs[0].storage.dtype(), T => self.result::<T>(inputs)?);
        Ok((y, inputs[0].layout.shape().clone()))
    }

    fn backward(&self, inputs: &[&Tensor], y: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let gate = match (self.rectified, inputs.len()) {
            (false, _) => Gate::NoRectifier,
            (true, 4) => Gate::ByResult,
            (true, _) => Gate::ByLine,
        };
        let grad = grad.contiguous()?;
        for_element!(grad.dtype(), T => self.gradients::<T>(inputs, y, grad, gate))
    }
}

impl Normalise {
    fn result<T: Element>(&self, inputs: &[Input]) -> Result<Storage> {
        let (device, channels) = (device_of(&inputs[0])?, self.shape.channels as usize);
        let statistics_held = (self.mean.storage_and_layout(), self.inverse.storage_and_layout());
        let mean = held::<T::Compute>(&statistics_held.0)?;
        let inverse = held::<T::Compute>(&statistics_held.1)?;
        let x = stored::<T>(&inputs[0])?;
        let (weight, bias) = (stored::<T::Compute>(&inputs[1])?, stored::<T::Compute>(&inputs[2])?);
        let residual = inputs.get(3).map(stored::<T>).transpose()?;
        for values in std::iter::once(&x).chain(&residual) {
            expect("batch norm: input", values, self.shape.entries())?;
        }
        for values in [&mean, &inverse, &weight, &bias] {
            expect("batch norm: channels", values, channels)?;
        }
        // SAFETY: the kernel writes every number.
        let mut y = unsafe { device.alloc::<T>(x.len())? };
        let (kernel, stream) = (kernel::<T>(device, "normalise")?, device.cuda_stream());
        let rectified = u32::from(self.rectified);
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(&x);
        match &residual {
            Some(residual) => launch.arg(residual),
            None => launch.arg(&NOTHING),
        };
        launch
            .arg(&mean)
            .arg(&inverse)
            .arg(&weight)
            .arg(&bias)
            .arg(&self.shape)
            .arg(&rectified)
            .arg(&mut y);
        // SAFETY: the arguments match the kernel's parameters, with buffers of the sizes given by
        // the shape.
        unsafe { launch.launch(spread_packs::<T>(x.len())) }.w()?;
        Ok(storage(y, device))
    }

    fn gradients<T: Element>(
        &self,
        inputs: &[&Tensor],
        y: &Tensor,
        grad: Tensor,
        gate: Gate,
    ) -> Result<Gradients> {
        let (x, shape) = (inputs[0], self.shape);
        let (device, channels) = (device(x)?, shape.channels as usize);
        // `Gate::ByLine` recomputes `y` from `x` and therefore reads the bias.
        let bias = if gate == Gate::NoRectifier { inputs[1] } else { inputs[2] };
        let tensors_held = [x, y, &grad].map(Tensor::storage_and_layout);
        let (xs, gs) = (held::<T>(&tensors_held[0])?, held::<T>(&tensors_held[2])?);
        let channels_held =
            [&self.mean, &self.inverse, inputs[1], bias].map(Tensor::storage_and_layout);
        let [mean, inverse, weight, bias] = channels_held.each_ref().map(held::<T::Compute>);
        let (mean, inverse, weight, bias) = (mean?, inverse?, weight?, bias?);
        for values in [&xs, &gs] {
            expect("batch norm: gradient", values, shape.entries())?;
        }
        for values in [&mean, &inverse, &weight, &bias] {
            expect("batch norm: channels", values, channels)?;
        }
        let (stream, gate_number, own) =
            (device.cuda_stream(), gate as u32, u32::from(self.own_statistics));
        let ys = match gate {
            Gate::ByResult => Some(held::<T>(&tensors_held[1])?),
            _ => None,
        };
        // SAFETY: the kernel writes every number.
        let mut let_through = match &ys {
            Some(ys) => {
                expect("batch norm: result", ys, shape.entries())?;
                Some(unsafe { device.alloc::<T>(xs.len())? })
            }
            None => None,
        };
        let mut parts = shape.parts(device)?;
        let first = kernel::<T>(device, "gradient_parts")?;
        let mut launch = stream.launch_builder(&first);
        launch.arg(&xs);
        match &ys {
            Some(ys) => launch.arg(ys),
            None => launch.arg(&NOTHING),
        };
        launch
            .arg(&gs)
            .arg(&mean)
            .arg(&inverse)
            .arg(&weight)
            .arg(&bias)
            .arg(&shape)
            .arg(&gate_number);
        match &mut let_through {
            Some(let_through) => launch.arg(let_through),
            None => launch.arg(&NOTHING),
        };
        launch.arg(&mut parts);
        // SAFETY: the arguments match the kernel's parameters, with buffers of the sizes given by
        // the shape, and two numbers per block.
        unsafe { launch.launch(shape.of_parts()) }.w()?;
        // SAFETY: the kernel writes five numbers per channel.
        let mut rows = unsafe { device.alloc::<T::Compute>(5 * channels)? };
        let second = kernel::<T>(device, "gradients")?;
        let mut launch = stream.launch_builder(&second);
        launch.arg(&parts).arg(&inverse).arg(&weight).arg(&shape).arg(&own).arg(&mut rows);
        // SAFETY: the arguments match the kernel's parameters, one block per channel.
        unsafe { launch.launch(shape.of_channels()) }.w()?;
        let dx = if x.track_op() {
            // SAFETY: the kernel writes every number.
            let mut dx = unsafe { device.alloc::<T>(xs.len())? };
            // With `Gate::ByResult` the gated gradient has already been stored.
            let gate = if gate == Gate::ByResult { Gate::NoRectifier } else { gate } as u32;
            let third = kernel::<T>(device, "normalise_backward")?;
            let mut launch = stream.launch_builder(&third);
            launch.arg(&xs);
            match &let_through {
                Some(let_through) => launch.arg(let_through),
                None => launch.arg(&gs),
            };
            launch
                .arg(&mean)
                .arg(&inverse)
                .arg(&weight)
                .arg(&bias)
                .arg(&rows)
                .arg(&shape)
                .arg(&gate)
                .arg(&own);
            launch.arg(&mut dx);
            // SAFETY: the arguments match the kernel's parameters, with buffers of the sizes given
            // by the shape.
            unsafe { launch.launch(spread_packs::<T>(xs.len())) }.w()?;
            Some(tensor(dx, device, x.shape()))
        } else {
            None
        };
        let rows = tensor(rows, device, (5, channels));
        let mut gradients = vec![dx, Some(rows.get(0)?), Some(rows.get(1)?)];
        if inputs.len() == 4 {
            gradients.push(let_through.map(|values| tensor(values, device, x.shape())));
        }
        Ok(gradients)
    }
}
