//! Reads golden values: numbers computed by another implementation.
//!
//! The directory is `MBLS_GOLDEN_DIR`, by default the project's `fixtures/golden`. These helpers
//! are for tests only and panic with the file's name if it cannot be read.

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

/// Reads one JSON file of the golden directory.
pub fn json(name: &str) -> Value {
    json_of(&directory().join(name))
}

/// Reads one JSON file of the project's `fixtures`.
pub fn fixture(name: &str) -> Value {
    json_of(&Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")).join(name))
}

/// Reads one JSON file.
pub fn json_of(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Reads all tensors of one safetensors file of the golden directory, on the CPU.
pub fn tensors(name: &str) -> HashMap<String, Tensor> {
    tensors_of(&directory().join(name))
}

/// Reads all tensors of one safetensors file, on the CPU.
pub fn tensors_of(path: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The name, shape and type of a tensor of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name in the file.
    pub name: String,
    /// The sizes of the axes; their product is the number of values.
    pub shape: Vec<usize>,
    /// The type, as PyTorch names it.
    pub dtype: String,
}

/// Reads a list of `[name, shape, dtype]`.
pub fn keys(list: &Value) -> Vec<Key> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let one =
        |key: &Value| Key { name: text(&key[0]), shape: sizes(&key[1]), dtype: text(&key[2]) };
    list.as_array().expect("a list of keys").iter().map(one).collect()
}

/// Returns the keys that PyTorch has for variables of these names and shapes: it also counts the
/// batches of every batch norm, which this project does not.
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

/// Reads a list of sizes.
pub fn sizes(value: &Value) -> Vec<usize> {
    value
        .as_array()
        .expect("sizes")
        .iter()
        .map(|size| size.as_u64().expect("a size") as usize)
        .collect()
}

/// Returns the largest absolute difference of two tensors on any device.
///
/// # Errors
///
/// Returns the errors of the device. Panics if the shapes differ.
pub fn gap(a: &Tensor, b: &Tensor) -> Result<f64> {
    assert_eq!(a.dims(), b.dims());
    let wide = |t: &Tensor| t.to_device(&Device::Cpu)?.to_dtype(DType::F64);
    (wide(a)? - wide(b)?)?.abs()?.max_all()?.to_scalar()
}
