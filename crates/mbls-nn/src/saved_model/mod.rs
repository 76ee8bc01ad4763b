//! A trained network in a folder, with everything that is needed to use it.
//!
//! There are two files. `classifier.safetensors` holds the tensors, all in `f32`. `classifier.json`
//! holds the settings, the kind of model, the version of the layout, and size and CRC-32 of the
//! tensors file. The settings are written last: a folder without them has no model, and if saving
//! over an older model was interrupted, the checksum shows that the files do not belong together.
//!
//! Both files are treated as untrusted input. Claimed sizes allocate no memory: a network is built
//! from the tensors in the file, each with the shape that its layer requests.
//!
//! ```
//! use candle_core::{DType, Device};
//! use mbls_nn::saved_model::{self, ModelSettings, SavedModel};
//! use mbls_nn::{Linear, ParamStore};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     classes: usize,
//! }
//!
//! impl ModelSettings for Settings {
//!     const KIND: &'static str = "linear-model";
//!
//!     fn validate(&self) -> mbls_io::Result<()> {
//!         if self.classes > 0 {
//!             Ok(())
//!         } else {
//!             Err(mbls_io::Error::value("settings.classes", "at least 1", 0))
//!         }
//!     }
//! }
//!
//! let store = ParamStore::new(1, DType::F32, &Device::Cpu);
//! Linear::new(3, 2, store.var_builder().pp("fc"))?;
//! let build = |settings: &Settings, vb: candle_nn::VarBuilder| {
//!     Ok(Linear::new(3, settings.classes, vb.pp("fc"))?)
//! };
//! let folder = tempfile::tempdir().expect("a folder");
//! SavedModel::new(Settings { classes: 2 }, &store.state(), &Device::Cpu, build)?
//!     .save(folder.path())?;
//!
//! assert_eq!(saved_model::kind(folder.path())?, "linear-model");
//! let loaded = SavedModel::load(folder.path(), &Device::Cpu, build)?;
//! assert_eq!(loaded.network().weight().dims(), [2, 3]);
//! # Ok::<(), mbls_nn::Error>(())
//! ```

mod files;
mod given;
mod model;

pub use files::{ModelSettings, SCHEMA, SETTINGS_FILE, TENSORS_FILE, kind};
pub use model::SavedModel;
