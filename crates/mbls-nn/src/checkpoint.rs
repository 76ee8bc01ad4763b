//! Weights of PyTorch and safetensors files as candle tensors.
//!
//! [`mbls_io::checkpoint`] documents the supported files, what is not executed, and the limits.
//! This example replaces a classifier and loads the rest:
//!
//! ```
//! use candle_core::{DType, Device};
//! use mbls_nn::{BatchNorm1d, Checkpoint, Fit, Linear, ParamStore};
//!
//! let network = |classes, seed| {
//!     let store = ParamStore::new(seed, DType::F32, &Device::Cpu);
//!     BatchNorm1d::new(3, store.var_builder().pp("bn"))?;
//!     Linear::new(3, classes, store.var_builder().pp("fc"))?;
//!     Ok::<_, mbls_nn::Error>(store)
//! };
//! // Of a file: Checkpoint::read("network.pth".as_ref())?
//! let checkpoint = Checkpoint::from_bytes(network(1000, 1)?.to_safetensors()?)?;
//! let report = network(10, 2)?.load(&checkpoint, Fit::Except(&["fc"]))?;
//! assert_eq!(report.loaded, ["bn.bias", "bn.running_mean", "bn.running_var", "bn.weight"]);
//! assert_eq!(
//!     report.to_string(),
//!     "4 loaded, 2 of another shape [fc.bias: shape [1000], expected [10], fc.weight: shape [1000, 3], expected [10, 3]]"
//! );
//! # Ok::<(), mbls_nn::Error>(())
//! ```
//!
//! Prefixes that wrappers add to the names are removed if more of the names then fit the network,
//! see [`ParamStore::load`](crate::ParamStore::load).
//!
//! # Types
//!
//! `f64`, `f32`, `f16`, `bf16`, `i64`, `i32`, `i16`, `u8` and (safetensors) `u32` keep their type;
//! `i8` becomes `i64`, bool becomes `u8` with values 0 and 1.
//! [`ParamStore::load`](crate::ParamStore::load) converts to the store's type.

pub use mbls_io::checkpoint::{Checkpoint, Key, Value};

use crate::{Result, wrapper};
use candle_core::{DType, Device, Tensor};
use mbls_io::checkpoint::{Array, ElementType};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The weights of a [`Checkpoint`] as tensors on the CPU, in the [types](self#types) of the file.
pub trait StateDict {
    /// Returns the weights by name.
    ///
    /// A prefix `module.` or `_orig_mod.` shared by all names (except the counters of an average,
    /// such as `n_averaged`) is removed, including nested ones.
    ///
    /// # Errors
    ///
    /// Same as [`Checkpoint::arrays`].
    fn state_dict(&self) -> Result<BTreeMap<String, Tensor>>;

    /// Returns the weights by name, without the wrapper prefix whose removal makes the most names
    /// `expected`, and that prefix (empty if there is none).
    ///
    /// For networks that are not built in a [`ParamStore`](crate::ParamStore), whose
    /// [`load`](crate::ParamStore::load) removes prefixes by the same rule.
    ///
    /// # Errors
    ///
    /// Same as [`Checkpoint::arrays`].
    fn state_dict_for(
        &self,
        expected: impl Fn(&str) -> bool,
    ) -> Result<(BTreeMap<String, Tensor>, String)>;
}

impl StateDict for Checkpoint {
    fn state_dict(&self) -> Result<BTreeMap<String, Tensor>> {
        let weights = weights(self)?;
        Ok(wrapper::without(&wrapper::common(&weights), weights))
    }

    fn state_dict_for(
        &self,
        expected: impl Fn(&str) -> bool,
    ) -> Result<(BTreeMap<String, Tensor>, String)> {
        let weights = weights(self)?;
        let prefix = wrapper::prefix(&weights, expected);
        Ok((wrapper::without(&prefix, weights), prefix))
    }
}

/// Conversion of a tensor of a [`Checkpoint`] to candle's.
pub trait ToTensor {
    /// Returns the tensor, on the CPU and in the [type](self#types) of the file.
    ///
    /// # Errors
    ///
    /// Same as [`Value::array`].
    fn tensor(&self) -> Result<Tensor>;
}

impl ToTensor for Value<'_> {
    fn tensor(&self) -> Result<Tensor> {
        Ok(tensor(&self.array()?)?)
    }
}

/// Returns the weights by their names in the file. Names that share one array there share one
/// tensor.
pub(crate) fn weights(checkpoint: &Checkpoint) -> Result<BTreeMap<String, Tensor>> {
    let mut tensors: HashMap<*const Array, Tensor> = HashMap::new();
    let mut weights = BTreeMap::new();
    for (name, array) in &checkpoint.arrays()? {
        let tensor = match tensors.get(&Arc::as_ptr(array)) {
            Some(tensor) => tensor.clone(),
            None => tensor(array)?,
        };
        tensors.insert(Arc::as_ptr(array), tensor.clone());
        weights.insert(name.clone(), tensor);
    }
    Ok(weights)
}

fn tensor(array: &Array) -> candle_core::Result<Tensor> {
    let Array { element, shape, bytes } = array;
    let dtype = match element {
        ElementType::F64 => DType::F64,
        ElementType::F32 => DType::F32,
        ElementType::F16 => DType::F16,
        ElementType::BF16 => DType::BF16,
        ElementType::I64 => DType::I64,
        ElementType::I32 => DType::I32,
        ElementType::I16 => DType::I16,
        ElementType::U32 => DType::U32,
        ElementType::U8 => DType::U8,
        ElementType::I8 => {
            let values: Vec<i64> = bytes.iter().map(|&byte| i64::from(byte as i8)).collect();
            return Tensor::from_vec(values, shape.as_slice(), &Device::Cpu);
        }
        ElementType::Bool => {
            let values: Vec<u8> = bytes.iter().map(|&byte| u8::from(byte != 0)).collect();
            return Tensor::from_vec(values, shape.as_slice(), &Device::Cpu);
        }
        other => candle_core::bail!("numbers of the type {other:?}, which candle lacks"),
    };
    Tensor::from_raw_buffer(bytes, dtype, shape, &Device::Cpu)
}
