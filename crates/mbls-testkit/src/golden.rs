//! Reads golden values: numbers that another implementation computed.
//!
//! The directory is `MBLS_GOLDEN_DIR`; without it, the project's own `fixtures/golden`. These
//! helpers serve tests alone and panic with the file's name where one cannot be read.

use candle_core::{DType, Device, Result, Tensor};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The directory of the golden files.
pub fn directory() -> PathBuf {
    match std::env::var_os("MBLS_GOLDEN_DIR") {
        Some(directory) => directory.into(),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden")),
    }
}

/// One JSON file of the golden directory.
pub fn json(name: &str) -> Value {
    json_of(&directory().join(name))
}

/// One JSON file of the project's `fixtures`.
pub fn fixture(name: &str) -> Value {
    json_of(&Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")).join(name))
}

/// One JSON file, of a golden directory or beside it.
pub fn json_of(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All tensors of one safetensors file of the golden directory, on the CPU.
pub fn tensors(name: &str) -> HashMap<String, Tensor> {
    tensors_of(&directory().join(name))
}

/// All tensors of one safetensors file, on the CPU.
pub fn tensors_of(path: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The name and shape of a tensor of a state, with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name of the case, as the file has it.
    pub name: String,
    /// The sizes of the axes; their product is the number of values.
    pub shape: Vec<usize>,
    /// Its type as PyTorch calls it.
    pub dtype: String,
}

/// Reads a list of `[name, shape, dtype]`.
pub fn keys(list: &Value) -> Vec<Key> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let one =
        |key: &Value| Key { name: text(&key[0]), shape: sizes(&key[1]), dtype: text(&key[2]) };
    list.as_array().expect("a list of keys").iter().map(one).collect()
}

/// The keys that PyTorch has for variables of these names and shapes: it counts the batches of
/// every batch norm, for which ours has no use.
pub fn with_counters(variables: impl IntoIterator<Item = (String, Vec<usize>)>) -> Vec<Key> {
    let mut keys = Vec::new();
    for (name, shape) in variables {
        let counter =
            name.strip_suffix("running_var").map(|norm| format!("{norm}num_batches_tracked"));
        keys.push(Key { name, shape, dtype: "float32".into() });
        keys.extend(counter.map(|name| Key { name, shape: Vec::new(), dtype: "int64".into() }));
    }
    keys
}

/// A list of sizes.
pub fn sizes(value: &Value) -> Vec<usize> {
    value
        .as_array()
        .expect("sizes")
        .iter()
        .map(|size| size.as_u64().expect("a size") as usize)
        .collect()
}

/// The largest difference, of tensors on any device.
///
/// # Errors
///
/// Where a device fails; other shapes panic.
pub fn gap(a: &Tensor, b: &Tensor) -> Result<f64> {
    assert_eq!(a.dims(), b.dims());
    let wide = |t: &Tensor| t.to_device(&Device::Cpu)?.to_dtype(DType::F64);
    (wide(a)? - wide(b)?)?.abs()?.max_all()?.to_scalar()
}
