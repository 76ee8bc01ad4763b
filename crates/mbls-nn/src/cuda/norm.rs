//! The joint norm of several tensors.

use super::device::{Element, device, for_element, grid, held, kernel};
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{CudaViewMut, PushKernelArg};
use candle_core::{Result, Tensor, bail};

/// Number of entries that a block adds if there are many: 8 per thread.
const NUMBERS_OF_A_BLOCK: usize = 8 * 256;

/// The maximum number of blocks per tensor; each block processes several entries if there are more.
const MAX_BLOCKS: usize = 1 << 12;

/// Returns the sum of the squares of all numbers of these contiguous tensors on one device, in
/// `f64` and in a fixed order; the host waits once.
///
/// # Errors
///
/// Fails if a tensor is not contiguous or not on the first tensor's device.
pub(crate) fn sum_of_squares(tensors: &[&Tensor]) -> Result<f64> {
    let tensors: Vec<_> = tensors.iter().filter(|t| t.elem_count() > 0).collect();
    let Some(first) = tensors.first() else { return Ok(0.0) };
    let device = device(first)?;
    if let Some(other) = tensors.iter().find(|t| !t.device().same_device(first.device())) {
        bail!(
            "the norm of tensors on {:?} and {:?}",
            first.device().location(),
            other.device().location()
        );
    }
    let blocks = |t: &Tensor| t.elem_count().div_ceil(NUMBERS_OF_A_BLOCK).min(MAX_BLOCKS);
    let count = tensors.iter().map(|t| blocks(t)).sum();
    // SAFETY: each block of the kernels below writes its number of `parts`, the last kernel that of
    // `sum`.
    let (mut parts, mut sum) = unsafe { (device.alloc::<f64>(count)?, device.alloc::<f64>(1)?) };
    let mut at = 0;
    for tensor in &tensors {
        let Some(mut own) = parts.try_slice_mut(at..at + blocks(tensor)) else {
            bail!("fewer parts than blocks")
        };
        at += blocks(tensor);
        for_element!(tensor.dtype(), T => add::<T>(tensor, &mut own))?;
    }
    // The type does not matter: the kernel reads what the others have written.
    let (kernel, stream, count) =
        (kernel::<f32>(device, "sum_parts")?, device.cuda_stream(), count as u64);
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&parts).arg(&count).arg(&mut sum);
    // SAFETY: the arguments match the kernel's parameters; it reads `count` parts and writes one
    // number.
    unsafe { launch.launch(grid(1)) }.w()?;
    match device.clone_dtoh(&sum)?[..] {
        [sum] => Ok(sum),
        _ => bail!("expected one sum"),
    }
}

fn add<T: Element>(tensor: &Tensor, parts: &mut CudaViewMut<f64>) -> Result<()> {
    let (device, tensor_held) = (device(tensor)?, tensor.storage_and_layout());
    let (numbers, blocks) = (held::<T>(&tensor_held)?, parts.len() as u32);
    let (kernel, stream, count) =
        (kernel::<T>(device, "square_parts")?, device.cuda_stream(), numbers.len() as u64);
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&numbers).arg(&count).arg(parts);
    // SAFETY: the arguments match the kernel's parameters, with one part per block.
    unsafe { launch.launch(grid(blocks)) }.w()?;
    Ok(())
}
