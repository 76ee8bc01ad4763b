//! Access to a tensor's numbers.

use crate::graph::Input;
use crate::parallel::each_chunk;
use candle_core::{DType, Layout, Result, Storage, StorageRef, Tensor, WithDType, bail};
use std::mem::MaybeUninit;

/// The types that these operations support.
pub(crate) trait Float: WithDType {}

impl Float for f32 {}

impl Float for f64 {}

/// Returns whether the operations of this module support a tensor.
pub(crate) fn supports(x: &Tensor) -> bool {
    x.device().is_cpu() && matches!(x.dtype(), DType::F32 | DType::F64)
}

/// Evaluates an expression with `$t` bound to `f32` or `f64`, depending on the type.
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

/// Returns the numbers of a contiguous tensor within its storage.
pub(super) fn stored<'a, T: Float>(input: &Input<'a>) -> Result<&'a [T]> {
    let Input { storage, layout } = *input;
    let Storage::Cpu(storage) = storage else {
        bail!("the CPU operations need tensors on the CPU")
    };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => bail!("the CPU operations need contiguous tensors, got {layout:?}"),
    }
}

/// Returns the numbers of a contiguous tensor whose storage is borrowed.
pub(super) fn held<'a, T: Float>(held: &'a (StorageRef<'_>, &Layout)) -> Result<&'a [T]> {
    stored(&Input { storage: &held.0, layout: held.1 })
}

/// Converts numbers to a storage.
pub(super) fn storage<T: Float>(values: Vec<T>) -> Storage {
    Storage::Cpu(T::to_cpu_storage_owned(values))
}

/// Rounds a number to `T`.
pub(super) fn narrow<T: Float>(value: f64) -> T {
    T::from_f64(value)
}

/// Returns `len` numbers written in chunks, in parallel. `write` gets the index of a chunk, and the
/// chunk filled with zeros.
///
/// A thread clears a chunk immediately before writing it, so that the zeros stay in its cache.
pub(super) fn written<T: Float>(
    len: usize,
    chunk: usize,
    write: &(dyn Fn(usize, &mut [T]) + Sync),
) -> Vec<T> {
    let mut values = Vec::with_capacity(len);
    each_chunk(&mut values.spare_capacity_mut()[..len], chunk, &|i, out| {
        out.fill(MaybeUninit::new(T::zero()));
        // SAFETY: the line above has initialised all of `out`, and `MaybeUninit<T>` has the same
        // layout as `T`.
        let out = unsafe { &mut *(std::ptr::from_mut(out) as *mut [T]) };
        write(i, out);
    });
    // SAFETY: the capacity is at least `len`, and the chunks, all of which have been initialised,
    // cover that many entries.
    unsafe { values.set_len(len) };
    values
}

pub(super) fn chunk<T>(values: &[T], size: usize, index: usize) -> &[T] {
    let start = index * size;
    &values[start..values.len().min(start + size)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also if an entry is left as it is.
    #[test]
    fn every_chunk_is_given_as_zeros_and_kept_as_written() {
        for len in [0, 1, 7, 8, 9, 29] {
            let values = written::<f32>(len, 8, &|i, out| {
                assert!(out.iter().all(|&v| v == 0.0));
                out.iter_mut().step_by(2).for_each(|v| *v = i as f32 + 1.0);
            });
            let expected: Vec<f32> = (0..len)
                .map(|at| if at % 8 % 2 == 0 { (at / 8) as f32 + 1.0 } else { 0.0 })
                .collect();
            assert_eq!(values, expected);
        }
    }
}
