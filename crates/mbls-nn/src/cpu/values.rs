//! Access to a tensor's numbers.

use candle_core::{CpuStorage, DType, Layout, Result, Storage, StorageRef, Tensor, WithDType, bail};

/// The types that these operations handle.
pub(crate) trait Float: WithDType {}

impl Float for f32 {}

impl Float for f64 {}

/// Whether the operations of this module handle a tensor.
pub(crate) fn supports(x: &Tensor) -> bool {
    x.device().is_cpu() && matches!(x.dtype(), DType::F32 | DType::F64)
}

/// Runs an expression with `$t` being `f32` or `f64`, as the type says.
macro_rules! for_float {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => candle_core::bail!("type {other:?}: the CPU operations handle f32 and f64"),
        }
    };
}
pub(super) use for_float;

/// The numbers of a contiguous tensor within its storage.
pub(super) fn stored<'a, T: Float>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => bail!("the CPU operations need contiguous tensors, got {layout:?}"),
    }
}

/// The numbers of a contiguous tensor whose storage is held.
pub(super) fn held<'a, T: Float>(held: &'a (StorageRef<'_>, &Layout)) -> Result<&'a [T]> {
    match &*held.0 {
        Storage::Cpu(storage) => stored(storage, held.1),
        _ => bail!("the CPU operations need tensors on the CPU"),
    }
}

/// The type of a storage.
pub(super) fn dtype(storage: &CpuStorage) -> DType {
    candle_core::backend::BackendStorage::dtype(storage)
}

/// Numbers as a storage.
pub(super) fn storage<T: Float>(values: Vec<T>) -> CpuStorage {
    T::to_cpu_storage_owned(values)
}

/// A number rounded to `T`.
pub(super) fn narrow<T: Float>(value: f64) -> T {
    T::from_f64(value)
}
