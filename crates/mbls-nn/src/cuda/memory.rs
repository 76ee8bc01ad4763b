//! Memory that tensors have given back.

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{result, sys};
use candle_core::{Device, Result, bail};

/// Lets the process keep up to so many bytes of the memory that tensors give back, for those to
/// come.
///
/// CUDA's own setting is 0: whenever the host waits for the device, all that is free goes back to
/// the driver, and the next step has to ask for it again, which takes longer than the kernels of a
/// small network. PyTorch keeps what it has had. It holds for all of the process' tensors on the
/// GPU; a device without a pool of memory is left as it is.
///
/// # Errors
///
/// Where the device is not a CUDA device, or the driver refuses.
pub fn keep_memory(device: &Device, bytes: u64) -> Result<()> {
    let Device::Cuda(device) = device else {
        bail!("keep_memory: expected a CUDA device, got {:?}", device.location());
    };
    let (stream, mut bytes) = (device.cuda_stream(), bytes);
    if !stream.context().has_async_alloc() {
        return Ok(());
    }
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the device is that of a context that lives, the pool is the device's own, and the
    // attribute is a `u64`.
    unsafe {
        let pool = result::device::get_mem_pool(stream.context().cu_device()).w()?;
        result::mem_pool::set_attribute(pool, attribute, (&raw mut bytes).cast()).w()
    }
}

/// Ends the tracking of tensors by events, of which each tensor that is made after this has two
/// otherwise: creating and destroying them is a tenth of the driver's calls in a training step, and
/// with one stream nobody waits for them.
///
/// # Errors
///
/// Where the device is not a CUDA device, or its context has further streams already.
///
/// # Safety
///
/// While tensors of the device live, its context must not be given another stream that uses them,
/// by candle or otherwise: a tensor's memory would be given back, or written, while the other
/// stream still reads it.
pub unsafe fn without_events(device: &Device) -> Result<()> {
    let Device::Cuda(device) = device else {
        bail!("without_events: expected a CUDA device, got {:?}", device.location());
    };
    if device.cuda_stream().context().is_in_multi_stream_mode() {
        bail!("without_events: expected a context with one stream");
    }
    // SAFETY: there is no other stream now, and the caller opens none.
    unsafe { device.disable_event_tracking() };
    Ok(())
}
