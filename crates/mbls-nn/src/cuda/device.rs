//! Access to a tensor's numbers in the memory of a device, and the kernels of the folder `kernel`.

use crate::graph::Input;
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::cudnn::CudnnDataType;
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaSlice, CudaView, DeviceRepr, LaunchConfig, ValidAsZeroBits,
};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileError, CompileOptions, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaDType, CudaDevice, DeviceId};
use candle_core::op::BackpropOp;
use candle_core::{CudaStorage, DType, Device, Layout, Result, Shape, Storage, StorageRef, Tensor, WithDType, bail};
use half::{bf16, f16};
use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::catch_unwind;
use std::sync::OnceLock;

const SOURCE: &str = concat!(
    include_str!("kernel/element.cu"),
    include_str!("kernel/channels.cu"),
    include_str!("kernel/planes.cu"),
    include_str!("kernel/rows.cu"),
    include_str!("kernel/updates.cu"),
);

/// Threads per block, `MAX_THREADS` of the source.
const THREADS: u32 = 256;

/// Blocks go on to further entries where there are more.
const MAX_BLOCKS: u64 = 1 << 14;

/// A type that numbers are stored in, on the device.
pub(super) trait Element: CudaDType + DeviceRepr + ValidAsZeroBits + WithDType + CudnnDataType {
    /// The type of sums, and of per-channel numbers.
    type Compute: CudaDType + DeviceRepr + WithDType + CudnnDataType;

    /// What names the type in the source and in the names of modules.
    const NAME: &'static str;

    /// The compiled source; it does not depend on the device.
    fn ptx() -> &'static OnceLock<String>;
}

macro_rules! element {
    ($type:ty, $compute:ty, $name:literal) => {
        impl Element for $type {
            type Compute = $compute;

            const NAME: &'static str = $name;

            fn ptx() -> &'static OnceLock<String> {
                static PTX: OnceLock<String> = OnceLock::new();
                &PTX
            }
        }
    };
}

element!(f64, f64, "F64");
element!(f32, f32, "F32");
element!(f16, f32, "F16");
element!(bf16, f32, "BF16");

/// Whether the operations of this module handle a tensor.
pub(crate) fn supports(x: &Tensor) -> bool {
    x.device().is_cuda() && matches!(x.dtype(), DType::F16 | DType::BF16 | DType::F32 | DType::F64)
}

/// Runs an expression with `$t` being the type of stored numbers.
macro_rules! for_element {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F16 => {
                type $t = half::f16;
                $body
            }
            candle_core::DType::BF16 => {
                type $t = half::bf16;
                $body
            }
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => candle_core::bail!("type {other:?}: the CUDA operations handle f16, bf16, f32 and f64"),
        }
    };
}
pub(super) use for_element;

/// The type that numbers of `dtype` are summed in.
pub(super) fn compute(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// The numbers of a contiguous tensor within its storage.
pub(super) fn stored<'a, T: CudaDType>(input: &Input<'a>) -> Result<CudaView<'a, T>> {
    let Input { storage, layout } = *input;
    let Storage::Cuda(storage) = storage else { bail!("the CUDA operations need tensors on a CUDA device") };
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("the CUDA operations need contiguous tensors, got {layout:?}");
    };
    match storage.as_cuda_slice::<T>()?.try_slice(start..end) {
        Some(view) => Ok(view),
        None => bail!("a tensor of {layout:?} in a storage that is shorter"),
    }
}

/// The numbers of a contiguous tensor whose storage is held.
pub(super) fn held<'a, T: CudaDType>(held: &'a (StorageRef<'_>, &Layout)) -> Result<CudaView<'a, T>> {
    stored(&Input { storage: &held.0, layout: held.1 })
}

/// The device of an operation's inputs.
pub(super) fn device_of<'a>(input: &Input<'a>) -> Result<&'a CudaDevice> {
    match input.storage {
        Storage::Cuda(storage) => Ok(storage.device()),
        other => bail!("the CUDA operations need tensors on a CUDA device, got {:?}", other.device().location()),
    }
}

/// Numbers as a storage.
pub(super) fn storage<T: CudaDType>(values: CudaSlice<T>, device: &CudaDevice) -> Storage {
    Storage::Cuda(CudaStorage::wrap_cuda_slice(values, device.clone()))
}

