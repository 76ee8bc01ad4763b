//! Memory that tensors have given back.

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{result, sys};
use candle_core::{Device, Result, bail};

/// Lets the process keep up to so many bytes of the memory that tensors give back, for those to come.
///
/// CUDA's own setting is 0: whenever the host waits for the device, all that is free goes back to the driver, and the next
/// step has to ask for it anew, which takes longer than the kernels of a small network. PyTorch keeps what it has had. It holds
/// for all of the process' tensors on the GPU; a device without a pool of memory is left as it is.
///
/// # Errors
///
/// Where the device is no CUDA device, or the driver refuses.
pub fn keep_memory(device: &Device, bytes: u64) -> Result<()> {
    let Device::Cuda(device) = device else {
        bail!("keep_memory: expected a CUDA device, got {:?}", device.location());
    };
    let (stream, mut bytes) = (device.cuda_stream(), bytes);
    if !stream.context().has_async_alloc() {
        return Ok(());
    }
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the device is that of a context that lives, the pool is the device's own, and the attribute is a `u64`.
    unsafe {
        let pool = result::device::get_mem_pool(stream.context().cu_device()).w()?;
        result::mem_pool::set_attribute(pool, attribute, (&raw mut bytes).cast()).w()
    }
}
