//! A file of weights that training starts from.

use crate::console::Console;
use anyhow::{Context, Result};
use mbls_io::Fingerprint;
use mbls_nn::checkpoint::StateDict;
use mbls_nn::{Checkpoint, ParamStore};
use mbls_seg::model::Network;
use mbls_vision::model::pretrained::{self, Head};
use std::path::{Path, PathBuf};

/// A checkpoint of PyTorch or safetensors with the network's parameter names.
pub(crate) struct PretrainedFile {
    path: PathBuf,
    checkpoint: Checkpoint,
    digest: String,
}

impl PretrainedFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A file that is missing or no checkpoint.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)
            .with_context(|| format!("cannot read the weights {}", path.display()))?;
        let digest = format!("{:016x}", Fingerprint::of(&bytes).value());
        let checkpoint =
            Checkpoint::from_bytes(bytes).with_context(|| path.display().to_string())?;
        Ok(Self { path: path.to_owned(), checkpoint, digest })
    }

    /// The 64-bit FNV-1a hash of the file, to tell trainings apart.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Sets a network's weights, but for a classifier `head` of another number of classes, which
    /// stays as initialised.
    ///
    /// # Errors
    ///
    /// A checkpoint of another network.
    pub(crate) fn load(&self, store: &ParamStore, head: &str, console: &Console) -> Result<()> {
        let report =
            pretrained::load(store, &self.checkpoint, head, Head::IfItFits).with_context(|| {
                format!("the weights {} do not fit the network", self.path.display())
            })?;
        console.say(&format!("{}: {report}", self.path.display()));
        Ok(())
    }

    /// Sets the weights of a segmentation network: all of them where the file has one of that
    /// origin, with the classifier as in [`Self::load`]; those of its encoder where it has a
    /// classifier of images.
    ///
    /// # Errors
    ///
    /// A checkpoint of another network.
    pub(crate) fn load_segmentation(
        &self,
        store: &ParamStore,
        network: &Network,
        console: &Console,
    ) -> Result<()> {
        let context = || format!("the weights {} do not fit the network", self.path.display());
        let prefix = format!("{}.", network.encoder());
        // Behind a wrapper's prefix too.
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
