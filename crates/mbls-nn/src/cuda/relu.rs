//! Rectifier.

use super::device::{Element, device, for_element, held, kernel, spread, stored, tensor};
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView, PushKernelArg};
use candle_core::cuda_backend::{CudaDevice, WrapErr};
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

/// `max(x, 0)` with derivative 0 at 0; NaN stays NaN.
///
/// # Errors
///
/// Where the type is not a floating-point type.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Relu)
}

struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("relu: the CUDA operation of a tensor on the CPU")
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let y = for_element!(x.dtype(), T => {
            let values = stored::<T>(x, layout)?;
            CudaStorage::wrap_cuda_slice(gate(&x.device, &values, &values)?, x.device.clone())
        });
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (grad, device) = (grad.contiguous()?, device(y)?);
        for_element!(y.dtype(), T => {
            let (y_held, grad_held) = (y.storage_and_layout(), grad.storage_and_layout());
            let values = gate(device, &held::<T>(&y_held)?, &held::<T>(&grad_held)?)?;
            Ok(Some(tensor(values, device, y.shape())))
        })
    }
}

/// `values` where the switch is above 0 (or NaN), else 0.
fn gate<T: Element>(device: &CudaDevice, switch: &CudaView<T>, values: &CudaView<T>) -> Result<CudaSlice<T>> {
    let count = switch.len();
    if values.len() != count {
        bail!("relu: {} numbers for {count} switches", values.len());
    }
    // SAFETY: the kernel writes every number.
    let mut result = unsafe { device.alloc::<T>(count)? };
    let (kernel, stream, work) = (kernel::<T>(device, "gate")?, device.cuda_stream(), count as u64);
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(switch).arg(values).arg(&work).arg(&mut result);
    // SAFETY: the arguments are those of the kernel; all three buffers have `count` numbers.
    unsafe { launch.launch(spread(count)) }.w()?;
    Ok(result)
}
