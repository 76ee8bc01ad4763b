//! Trained segmentation networks, saved with everything that is needed to segment new images as in
//! their evaluation.
//!
//! A [`CalibratedSegmenter`] is a network with the transforms and the normalisation of its test
//! images, and a [`CalibrationRecord`](mbls_core::calibration::CalibrationRecord) that calibrates
//! it and holds the assessment of its confidences on test pixels. It returns a [`Segmentation`]
//! with the size of the original image.
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
//! // The result of training; here the network has its initial weights.
//! let store = ParamStore::new(1, DType::F32, &Device::Cpu);
//! let architecture: Architecture = "unet-r18".parse()?;
//! architecture.network(2, 3)?.build(Options::default(), store.var_builder())?;
//! // Logits and labels of pixels from the validation and from the test split.
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
//! // In another program:
//! let segmenter = CalibratedSegmenter::load(folder.path(), &Device::Cpu)?;
//! let image = Image { channels: 3, height: 20, width: 16, pixels: vec![90; 3 * 20 * 16] };
//! let found = segmenter.segment(&image)?;
//! assert_eq!((found.height, found.width, found.classes.len()), (20, 16, 320));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The files are those of a [`saved_model`](mbls_nn::saved_model), which also describes how they
//! are validated.

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
