//! Files of pretrained weights.

use crate::console::Console;
use anyhow::{Context, Result};
use mbls_io::Fingerprint;
use mbls_nn::checkpoint::StateDict;
use mbls_nn::{Checkpoint, ParamStore};
use mbls_seg::model::Network;
use mbls_vision::model::pretrained::{self, Head};
use std::path::{Path, PathBuf};

/// A PyTorch or safetensors checkpoint with the network's parameter names.
pub(crate) struct PretrainedFile {
    path: PathBuf,
    checkpoint: Checkpoint,
    digest: String,
}

impl PretrainedFile {
    /// Reads a checkpoint.
    ///
    /// # Errors
    ///
    /// If the file is missing or not a checkpoint.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)
            .with_context(|| format!("cannot read the weights {}", path.display()))?;
        let digest = format!("{:016x}", Fingerprint::of(&bytes).value());
        let checkpoint =
            Checkpoint::from_bytes(bytes).with_context(|| path.display().to_string())?;
        Ok(Self { path: path.to_owned(), checkpoint, digest })
    }

    /// Returns the 64-bit FNV-1a hash of the file, which is part of a run's identity.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Loads a network's weights. A classification layer `head` for another number of classes stays
    /// randomly initialised.
    ///
    /// # Errors
    ///
    /// If the checkpoint is of another network.
    pub(crate) fn load(&self, store: &ParamStore, head: &str, console: &Console) -> Result<()> {
        let report =
            pretrained::load(store, &self.checkpoint, head, Head::IfItFits).with_context(|| {
                format!("the weights {} do not fit the network", self.path.display())
            })?;
        console.say(&format!("{}: {report}", self.path.display()));
        Ok(())
    }

    /// Loads the weights of a segmentation network: all of them if the file contains a segmentation
    /// network, with the classification layer as in [`Self::load`]; only the encoder's if it
    /// contains an image classifier.
    ///
    /// # Errors
    ///
    /// If the checkpoint is of another network.
    pub(crate) fn load_segmentation(
        &self,
        store: &ParamStore,
        network: &Network,
        console: &Console,
    ) -> Result<()> {
        let context = || format!("the weights {} do not fit the network", self.path.display());
        let prefix = format!("{}.", network.encoder());
        // A wrapper may prepend its own prefix.
        let within =
            |name: &String| name.starts_with(&prefix) || name.contains(&format!(".{prefix}"));
        let whole = self.checkpoint.state_dict().with_context(context)?.keys().any(within);
        let report = if whole {
            network.load(store, &self.checkpoint, Head::IfItFits)
        } else {
            network.load_encoder(store, &self.checkpoint)
        };
        console.say(&format!("{}: {}", self.path.display(), report.with_context(context)?));
        Ok(())
    }
}
