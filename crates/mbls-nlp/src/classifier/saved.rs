//! The files of a classifier.

use super::{CalibratedClassifier, ClassifierSettings};
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use mbls_io::file::{read_bounded, read_exact_size};
use safetensors::tensor::{Dtype, SafeTensors};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The version of the files that this program writes, and the only one that it reads.
pub const SCHEMA: u32 = 1;
/// The name of the file of settings.
pub const SETTINGS_FILE: &str = "classifier.json";
/// The name of the file of tensors.
pub const TENSORS_FILE: &str = "classifier.safetensors";

/// The largest file of settings that is read; a million words take 20 MiB.
const MAX_SETTINGS_BYTES: u64 = 256 << 20;

/// The file of settings.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved<S> {
    schema: Schema,
    tensors: Stored,
    settings: S,
}

/// What tells the file of tensors from that of another classifier.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    bytes: u64,
    /// In hexadecimal.
    crc32: String,
}

impl Stored {
    fn of(content: &[u8]) -> Self {
        Self { bytes: content.len() as u64, crc32: format!("{:08x}", crc32fast::hash(content)) }
    }
}

/// Checked as it is read, so that a file of another version is not reported as one with wrong fields.
#[derive(Serialize)]
#[serde(transparent)]
struct Schema(u32);

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            SCHEMA => Ok(Self(SCHEMA)),
            schema => Err(D::Error::custom(format_args!("schema {schema}: expected {SCHEMA}"))),
        }
    }
}

impl CalibratedClassifier {
    /// Writes its two files into `folder`, which is made where it is missing: each whole or not at all, that of the settings last.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written. A classifier that was there before is then either intact, or recognised as damaged when it is read.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let tensors = safetensors::serialize(&self.tensors, None).map_err(|e| Error::Other(e.into()))?;
        let saved = Saved { schema: Schema(SCHEMA), tensors: Stored::of(&tensors), settings: &self.settings };
        let mut settings = serde_json::to_vec(&saved).map_err(|e| Error::Other(e.into()))?;
        settings.push(b'\n');
        let write = |name: &str, content: &[u8]| {
            mbls_io::atomic::write(&folder.join(name), content).map_err(|e| Error::Other(e.into()))
        };
        write(TENSORS_FILE, &tensors)?;
        write(SETTINGS_FILE, &settings)
    }

    /// Reads the classifier in `folder`, to compute on `device`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](mbls_io::Error::Io) for files that cannot be read; [`Error::FileSize`](mbls_io::Error::FileSize), [`Error::TooLarge`](mbls_io::Error::TooLarge) and [`Error::Format`](mbls_io::Error::Format) for files that were cut off or changed, are
    /// of another version or of two classifiers, and for settings and tensors that do not fit one another or hold numbers that are not finite. The
    /// file and the field are named.
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let [settings_file, tensors_file] = [SETTINGS_FILE, TENSORS_FILE].map(|name| folder.as_ref().join(name));
        let content = read_bounded(&settings_file, MAX_SETTINGS_BYTES)?;
        let Saved { tensors, settings, .. } = serde_json::from_slice::<Saved<ClassifierSettings>>(&content)
            .map_err(|e| Error::format(&settings_file, "content", "the settings of a classifier", e))?;
        settings.validate().map_err(in_file(&settings_file))?;
        let content = read_exact_size(&tensors_file, tensors.bytes)?;
        let found = Stored::of(&content);
        if found != tensors {
            let expected = format!("{}, as {SETTINGS_FILE} says", tensors.crc32);
            return Err(Error::format(&tensors_file, "CRC-32", expected, found.crc32));
        }
        let tensors = read_tensors(&content, device).map_err(in_file(&tensors_file))?;
        drop(content);
        Self::of_tensors(settings, tensors, device).map_err(in_file(&tensors_file))
    }
}

/// Names the file that a value is of.
fn in_file(path: &Path) -> impl Fn(Error) -> Error {
    move |error| match error {
        Error::Input(mbls_io::Error::Value { name, expected, found }) => Error::format(path, name, expected, found),
        error => error,
    }
}

fn read_tensors(content: &[u8], device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let file = SafeTensors::deserialize(content)
        .map_err(|e| Error::value("content", "a safetensors file", format!("one that is cut off or damaged: {e}")))?;
    let one = |(name, view): (String, safetensors::tensor::TensorView)| {
        if view.dtype() != Dtype::F32 {
            return Err(Error::value(format!("tensor {name:?}"), "numbers of type F32", format!("{:?}", view.dtype())));
        }
        let (values, _) = view.data().as_chunks();
        let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let tensor = Tensor::from_vec(values, view.shape(), device);
        let tensor = tensor.map_err(|e| Error::value(format!("tensor {name:?}"), "numbers of its shape", e))?;
        Ok((name, tensor))
    };
    file.tensors().into_iter().map(one).collect()
}
