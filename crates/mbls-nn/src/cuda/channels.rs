//! Per-channel operations, except batch normalisation.

use super::device::{
    ENTRIES_OF_A_BLOCK, Element, device, device_of, for_element, grid, held, kernel, spread,
    storage, stored, tensor,
};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, CudaView, DeviceRepr, LaunchConfig, PushKernelArg,
};
use candle_core::cuda_backend::{CudaDevice, WrapErr};
use candle_core::{Result, Shape, Storage, Tensor, bail};

/// `Channels` in the kernel source: a tensor `[outer, channels, plane]`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Channels {
    outer: u64,
    pub(super) channels: u64,
    plane: u64,
    parts: u64,
}

// SAFETY: plain numbers with the layout of the kernel source: the same fields in the same order,
// `repr(C)`, the same size.
unsafe impl DeviceRepr for Channels {}

/// The kernel source asserts the same size.
const _: () = assert!(size_of::<Channels>() == 32);

impl Channels {
    /// Creates the sizes of a tensor `[N, C, ..]` that is not empty.
    pub(super) fn new(shape: &[usize]) -> Result<Self> {
        let &[outer, channels, ref rest @ ..] = shape else {
            bail!("a tensor of shape {shape:?}, expected [N, C, ..]");
        };
        let plane: usize = rest.iter().product();
        let parts = (outer * plane).div_ceil(ENTRIES_OF_A_BLOCK).max(1);
        if i32::try_from(channels * parts).is_err() {
            bail!("a tensor of shape {shape:?}: more than 2^31 - 1 blocks on a CUDA device");
        }
        Ok(Self {
            outer: outer as u64,
            channels: channels as u64,
            plane: plane as u64,
            parts: parts as u64,
        })
    }

    pub(super) fn entries(&self) -> usize {
        (self.outer * self.channels * self.plane) as usize
    }

    /// Returns a launch with one block per part of a channel.
    pub(super) fn of_parts(&self) -> LaunchConfig {
        grid((self.channels * self.parts) as u32)
    }

    /// Returns a launch with one block per channel.
    pub(super) fn of_channels(&self) -> LaunchConfig {
        grid(self.channels as u32)
    }

    /// Allocates two sums per part.
    pub(super) fn parts(&self, device: &CudaDevice) -> Result<CudaSlice<f64>> {
        // SAFETY: every block of the kernels that use it writes its two numbers before another
        // kernel reads them.
        unsafe { device.alloc::<f64>(2 * (self.channels * self.parts) as usize) }
    }
}

/// Checks that a buffer has as many numbers as the kernels read.
pub(super) fn expect<T>(what: &str, values: &CudaView<T>, expected: usize) -> Result<()> {
    if values.len() != expected {
        bail!("{what} of {} numbers, expected {expected}", values.len());
    }
    Ok(())
}

/// Computes `x + bias` per channel of `[N, C, ..]`; both have the same type.
pub(super) fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let shape = Channels::new(x.dims())?;
    let keep = Keep { inputs: [false, false], result: false };
    graph::apply(AddBias(shape), [&x.contiguous()?, &bias.contiguous()?], keep)
}

struct AddBias(Channels);

impl Operation for AddBias {
    fn name(&self) -> &'static str {
        "bias"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let (device, shape) = (device_of(&inputs[0])?, self.0);
        let y = for_element!(inputs[0].storage.dtype(), T => {
            let (x, bias) = (stored::<T>(&inputs[0])?, stored::<T>(&inputs[1])?);
            expect("bias: input", &x, shape.entries())?;
            expect("bias", &bias, shape.channels as usize)?;
            // SAFETY: the kernel writes every number.
            let mut y = unsafe { device.alloc::<T>(x.len())? };
            let (kernel, stream) = (kernel::<T>(device, "add_bias")?, device.cuda_stream());
            let mut launch = stream.launch_builder(&kernel);
            launch.arg(&x).arg(&bias).arg(&shape).arg(&mut y);
            // SAFETY: the arguments match the kernel's parameters, with buffers of the sizes given
            // by the shape.
            unsafe { launch.launch(spread(x.len())) }.w()?;
            storage(y, device)
        });
        Ok((y, inputs[0].layout.shape().clone()))
    }

    fn backward(&self, _inputs: &[&Tensor], _result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let grad = grad.contiguous()?;
        let sums = for_element!(grad.dtype(), T => self.sums::<T>(&grad)?);
        Ok(vec![Some(grad), Some(sums)])
    }
}

impl AddBias {
    fn sums<T: Element>(&self, grad: &Tensor) -> Result<Tensor> {
        let (device, shape, grad_held) = (device(grad)?, self.0, grad.storage_and_layout());
        let (values, stream) = (held::<T>(&grad_held)?, device.cuda_stream());
        expect("bias: gradient", &values, shape.entries())?;
        let mut parts = shape.parts(device)?;
        let first = kernel::<T>(device, "channel_parts")?;
        let mut launch = stream.launch_builder(&first);
        launch.arg(&values).arg(&shape).arg(&mut parts);
        // SAFETY: the arguments match the kernel's parameters, with buffers of the sizes given by
        // the shape, and two numbers per block.
        unsafe { launch.launch(shape.of_parts()) }.w()?;
        // SAFETY: the kernel writes one number per channel.
        let mut sums = unsafe { device.alloc::<T>(shape.channels as usize)? };
        let second = kernel::<T>(device, "channel_sums")?;
        let mut launch = stream.launch_builder(&second);
        launch.arg(&parts).arg(&shape).arg(&mut sums);
        // SAFETY: the arguments match the kernel's parameters, one block per channel.
        unsafe { launch.launch(shape.of_channels()) }.w()?;
        Ok(tensor(sums, device, shape.channels as usize))
    }
}
