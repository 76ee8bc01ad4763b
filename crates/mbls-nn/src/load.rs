//! Checkpoints into a [`ParamStore`] and out of it.

use crate::checkpoint::{Checkpoint, weights};
use crate::{Error, Fit, LoadReport, ParamStore, Result};
use std::path::Path;

/// The name in the header of a safetensors file that means no tensor.
const RESERVED: &str = "__metadata__";

impl ParamStore {
    /// Sets the variables to a checkpoint's weights of the same names, converted to the store's
    /// type and device.
    ///
    /// The network has to be built before, for the store to know its variables.
    ///
    /// # Wrappers
    ///
    /// A prefix of the checkpoint's names is taken off where more of them are then names of the
    /// network: `module.` (`DataParallel`, `AveragedModel`), `_orig_mod.` (`torch.compile`),
    /// `model.`, `net.` and `encoder.` (attributes that hold the network), or several in one
    /// another such as `module._orig_mod.`. It stays where two tensors would get the same name.
    /// [`LoadReport::prefix`] says what was taken off, and all names in the report are without it.
    ///
    /// What wrappers save beside the weights, such as the `n_averaged` of an average, is unexpected
    /// but never refused.
    ///
    /// # Errors
    ///
    /// [`mbls_io::Error::Checkpoint`] where no weights are found; [`Error::State`] where
    /// they do not fit as `fit` demands, or none fits. No variable has changed then.
    pub fn load(&self, checkpoint: &Checkpoint, fit: Fit) -> Result<LoadReport> {
        self.fit_part("", checkpoint.name(), weights(checkpoint)?, fit)
    }

    /// As [`load`](Self::load), for the variables of the network's part `part` alone, whose names
    /// in the checkpoint are those without `part` and its point: an encoder
    /// `encoder.conv1.weight` from a file that has `conv1.weight`.
    ///
    /// The report and `fit` name what the checkpoint names.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where the network has no such part; otherwise as [`load`](Self::load).
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use mbls_nn::{BatchNorm2d, Checkpoint, Fit, Linear, ParamStore};
    ///
    /// let store = || ParamStore::new(1, DType::F32, &Device::Cpu);
    /// let (classifier, network) = (store(), store());
    /// BatchNorm2d::new(2, classifier.var_builder().pp("bn"))?;
    /// Linear::new(2, 3, classifier.var_builder().pp("fc"))?;
    /// BatchNorm2d::new(2, network.var_builder().pp("encoder.bn"))?;
    /// let checkpoint = Checkpoint::from_bytes(classifier.to_safetensors()?)?;
    /// let report = network.load_part("encoder", &checkpoint, Fit::Except(&["fc"]))?;
    /// assert_eq!((report.loaded.len(), report.unexpected), (4, vec!["fc.bias".into(), "fc.weight".into()]));
    /// # Ok::<(), mbls_nn::Error>(())
    /// ```
    pub fn load_part(&self, part: &str, checkpoint: &Checkpoint, fit: Fit) -> Result<LoadReport> {
        let prefix = format!("{part}.");
        if !self.names().iter().any(|name| name.starts_with(&prefix)) {
            let expected = "the name of a part of the network";
            return Err(Error::Setting { name: "part", value: part.to_owned(), expected });
        }
        self.fit_part(&prefix, checkpoint.name(), weights(checkpoint)?, fit)
    }

    /// Writes parameters and buffers to a safetensors file, which [`Checkpoint::read`] and
    /// PyTorch's `safetensors` read: whole or not at all, as [`mbls_io::atomic::write`] says.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where a step of the writing fails, and [`mbls_io::Error::Checkpoint`] as for
    /// [`to_safetensors`](Self::to_safetensors); what was at `path` is intact.
    ///
    /// ```no_run
    /// use candle_core::{DType, Device};
    /// use mbls_nn::{Checkpoint, Fit, Linear, ParamStore};
    ///
    /// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
    /// let layer = Linear::new(3, 2, store.var_builder().pp("fc"))?;
    /// store.save("network.safetensors".as_ref())?;
    /// store.load(&Checkpoint::read("network.safetensors".as_ref())?, Fit::Strict)?;
    /// # Ok::<(), mbls_nn::Error>(())
    /// ```
    pub fn save(&self, path: &Path) -> Result<()> {
        Ok(mbls_io::atomic::write(path, &self.to_safetensors()?)?)
    }

    /// Parameters and buffers as a safetensors file with the same names.
    ///
    /// The bytes depend on names and values alone.
    ///
    /// # Errors
    ///
    /// [`mbls_io::Error::Checkpoint`] for a variable named `__metadata__`, which the format keeps
    /// for itself; also where a tensor cannot be copied from its device.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let state = self.state();
        if state.contains_key(RESERVED) {
            let problem = format!(
                "no tensor can have the name {RESERVED}, which the format keeps for itself"
            );
            return Err(mbls_io::Error::Checkpoint { file: "safetensors".into(), problem }.into());
        }
        Ok(safetensors::serialize(&state, None).map_err(candle_core::Error::from)?)
    }
}
