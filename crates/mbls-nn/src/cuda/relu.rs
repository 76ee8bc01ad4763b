//! Rectified linear unit.

use super::device::{
    Element, device, device_of, for_element, held, kernel, spread, storage, stored, tensor,
};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView, PushKernelArg};
use candle_core::cuda_backend::{CudaDevice, WrapErr};
use candle_core::{Result, Shape, Storage, Tensor, bail};

pub(crate) fn relu(x: &Tensor) -> Result<Tensor> {
    graph::apply(Relu, [&x.contiguous()?], Keep { inputs: [false], result: true })
}

struct Relu;

impl Operation for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let (x, device) = (&inputs[0], device_of(&inputs[0])?);
        let y = for_element!(x.storage.dtype(), T => {
            let values = stored::<T>(x)?;
            storage(gate(device, &values, &values)?, device)
        });
        Ok((y, x.layout.shape().clone()))
    }

    fn backward(&self, _inputs: &[&Tensor], y: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (grad, device) = (grad.contiguous()?, device(y)?);
        for_element!(y.dtype(), T => {
            let (y_held, grad_held) = (y.storage_and_layout(), grad.storage_and_layout());
            let values = gate(device, &held::<T>(&y_held)?, &held::<T>(&grad_held)?)?;
            Ok(vec![Some(tensor(values, device, y.shape()))])
        })
    }
}

/// Returns `values` where the switch is above 0 (or NaN), otherwise 0.
fn gate<T: Element>(
    device: &CudaDevice,
    switch: &CudaView<T>,
    values: &CudaView<T>,
) -> Result<CudaSlice<T>> {
    let count = switch.len();
    if values.len() != count {
        bail!("relu: {} numbers for {count} switches", values.len());
    }
    // SAFETY: the kernel writes every number.
    let mut result = unsafe { device.alloc::<T>(count)? };
    let (kernel, stream, work) = (kernel::<T>(device, "gate")?, device.cuda_stream(), count as u64);
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(switch).arg(values).arg(&work).arg(&mut result);
    // SAFETY: the arguments match the kernel's parameters; all three buffers have `count` numbers.
    unsafe { launch.launch(spread(count)) }.w()?;
    Ok(result)
}
