//! Treats the input as a checkpoint: whatever is read without an error can be inspected, loaded,
//! saved and read again.
//!
//! The seeds are the tests' files, `fixtures/checkpoints`.

#![no_main]

use candle_core::{DType, Device, Tensor};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mbls_nn::checkpoint::{StateDict, ToTensor, Value};
use mbls_nn::{Checkpoint, Fit, ParamStore};

/// Inspects an object and its contents to a depth of two levels.
fn look(value: Value, depth: usize) {
    let _ = (value.to_string(), value.class(), value.as_f64(), value.as_str());
    if value.is_tensor() {
        let _ = value.tensor();
    }
    if depth > 0 {
        for (key, inner) in value.entries().take(64) {
            look(key, 0);
            look(inner, depth - 1);
        }
        value.items().take(64).for_each(|inner| look(inner, depth - 1));
    }
}

/// Returns whether a tensor has negative integers, which no variable accepts.
fn counts_nothing(tensor: &Tensor) -> bool {
    let numbers = || tensor.to_dtype(DType::I64)?.flatten_all()?.to_vec1::<i64>();
    !tensor.dtype().is_float() && numbers().expect("integers").iter().any(|&number| number < 0)
}

fuzz_target!(|file: &[u8]| {
    let Ok(checkpoint) = Checkpoint::from_bytes(file) else { return };
    look(checkpoint.root(), 2);
    let Ok(weights) = checkpoint.state_dict() else { return };
    if weights.values().map(|tensor| tensor.elem_count()).sum::<usize>() > 1 << 16 {
        return;
    }
    let store = ParamStore::new(0, DType::F64, &Device::Cpu);
    for (name, tensor) in &weights {
        // Integer tensors only fit variables that count something.
        let dtype = if tensor.dtype().is_float() { DType::F64 } else { DType::I64 };
        store.var_builder().to_dtype(dtype).get(tensor.dims(), name).expect("a variable");
    }
    let report = match store.load(&checkpoint, Fit::Strict) {
        Ok(report) => report,
        Err(error) => return assert!(weights.values().any(counts_nothing), "{error}"),
    };
    assert_eq!(report.loaded.len(), store.state().len());
    let Ok(saved) = store.to_safetensors() else {
        assert!(weights.contains_key("__metadata__"), "weights that were read can be saved");
        return;
    };
    let again = Checkpoint::from_bytes(&saved[..]).expect("weights that were saved can be read");
    let report = store.load(&again, Fit::Strict).expect("the same names");
    assert_eq!(report.loaded.len(), store.state().len());
    assert_eq!(store.to_safetensors().expect("the same weights"), saved);
});

/// Computes the CRC-32 checksum of zip archives.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// Corrects the checksums of a zip archive, so that mutations of its content pass the checks.
fn mend(file: &mut [u8]) -> Option<()> {
    let field = |file: &[u8], at: usize, length: usize| {
        let bytes = file.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0usize, |value, &byte| value << 8 | usize::from(byte)))
    };
    let mut at = file.windows(4).position(|bytes| bytes == b"PK\x01\x02")?;
    while file.get(at..at + 4)? == b"PK\x01\x02" {
        let (size, local) = (field(file, at + 20, 4)?, field(file, at + 42, 4)?);
        let data = local + 30 + field(file, local + 26, 2)? + field(file, local + 28, 2)?;
        let sum = crc(file.get(data..data + size)?);
        file[at + 16..at + 20].copy_from_slice(&sum.to_le_bytes());
        at += 46 + field(file, at + 28, 2)? + field(file, at + 30, 2)? + field(file, at + 32, 2)?;
    }
    Some(())
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if !seed.is_multiple_of(4) {
        mend(&mut data[..size]);
    }
    size
});
