//! The norm of many tensors together.

use super::device::{Element, device, for_element, grid, held, kernel};
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{CudaViewMut, PushKernelArg};
use candle_core::{Result, Tensor, bail};

/// Numbers that a block adds where there are many: 8 for each of its threads.
const NUMBERS_OF_A_BLOCK: usize = 8 * 256;

/// Blocks of one tensor go on to further numbers where there are more.
const MAX_BLOCKS: usize = 1 << 12;

/// The sum of the squares of all numbers of these contiguous tensors on one device, in `f64` and in
/// one order; the host waits once.
///
/// # Errors
///
/// Where a tensor is not contiguous or not on the first one's device.
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
    // Of any type: it reads what the others have written.
    let (kernel, stream, count) =
        (kernel::<f32>(device, "sum_parts")?, device.cuda_stream(), count as u64);
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&parts).arg(&count).arg(&mut sum);
    // SAFETY: the arguments are those of the kernel, which reads `count` parts and writes one
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
    // SAFETY: the arguments are those of the kernel, with a part for each block.
    unsafe { launch.launch(grid(blocks)) }.w()?;
    Ok(())
}
