//! Weights from and to files of PyTorch and safetensors.
//!
//! Where a classifier is replaced, the rest is loaded:
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
//! # What is read
//!
//! The content decides, not the file's name:
//!
//! - files of `torch.save`: the zip archive that it writes since version 1.6, and the older format; pickle protocols 2 to 5;
//! - safetensors.
//!
//! The weights may be the object itself or lie one or two levels deep under a usual key
//! (`state_dict`, `model`, ..). What wrappers put before the names is taken off where more of them
//! then fit the network, as [`ParamStore::load`](crate::ParamStore::load) says. A file in which no
//! weights are found, or two sets of them, is an error that says what it holds; [`Checkpoint::at`]
//! then chooses.
//!
//! # What is not run
//!
//! A pickle is a program that may call any function. Here its names of classes and functions stay names: those that make
//! tensors and the usual containers have a meaning here, every other call makes an opaque object, which may stand where no
//! tensor is needed (an optimizer's state, a schedule, arguments) and is otherwise an error that names it.
//!
//! # Limits
//!
//! Any bytes end in a checkpoint or an error. Beside the file itself, reading takes at most 128 bytes for each byte of pickle or
//! header, for at most 4 million objects; a tensor, and all weights together, at most the file's size and 16 MiB. Not read:
//! big-endian files, compressed archives, TorchScript, modules pickled whole, the `.tar` files of PyTorch before 0.2, and
//! complex, quantized and sparse tensors (each an error only where such a tensor is needed). An archive's checksums are held
//! against its content; the other two formats have none, so that a changed weight in them cannot be noticed.

mod archive;
mod globals;
mod legacy;
mod load;
mod pickle;
mod safetensors;
mod value;
mod values;
mod view;
mod weights;

pub use value::{Key, Value};

use crate::{Error, Result, wrapper};
use candle_core::Tensor;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use values::{Id, Parsed, Values};

/// How much larger than its file a tensor may be: broadcast tensors are stored once.
const SPARE: usize = 16 << 20;

/// The objects of a file of PyTorch or safetensors; see [the module](self).
///
/// The file is kept in memory; a tensor is copied out of it when asked for.
///
/// # Types
///
/// `f64`, `f32`, `f16`, `bf16`, `i64`, `i32`, `i16`, `u8` and (safetensors) `u32` stay what they are; `i8` becomes `i64`, bool
/// becomes `u8` of 0 and 1. [`ParamStore::load`](crate::ParamStore::load) converts to the store's type.
pub struct Checkpoint {
    /// Its path, for messages.
    name: String,
    file: Vec<u8>,
    values: Values,
    root: Id,
}

impl Checkpoint {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the file cannot be read, [`Error::Checkpoint`] where it is empty, cut off, damaged, or of another kind.
    pub fn read(path: &Path) -> Result<Self> {
        let file = std::fs::read(path).map_err(mbls_io::Error::io("read", path))?;
        Self::named(path.display().to_string(), file)
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] as for [`read`](Self::read).
    pub fn from_bytes(file: impl Into<Vec<u8>>) -> Result<Self> {
        Self::named("checkpoint".into(), file.into())
    }

    fn named(name: String, file: Vec<u8>) -> Result<Self> {
        match parse(&file) {
            Ok((values, root)) => Ok(Self { name, file, values, root }),
            Err(problem) => Err(Error::Checkpoint { file: name, problem }),
        }
    }

    /// The object that was saved; of a safetensors file, the dict of its tensors.
    pub fn root(&self) -> Value<'_> {
        Value::new(self, self.root)
    }

    /// The checkpoint with an entry of its object as the object, for weights under a key that is not looked for, or of several sets:
    /// `Checkpoint::read(path)?.at("teacher")?`.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where there is no such entry.
    pub fn at(mut self, key: &str) -> Result<Self> {
        let Some(root) = self.root().get(key).map(|value| value.id()) else {
            return Err(self.error(format!("no entry {key:?} in {}", self.root())));
        };
        self.root = root;
        Ok(self)
    }

    /// The weights by name, on the CPU and in the [types](#types) of the file.
    ///
    /// A prefix `module.` or `_orig_mod.` that all names have (but for the counts of an average,
    /// such as `n_averaged`) is left out, and so is one within the other.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where no weights or two sets of them are found, and where one cannot be read.
    pub fn state_dict(&self) -> Result<BTreeMap<String, Tensor>> {
        let weights = self.weights()?;
        Ok(wrapper::without(&wrapper::common(&weights), weights))
    }

    /// Returns the weights by name as [`state_dict`](Self::state_dict) does, without the prefix of
    /// wrappers that makes the most names `expected`, and that prefix (empty where none does).
    ///
    /// For networks that are not built in a [`ParamStore`](crate::ParamStore), whose
    /// [`load`](crate::ParamStore::load) takes prefixes off by the same rule.
    ///
    /// # Errors
    ///
    /// As [`state_dict`](Self::state_dict).
    pub fn state_dict_for(&self, expected: impl Fn(&str) -> bool) -> Result<(BTreeMap<String, Tensor>, String)> {
        let weights = self.weights()?;
        let prefix = wrapper::prefix(&weights, expected);
        Ok((wrapper::without(&prefix, weights), prefix))
    }

    /// The weights by the names that they have in the file.
    fn weights(&self) -> Result<BTreeMap<String, Tensor>> {
        let weights = weights::find(&self.values, self.root)
            .and_then(|weights| weights::read(&self.values, &weights, self.limit(), &self.file));
        weights.map_err(|problem| self.error(problem))
    }

    fn limit(&self) -> usize {
        limit(&self.file)
    }

    fn error(&self, problem: String) -> Error {
        Error::Checkpoint { file: self.name.clone(), problem }
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint").field("name", &self.name).field("root", &self.root()).finish_non_exhaustive()
    }
}

/// How many bytes a tensor may take.
fn limit(file: &[u8]) -> usize {
    file.len().saturating_add(SPARE)
}

fn parse(file: &[u8]) -> Parsed<(Values, Id)> {
    let limit = limit(file);
    match file {
        [] => Err("the file is empty".into()),
        [b'P', b'K', 3, 4, ..] => archive::read(file, limit),
        // Before the pickles: the size of a header may begin as they do, but their ninth byte is another.
        [_, _, _, _, _, _, _, _, b'{', ..] => safetensors::read(file, limit),
        [0x80, 2..=5, ..] => legacy::read(file, limit),
        _ => Err(format!("{}, expected a file of torch.save or safetensors", kind(file))),
    }
}

/// What a file of another kind looks like.
fn kind(file: &[u8]) -> String {
    let text = String::from_utf8_lossy(&file[..file.len().min(512)]).trim_start().to_lowercase();
    let begins = |with: &[u8]| file.starts_with(with);
    if text.starts_with("version https://git-lfs") {
        "a pointer of git-lfs, whose file was not fetched".into()
    } else if text.starts_with("<!doctype html") || text.starts_with("<html") {
        "a web page".into()
    } else if begins(&[0x1f, 0x8b]) {
        "a gzip archive".into()
    } else if file.get(257..262) == Some(b"ustar") {
        "a tar archive".into()
    } else if begins(b"\x89HDF") {
        "an HDF5 file".into()
    } else {
        format!("a file that begins with the bytes {:02x?}", &file[..file.len().min(8)])
    }
}
