//! Reads golden values: numbers that another implementation computed.
//!
//! The directory is `MBLS_GOLDEN_DIR`; without it, the project's own `fixtures/golden`. These helpers serve tests alone and
//! panic with the file's name where one cannot be read.

use candle_core::{Device, Tensor};
use std::collections::HashMap;
use std::path::PathBuf;

/// The directory of the golden files.
pub fn directory() -> PathBuf {
    match std::env::var_os("MBLS_GOLDEN_DIR") {
        Some(directory) => directory.into(),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden")),
    }
}

/// One JSON file of the golden directory.
pub fn json(name: &str) -> serde_json::Value {
    let path = directory().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All tensors of one safetensors file of the golden directory, on the CPU.
pub fn tensors(name: &str) -> HashMap<String, Tensor> {
    let path = directory().join(name);
    candle_core::safetensors::load(&path, &Device::Cpu).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
