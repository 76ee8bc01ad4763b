//! Trained networks that segment images, saved with all that it takes to segment another image as
//! they were measured.
//!
//! A [`CalibratedSegmenter`] is a network with the transforms and the normalisation that its test
//! images had, and the [`CalibrationRecord`](mbls_core::calibration::CalibrationRecord) of pixels
//! that calibrates it and knows what test pixels say of its confidences. For an image it gives a
//! [`Segmentation`] of the image's own size.
//!
//! ```
//! use candle_core::{DType, Device};
//! use mbls_core::calibration::CalibrationRecord;
//! use mbls_nn::ParamStore;
//! use mbls_seg::model::{Architecture, Options};
//! use mbls_seg::segmenter::{CalibratedSegmenter, SegmenterSettings};
//! use mbls_seg::transform::{JointTransform, PadTo};
//! use mbls_vision::Image;
//! use mbls_vision::transform::Normalise;
//!
//! // What training leaves; the network is as it was initialised here.
//! let store = ParamStore::new(1, DType::F32, &Device::Cpu);
//! let architecture: Architecture = "unet-r18".parse()?;
//! architecture.network(2, 3)?.build(Options::default(), store.var_builder())?;
//! // What pixels of the validation and of the test part leave: logits and labels.
//! let classes = ["ground", "thing"].map(str::to_owned).to_vec();
//! let mut record = CalibrationRecord::fit(classes, &[0.2, 0.1, 0.3, 0.4], &[0, 1], 10)?;
//! record.assess(&[0.2, 0.1, 0.3, 0.4], &[0, 0])?;
//!
//! let settings = SegmenterSettings {
//!     model: "unet-r18".into(),
//!     values: vec![0, 255],
//!     transforms: vec![JointTransform::Pad(PadTo { size: 32, value: 0 })],
//!     normalisation: Normalise::imagenet(),
//!     batch: 4,
//!     record,
//!     provenance: Default::default(),
//! };
//! let folder = tempfile::tempdir()?;
//! CalibratedSegmenter::new(settings, &store.state(), &Device::Cpu)?.save(folder.path())?;
//!
//! // Another program.
//! let segmenter = CalibratedSegmenter::load(folder.path(), &Device::Cpu)?;
//! let image = Image { channels: 3, height: 20, width: 16, pixels: vec![90; 3 * 20 * 16] };
//! let found = segmenter.segment(&image)?;
//! assert_eq!((found.height, found.width, found.classes.len()), (20, 16, 320));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Its files are those of a [`saved_model`](mbls_nn::saved_model), and are checked as it says.

mod calibrated;
mod frame;
mod image_scores;
mod prepare;
mod segmentation;
mod settings;

pub use calibrated::CalibratedSegmenter;
pub use image_scores::ImageScores;
pub use prepare::Prepared;
pub use segmentation::Segmentation;
pub use settings::SegmenterSettings;
