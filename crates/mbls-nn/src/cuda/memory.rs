//! Caching of freed device memory.

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{result, sys};
use candle_core::{Device, Result, bail};

/// Lets the process keep up to this many bytes of freed tensor memory for later tensors.
///
/// CUDA's default is 0: whenever the host waits for the device, all free memory returns to the
/// driver, and the next step has to allocate it again, which takes longer than the kernels of a
/// small network. PyTorch caches freed memory. The setting applies to all GPU tensors of the
/// process. A device without a memory pool is left unchanged.
///
/// # Errors
///
/// Fails if the device is not a CUDA device, or the driver reports an error.
pub fn keep_memory(device: &Device, bytes: u64) -> Result<()> {
    let Device::Cuda(device) = device else {
        bail!("keep_memory: expected a CUDA device, got {:?}", device.location());
    };
    let (stream, mut bytes) = (device.cuda_stream(), bytes);
    if !stream.context().has_async_alloc() {
        return Ok(());
    }
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the device is that of a live context, the pool belongs to the device, and the
    // attribute is a `u64`.
    unsafe {
        let pool = result::device::get_mem_pool(stream.context().cu_device()).w()?;
        result::mem_pool::set_attribute(pool, attribute, (&raw mut bytes).cast()).w()
    }
}

/// Disables the tracking of tensors by events. Otherwise each new tensor has two of them. Creating
/// and destroying them is a tenth of the driver calls in a training step, and with one stream
/// nothing waits for them.
///
/// # Errors
///
/// Fails if the device is not a CUDA device, or its context already has further streams.
///
/// # Safety
///
/// While tensors of the device are alive, its context must not get another stream that uses them,
/// from candle or otherwise: a tensor's memory could be freed or written while the other stream
/// still reads it.
pub unsafe fn without_events(device: &Device) -> Result<()> {
    let Device::Cuda(device) = device else {
        bail!("without_events: expected a CUDA device, got {:?}", device.location());
    };
    if device.cuda_stream().context().is_in_multi_stream_mode() {
        bail!("without_events: expected a context with one stream");
    }
    // SAFETY: there is no other stream now, and the caller creates none.
    unsafe { device.disable_event_tracking() };
    Ok(())
}