/// Numbers as a tensor without history.
pub(super) fn tensor<T: CudaDType>(values: CudaSlice<T>, device: &CudaDevice, shape: impl Into<Shape>) -> Tensor {
    Tensor::from_storage(storage(values, device), shape, BackpropOp::none(), false)
}

/// The device of a tensor.
pub(super) fn device(x: &Tensor) -> Result<&CudaDevice> {
    match x.device() {
        Device::Cuda(device) => Ok(device),
        other => bail!("the CUDA operations need tensors on a CUDA device, got {:?}", other.location()),
    }
}

/// One thread for each of `work` items, or several items for each where there are more.
pub(super) fn spread(work: usize) -> LaunchConfig {
    let blocks = (work as u64).div_ceil(u64::from(THREADS)).clamp(1, MAX_BLOCKS);
    grid(blocks as u32)
}

/// One thread for each 16 bytes of `count` numbers.
pub(super) fn spread_packs<T>(count: usize) -> LaunchConfig {
    spread(count.div_ceil(16 / size_of::<T>()))
}

/// As many warps as items, or several items for each where there are more.
pub(super) fn spread_warps(work: usize) -> LaunchConfig {
    let blocks = (work as u64).div_ceil(u64::from(THREADS / 32)).clamp(1, MAX_BLOCKS);
    grid(blocks as u32)
}

/// This number of blocks.
pub(super) fn grid(blocks: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 }
}

/// Entries of a channel that one block sums: 32 for each of its threads.
pub(super) const ENTRIES_OF_A_BLOCK: usize = 32 * THREADS as usize;

/// A kernel for tensors of `T`; found once for each thread, type and device.
pub(super) fn kernel<T: Element>(device: &CudaDevice, name: &'static str) -> Result<CudaFunction> {
    thread_local! {
        static FOUND: RefCell<HashMap<(DeviceId, &'static str, &'static str), CudaFunction>> = RefCell::default();
    }
    let key = (device.id(), T::NAME, name);
    if let Some(function) = FOUND.with_borrow(|found| found.get(&key).cloned()) {
        return Ok(function);
    }
    let function = load::<T>(device, name)?;
    FOUND.with_borrow_mut(|found| found.insert(key, function.clone()));
    Ok(function)
}

fn load<T: Element>(device: &CudaDevice, name: &str) -> Result<CudaFunction> {
    let ptx = match T::ptx().get() {
        Some(ptx) => ptx,
        None => {
            let compiled = compile(T::NAME)?;
            T::ptx().get_or_init(|| compiled)
        }
    };
    Ok(device.get_or_load_custom_func(name, &format!("mbls-layers-{}", T::NAME), ptx)?.into_cuda_function())
}

fn compile(element: &str) -> Result<String> {
    let options = CompileOptions {
        options: vec![format!("--define-macro=STORED_{element}")],
        name: Some("layers.cu".into()),
        ..CompileOptions::default()
    };
    // cudarc panics where it does not find the library.
    match catch_unwind(|| compile_ptx_with_opts(SOURCE, options)) {
        Ok(Ok(ptx)) => Ok(ptx.to_src()),
        Ok(Err(CompileError::CompileError { nvrtc, log, .. })) => {
            bail!("the kernels of the layers for {element}: {nvrtc:?}: {}", log.to_string_lossy())
        }
        Ok(Err(error)) => bail!("the kernels of the layers for {element}: {error}"),
        Err(_) => bail!("the kernels of the layers need NVRTC, a library of the CUDA toolkit, which was not found"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Needs the compiler, not a device.
    #[test]
    fn every_kernel_compiles_for_every_type() {
        for element in [f64::NAME, f32::NAME, f16::NAME, bf16::NAME] {
            let ptx = match compile(element) {
                Err(error) if error.to_string().contains("was not found") => {
                    eprintln!("skipped: {error}");
                    return;
                }
                ptx => ptx.expect("a source that compiles"),
            };
            let entries = ptx.lines().filter_map(|line| line.strip_prefix(".visible .entry ")?.strip_suffix('('));
            let mut found: Vec<&str> = entries.collect();
            found.sort_unstable();
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
            assert_eq!(found, expected, "{element}");
        }
    }
}
