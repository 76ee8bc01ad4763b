//! Files of `torch.save`, read by `mbls_io::checkpoint`, which runs no pickle.

use super::array::{Array, Layout};
use super::element::ElementType;
use super::storage::Storage;
use anyhow::{Context, Result, bail, ensure};
use mbls_io::checkpoint::{self, Checkpoint, Value};
use std::sync::Arc;

/// The first bytes of files that PyTorch wrote before version 1.6: a pickle of a magic number.
pub(crate) const LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// Reads the tensors of the file: one tensor, a dict of tensors by their keys, or a tuple or list of
/// tensors by their indices. The file is held in memory.
pub(crate) fn read(storage: &Storage) -> Result<Vec<(String, Array)>> {
    let length = usize::try_from(storage.len()).context("the file is too large")?;
    let checkpoint = Checkpoint::from_bytes(storage.head(length)?)?;
    let root = checkpoint.root();
    if root.is_tensor() {
        return Ok(vec![("tensor".to_owned(), array(&root)?)]);
    }
    let keyed = root.entries().filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value)));
    let listed = root.items().enumerate().map(|(index, value)| (index.to_string(), value));
    let mut arrays: Vec<(String, Array)> = Vec::new();
    for (name, value) in keyed.chain(listed).filter(|(_, value)| value.is_tensor()) {
        // A later entry of a dict replaces earlier ones.
        arrays.retain(|(other, _)| *other != name);
        let array = array(&value).with_context(|| format!("tensor {name:?}"))?;
        arrays.push((name, array));
    }
    ensure!(
        !arrays.is_empty(),
        "{root} without tensors: expected {{\"logits\": tensor, \"labels\": tensor}}; other \
         objects are never run"
    );
    Ok(arrays)
}

fn array(value: &Value<'_>) -> Result<Array> {
    let array = value.array()?;
    let layout = Layout {
        element: element(array.element)?,
        big_endian: false,
        fortran: false,
        shape: array.shape,
    };
    Array::new(Arc::new(Storage::Memory(array.bytes.into_owned())), 0, layout)
}

fn element(element: checkpoint::ElementType) -> Result<ElementType> {
    Ok(match element {
        checkpoint::ElementType::F64 => ElementType::F64,
        checkpoint::ElementType::F32 => ElementType::F32,
        checkpoint::ElementType::F16 => ElementType::F16,
        checkpoint::ElementType::BF16 => ElementType::Bf16,
        checkpoint::ElementType::I64 => ElementType::I64,
        checkpoint::ElementType::I32 => ElementType::I32,
        checkpoint::ElementType::I16 => ElementType::I16,
        checkpoint::ElementType::I8 => ElementType::I8,
        checkpoint::ElementType::U32 => ElementType::U32,
        checkpoint::ElementType::U8 => ElementType::U8,
        checkpoint::ElementType::Bool => ElementType::Bool,
        other => bail!("elements of type {other:?}: expected floating-point or integer numbers"),
    })
}
