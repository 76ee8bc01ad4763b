//! Access to a tensor's numbers in device memory, and the kernels in the folder `kernel`.

use crate::graph::Input;
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::cudnn::CudnnDataType;
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaSlice, CudaView, DeviceRepr, LaunchConfig, ValidAsZeroBits,
};
use candle_core::cuda_backend::{CudaDType, CudaDevice};
use candle_core::op::BackpropOp;
use candle_core::{
    CudaStorage, DType, Device, Layout, Result, Shape, Storage, StorageRef, Tensor, WithDType, bail,
};
use half::{bf16, f16};
use mbls_cuda::{Module, THREADS};

static LAYERS: Module = Module::new(
    "mbls-layers",
    "the layers",
    "layers.cu",
    &[
        include_str!("kernel/block.cu"),
        include_str!("kernel/channels.cu"),
        include_str!("kernel/planes.cu"),
        include_str!("kernel/rows.cu"),
        include_str!("kernel/updates.cu"),
    ],
);

/// The maximum number of blocks; each block processes several entries if there are more.
const MAX_BLOCKS: u64 = 1 << 14;

/// A storage type of numbers on the device.
pub(super) trait Element:
    mbls_cuda::Element + ValidAsZeroBits + WithDType + CudnnDataType
{
    /// The type of sums, and of per-channel numbers.
    type Compute: CudaDType + DeviceRepr + WithDType + CudnnDataType;
}

impl Element for f64 {
    type Compute = f64;
}

impl Element for f32 {
    type Compute = f32;
}

impl Element for f16 {
    type Compute = f32;
}

impl Element for bf16 {
    type Compute = f32;
}

/// Returns whether the operations of this module support a tensor.
pub(crate) fn supports(x: &Tensor) -> bool {
    x.device().is_cuda() && matches!(x.dtype(), DType::F16 | DType::BF16 | DType::F32 | DType::F64)
}

/// Evaluates an expression with `$t` bound to the storage type.
macro_rules! for_element {
    ($dtype:expr, $t:ident => $body:expr) => {
        mbls_cuda::for_element!("the CUDA operations", $dtype, $t => $body)
    };
}
pub(super) use for_element;
pub(super) use mbls_cuda::grid;

/// Returns the type in which numbers of `dtype` are summed.
pub(super) fn compute(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Returns the numbers of a contiguous tensor within its storage.
pub(super) fn stored<'a, T: CudaDType>(input: &Input<'a>) -> Result<CudaView<'a, T>> {
    let Input { storage, layout } = *input;
    let Storage::Cuda(storage) = storage else {
        bail!("the CUDA operations need tensors on a CUDA device")
    };
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("the CUDA operations need contiguous tensors, got {layout:?}");
    };
    match storage.as_cuda_slice::<T>()?.try_slice(start..end) {
        Some(view) => Ok(view),
        None => bail!("a tensor of {layout:?} in a shorter storage"),
    }
}

/// Returns the numbers of a contiguous tensor whose storage is borrowed.
pub(super) fn held<'a, T: CudaDType>(
    held: &'a (StorageRef<'_>, &Layout),
) -> Result<CudaView<'a, T>> {
    stored(&Input { storage: &held.0, layout: held.1 })
}

/// Returns the device of an operation's inputs.
pub(super) fn device_of<'a>(input: &Input<'a>) -> Result<&'a CudaDevice> {
    match input.storage {
        Storage::Cuda(storage) => Ok(storage.device()),
        other => bail!(
            "the CUDA operations need tensors on a CUDA device, got {:?}",
            other.device().location()
        ),
    }
}

/// Converts numbers to a storage.
pub(super) fn storage<T: CudaDType>(values: CudaSlice<T>, device: &CudaDevice) -> Storage {
    Storage::Cuda(CudaStorage::wrap_cuda_slice(values, device.clone()))
}

/// Converts numbers to a tensor without history.
pub(super) fn tensor<T: CudaDType>(
    values: CudaSlice<T>,
    device: &CudaDevice,
    shape: impl Into<Shape>,
) -> Tensor {
    Tensor::from_storage(storage(values, device), shape, BackpropOp::none(), false)
}

pub(super) fn device(x: &Tensor) -> Result<&CudaDevice> {
    match x.device() {
        Device::Cuda(device) => Ok(device),
        other => {
            bail!("the CUDA operations need tensors on a CUDA device, got {:?}", other.location())
        }
    }
}

/// Returns a launch with one thread for each of `work` items, or several items per thread if there
/// are more.
pub(super) fn spread(work: usize) -> LaunchConfig {
    let blocks = (work as u64).div_ceil(u64::from(THREADS)).clamp(1, MAX_BLOCKS);
    grid(blocks as u32)
}

/// Returns a launch with one thread for each 16 bytes of `count` numbers.
pub(super) fn spread_packs<T>(count: usize) -> LaunchConfig {
    spread(count.div_ceil(16 / size_of::<T>()))
}

/// Returns a launch with one warp per item, or several items per warp if there are more.
pub(super) fn spread_warps(work: usize) -> LaunchConfig {
    let blocks = (work as u64).div_ceil(u64::from(THREADS / 32)).clamp(1, MAX_BLOCKS);
    grid(blocks as u32)
}

/// Number of entries of a channel that one block sums: 32 per thread.
pub(super) const ENTRIES_OF_A_BLOCK: usize = 32 * THREADS as usize;

/// Returns a kernel for tensors of `T`.
pub(super) fn kernel<T: Element>(device: &CudaDevice, name: &'static str) -> Result<CudaFunction> {
    LAYERS.kernel::<T>(device, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mbls_cuda::{ELEMENTS, entry_points};

    /// Requires the compiler, but no device.
    #[test]
    fn every_kernel_compiles_for_every_type() {
        for element in ELEMENTS {
            let ptx = match LAYERS.compile(element) {
                Err(error) if error.to_string().contains("was not found") => {
                    eprintln!("skipped: {error}");
                    return;
                }
                ptx => ptx.expect("a source that compiles"),
            };
            let expected = [
                "adam",
                "add_bias",
                "channel_parts",
                "channel_sums",
                "gate",
                "gather_rows",
                "gather_rows_backward",
                "gradient_parts",
                "gradients",
                "maxima",
                "maxima_backward",
                "moment_parts",
                "moments",
                "normalise",
                "normalise_backward",
                "plane_means",
                "plane_means_backward",
                "resample",
                "running",
                "sgd",
                "square_parts",
                "sum_parts",
            ];
            assert_eq!(entry_points(&ptx), expected, "{element}");
        }
    }
}
