//! The safetensors format: the length of a JSON header, the header, the data.

use super::array::{Array, Layout};
use super::element::ElementType;
use super::storage::Storage;
use anyhow::{Context, Result, ensure};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use std::sync::Arc;

/// The limit of the safetensors crate.
const LONGEST_HEADER: u64 = 100_000_000;

/// Returns whether the first bytes of a file of `length` bytes look like safetensors: the length of
/// a header that fits, then a brace.
pub(crate) fn is(head: &[u8], length: u64) -> bool {
    let Some((header, rest)) = head.split_first_chunk::<8>() else { return false };
    rest.first() == Some(&b'{')
        && u64::from_le_bytes(*header).saturating_add(8) <= length.max(LONGEST_HEADER)
}

/// Reads the header. Tensors of unsupported types are left out.
pub(crate) fn read(storage: &Arc<Storage>) -> Result<Vec<(String, Array)>> {
    let damaged = "a truncated or damaged safetensors file";
    let mut length = [0; 8];
    storage.read_at(0, &mut length)?;
    let header = u64::from_le_bytes(length);
    let end = header.saturating_add(8);
    ensure!(
        header <= LONGEST_HEADER && end <= storage.len(),
        "{damaged}: a header of {header} bytes in a file of {}",
        storage.len()
    );
    let head = storage.head(end as usize)?;
    // Reading `Metadata` checks that the tensors follow each other and have the sizes of their
    // shapes. The crate's own reader wants the whole file in memory.
    let metadata: Metadata = serde_json::from_slice(&head[8..]).context(damaged)?;
    let data = metadata.tensors().values().map(|info| info.data_offsets.1 as u64).max();
    ensure!(
        end.checked_add(data.unwrap_or_default()) == Some(storage.len()),
        "{damaged}: the tensors need {} bytes after byte {end}, and there are {}",
        data.unwrap_or_default(),
        storage.len() - end
    );
    let mut tensors: Vec<_> = metadata.tensors().into_iter().collect();
    tensors.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut arrays = Vec::new();
    for (name, info) in tensors {
        let Some(element) = element(info.dtype) else { continue };
        let layout =
            Layout { element, big_endian: false, fortran: false, shape: info.shape.clone() };
        let array = Array::new(Arc::clone(storage), end + info.data_offsets.0 as u64, layout);
        arrays.push((name.clone(), array.with_context(|| format!("tensor {name:?}"))?));
    }
    ensure!(!arrays.is_empty(), "no tensors of floating-point or integer numbers");
    Ok(arrays)
}

fn element(dtype: Dtype) -> Option<ElementType> {
    Some(match dtype {
        Dtype::F16 => ElementType::F16,
        Dtype::BF16 => ElementType::Bf16,
        Dtype::F32 => ElementType::F32,
        Dtype::F64 => ElementType::F64,
        Dtype::I8 => ElementType::I8,
        Dtype::I16 => ElementType::I16,
        Dtype::I32 => ElementType::I32,
        Dtype::I64 => ElementType::I64,
        Dtype::U8 => ElementType::U8,
        Dtype::U16 => ElementType::U16,
        Dtype::U32 => ElementType::U32,
        Dtype::U64 => ElementType::U64,
        Dtype::BOOL => ElementType::Bool,
        _ => return None,
    })
}
