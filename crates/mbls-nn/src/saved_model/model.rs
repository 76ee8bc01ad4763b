//! A trained network with its settings.

use super::files::{ModelSettings, Read, in_file, read, write};
use super::given::{build, own};
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// A trained network `M` with its settings `S` and its tensors, all in `f32`, saved in a folder and
/// read back.
///
/// See [the module](super) for an example and for its files.
pub struct SavedModel<S, M> {
    settings: S,
    tensors: BTreeMap<String, Tensor>,
    network: M,
    device: Device,
}

impl<S: ModelSettings, M> SavedModel<S, M> {
    /// Builds a network from the tensors of a training, as returned by
    /// [`ParamStore::state`](crate::ParamStore::state). They are copied, so further training does
    /// not change the model.
    ///
    /// # Errors
    ///
    /// [`mbls_io::Error::Value`] for settings that are not [valid](ModelSettings::validate), and
    /// for tensors that are missing, unexpected, of another shape, or not finite; any other error
    /// of `build`.
    pub fn new(
        settings: S,
        weights: &BTreeMap<String, Tensor>,
        device: &Device,
        network: impl FnOnce(&S, VarBuilder) -> Result<M>,
    ) -> Result<Self> {
        settings.validate()?;
        let tensors = own(weights, device)?;
        let network = build(&tensors, device, |vb| network(&settings, vb))?;
        Ok(Self { settings, tensors, network, device: device.clone() })
    }

    /// Writes the two files into `folder`, which is created if it does not exist. Each file is
    /// written atomically, the settings last.
    ///
    /// # Errors
    ///
    /// [`mbls_io::Error`] if a file cannot be written. A model that was there before is then either
    /// intact, or recognised as damaged when it is read.
    pub fn save(&self, folder: &Path) -> Result<()> {
        write(folder, &self.settings, &self.tensors)
    }

    /// Reads the model in `folder` and builds its network on `device`.
    ///
    /// # Errors
    ///
    /// [`mbls_io::Error`] for files that cannot be read, are truncated or modified, have another
    /// version or kind, or belong to two models, and for settings and tensors that do not fit one
    /// another or hold numbers that are not finite. The error names the file and the field.
    pub fn load(
        folder: &Path,
        device: &Device,
        network: impl FnOnce(&S, VarBuilder) -> Result<M>,
    ) -> Result<Self> {
        let Read { settings, tensors, tensors_file } = read::<S>(folder, device)?;
        let network =
            build(&tensors, device, |vb| network(&settings, vb)).map_err(|error| match error {
                Error::File(error) => in_file(&tensors_file, error).into(),
                other => other,
            })?;
        Ok(Self { settings, tensors, network, device: device.clone() })
    }
}

impl<S, M> SavedModel<S, M> {
    /// Returns the settings.
    pub fn settings(&self) -> &S {
        &self.settings
    }

    /// Returns the tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// Returns the network.
    pub fn network(&self) -> &M {
        &self.network
    }

    /// Returns the device of the network.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

/// Omits the network, which need not implement `Debug`.
impl<S: fmt::Debug, M> fmt::Debug for SavedModel<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, device, .. } = self;
        f.debug_struct("SavedModel")
            .field("settings", settings)
            .field("device", device)
            .finish_non_exhaustive()
    }
}
