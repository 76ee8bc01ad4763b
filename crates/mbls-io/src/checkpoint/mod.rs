//! Reads files of PyTorch and safetensors without running code and without a tensor library.
//!
//! ```no_run
//! use mbls_io::checkpoint::Checkpoint;
//!
//! let checkpoint = Checkpoint::read("network.pth".as_ref())?;
//! for (name, array) in checkpoint.arrays()? {
//!     println!("{name}: {:?} of {:?}", array.shape, array.element);
//! }
//! # Ok::<(), mbls_io::Error>(())
//! ```
//!
//! # What is read
//!
//! The content determines the format, not the file name:
//!
//! - files of `torch.save`: the zip archive used since version 1.6, and the older format; pickle
//!   protocols 2 to 5;
//! - safetensors.
//!
//! The weights may be the object itself or be one or two levels deep under a common key
//! (`state_dict`, `model`, ..). A file with no weights, or with two sets of them, is an error that
//! says what the file contains; [`Checkpoint::at`] then selects an entry.
//!
//! # What is not run
//!
//! A pickle is a program that may call any function. Here, names of classes and functions remain
//! names. Those that create tensors and common containers are interpreted. Every other call creates
//! an opaque object, which is allowed where no tensor is needed (optimizer state, a schedule,
//! arguments) and is otherwise an error that names it.
//!
//! # Limits
//!
//! Any input ends in a checkpoint or an error. In addition to the file itself, reading takes at
//! most 128 bytes per byte of pickle or header, for at most 4 million objects; a tensor, and all
//! weights together, take at most the size of the file plus 16 MiB. Not supported: big-endian
//! files, compressed archives, TorchScript, modules pickled whole, the `.tar` files of PyTorch
//! before 0.2, and complex, quantized and sparse tensors (each an error only if such a tensor is
//! needed). The checksums of an archive are verified; the other two formats have none, so a changed
//! weight in them is not detected.

mod archive;
mod array;
mod globals;
mod legacy;
mod pickle;
mod safetensors;
mod value;
mod values;
mod view;
mod weights;

pub use array::{Array, ElementType};
pub use value::{Key, Value};

use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use values::{Id, Parsed, Values};

/// Bytes by which a tensor may exceed the size of its file: broadcast tensors are stored once.
const SPARE: usize = 16 << 20;

/// The objects of a PyTorch or safetensors file; see [the module](self).
///
/// The file is kept in memory; a tensor is copied when it is requested.
pub struct Checkpoint {
    /// The path, for messages.
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
    /// [`Error::Io`] if the file cannot be read, [`Error::Checkpoint`] if it is empty, truncated,
    /// damaged or of another format.
    pub fn read(path: &Path) -> Result<Self> {
        let file = std::fs::read(path).map_err(Error::io("read", path))?;
        Self::named(path.display().to_string(), file)
    }

    /// Reads the content of a file from memory.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] as for [`read`](Self::read).
    pub fn from_bytes(file: impl Into<Vec<u8>>) -> Result<Self> {
        Self::named("checkpoint".into(), file.into())
    }

    /// Reads a single pickle from memory, such as `pickle.dump` of objects other than tensors writes,
    /// by the same machine: nothing is run.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if the pickle is damaged, of a protocol other than 2 to 5, refers to
    /// data outside of it, or is followed by anything.
    pub fn from_pickle(file: impl Into<Vec<u8>>) -> Result<Self> {
        let (file, name) = (file.into(), "pickle".to_owned());
        match parse_pickle(&file) {
            Ok((values, root)) => Ok(Self { name, file, values, root }),
            Err(problem) => Err(Error::Checkpoint { file: name, problem }),
        }
    }

    fn named(name: String, file: Vec<u8>) -> Result<Self> {
        match parse(&file) {
            Ok((values, root)) => Ok(Self { name, file, values, root }),
            Err(problem) => Err(Error::Checkpoint { file: name, problem }),
        }
    }

    /// Returns the object that was saved; for a safetensors file, the dict of its tensors.
    pub fn root(&self) -> Value<'_> {
        Value::new(self, self.root)
    }

    /// Replaces the root object by one of its entries, for weights under a key that is not searched
    /// or for a file with several sets of weights: `Checkpoint::read(path)?.at("teacher")?`.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if there is no such entry.
    pub fn at(mut self, key: &str) -> Result<Self> {
        let Some(root) = self.root().get(key).map(|value| value.id()) else {
            return Err(self.error(format!("no entry {key:?} in {}", self.root())));
        };
        self.root = root;
        Ok(self)
    }

    /// Returns the path that the checkpoint was read from, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the weights by their names in the file. A tensor with two names is read once.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if no weights or two sets of them are found, or if a tensor cannot be
    /// read.
    pub fn arrays(&self) -> Result<BTreeMap<String, Arc<Array<'_>>>> {
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
        f.debug_struct("Checkpoint")
            .field("name", &self.name)
            .field("root", &self.root())
            .finish_non_exhaustive()
    }
}

/// The maximum size of a tensor in bytes.
fn limit(file: &[u8]) -> usize {
    file.len().saturating_add(SPARE)
}

fn parse(file: &[u8]) -> Parsed<(Values, Id)> {
    let limit = limit(file);
    match file {
        [] => Err("the file is empty".into()),
        [b'P', b'K', 3, 4, ..] => archive::read(file, limit),
        // Tested before the pickles: the header size may begin with the same bytes, but a pickle's
        // ninth byte differs.
        [_, _, _, _, _, _, _, _, b'{', ..] => safetensors::read(file, limit),
        [0x80, 2..=5, ..] => legacy::read(file, limit),
        _ => Err(format!("{}, expected a file of torch.save or safetensors", kind(file))),
    }
}

fn parse_pickle(file: &[u8]) -> Parsed<(Values, Id)> {
    let mut values = Values::new();
    let (root, end) = pickle::read(file, 0, &mut values)?;
    if end != file.len() {
        return Err(format!(
            "{} bytes follow the pickle, which ends at byte {end}",
            file.len() - end
        ));
    }
    values.locate(limit(file), |key| Err(format!("storage {key:?} is not in the pickle")))?;
    Ok((values, root))
}

/// Describes a file of another format.
fn kind(file: &[u8]) -> String {
    let text = String::from_utf8_lossy(&file[..file.len().min(512)]).trim_start().to_lowercase();
    let begins = |with: &[u8]| file.starts_with(with);
    if text.starts_with("version https://git-lfs") {
        "a git-lfs pointer whose file was not fetched".into()
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
