//! Loading checkpoints into a [`ParamStore`] and saving them from it.

use crate::checkpoint::{Checkpoint, weights};
use crate::{Error, Fit, LoadReport, ParamStore, Result};
use std::path::Path;

/// The entry in the header of a safetensors file that is not a tensor.
const RESERVED: &str = "__metadata__";

impl ParamStore {
    /// Sets the variables to the weights with the same names in a checkpoint, converted to the
    /// store's type and device.
    ///
    /// Build the network first, so that the store knows its variables.
    ///
    /// # Wrappers
    ///
    /// A prefix of the checkpoint's names is removed if more of them then match names of the
    /// network: `module.` (`DataParallel`, `AveragedModel`), `_orig_mod.` (`torch.compile`),
    /// `model.`, `net.` and `encoder.` (attributes that hold the network), or several nested ones
    /// such as `module._orig_mod.`. It is kept if two tensors would get the same name.
    /// [`LoadReport::prefix`] is the removed prefix, and the names in the report do not include it.
    ///
    /// Other tensors that wrappers save with the weights, such as the `n_averaged` of an average,
    /// are unexpected but never an error.
    ///
    /// # Errors
    ///
    /// [`mbls_io::Error::Checkpoint`] if no weights are found; [`Error::State`] if they do not fit
    /// as `fit` requires, or none fits. In these cases no variable has changed.
    pub fn load(&self, checkpoint: &Checkpoint, fit: Fit) -> Result<LoadReport> {
        self.fit_part("", checkpoint.name(), weights(checkpoint)?, fit)
    }

    /// Same as [`load`](Self::load), but only for the variables of the network's part `part`. Their
    /// names in the checkpoint do not include `part` and its dot: an encoder `encoder.conv1.weight`
    /// is loaded from a file that has `conv1.weight`.
    ///
    /// The report and `fit` use the names in the checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if the network has no such part; otherwise as [`load`](Self::load).
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
    /// assert_eq!(
    ///     (report.loaded.len(), report.unexpected),
    ///     (4, vec!["fc.bias".into(), "fc.weight".into()])
    /// );
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
    /// PyTorch's `safetensors` read. The file is written atomically, see
    /// [`mbls_io::atomic::write`].
    ///
    /// # Errors
    ///
    /// [`Error::File`] if writing fails, and [`mbls_io::Error::Checkpoint`] as for
    /// [`to_safetensors`](Self::to_safetensors). In both cases a previous file at `path` is intact.
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

    /// Returns parameters and buffers as a safetensors file with the same names.
    ///
    /// The bytes depend on names and values alone.
    ///
    /// # Errors
    ///
    /// [`mbls_io::Error::Checkpoint`] for a variable named `__metadata__`, which the format
    /// reserves, and if a tensor cannot be copied from its device.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let state = self.state();
        if state.contains_key(RESERVED) {
            let problem =
                format!("no tensor can have the name {RESERVED}, which the format reserves");
            return Err(mbls_io::Error::Checkpoint { file: "safetensors".into(), problem }.into());
        }
        Ok(safetensors::serialize(&state, None).map_err(candle_core::Error::from)?)
    }
}
