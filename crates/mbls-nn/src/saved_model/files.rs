//! The files of a saved model.

use crate::Result;
use candle_core::{Device, Tensor};
use mbls_io::Error;
use mbls_io::file::{read_bounded, read_exact_size};
use safetensors::tensor::{Dtype, SafeTensors};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The version of the files that this program writes, and the only one that it reads.
pub const SCHEMA: u32 = 2;
/// The name of the settings file.
pub const SETTINGS_FILE: &str = "classifier.json";
/// The name of the tensors file.
pub const TENSORS_FILE: &str = "classifier.safetensors";

/// The maximum size of a settings file; a vocabulary of a million words takes 20 MiB.
const MAX_SETTINGS_BYTES: u64 = 256 << 20;

/// The settings of a saved model: everything but its tensors.
pub trait ModelSettings: Serialize + DeserializeOwned {
    /// The kind of model, such as `image-classifier`.
    const KIND: &'static str;

    /// Checks what deserialisation does not: whether the settings are consistent with one another.
    ///
    /// # Errors
    ///
    /// [`Error::Value`], which names the field.
    fn validate(&self) -> mbls_io::Result<()>;
}

/// The contents of the settings file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved<S> {
    schema: Schema,
    kind: String,
    tensors: Stored,
    settings: S,
}

/// The part of the settings file that all versions and kinds share.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "schema")]
    _schema: Schema,
    kind: String,
}

/// Size and checksum of the tensors file, which detect the file of another model.
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

/// Checked during deserialisation, so that a file of another version is not reported as one with
/// wrong fields.
#[derive(Serialize)]
#[serde(transparent)]
struct Schema(u32);

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            SCHEMA => Ok(Self(SCHEMA)),
            schema => Err(D::Error::custom(format_args!(
                "schema {schema}, of another version of this program: expected {SCHEMA}"
            ))),
        }
    }
}

/// Writes the two files of a model into `folder`, which is created if it does not exist.
pub(super) fn write<S: ModelSettings>(
    folder: &Path,
    settings: &S,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let [settings_file, tensors_file] = [SETTINGS_FILE, TENSORS_FILE].map(|name| folder.join(name));
    let content = safetensors::serialize(tensors, None)
        .map_err(|e| Error::value(TENSORS_FILE, "tensors that can be written", e))?;
    let saved = Saved {
        schema: Schema(SCHEMA),
        kind: S::KIND.to_owned(),
        tensors: Stored::of(&content),
        settings,
    };
    let mut text = serde_json::to_vec(&saved)
        .map_err(|e| Error::value(SETTINGS_FILE, "settings that can be written", e))?;
    text.push(b'\n');
    mbls_io::atomic::write(&tensors_file, &content)?;
    Ok(mbls_io::atomic::write(&settings_file, &text)?)
}

/// Returns the kind of model in `folder`, according to its settings.
///
/// # Errors
///
/// [`mbls_io::Error`] if the file cannot be read, is not a settings file or has another version.
pub fn kind(folder: &Path) -> Result<String> {
    let path = folder.join(SETTINGS_FILE);
    Ok(header(&path, &read_bounded(&path, MAX_SETTINGS_BYTES)?)?.kind)
}

/// The contents of a folder.
pub(super) struct Read<S> {
    pub(super) settings: S,
    pub(super) tensors: BTreeMap<String, Tensor>,
    /// The path of the tensors file, for errors.
    pub(super) tensors_file: PathBuf,
}

/// Reads and checks settings and tensors separately.
pub(super) fn read<S: ModelSettings>(folder: &Path, device: &Device) -> Result<Read<S>> {
    let [settings_file, tensors_file] = [SETTINGS_FILE, TENSORS_FILE].map(|name| folder.join(name));
    let content = read_bounded(&settings_file, MAX_SETTINGS_BYTES)?;
    let Header { kind, .. } = header(&settings_file, &content)?;
    if kind != S::KIND {
        return Err(Error::format(
            &settings_file,
            "kind",
            format!("{:?}", S::KIND),
            format!("{kind:?}"),
        )
        .into());
    }
    let Saved { tensors, settings, .. } =
        serde_json::from_slice::<Saved<S>>(&content).map_err(|e| {
            Error::format(&settings_file, "content", format!("the settings of a model ({kind})"), e)
        })?;
    settings.validate().map_err(|error| in_file(&settings_file, error))?;
    let content = read_exact_size(&tensors_file, tensors.bytes)?;
    let found = Stored::of(&content);
    if found != tensors {
        let expected = format!("{}, as {SETTINGS_FILE} says", tensors.crc32);
        return Err(Error::format(&tensors_file, "CRC-32", expected, found.crc32).into());
    }
    let tensors = read_tensors(&content, device).map_err(|error| in_file(&tensors_file, error))?;
    Ok(Read { settings, tensors, tensors_file })
}

fn header(path: &Path, content: &[u8]) -> mbls_io::Result<Header> {
    serde_json::from_slice(content)
        .map_err(|e| Error::format(path, "content", "the settings of a model", e))
}

/// Adds the file to an error about a value in it.
pub(super) fn in_file(path: &Path, error: Error) -> Error {
    match error {
        Error::Value { name, expected, found } => Error::format(path, name, expected, found),
        error => error,
    }
}

fn read_tensors(content: &[u8], device: &Device) -> mbls_io::Result<BTreeMap<String, Tensor>> {
    let file = SafeTensors::deserialize(content).map_err(|e| {
        Error::value(
            "content",
            "a safetensors file",
            format!("one that is cut off or damaged: {e}"),
        )
    })?;
    let one = |(name, view): (String, safetensors::tensor::TensorView)| {
        if view.dtype() != Dtype::F32 {
            return Err(Error::value(
                format!("tensor {name:?}"),
                "numbers of type F32",
                format!("{:?}", view.dtype()),
            ));
        }
        let (values, _) = view.data().as_chunks();
        let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let tensor = Tensor::from_vec(values, view.shape(), device);
        let tensor = tensor
            .map_err(|e| Error::value(format!("tensor {name:?}"), "numbers of its shape", e))?;
        Ok((name, tensor))
    };
    file.tensors().into_iter().map(one).collect()
}
