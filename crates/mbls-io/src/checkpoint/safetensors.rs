//! The safetensors format: a JSON header with names, types, shapes and byte ranges, then the data.

use super::array::ElementType;
use super::values::{Id, Node, Parsed, Values};
use super::view::{Element, StorageRef, TensorRef};
use safetensors::{Dtype, SafeTensors};
use std::collections::{BTreeMap, HashMap};

/// Reads the tensors of the file as one dict. The `safetensors` crate checks that the tensors fill
/// the file without gaps or overlaps, and bounds the header.
pub(super) fn read(file: &[u8], limit: usize) -> Parsed<(Values, Id)> {
    let (header, metadata) = SafeTensors::read_metadata(file)
        .map_err(|e| format!("a truncated or damaged safetensors file: {e}"))?;
    let data = header + size_of::<u64>();
    let mut values = Values::new();
    let mut entries = Vec::new();
    let mut ranges = HashMap::new();
    let sorted: BTreeMap<_, _> = metadata.tensors().into_iter().collect();
    for (name, info) in sorted {
        let integer = |values: &mut Values, size: usize| {
            let size = i64::try_from(size)
                .map_err(|_| format!("tensor {name:?} has an axis of {size}"))?;
            values.add(Node::Int(size))
        };
        let mut strides = vec![1usize; info.shape.len()];
        for axis in (1..info.shape.len()).rev() {
            strides[axis - 1] =
                strides[axis].saturating_mul(info.shape[axis].max(1)).min(i64::MAX as usize);
        }
        let shape =
            info.shape.iter().map(|&size| integer(&mut values, size)).collect::<Parsed<_>>()?;
        let stride =
            strides.into_iter().map(|size| integer(&mut values, size)).collect::<Parsed<_>>()?;
        let (shape, stride) = (values.add(Node::Tuple(shape))?, values.add(Node::Tuple(stride))?);
        let key = values.add(Node::Str(name.as_str().into()))?;
        let (start, end) = info.data_offsets;
        ranges.insert(name, data + start..data + end);
        let length = info.shape.iter().product();
        values.add_storage(StorageRef::new(key, element(info.dtype), 0, length))?;
        let storage = (values.storages.len() - 1) as u32;
        let tensor =
            values.add_tensor(TensorRef { storage, offset: 0, shape, stride, marked: false })?;
        entries.push((key, tensor));
    }
    values.locate(limit, |key| Ok(ranges.get(key).cloned().unwrap_or_default()))?;
    let root = values.add(Node::Dict(entries))?;
    Ok((values, root))
}

fn element(dtype: Dtype) -> Element {
    match dtype {
        Dtype::F64 => Element::Known(ElementType::F64),
        Dtype::F32 => Element::Known(ElementType::F32),
        Dtype::F16 => Element::Known(ElementType::F16),
        Dtype::BF16 => Element::Known(ElementType::BF16),
        Dtype::I64 => Element::Known(ElementType::I64),
        Dtype::I32 => Element::Known(ElementType::I32),
        Dtype::I16 => Element::Known(ElementType::I16),
        Dtype::U32 => Element::Known(ElementType::U32),
        Dtype::U8 => Element::Known(ElementType::U8),
        Dtype::I8 => Element::Known(ElementType::I8),
        Dtype::BOOL => Element::Known(ElementType::Bool),
        other => Element::Unknown(other.bitsize() / 8),
    }
}
