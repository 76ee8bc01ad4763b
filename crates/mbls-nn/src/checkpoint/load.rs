//! Checkpoints into a [`ParamStore`] and out of it.

use super::{Checkpoint, safetensors};
use crate::{Error, Fit, LoadReport, ParamStore, Result};

impl ParamStore {
    /// Sets the variables to a checkpoint's weights of the same names, converted to the store's type and device.
    ///
    /// The network has to be built before, for the store to know its variables. A prefix `module.` that all of the checkpoint's
    /// names have is left out, unless all of the store's have it too.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where no weights are found; [`Error::State`] where
    /// they do not fit as `fit` demands, or none fits. No variable has changed then.
    pub fn load(&self, checkpoint: &Checkpoint, fit: Fit) -> Result<LoadReport> {
        let names = self.state();
        let kept = |prefix: &str| !names.is_empty() && names.keys().all(|name| name.starts_with(prefix));
        self.fit_state(&checkpoint.name, &checkpoint.weights(kept)?, fit)
    }

    /// Parameters and buffers as a safetensors file with the same names.
    ///
    /// The bytes depend on names and values alone; write them with `std::fs::write`, or atomically.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] for a variable named `__metadata__`, which the format keeps for itself; also where a tensor cannot be
    /// copied from its device.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let state = self.state();
        if state.contains_key(safetensors::RESERVED) {
            let problem =
                format!("no tensor can have the name {}, which the format keeps for itself", safetensors::RESERVED);
            return Err(Error::Checkpoint { file: "safetensors".into(), problem });
        }
        Ok(safetensors::write(&state)?)
    }
}
