//! Files of PyTorch and safetensors, read without running anything and without a tensor library.
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
//! The content decides, not the file's name:
//!
//! - files of `torch.save`: the zip archive that it writes since version 1.6, and the older format;
//!   pickle protocols 2 to 5;
//! - safetensors.
//!
//! The weights may be the object itself or lie one or two levels deep under a usual key
//! (`state_dict`, `model`, ..). A file in which no weights are found, or two sets of them,
//! is an error that says what it holds; [`Checkpoint::at`] then chooses.
//!
//! # What is not run
//!
//! A pickle is a program that may call any function. Here its names of classes and functions stay
//! names: those that make tensors and the usual containers have a meaning here, every other call
//! makes an opaque object, which may stand where no tensor is needed (an optimizer's state, a
//! schedule, arguments) and is otherwise an error that names it.
//!
//! # Limits
//!
//! Any bytes end in a checkpoint or an error. Beside the file itself, reading takes at most 128
//! bytes for each byte of pickle or header, for at most 4 million objects; a tensor, and all
//! weights together, at most the file's size and 16 MiB. Not read: big-endian files, compressed
//! archives, TorchScript, modules pickled whole, the `.tar` files of PyTorch before 0.2, and
//! complex, quantized and sparse tensors (each an error only where such a tensor is needed). An
//! archive's checksums are held against its content; the other two formats have none, so that a
//! changed weight in them cannot be noticed.

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

/// How much larger than its file a tensor may be: broadcast tensors are stored once.
const SPARE: usize = 16 << 20;

/// The objects of a file of PyTorch or safetensors; see [the module](self).
///
/// The file is kept in memory; a tensor is copied out of it when asked for.
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
    /// [`Error::Io`] where the file cannot be read, [`Error::Checkpoint`] where it is empty, cut
    /// off, damaged, or of another kind.
    pub fn read(path: &Path) -> Result<Self> {
        let file = std::fs::read(path).map_err(Error::io("read", path))?;
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

    /// The checkpoint with an entry of its object as the object, for weights under a key that is
    /// not looked for, or of several sets: `Checkpoint::read(path)?.at("teacher")?`.
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

    /// Returns the path that the checkpoint was read from, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the weights by the names that they have in the file. A tensor that has two names
    /// there is read once.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where no weights or two sets of them are found, and where one cannot
    /// be read.
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

/// How many bytes a tensor may take.
fn limit(file: &[u8]) -> usize {
    file.len().saturating_add(SPARE)
}

fn parse(file: &[u8]) -> Parsed<(Values, Id)> {
    let limit = limit(file);
    match file {
        [] => Err("the file is empty".into()),
        [b'P', b'K', 3, 4, ..] => archive::read(file, limit),
        // Before the pickles: the size of a header may begin as they do, but their ninth byte is
        // another.
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
